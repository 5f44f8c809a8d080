//! What an operator is told of trouble with one kind: once when it lasts, with what to do about it, and once when it is over.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Undecodable;
use super::failure::Failure;
use super::target::Target;
use crate::kubernetes::source::LOG;

/// A server that starts refuses us for a moment; only what lasts longer is worth a line.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// A server that restarts is away for some seconds; only what lasts longer is worth a line.
const AWAY_FOR: Duration = Duration::from_secs(30);
/// How many undecodable objects are remembered, so that each is told once.
const MAX_REMEMBERED: usize = 256;

/// The trouble of one kind.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Since when nothing has worked.
    since: Option<Instant>,
    /// Since when we have been refused every time.
    refused: Option<Instant>,
    /// Whether a line has been written about it.
    is_told: bool,
    /// Undecodable objects that a line has been written about, with their versions.
    objects: HashSet<(String, String)>,
}

impl Trouble {
    /// Notes a failure. That the server is away is told here only while nothing `is_unread`; later it is the age of the
    /// picture that counts.
    pub(super) fn note(&mut self, failure: &Failure, target: &Target, is_unread: bool) {
        let lasts = self.since.get_or_insert_with(Instant::now).elapsed();
        let is_refusal = matches!(failure, Failure::Forbidden(_) | Failure::Unauthorized(_));
        self.refused = is_refusal.then(|| self.refused.unwrap_or_else(Instant::now));
        let refused = self.refused.map_or(Duration::ZERO, |since| since.elapsed());
        let (go_type, advice) = (target.go_type(), advice(failure, target));
        if self.is_told {
            return;
        }
        match failure {
            Failure::Tls(_) | Failure::Settings(_) | Failure::Missing(_) | Failure::Refused(_) => {
                tracing::error!(target: LOG, "Failed to watch: failed to list {go_type}: {failure} ({advice})");
            }
            Failure::Forbidden(_) | Failure::Unauthorized(_) if refused >= REFUSED_FOR => {
                tracing::error!(target: LOG, "Failed to watch: failed to list {go_type}: {failure} ({advice})");
            }
            Failure::Away(_) | Failure::Silent(_) | Failure::Throttled(_) if is_unread && lasts >= AWAY_FOR => {
                let seconds = lasts.as_secs();
                tracing::warn!(
                    target: LOG,
                    "the Kubernetes API has not given {go_type} for {seconds} s, nothing is known of them yet: {failure} ({advice})"
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
        (self.since, self.refused, self.is_told) = (None, None, false);
    }

    /// Notes an object that is no use.
    pub(super) fn note_object(&mut self, object: Undecodable, target: &Target) {
        let Undecodable { namespace, name, version, why } = object;
        let path = if namespace.is_empty() { name } else { format!("{namespace}/{name}") };
        if self.objects.len() >= MAX_REMEMBERED {
            self.objects.clear();
        }
        if self.objects.insert((path.clone(), version)) {
            tracing::warn!(target: LOG, "{} {path} is left out, it cannot be decoded: {why}", target.go_type());
        }
    }
}

/// Says what an operator can do about a failure.
pub(super) fn advice(failure: &Failure, target: &Target) -> String {
    let (group, plural) = (target.group(), target.plural());
    match failure {
        Failure::Forbidden(_) => format!(
            "allow us the verbs list and watch on {}: add the rule {{apiGroups: [\"{group}\"], resources: [\"{plural}\"], \
             verbs: [\"list\", \"watch\"]}} to our ClusterRole",
            target.resource()
        ),
        Failure::Unauthorized(_) => {
            "the token or certificate is not valid: is the service account still there, and its token mounted?"
                .to_owned()
        }
        Failure::Tls(_) => "is the CA certificate that we are given the one that signs the API server's?".to_owned(),
        Failure::Settings(_) => {
            "nothing was sent: correct the kubeconfig, the token or the credential plugin; they are read again"
                .to_owned()
        }
        Failure::Missing(_) => {
            format!("does the server have {}, and is a CustomResourceDefinition missing?", target.resource())
        }
        Failure::Throttled(_) => "the API server is overloaded; we ask again when it says so".to_owned(),
        Failure::Refused(_) => "does a proxy stand between us and the API server?".to_owned(),
        _ => "does the API server run, can it be reached from here, and does nothing between cut long connections?"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::objects::Kind;
    use crate::kubernetes::source::Wanted;
    use crate::trial::Logged;

    /// The lines of failures that last for a minute, and of their end.
    fn lines(kind: Kind, failure: &Failure, is_unread: bool) -> Vec<String> {
        let target = Target::new(kind, &Wanted::default());
        let since = Instant::now().checked_sub(Duration::from_secs(60));
        let mut trouble = Trouble { since, refused: since, ..Trouble::default() };
        Logged::during(|| {
            trouble.note(failure, &target, is_unread);
            trouble.note(failure, &target, is_unread);
            trouble.end(&target);
        })
    }

    #[test]
    fn an_operator_is_told_what_to_do() {
        let fail = "[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.EndpointSlice: ";
        let again = "[INFO] plugin/kubernetes: the Kubernetes API answers again for *v1.EndpointSlice";
        let told = |failure: Failure| lines(Kind::EndpointSlice, &failure, false);
        let rule = "(allow us the verbs list and watch on endpointslices.discovery.k8s.io: add the rule \
            {apiGroups: [\"discovery.k8s.io\"], resources: [\"endpointslices\"], verbs: [\"list\", \"watch\"]} to our ClusterRole)";
        assert_eq!(told(Failure::Forbidden("no".into())), [format!("{fail}no {rule}"), again.to_owned()]);
        let token =
            "(the token or certificate is not valid: is the service account still there, and its token mounted?)";
        assert_eq!(told(Failure::Unauthorized("who?".into())), [format!("{fail}who? {token}"), again.to_owned()]);
        let ca = "(is the CA certificate that we are given the one that signs the API server's?)";
        assert_eq!(told(Failure::Tls("bad".into())), [format!("{fail}bad {ca}"), again.to_owned()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_starts_may_refuse_us_for_a_moment() {
        let target = Target::new(Kind::Service, &Wanted::default());
        let mut trouble = Trouble::default();
        let mut note = |failure: Failure| Logged::during(|| trouble.note(&failure, &target, false)).len();
        assert_eq!(note(Failure::Away("refused".into())), 0);
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(note(Failure::Forbidden("not yet".into())), 0, "the first refusal after an outage");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(note(Failure::Forbidden("not yet".into())), 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(note(Failure::Forbidden("never".into())), 1);
    }

    #[test]
    fn a_server_that_is_away_is_told_of_only_while_nothing_is_known() {
        let away = Failure::Away("connection refused".into());
        assert_eq!(lines(Kind::Service, &away, false), Vec::<String>::new());
        let told = lines(Kind::Service, &away, true);
        let line = "[WARN] plugin/kubernetes: the Kubernetes API has not given *v1.Service for 60 s, nothing is known of them yet: \
            connection refused (does the API server run, can it be reached from here, and does nothing between cut long connections?)";
        assert_eq!(told.first().map(String::as_str), Some(line));
        let busy = lines(Kind::Service, &Failure::Throttled(Duration::from_secs(5)), true);
        assert!(
            busy[0].ends_with(
                "the server asks to wait for 5 s (the API server is overloaded; we ask again when it says so)"
            )
        );
    }
}
