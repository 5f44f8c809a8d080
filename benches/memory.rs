//! How long the program takes from its start to a right answer, and what memory it then has, for a cluster of some size.
//!
//! `cargo bench --bench memory` measures 10,000 services with 150,000 endpoints, and a tenth of that; other sizes are
//! given as arguments: `cargo bench --bench memory -- 1000`. The program itself is started, as an operator starts it; the
//! cluster is a manifest, in YAML and in JSON, and a simulated API server in this process. Memory is what Linux reports
//! (`/proc/PID/status`); elsewhere only times are printed.

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kubesim::{KubeSim, WatchList};
use serde_json::{Value, json};

/// Endpoints of each service.
const ENDPOINTS: usize = 15;
/// Services in a namespace.
const NAMESPACE: usize = 100;
/// After this long without an answer something is wrong.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the program rests before its steady memory is read.
const REST: Duration = Duration::from_secs(3);

/// What may go wrong in a bench.
type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let sizes: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    let scratch = Scratch::new()?;
    for services in sizes {
        println!("{services} services, {} endpoints", services * ENDPOINTS);
        from_manifest(&scratch, services, "cluster.yaml", write_yaml)?;
        from_manifest(&scratch, services, "cluster.json", write_json)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        for mode in [WatchList::Supported, WatchList::Refused(422)] {
            runtime.block_on(from_api(&scratch, services, mode))?;
        }
    }
    Ok(())
}

/// Measures the program with a manifest.
fn from_manifest(
    scratch: &Scratch,
    services: usize,
    name: &str,
    write: fn(&mut dyn std::io::Write, usize) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let path = scratch.0.join(name);
    let mut file = std::io::BufWriter::new(fs::File::create(&path)?);
    write(&mut file, services)?;
    file.flush()?;
    drop(file);
    let size = mib(fs::metadata(&path)?.len());
    let result = measure(scratch, services, &format!("manifests {}", path.display()));
    fs::remove_file(&path)?;
    println!("  {name:<22} {} of {size:.1} MiB", result?);
    Ok(())
}

/// Measures the program with a simulated API server.
async fn from_api(scratch: &Scratch, services: usize, mode: WatchList) -> Result<(), Failure> {
    let sim = KubeSim::builder().watch_list(mode).start().await?;
    objects(services).for_each(|object| {
        sim.put(object);
    });
    let (folder, property) = (scratch.0.clone(), format!("endpoint {}", sim.url()));
    let result = tokio::task::spawn_blocking(move || {
        measure(&Scratch(folder), services, &property).map_err(|error| error.to_string())
    });
    let name = if mode == WatchList::Supported { "API, initial events" } else { "API, list" };
    println!("  {name:<22} {}", result.await??);
    sim.shutdown().await;
    Ok(())
}

/// Starts the program, asks for the last service until it answers, and returns time and memory.
fn measure(scratch: &Scratch, services: usize, property: &str) -> Result<String, Failure> {
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let corefile = scratch.0.join("Corefile");
    let zones = "cluster.local in-addr.arpa ip6.arpa";
    fs::write(
        &corefile,
        format!(".:{port} {{\n kubernetes {zones} {{\n  {property}\n  startup_timeout 5m\n }}\n}}\n"),
    )?;
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrodns"));
    let mut program = Program(command.arg("-conf").arg(&corefile).stdout(Stdio::null()).spawn()?);
    let last = services - 1;
    wait_for_answer(&mut program, port, &format!("service-{last}.namespace-{}.svc.cluster.local", last / NAMESPACE))?;
    let time = start.elapsed().as_secs_f64();
    std::thread::sleep(REST);
    let memory = memory(program.0.id());
    Ok(memory.map_or_else(
        || format!("{time:6.2} s"),
        |(now, peak)| format!("{time:6.2} s, {now:6.1} MiB resident, {peak:6.1} MiB at most"),
    ))
}

/// Asks for the address of `name` until there is one.
fn wait_for_answer(program: &mut Program, port: u16, name: &str) -> Result<(), Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    let start = Instant::now();
    let mut response = [0; 512];
    while start.elapsed() < PATIENCE {
        // While nobody listens, sending or receiving fails; that is what is waited for.
        let received = socket.send(&query(name)).and_then(|_| socket.recv(&mut response)).unwrap_or_default();
        if received > 12 && response[3] & 0x0f == 0 && response[7] > 0 {
            return Ok(());
        }
        if let Some(status) = program.0.try_wait()? {
            return Err(format!("the program ended: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(format!("no answer for {name}").into())
}

/// Makes a query for the A records of `name`.
fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.extend(u8::try_from(label.len()));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// Returns the memory of a process and the most it ever had, in MiB.
fn memory(process: u32) -> Option<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// Turns bytes into MiB.
#[expect(clippy::cast_precision_loss, reason = "a size to be read by people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// Writes the cluster as `kubectl get -o json` does.
fn write_json(to: &mut dyn std::io::Write, services: usize) -> std::io::Result<()> {
    write!(to, "{{\"apiVersion\": \"v1\", \"items\": [")?;
    for (at, object) in objects(services).enumerate() {
        write!(to, "{}\n{object:#}", if at == 0 { "" } else { "," })?;
    }
    writeln!(to, "], \"kind\": \"List\"}}")
}

/// Writes the cluster as `kubectl get -o yaml` does.
fn write_yaml(to: &mut dyn std::io::Write, services: usize) -> std::io::Result<()> {
    writeln!(to, "apiVersion: v1\nitems:")?;
    for object in objects(services) {
        let mut text = String::new();
        yaml(&object, 0, &mut text);
        let mut lines = text.lines();
        writeln!(to, "- {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(to, "  {line}"))?;
    }
    writeln!(to, "kind: List")
}

/// Writes a value in block style.
fn yaml(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            write!(text, "{:indent$}{key}:", "").unwrap_or_default();
            nested(value, indent + 2, text);
        }),
        Value::Array(items) => items.iter().for_each(|item| {
            let start = text.len();
            yaml(item, indent, text);
            let first = text.get(start..).map_or(0, |item| item.len() - item.trim_start().len());
            text.replace_range(start..start + first, &format!("{:1$}- ", "", indent.saturating_sub(2)));
        }),
        scalar => writeln!(text, "{:indent$}{scalar}", "").unwrap_or_default(),
    }
}

/// Writes the value behind a key: on its line, or below it.
fn nested(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            yaml(value, indent, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            yaml(value, indent, text);
        }
        scalar => writeln!(text, " {scalar}").unwrap_or_default(),
    }
}

/// Makes all objects: namespaces, services, and a slice for each service.
fn objects(services: usize) -> impl Iterator<Item = Value> {
    let namespace =
        |at: usize| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("namespace-{at}")}});
    let namespaces = (0..services.div_ceil(NAMESPACE)).map(namespace);
    namespaces.chain((0..services).map(service)).chain((0..services).map(slice))
}

/// Makes the metadata of an object as a cluster has it.
fn metadata(name: &str, at: usize, labels: &Value) -> Value {
    json!({
        "name": name,
        "namespace": format!("namespace-{}", at / NAMESPACE),
        "labels": labels,
        "uid": format!("6f1c2f0e-5d1a-4c55-9a3c-{at:012x}"),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
            "example.org/why": "a note that nobody needs for names"},
    })
}

/// Makes a service.
fn service(at: usize) -> Value {
    let address = address(0x0a60_0000, at);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": metadata(&format!("service-{at}"), at, &json!({"app.kubernetes.io/name": format!("app-{at}")})),
        "spec": {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
            "selector": {"app.kubernetes.io/name": format!("app-{at}")},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]},
        "status": {"loadBalancer": {}},
    })
}

/// Makes the slice of a service.
fn slice(at: usize) -> Value {
    let endpoint = |number: usize| {
        json!({"addresses": [address(0x0a80_0000, at * ENDPOINTS + number)],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": format!("node-{}", number * 7 % 100),
            "targetRef": {"kind": "Pod", "name": format!("app-{at}-7d9c6b5f4-{number:05x}"),
                "namespace": format!("namespace-{}", at / NAMESPACE)},
            "zone": "zone-a"})
    };
    let labels = json!({"kubernetes.io/service-name": format!("service-{at}"),
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"});
    json!({
        "addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": metadata(&format!("service-{at}-x7k2p"), at, &labels),
        "endpoints": (0..ENDPOINTS).map(endpoint).collect::<Vec<_>>(),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

/// Returns the address at a place of a network.
fn address(network: u32, at: usize) -> String {
    std::net::Ipv4Addr::from(network + u32::try_from(at + 1).unwrap_or_default()).to_string()
}

/// The program; stopped when this is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The folder for what is written.
struct Scratch(PathBuf);

impl Scratch {
    /// Makes it in the build folder.
    fn new() -> Result<Self, Failure> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}
