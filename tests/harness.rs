//! Runs one recorded suite against the program under test: everything it needs around it, its queries, its answers.
//!
//! `FERRODNS_SUBJECT` names another program to test, a CoreDNS for example.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs, iter};

use test_support::compare::difference;
use test_support::golden::{Action, Case, Suite};
use test_support::subject::{Subject, program};
use test_support::{Answer, Client, Query, Regex, Route, Upstream, http, netns, ports};

use crate::surroundings::{self, Api, Scratch};

/// How long the program may take to listen; `forbidden-*` wait four seconds for an API that refuses.
const START: Duration = Duration::from_secs(20);

/// How long to wait for the banner, which the program prints when all its listeners are up.
const BANNER: Duration = Duration::from_secs(1);

/// How long plugins have to fetch and read their zones before the first query, as when the answers were recorded.
const SETTLE: Duration = Duration::from_millis(300);

/// The same where `loop` is set: its probe may come only a second after the start, and is counted.
const SETTLE_LOOP: Duration = Duration::from_millis(1200);

/// How long a log may lag behind the replies.
const LOG: Duration = Duration::from_secs(1);

/// How long a query in the background has before the next line is run.
const HEAD_START: Duration = Duration::from_millis(50);

/// What came of a suite.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many answers were compared.
    pub(crate) compared: usize,
    /// The answers that differ, one text each.
    pub(crate) differences: Vec<String>,
    /// The cases that do not count, by reason.
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
    program(env!("CARGO_BIN_EXE_ferrodns"))
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
    if surroundings::reads_manifests() && suite.cluster.as_ref().is_some_and(|cluster| !cluster.forbidden.is_empty()) {
        report.left_out.insert("needs an API server that refuses".to_owned(), suite.cases.len());
        return Ok(());
    }
    let mut session = Session::start(suite, plan)?;
    session.ask_all(suite, plan, report);
    session.join(plan, report);
    if let Some(status) = session.server.ended()? {
        report.failure = Some(format!("the program ended with {status}"));
    }
    session.server.stop()?;
    Ok(())
}

impl Report {
    /// Compares an answer with the recorded one, unless there is a reason not to.
    fn compare(&mut self, case: &Case, plan: &Plan, answer: &Answer) {
        let Some(want) = &case.want else { return };
        if let Some(reason) = reason_not_to_compare(case, plan) {
            return self.leave_out(reason);
        }
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

    /// Notes a case that is not compared, and why.
    fn leave_out(&mut self, reason: &str) {
        *self.left_out.entry(reason.to_owned()).or_default() += 1;
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
        scratch.fill(&suite.folder.join("tmp"))?;
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
        let mut server = Subject::start(&mut command, &scratch.log())?;
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
            if let Some(transport) = asked(case).and_then(Query::unsupported) {
                report.leave_out(transport);
                continue;
            }
            let Action::Ask(query) = &case.action else {
                match self.command(suite, case) {
                    Ok(Some(answer)) => report.compare(case, plan, &answer),
                    Ok(None) => {}
                    Err(error) => report.differences.push(format!("{}: {error}", case.line)),
                }
                if matches!(case.action, Action::Join) {
                    self.join(plan, report);
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
                group.iter().zip(&answers).for_each(|((case, _), answer)| report.compare(case, plan, answer));
            } else if query.is_background {
                let mut client = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.ports.clone());
                let query = query.clone();
                self.background.push((case, thread::spawn(move || client.send(&query))));
                thread::sleep(HEAD_START);
            } else {
                let answer = self.client.send(query);
                report.compare(case, plan, &answer);
            }
        }
    }

    /// Waits for the queries in the background.
    fn join(&mut self, plan: &Plan, report: &mut Report) {
        for (case, thread) in self.background.drain(..) {
            report.compare(case, plan, &thread.join().unwrap_or_else(|_| Answer::failed("panicked")));
        }
    }

    /// The lines that the program has printed, once there are as many as wanted: a reply may be faster than its log.
    fn logged(&self, expression: &Regex, wanted: usize) -> Vec<String> {
        let end = Instant::now() + LOG;
        loop {
            let output = self.server.output();
            let lines: Vec<_> = output.lines().filter(|line| expression.is_match(line)).map(str::to_owned).collect();
            if lines.len() >= wanted || Instant::now() > end {
                return lines;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a command; some have an answer.
    fn command(&self, suite: &Suite, case: &Case) -> io::Result<Option<Answer>> {
        match &case.action {
            Action::Copy(from, to) => self.scratch.put(&suite.folder.join(from), to)?,
            Action::Remove(name) => fs::remove_file(self.scratch.tmp().join(name))?,
            Action::Sleep(time) => thread::sleep(*time),
            Action::Log(expression) => {
                let wanted = case.want.as_ref().and_then(|want| want.body.as_ref()).map_or(0, Vec::len);
                return Ok(Some(Answer { body: Some(self.logged(expression, wanted)), ..Answer::default() }));
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

/// Why the answer to a case does not count: the recorded one is wrong, or the machine is not the one.
///
/// Such a case is asked all the same: what it leaves in a cache counts later.
fn reason_not_to_compare(case: &Case, plan: &Plan) -> Option<&'static str> {
    let needs_addresses = case.loose.host || netns::ADDRESSES.iter().any(|address| case.line.contains(address));
    match case.loose.skip {
        true => Some("CoreDNS is wrong"),
        false if needs_addresses && !plan.is_apart => Some("needs a network of its own"),
        false => None,
    }
}

/// Writes a line that shows whether or not the test fails.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
