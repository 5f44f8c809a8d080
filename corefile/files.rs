//! Where imported files come from, and paths as Go understands them. Knows no token.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of one file at most; a ConfigMap holds 1 MiB, so sixteen times that is a mistake such as a device.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// The few questions that `import` asks of a file system. Paths are absolute.
pub trait Files {
    /// The directory that relative paths start from.
    fn current_dir(&self) -> io::Result<PathBuf>;
    /// Whether something has this name, a dangling link included.
    fn exists(&self, path: &Path) -> bool;
    /// The names in a directory, in any order; an error counts as none.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// The content of a file. A directory is an [`io::ErrorKind::IsADirectory`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn current_dir(&self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = dir.read_dir()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "file too large"));
        }
        Ok(bytes)
    }
}

/// Files in memory, for tests and tools; paths absolute, directories implied. The current directory is `/etc/coredns`.
impl Files for BTreeMap<PathBuf, Vec<u8>> {
    fn current_dir(&self) -> io::Result<PathBuf> {
        Ok(PathBuf::from("/etc/coredns"))
    }

    fn exists(&self, path: &Path) -> bool {
        self.keys().any(|file| file.starts_with(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let below = self.keys().filter_map(|file| file.strip_prefix(dir).ok()?.iter().next()?.to_str());
        let mut names: Vec<String> = below.map(str::to_owned).collect();
        names.dedup();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.exists(path) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// The shortest path that names the same by text alone: no `.`, no `..` after a name, no doubled `/` (Go's `Clean`).
pub(crate) fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_rooted => (),
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The absolute, clean form of `path`, a relative one seen from `base`.
pub(crate) fn absolute(path: &str, base: &Path) -> String {
    if path.starts_with('/') {
        return clean(path);
    }
    clean(&format!("{}/{path}", base.display()))
}

/// The directory part of a clean path (Go's `Dir`).
pub(crate) fn directory(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((dir, _)) => dir.to_owned(),
        None => ".".to_owned(),
    }
}

/// The words that Go has for an error of the operating system: lower case, without the error's number.
pub fn os_error_text(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::IsADirectory => "is a directory",
        io::ErrorKind::NotADirectory => "not a directory",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
