//! Keys of server blocks: what they become, and the words in which they are refused.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::keys::{Scheme, inspect, is_absolute, is_domain_name, normalize, zones};
use super::*;

/// What a key stands for, in CoreDNS's form.
fn normal(key: &str) -> Vec<String> {
    let keys = normalize(key, "1053").unwrap_or_else(|message| panic!("{key}: {message}"));
    keys.iter().map(ToString::to_string).collect()
}

#[test]
fn schemes_ports_and_case() {
    assert_eq!(normal("Example.ORG"), ["dns://example.org.:1053"]);
    assert_eq!(normal(".:53"), ["dns://.:53"]);
    assert_eq!(normal("dns://.:+0053"), ["dns://.:53"]);
    assert_eq!(normal("tls://a.org"), ["tls://a.org.:853"]);
    assert_eq!(normal("quic://."), ["quic://.:853"]);
    assert_eq!(normal("grpc://.:8443"), ["grpc://.:8443"]);
    assert_eq!(normal("https://."), ["https://.:443"]);
    assert_eq!(normal("https3://."), ["https3://.:443"]);
    assert_eq!(normal("TLS://x"), ["dns://tls://x.:1053"]);
    assert_eq!(normal("2001:db8::1"), ["dns://2001:db8:.:1"]);
    assert_eq!(normal("a:65536"), ["dns://a.:65536"]);
    assert_eq!(normal("unix://x")[0], "unix://x.:");
    assert_eq!(Scheme::split("https3://a"), (Scheme::Https3, "a"));
}

#[test]
fn networks_become_reverse_zones() {
    assert_eq!(normal("10.0.0.0/8"), ["dns://10.in-addr.arpa.:1053"]);
    assert_eq!(normal("10.1.2.3/24:5300"), ["dns://2.1.10.in-addr.arpa.:5300"]);
    assert_eq!(normal("10.0.0.0/15"), ["dns://0.10.in-addr.arpa.:1053", "dns://1.10.in-addr.arpa.:1053"]);
    assert_eq!(normal("1.2.3.4/0"), ["dns://in-addr.arpa.:1053"]);
    assert_eq!(zones("10.9.3.0/18").len(), 64);
    assert_eq!(zones("10.9.3.0/18")[63], "63.9.10.in-addr.arpa.");
    assert_eq!(zones("192.168.0.32/27")[31], "63.0.168.192.in-addr.arpa.");
    assert_eq!(zones("2001:db8::/32"), ["8.b.d.0.1.0.0.2.ip6.arpa."]);
    assert_eq!(zones("2001:db8::/31"), ["8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."]);
    assert_eq!(zones("ff00::1/128")[0].len(), 73);
    assert_eq!(zones("1.0.0.0/1").len(), 128);
    assert_eq!(zones("10.0.0.0/33"), ["10.0.0.0/33."]);
    assert_eq!(zones("2001:db8::/129"), ["2001:db8::/129."]);
    assert_eq!(zones(":"), Vec::<String>::new());
}

#[test]
fn refusals_in_the_words_of_coredns() {
    let refusal = |key: &str| normalize(key, "53").expect_err(key);
    assert_eq!(refusal(".:"), "expecting data after last colon: \".:\"");
    assert_eq!(refusal(""), "expecting data after last colon: \"\"");
    assert_eq!(refusal(":53"), "zone is not a valid domain name: ");
    assert_eq!(refusal("a..b"), "zone is not a valid domain name: a..b");
    assert_eq!(refusal("::/0"), "invalid CIDR ::/0");
    assert_eq!(refusal(&"a.".repeat(128)), "specified zone is too long: 256 > 255");
}

#[test]
fn domain_names_as_the_wire_library_sees_them() {
    let label = |length: usize| "a".repeat(length);
    for good in [".", "a", "a.", "a b", "é", "a\\.b", "\\046.", &label(63), "_x.y"] {
        assert!(is_domain_name(good), "{good}");
    }
    for bad in ["", "..", ".a", "a..b", "a\\", &label(64), &format!("{}.", label(64))] {
        assert!(!is_domain_name(bad), "{bad}");
    }
    assert!(is_absolute("a.") && !is_absolute("a\\.") && is_absolute("a\\\\."));
}

#[test]
fn all_bad_keys_are_shown_with_their_place() {
    let text = "a..b .:53{ {\n}\n:53 {\n}\n";
    let (env, files) = (HashMap::new(), BTreeMap::<PathBuf, Vec<u8>>::new());
    let options = Options { directives: None, hints: &[], env: &env, files: &files };
    let corefile = parse(Input { name: "Corefile", text: text.as_bytes() }, options).expect("accepted");
    let diagnostics = inspect(&corefile.blocks, "53", &corefile.sources).expect_err("refused");
    let shown: Vec<String> = diagnostics.iter().map(|one| render(one, &corefile.sources)).collect();
    assert_eq!(
        shown.join("\n"),
        "error inspecting server blocks: zone is not a valid domain name: a..b\n  --> Corefile:1:1\n 1 | a..b .:53{ {\n   | ^^^^\n\
         error inspecting server blocks: zone is not a valid domain name: .:53{\n  --> Corefile:1:6\n 1 | a..b .:53{ {\n   |      ^^^^^ put a blank before '{'\n\
         error inspecting server blocks: zone is not a valid domain name: \n  --> Corefile:3:1\n 3 | :53 {\n   | ^^^ a key begins with a zone; did you mean '.:53'?"
    );
}
