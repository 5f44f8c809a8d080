//! What a name below a cluster zone asks for. Knows the grammar, not the cluster.
//!
//! ```text
//! SVC.NS.svc   ENDPOINT.SVC.NS.svc   _PORT._PROTOCOL.SVC.NS.svc   ENDPOINT.CLUSTER.SVC.NS.svc (multicluster)
//! TOPOLOGY-ZONE.pin|prefer._zone.SVC.NS.svc (zonal)               ADDRESS.NS.pod
//! ```

/// Which tree a name is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tree {
    /// Neither: the apex, or the top of a tree.
    #[default]
    Top,
    /// Services.
    Service,
    /// Pods.
    Pod,
}

/// The parts of a name, in lower case; those that it lacks are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// Which tree it is in.
    pub(super) tree: Tree,
    /// The namespace's label, with its length.
    pub(super) namespace: &'a [u8],
    /// The service's label, or the pod's, with its length.
    pub(super) service: &'a [u8],
    /// The labels of service and namespace, each with its length.
    pub(super) key: &'a [u8],
    /// The endpoint's label.
    pub(super) endpoint: &'a [u8],
    /// The label of the cluster that the endpoint is in.
    pub(super) cluster: &'a [u8],
    /// The port's name.
    pub(super) port: &'a [u8],
    /// The protocol.
    pub(super) protocol: &'a [u8],
    /// The topology zone, labels with their lengths.
    pub(super) zone: &'a [u8],
    /// Whether other zones will do where that one has nothing.
    pub(super) prefers_zone: bool,
}

/// The name cannot exist, whatever the cluster holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid query name")]
pub(super) struct InvalidName;

/// Which names a zone has beyond the usual ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Grammar {
    /// Endpoints of several clusters.
    pub(super) multicluster: bool,
    /// Endpoints by topology zone.
    pub(super) zonal: bool,
}

/// How many labels from the right are known by number: no name of the usual grammar has more, and topology zones begin here.
const NUMBERED: usize = 8;

/// A name's labels by number, counted from the right.
struct Labels<'a> {
    /// The octets of all labels, each with its length.
    wire: &'a [u8],
    /// Where the last ones begin, each at its number from the left modulo [`NUMBERED`].
    starts: [u8; NUMBERED],
    /// How many there are.
    count: usize,
}

impl<'a> Labels<'a> {
    /// Finds the labels.
    fn new(wire: &'a [u8]) -> Self {
        let mut labels = Self { wire, starts: [0; NUMBERED], count: 0 };
        let mut at = 0;
        while let Some(length) = wire.get(at) {
            labels.starts[labels.count % NUMBERED] = u8::try_from(at).unwrap_or(u8::MAX);
            labels.count += 1;
            at += usize::from(*length) + 1;
        }
        labels
    }

    /// Where the label with this number from the right begins; the end of the name for 0, its beginning for those that are too
    /// far left to be known.
    const fn start(&self, number: usize) -> usize {
        match number {
            0 => self.wire.len(),
            1..=NUMBERED if number <= self.count => self.starts[(self.count - number) % NUMBERED] as usize,
            _ if number <= self.count => 0,
            _ => self.wire.len(),
        }
    }

    /// The labels from one number to another, both included, with their lengths.
    fn wire(&self, left: usize, right: usize) -> &'a [u8] {
        self.wire.get(self.start(left)..self.start(right - 1)).unwrap_or_default()
    }

    /// The text of the label with this number from the right, 1 being the last.
    fn text(&self, number: usize) -> &'a [u8] {
        self.wire(number, number).get(1..).unwrap_or_default()
    }
}

/// Drops an underscore at the beginning.
fn strip_underscore(label: &[u8]) -> &[u8] {
    label.strip_prefix(b"_").unwrap_or(label)
}

impl<'a> Asked<'a> {
    /// Reads the labels below a zone, in wire form and lower case, without the closing zero.
    pub(super) fn parse(wire: &'a [u8], grammar: Grammar) -> Result<Self, InvalidName> {
        let labels = Labels::new(wire);
        let mut asked = Self::default();
        let tree = match labels.text(1) {
            b"svc" => Tree::Service,
            b"pod" => Tree::Pod,
            _ if labels.count == 0 => return Ok(asked),
            _ => return Err(InvalidName),
        };
        if labels.count == 1 {
            return Ok(asked);
        }
        asked.tree = tree;
        asked.namespace = labels.wire(2, 2);
        if labels.count > 2 {
            asked.service = labels.wire(3, 3);
            asked.key = labels.wire(3, 2);
        }
        match labels.count {
            0..=3 => {}
            4 => asked.endpoint = labels.text(4),
            5 => asked.take_pair(labels.text(5), labels.text(4), grammar.multicluster),
            _ if grammar.zonal && !grammar.multicluster && tree == Tree::Service => asked.take_zone(&labels)?,
            _ => return Err(InvalidName),
        }
        Ok(asked)
    }

    /// Takes the two labels left of a service: port and protocol, or endpoint and cluster.
    fn take_pair(&mut self, left: &'a [u8], right: &'a [u8], multicluster: bool) {
        if !multicluster || right.starts_with(b"_") || left.starts_with(b"_") {
            (self.port, self.protocol) = (strip_underscore(left), strip_underscore(right));
        } else {
            (self.endpoint, self.cluster) = (left, right);
        }
    }

    /// Takes the labels of a topology zone.
    fn take_zone(&mut self, labels: &Labels<'a>) -> Result<(), InvalidName> {
        self.prefers_zone = match (labels.text(4), labels.text(5)) {
            (b"_zone", b"pin") => false,
            (b"_zone", b"prefer") => true,
            _ => return Err(InvalidName),
        };
        self.zone = labels.wire(labels.count, 6);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_api::Name;

    /// Parses the labels of a name and shows its parts as text, separated by `|`.
    fn parts(text: &str, grammar: Grammar) -> Option<String> {
        let name = if text.is_empty() { Name::root() } else { Name::from_text(text).unwrap() };
        let wire = name.as_wire();
        let asked = Asked::parse(&wire[..wire.len() - 1], grammar).ok()?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let tail = |wire: &[u8]| text(wire.get(1..).unwrap_or_default());
        let tree = format!("{:?}", asked.tree).to_lowercase();
        let mut all = vec![tree, tail(asked.namespace), tail(asked.service)];
        all.extend([asked.endpoint, asked.cluster, asked.port, asked.protocol].map(text));
        all.push(format!("{}{}", tail(asked.zone), if asked.prefers_zone { "?" } else { "" }));
        Some(all.join("|"))
    }

    #[test]
    fn the_usual_names() {
        let usual = Grammar::default();
        let cases = [
            ("", Some("top|||||||")),
            ("svc", Some("top|||||||")),
            ("pod", Some("top|||||||")),
            ("foo", None),
            ("ns.svc", Some("service|ns||||||")),
            ("web.ns.svc", Some("service|ns|web|||||")),
            ("ep.web.ns.svc", Some("service|ns|web|ep||||")),
            ("_http._tcp.web.ns.svc", Some("service|ns|web|||http|tcp|")),
            ("http.tcp.web.ns.svc", Some("service|ns|web|||http|tcp|")),
            ("a._http._tcp.web.ns.svc", None),
            ("a.pin._zone.web.ns.svc", None),
            ("1-2-3-4.ns.pod", Some("pod|ns|1-2-3-4|||||")),
            ("a.b.1-2-3-4.ns.pod", Some("pod|ns|1-2-3-4|||a|b|")),
        ];
        for (name, expected) in cases {
            assert_eq!(parts(name, usual).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn names_of_several_clusters() {
        let grammar = Grammar { multicluster: true, zonal: true };
        assert_eq!(parts("ep.c1.web.ns.svc", grammar).as_deref(), Some("service|ns|web|ep|c1|||"));
        assert_eq!(parts("_p._tcp.web.ns.svc", grammar).as_deref(), Some("service|ns|web|||p|tcp|"));
        assert_eq!(parts("p._tcp.web.ns.svc", grammar).as_deref(), Some("service|ns|web|||p|tcp|"));
        assert_eq!(parts("a.pin._zone.web.ns.svc", grammar), None);
    }

    #[test]
    fn names_of_topology_zones() {
        let grammar = Grammar { multicluster: false, zonal: true };
        assert_eq!(parts("a.pin._zone.web.ns.svc", grammar).as_deref(), Some("service|ns|web|||||a"));
        assert_eq!(parts("b.prefer._zone.web.ns.svc", grammar).as_deref(), Some("service|ns|web|||||b?"));
        assert_eq!(parts("b.other._zone.web.ns.svc", grammar), None);
        assert_eq!(parts("b.pin._zone.web.ns.pod", grammar), None);
    }
}
