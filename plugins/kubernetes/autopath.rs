//! The search list of a client that is a pod, for plugin `autopath` (CoreDNS: plugin/kubernetes/autopath.go).

use std::path::Path;
use std::sync::Arc;

use plugin_api::link::SearchPath;
use plugin_api::{Name, Request, Zone};

use super::config::PodMode;
use super::handler::Kubernetes;
use crate::search_list;

/// Where the machine's own search list is: a pod's has it behind the cluster's domains.
const HOST: &str = "/etc/resolv.conf";

/// Knows the search lists of pods; of nobody without `pods verified`.
pub(super) struct ClientSearch {
    /// The plugin.
    plugin: Arc<Kubernetes>,
    /// The machine's search list.
    host: Vec<Name>,
}

impl ClientSearch {
    /// Reads the machine's search list if pods are verified; a file that cannot be read is an empty list.
    pub(super) fn new(plugin: Arc<Kubernetes>) -> Self {
        let host =
            if plugin.config.pods == PodMode::Verified { search_list::read(Path::new(HOST)) } else { Ok(vec![]) };
        Self { plugin, host: host.unwrap_or_default() }
    }

    /// The zone that is asked in, and the first domain of the client's list.
    fn find(&self, request: &Request) -> Option<(&Zone, Name)> {
        let config = &self.plugin.config;
        if config.pods != PodMode::Verified {
            return None;
        }
        let (served, _) = config.zone_of(request.question().lower())?;
        let snapshot = self.plugin.picture.load();
        // The address of a pod that is being deleted may have a new pod already, and queries come from that one.
        let pods = snapshot.pods_at(request.peer().ip().to_canonical());
        let pod = pods.min_by_key(|pod| pod.is_terminating)?;
        let length = u8::try_from(pod.namespace.len()).ok()?;
        let parts = [&[length], pod.namespace.as_bytes(), b"\x03svc", served.zone.name().as_wire()];
        Some((&served.zone, Name::from_parts(&parts).ok()?))
    }
}

impl SearchPath for ClientSearch {
    fn search_path(&self, request: &Request) -> Vec<Name> {
        let Some((zone, first)) = self.find(request) else { return Vec::new() };
        let (services, zone) = (first.parent(), zone.name().clone());
        [first, services, zone].into_iter().chain(self.host.iter().cloned()).chain([Name::root()]).collect()
    }

    fn first_domain(&self, request: &Request) -> Option<Name> {
        self.find(request).map(|(_, first)| first)
    }
}
