//! `{$NAME}` and `{%NAME%}` in tokens. Knows no token, only text and a source of variables.

use std::collections::HashMap;

/// Replacements in one token, against values that refer to themselves (CoreDNS hangs on those).
const MAX_REPLACEMENTS: usize = 1000;

/// Bytes that one token may grow to by replacement; a ConfigMap as a whole is at most 1 MiB.
const MAX_BYTES: usize = 1 << 20;

/// Where environment variables come from.
pub trait Env {
    /// The value of a variable, `None` when unset (which counts as empty).
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process; bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn get(&self, name: &str) -> Option<String> {
        // The standard library may refuse such names; no variable can be called so.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }
}

/// Fixed variables, for tests and tools.
impl Env for HashMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        Self::get(self, name).cloned()
    }
}

/// Replaces all references in `text`: first the `{%NAME%}`, then the `{$NAME}`.
///
/// Values are searched again, as CoreDNS does (`replaceEnvVars` in `caddyfile/parse.go`); a chain without end stops
/// after 1000 replacements or 1 MiB and leaves the rest as written.
pub fn substitute(text: &str, env: &dyn Env) -> String {
    let text = substitute_form(text.to_owned(), ("{%", "%}"), env);
    substitute_form(text, ("{$", "}"), env)
}

/// Replaces the references of one form until none is left, or one that is never closed or has no name.
fn substitute_form(mut text: String, (open, close): (&str, &str), env: &dyn Env) -> String {
    for _ in 0..MAX_REPLACEMENTS {
        let Some((reference, name)) = first_reference(&text, open, close) else { break };
        let value = env.get(name).unwrap_or_default();
        let replaced = text.replace(reference, &value);
        if replaced.len() > MAX_BYTES {
            break;
        }
        text = replaced;
    }
    text
}

/// The first reference with its marks, and the name inside. The closing mark is searched from the first byte of the
/// opening one, so `{%}` counts as closed before it has a name.
fn first_reference<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    let from = text.get(text.find(open)?..)?;
    let end = from.find(close)?;
    let name = from.get(open.len()..end).filter(|name| !name.is_empty())?;
    Some((from.get(..end + close.len())?, name))
}
