//! Reads `root PATH`.

use corefile::{Diagnostic, os_error_text};
use plugin_api::Setup;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Keeps the last path; one that does not exist yet is taken with a warning, for it may appear later.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut root = String::new();
    while setup.input.next() {
        if !setup.input.next_arg() {
            return Err(setup.input.arg_err());
        }
        setup.input.val().clone_into(&mut root);
    }
    match Path::new(&root).metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tracing::warn!(target: "plugin/root", "Root path does not exist: {root}");
        }
        Err(error) => {
            let reason = os_error_text(&error);
            return Err(setup.input.err(format!("unable to access root path '{root}': stat {root}: {reason}")));
        }
    }
    setup.block.settings.root = Some(PathBuf::from(root));
    Ok(())
}
