//! The directive in CoreDNS's words, and answers that the recorded suites do not have.

use super::fixture_tests::Cluster;
use crate::trial::{Logged, setup_error};
use plugin_api::{GistKind, Rcode, Section};

/// The error of a block with these properties, for the zone `cluster.local`.
fn refused(properties: &str) -> Option<String> {
    setup_error(&format!("kubernetes cluster.local {{\n{properties}\nmanifests .\n}}"))
}

#[test]
fn refusals_have_the_words_of_coredns() {
    let parsing =
        |line: u32, text: &str| Some(format!("plugin/kubernetes: Corefile:{line} - Error during parsing: {text}"));
    let plain = |text: &str| Some(format!("plugin/kubernetes: {text}"));
    let count = |word: &str| parsing(3, &format!("Wrong argument count or unexpected line ending after '{word}'"));
    let labels =
        r#"couldn't parse the selector string "a in (b": unable to parse requirement: found '', expected: ',' or ')'"#;
    let cases = [
        ("bogus", parsing(3, "unknown property 'bogus'")),
        ("pods", count("pods")),
        ("pods insecure verified", count("verified")),
        ("pods maybe", plain("wrong value for pods: maybe,  must be one of: disabled, verified, insecure")),
        ("ttl abc", plain(r#"strconv.Atoi: parsing "abc": invalid syntax"#)),
        ("ttl 3601", parsing(3, "ttl must be in range [0, 3600]: 3601")),
        ("ttl", count("ttl")),
        ("ttl 30 40", None),
        ("labels a in (b", plain(&format!("unable to parse label selector value: 'a in (b': {labels}"))),
        ("namespaces", count("namespaces")),
        ("namespaces a\nnamespace_labels b=c", parsing(6, "namespaces and namespace_labels cannot both be set")),
        ("kubeconfig", count("kubeconfig")),
        ("kubeconfig a b c", count("c")),
        ("ignore", None),
        ("ignore other", plain("unable to parse ignore value: 'other'")),
        ("noendpoints yes", count("yes")),
        ("endpoint_pod_names yes", count("yes")),
        ("startup_timeout", count("startup_timeout")),
        ("startup_timeout abc", plain(r#"failed to parse startup_timeout: abc, time: invalid duration "abc""#)),
        ("multicluster cluster.local", None),
        (
            "multicluster clusterset.local",
            parsing(
                5,
                "is not authoritative for the multicluster zone clusterset.local. (authoritative zones: [cluster.local.])",
            ),
        ),
        (
            "apiserver_qps x",
            parsing(3, r#"invalid apiserver_qps "x": strconv.ParseFloat: parsing "x": invalid syntax"#),
        ),
        ("apiserver_burst -1", parsing(3, "apiserver_burst must be >= 0")),
        (
            "apiserver_max_inflight x",
            parsing(3, r#"invalid apiserver_max_inflight "x": strconv.Atoi: parsing "x": invalid syntax"#),
        ),
        ("noendpoints\nzonal", parsing(6, "zonal requires the endpoint cache; remove noendpoints")),
        ("warm_start", count("warm_start")),
        ("warm_start a 1h x", count("x")),
        ("warm_start a 1h", None),
        (
            "warm_start a soon",
            parsing(3, r#"failed to parse the age of warm_start: soon, time: invalid duration "soon""#),
        ),
        ("warm_start a 0s", parsing(3, "the age of warm_start must be more than 0")),
        ("transfer to *", parsing(3, "unknown property 'transfer'")),
    ];
    for (properties, expected) in cases {
        assert_eq!(refused(properties), expected, "{properties}");
    }
}

#[test]
fn a_zone_of_names_is_needed_and_one_directive() {
    let once = "plugin/kubernetes: this plugin can only be used once per Server Block";
    let twice = "kubernetes a.test {\nmanifests .\n}\nkubernetes b.test {\nmanifests .\n}";
    assert_eq!(setup_error(twice).as_deref(), Some(once));
    let none = "plugin/kubernetes: non-reverse zone name must be used";
    assert_eq!(setup_error("kubernetes 10.in-addr.arpa").as_deref(), Some(none));
    assert_eq!(setup_error("kubernetes cluster..local").as_deref(), Some(none));
    assert_eq!(setup_error("kubernetes in-addr.arpa {\nmanifests .\n}"), None);
}

#[test]
fn removed_properties_are_taken() {
    for properties in ["resyncperiod 5m", "upstream", "upstream 1.1.1.1", "federation a b.test"] {
        assert_eq!(refused(properties), None, "{properties}");
    }
}

#[test]
fn a_second_endpoint_is_warned_of() {
    let logged = Logged::during(|| assert_eq!(refused("endpoint https://a https://b"), None));
    let line = "Multiple endpoints have been deprecated, only the first specified endpoint 'https://a' is used";
    assert_eq!(logged, [format!("[WARN] plugin/kubernetes: {line}")]);
}

/// Pods with names, one of them with dots.
const PODS: &str = "
    namespace a
    namespace pod
    service pod/web 10.0.0.1 p:1/TCP
    pod a/web-0 10.4.0.1 fd00::1
    pod a/dotted.name 10.4.0.2
    pod nowhere/lost 10.4.0.3";

#[test]
fn pods_have_their_own_names_if_asked_for() {
    let cluster = Cluster::with("cluster.local: pod_names", PODS);
    let reply = cluster.ask("web-0.a.pod.cluster.local. A");
    assert_eq!(reply, "NOERROR qr aa rd; answer: web-0.a.pod.cluster.local. 300 IN A 10.4.0.1");
    assert_eq!(cluster.answers("web-0.a.pod.svc.cluster.local. AAAA"), ["AAAA fd00::1"]);
    assert_eq!(cluster.answers("dotted.name.a.pod.cluster.local. A"), ["A 10.4.0.2"]);
    cluster.is_nodata(&["web-0.a.pod.cluster.local. SRV", "dotted.name.a.pod.cluster.local. AAAA"]);
    cluster.is_nxdomain(&["no.a.pod.cluster.local. A", "lost.nowhere.pod.cluster.local. A"]);
    assert_eq!(cluster.answers("web.pod.svc.cluster.local. A"), ["A 10.0.0.1"]);
    let with_ttl = Cluster::with("cluster.local: pod_names, ttl 7, pods verified", PODS);
    assert!(with_ttl.ask("web-0.a.pod.cluster.local. A").contains(" 7 IN A 10.4.0.1"));
    assert_eq!(with_ttl.answers("10-4-0-1.a.pod.cluster.local. A"), ["A 10.4.0.1"]);
    Cluster::with("cluster.local: pods verified", PODS).is_nxdomain(&["web-0.a.pod.cluster.local. A"]);
}

#[test]
fn a_slice_without_a_service_is_as_if_it_were_not_there() {
    let lines = "namespace a\nslice a/x of none p:1/TCP | 10.0.0.1";
    let cluster = Cluster::new(&lines.replace("none", "\u{7f}".repeat(64).as_str()));
    cluster.is_nxdomain(&["1.0.0.10.in-addr.arpa. PTR"]);
    assert_eq!(Cluster::new(lines).answers("1.0.0.10.in-addr.arpa. PTR"), ["PTR 10-0-0-1.none.a.svc.cluster.local."]);
}

#[test]
fn a_source_cluster_is_part_of_no_own_name() {
    let lines = "namespace a
        service a/db None pg:5432/TCP
        slice a/near of db pg:5432/TCP | 10.4.0.1=db-0
        slice a/far of db in east pg:5432/TCP | 10.5.0.1=db-1";
    let cluster = Cluster::new(lines);
    let targets = ["SRV 0 50 5432 db-0.db.a.svc.cluster.local.", "SRV 0 50 5432 db-1.db.a.svc.cluster.local."];
    assert_eq!(cluster.answers("_pg._tcp.db.a.svc.cluster.local. SRV"), targets);
    assert_eq!(cluster.answers("db-1.db.a.svc.cluster.local. A"), ["A 10.5.0.1"]);
}

#[test]
fn given_names_of_an_address_come_first() {
    // Three services with one address: the names come in one order, whichever slice the server saw first.
    let slices = [
        "slice a/1 of lb p:1/TCP | 10.4.0.1",
        "slice a/2 of web p:1/TCP | 10.4.0.1=web-1",
        "slice a/3 of all p:1/TCP | 10.4.0.1=b",
    ];
    let names = ["b.all.a.svc.cluster.local.", "web-1.web.a.svc.cluster.local.", "10-4-0-1.lb.a.svc.cluster.local."];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let [first, second, third] = order.map(|at| slices[at]);
        let cluster = Cluster::new(&format!("namespace a\n{first}\n{second}\n{third}"));
        let reply = cluster.ask("1.0.4.10.in-addr.arpa. PTR");
        let places = names.map(|name| reply.find(name).unwrap());
        assert!(places.is_sorted(), "{order:?}: {reply}");
    }
}

#[test]
fn a_service_costs_no_more_than_a_message_carries() {
    let mut lines = "namespace a\nservice a/big None p:1/TCP\nservice a/two None p:1/TCP q:2/TCP".to_owned();
    for slice in 0..80_u8 {
        let endpoints: Vec<String> = (0..100).map(|at| format!("10.0.{slice}.{at}")).collect();
        let endpoints = endpoints.join(" ");
        lines += &format!("\nslice a/big-{slice} of big p:1/TCP | {endpoints}");
        lines += &format!("\nslice a/two-{slice} of two p:1/TCP q:2/TCP | {endpoints}");
    }
    let cluster = Cluster::new(&lines);
    for query in ["big.a.svc.cluster.local. A", "big.a.svc.cluster.local. SRV", "two.a.svc.cluster.local. SRV"] {
        // What is left out could not be sent: 5,957 records of the least size are 65,527 octets.
        assert_eq!(cluster.answers(query).len(), 5957, "{query}");
    }
}

#[test]
fn ptr_records_in_the_root_zone_have_legal_names() {
    let cluster = Cluster::with(".", "namespace a\nservice a/web 10.0.0.1 p:1/TCP");
    assert_eq!(cluster.answers("1.0.0.10.in-addr.arpa. PTR"), ["PTR web.a.svc."]);
}

#[test]
fn answers_are_marked_live() {
    let cluster = Cluster::new("namespace a\nservice a/web 10.0.0.1 p:1/TCP");
    for query in ["web.a.svc.cluster.local. A", "web.a.svc.cluster.local. AAAA", "no.a.svc.cluster.local. A"] {
        assert!(cluster.message(query).live, "{query}");
    }
}

#[test]
fn what_is_said_of_an_answer_is_what_a_walk_finds() {
    let lines = "namespace a\nservice a/web 10.0.0.1 p:1/TCP\nservice a/many None p:1/TCP\nslice a/x of many p:1/TCP | 10.0.0.2";
    let names = ["web.a.svc", "many.a.svc", "10-0-0-2.many.a.svc", "no.a.svc", "a.svc", "svc", "dns-version", "ns.dns"];
    let names = names.iter().map(|name| format!("{name}.cluster.local.")).chain(["cluster.local.".to_owned()]);
    let queries: Vec<String> = names
        .chain(["1.0.0.10.in-addr.arpa.".to_owned(), "9.0.0.10.in-addr.arpa.".to_owned()])
        .flat_map(|name| {
            ["A", "AAAA", "SRV", "TXT", "PTR", "SOA", "NS", "CNAME", "MX"].map(|kind| format!("{name} {kind}"))
        })
        .collect();
    for zone in ["cluster.local in-addr.arpa", "cluster.local in-addr.arpa: ttl 600"] {
        let cluster = Cluster::with(zone, lines);
        for query in &queries {
            let message = cluster.message(query);
            let Some(gist) = message.gist() else { panic!("{query}: nothing is said") };
            assert!(message.records().all(|record| record.ttl == gist.ttl), "{query}: {gist:?}");
            let has = |section| message.count(section) > 0;
            let found = match (message.rcode(), has(Section::Answer), has(Section::Authority)) {
                (Rcode::NOERROR, true, false) => GistKind::Answer,
                (Rcode::NOERROR, false, true) => GistKind::NoData,
                (Rcode::NXDOMAIN, false, true) => GistKind::NameError,
                other => panic!("{query}: {other:?}"),
            };
            assert_eq!(gist.kind, found, "{query}");
        }
    }
}
