//! Tests of the directive, the counting and the text.

use super::{takes_gzip, text::convert, wanted};
use crate::trial::{Trial, now, request, setup_error};
use plugin_api::Next;

#[test]
fn errors_are_coredns_words() {
    for (text, expected) in [
        ("prometheus abc", "plugin/prometheus: address abc: missing port in address"),
        ("prometheus\nprometheus", "plugin/prometheus: this plugin can only be used once per Server Block"),
        ("prometheus {\n bogus\n}", "plugin/prometheus: Corefile:3 - Error during parsing: unknown option: bogus"),
        (
            "prometheus {\n runtime_metrics yes\n}",
            "plugin/prometheus: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'yes'",
        ),
    ] {
        assert_eq!(setup_error(text).as_deref(), Some(expected));
    }
    assert_eq!(setup_error("prometheus :9153"), None);
}

#[test]
fn a_query_is_counted_with_coredns_names() {
    let trial = Trial::new("prometheus");
    let request = request("a.b TYPE65400", &trial.process.clock);
    assert!(now(Next::start(&trial.chain).run(&request)).is_err());
    let mut encoded = String::new();
    trial.process.metrics.with(|registry| prometheus_client::encoding::text::encode(&mut encoded, registry)).unwrap();
    let text = convert(&encoded, &[]);
    for line in [
        "# TYPE coredns_dns_requests_total counter",
        "coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:53\",type=\"other\",view=\"\",zone=\".\"} 1",
        "coredns_dns_responses_total{plugin=\"\",rcode=\"SERVFAIL\",server=\"dns://:53\",view=\"\",zone=\".\"} 1",
        "coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",view=\"\",zone=\".\",le=\"0.00025\"} 1",
        "coredns_dns_response_size_bytes_bucket{proto=\"udp\",server=\"dns://:53\",view=\"\",zone=\".\",le=\"100\"} 1",
        "coredns_dns_response_size_bytes_bucket{proto=\"udp\",server=\"dns://:53\",view=\"\",zone=\".\",le=\"+Inf\"} 1",
        "coredns_panics_total 0",
        "# HELP coredns_panics_total A metrics that counts the number of panics.",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(convert(&encoded, &["coredns_panics_total".to_owned()]).lines().count() == 3);
    assert_eq!(wanted("name[]=a&b=c&name%5B%5D=d&name%5b]=e%5Ff&name[]"), ["a", "d", "e_f"]);
}

#[test]
fn a_page_is_compressed_for_those_who_take_it() {
    for (codings, is_taken) in
        [("gzip", true), ("br, gzip;q=0.5", true), ("gzip;q=0", false), ("gzip; q=0.0, br", false), ("br", false)]
    {
        assert_eq!(takes_gzip(codings), is_taken, "{codings}");
    }
}

#[test]
fn labels_come_sorted_with_the_bound_of_a_bucket_last() {
    let encoded = "# HELP x Some.\n# TYPE x histogram\nx_bucket{le=\"1.0\",b=\"{,\\\"}\",a=\"2\"} 3\n# EOF\n";
    let expected = "# HELP x Some\n# TYPE x histogram\nx_bucket{a=\"2\",b=\"{,\\\"}\",le=\"1\"} 3\n";
    assert_eq!(convert(encoded, &[]), expected);
}
