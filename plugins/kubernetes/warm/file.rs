//! The file of a warm start: what stands in it, how it is replaced, and when it is refused.
//!
//! ```text
//! "ferrowrm"  format: 4 octets, lowest first
//! identity: text   heard: number   serials: 3 numbers   versions: count, each kind's number and text
//! objects: each its kind's number and its fields; 0 ends them
//! CRC-32 over all of that: 4 octets, lowest first
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flate2::Crc;

use super::codec::{Input, put_number, put_object, put_text};
use super::{kind_of, number_of};
use crate::kubernetes::index::{Serials, Snapshot};
use crate::kubernetes::objects::{Kind, Object};
use crate::kubernetes::source::Versions;

/// How such a file begins.
const MAGIC: &[u8; 8] = b"ferrowrm";
/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// Octets of the checksum.
const CHECKSUM: usize = 4;
/// What is collected before it is written, in octets: few calls, and no second copy of the cluster.
const CHUNK: usize = 64 * 1024;
/// The largest file that is read, in octets; 100,000 services with their endpoints and a million pods take a tenth.
const MAX_SIZE: u64 = 1 << 30;
/// How far in the future a file may be that was written by this machine, whose clock was set since, in seconds.
const MAX_AHEAD: u64 = 300;
/// How long a part of the identity is shown, in characters.
const MAX_SHOWN: usize = 200;

/// What a file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// What it belongs to.
    pub(super) identity: String,
    /// When the API server was last heard, in Unix seconds.
    pub(super) heard: u64,
    /// Versions of the zones.
    pub(super) serials: Serials,
    /// Up to which version each kind is known.
    pub(super) versions: Versions,
}

/// Why a file is of no use; the text follows its name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There is none.
    #[error("is not there")]
    Missing,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is larger than any that is written.
    #[error("is larger than {MAX_SIZE} bytes")]
    TooLarge,
    /// It is something else.
    #[error("is no file of a warm start")]
    Strange,
    /// Another version of the program wrote it.
    #[error("has format {0}, this program reads format {FORMAT}")]
    Format(u32),
    /// It is not as it was written.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// It belongs to another cluster, or to other properties.
    #[error("belongs to {has:?}, not to {wants:?}")]
    Foreign {
        /// What it belongs to, where that differs.
        has: String,
        /// What it should belong to.
        wants: String,
    },
    /// It is too old.
    #[error("is {age} s old, more than the {limit} s allowed")]
    Old {
        /// Its age in seconds.
        age: u64,
        /// The limit in seconds.
        limit: u64,
    },
    /// The clock was set back, so that nobody knows how old it is.
    #[error("is from {0} s in the future, so its age is unknown")]
    Ahead(u64),
}

impl Head {
    /// Checks that a file may be used now.
    pub(super) fn check(&self, identity: &str, now: u64, max_age: Duration) -> Result<(), Refused> {
        if self.identity != identity {
            let pairs = self.identity.lines().zip(identity.lines());
            let (has, wants) = pairs.into_iter().find(|(has, wants)| has != wants).unwrap_or_default();
            let shown = |text: &str| text.chars().take(MAX_SHOWN).collect();
            return Err(Refused::Foreign { has: shown(has), wants: shown(wants) });
        }
        let (age, limit) = (now.saturating_sub(self.heard), max_age.as_secs());
        if age > limit {
            return Err(Refused::Old { age, limit });
        }
        match self.heard.saturating_sub(now) {
            ahead if ahead > MAX_AHEAD => Err(Refused::Ahead(ahead)),
            _ => Ok(()),
        }
    }

    /// Writes it.
    fn put(&self, out: &mut Vec<u8>) {
        put_text(out, &self.identity);
        put_number(out, self.heard);
        let Serials { own, imported, external } = self.serials;
        [own, imported, external].into_iter().for_each(|serial| put_number(out, u64::from(serial)));
        put_number(out, self.versions.len() as u64);
        for (kind, version) in &self.versions {
            out.push(number_of(*kind));
            put_text(out, version);
        }
    }

    /// Reads it.
    fn take(input: &mut Input<'_>) -> Option<Self> {
        let (identity, heard) = (input.text()?.to_owned(), input.number()?);
        let mut serial = || u32::try_from(input.number()?).ok();
        let serials = Serials { own: serial()?, imported: serial()?, external: serial()? };
        let count = usize::try_from(input.number()?).ok().filter(|count| *count <= Kind::ALL.len())?;
        let mut versions = Versions::new();
        for _ in 0..count {
            versions.insert(kind_of(input.octet()?)?, input.text()?.into());
        }
        Some(Self { identity, heard, serials, versions })
    }
}

/// Reads a file whole.
pub(super) fn load(path: &Path) -> Result<Vec<u8>, Refused> {
    let sort = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Refused::Missing,
        _ => Refused::Unreadable(error),
    };
    if fs::metadata(path).map_err(sort)?.len() > MAX_SIZE {
        return Err(Refused::TooLarge);
    }
    fs::read(path).map_err(sort)
}

/// Checks the octets of a file and reads what it says about itself; its objects are read as they are asked for.
pub(super) fn read(octets: &[u8]) -> Result<(Head, Objects<'_>), Refused> {
    let rest = octets.strip_prefix(MAGIC).ok_or(Refused::Strange)?;
    let (format, _) = rest.split_first_chunk().ok_or(Refused::Damaged("it ends too early"))?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(Refused::Format(format));
    }
    let (all, sum) = octets.split_last_chunk::<CHECKSUM>().ok_or(Refused::Damaged("it ends too early"))?;
    let mut crc = Crc::new();
    crc.update(all);
    if crc.sum() != u32::from_le_bytes(*sum) {
        return Err(Refused::Damaged("its checksum is wrong"));
    }
    let mut input = Input(all.get(MAGIC.len() + size_of_val(&FORMAT)..).unwrap_or_default());
    let head = Head::take(&mut input).ok_or(Refused::Damaged("its head cannot be read"))?;
    Ok((head, Objects { input, is_done: false }))
}

/// The objects of a file.
#[derive(Debug)]
pub(super) struct Objects<'a> {
    /// What is left to read.
    input: Input<'a>,
    /// Whether the end was read, or something that is wrong.
    is_done: bool,
}

impl Iterator for Objects<'_> {
    type Item = Result<Object, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let number = self.input.octet();
        if number == Some(0) && self.input.0.is_empty() {
            self.is_done = true;
            return None;
        }
        let object = number.and_then(kind_of).and_then(|kind| self.input.object(kind));
        self.is_done = object.is_none();
        Some(object.ok_or(Refused::Damaged("an object in it cannot be read")))
    }
}

/// Replaces the file by a picture: whoever reads it, at whatever moment, finds the old one or the new one whole.
pub(super) fn save(path: &Path, head: &Head, picture: &Snapshot) -> io::Result<()> {
    let draft = Draft::new(path)?;
    let mut sink = Sink { file: &draft.file, crc: Crc::new(), waiting: Vec::with_capacity(CHUNK + CHUNK / 4) };
    sink.waiting.extend_from_slice(MAGIC);
    sink.waiting.extend_from_slice(&FORMAT.to_le_bytes());
    head.put(&mut sink.waiting);
    for kind in head.versions.keys() {
        for object in picture.objects(*kind) {
            sink.waiting.push(number_of(*kind));
            put_object(&mut sink.waiting, &object);
            if sink.waiting.len() >= CHUNK {
                sink.flush()?;
            }
        }
    }
    sink.waiting.push(0);
    sink.flush()?;
    let sum = sink.crc.sum().to_le_bytes();
    sink.file.write_all(&sum)?;
    draft.publish(path)
}

/// What is being written.
struct Sink<'a> {
    /// Where to.
    file: &'a File,
    /// The checksum of what was written.
    crc: Crc,
    /// What is not written yet.
    waiting: Vec<u8>,
}

impl Sink<'_> {
    /// Writes what waits.
    fn flush(&mut self) -> io::Result<()> {
        self.crc.update(&self.waiting);
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

/// A file beside the one that it will replace; removed unless it does.
struct Draft {
    /// Where it is.
    path: PathBuf,
    /// What is written to.
    file: File,
}

impl Draft {
    /// Opens a new file that only this process knows, readable by its owner alone.
    fn new(path: &Path) -> io::Result<Self> {
        /// Tells the drafts of a process apart: an old configuration may write its last picture while a new one does.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_file_name(format!(".{name}.{}.{number}", process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&draft)?;
        Ok(Self { path: draft, file })
    }

    /// Puts it in the place of the other, for good before this returns.
    fn publish(&self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        // Whether the new name outlives a loss of power is up to the folder; either name leads to a whole file.
        if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
            folder.sync_all().unwrap_or_default();
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `publish` there is nothing under this name.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}
