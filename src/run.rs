//! The life of the process: flags, start, signals, end. The order of what is printed is CoreDNS's.

use crate::cli::{self, Flags};
use crate::instance::{Instance, Settings};
use crate::load::Origin;
use crate::transport::Handoff;
use crate::{cpu, log};
use corefile::os_error_text;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// The status after a second SIGINT.
const FORCED: u8 = 2;
/// How long tasks that are left may take to end with the process.
const LEFT: Duration = Duration::from_millis(100);

/// What is said at SIGTERM.
const SIGTERM: &str = "SIGTERM: Shutting down servers then terminating";
/// What is said at the first SIGINT.
const SIGINT: &str = "SIGINT: Shutting down";
/// What is said at SIGQUIT.
const SIGQUIT: &str = "SIGQUIT: Quitting process immediately";

/// Runs the program; gives its exit status.
#[must_use]
pub fn main(args: impl Iterator<Item = String>) -> u8 {
    log::init();
    let now = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        cli::timestamp(since.map_or(0, |since| since.as_secs()))
    };
    let status = match cli::parse(args, now) {
        Ok(flags) => dispatch(flags),
        Err(exit) => {
            complain(&exit.text);
            exit.code
        }
    };
    log::flush();
    status
}

/// Prints to standard error.
fn complain(text: &str) {
    use std::io::Write as _;
    // Nobody can be told that nobody listens.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Does what the flags say.
fn dispatch(flags: Flags) -> u8 {
    if flags.version {
        cli::version().into_iter().for_each(log::line);
        return 0;
    }
    if flags.plugins {
        cli::plugins(plugins::names()).into_iter().for_each(log::line);
        return 0;
    }
    let procs = cpu::procs();
    log::line(procs.line);
    crate::transport::socket::raise_file_limit();
    let runtime = match Builder::new_multi_thread().worker_threads(procs.count).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("starting the runtime: {}", os_error_text(&error)));
            return 1;
        }
    };
    let settings = Settings {
        origin: Origin { conf: flags.conf.clone(), port: flags.port.clone() },
        manifests: flags.manifests.clone(),
        plugins: plugins::PLUGINS,
        threads: procs.count,
    };
    let instance = Instance::new(settings, Handoff::new(runtime.handle().clone()));
    let status = live(&runtime, &instance, &flags);
    runtime.shutdown_timeout(LEFT);
    status
}

/// Starts, serves and ends.
fn live(runtime: &Runtime, instance: &Arc<Instance>, flags: &Flags) -> u8 {
    runtime.block_on(async {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => {
                complain(&format!("watching for signals: {}", os_error_text(&error)));
                return 1;
            }
        };
        // A start may wait for look-ups and files; the signals that end the process do not wait for it.
        let started = tokio::select! {
            started = instance.start() => started,
            () = signals.asked_to_end() => {
                remove_pidfile(&flags.pidfile);
                return 0;
            }
        };
        let listing = match started {
            Ok(listing) => listing,
            Err(failure) => {
                log::flush();
                complain(&failure.to_string());
                return 1;
            }
        };
        if !flags.quiet {
            listing.into_iter().for_each(log::line);
        }
        write_pidfile(&flags.pidfile);
        instance.activate().await;
        if !flags.quiet {
            cli::version().into_iter().for_each(log::line);
        }
        if instance.is_idle().await {
            remove_pidfile(&flags.pidfile);
            return 0;
        }
        signals.serve(instance, &flags.pidfile).await
    })
}

/// Writes the process's number, if a file is named; a failure is only logged.
fn write_pidfile(path: &str) {
    if path.is_empty() {
        return;
    }
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        tracing::error!("Could not write pidfile: open {path}: {}", os_error_text(&error));
    }
}

/// Removes the file, if one is named. One that has gone already is as good.
fn remove_pidfile(path: &str) {
    if !path.is_empty() {
        drop(std::fs::remove_file(path));
    }
}

/// Loads the configuration again for each SIGUSR1; those that come meanwhile count as one.
async fn reload(mut asked: Signal, instance: Arc<Instance>) {
    while asked.recv().await.is_some() {
        tracing::info!("SIGUSR1: Reloading");
        instance.reload().await;
    }
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    /// Taken by the task that reloads.
    user1: Option<Signal>,
    user2: Signal,
}

impl Signals {
    /// Takes them over from the system.
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: Some(signal(SignalKind::user_defined1())?),
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for one of the signals that end the process, and says which.
    async fn asked_to_end(&mut self) {
        let line = tokio::select! {
            _ = self.terminate.recv() => SIGTERM,
            _ = self.interrupt.recv() => SIGINT,
            _ = self.quit.recv() => SIGQUIT,
        };
        tracing::info!("{line}");
    }

    /// Waits for signals and does what they mean, until one ends the process; gives the exit status.
    async fn serve(&mut self, instance: &Arc<Instance>, pidfile: &str) -> u8 {
        // One reload at a time, on a task of its own, so that the other signals do not wait for it. It ends with this set.
        let mut reloads = JoinSet::new();
        if let Some(asked) = self.user1.take() {
            reloads.spawn(reload(asked, Arc::clone(instance)));
        }
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {
                    tracing::info!("{SIGTERM}");
                    return self.terminate(instance, pidfile).await;
                }
                _ = self.interrupt.recv() => {
                    tracing::info!("{SIGINT}");
                    remove_pidfile(pidfile);
                    return self.interrupt(instance).await;
                }
                _ = self.quit.recv() => {
                    tracing::info!("{SIGQUIT}");
                    remove_pidfile(pidfile);
                    return 0;
                }
                // CoreDNS ignores it, too: nohup is not to end a server.
                _ = self.hangup.recv() => (),
                _ = self.user2.recv() => {
                    tracing::info!("SIGUSR2: Upgrading");
                    tracing::error!("SIGUSR2: upgrading in place is not supported; start the new program beside this one, \
                        the sockets can be shared");
                }
            }
        }
    }

    /// Ends with patience: parts are told, queries under way are answered. Two SIGINT end it at once.
    async fn terminate(&mut self, instance: &Arc<Instance>, pidfile: &str) -> u8 {
        let ending = async {
            instance.before_shutdown().await;
            remove_pidfile(pidfile);
            instance.stop().await;
        };
        let interrupted = async {
            self.interrupt.recv().await;
            tracing::info!("{SIGINT}");
            remove_pidfile(pidfile);
            self.interrupt.recv().await;
            tracing::info!("SIGINT: Force quit");
        };
        tokio::select! {
            () = ending => 0,
            () = interrupted => FORCED,
        }
    }

    /// Ends without waiting for queries; parts are told all the same. SIGTERM only has its line, another SIGINT ends it at
    /// once.
    async fn interrupt(&mut self, instance: &Arc<Instance>) -> u8 {
        let mut ending = pin!(instance.before_shutdown());
        loop {
            tokio::select! {
                () = &mut ending => return 0,
                _ = self.terminate.recv() => tracing::info!("{SIGTERM}"),
                _ = self.interrupt.recv() => {
                    tracing::info!("SIGINT: Force quit");
                    return FORCED;
                }
            }
        }
    }
}
