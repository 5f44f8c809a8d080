//! What the benches of the whole program share: a cluster, the program on it, and what it answers and weighs.
//!
//! `FERRODNS_SUBJECT` names another program, a CoreDNS for example, where the cluster comes from an API server.

pub(crate) mod cluster;

use std::error::Error;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use test_support::subject;

/// After this long without an answer something is wrong.
const PATIENCE: Duration = Duration::from_secs(300);

/// What may go wrong in a bench.
pub(crate) type Failure = Box<dyn Error>;

/// Starts the program with the zone `cluster.local` from what `properties` say; gives also the port that it answers on.
pub(crate) fn start(scratch: &Scratch, properties: &str) -> Result<(Program, u16), Failure> {
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let corefile = scratch.0.join("Corefile");
    let zones = "cluster.local in-addr.arpa ip6.arpa";
    let text = format!(".:{port} {{\n kubernetes {zones} {{\n  {properties}\n  startup_timeout 5m\n }}\n}}\n");
    fs::write(&corefile, text)?;
    let mut command = Command::new(subject::program(env!("CARGO_BIN_EXE_ferrodns")));
    let child = command.arg("-conf").arg(&corefile).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
    Ok((Program(child), port))
}

/// Asks for the address of `name` until there is one.
pub(crate) fn wait_for_answer(program: &mut Program, port: u16, name: &str) -> Result<(), Failure> {
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
pub(crate) fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.extend(u8::try_from(label.len()));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// Returns the memory of a process and the most it ever had, in MiB.
pub(crate) fn memory(process: u32) -> Option<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// The program; stopped when this is dropped.
pub(crate) struct Program(pub(crate) Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The folder for what is written.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// Makes it in the build folder.
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}
