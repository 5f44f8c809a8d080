//! Runs one recorded suite against the program under test: everything it needs around it, its queries, its answers.
//!
//! Environment: `FERRODNS_SUBJECT` names another program to test (a CoreDNS, say). `FERRODNS_API` says where objects come from
//! instead of kubesim: `manifests` (the program reads them itself), or a program that is called as
//! `PROGRAM --port N MANIFEST` and serves them.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs, iter};

use kubesim::KubeSim;
use test_support::compare::difference;
use test_support::golden::{Action, Case, Cluster, Suite};
use test_support::subject::Subject;
use test_support::{Answer, Client, Query, Route, Upstream, http, netns, ports};
use tokio::runtime;

/// The flag that replaces the API server of every `kubernetes` block.
const MANIFESTS: &str = "-kubernetes.manifests";

/// How long the program may take to listen; `forbidden-*` wait four seconds for an API that refuses.
const START: Duration = Duration::from_secs(20);

/// How long to wait for the banner, which the program prints when all its listeners are up.
const BANNER: Duration = Duration::from_secs(1);

/// How long plugins have to fetch and read their zones before the first query, as when the answers were recorded.
const SETTLE: Duration = Duration::from_millis(300);

/// The same where `loop` is set: its probe may come only a second after the start, and is counted.
const SETTLE_LOOP: Duration = Duration::from_millis(1200);

/// How long a query in the background has before the next line is run.
const HEAD_START: Duration = Duration::from_millis(50);

/// How many scratch folders this process has made.
static SCRATCHES: AtomicUsize = AtomicUsize::new(0);

/// What came of a suite.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many answers were compared.
    pub(crate) compared: usize,
    /// The answers that differ, one text each.
    pub(crate) differences: Vec<String>,
    /// The queries that were not asked, by reason.
    pub(crate) left_out: BTreeMap<String, usize>,
    /// Why the suite could not be run to its end.
    pub(crate) failure: Option<String>,
}

impl Report {
    /// Whether every answer that was compared is as recorded.
    pub(crate) fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.failure.is_none()
    }
}

/// How suites are run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The program under test.
    pub(crate) subject: PathBuf,
    /// Whether each suite gets a network of its own.
    pub(crate) is_apart: bool,
    /// Whether to stop at the first difference.
    pub(crate) stops_early: bool,
}

/// The program under test: the one just built, or another one.
pub(crate) fn subject() -> PathBuf {
    env::var_os("FERRODNS_SUBJECT").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ferrodns")), PathBuf::from)
}

/// Runs a suite in a thread, and if need be a network, of its own.
pub(crate) fn run(suite: Suite, plan: Plan) -> Report {
    let run = move || {
        let mut report = Report::default();
        if let Err(error) = run_here(&suite, &plan, &mut report) {
            report.failure = Some(error.to_string());
        }
        report
    };
    thread::spawn(run).join().unwrap_or_else(|_| Report { failure: Some("panicked".to_owned()), ..Report::default() })
}

/// Runs a suite in this thread.
fn run_here(suite: &Suite, plan: &Plan, report: &mut Report) -> io::Result<()> {
    if plan.is_apart {
        let own = suite.folder.join("resolv.conf");
        netns::enter(own.exists().then_some(own.as_path()))?;
    } else if netns::ADDRESSES.iter().any(|address| suite.text().contains(address)) {
        report.left_out.insert("needs a network of its own".to_owned(), suite.cases.len());
        return Ok(());
    }
    let mut session = Session::start(suite, plan)?;
    session.ask_all(suite, plan, report);
    session.background.drain(..).for_each(|(case, thread)| {
        let answer = thread.join().unwrap_or_else(|_| Answer::failed("panicked"));
        report.compare(case, &answer);
    });
    if let Some(status) = session.server.ended()? {
        report.failure = Some(format!("the program ended with {status}"));
    }
    session.server.stop()?;
    Ok(())
}

impl Report {
    /// Compares an answer with the recorded one.
    fn compare(&mut self, case: &Case, answer: &Answer) {
        let Some(want) = &case.want else { return };
        self.compared += 1;
        if let Some(differs) = difference(want, answer, &case.loose) {
            let text = |side| serde_json::to_string(side).unwrap_or_default();
            self.differences.push(format!(
                "{}\n  want {}\n  got  {}",
                case.line,
                text(&differs.want),
                text(&differs.got)
            ));
        }
    }

    /// Notes a case that is not asked, and why.
    fn leave_out(&mut self, reason: &str) {
        *self.left_out.entry(reason.to_owned()).or_default() += 1;
    }
}

/// A scratch folder; it goes when dropped.
struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty folder that only this process uses.
    fn new() -> io::Result<Self> {
        let number = SCRATCHES.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("ferrodns-golden-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("tmp"))?;
        Ok(Self(folder))
    }

    /// The folder that the program knows as `TMP`.
    fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Puts a file into `TMP`, whole from the first moment.
    fn put(&self, from: &Path, name: &str) -> io::Result<()> {
        let new = self.tmp().join(format!("{name}.new"));
        fs::copy(from, &new)?;
        fs::rename(new, self.tmp().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Where a suite's objects come from.
struct Api {
    /// What the program under test knows as `API`.
    url: String,
    /// What it is told on its command line.
    arguments: Vec<OsString>,
    /// What has to live as long as the program.
    _held: Box<dyn Any>,
}

impl Api {
    /// Starts what holds a suite's objects.
    fn start(cluster: &Cluster, scratch: &Scratch) -> io::Result<Self> {
        match env::var("FERRODNS_API") {
            Err(_) => Self::simulate(cluster),
            Ok(word) if word == "manifests" => Ok(Self::read(cluster)),
            Ok(program) => Self::call(&program, cluster, scratch),
        }
    }

    /// Starts kubesim, on a runtime whose threads are where this one is.
    fn simulate(cluster: &Cluster) -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sim = runtime.block_on(KubeSim::start())?;
        cluster.forbidden.iter().for_each(|plural| sim.forbid(plural));
        sim.load_path(&cluster.manifest).map_err(io::Error::other)?;
        Ok(Self { url: sim.url(), arguments: Vec::new(), _held: Box::new((sim, runtime)) })
    }

    /// Lets the program under test read the manifest itself.
    fn read(cluster: &Cluster) -> Self {
        let arguments = vec![MANIFESTS.into(), cluster.manifest.clone().into_os_string()];
        Self { url: "http://127.0.0.1:1".to_owned(), arguments, _held: Box::new(()) }
    }

    /// Starts a program that serves a manifest; an item of kind `FakeApi` tells it what to forbid.
    fn call(program: &str, cluster: &Cluster, scratch: &Scratch) -> io::Result<Self> {
        let manifest = scratch.0.join("cluster.yaml");
        let mut text = fs::read_to_string(&cluster.manifest)?;
        for plural in &cluster.forbidden {
            text.push_str(&format!("- {{kind: FakeApi, metadata: {{name: rules}}, forbid: [{plural}]}}\n"));
        }
        fs::write(&manifest, text)?;
        let port = ports::free()?;
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string()]).arg(manifest);
        let mut program = Subject::start(&mut command, &scratch.0.join("api.log"))?;
        program.wait_for(port, START)?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), arguments: Vec::new(), _held: Box::new(program) })
    }
}

/// A suite's program with everything around it. Fields go in this order: the program first, its surroundings after it.
struct Session<'a> {
    /// The program under test.
    server: Subject,
    /// Asks it.
    client: Client,
    /// Its ports: `PORT` to `PORT4`.
    ports: Vec<u16>,
    /// Queries whose replies are still to come.
    background: Vec<(&'a Case, JoinHandle<Answer>)>,
    /// `UPSTREAM`, `UPSTREAM2`, `UPSTREAM3`.
    _upstreams: Vec<Upstream>,
    /// `API`.
    _api: Option<Api>,
    /// `SILENT`.
    _silent: Option<(UdpSocket, TcpListener)>,
    /// `TMP` and logs.
    scratch: Scratch,
}

impl<'a> Session<'a> {
    /// Starts the program on the suite's Corefile with all that it names.
    fn start(suite: &Suite, plan: &Plan) -> io::Result<Self> {
        let scratch = Scratch::new()?;
        if suite.folder.join("tmp").exists() {
            copy_folder(&suite.folder.join("tmp"), &scratch.tmp())?;
        }
        let mut command = Command::new(&plan.subject);
        command.args(["-conf", "Corefile"]).current_dir(&suite.folder);
        command.env("DIR", &suite.folder).env("TMP", scratch.tmp());
        let ports: Vec<_> = iter::repeat_with(ports::free).take(4).collect::<Result<_, _>>()?;
        for (name, port) in ["PORT", "PORT2", "PORT3", "PORT4"].into_iter().zip(&ports) {
            command.env(name, port.to_string());
        }
        let mut upstreams = Vec::new();
        for (name, id) in [("UPSTREAM", 1), ("UPSTREAM2", 2), ("UPSTREAM3", 3)] {
            if suite.names(name) {
                let upstream = Upstream::start(id)?;
                command.env(name, upstream.address().to_string());
                upstreams.push(upstream);
            }
        }
        let api = suite.cluster.as_ref().map(|cluster| Api::start(cluster, &scratch)).transpose()?;
        if let Some(api) = &api {
            command.env("API", &api.url).args(&api.arguments);
        }
        command.env("DEAD", format!("127.0.0.1:{}", ports::free()?));
        let silent = suite.names("SILENT").then(ports::bind_pair).transpose()?;
        if let Some((udp, _)) = &silent {
            command.env("SILENT", udp.local_addr()?.to_string());
        }
        let mut server = Subject::start(&mut command, &scratch.0.join("log"))?;
        server.wait_for(ports[0], START)?;
        let client = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports.clone());
        let session = Self {
            server,
            client,
            ports,
            background: Vec::new(),
            _upstreams: upstreams,
            _api: api,
            _silent: silent,
            scratch,
        };
        session.settle(suite);
        Ok(session)
    }

    /// Waits until all listeners are up and, with plugins that read zones, until they have had time to.
    fn settle(&self, suite: &Suite) {
        let end = Instant::now() + BANNER;
        while !self.server.output().contains("DNS-") && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        if !suite.name.starts_with("kubernetes/") {
            thread::sleep(if suite.text().contains("loop") { SETTLE_LOOP } else { SETTLE });
        }
    }

    /// Runs all cases in order.
    fn ask_all(&mut self, suite: &'a Suite, plan: &Plan, report: &mut Report) {
        let mut cases = suite.cases.iter().peekable();
        while let Some(case) = cases.next() {
            if plan.stops_early && !report.is_clean() {
                return;
            }
            if let Some(reason) = reason_to_leave_out(case, plan) {
                report.leave_out(reason);
                continue;
            }
            let Action::Ask(query) = &case.action else {
                match self.command(suite, &case.action) {
                    Ok(Some(answer)) => report.compare(case, &answer),
                    Ok(None) => {}
                    Err(error) => report.differences.push(format!("{}: {error}", case.line)),
                }
                if matches!(case.action, Action::Join) {
                    self.join(report);
                }
                continue;
            };
            thread::sleep(query.sleep);
            if let Route::Pipe(_) = query.route {
                let mut group = vec![(case, query.as_ref())];
                while let Some(next) = cases.next_if(|next| route(next) == Some(&query.route)) {
                    group.extend(asked(next).map(|query| (next, query)));
                }
                let queries: Vec<_> = group.iter().map(|(_, query)| *query).collect();
                let answers = self.client.send_together(&queries);
                group.iter().zip(&answers).for_each(|((case, _), answer)| report.compare(case, answer));
            } else if query.is_background {
                let mut client = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.ports.clone());
                let query = query.clone();
                self.background.push((case, thread::spawn(move || client.send(&query))));
                thread::sleep(HEAD_START);
            } else {
                let answer = self.client.send(query);
                report.compare(case, &answer);
            }
        }
    }

    /// Waits for the queries in the background.
    fn join(&mut self, report: &mut Report) {
        for (case, thread) in self.background.drain(..) {
            report.compare(case, &thread.join().unwrap_or_else(|_| Answer::failed("panicked")));
        }
    }

    /// Runs a command; some have an answer.
    fn command(&self, suite: &Suite, action: &Action) -> io::Result<Option<Answer>> {
        match action {
            Action::Copy(from, to) => self.scratch.put(&suite.folder.join(from), to)?,
            Action::Remove(name) => fs::remove_file(self.scratch.tmp().join(name))?,
            Action::Sleep(time) => thread::sleep(*time),
            Action::Log(expression) => {
                let output = self.server.output();
                let lines = output.lines().filter(|line| expression.is_match(line)).map(str::to_owned);
                return Ok(Some(Answer { body: Some(lines.collect()), ..Answer::default() }));
            }
            Action::Http(port, path, expression) => {
                let port = port.checked_sub(1).and_then(|at| self.ports.get(at)).copied().unwrap_or_default();
                let page = http::get(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), path);
                let Ok((status, body)) = page else { return Ok(Some(Answer::failed("refused"))) };
                let is_wanted = |line: &&str| expression.as_ref().is_none_or(|wanted| wanted.is_match(line));
                let lines = body.lines().filter(is_wanted).map(str::to_owned).collect();
                return Ok(Some(Answer { status: Some(status), body: Some(lines), ..Answer::default() }));
            }
            Action::Join | Action::Ask(_) => {}
        }
        Ok(None)
    }
}

/// The query of a case.
fn asked(case: &Case) -> Option<&Query> {
    match &case.action {
        Action::Ask(query) => Some(query),
        _ => None,
    }
}

/// How the query of a case is sent.
fn route(case: &Case) -> Option<&Route> {
    asked(case).map(|query| &query.route)
}

/// Why a case is not asked: its transport is not spoken here, its answer is wrong, or the machine is not the one.
fn reason_to_leave_out(case: &Case, plan: &Plan) -> Option<&'static str> {
    if case.loose.skip {
        return Some("CoreDNS is wrong");
    }
    if !plan.is_apart && (case.loose.host || netns::ADDRESSES.iter().any(|address| case.line.contains(address))) {
        return Some("needs a network of its own");
    }
    asked(case)?.unsupported()
}

/// Copies a folder with everything in it.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Writes a line that shows whether or not the test fails.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
