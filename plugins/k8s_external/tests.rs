//! Names from outside, for a source that a test makes, and the directive in CoreDNS's words. Recorded suites: golden
//! kubernetes/k8s-external*, kubernetes/transfer-external*.

use super::handler::{Config, K8sExternal, Served};
use crate::trial::{now, request, setup_error, text};
use plugin_api::link::{ExternalEntry, ExternalHost, ExternalNames, ExternalPort, ExternalService, Transfer};
use plugin_api::{Chain, Clock, Fallthrough, Handler, Name, Next, Type, Zone};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// Knows `web.ns` with two addresses and two ports, and `alias.ns` with a name.
struct Source;

/// Labels in wire form, without the closing zero.
fn labels(text: &str) -> Box<[u8]> {
    let name = Name::from_text(text).unwrap();
    name.as_wire()[..name.as_wire().len() - 1].into()
}

/// An entry.
fn entry(name: &str, host: &str, port: u16) -> ExternalEntry {
    let host = match host.parse() {
        Ok(address) => ExternalHost::Address(address),
        Err(_) => ExternalHost::Name(Box::new(Name::from_text(host).unwrap())),
    };
    ExternalEntry { labels: labels(name), host, port: Some(port) }
}

impl ExternalNames for Source {
    fn keep(&self) {}

    fn find(&self, asked: &[u8], _headless: bool) -> Option<Vec<ExternalEntry>> {
        let found = |name: &str| *asked == *labels(name);
        match () {
            () if found("web.ns") => {
                let hosts = [("192.0.2.1", 80), ("192.0.2.1", 443), ("2001:db8::1", 80), ("2001:db8::1", 443)];
                Some(hosts.map(|(host, port)| entry("web.ns", host, port)).to_vec())
            }
            () if found("alias.ns") => Some(vec![entry("alias.ns", "lb.example.com", 80)]),
            () if found("ns") => Some(vec![]),
            () => None,
        }
    }

    fn services_at(&self, lower: &Name) -> Option<Vec<Box<[u8]>>> {
        match lower.to_string().as_str() {
            "1.2.0.192.in-addr.arpa." => Some(vec![labels("web.ns"), labels("web.ns")]),
            "9.2.0.192.in-addr.arpa." => Some(vec![]),
            _ => None,
        }
    }

    fn name_servers(&self, _headless: bool) -> Vec<IpAddr> {
        vec!["192.0.2.53".parse().unwrap()]
    }

    fn serial(&self) -> u32 {
        7
    }

    fn ttl(&self) -> u32 {
        30
    }

    fn services(&self, _headless: bool) -> Box<dyn Iterator<Item = ExternalService> + Send> {
        let port = ExternalPort { name: "HTTP".into(), protocol: "TCP".into() };
        let entries = vec![(entry("alias.ns", "lb.example.com", 80), port)];
        Box::new(std::iter::once(ExternalService { labels: labels("alias.ns"), is_headless: false, entries }))
    }
}

/// The plugin for two zones.
fn plugin() -> Arc<K8sExternal> {
    let apex = Name::from_text("dns").unwrap();
    let zones = ["apps.test", "in-addr.arpa"];
    let zones = zones.map(|zone| Served::new(&Zone::from_text(zone).unwrap(), &apex).unwrap()).into_iter().collect();
    let config = Config { zones, ttl: 5, headless: false, fall: Fallthrough::never() };
    let source: Arc<dyn ExternalNames> = Arc::new(Source);
    Arc::new(K8sExternal { config, source: Arc::new(OnceLock::from(source)) })
}

/// The reply to a query.
fn ask(query: &str) -> String {
    let chain: Chain = [plugin() as Arc<dyn Handler>].into();
    let request = request(query, &Clock::manual());
    text(now(Next::start(&chain).run(&request)))
}

/// The zone's SOA.
const SOA: &str = "apps.test. 5 IN SOA ns1.dns.apps.test. hostmaster.dns.apps.test. 7 7200 1800 86400 5";

#[test]
fn services_have_addresses_and_ports() {
    assert_eq!(ask("Web.ns.apps.test A"), "NOERROR qr aa rd; answer: Web.ns.apps.test. 5 IN A 192.0.2.1");
    let ports = [80, 443].map(|port| format!("web.ns.apps.test. 30 IN SRV 0 25 {port} web.ns.apps.test."));
    let addresses = "web.ns.apps.test. 5 IN A 192.0.2.1, web.ns.apps.test. 5 IN AAAA 2001:db8::1";
    let expected = format!("NOERROR qr aa rd; answer: {}; additional: {addresses}", ports.join(", "));
    assert_eq!(ask("web.ns.apps.test SRV"), expected);
    assert_eq!(ask("web.ns.apps.test TXT"), format!("NOERROR qr aa rd; authority: {SOA}"));
    assert_eq!(ask("ns.apps.test A"), format!("NOERROR qr aa rd; authority: {SOA}"));
    assert_eq!(ask("none.ns.apps.test A"), format!("NXDOMAIN qr aa rd; authority: {SOA}"));
}

#[test]
fn a_name_of_a_load_balancer_is_an_alias() {
    assert_eq!(
        ask("alias.ns.apps.test A"),
        "NOERROR qr aa rd; answer: alias.ns.apps.test. 30 IN CNAME lb.example.com."
    );
}

#[test]
fn the_zone_has_a_name_server() {
    let glue = "ns1.dns.APPS.test. 5 IN A 192.0.2.53";
    let expected = format!("NOERROR qr aa rd; answer: apps.test. 5 IN NS ns1.dns.apps.test.; additional: {glue}");
    assert_eq!(ask("APPS.test NS"), expected);
    assert_eq!(ask("apps.test SOA"), format!("NOERROR qr aa rd; answer: {SOA}"));
    assert_eq!(ask("NS1.dns.apps.test A"), "NOERROR qr aa rd; answer: NS1.dns.apps.test. 5 IN A 192.0.2.53");
    assert_eq!(ask("dns.apps.test A"), format!("NOERROR qr aa rd; authority: {SOA}"));
    for name in ["ns2.dns.apps.test", "a.ns1.dns.apps.test"] {
        assert_eq!(ask(&format!("{name} A")), format!("NXDOMAIN qr aa rd; authority: {SOA}"));
    }
}

#[test]
fn addresses_lead_to_services_in_the_first_zone() {
    let owner = "1.2.0.192.in-addr.arpa.";
    assert_eq!(ask(&format!("{owner} PTR")), format!("NOERROR qr aa rd; answer: {owner} 5 IN PTR web.ns.apps.test."));
    assert!(ask("9.2.0.192.in-addr.arpa PTR").starts_with("NXDOMAIN qr aa rd; authority: in-addr.arpa. 5 IN SOA"));
}

#[test]
fn other_zones_pass() {
    assert_eq!(ask("web.ns.other.test A"), "error SERVFAIL: plugin/k8s_external: no next plugin found");
}

#[test]
fn a_zone_is_transferred_whole_or_not_at_all() {
    let zone = Name::from_text("apps.test").unwrap();
    let types = |serial| -> Vec<Type> {
        let records = plugin().transfer(&zone, serial).unwrap().flatten();
        records.map(|record| record.rtype).collect()
    };
    let whole = [Type::SOA, Type::NS, Type::A, Type::CNAME, Type::CNAME, Type::SRV, Type::SRV, Type::SOA];
    assert_eq!(types(None), whole);
    assert_eq!(types(Some(6)), whole);
    assert_eq!(types(Some(7)), [Type::SOA]);
    assert!(plugin().transfer(&Name::from_text("ns.apps.test").unwrap(), None).is_none());
}

#[test]
fn refusals_have_the_words_of_coredns() {
    let refused = |properties: &str| setup_error(&format!("k8s_external example.org {{\n{properties}\n}}"));
    let parsing = |text: &str| Some(format!("plugin/k8s_external: Corefile:3 - Error during parsing: {text}"));
    let count = |word: &str| parsing(&format!("Wrong argument count or unexpected line ending after '{word}'"));
    assert_eq!(refused("bogus"), parsing("unknown property 'bogus'"));
    assert_eq!(refused("ttl"), count("ttl"));
    assert_eq!(refused("ttl 3601"), parsing("ttl must be in range [0, 3600]: 3601"));
    assert_eq!(refused("apex"), count("apex"));
    let alone = Some("plugin/k8s_external: kubernetes plugin not loaded".to_owned());
    assert_eq!(refused("headless\nfallthrough\nttl 5\napex dns extra"), alone);
}

#[cfg(feature = "kubernetes")]
#[test]
fn kubernetes_of_the_same_block_is_found() {
    let block = "k8s_external example.org {\nheadless\n}\nkubernetes cluster.local {\nmanifests .\n}";
    assert_eq!(setup_error(block), None);
}
