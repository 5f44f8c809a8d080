//! Manifests to values: files and folders, lists and dumps, YAML and JSON.
//! Knows no store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What goes wrong with manifests.
#[derive(Debug)]
pub enum LoadError {
    /// A file or folder cannot be read.
    Read(PathBuf, io::Error),
    /// A text is no YAML or JSON. The path is empty for a text without a file.
    Syntax(PathBuf, String),
    /// An object lacks what it needs. The path is empty for a text without a file.
    Object(String),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Syntax(path, error) if path.as_os_str().is_empty() => f.write_str(error),
            Self::Syntax(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Object(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for LoadError {}

/// The objects in a file, or in all `.yaml`, `.yml` and `.json` files in and below a folder, by name.
pub(crate) fn path(path: &Path) -> Result<Vec<Value>, LoadError> {
    let read_error = |error| LoadError::Read(path.to_owned(), error);
    if !fs::metadata(path).map_err(read_error)?.is_dir() {
        let content = fs::read_to_string(path).map_err(read_error)?;
        return text(&content).map_err(|error| LoadError::Syntax(path.to_owned(), error));
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(read_error)?.map(|e| e.map(|e| e.path())).collect();
    let mut entries = entries.map_err(read_error)?;
    entries.sort();
    let is_manifest = |path: &Path| path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
    let mut objects = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_dir() || is_manifest(entry)) {
        objects.extend(self::path(entry)?);
    }
    Ok(objects)
}

/// The objects in a text: several documents, each an object or a list of them.
pub(crate) fn text(text: &str) -> Result<Vec<Value>, String> {
    let documents = if text.trim_start().starts_with('{') {
        // JSON is YAML too, but this reader is much faster. Dumps may hold several values one after the other.
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
        values.or_else(|_| yaml(text))?
    } else {
        yaml(text)?
    };
    Ok(documents.into_iter().flat_map(items).collect())
}

/// The single document of a text in YAML.
pub(crate) fn one_yaml(text: &str) -> Result<Value, String> {
    let mut documents = yaml(text)?;
    if documents.len() > 1 { Err("more than one document".to_owned()) } else { documents.pop().ok_or_else(String::new) }
}

/// The documents of a text in YAML. Manifests of a test may be as large as it wants, so the reader's budget is
/// off; a name like `y` stays a text.
fn yaml(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! { budget: None, strict_booleans: true };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

/// The objects of a document: itself, or those of a list (`List`, `ServiceList`, ...), which lend them their kind.
fn items(mut document: Value) -> Vec<Value> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let Some(item_kind) = kind.strip_suffix("List").map(str::to_owned) else {
        return if document.is_null() { Vec::new() } else { vec![document] };
    };
    let Value::Array(mut items) = document["items"].take() else { return Vec::new() };
    for item in items.iter_mut().filter(|item| item["kind"].is_null() && !item_kind.is_empty()) {
        if let Some(item) = item.as_object_mut() {
            item.insert("kind".to_owned(), Value::from(item_kind.as_str()));
            item.entry("apiVersion").or_insert_with(|| document["apiVersion"].clone());
        }
    }
    items
}
