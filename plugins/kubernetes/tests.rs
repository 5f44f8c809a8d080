//! The directive in CoreDNS's words, and answers that the recorded suites do not have.

use crate::trial::{Logged, setup_error};

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
