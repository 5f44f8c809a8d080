//! `forward` before resolvers of the distribution: what a client gets through the program is what the resolver itself answers.
//!
//! nsd and Knot hold a small zone, which unbound, BIND and dnsmasq resolve; all of them on loopback, without a network. What is
//! not installed is left out, and said to be.

mod programs;

use std::path::Path;

use tempfile::TempDir;
use test_support::{Answer, Client};

use crate::harness::say;
use crate::process::{Life, Scene};
use programs::{AUTHORITIES, RESOLVERS, Running, find, identity, start_authority, start_resolver};

/// What is asked. Texts of 600, 1400 and 4000 octets are longer than what clients take over UDP by 512, 1232 and 4096.
const QUERIES: &[&str] = &[
    "www.lab.example A",
    "WWW.lab.example AAAA",
    "www.lab.example A tcp",
    "www.lab.example A do",
    "www.lab.example A cd ad",
    "www.lab.example MX",
    "none.lab.example A",
    "none.lab.example A do",
    "any.wild.lab.example A",
    "c1.lab.example A",
    "c1.lab.example CNAME",
    "dangling.lab.example A",
    "t600.lab.example TXT",
    "t600.lab.example TXT bufsize=1232",
    "t1400.lab.example TXT bufsize=1232",
    "t1400.lab.example TXT bufsize=4096",
    "t4000.lab.example TXT",
    "t4000.lab.example TXT bufsize=4096 do",
    "t4000.lab.example TXT tcp",
    "lab.example DNSKEY do",
    "lab.example SOA",
    "lab.example NS edns",
];

/// How `forward` may ask: the address by scheme, and properties. TLS only where the resolver has it.
const WAYS: &[(&str, &str)] = &[("dns", ""), ("dns", "force_tcp"), ("dns", "prefer_udp"), ("tls", "")];

#[test]
fn resolvers_of_the_distribution_are_passed_on_as_they_are() {
    let is_there = |name: &&&str| find(name).is_some();
    let authorities: Vec<&str> = AUTHORITIES.iter().filter(is_there).copied().collect();
    let resolvers: Vec<&str> = RESOLVERS.iter().filter(is_there).copied().collect();
    let missing: Vec<&str> = AUTHORITIES.iter().chain(RESOLVERS).filter(|name| find(name).is_none()).copied().collect();
    if !missing.is_empty() {
        say(&format!("resolvers: left out, for it is not installed: {}", missing.join(", ")));
    }
    if authorities.is_empty() {
        return say("resolvers: all left out, for nothing that is installed can hold a zone");
    }
    let identity = identity();
    let mut compared = 0;
    for (at, resolver) in resolvers.iter().enumerate() {
        let folder = TempDir::new().unwrap();
        let authority = start_authority(authorities[at % authorities.len()], folder.path());
        let running = start_resolver(resolver, &authority, &identity, folder.path());
        let trusted = format!("tls {}\n tls_servername dns.test", identity.authority(folder.path()));
        for (scheme, property) in WAYS {
            let Some(to) = running.target(scheme) else { continue };
            let properties = if *scheme == "tls" { &trusted } else { *property };
            for cache in ["", "cache"] {
                let life = forwarding(&to, properties, cache);
                compared += compare(&life, &running, &format!("{resolver} {scheme} {property} {cache}"));
            }
        }
        say(&format!("resolvers: {resolver} before {}", authority.name));
    }
    say(&format!("resolvers: {compared} answers are the resolver's own"));
}

/// The program with `forward` to one upstream.
fn forwarding(to: &str, properties: &str, cache: &str) -> Life {
    let corefile = format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n {cache}\n forward . {to} {{\n {properties}\n max_fails 0\n }}\n}}\n"
    );
    Scene::new(&corefile).start()
}

/// Asks everything twice, through the program and directly; how many answers were compared.
fn compare(life: &Life, resolver: &Running, context: &str) -> usize {
    let mut direct = Client::udp(resolver.address);
    // From its own cache dnsmasq answers with the answer section alone.
    let sections = if resolver.name == "dnsmasq" { 1 } else { 3 };
    for line in QUERIES.iter().chain(QUERIES) {
        let context = format!("{context}: {line}");
        let stream = if line.ends_with("tcp") { (*line).to_owned() } else { format!("{line} tcp") };
        let (short, whole) = (direct.ask(line).unwrap(), direct.ask(&stream).unwrap());
        let answer = life.ask(line);
        if answer.has_flag("tc") {
            // The client asks again over TCP, as one does.
            assert!(short.has_flag("tc"), "{context}: {answer:?}\n{short:?}");
            assert_same(&life.ask(&stream), &whole, sections, &context);
        } else {
            assert_same(&answer, &whole, sections, &context);
        }
    }
    2 * QUERIES.len()
}

/// Whether two answers say the same: code and the records of so many sections, in any order, whatever time they have left.
fn assert_same(answer: &Answer, wanted: &Answer, sections: usize, context: &str) {
    let without_ttl = |line: &String| {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        format!("{} {}", words[0].to_lowercase(), words[2])
    };
    let records = |answer: &Answer| {
        let all = [&answer.answer, &answer.authority, &answer.additional].into_iter().take(sections);
        let sorted = all.map(|section| {
            let mut lines: Vec<String> = section.iter().map(without_ttl).collect();
            lines.sort_unstable();
            lines
        });
        sorted.collect::<Vec<_>>()
    };
    assert!(wanted.rcode.is_some(), "{context}: {wanted:?}");
    assert_eq!(answer.rcode, wanted.rcode, "{context}: {answer:?}\n{wanted:?}");
    assert_eq!(records(answer), records(wanted), "{context}");
}

/// A path as text.
fn text(path: &Path) -> String {
    path.display().to_string()
}
