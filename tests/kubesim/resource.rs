//! The types of object that the server knows.
//! Knows nothing of stored objects.

/// One type of API object: how it is called, and where it lives.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// API version inside the group.
    pub version: &'static str,
    /// Name in paths, unique among all types here.
    pub plural: &'static str,
    /// Name for one object, as kubectl takes it.
    pub singular: &'static str,
    /// Kind in objects.
    pub kind: &'static str,
    /// Short names for kubectl.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
}

/// Every type, in the order of discovery: a group's types stand together.
pub const RESOURCES: &[Resource] = &[
    core("configmaps", "configmap", "ConfigMap", &["cm"], true),
    core("endpoints", "endpoints", "Endpoints", &["ep"], true),
    core("namespaces", "namespace", "Namespace", &["ns"], false),
    core("nodes", "node", "Node", &["no"], false),
    core("pods", "pod", "Pod", &["po"], true),
    core("services", "service", "Service", &["svc"], true),
    Resource {
        group: "discovery.k8s.io",
        version: "v1",
        plural: "endpointslices",
        singular: "endpointslice",
        kind: "EndpointSlice",
        short: &[],
        namespaced: true,
    },
    Resource {
        group: "multicluster.x-k8s.io",
        version: "v1alpha1",
        plural: "serviceimports",
        singular: "serviceimport",
        kind: "ServiceImport",
        short: &["svcim"],
        namespaced: true,
    },
];

/// A type of the core group.
const fn core(
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
) -> Resource {
    Resource { group: "", version: "v1", plural, singular, kind, short, namespaced }
}

impl Resource {
    /// Finds a type by its place in paths.
    #[must_use]
    pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|r| r.group == group && r.version == version && r.plural == plural)
    }

    /// Finds a type by kind, and by group where `api_version` is given; the version inside the group does not matter.
    #[must_use]
    pub fn by_kind(api_version: Option<&str>, kind: &str) -> Option<&'static Self> {
        let group = api_version.map(|v| v.split_once('/').map_or("", |(group, _)| group));
        RESOURCES.iter().find(|r| r.kind == kind && group.is_none_or(|g| g == r.group))
    }

    /// Finds a type by plural, singular, kind or short name, as a person would write it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|r| r.plural == name || r.singular == name || r.kind == name || r.short.contains(&name))
    }

    /// The value of `apiVersion`: `v1`, or `group/version`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether real servers have the type compiled in; others are custom resources. They leave `kind` and `apiVersion` out of
    /// the items of a LIST of such a type, and can write it in protobuf.
    #[must_use]
    pub(crate) fn is_compiled_in(&self) -> bool {
        self.group != "multicluster.x-k8s.io"
    }
}
