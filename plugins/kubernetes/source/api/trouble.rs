//! What an operator is told of trouble with one kind: once when it lasts, once when it is over.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Undecodable;
use super::failure::Failure;
use super::target::Target;
use crate::kubernetes::source::LOG;

/// A server that starts refuses us for a moment; only what lasts longer is worth a line.
const REFUSED_FOR: Duration = Duration::from_secs(2);
/// A server that restarts is away for some seconds; only what lasts longer is worth a line.
const AWAY_FOR: Duration = Duration::from_secs(30);
/// How many undecodable objects are remembered, so that each is told once.
const MAX_REMEMBERED: usize = 256;

/// The trouble of one kind.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Since when nothing has worked.
    since: Option<Instant>,
    /// Whether a line has been written about it.
    is_told: bool,
    /// Undecodable objects that a line has been written about, with their versions.
    objects: HashSet<(String, String)>,
}

impl Trouble {
    /// Notes a failure.
    pub(super) fn note(&mut self, failure: &Failure, target: &Target) {
        let lasts = self.since.get_or_insert_with(Instant::now).elapsed();
        let go_type = target.go_type();
        if self.is_told {
            return;
        }
        match failure {
            Failure::Tls(_) | Failure::Missing(_) | Failure::Refused(_) => {
                tracing::error!(target: LOG, "Failed to watch: failed to list {go_type}: {failure}");
            }
            Failure::Forbidden(_) if lasts >= REFUSED_FOR => {
                let resource = target.resource();
                tracing::error!(
                    target: LOG,
                    "Failed to watch: failed to list {go_type}: {failure} (allow us the verbs list and watch on {resource})"
                );
            }
            Failure::Unauthorized(_) if lasts >= REFUSED_FOR => {
                tracing::error!(
                    target: LOG,
                    "Failed to watch: failed to list {go_type}: {failure} (the token or certificate is not valid)"
                );
            }
            Failure::Away(_) | Failure::Throttled(_) if lasts >= AWAY_FOR => {
                let seconds = lasts.as_secs();
                tracing::warn!(
                    target: LOG,
                    "no answer from the Kubernetes API for {seconds} s, what is known of {go_type} stays: {failure}"
                );
            }
            _ => return,
        }
        self.is_told = true;
    }

    /// Notes that things work.
    pub(super) fn end(&mut self, target: &Target) {
        if self.is_told {
            tracing::info!(target: LOG, "the Kubernetes API answers again for {}", target.go_type());
        }
        (self.since, self.is_told) = (None, false);
    }

    /// Notes an object that is no use.
    pub(super) fn note_object(&mut self, object: Undecodable, target: &Target) {
        let Undecodable { name, version, why } = object;
        if self.objects.len() >= MAX_REMEMBERED {
            self.objects.clear();
        }
        if self.objects.insert((name.clone(), version)) {
            tracing::warn!(target: LOG, "{} {name} is left out, it cannot be decoded: {why}", target.go_type());
        }
    }
}
