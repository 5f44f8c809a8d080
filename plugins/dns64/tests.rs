//! Addresses that are made, and the errors of the directive.

use super::prefix::Prefix;
use crate::trial::{Trial, setup_error};
use plugin_api::{
    BoxFuture, Message, Name, Outcome, Rcode, ReplyBuilder, Request, Response, Section, Site, Soa, Type, Upstream,
};
use std::net::Ipv6Addr;
use std::sync::Arc;

/// A server that has A records: of `a...`, behind a CNAME of `c...`; SERVFAIL for others.
struct Inner;

impl Upstream for Inner {
    fn lookup(&self, request: Box<Request>) -> BoxFuture<'_, Option<Message>> {
        Box::pin(async move {
            let qname = request.qname().clone();
            let (text, owner) = (qname.to_string(), [qname.as_wire()]);
            let mut reply = ReplyBuilder::new(&request).authoritative();
            match text.chars().next() {
                Some('a') => reply.push_a(Section::Answer, &owner, 900, [192, 0, 2, 1].into()),
                Some('c') => {
                    let target = Name::from_text("a.test").unwrap();
                    reply.push_name(Section::Answer, &owner, (Type::CNAME, 50), &[target.as_wire()]);
                    reply.push_a(Section::Answer, &[target.as_wire()], 20, [192, 0, 2, 1].into());
                }
                _ => reply.set_rcode(Rcode::SERVFAIL),
            }
            reply.push_a(Section::Additional, &owner, 7, [192, 0, 2, 9].into());
            Some(reply.finish())
        })
    }
}

/// A last handler: no AAAA but for `six...`, NXDOMAIN for `no...`, with a SOA of TTL 300 for `...soa...`.
fn end(request: &Request) -> Outcome {
    let text = request.qname().to_string();
    let mut reply = ReplyBuilder::new(request).authoritative();
    if text.starts_with("six") {
        reply.push_aaaa(Section::Answer, &[request.qname().as_wire()], 60, Ipv6Addr::LOCALHOST);
    }
    if text.starts_with("no") {
        reply.set_rcode(Rcode::NXDOMAIN);
    }
    if text.contains("soa") {
        let soa = Soa { primary: &[b"\0"], mailbox: &[b"\0"], serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 };
        reply.push_soa(Section::Authority, &[b"\0"], 300, &soa);
    }
    Ok(Response::Message(reply.finish()))
}

/// Checks the reply to a query.
fn check(directive: &str, query: &str, expected: &str) {
    let trial = Trial::ending_in(directive, end);
    let mut request = crate::trial::request(query, &trial.process.clock);
    let mut origin = request.origin().clone();
    origin.site = Arc::new(Site { server: "dns://:53".into(), upstream: Some(Arc::new(Inner)) });
    request.set_origin(origin);
    let reply = plugin_api::Next::start(&trial.chain).run(&request);
    assert_eq!(crate::trial::text(crate::trial::now(reply)), expected, "{directive}: {query}");
}

#[test]
fn addresses_are_made_where_there_are_none() {
    let made = "answer: a.test. 600 IN AAAA 64:ff9b::c000:201; additional: a.test. 7 IN A 192.0.2.9";
    check("dns64", "A.test AAAA from=2001:db8::1", &format!("NOERROR qr rd; {made}"));
    check("dns64", "a.test AAAA", "NOERROR qr aa rd");
    check("dns64 {\n allow_ipv4\n}", "a.test AAAA", &format!("NOERROR qr rd; {made}"));
    check("dns64", "a.test A from=2001:db8::1", "NOERROR qr aa rd");
    check("dns64", "six.test AAAA from=2001:db8::1", "NOERROR qr aa rd; answer: six.test. 60 IN AAAA ::1");
    check("dns64", "no.test AAAA from=2001:db8::1", "NXDOMAIN qr aa rd");
    let soa = "a.soa. 300 IN AAAA 64:ff9b::c000:201; additional: a.soa. 7 IN A 192.0.2.9";
    check("dns64", "a.soa AAAA from=2001:db8::1", &format!("NOERROR qr rd; answer: {soa}"));
    let alias = "answer: c.test. 50 IN CNAME a.test., a.test. 20 IN AAAA 2001:db8::c000:201; additional: c.test. 7 IN A 192.0.2.9";
    check("dns64 2001:db8::/96", "c.test AAAA from=::2", &format!("NOERROR qr rd; {alias}"));
    check("dns64", "x.test AAAA from=::2", "SERVFAIL qr rd; additional: x.test. 7 IN A 192.0.2.9");
    let all = "SERVFAIL qr rd; additional: six.test. 7 IN A 192.0.2.9";
    check("dns64 {\n translate_all\n}", "six.test AAAA from=::2", all);
}

#[test]
fn addresses_have_the_layout_of_rfc_6052() {
    for (prefix, expected) in [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b::ffff/96", "64:ff9b::192.0.2.33"),
    ] {
        let made = Ipv6Addr::from(Prefix::read(prefix).unwrap().embed([192, 0, 2, 33]));
        assert_eq!(made, expected.parse::<Ipv6Addr>().unwrap(), "{prefix}");
    }
    assert_eq!(Prefix::read("64:ff9b::/96").unwrap(), Prefix::well_known());
}

#[test]
fn errors_are_coredns_words() {
    let place = "plugin/dns64: Corefile:2 - Error during parsing: ";
    for (directive, expected) in [
        ("dns64 64:ff9b::/95", format!("{place}invalid prefix length \"64:ff9b::/95\"")),
        ("dns64 10.0.0.0/8", format!("{place}invalid netmask 32 IPv6 address: \"10.0.0.0/8\"")),
        ("dns64 64:ff9b::", "plugin/dns64: invalid CIDR address: 64:ff9b::".into()),
        ("dns64 a b", format!("{place}Wrong argument count or unexpected line ending after 'b'")),
        (
            "dns64 {\n prefix\n}",
            "plugin/dns64: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'prefix'"
                .into(),
        ),
        ("dns64 {\n bogus\n}", "plugin/dns64: Corefile:3 - Error during parsing: unknown property 'bogus'".into()),
    ] {
        assert_eq!(setup_error(directive), Some(expected), "{directive}");
    }
}
