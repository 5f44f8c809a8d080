//! File patterns of `import`: `*`, `?` and `\`, as Go's `filepath.Glob` takes them. Ranges in brackets never get here:
//! the grammar refuses them.

use std::path::Path;

use crate::files::{Files, clean};

/// Matches of one pattern at most; a directory with more files than that is not meant to be imported.
const MAX_MATCHES: usize = 100_000;

/// Bytes of one pattern at most, the system's own limit for a path. A longer one matches nothing.
const MAX_PATTERN_BYTES: usize = 4096;

/// A pattern that cannot be read: an open bracket, or a backslash at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct BadPattern;

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This character.
    Literal(char),
    /// `?`: any character but `/`.
    One,
    /// `*`: any characters but `/`.
    Many,
}

/// Whether the text is more than a plain path.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// The paths that an absolute pattern matches, sorted within each directory; a plain path matches itself if it exists.
pub(crate) fn glob(pattern: &str, files: &dyn Files) -> Result<Vec<String>, BadPattern> {
    compile(pattern)?;
    if pattern.len() > MAX_PATTERN_BYTES {
        return Ok(Vec::new());
    }
    if !is_pattern(pattern) {
        let found = files.exists(Path::new(pattern));
        return Ok(found.then(|| pattern.to_owned()).into_iter().collect());
    }
    // The components from the first one with a wildcard, the last one first.
    let (mut parent, mut components) = (pattern, Vec::new());
    while is_pattern(parent) {
        compile(parent)?;
        let (before, name) = parent.rsplit_once('/').unwrap_or((".", parent));
        components.push(name);
        parent = if before.is_empty() { "/" } else { before };
    }
    let mut found = vec![parent.to_owned()];
    for name in components.into_iter().rev() {
        found = within(&found, &compile(name)?, files);
    }
    Ok(found)
}

/// What matches a component in each of some directories.
fn within(directories: &[String], component: &[Step], files: &dyn Files) -> Vec<String> {
    let mut found = Vec::new();
    for directory in directories {
        let mut names = files.list(Path::new(directory)).unwrap_or_default();
        names.retain(|name| matches(component, name));
        names.sort_unstable();
        found.extend(names.iter().map(|name| clean(&format!("{directory}/{name}"))));
        found.truncate(MAX_MATCHES);
    }
    found
}

/// Reads a pattern.
fn compile(pattern: &str) -> Result<Vec<Step>, BadPattern> {
    let mut letters = pattern.chars();
    let mut steps = Vec::new();
    while let Some(letter) = letters.next() {
        steps.push(match letter {
            '*' => Step::Many,
            '?' => Step::One,
            '[' => return Err(BadPattern),
            '\\' => Step::Literal(letters.next().ok_or(BadPattern)?),
            other => Step::Literal(other),
        });
    }
    Ok(steps)
}

/// Whether a name fits; there is at most one `*` in a pattern, so this is short.
fn matches(steps: &[Step], name: &str) -> bool {
    let Some((first, rest)) = steps.split_first() else { return name.is_empty() };
    let mut letters = name.chars();
    match first {
        Step::Many => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| name.get(at..).is_some_and(|tail| matches(rest, tail)))
        }
        Step::One => letters.next().is_some() && matches(rest, letters.as_str()),
        Step::Literal(wanted) => letters.next() == Some(*wanted) && matches(rest, letters.as_str()),
    }
}
