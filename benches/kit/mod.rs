//! What the benches ask and of whom: a cluster of any size, the kinds of work with their Corefiles and queries, an upstream.

#![allow(dead_code, reason = "each bench uses a part")]

pub(crate) mod cluster;
pub(crate) mod upstream;
pub(crate) mod work;

use std::error::Error;
use std::path::{Path, PathBuf};

/// What may go wrong in a bench.
pub(crate) type Failure = Box<dyn Error>;

/// A folder for what is written, gone at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes it in the build folder.
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the build folder harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
