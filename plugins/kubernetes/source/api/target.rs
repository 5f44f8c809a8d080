//! What is asked of the API server for one kind: the path and the query of lists and watches.

use std::fmt::Write;
use std::time::Duration;

use crate::kubernetes::objects::Kind;
use crate::kubernetes::source::Wanted;

/// How many objects a page of a list has, as client-go asks for.
pub(super) const PAGE_OBJECTS: u32 = 500;
/// See [`Target::accept`].
const JSON: &str = "application/json";
/// See [`Target::accept`]; CoreDNS asks for the same.
const PROTOBUF_OR_JSON: &str = "application/vnd.kubernetes.protobuf,application/json";
/// Pods that have ended keep no address (CoreDNS `plugin/kubernetes/controller.go`, `podListFunc`).
const LIVE_PODS: &str = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown";

/// How fresh a list must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Whatever the server has at hand: the first list.
    Any,
    /// Not older than this version, which we have seen.
    NotOlderThan(String),
    /// The newest there is, whatever its version: after a version that is gone, or of another time.
    Newest,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    /// The first page.
    First,
    /// The page behind this token.
    Next(String),
    /// Everything at once.
    All,
}

/// One kind at the API server, with its selectors.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The kind.
    pub(super) kind: Kind,
    /// Label and field selector as part of a query, each with `&` before it.
    selectors: String,
}

impl Target {
    /// Makes the target of a kind.
    pub(super) fn new(kind: Kind, wanted: &Wanted) -> Self {
        let mut selectors = String::new();
        let labels = wanted.selector(kind);
        if !labels.is_everything() {
            add(&mut selectors, "labelSelector", &labels.to_string());
        }
        if kind == Kind::Pod {
            add(&mut selectors, "fieldSelector", LIVE_PODS);
        }
        Self { kind, selectors }
    }

    /// Returns the forms in which its objects can be had, the best first: what custom resources define is JSON only.
    pub(super) const fn accept(&self) -> &'static str {
        match self.kind {
            Kind::ServiceImport => JSON,
            _ => PROTOBUF_OR_JSON,
        }
    }

    /// Returns the API group.
    pub(super) fn group(&self) -> &'static str {
        match self.kind {
            Kind::Namespace | Kind::Service | Kind::Pod => "",
            Kind::EndpointSlice | Kind::ImportedSlice => "discovery.k8s.io",
            Kind::ServiceImport => "multicluster.x-k8s.io",
        }
    }

    /// Returns the plural name.
    pub(super) fn plural(&self) -> &'static str {
        match self.kind {
            Kind::Namespace => "namespaces",
            Kind::Service => "services",
            Kind::Pod => "pods",
            Kind::EndpointSlice | Kind::ImportedSlice => "endpointslices",
            Kind::ServiceImport => "serviceimports",
        }
    }

    /// Returns the plural name with its API group, as RBAC knows it.
    pub(super) fn resource(&self) -> String {
        let (plural, group) = (self.plural(), self.group());
        if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
    }

    /// Returns the type's name as client-go writes it in its messages.
    pub(super) fn go_type(&self) -> &'static str {
        match self.kind {
            Kind::Namespace => "*v1.Namespace",
            Kind::Service => "*v1.Service",
            Kind::Pod => "*v1.Pod",
            Kind::EndpointSlice | Kind::ImportedSlice => "*v1.EndpointSlice",
            Kind::ServiceImport => "*v1alpha1.ServiceImport",
        }
    }

    /// Returns the URI of a page of a list.
    pub(super) fn list(&self, freshness: &Freshness, page: &Page) -> String {
        let mut query = String::new();
        if *page != Page::All {
            add(&mut query, "limit", &PAGE_OBJECTS.to_string());
        }
        match (page, freshness) {
            (Page::Next(token), _) => add(&mut query, "continue", token),
            (_, Freshness::Any) => add(&mut query, "resourceVersion", "0"),
            (_, Freshness::NotOlderThan(version)) => {
                add(&mut query, "resourceVersion", version);
                add(&mut query, "resourceVersionMatch", "NotOlderThan");
            }
            (_, Freshness::Newest) => {}
        }
        self.uri(&query)
    }

    /// Returns the URI of a watch for what happens after `version`; the server closes it after `timeout`.
    pub(super) fn watch(&self, version: &str, timeout: Duration) -> String {
        let mut query = String::new();
        add(&mut query, "watch", "true");
        add(&mut query, "allowWatchBookmarks", "true");
        add(&mut query, "resourceVersion", version);
        add(&mut query, "timeoutSeconds", &timeout.as_secs().to_string());
        self.uri(&query)
    }

    /// Returns the URI of a watch that begins with all objects, the newest there are.
    pub(super) fn watch_list(&self, timeout: Duration) -> String {
        let mut query = String::new();
        add(&mut query, "watch", "true");
        add(&mut query, "allowWatchBookmarks", "true");
        add(&mut query, "sendInitialEvents", "true");
        add(&mut query, "resourceVersionMatch", "NotOlderThan");
        add(&mut query, "timeoutSeconds", &timeout.as_secs().to_string());
        self.uri(&query)
    }

    /// Returns the URI of the cheapest list that tells the server's version of now: any one object.
    pub(super) fn probe(&self) -> String {
        format!("{}?limit=1", self.path())
    }

    /// Puts path, query and selectors together.
    fn uri(&self, query: &str) -> String {
        let query = format!("{query}{}", self.selectors);
        format!("{}?{}", self.path(), query.trim_start_matches('&'))
    }

    /// Returns the path of this kind in all namespaces.
    fn path(&self) -> &'static str {
        match self.kind {
            Kind::Namespace => "/api/v1/namespaces",
            Kind::Service => "/api/v1/services",
            Kind::Pod => "/api/v1/pods",
            Kind::EndpointSlice | Kind::ImportedSlice => "/apis/discovery.k8s.io/v1/endpointslices",
            Kind::ServiceImport => "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports",
        }
    }
}

/// Adds a parameter to a query, escaped as RFC 3986 §2.1 wants it.
fn add(query: &mut String, name: &str, value: &str) {
    query.push('&');
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(query, "%{byte:02X}").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::source::selector::Selector;

    #[test]
    fn queries_carry_selectors_versions_and_limits() {
        let wanted = Wanted { labels: Selector::parse("a in (b,c),d=e").unwrap(), ..Wanted::default() };
        let service = Target::new(Kind::Service, &wanted);
        let labels = "labelSelector=a%20in%20%28b%2Cc%29%2Cd%3De";
        assert_eq!(
            service.list(&Freshness::Any, &Page::First),
            format!("/api/v1/services?limit=500&resourceVersion=0&{labels}")
        );
        assert_eq!(
            service.list(&Freshness::NotOlderThan("7".into()), &Page::All),
            format!("/api/v1/services?resourceVersion=7&resourceVersionMatch=NotOlderThan&{labels}")
        );
        assert_eq!(
            service.list(&Freshness::Newest, &Page::Next("t=k".into())),
            format!("/api/v1/services?limit=500&continue=t%3Dk&{labels}")
        );
        let pods = Target::new(Kind::Pod, &Wanted::default());
        assert_eq!(
            pods.watch("9", Duration::from_secs(40)),
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=9&timeoutSeconds=40&fieldSelector=\
             status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed%2Cstatus.phase%21%3DUnknown"
        );
        assert_eq!(
            Target::new(Kind::Namespace, &Wanted::default()).list(&Freshness::Newest, &Page::All),
            "/api/v1/namespaces?"
        );
        assert_eq!(
            Target::new(Kind::ImportedSlice, &Wanted::default()).watch_list(Duration::from_secs(40)),
            "/apis/discovery.k8s.io/v1/endpointslices?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&\
             resourceVersionMatch=NotOlderThan&timeoutSeconds=40&labelSelector=multicluster.kubernetes.io%2Fservice-name"
        );
    }
}
