//! What this plugin tells of a query: the parts of its name, and the pod it came from.

use plugin_api::Request;
use plugin_api::link::MetadataProvider;

use super::config::PodMode;
use super::handler::Kubernetes;
use super::index::Pod;
use super::question::{Asked, Grammar, Tree};

impl MetadataProvider for Kubernetes {
    fn provide(&self, request: &Request) {
        let snapshot = self.picture.load();
        if self.config.pods == PodMode::Verified {
            let mut pods = snapshot.pods_at(request.peer().ip().to_canonical());
            if let Some(pod) = pods.next() {
                set_client(request, pod);
            }
        }
        let lower = request.question().lower();
        let Some((_, offset)) = self.config.zone_of(lower) else { return };
        let labels = lower.as_wire().get(..offset).unwrap_or_default();
        // As in CoreDNS zones of imports are read as if they had our own services. Golden suite `metadata-multicluster`.
        match Asked::parse(labels, Grammar { multicluster: false, zonal: self.config.zonal }) {
            Ok(asked) => set_parts(request, &asked, self.config.zonal),
            Err(error) => request.set_metadata("kubernetes/parse-error", &error.to_string()),
        }
    }
}

/// Tells of the pod that asks.
fn set_client(request: &Request, pod: &Pod) {
    request.set_metadata("kubernetes/client-namespace", &pod.namespace);
    request.set_metadata("kubernetes/client-pod-name", &pod.name);
    for (key, value) in &pod.labels {
        request.set_metadata(&format!("kubernetes/client-label/{key}"), value);
    }
}

/// Tells of the parts of the name.
fn set_parts(request: &Request, asked: &Asked<'_>, is_zonal: bool) {
    let label = |wire: &[u8]| text(wire.get(1..).unwrap_or_default());
    request.set_metadata("kubernetes/port-name", &text(asked.port));
    request.set_metadata("kubernetes/protocol", &text(asked.protocol));
    request.set_metadata("kubernetes/endpoint", &text(asked.endpoint));
    if is_zonal {
        request.set_metadata("kubernetes/zone", &zone_text(asked.zone));
    }
    request.set_metadata("kubernetes/service", &label(asked.service));
    request.set_metadata("kubernetes/namespace", &label(asked.namespace));
    let kind = match asked.tree {
        Tree::Top => "",
        Tree::Service => "svc",
        Tree::Pod => "pod",
    };
    request.set_metadata("kubernetes/kind", kind);
}

/// The text of octets.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// The text of labels in wire form.
fn zone_text(mut wire: &[u8]) -> String {
    let mut zone = String::new();
    while let Some((length, rest)) = wire.split_first() {
        let Some((label, after)) = rest.split_at_checked(usize::from(*length)) else { break };
        if !zone.is_empty() {
            zone.push('.');
        }
        zone.push_str(&text(label));
        wire = after;
    }
    zone
}
