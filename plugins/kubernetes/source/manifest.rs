//! Objects from files, without a cluster: what `kubectl get -o yaml` prints, or what people write.
//!
//! Files are looked at every second and read again when one is different; the index is told only of the objects that
//! changed. What cannot be read is reported with file, line and column, and what was told before stays. Looking is
//! cheaper than being notified where it matters: a ConfigMap volume changes by swapping a symbolic link two levels up,
//! and network file systems notify nobody. Knows no API server.

mod cluster;
mod decode;
mod head;
mod held;
mod items;
mod object;
mod read;
mod slices;
#[cfg(test)]
mod tests;

use std::fs::Metadata;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};

use self::cluster::Cluster;
use self::held::Held;
pub(crate) use self::read::ManifestError;
use super::{Feed, LOG, Running, Wanted};
use crate::kubernetes::objects::Change;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The files and folders that objects are read from.
#[derive(Debug, Clone)]
pub(crate) struct Manifests {
    /// Files, and folders whose `.yaml`, `.yml` and `.json` files count.
    paths: Vec<PathBuf>,
    /// How often they are looked at.
    look: Duration,
}

impl Manifests {
    /// Reads from these files and folders.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, look: LOOK }
    }

    /// Reads everything once, then goes on looking for changes.
    pub(super) async fn start(&self, wanted: &Wanted, feed: Feed) -> Result<Running, ManifestError> {
        let reader = Reader { paths: self.paths.clone(), wanted: wanted.clone(), held: Held::default(), seen: None };
        let (mut reader, read) = blocking(reader, feed.clone(), Reader::first).await?;
        read?;
        let look = self.look;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(look).await;
                let Ok((back, ())) = blocking(reader, feed.clone(), Reader::again).await else { return };
                reader = back;
            }
        });
        Ok(Running { tasks })
    }
}

/// Lets `work` read files on a thread that may wait for them.
async fn blocking<T: Send + 'static>(
    mut reader: Reader,
    feed: Feed,
    work: fn(&mut Reader, &Feed) -> T,
) -> Result<(Reader, T), ManifestError> {
    let done = spawn_blocking(move || {
        let result = work(&mut reader, &feed);
        (reader, result)
    });
    done.await.map_err(|error| ManifestError { path: PathBuf::new(), at: None, message: error.to_string() })
}

/// Reads files and remembers what it told.
#[derive(Debug)]
struct Reader {
    /// What to read.
    paths: Vec<PathBuf>,
    /// What to tell.
    wanted: Wanted,
    /// What has been told.
    held: Held,
    /// How the files looked when they were last read.
    seen: Option<Result<Vec<Look>, ManifestError>>,
}

impl Reader {
    /// Reads everything for the first time and tells it as it comes.
    fn first(&mut self, feed: &Feed) -> Result<(), ManifestError> {
        let files = look(&self.paths)?;
        self.seen = Some(Ok(files.clone()));
        self.warn_of_empty_folders(&files);
        tell_all(feed, self.wanted.kinds.iter().map(|kind| Change::ListBegin(*kind)));
        let mut cluster = Cluster::new(&self.wanted);
        let held = &mut self.held;
        let mut emit = |object| {
            held.note(&object);
            tell_all(feed, [Change::Apply(object)]);
        };
        for file in &files {
            read::read(&file.path, &mut |written| cluster.take(written, &mut emit))?;
        }
        cluster.finish(&mut emit);
        tell_all(feed, self.wanted.kinds.iter().map(|kind| Change::ListEnd(*kind)));
        Ok(())
    }

    /// Warns of folders without a manifest: every name of the cluster is a name error then, which nobody wants.
    fn warn_of_empty_folders(&self, files: &[Look]) {
        for path in self.paths.iter().filter(|path| !files.iter().any(|file| file.path.starts_with(path))) {
            let path = path.display();
            tracing::warn!(target: LOG, "no manifests in folder {path} (files *.yaml, *.yml, *.json), so it holds no objects");
        }
    }

    /// Looks whether files changed, and if so reads them and tells what is different.
    fn again(&mut self, feed: &Feed) {
        let now = look(&self.paths);
        if self.seen.as_ref() == Some(&now) {
            return;
        }
        self.seen = Some(now.clone());
        if let Ok(files) = &now {
            self.warn_of_empty_folders(files);
        }
        match now.and_then(|files| self.compare(&files)) {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => {
                tracing::info!(target: LOG, "manifests changed, {} objects are different", changes.len());
                tell_all(feed, changes);
            }
            Err(error) => tracing::error!(target: LOG, "manifests cannot be read, nothing changes: {error}"),
        }
    }

    /// Reads the files and returns what is different from what has been told.
    fn compare(&mut self, files: &[Look]) -> Result<Vec<Change>, ManifestError> {
        let mut comparison = self.held.compare();
        let mut cluster = Cluster::new(&self.wanted);
        let mut emit = |object| comparison.take(object);
        for file in files {
            read::read(&file.path, &mut |written| cluster.take(written, &mut emit))?;
        }
        cluster.finish(&mut emit);
        let (changes, hashes) = comparison.finish();
        self.held.replace(hashes);
        Ok(changes)
    }
}

/// Tells changes; nobody listens any more when the source is being stopped.
fn tell_all(feed: &Feed, changes: impl IntoIterator<Item = Change>) {
    for change in changes {
        if feed.blocking_send(change).is_err() {
            return;
        }
    }
}

/// How a file looked: if nothing of this changed, neither has its content.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    /// The file.
    path: PathBuf,
    /// When it was last written.
    modified: Option<SystemTime>,
    /// Its size in bytes.
    size_bytes: u64,
    /// Its number in the file system, other after a symbolic link was swapped.
    inode: u64,
}

/// Looks at all files below `paths`.
fn look(paths: &[PathBuf]) -> Result<Vec<Look>, ManifestError> {
    let mut looks = Vec::new();
    for path in paths {
        for path in read::files(path)? {
            let metadata = std::fs::metadata(&path).map_err(|error| ManifestError::io(&path, &error))?;
            let (modified, size_bytes) = (metadata.modified().ok(), metadata.len());
            looks.push(Look { path, modified, size_bytes, inode: inode(&metadata) });
        }
    }
    Ok(looks)
}

/// Returns a file's number in its file system.
#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Returns nothing that changes where files have no number.
#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}
