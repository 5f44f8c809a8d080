//! The program under test on a Corefile in a folder of its own: started, asked, told by signals, its log awaited.
//!
//! In a Corefile `{$PORT}` is its port and `{$SIDE}` another one, both on 127.0.0.1.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use test_support::subject::{Signal, Subject};
use test_support::{Answer, Client, ports};

use crate::harness::subject;

/// How long anything that is awaited may take; far more than it does.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A program and its folder. The program goes first.
pub(crate) struct Life {
    /// The program.
    pub(crate) subject: Subject,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    /// `{$SIDE}`.
    pub(crate) side: SocketAddr,
    /// Its working directory.
    folder: TempDir,
}

/// A folder with a Corefile, before the program is started.
pub(crate) struct Scene {
    /// The working directory.
    pub(crate) folder: TempDir,
    /// The command line; the output of the program goes to two files in the folder.
    pub(crate) command: Command,
    /// Where it will answer.
    pub(crate) address: SocketAddr,
    /// `{$SIDE}`.
    pub(crate) side: SocketAddr,
}

impl Scene {
    /// A folder with this Corefile, and two free ports.
    pub(crate) fn new(corefile: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("Corefile"), corefile).unwrap();
        let [address, side] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free().unwrap())));
        let mut command = Command::new(subject());
        command.current_dir(folder.path()).args(["-conf", "Corefile"]);
        command.env("PORT", address.port().to_string()).env("SIDE", side.port().to_string());
        command.env_remove("KUBERNETES_SERVICE_HOST").env_remove("KUBERNETES_SERVICE_PORT");
        Self { folder, command, address, side }
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program and waits until it serves.
    pub(crate) fn start(mut self) -> Life {
        let (log, errors) = (self.path("log"), self.path("errors"));
        let mut subject = Subject::start_apart(&mut self.command, &log, &errors).unwrap();
        let is_up =
            |output: &str| output.lines().any(|line| line.starts_with("ferrodns-") || line.starts_with("CoreDNS-"));
        let ended = subject.wait_until(LIMIT, is_up).unwrap();
        assert_eq!(ended, None, "{}", subject.errors());
        Life { subject, address: self.address, side: self.side, folder: self.folder }
    }

    /// Starts the program, which is to refuse: its exit status and the first line of what it says.
    pub(crate) fn refusal(mut self) -> (Option<i32>, String) {
        let (log, errors) = (self.path("log"), self.path("errors"));
        let mut subject = Subject::start_apart(&mut self.command, &log, &errors).unwrap();
        let status = subject.wait(LIMIT).unwrap();
        (status.code(), subject.errors().lines().next().unwrap_or_default().to_owned())
    }
}

impl Life {
    /// Starts the program on a Corefile.
    pub(crate) fn start(corefile: &str) -> Self {
        Scene::new(corefile).start()
    }

    /// A file of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file in the place of another, whole from the first moment.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// Writes another Corefile and has it loaded.
    pub(crate) fn load(&self, corefile: &str) {
        self.write("Corefile", corefile);
        self.subject.signal(Signal::SIGUSR1).unwrap();
    }

    /// Waits until a line of the log that contains `text` has come `count` times.
    pub(crate) fn await_log(&mut self, text: &str, count: usize) {
        let is_there = |output: &str| output.lines().filter(|line| line.contains(text)).count() >= count;
        let ended = self.subject.wait_until(LIMIT, is_there);
        assert!(matches!(ended, Ok(None)), "{text}, {count} times: {ended:?}\n{}", self.subject.output());
    }

    /// Asks over UDP, or as the line says.
    pub(crate) fn ask(&self, line: &str) -> Answer {
        Client::udp(self.address).ask(line).unwrap()
    }

    /// Sends a signal and waits for the end: the exit status.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        self.subject.signal(signal).unwrap();
        self.subject.wait(LIMIT).unwrap().code()
    }
}
