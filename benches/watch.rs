//! How soon a change of the cluster is answered, and what watching costs: time to ready, memory, latency, CPU, restarts.
//!
//! `cargo bench --bench watch` measures 1,000 services, 10,000 services with 150,000 endpoints, and that with 150,000 pods
//! (`pods verified`), which takes about ten minutes; words choose among them and among what is measured, as in
//! `-- large cost`: `small`, `large`, `pods`; `changes`, `parts`, `flood`, `cost`, `restarts`. The program itself is started; the API server is simulated in this process. A change is timed from the moment it is handed to the API
//! server, so that writing and sending the event counts, until a client that asks again and again has the new answer. Needs
//! Linux for memory and CPU.

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kubesim::{Connections, KubeSim, Recorded};
use serde_json::{Value, json};
use support::cluster::{ENDPOINTS, NAMESPACE, address, objects, pod, slice};
use support::{Failure, Program, Scratch, memory, query, wait_for_answer};
use tokio::runtime::{Builder, Runtime};

/// How long the program rests before its steady memory is read.
const REST: Duration = Duration::from_secs(3);
/// How many single changes are timed.
const CHANGES: usize = 500;
/// The pause between two changes that are timed.
const PAUSE: Duration = Duration::from_millis(3);
/// Endpoints of the large service, and of each of its slices.
const LARGE: (usize, usize) = (5_000, 100);
/// Events a second that are many, and that are usual in a large cluster.
const MANY: (u32, u32) = (1_000, 200);
/// How long events at such a rate go on.
const SPELL: Duration = Duration::from_secs(10);
/// How often the API server is restarted.
const RESTARTS: usize = 20;
/// How long it is away each time.
const AWAY: Duration = Duration::from_millis(1500);

/// What is measured.
struct Case {
    /// Its name on the command line.
    name: &'static str,
    /// How many services there are.
    services: usize,
    /// How many pods there are and are watched.
    pods: usize,
}

/// What is measured.
const CASES: &[Case] = &[
    Case { name: "small", services: 1_000, pods: 0 },
    Case { name: "large", services: 10_000, pods: 0 },
    Case { name: "pods", services: 10_000, pods: 150_000 },
];

/// What can be measured of a world, by its name on the command line.
type Measure = fn(&World) -> Result<(), Failure>;

/// What can be measured of a world, by its name on the command line.
const MEASURES: &[(&str, Measure)] = &[
    ("changes", World::changes),
    ("parts", World::first_and_last),
    ("flood", World::flood),
    ("cost", World::cost),
    ("restarts", World::restarts),
];

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().collect();
    let chosen = |name: &str| words.iter().any(|word| word == name);
    let has_case = CASES.iter().any(|case| chosen(case.name));
    let has_measure = MEASURES.iter().any(|(name, _)| chosen(name));
    let scratch = Scratch::new("watch")?;
    for case in CASES.iter().filter(|case| !has_case || chosen(case.name)) {
        println!("{} services, {} endpoints, {} pods", case.services, case.services * ENDPOINTS, case.pods);
        let bare = World::new(&scratch, &Case { name: "", services: 0, pods: 0 })?.memory()?.0;
        let world = World::new(&scratch, case)?;
        let (steady, peak) = world.memory()?;
        println!("  ready after {:.2} s", world.ready.as_secs_f64());
        println!(
            "  memory {steady:.1} MiB, {peak:.1} MiB at most; {:.1} MiB more than without a cluster",
            steady - bare
        );
        for (_, measure) in MEASURES.iter().filter(|(name, _)| !has_measure || chosen(name)) {
            measure(&world)?;
        }
    }
    Ok(())
}

/// A cluster, and the program that watches it.
struct World {
    /// Runs the API server.
    runtime: Runtime,
    /// The API server.
    sim: KubeSim,
    /// The program.
    program: Program,
    /// A client of it.
    client: UdpSocket,
    /// How many services there are.
    services: usize,
    /// How long the program took to its first right answer.
    ready: Duration,
    /// Numbers new addresses.
    next: AtomicU32,
}

impl World {
    /// Makes a cluster and starts the program on it.
    fn new(scratch: &Scratch, case: &Case) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sim = runtime.block_on(KubeSim::start())?;
        let put = |object| {
            sim.put(object);
        };
        // A namespace and the services whose changes are timed are always there.
        objects(1).chain(objects(case.services)).for_each(put);
        (0..case.pods).map(pod).for_each(put);
        put(headless("probe"));
        put(probe(address(0x0af0_0000, 0)));
        put(headless("large"));
        (0..LARGE.0 / LARGE.1).map(|part| large(part, None)).for_each(put);
        let mode = if case.pods > 0 { "verified" } else { "insecure" };
        let start = Instant::now();
        let (mut program, port) = support::start(scratch, &format!("endpoint {}\n  pods {mode}", sim.url()))?;
        let last = case.services.saturating_sub(1);
        wait_for_answer(&mut program, port, &name(&format!("service-{last}"), last / NAMESPACE))?;
        let ready = start.elapsed();
        let client = UdpSocket::bind("127.0.0.1:0")?;
        client.connect(("127.0.0.1", port))?;
        client.set_read_timeout(Some(Duration::from_secs(5)))?;
        thread::sleep(REST);
        Ok(Self { runtime, sim, program, client, services: case.services, ready, next: AtomicU32::new(1) })
    }

    /// Returns the memory of the program and the most it had, in MiB.
    fn memory(&self) -> Result<(f64, f64), Failure> {
        Ok(memory(self.program.0.id()).ok_or("no /proc")?)
    }

    /// Returns an address that nobody has yet.
    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(0x0af0_0000 + self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Asks once; whether the answer has this address.
    fn ask(&self, query: &[u8], wanted: Ipv4Addr) -> Result<bool, Failure> {
        let mut reply = [0; 4096];
        self.client.send(query)?;
        let length = self.client.recv(&mut reply)?;
        let answer = reply.get(query.len()..length).unwrap_or_default();
        Ok(answer.windows(4).any(|octets| octets == wanted.octets()))
    }

    /// Puts an object with a new address and asks until there it is.
    fn time(&self, object: Value, name: &str, wanted: Ipv4Addr) -> Result<Duration, Failure> {
        let query = query(name);
        let start = Instant::now();
        self.sim.put(object);
        while !self.ask(&query, wanted)? {}
        let took = start.elapsed();
        thread::sleep(PAUSE);
        Ok(took)
    }

    /// Times changes of a small headless service.
    fn some_changes(&self) -> Result<String, Failure> {
        let change = |_| {
            let new = self.address();
            self.time(probe(new.to_string()), &name("probe", 0), new)
        };
        Ok(spread((0..CHANGES).map(change).collect::<Result<_, _>>()?))
    }

    /// Times changes while nothing else happens.
    fn changes(&self) -> Result<(), Failure> {
        println!("  change to answer: {}", self.some_changes()?);
        Ok(())
    }

    /// Times changes of the first and of the last endpoint of a large service, in turns.
    fn first_and_last(&self) -> Result<(), Failure> {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..CHANGES / 5 {
            for (part, times) in [0, LARGE.0 / LARGE.1 - 1].into_iter().zip(&mut times) {
                let new = self.address();
                let label = new.to_string().replace('.', "-");
                times.push(self.time(large(part, Some(new)), &name(&format!("{label}.large"), 0), new)?);
            }
        }
        let [first, last] = times;
        let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
        let (a, b) = (median(&first), median(&last));
        println!("  of {} endpoints, the first: {}", LARGE.0, spread(first));
        println!(
            "  of {} endpoints, the last:  {}; {:.2} times apart",
            LARGE.0,
            spread(last),
            ratio(a.max(b), a.min(b))
        );
        Ok(())
    }

    /// Times changes and queries while many others happen.
    fn flood(&self) -> Result<(), Failure> {
        let steady = query(&name("service-0", 0));
        let queries = || -> Result<String, Failure> {
            let one = |_| {
                let start = Instant::now();
                self.ask(&steady, Ipv4Addr::UNSPECIFIED)?;
                Ok::<_, Failure>(start.elapsed())
            };
            Ok(spread((0..20_000).map(one).collect::<Result<_, _>>()?))
        };
        println!("  queries while nothing changes: {}", queries()?);
        let (changes, asked) = self.amid(MANY.0, || Ok((self.some_changes()?, queries()?)))?;
        println!("  change to answer amid {} others a second: {changes}", MANY.0);
        println!("  queries meanwhile: {asked}");
        Ok(())
    }

    /// Measures what the program needs for the usual changes.
    fn cost(&self) -> Result<(), Failure> {
        let percent = self.amid(MANY.1, || {
            let (start, before) = (Instant::now(), self.cpu()?);
            thread::sleep(SPELL);
            Ok((self.cpu()? - before) / start.elapsed().as_secs_f64() * 100.0)
        })?;
        println!("  {} changes of slices a second take {percent:.1} % of a core", MANY.1);
        Ok(())
    }

    /// Does something while slices change at a rate.
    fn amid<T>(&self, rate: u32, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let changes = scope.spawn(|| {
                let (start, mut count) = (Instant::now(), 0);
                while !is_over.load(Ordering::Relaxed) {
                    let mut object = slice(count as usize * 7919 % self.services);
                    object["endpoints"][0]["addresses"][0] = self.address().to_string().into();
                    self.sim.put(object);
                    count += 1;
                    thread::sleep(
                        (start + Duration::from_secs(1) * count / rate).saturating_duration_since(Instant::now()),
                    );
                }
                f64::from(count) / start.elapsed().as_secs_f64()
            });
            let result = work();
            is_over.store(true, Ordering::Relaxed);
            let reached = changes.join().map_err(|_| "the changes ended in a panic")?;
            if reached < f64::from(rate) * 0.95 {
                println!("  (only {reached:.0} changes a second could be made)");
            }
            result
        })
    }

    /// Returns the time that the program's threads have had a processor, in seconds.
    fn cpu(&self) -> Result<f64, Failure> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.program.0.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
    }

    /// Restarts the API server again and again: it is away for a while, and has forgotten every version when it is back.
    fn restarts(&self) -> Result<(), Failure> {
        thread::sleep(REST);
        let steady = self.memory()?.0;
        // Linux then forgets the peak of before.
        fs::write(format!("/proc/{}/clear_refs", self.program.0.id()), "5")?;
        let lists = |requests: &[Recorded]| {
            let is_list = |request: &&Recorded| !request.param("sendInitialEvents").is_empty();
            requests.iter().filter(is_list).count()
        };
        let (before, start) = (lists(&self.sim.requests()), Instant::now());
        for _ in 0..RESTARTS {
            self.runtime.block_on(self.sim.set_connections(Connections::Refuse));
            self.sim.cut_connections();
            let new = self.address();
            self.sim.put(probe(new.to_string()));
            self.sim.compact();
            thread::sleep(AWAY);
            self.runtime.block_on(self.sim.set_connections(Connections::Serve));
            while !self.ask(&query(&name("probe", 0)), new)? {
                thread::sleep(PAUSE);
            }
        }
        thread::sleep(REST);
        let (after, peak) = self.memory()?;
        println!(
            "  {RESTARTS} restarts of the API server, {} lists, {:.0} s: {peak:.1} MiB at most, {:.2} times the {steady:.1} MiB \
             of before; {after:.1} MiB in the end",
            lists(&self.sim.requests()) - before,
            start.elapsed().as_secs_f64(),
            peak / steady,
        );
        Ok(())
    }
}

/// The name of a service in a numbered namespace.
fn name(service: &str, namespace: usize) -> String {
    format!("{service}.namespace-{namespace}.svc.cluster.local")
}

/// Makes a headless service.
fn headless(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "namespace-0"},
        "spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    })
}

/// Makes a slice of such a service.
fn slice_of(service: &str, part: usize, addresses: &[String]) -> Value {
    let endpoints = addresses.iter().map(|address| json!({"addresses": [address], "conditions": {"ready": true}}));
    json!({
        "addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{service}-{part}"), "namespace": "namespace-0",
            "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints.collect::<Vec<_>>(),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

/// Makes the slice of the small service, with this address as its last.
fn probe(last: String) -> Value {
    let others = (1..ENDPOINTS).map(|at| address(0x0ae0_0000, at));
    slice_of("probe", 0, &others.chain([last]).collect::<Vec<_>>())
}

/// Makes a slice of the large service; in the first slice the first address can be another, in the others the last.
fn large(part: usize, other: Option<Ipv4Addr>) -> Value {
    let mut addresses: Vec<String> = (0..LARGE.1).map(|at| address(0x0ad0_0000, part * LARGE.1 + at)).collect();
    let changed = if part == 0 { addresses.first_mut() } else { addresses.last_mut() };
    if let Some((changed, other)) = changed.zip(other) {
        *changed = other.to_string();
    }
    slice_of("large", part, &addresses)
}

/// Returns the time that half of all do not pass.
fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Writes how times are spread, in milliseconds.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| {
        let time = times.get((times.len() * part / 1000).min(times.len().saturating_sub(1)));
        time.copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    format!(
        "p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, at most {:.2}, of {}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000),
        times.len()
    )
}
