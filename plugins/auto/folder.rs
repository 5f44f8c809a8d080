//! A folder of zone files, looked through every so often. Knows no query.

use crate::file::{Served, ServedMap, Settings};
use crate::pattern::Pattern;
use arc_swap::ArcSwap;
use plugin_api::link::Notifier;
use plugin_api::{BoxFuture, Lifecycle, Name};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Deepest nesting of folders; ends a walk through a loop of mounts.
const MAX_DEPTH: usize = 64;

/// What is looked for.
pub(super) struct Search {
    /// The folder; none if the Corefile names none.
    pub(super) directory: Option<PathBuf>,
    /// Which file names are zone files.
    pub(super) pattern: Pattern,
    /// From a match to the zone, with `${N}` for its groups.
    pub(super) template: String,
    /// Between two looks; zero for one look only.
    pub(super) reload: Duration,
}

/// A folder and the task that looks through it.
pub(super) struct Folder {
    search: Search,
    found: ArcSwap<ServedMap>,
    notifier: OnceLock<Arc<dyn Notifier>>,
    task: Mutex<Option<AbortHandle>>,
}

impl Folder {
    /// A folder that has not been looked through.
    pub(super) fn new(search: Search) -> Self {
        Self { search, found: ArcSwap::default(), notifier: OnceLock::new(), task: Mutex::default() }
    }

    /// Sets who tells secondaries of new zones and versions.
    pub(super) fn set_notifier(&self, notifier: Arc<dyn Notifier>) {
        drop(self.notifier.set(notifier));
    }

    /// The zones as they are now.
    pub(super) fn zones(&self) -> arc_swap::Guard<Arc<ServedMap>> {
        self.found.load()
    }

    /// Looks through the folder: new files become zones, zones whose file has gone go. Blocks.
    pub(super) fn look(&self) {
        let Some(directory) = &self.search.directory else { return };
        // A folder that is a symbolic link is entered; links within are files. Otherwise paths stay as the Corefile has them.
        let target = if directory.is_symlink() { std::fs::canonicalize(directory).ok() } else { None };
        let start = target.unwrap_or_else(|| directory.clone());
        let mut files = Vec::new();
        walk(&start, 0, &mut files);
        let old = self.found.load();
        let mut new = ServedMap::default();
        for path in files {
            let Some(origin) = self.origin(&path) else { continue };
            if let Some(previous) = new.get(&origin) {
                let origin = corefile::args::go_quote(&origin.to_string());
                let [first, second] =
                    [previous.path(), &path].map(|path| corefile::args::go_quote(&path.display().to_string()));
                let what = format!("Multiple zone files match origin {origin}: using {first} instead of {second}");
                tracing::warn!(target: "plugin/auto", "{what}");
                continue;
            }
            match old.get(&origin) {
                Some(known) if known.path() == path => new.insert(Arc::clone(known)),
                known => {
                    let served = self.insert(origin, path, known.is_some()).or_else(|| known.cloned());
                    served.into_iter().for_each(|served| new.insert(served));
                }
            }
        }
        for gone in old.values().filter(|served| new.get(served.origin()).is_none()) {
            tracing::info!(target: "plugin/auto", "Deleting zone `{}'", gone.origin());
        }
        self.found.store(Arc::new(new));
    }

    /// The zone that a file is for, by its name; none if it is no zone file.
    fn origin(&self, path: &Path) -> Option<Name> {
        let name = path.file_name()?.to_string_lossy();
        let captures = self.search.pattern.captures(&name)?;
        let text = captures.expand(&self.search.template);
        Name::from_text(&text).ok().map(|name| name.to_lower())
    }

    /// Begins to serve a file; none if it cannot be read. A zone whose file has only moved is not announced.
    fn insert(&self, origin: Name, path: PathBuf, has_moved: bool) -> Option<Arc<Served>> {
        let settings = Settings { reload: self.search.reload, by_time: false };
        let served = Served::new(origin, path, settings);
        let (origin, path) = (served.origin(), served.path().display());
        if let Err(error) = served.load() {
            match error.starts_with("open ") {
                true => tracing::warn!(target: "plugin/auto", "Opening {path} failed: {error}"),
                false => tracing::warn!(target: "plugin/auto", "Parse zone `{origin}': {error}"),
            }
            return None;
        }
        if !has_moved {
            tracing::info!(target: "plugin/auto", "Inserting zone `{origin}' from: {path}");
        }
        if let Some(notifier) = self.notifier.get() {
            served.set_notifier(Arc::clone(notifier));
            notifier.notify(origin);
        }
        served.follow();
        Some(served)
    }
}

/// The part of a folder that has a life.
pub(super) struct Walker(pub(super) Arc<Folder>);

impl Lifecycle for Walker {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        let folder = Arc::clone(&self.0);
        Box::pin(async move {
            look(&folder).await;
            if !folder.search.reload.is_zero() && folder.search.directory.is_some() {
                let weak = Arc::downgrade(&folder);
                let interval = folder.search.reload;
                let task = tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(interval).await;
                        let Some(folder) = weak.upgrade() else { return };
                        look(&folder).await;
                    }
                });
                *folder.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
            }
            Ok(())
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        if let Some(task) = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        self.0.found.load().values().for_each(|served| served.unfollow());
        Box::pin(async {})
    }
}

/// Looks through a folder on a thread that may block.
async fn look(folder: &Arc<Folder>) {
    let folder = Arc::clone(folder);
    if let Err(error) = tokio::task::spawn_blocking(move || folder.look()).await {
        tracing::error!(target: "plugin/auto", "Looking through the folder ended early: {error}");
    }
}

/// The files below a folder, in the order of their paths. The hidden folders (`..data` and the like) in which kubelet keeps
/// the versions of a ConfigMap are not entered: their files are met once, by the links beside them.
fn walk(path: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let show = path.display();
    let read = |verb: &str, error: &std::io::Error| {
        let error = corefile::os_error_text(error);
        tracing::warn!(target: "plugin/auto", "error reading {show}: {verb} {show}: {error}");
    };
    let is_folder = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => return read("lstat", &error),
    };
    if !is_folder {
        files.push(path.to_owned());
        return;
    }
    let is_hidden = depth > 0 && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".."));
    if is_hidden || depth >= MAX_DEPTH {
        return;
    }
    let mut entries: Vec<PathBuf> = match std::fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => return read("open", &error),
    };
    entries.sort();
    entries.iter().for_each(|entry| walk(entry, depth + 1, files));
}
