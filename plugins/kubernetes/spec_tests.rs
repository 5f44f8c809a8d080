//! The Kubernetes DNS specification, schema 1.1.0, item by item: a test for each number of the checklist that this project
//! follows. Numbers in brackets are sections of kubernetes/dns:docs/specification.md.

use super::fixture_tests::Cluster;

/// A service of each sort.
const PLAIN: &str = "
    namespace a
    namespace empty
    service a/web 10.0.0.1 http:80/TCP dns:53/UDP sctp:7/SCTP
    service a/dual fd00::2,10.0.0.2 http:80/TCP :81/TCP
    service a/six fd00::6 http:80/TCP
    slice a/web-1 of web http:8080/TCP | 10.1.0.1 10.1.0.2=named
    service a/head None http:80/TCP
    slice a/head-1 of head http:8080/TCP | 10.2.0.1=db-0 10.2.0.2 fd00::21=db-0 10.2.0.9=gone!";

#[test]
fn spec_01_case_is_ignored_and_kept() {
    let cluster = Cluster::new(PLAIN);
    for query in ["WEB.A.SVC.Cluster.LOCAL. A", "web.a.svc.cluster.local. A", "NAMED.Web.a.svc.cluster.local. A"] {
        assert_eq!(cluster.answers(query).len(), 1, "{query}");
    }
    assert_eq!(cluster.answers("_HTTP._Tcp.web.a.svc.cluster.LOCAL. SRV"), ["SRV 0 100 80 web.a.svc.cluster.LOCAL."]);
    assert_eq!(cluster.answers("DNS-Version.cluster.local. TXT"), [r#"TXT "1.1.0""#]);
}

#[test]
fn spec_02_two_zones_have_the_same_data() {
    let cluster = Cluster::with("cluster.local other.test", PLAIN);
    for zone in ["cluster.local.", "other.test."] {
        assert_eq!(cluster.answers(&format!("web.a.svc.{zone} A")), ["A 10.0.0.1"]);
        assert_eq!(cluster.answers(&format!("_http._tcp.head.a.svc.{zone} SRV")).len(), 2);
    }
}

#[test]
fn spec_03_an_endpoint_has_a_hostname() {
    let lines = "namespace a
        service a/s None p:1/TCP
        slice a/s-1 of s p:1/TCP | 1.2.3.4 1.2.3.5=given 2001:db8:: 2001:db8::5";
    let cluster = Cluster::new(lines);
    let cases = [
        ("1-2-3-4.s.a.svc.cluster.local. A", "A 1.2.3.4"),
        ("given.s.a.svc.cluster.local. A", "A 1.2.3.5"),
        ("2001-db8--0.s.a.svc.cluster.local. AAAA", "AAAA 2001:db8::"),
        ("2001-db8--5.s.a.svc.cluster.local. AAAA", "AAAA 2001:db8::5"),
    ];
    for (query, answer) in cases {
        assert_eq!(cluster.answers(query), [answer], "{query}");
    }
    cluster.is_nxdomain(&["1-2-3-5.s.a.svc.cluster.local. A"]);
}

#[test]
fn spec_04_only_ready_endpoints_count() {
    let cluster = Cluster::new(PLAIN);
    cluster.is_nxdomain(&["gone.head.a.svc.cluster.local. A", "9.0.2.10.in-addr.arpa. PTR"]);
    assert_eq!(cluster.answers("head.a.svc.cluster.local. A"), ["A 10.2.0.1", "A 10.2.0.2"]);
}

#[test]
fn spec_05_no_required_record_is_missing() {
    let cluster = Cluster::new(PLAIN);
    let queries = [
        ("web.a.svc.cluster.local. A", 1),
        ("_http._tcp.web.a.svc.cluster.local. SRV", 1),
        ("1.0.0.10.in-addr.arpa. PTR", 1),
        ("head.a.svc.cluster.local. A", 2),
        ("db-0.head.a.svc.cluster.local. A", 1),
        ("_http._tcp.head.a.svc.cluster.local. SRV", 2),
        ("1.0.2.10.in-addr.arpa. PTR", 1),
        ("dns-version.cluster.local. TXT", 1),
    ];
    for (query, count) in queries {
        assert_eq!(cluster.answers(query).len(), count, "{query}");
    }
}

#[test]
fn spec_06_schema_version() {
    let reply = Cluster::new(PLAIN).ask("dns-version.cluster.local. TXT");
    assert_eq!(reply, r#"NOERROR qr aa rd; answer: dns-version.cluster.local. 28800 IN TXT "1.1.0""#);
}

#[test]
fn spec_07_other_types_at_dns_version_are_nxdomain() {
    Cluster::new(PLAIN).is_nxdomain(&["dns-version.cluster.local. A", "dns-version.cluster.local. SRV"]);
}

#[test]
fn spec_08_ipv4_cluster_address() {
    let reply = Cluster::new(PLAIN).ask("web.a.svc.cluster.local. A");
    assert_eq!(reply, "NOERROR qr aa rd; answer: web.a.svc.cluster.local. 5 IN A 10.0.0.1");
}

#[test]
fn spec_09_ipv6_cluster_address() {
    assert_eq!(Cluster::new(PLAIN).answers("six.a.svc.cluster.local. AAAA"), ["AAAA fd00::6"]);
}

#[test]
fn spec_10_dual_stack_in_any_order() {
    let cluster = Cluster::new(PLAIN);
    assert_eq!(cluster.answers("dual.a.svc.cluster.local. A"), ["A 10.0.0.2"]);
    assert_eq!(cluster.answers("dual.a.svc.cluster.local. AAAA"), ["AAAA fd00::2"]);
}

#[test]
fn spec_11_a_missing_family_is_nodata() {
    Cluster::new(PLAIN).is_nodata(&["web.a.svc.cluster.local. AAAA", "six.a.svc.cluster.local. A"]);
}

#[test]
fn spec_12_endpoints_do_not_matter_to_cluster_addresses() {
    let lines = "namespace a
        service a/web 10.0.0.1 http:80/TCP
        slice a/web-1 of web http:80/TCP | 10.1.0.1!";
    assert_eq!(Cluster::new(lines).answers("web.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
    let mut cluster = Cluster::with("cluster.local: ignore empty_service", lines);
    cluster.is_nxdomain(&["web.a.svc.cluster.local. A"]);
    cluster.apply("slice a/web-1 of web http:80/TCP | 10.1.0.1");
    assert_eq!(cluster.answers("web.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
}

#[test]
fn spec_13_srv_of_named_ports() {
    let cluster = Cluster::new(PLAIN);
    assert_eq!(cluster.answers("_http._tcp.web.a.svc.cluster.local. SRV"), ["SRV 0 100 80 web.a.svc.cluster.local."]);
    assert_eq!(cluster.answers("_dns._udp.web.a.svc.cluster.local. SRV"), ["SRV 0 100 53 web.a.svc.cluster.local."]);
}

#[test]
fn spec_14_priority_and_weight() {
    let cluster = Cluster::new(PLAIN);
    let of_three = cluster.answers("_http._tcp.head.a.svc.cluster.local. SRV");
    assert!(of_three.iter().all(|record| record.starts_with("SRV 0 33 8080 ")), "{of_three:?}");
    let of_two_families = cluster.answers("_http._tcp.dual.a.svc.cluster.local. SRV");
    assert_eq!(of_two_families, ["SRV 0 50 80 dual.a.svc.cluster.local."]);
    let many: String = (0..200).map(|number| format!(" 10.5.0.{number}")).collect();
    let cluster = Cluster::new(&format!("namespace a\nservice a/m None p:1/TCP\nslice a/m-1 of m p:1/TCP |{many}"));
    assert!(cluster.answers("_p._tcp.m.a.svc.cluster.local. SRV")[0].starts_with("SRV 0 1 1 "));
}

#[test]
fn spec_15_unnamed_ports_have_no_srv_name() {
    Cluster::new(PLAIN)
        .is_nxdomain(&["_81._tcp.dual.a.svc.cluster.local. SRV", "_80._tcp.web.a.svc.cluster.local. SRV"]);
}

#[test]
fn spec_16_the_protocol_has_to_fit() {
    let cluster = Cluster::new(PLAIN);
    cluster.is_nxdomain(&["_http._udp.web.a.svc.cluster.local. SRV"]);
    assert_eq!(cluster.answers("_sctp._sctp.web.a.svc.cluster.local. SRV"), ["SRV 0 100 7 web.a.svc.cluster.local."]);
}

#[test]
fn spec_17_two_names_for_one_port() {
    let cluster = Cluster::new("namespace a\nservice a/s 10.0.0.1 one:80/TCP two:80/TCP");
    for port in ["one", "two"] {
        let answers = cluster.answers(&format!("_{port}._tcp.s.a.svc.cluster.local. SRV"));
        assert_eq!(answers, ["SRV 0 100 80 s.a.svc.cluster.local."]);
    }
}

#[test]
fn spec_18_additional_has_the_target() {
    let cluster = Cluster::new(PLAIN);
    assert_eq!(cluster.additional("_http._tcp.web.a.svc.cluster.local. SRV"), ["web.a.svc.cluster.local. A 10.0.0.1"]);
}

#[test]
fn spec_19_srv_at_the_service_lists_all_ports() {
    let answers = Cluster::new(PLAIN).answers("dual.a.svc.cluster.local. SRV");
    assert_eq!(answers, ["SRV 0 25 80 dual.a.svc.cluster.local.", "SRV 0 25 81 dual.a.svc.cluster.local."]);
}

#[test]
fn spec_20_ptr_of_an_ipv4_cluster_address() {
    assert_eq!(Cluster::new(PLAIN).answers("1.0.0.10.in-addr.arpa. PTR"), ["PTR web.a.svc.cluster.local."]);
}

#[test]
fn spec_21_ptr_of_an_ipv6_cluster_address() {
    let query = "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. PTR";
    assert_eq!(Cluster::new(PLAIN).answers(query), ["PTR six.a.svc.cluster.local."]);
}

#[test]
fn spec_22_ptr_of_nobody() {
    let cluster = Cluster::new(PLAIN);
    let reply = cluster.ask("9.9.9.10.in-addr.arpa. PTR");
    assert!(reply.starts_with("NXDOMAIN qr aa rd; authority: in-addr.arpa. 5 IN SOA ns.dns.in-addr.arpa. "), "{reply}");
    let cluster = Cluster::with("cluster.local in-addr.arpa: fallthrough in-addr.arpa", PLAIN);
    assert!(cluster.ask("9.9.9.10.in-addr.arpa. PTR").contains("no next plugin found"));
    cluster.is_nxdomain(&["nope.a.svc.cluster.local. A"]);
}

#[test]
fn spec_23_ptr_of_a_service_before_its_endpoints() {
    let cluster = Cluster::new(&format!("{PLAIN}\nslice a/x-1 of head http:1/TCP | 10.0.0.1=elsewhere"));
    assert_eq!(cluster.answers("1.0.0.10.in-addr.arpa. PTR"), ["PTR web.a.svc.cluster.local."]);
}

#[test]
fn spec_24_endpoints_of_a_cluster_service_have_names() {
    let cluster = Cluster::new(PLAIN);
    assert_eq!(cluster.answers("named.web.a.svc.cluster.local. A"), ["A 10.1.0.2"]);
    assert_eq!(cluster.answers("10-1-0-1.web.a.svc.cluster.local. A"), ["A 10.1.0.1"]);
    cluster.is_nxdomain(&["other.web.a.svc.cluster.local. A"]);
}

#[test]
fn spec_25_headless_ipv4() {
    assert_eq!(Cluster::new(PLAIN).answers("head.a.svc.cluster.local. A"), ["A 10.2.0.1", "A 10.2.0.2"]);
}

#[test]
fn spec_26_headless_ipv6() {
    assert_eq!(Cluster::new(PLAIN).answers("head.a.svc.cluster.local. AAAA"), ["AAAA fd00::21"]);
}

#[test]
fn spec_27_headless_without_endpoints() {
    let cluster = Cluster::new(
        "namespace a
        service a/none None p:1/TCP
        service a/unready None p:1/TCP
        slice a/unready-1 of unready p:1/TCP | 10.0.0.1!
        service a/four None p:1/TCP
        slice a/four-1 of four p:1/TCP | 10.0.0.2",
    );
    cluster.is_nxdomain(&["none.a.svc.cluster.local. A", "unready.a.svc.cluster.local. A"]);
    cluster.is_nodata(&["four.a.svc.cluster.local. AAAA"]);
}

#[test]
fn spec_28_hostname_ipv4() {
    let cluster = Cluster::new(
        "namespace a
        service a/s None p:1/TCP
        slice a/s-1 of s p:1/TCP | 10.0.0.1=h 10.0.0.2=h 10.0.0.3=other",
    );
    assert_eq!(cluster.answers("h.s.a.svc.cluster.local. A"), ["A 10.0.0.1", "A 10.0.0.2"]);
}

#[test]
fn spec_29_hostname_ipv6() {
    assert_eq!(Cluster::new(PLAIN).answers("db-0.head.a.svc.cluster.local. AAAA"), ["AAAA fd00::21"]);
}

#[test]
fn spec_30_slices_are_merged() {
    let cluster = Cluster::new(
        "namespace a
        service a/s None p:1/TCP
        slice a/s-1 of s p:1/TCP | 10.0.0.1 10.0.0.2
        slice a/s-2 of s p:1/TCP | 10.0.0.2 10.0.0.3",
    );
    assert_eq!(cluster.answers("s.a.svc.cluster.local. A"), ["A 10.0.0.1", "A 10.0.0.2", "A 10.0.0.3"]);
}

#[test]
fn spec_31_ports_do_not_multiply_addresses() {
    let cluster = Cluster::new(
        "namespace a
        service a/s None p:1/TCP q:2/TCP
        slice a/s-1 of s p:1/TCP q:2/TCP | 10.0.0.1",
    );
    assert_eq!(cluster.answers("s.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
}

#[test]
fn spec_32_headless_without_ports() {
    let cluster = Cluster::new("namespace a\nservice a/s None\nslice a/s-1 of s | 10.0.0.1");
    assert_eq!(cluster.answers("s.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
    cluster.is_nodata(&["s.a.svc.cluster.local. SRV"]);
}

#[test]
fn spec_33_srv_for_each_endpoint_and_port() {
    let cluster = Cluster::new(
        "namespace a
        service a/s None p:1/TCP q:2/TCP
        slice a/s-1 of s p:1/TCP q:2/TCP | 10.0.0.1=x 10.0.0.2 10.0.0.3=z",
    );
    for port in ["p", "q"] {
        let answers = cluster.answers(&format!("_{port}._tcp.s.a.svc.cluster.local. SRV"));
        let targets: Vec<_> = answers.iter().map(|record| record.rsplit(' ').next().unwrap()).collect();
        let expected = ["10-0-0-2", "x", "z"].map(|label| format!("{label}.s.a.svc.cluster.local."));
        assert_eq!(targets, expected);
    }
    assert_eq!(cluster.answers("s.a.svc.cluster.local. SRV").len(), 6);
}

#[test]
fn spec_34_unnamed_ports_of_a_headless_service() {
    let cluster = Cluster::new("namespace a\nservice a/s None :1/TCP\nslice a/s-1 of s :1/TCP | 10.0.0.1");
    cluster.is_nxdomain(&["_1._tcp.s.a.svc.cluster.local. SRV"]);
}

#[test]
fn spec_35_headless_srv_has_the_port_of_the_slice() {
    // The text says the service's port, 80; CoreDNS gives the target port.
    let answers = Cluster::new(PLAIN).answers("_http._tcp.db-0.head.a.svc.cluster.local. SRV");
    assert!(answers.is_empty(), "five labels are no name: {answers:?}");
    let answers = Cluster::new(PLAIN).answers("_http._tcp.head.a.svc.cluster.local. SRV");
    assert!(answers.iter().all(|record| record.split(' ').nth(3) == Some("8080")), "{answers:?}");
}

#[test]
fn spec_36_additional_has_the_endpoints() {
    let additional = Cluster::new(PLAIN).additional("_http._tcp.head.a.svc.cluster.local. SRV");
    let expected = [
        "10-2-0-2.head.a.svc.cluster.local. A 10.2.0.2",
        "db-0.head.a.svc.cluster.local. A 10.2.0.1",
        "db-0.head.a.svc.cluster.local. AAAA fd00::21",
    ];
    assert_eq!(additional, expected);
}

#[test]
fn spec_37_ptr_of_an_ipv4_endpoint() {
    assert_eq!(Cluster::new(PLAIN).answers("1.0.2.10.in-addr.arpa. PTR"), ["PTR db-0.head.a.svc.cluster.local."]);
}

#[test]
fn spec_38_ptr_of_an_ipv6_endpoint() {
    let query = "1.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. PTR";
    assert_eq!(Cluster::new(PLAIN).answers(query), ["PTR db-0.head.a.svc.cluster.local."]);
}

#[test]
fn spec_39_ptr_for_each_service_of_an_endpoint() {
    let cluster = Cluster::new(&format!("{PLAIN}\nslice a/six-1 of six http:1/TCP | 10.2.0.2=h"));
    let expected = ["PTR 10-2-0-2.head.a.svc.cluster.local.", "PTR h.six.a.svc.cluster.local."];
    assert_eq!(cluster.answers("2.0.2.10.in-addr.arpa. PTR"), expected);
    assert_eq!(cluster.answers("1.0.1.10.in-addr.arpa. PTR"), ["PTR 10-1-0-1.web.a.svc.cluster.local."]);
}

#[test]
fn spec_40_an_endpoint_vanishes_in_one_step() {
    let mut cluster = Cluster::new(PLAIN);
    cluster.apply("slice a/head-1 of head http:8080/TCP | 10.2.0.1=db-0! 10.2.0.2 fd00::21=db-0");
    assert_eq!(cluster.answers("head.a.svc.cluster.local. A"), ["A 10.2.0.2"]);
    cluster.is_nodata(&["db-0.head.a.svc.cluster.local. A"]);
    cluster.is_nxdomain(&["1.0.2.10.in-addr.arpa. PTR"]);
    assert_eq!(cluster.answers("_http._tcp.head.a.svc.cluster.local. SRV").len(), 2);
    cluster.delete("slice a/head-1 of head | ");
    cluster.is_nxdomain(&["head.a.svc.cluster.local. A", "2.0.2.10.in-addr.arpa. PTR"]);
}

/// External names, inside and outside the cluster.
const EXTERNAL: &str = "
    namespace a
    service a/web 10.0.0.1 http:80/TCP
    external a/out www.example.org
    external a/in web.a.svc.cluster.local
    external a/nothing nope.a.svc.cluster.local
    external a/missing missing.example.org.
    external a/broken broken.example.org
    external a/lost lost.example.org
    external a/ping pong.a.svc.cluster.local
    external a/pong ping.a.svc.cluster.local
    external a/below x.below.a.svc.cluster.local
    external a/address 192.0.2.9";

/// The answers to a query in order, as `OWNER TYPE RDATA`.
fn chain(cluster: &Cluster, query: &str) -> Vec<String> {
    let reply = cluster.ask(query);
    let answer = reply.split("answer: ").nth(1).unwrap_or_default().split("; ").next().unwrap_or_default();
    let plain = |record: &str| {
        let words: Vec<_> = record.split(' ').collect();
        format!("{} {} {}", words[0], words[3], words[4])
    };
    answer.split(", ").filter(|record| !record.is_empty()).map(plain).collect()
}

#[test]
fn spec_41_external_name_a() {
    let expected = ["out.a.svc.cluster.local. CNAME www.example.org.", "www.example.org. A 192.0.2.1"];
    assert_eq!(chain(&Cluster::new(EXTERNAL), "out.a.svc.cluster.local. A"), expected);
}

#[test]
fn spec_42_external_name_aaaa() {
    let expected = ["out.a.svc.cluster.local. CNAME www.example.org.", "www.example.org. AAAA 2001:db8::1"];
    assert_eq!(chain(&Cluster::new(EXTERNAL), "out.a.svc.cluster.local. AAAA"), expected);
}

#[test]
fn spec_43_external_name_cname() {
    let expected = ["out.a.svc.cluster.local. CNAME www.example.org."];
    assert_eq!(chain(&Cluster::new(EXTERNAL), "out.a.svc.cluster.local. CNAME"), expected);
}

#[test]
fn spec_44_external_name_inside_the_cluster() {
    let cluster = Cluster::new(EXTERNAL);
    let expected = ["in.a.svc.cluster.local. CNAME web.a.svc.cluster.local.", "web.a.svc.cluster.local. A 10.0.0.1"];
    assert_eq!(chain(&cluster, "in.a.svc.cluster.local. A"), expected);
    cluster.is_nodata(&["in.a.svc.cluster.local. AAAA", "nothing.a.svc.cluster.local. A"]);
}

#[test]
fn spec_45_external_name_that_fails() {
    let cluster = Cluster::new(EXTERNAL);
    for name in ["missing", "broken"] {
        let reply = cluster.ask(&format!("{name}.a.svc.cluster.local. A"));
        let alias = format!("NOERROR qr aa rd; answer: {name}.a.svc.cluster.local. 5 IN CNAME {name}.example.org.");
        assert_eq!(reply, alias);
    }
    cluster.is_nodata(&["lost.a.svc.cluster.local. A"]);
}

#[test]
fn spec_46_external_names_end() {
    let mut cluster = Cluster::new(EXTERNAL);
    cluster.is_nodata(&["ping.a.svc.cluster.local. A", "below.a.svc.cluster.local. A"]);
    for link in 0..15 {
        cluster.apply(&format!("external a/l{link} l{}.a.svc.cluster.local", link + 1));
    }
    cluster.apply("service a/l15 10.0.0.15 http:80/TCP");
    assert_eq!(chain(&cluster, "l4.a.svc.cluster.local. A").len(), 12);
    cluster.is_nodata(&["l3.a.svc.cluster.local. A"]);
}

#[test]
fn spec_47_external_name_that_is_an_address() {
    Cluster::new(EXTERNAL).is_nxdomain(&["address.a.svc.cluster.local. A", "address.a.svc.cluster.local. CNAME"]);
}

#[test]
fn spec_48_other_names_of_an_external_name() {
    let cluster = Cluster::new(EXTERNAL);
    cluster.is_nodata(&["out.a.svc.cluster.local. SRV"]);
    cluster.is_nxdomain(&["x.out.a.svc.cluster.local. A", "_http._tcp.out.a.svc.cluster.local. SRV"]);
}

#[test]
fn spec_49_a_service_changes_its_type() {
    let mut cluster = Cluster::new("namespace a\nexternal a/s www.example.org");
    assert_eq!(chain(&cluster, "s.a.svc.cluster.local. CNAME").len(), 1);
    cluster.apply("service a/s 10.0.0.1 p:1/TCP");
    cluster.is_nodata(&["s.a.svc.cluster.local. CNAME"]);
    assert_eq!(cluster.answers("s.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
    assert_eq!(cluster.answers("1.0.0.10.in-addr.arpa. PTR"), ["PTR s.a.svc.cluster.local."]);
    cluster.apply("service a/s None p:1/TCP\nslice a/s-1 of s p:1/TCP | 10.0.0.7");
    assert_eq!(cluster.answers("s.a.svc.cluster.local. A"), ["A 10.0.0.7"]);
    cluster.is_nxdomain(&["1.0.0.10.in-addr.arpa. PTR"]);
    cluster.apply("external a/s www.example.org");
    assert_eq!(chain(&cluster, "s.a.svc.cluster.local. A").len(), 2);
    cluster.is_nxdomain(&["10-0-0-7.s.a.svc.cluster.local. A"]);
}

#[test]
fn spec_50_pods_by_address() {
    let lines = "namespace a\nnamespace b\npod a/p 10.4.0.1\npod a/q fd00::4";
    let (known, six) = ("10-4-0-1.a.pod.cluster.local. A", "fd00--4.a.pod.cluster.local. AAAA");
    Cluster::new(lines).is_nxdomain(&[known, "a.pod.cluster.local. A"]);
    let insecure = Cluster::with("cluster.local: pods insecure", lines);
    assert_eq!(insecure.answers("10-9-9-9.b.pod.cluster.local. A"), ["A 10.9.9.9"]);
    assert_eq!(insecure.answers("--1.b.pod.cluster.local. AAAA"), ["AAAA ::1"]);
    insecure.is_nxdomain(&["10-4-0-1.none.pod.cluster.local. A", "x.a.pod.cluster.local. A"]);
    insecure.is_nodata(&["10-4-0-1.a.pod.cluster.local. AAAA"]);
    let verified = Cluster::with("cluster.local: pods verified", lines);
    assert_eq!(verified.answers(known), ["A 10.4.0.1"]);
    assert_eq!(verified.answers(six), ["AAAA fd00::4"]);
    verified.is_nxdomain(&["10-4-0-1.b.pod.cluster.local. A", "10-4-0-2.a.pod.cluster.local. A"]);
}

#[test]
fn spec_51_hostname_and_subdomain_of_a_pod() {
    let lines = "namespace a\nservice a/sub None\nslice a/sub-1 of sub | 10.0.0.1=web-0 10.0.0.2=web-1";
    let cluster = Cluster::new(lines);
    assert_eq!(cluster.answers("web-0.sub.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
    assert_eq!(cluster.answers("web-1.sub.a.svc.cluster.local. A"), ["A 10.0.0.2"]);
}

#[test]
fn spec_52_unready_addresses_that_are_published() {
    // With publishNotReadyAddresses the slice controller says "ready"; nothing else tells them apart.
    let lines = "namespace a\nservice a/s None p:1/TCP\nslice a/s-1 of s p:1/TCP | 10.0.0.1=h";
    let cluster = Cluster::new(lines);
    assert_eq!(cluster.answers("s.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
    assert_eq!(cluster.answers("s.a.svc.cluster.local. SRV").len(), 1);
    assert_eq!(cluster.answers("1.0.0.10.in-addr.arpa. PTR"), ["PTR h.s.a.svc.cluster.local."]);
}

#[test]
fn spec_53_apex() {
    let mut cluster = Cluster::new(PLAIN);
    assert_eq!(cluster.answers("cluster.local. NS"), ["NS ns.dns.cluster.local."]);
    assert_eq!(cluster.additional("cluster.local. NS"), ["ns.dns.cluster.local. A 10.9.9.9"]);
    assert_eq!(cluster.answers("ns.dns.cluster.local. A"), ["A 10.9.9.9"]);
    let soa = cluster.answers("cluster.local. SOA");
    assert_eq!(soa, ["SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"]);
    cluster.is_nodata(&["cluster.local. A", "cluster.local. AAAA"]);
    cluster.apply(
        "namespace kube-system
        service kube-system/kube-dns 10.0.0.10 dns:53/UDP
        slice kube-system/kube-dns-1 of kube-dns dns:53/UDP | 10.9.9.9 10.9.9.8",
    );
    assert_eq!(cluster.answers("cluster.local. NS"), ["NS kube-dns.kube-system.svc.cluster.local."]);
    let address = "kube-dns.kube-system.svc.cluster.local. A 10.0.0.10";
    assert_eq!(cluster.additional("cluster.local. NS"), [address]);
}

#[test]
fn spec_54_names_between() {
    let cluster = Cluster::with("cluster.local: pods insecure", PLAIN);
    cluster.is_nodata(&[
        "svc.cluster.local. A",
        "pod.cluster.local. A",
        "a.svc.cluster.local. A",
        "empty.svc.cluster.local. A",
        "a.pod.cluster.local. A",
    ]);
    // The last one has names below it, yet CoreDNS takes its first label for an endpoint.
    cluster.is_nxdomain(&["none.svc.cluster.local. A", "none.pod.cluster.local. A", "_tcp.web.a.svc.cluster.local. A"]);
    Cluster::new(PLAIN).is_nxdomain(&["a.pod.cluster.local. A"]);
}

#[test]
fn spec_55_too_many_labels() {
    let lines = "namespace a
        service a/s None p:1/TCP
        slice a/s-1 of s p:1/TCP | 10.0.0.1@eu.1 10.0.0.2@eu.2";
    let (pin, prefer) = ("eu.1.pin._zone.s.a.svc.cluster.local. A", "us.prefer._zone.s.a.svc.cluster.local. A");
    Cluster::new(lines).is_nxdomain(&["x._p._tcp.s.a.svc.cluster.local. SRV", pin, prefer]);
    let zonal = Cluster::with("cluster.local: zonal", lines);
    assert_eq!(zonal.answers(pin), ["A 10.0.0.1"]);
    assert_eq!(zonal.answers(prefer), ["A 10.0.0.1", "A 10.0.0.2"]);
    zonal.is_nodata(&["us.pin._zone.s.a.svc.cluster.local. A"]);
}

#[test]
fn spec_56_ttl() {
    for (property, ttl, of_soa) in [("", 5, 5), (": ttl 0", 0, 0), (": ttl 30", 30, 30), (": ttl 3600", 3600, 300)] {
        let cluster = Cluster::with(&format!("cluster.local{property}"), PLAIN);
        assert!(cluster.ask("web.a.svc.cluster.local. A").contains(&format!(". {ttl} IN A ")));
        let reply = cluster.ask("no.a.svc.cluster.local. A");
        assert!(reply.contains(&format!("cluster.local. {of_soa} IN SOA ")) && reply.ends_with(&format!(" {ttl}")));
    }
}

#[test]
fn spec_57_serial() {
    let mut cluster = Cluster::with("cluster.local: pods verified", PLAIN);
    let serial = |cluster: &Cluster| cluster.answers("cluster.local. SOA")[0].split(' ').nth(3).unwrap().to_owned();
    assert_eq!(serial(&cluster), "1");
    let visible = [
        "service a/web 10.0.0.77 http:80/TCP dns:53/UDP sctp:7/SCTP",
        "slice a/web-1 of web http:8080/TCP | 10.1.0.1",
        "namespace new",
        "external a/new www.example.org",
        "pod a/p 10.4.0.1",
    ];
    for (now, line) in (10..).zip(visible) {
        cluster.apply_at(now, line);
        assert_eq!(serial(&cluster), now.to_string(), "{line}");
        cluster.apply_at(now + 100, line);
        assert_eq!(serial(&cluster), now.to_string(), "{line} again");
    }
}

#[test]
fn spec_58_namespaces() {
    let mut cluster = Cluster::with("cluster.local in-addr.arpa: namespaces b", PLAIN);
    cluster.is_nxdomain(&["web.a.svc.cluster.local. A", "a.svc.cluster.local. A", "1.0.0.10.in-addr.arpa. PTR"]);
    cluster.apply("namespace b\nservice b/web 10.0.0.8 p:1/TCP");
    assert_eq!(cluster.answers("web.b.svc.cluster.local. A"), ["A 10.0.0.8"]);
    // An object that no longer has the labels asked for leaves the watch as if it were deleted.
    cluster.delete("namespace b");
    cluster.is_nxdomain(&["web.b.svc.cluster.local. A"]);
}

#[test]
fn spec_59_before_the_first_sync() {
    let cluster = Cluster::unsynced("cluster.local", PLAIN);
    assert_eq!(cluster.answers("web.a.svc.cluster.local. A"), ["A 10.0.0.1"]);
    cluster.is_nodata(&["web.a.svc.cluster.local. AAAA"]);
    cluster.is_negative("SERVFAIL", &["nope.a.svc.cluster.local. A"]);
    let falling = Cluster::unsynced("cluster.local: fallthrough", PLAIN);
    assert!(falling.ask("nope.a.svc.cluster.local. A").contains("no next plugin found"));
}

#[test]
fn spec_60_transfers_are_refused() {
    // Other classes than IN are refused by the server, before any plugin.
    let cluster = Cluster::new(PLAIN);
    assert_eq!(cluster.ask("cluster.local. AXFR tcp"), "unwritten REFUSED");
    assert_eq!(cluster.ask("cluster.local. IXFR tcp"), "unwritten REFUSED");
}

#[test]
fn spec_61_many_endpoints() {
    // The server cuts what does not fit; the plugin gives all of them, each once.
    for count in [250, 5000_u32] {
        let mut lines = "namespace a\nservice a/s None p:1/TCP\n".to_owned();
        for (number, first) in (0..count).step_by(100).enumerate() {
            let address = |host: u32| format!(" 10.{}.{}.{}", host >> 16, host >> 8 & 255, host & 255);
            let endpoints: String = (first..(first + 100).min(count)).map(address).collect();
            lines += &format!("slice a/s-{number} of s p:1/TCP |{endpoints}\n");
        }
        let answers = Cluster::new(&lines).answers("s.a.svc.cluster.local. A tcp");
        assert_eq!(answers.len(), usize::try_from(count).unwrap());
    }
}
