//! Serves manifests as a Kubernetes API server, until SIGINT or SIGTERM.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use kubesim::KubeSim;
use lexopt::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

/// What `--help` says.
const HELP: &str = "\
usage: kubesim [OPTION]... PATH...

Serves the objects in files and folders of manifests (YAML or JSON) as a Kubernetes API server.

  --listen ADDRESS:PORT  where to listen (127.0.0.1:8001)
  --tls                  speak TLS, with a CA made at start
  --token TOKEN          demand this bearer token
  --json-only            answer in JSON also to clients that would rather have protobuf
  --kubeconfig FILE      write a kubeconfig there instead of printing it
  --help                 this text
";

/// What the command line asks for.
struct Options {
    /// Where to listen.
    listen: SocketAddr,
    /// Whether to speak TLS.
    is_tls: bool,
    /// The token to demand.
    token: Option<String>,
    /// Whether there is no protobuf.
    is_json_only: bool,
    /// Where the kubeconfig goes.
    kubeconfig: Option<PathBuf>,
    /// What to load.
    paths: Vec<PathBuf>,
}

/// Reads the command line; none if help is wanted.
fn options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 8001)),
        is_tls: false,
        token: None,
        is_json_only: false,
        kubeconfig: None,
        paths: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("listen") => options.listen = parser.value()?.parse()?,
            Long("tls") => options.is_tls = true,
            Long("token") => options.token = Some(parser.value()?.parse()?),
            Long("json-only") => options.is_json_only = true,
            Long("kubeconfig") => options.kubeconfig = Some(parser.value()?.into()),
            Short('h') | Long("help") => return Ok(None),
            Value(path) => options.paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

/// Starts the server and waits for a signal.
async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut builder = KubeSim::builder().listen(options.listen).tls(options.is_tls).protobuf(!options.is_json_only);
    if let Some(token) = options.token {
        builder = builder.token(token);
    }
    let sim = builder.start().await.map_err(|error| format!("{}: {error}", options.listen))?;
    // As real clusters, there is always a namespace to work in.
    sim.put(serde_json::json!({"kind": "Namespace", "metadata": {"name": "default"}, "status": {"phase": "Active"}}));
    let mut out = std::io::stdout().lock();
    for path in &options.paths {
        let loaded = sim.load_path(path)?;
        writeln!(out, "{}: {} objects", path.display(), loaded.objects)?;
        if !loaded.unknown.is_empty() {
            writeln!(out, "{}: left out: {}", path.display(), loaded.unknown.join(", "))?;
        }
    }
    match options.kubeconfig {
        Some(path) => {
            std::fs::write(&path, sim.kubeconfig()).map_err(|error| format!("{}: {error}", path.display()))?;
            writeln!(out, "kubeconfig: {}", path.display())?;
        }
        None => write!(out, "{}", sim.kubeconfig())?,
    }
    writeln!(out, "serving on {}", sim.url())?;
    out.flush()?;
    drop(out);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    sim.shutdown().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else {
        write!(std::io::stdout(), "{HELP}")?;
        return Ok(());
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(options))
}
