//! `pprof`: what can be seen of the running process, over HTTP. See [README](README.md).

mod setup;
#[cfg(test)]
mod tests;

use crate::endpoint::{Endpoint, Page, decoded, not_found, text};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use plugin_api::{BoxFuture, Lifecycle, Plugin};
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "pprof", setup: setup::setup };

/// Where all pages are.
const PATH: &str = "/debug/pprof/";

/// The pages, each with what it shows.
const PAGES: [(&str, &str); 3] = [
    ("cmdline", "the command line, arguments set apart by zero bytes"),
    ("heap", "the memory of the process as the kernel counts it"),
    ("threadcreate", "the threads with their CPU time"),
];

/// The endpoint.
struct Profiler(Arc<Endpoint>);

impl Lifecycle for Profiler {
    fn start(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.0.show(Box::new(|request| {
                let path = decoded(request.uri().path()).unwrap_or_default();
                page(&String::from_utf8_lossy(&path))
            }));
            self.0.listen().await.inspect_err(|error| {
                tracing::error!(target: "plugin/pprof", "Failed to start pprof handler: {error}");
            })
        })
    }
}

/// The page at a path.
fn page(path: &str) -> Page {
    match path.strip_prefix(PATH).unwrap_or_default() {
        "" => index(),
        "cmdline" => shown(fs::read("/proc/self/cmdline").unwrap_or_default()),
        "heap" => shown(memory()),
        "threadcreate" => shown(threads()),
        _ => {
            let mut page = not_found("Unknown profile\n");
            page.headers_mut().insert("x-go-pprof", HeaderValue::from_static("1"));
            page
        }
    }
}

/// A page of text that no browser takes for something else.
fn shown(body: impl Into<Bytes>) -> Page {
    let mut page = text(StatusCode::OK, body);
    page.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    page
}

/// The list of pages.
fn index() -> Page {
    let mut html = "<html><head><title>/debug/pprof/</title></head><body><p>/debug/pprof/</p><ul>\n".to_owned();
    for (name, what) in PAGES {
        // Writing to a string cannot fail.
        _ = writeln!(html, "<li><a href=\"{name}\">{name}</a>: {what}</li>");
    }
    html.push_str("</ul></body></html>\n");
    let mut page = shown(html);
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    page.headers_mut().insert(header::CONTENT_TYPE, kind);
    page
}

/// What the kernel says of the process's memory; empty where it says nothing.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("Vm") || line.starts_with("Rss"));
    let sums = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    lines.chain(sums.lines().skip(1)).flat_map(|line| [line, "\n"]).collect()
}

/// A line for each thread: its name, and the ticks it spent in user and system mode.
fn threads() -> String {
    let Ok(tasks) = procfs::process::Process::myself().and_then(|process| process.tasks()) else {
        return String::new();
    };
    let mut lines: Vec<String> = tasks
        .flatten()
        .filter_map(|task| task.stat().ok())
        .map(|stat| format!("{} {} user {} system {}\n", stat.pid, stat.comm, stat.utime, stat.stime))
        .collect();
    lines.sort();
    lines.concat()
}
