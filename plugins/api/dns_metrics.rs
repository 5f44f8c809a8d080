//! The `coredns_dns_*` metrics: families, buckets and the counting of one query. Used by plugin `prometheus` for the queries of its
//! blocks, and by the server for those that it refuses before any block (zone `dropped`).

use crate::metrics::{Histogram, Metrics, Tally};
use crate::request::Request;
use crate::rr::{Rcode, Type};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Buckets of durations in seconds (CoreDNS: plugin.TimeBuckets): 0.00025 doubled 15 times.
pub const TIME_BUCKETS: [f64; 16] =
    [0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192];

/// Buckets of sizes in octets. 8291 is CoreDNS's own slip for 8191, kept because dashboards name it.
pub const SIZE_BUCKETS: [f64; 14] =
    [0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16000.0, 32000.0, 48000.0, 64000.0];

/// The types that have a label of their own; all others are `other`.
const TYPES: [(Type, &str); 19] = [
    (Type::A, "A"),
    (Type::AAAA, "AAAA"),
    (Type::CNAME, "CNAME"),
    (Type::DNSKEY, "DNSKEY"),
    (Type::DS, "DS"),
    (Type::MX, "MX"),
    (Type::NSEC3, "NSEC3"),
    (Type::NSEC, "NSEC"),
    (Type::NS, "NS"),
    (Type::PTR, "PTR"),
    (Type::RRSIG, "RRSIG"),
    (Type::SOA, "SOA"),
    (Type::SRV, "SRV"),
    (Type::TXT, "TXT"),
    (Type::HTTPS, "HTTPS"),
    (Type::SVCB, "SVCB"),
    (Type::IXFR, "IXFR"),
    (Type::AXFR, "AXFR"),
    (Type::ANY, "ANY"),
];

/// Rcodes with a place of their own in the table of counters; the last place is for the others, which are looked up.
const RCODES: usize = 24;

/// Labels of all queries of one listener, zone and view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Scope {
    /// The listener, `dns://:53`.
    pub server: Arc<str>,
    /// The zone of the block that matched, or `dropped`.
    pub zone: Arc<str>,
    /// The block's view, or empty.
    pub view: Arc<str>,
}

/// [`Scope`] and how the query came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transported {
    #[prometheus(flatten)]
    scope: Scope,
    proto: &'static str,
}

/// Labels of `dns_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    #[prometheus(flatten)]
    scope: Scope,
    proto: &'static str,
    family: &'static str,
    r#type: &'static str,
}

/// Labels of `dns_responses_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    #[prometheus(flatten)]
    scope: Scope,
    rcode: String,
    plugin: &'static str,
}

/// The families; the same ones for every configuration of the process.
#[derive(Clone)]
struct Families {
    requests: Family<Asked, Tally>,
    duration: Family<Scope, Histogram>,
    request_size: Family<Transported, Histogram>,
    response_size: Family<Transported, Histogram>,
    dnssec_ok: Family<Scope, Tally>,
    responses: Family<Answered, Tally>,
}

/// A histogram of durations.
fn durations() -> Histogram {
    Histogram::new(&TIME_BUCKETS)
}

/// A histogram of sizes.
fn sizes() -> Histogram {
    Histogram::new(&SIZE_BUCKETS)
}

impl Families {
    /// Registers them, or finds them registered.
    fn of(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.get(
                "dns_requests",
                "Counter of DNS requests made per zone, protocol and family.",
                Family::default,
            ),
            duration: metrics.get(
                "dns_request_duration_seconds",
                "Histogram of the time (in seconds) each request took per zone.",
                || Family::new_with_constructor(durations as fn() -> Histogram),
            ),
            request_size: metrics.get(
                "dns_request_size_bytes",
                "Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.",
                || Family::new_with_constructor(sizes as fn() -> Histogram),
            ),
            response_size: metrics.get("dns_response_size_bytes", "Size of the returned response in bytes.", || {
                Family::new_with_constructor(sizes as fn() -> Histogram)
            }),
            dnssec_ok: metrics.get(
                "dns_do_requests",
                "Counter of DNS requests with DO bit set per zone.",
                Family::default,
            ),
            responses: metrics.get("dns_responses", "Counter of response status codes.", Family::default),
        }
    }
}

/// What is known of a reply when a query is counted.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The rcode that the client sees.
    pub rcode: Rcode,
    /// Octets of the reply before it is made to fit.
    pub size: usize,
    /// How long it took.
    pub duration: Duration,
    /// Whether the reply came out of the chain; false where the server writes it (the `plugin` label is then empty).
    pub by_plugin: bool,
}

/// Counts the queries of one [`Scope`]. Series appear with their first use, as CoreDNS's; after that a query costs some
/// additions, no look-up.
pub struct DnsMetrics {
    scope: Scope,
    plugin: &'static str,
    families: Families,
    requests: [[[OnceLock<Tally>; 20]; 2]; 2],
    responses: [[OnceLock<Tally>; RCODES]; 2],
    sizes: [OnceLock<(Histogram, Histogram)>; 2],
    duration: OnceLock<Histogram>,
    dnssec_ok: OnceLock<Tally>,
}

impl DnsMetrics {
    /// Counts for `scope`; `plugin` is the label of replies that come out of the chain.
    #[must_use]
    pub fn new(metrics: &Metrics, scope: Scope, plugin: &'static str) -> Self {
        Self {
            scope,
            plugin,
            families: Families::of(metrics),
            requests: Default::default(),
            responses: std::array::from_fn(|_| std::array::from_fn(|_| OnceLock::new())),
            sizes: Default::default(),
            duration: OnceLock::new(),
            dnssec_ok: OnceLock::new(),
        }
    }

    /// Counts one query.
    pub fn report(&self, request: &Request, report: Report) {
        let is_tcp = usize::from(request.origin().transport.network() == "tcp");
        let is_v6 = usize::from(request.peer().ip().to_canonical().is_ipv6());
        let kind = TYPES.iter().position(|(known, _)| *known == request.qtype()).unwrap_or(TYPES.len());
        if let Some(cell) =
            self.requests.get(is_tcp).and_then(|cells| cells.get(is_v6)).and_then(|cells| cells.get(kind))
        {
            cell.get_or_init(|| self.request_counter(is_tcp, is_v6, kind)).inc();
        }
        if request.dnssec_ok() {
            self.dnssec_ok.get_or_init(|| self.families.dnssec_ok.get_or_create_owned(&self.scope)).inc();
        }
        if let Some(cell) = self.sizes.get(is_tcp) {
            let (asked, answered) = cell.get_or_init(|| self.size_histograms(is_tcp));
            asked.observe(request.size() as f64);
            answered.observe(report.size as f64);
        }
        let duration = self.duration.get_or_init(|| self.families.duration.get_or_create_owned(&self.scope));
        duration.observe(report.duration.as_secs_f64());
        let by_plugin = usize::from(report.by_plugin);
        match self.responses.get(by_plugin).and_then(|cells| cells.get(usize::from(report.rcode.0))) {
            Some(cell) => cell.get_or_init(|| self.response_counter(report)).inc(),
            None => self.response_counter(report).inc(),
        };
    }

    /// `udp` or `tcp`.
    const fn proto(is_tcp: usize) -> &'static str {
        if is_tcp == 1 { "tcp" } else { "udp" }
    }

    /// The series of a kind of query.
    fn request_counter(&self, is_tcp: usize, is_v6: usize, kind: usize) -> Tally {
        let family = if is_v6 == 1 { "2" } else { "1" };
        let r#type = TYPES.get(kind).map_or("other", |(_, label)| *label);
        let labels = Asked { scope: self.scope.clone(), proto: Self::proto(is_tcp), family, r#type };
        self.families.requests.get_or_create_owned(&labels)
    }

    /// The two size histograms of a transport.
    fn size_histograms(&self, is_tcp: usize) -> (Histogram, Histogram) {
        let labels = Transported { scope: self.scope.clone(), proto: Self::proto(is_tcp) };
        (
            self.families.request_size.get_or_create_owned(&labels),
            self.families.response_size.get_or_create_owned(&labels),
        )
    }

    /// The series of a kind of reply.
    fn response_counter(&self, report: Report) -> Tally {
        let rcode = report.rcode.label();
        let plugin = if report.by_plugin { self.plugin } else { "" };
        self.families.responses.get_or_create_owned(&Answered { scope: self.scope.clone(), rcode, plugin })
    }
}
