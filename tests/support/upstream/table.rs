//! What the fixed upstream knows: a small table of records, and how a name is looked up in it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::compose::{Draft, Rdata, Rr};
use crate::mnemonic::type_number;
use crate::name::Name;

/// The zones that names are looked up in; everything else is refused.
const ZONES: &[&str] = &["example.com.", "example.org.", "in-addr.arpa.", "ip6.arpa.", "corp.internal."];

/// Owner, TTL, type and rdata of the single records.
#[rustfmt::skip]
const RECORDS: &[(&str, u32, &str, &str)] = &[
    ("example.com.", 300, "A", "192.0.2.10"),
    ("example.com.", 300, "MX", "10 mail.example.com."),
    ("example.com.", 300, "NS", "ns.example.com."),
    ("example.com.", 300, "TXT", "v=spf1 -all"),
    ("api.example.com.", 60, "A", "192.0.2.11"),
    ("api.example.com.", 60, "AAAA", "2001:db8::11"),
    ("v4only.example.com.", 120, "A", "192.0.2.12"),
    ("alias.example.com.", 90, "CNAME", "api.example.com."),
    ("alias2.example.com.", 90, "CNAME", "alias.example.com."),
    ("dangling.example.com.", 90, "CNAME", "missing.example.com."),
    ("short.example.com.", 1, "A", "192.0.2.13"),
    ("zero.example.com.", 0, "A", "192.0.2.14"),
    ("long.example.com.", 86400, "A", "192.0.2.15"),
    ("mixed.example.com.", 500, "A", "192.0.2.16"),
    ("mixed.example.com.", 500, "A", "192.0.2.17"),
    ("mixed.example.com.", 500, "A", "192.0.2.18"),
    ("srv.example.com.", 30, "SRV", "0 5 443 api.example.com."),
    ("_sip._tcp.example.com.", 30, "SRV", "10 60 5060 api.example.com."),
    ("https.example.com.", 30, "HTTPS", "1 . alpn=h2"),
    ("unknown.example.com.", 30, "TYPE65400", "01020304"),
    ("lb.example.com.", 60, "A", "192.0.2.30"),
    ("www.example.org.", 300, "A", "198.51.100.10"),
    ("www.example.org.", 300, "AAAA", "2001:db8:51::10"),
    ("host.corp.internal.", 45, "A", "10.9.9.9"),
    ("1.2.0.192.in-addr.arpa.", 300, "PTR", "one.example.com."),
    ("8.8.8.8.in-addr.arpa.", 300, "PTR", "dns.example.com."),
];

/// The name with twenty long TXT records.
const BIG: &str = "big.example.com.";

/// The name with two hundred addresses.
const MANY: &str = "many.example.com.";

/// The longest chain of CNAMEs that is followed.
const MAX_LINKS: usize = 10;

/// What the table holds at one name for one type.
struct Found {
    /// The TTL in seconds.
    ttl: u32,
    /// The records.
    rdatas: Vec<Rdata>,
    /// Where a CNAME leads.
    target: Option<&'static str>,
}

/// Fills in the answer for a name in lower case; `asked` is the same name as spelled.
pub(super) fn answer(draft: &mut Draft, name: &str, asked: &Name, qtype: u16) {
    let Some(zone) = ZONES.iter().find(|zone| is_at_or_below(name, zone)) else {
        return draft.set_rcode(5);
    };
    let mut owner = name.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(found) = find(&owner, qtype) else { break };
        let spelled = if owner == name { asked.clone() } else { name_of(&owner) };
        let rtype = if found.target.is_some() { number("CNAME") } else { qtype };
        let rrs = found.rdatas.into_iter().map(|rdata| Rr { owner: spelled.clone(), ttl: found.ttl, rtype, rdata });
        draft.sections[0].extend(rrs);
        match found.target {
            Some(target) if qtype != number("CNAME") => target.clone_into(&mut owner),
            _ => return,
        }
    }
    if !exists(&owner) {
        draft.set_rcode(3);
    }
    draft.sections[1].push(soa(zone, 300, [2_026_010_101, 60]));
}

/// The SOA of a zone with this TTL, and this serial and minimum.
pub(super) fn soa(zone: &str, ttl: u32, [serial, minimum]: [u32; 2]) -> Rr {
    let names = [name_of(&format!("ns.{zone}")), name_of(&format!("hostmaster.{zone}"))];
    let rdata = Rdata::Soa(names, [serial, 7200, 1800, 86400, minimum]);
    Rr { owner: name_of(zone), ttl, rtype: number("SOA"), rdata }
}

/// A name that is known to be well formed; the root otherwise.
pub(super) fn name_of(text: &str) -> Name {
    text.parse().unwrap_or_default()
}

/// The number of a type that is known to have one.
pub(super) fn number(mnemonic: &str) -> u16 {
    type_number(mnemonic).unwrap_or(0)
}

/// Character strings as TXT rdata.
pub(super) fn text(strings: &[String]) -> Rdata {
    let mut octets = Vec::new();
    for string in strings {
        octets.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
        octets.extend(string.bytes().take(usize::from(u8::MAX)));
    }
    Rdata::Octets(octets)
}

/// An address as A or AAAA rdata.
pub(super) fn address(text: &str) -> Rdata {
    let four = text.parse().map(|address: Ipv4Addr| address.octets().to_vec());
    let octets = four.or_else(|_| text.parse().map(|address: Ipv6Addr| address.octets().to_vec()));
    Rdata::Octets(octets.unwrap_or_default())
}

/// Whether a name is a zone or below it.
fn is_at_or_below(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a name or one below it is in the table.
fn exists(name: &str) -> bool {
    let known = RECORDS.iter().map(|(owner, ..)| *owner).chain([BIG, MANY]);
    known.into_iter().any(|owner| is_at_or_below(owner, name))
}

/// Finds the records of a type at a name, or its CNAME.
fn find(name: &str, qtype: u16) -> Option<Found> {
    if let Some(found) = generated(name, qtype) {
        return Some(found);
    }
    let records = |rtype: u16| {
        let here = RECORDS.iter().filter(move |(owner, _, kind, _)| *owner == name && number(kind) == rtype);
        here.map(|(_, ttl, kind, data)| (*ttl, *kind, *data)).collect::<Vec<_>>()
    };
    let cname = number("CNAME");
    let (is_alias, here) = match records(qtype) {
        here if here.is_empty() => (true, records(cname)),
        here => (qtype == cname, here),
    };
    let (ttl, _, target) = *here.first()?;
    let rdatas = here.iter().map(|(_, kind, data)| rdata(kind, data)).collect();
    Some(Found { ttl, rdatas, target: is_alias.then_some(target) })
}

/// The two names with many records.
fn generated(name: &str, qtype: u16) -> Option<Found> {
    let rdatas = match name {
        BIG if qtype == number("TXT") => (0..20).map(|i| text(&[format!("{i:03} {}", "x".repeat(90))])).collect(),
        MANY if qtype == number("A") => (1..=200).map(|i| Rdata::Octets(vec![198, 51, 100, i])).collect(),
        _ => return None,
    };
    Some(Found { ttl: 60, rdatas, target: None })
}

/// Reads the rdata of the table.
fn rdata(kind: &str, data: &str) -> Rdata {
    let words: Vec<_> = data.split(' ').collect();
    match (kind, words.as_slice()) {
        ("A" | "AAAA", _) => address(data),
        ("MX", [preference, name]) => Rdata::Preference(preference.parse().unwrap_or(0), name_of(name)),
        ("SRV", [numbers @ .., target]) => {
            let numbers = numbers.iter().flat_map(|text| text.parse::<u16>().unwrap_or(0).to_be_bytes());
            Rdata::Octets(numbers.chain(name_of(target).to_wire()).collect())
        }
        // Priority 1, the root, and the parameter alpn with the one protocol h2.
        ("HTTPS", _) => Rdata::Octets(vec![0, 1, 0, 0, 1, 0, 3, 2, b'h', b'2']),
        ("TYPE65400", _) => Rdata::Octets(vec![1, 2, 3, 4]),
        ("TXT", _) => text(&[data.to_owned()]),
        _ => Rdata::Name(name_of(data)),
    }
}
