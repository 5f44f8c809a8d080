//! Logs the error that comes back from the rest of the chain.

use super::consolidate::{Level, Patterns};
use plugin_api::{Error, Handler, Next, Reply, Request};
use std::sync::Arc;

/// The handler.
pub(super) struct Errors {
    /// What is counted instead of logged.
    pub(super) patterns: Arc<Patterns>,
}

impl Handler for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        next.run(request).then(move |outcome| {
            if let Err(error) = &outcome {
                self.report(request, error);
            }
            outcome
        })
    }
}

impl Errors {
    /// Logs an error, unless a pattern counts it.
    fn report(&self, request: &Request, error: &Error) {
        let text = error.to_string();
        let Some(level) = self.patterns.level_of(&text) else { return };
        let question = error.question.as_deref().unwrap_or_else(|| request.question());
        level.log(&format!("{} {} {}: {text}", error.rcode.0, question.lower(), question.qtype()));
    }
}

impl Level {
    /// Logs a line of this plugin.
    pub(super) fn log(self, line: &str) {
        match self {
            Self::Error => tracing::error!(target: "plugin/errors", "{line}"),
            Self::Warning => tracing::warn!(target: "plugin/errors", "{line}"),
            Self::Info => tracing::info!(target: "plugin/errors", "{line}"),
            Self::Debug => tracing::debug!(target: "plugin/errors", "{line}"),
        }
    }
}
