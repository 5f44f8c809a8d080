//! What a suite needs around the program under test: a scratch folder, and an API server with its objects.
//!
//! `FERRODNS_API` says where the objects come from instead of kubesim: `manifests` (the program reads them itself), or a
//! program that is called as `PROGRAM --port N MANIFEST` and serves them.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs, io};

use kubesim::KubeSim;
use serde_json::Value;
use test_support::golden::Cluster;
use test_support::ports;
use test_support::subject::Subject;
use tokio::runtime;

/// The flag that replaces the API server of every `kubernetes` block.
const MANIFESTS: &str = "-kubernetes.manifests";

/// How long another program may take to serve the objects.
const START: Duration = Duration::from_secs(10);

/// The manifests that have been converted, a handful of some 100 kB.
static OBJECTS: Mutex<BTreeMap<PathBuf, Arc<String>>> = Mutex::new(BTreeMap::new());

/// How many scratch folders this process has made.
static SCRATCHES: AtomicUsize = AtomicUsize::new(0);

/// A scratch folder; it goes when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty folder that only this process uses.
    pub(crate) fn new() -> io::Result<Self> {
        let number = SCRATCHES.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("ferrodns-golden-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("tmp"))?;
        Ok(Self(folder))
    }

    /// The folder that the program knows as `TMP`.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Where the output of the program under test goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Copies a folder, if it is there, to `TMP`.
    pub(crate) fn fill(&self, from: &Path) -> io::Result<()> {
        if from.exists() { copy_folder(from, &self.tmp()) } else { Ok(()) }
    }

    /// Puts a file into `TMP`, whole from the first moment.
    pub(crate) fn put(&self, from: &Path, name: &str) -> io::Result<()> {
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
pub(crate) struct Api {
    /// What the program under test knows as `API`.
    pub(crate) url: String,
    /// What it is told on its command line.
    pub(crate) arguments: Vec<OsString>,
    /// What has to live as long as the program.
    _held: Box<dyn Any>,
}

impl Api {
    /// Starts what holds a suite's objects.
    pub(crate) fn start(cluster: &Cluster, scratch: &Scratch) -> io::Result<Self> {
        match env::var("FERRODNS_API") {
            Err(_) => Self::simulate(cluster),
            Ok(_) if reads_manifests() => Ok(Self::read(cluster)),
            Ok(program) => Self::call(&program, cluster, scratch),
        }
    }

    /// Starts kubesim, on a runtime whose threads are where this one is.
    fn simulate(cluster: &Cluster) -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let sim = runtime.block_on(KubeSim::start())?;
        cluster.forbidden.iter().for_each(|plural| sim.forbid(plural));
        sim.load_yaml(&objects(&cluster.manifest)?).map_err(io::Error::other)?;
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

/// Whether the program under test reads manifests instead of asking an API server.
pub(crate) fn reads_manifests() -> bool {
    env::var_os("FERRODNS_API").is_some_and(|word| word == "manifests")
}

/// A manifest as JSON, which is read many times faster than YAML; each is converted once.
fn objects(manifest: &Path) -> io::Result<Arc<String>> {
    let mut objects = OBJECTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = objects.get(manifest) {
        return Ok(Arc::clone(text));
    }
    let list: Value = serde_saphyr::from_str(&fs::read_to_string(manifest)?).map_err(io::Error::other)?;
    let text = Arc::new(list.to_string());
    objects.insert(manifest.to_owned(), Arc::clone(&text));
    Ok(text)
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
