//! The server under test as a process of its own: started on a Corefile, stopped with SIGTERM, its output kept.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;

pub use nix::sys::signal::Signal;

/// How often it is looked whether a process is up, or gone.
const LOOK: Duration = Duration::from_millis(10);

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_millis(300);

/// How long a process may take to stop; `lameduck` takes five seconds.
const STOP: Duration = Duration::from_secs(10);

/// How much of the output an error shows, in lines.
const SHOWN_LINES: usize = 5;

/// The program under test: the one just built, `own`, unless `FERRODNS_SUBJECT` names another.
#[must_use]
pub fn program(own: &str) -> PathBuf {
    other().unwrap_or_else(|| own.into())
}

/// The program that `FERRODNS_SUBJECT` names, if it does.
#[must_use]
pub fn other() -> Option<PathBuf> {
    env::var_os("FERRODNS_SUBJECT").map(PathBuf::from)
}

/// A running program.
#[derive(Debug)]
pub struct Subject {
    /// The process.
    child: Child,
    /// Where its standard output goes, and its standard error unless it has a file of its own.
    log: PathBuf,
    /// Where its standard error goes.
    errors: PathBuf,
}

impl Subject {
    /// Starts a command with its output in the file `log`.
    ///
    /// # Errors
    ///
    /// The program or the file cannot be opened.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let file = File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, log: log.to_owned(), errors: log.to_owned() })
    }

    /// Starts a command with its standard output in the file `log` and its standard error in the file `errors`.
    ///
    /// # Errors
    ///
    /// The program or a file cannot be opened.
    pub fn start_apart(command: &mut Command, log: &Path, errors: &Path) -> io::Result<Self> {
        let (out, err) = (File::create(log)?, File::create(errors)?);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn()?;
        Ok(Self { child, log: log.to_owned(), errors: errors.to_owned() })
    }

    /// Waits until the output is as wanted, or the program has ended; the exit status in that case.
    ///
    /// # Errors
    ///
    /// `limit` is over.
    pub fn wait_until(&mut self, limit: Duration, wanted: impl Fn(&str) -> bool) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            // First the end, then the output: what was said last counts.
            let ended = self.ended()?;
            if wanted(&self.output()) {
                return Ok(None);
            }
            if ended.is_some() {
                return Ok(ended);
            }
            if Instant::now() > end {
                return Err(io::Error::other(format!("not after {limit:?}: {}", self.last_words())));
            }
            sleep(LOOK);
        }
    }

    /// Waits for the end of the program.
    ///
    /// # Errors
    ///
    /// `limit` is over.
    pub fn wait(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let status = self.wait_until(limit, |_| false)?;
        status.ok_or_else(|| io::Error::other("has not ended"))
    }

    /// Waits until a port of 127.0.0.1 takes TCP connections.
    ///
    /// # Errors
    ///
    /// The program has ended (with what it said last), or `limit` is over.
    pub fn wait_for(&mut self, port: u16, limit: Duration) -> io::Result<()> {
        let end = Instant::now() + limit;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while Instant::now() < end {
            if let Some(status) = self.ended()? {
                return Err(io::Error::other(format!("ended with {status}: {}", self.last_words())));
            }
            if TcpStream::connect_timeout(&address, CONNECT).is_ok() {
                return Ok(());
            }
            sleep(LOOK);
        }
        Err(io::Error::other(format!("not up after {limit:?}: {}", self.last_words())))
    }

    /// The exit status, if the program has ended.
    ///
    /// # Errors
    ///
    /// The process cannot be asked.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        text(&self.log)
    }

    /// What the program has printed on standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        text(&self.errors)
    }

    /// The last lines of the output.
    fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join(" | ")
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// The process is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(id), signal)?)
    }

    /// Asks the program to stop, waits, and kills it after ten seconds.
    ///
    /// # Errors
    ///
    /// The process cannot be waited for.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let end = Instant::now() + STOP;
        while Instant::now() < end {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            sleep(LOOK);
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Subject {
    /// Nothing may outlive its test.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The text of a file, as far as there is any.
fn text(path: &Path) -> String {
    fs::read(path).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    /// Starts a shell on a script.
    fn shell(name: &str, script: &str) -> Subject {
        let log = env::temp_dir().join(format!("test-support-{}-{name}", std::process::id()));
        Subject::start(Command::new("sh").args(["-c", script]), &log).unwrap()
    }

    #[test]
    fn a_program_is_stopped_by_sigterm() {
        let mut subject = shell("stop", "exec sleep 100");
        assert_eq!(subject.ended().unwrap(), None);
        assert_eq!(subject.stop().unwrap().signal(), Some(Signal::SIGTERM as i32));
    }

    #[test]
    fn a_program_that_ends_early_is_an_error_with_its_last_words() {
        let mut subject = shell("words", "echo first; echo 'last words' >&2; exit 3");
        let error = subject.wait_for(1, Duration::from_secs(10)).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("first | last words"), "{error}");
        fs::remove_file(&subject.log).unwrap();
    }
}
