//! Replies that are in order and still dangerous or odd: what is passed on, what is kept, and for how long.

use std::time::Duration;

use super::liar::{Act, Liar};
use super::stage::{QUICK, Stage, is_coredns};
use super::wire::{FORGED, PLAIN, RIGHT, address, answer, name, rcode, record, reply, soa};
use super::{sends, want};

/// The flag TC.
const TC: u16 = 0x0200;

#[test]
fn b7_truncated_answers() {
    let cut = |asked: &super::liar::Asked<'_>| {
        let tc = reply(asked.query, PLAIN | TC, [&[address(FORGED)], &[], &[]]);
        if asked.is_udp || asked.number < 3 { vec![Act::Send(tc)] } else { vec![Act::Send(answer(asked.query, RIGHT))] }
    };
    // Passed on, and not kept.
    let stage = Stage::new(Liar::start(cut), QUICK);
    for counts in ["opened udp 1, reply NOERROR 1", "opened udp 1, reused udp 1, reply NOERROR 2"] {
        let answer = stage.hold("a.test A", want("NOERROR", 0..1000, counts), None);
        assert!(answer.has_flag("tc"));
    }
    // Asked again over TCP, once: what is truncated there too goes to the client.
    let stage = Stage::new(Liar::start(cut), &format!("{QUICK}\nprefer_udp"));
    let counts = "opened tcp 1, opened udp 1, reply NOERROR 2";
    let answer = stage.hold("a.test A", want("NOERROR", 0..1000, counts), None);
    assert!(answer.has_flag("tc"));
    let counts = "opened tcp 1, opened udp 1, reused tcp 1, reused udp 1, reply NOERROR 4, kept success 1";
    let answer = stage.hold("a.test A", want("NOERROR", 0..1000, counts), None);
    assert_eq!((answer.has_flag("tc"), answer.answer), (false, vec!["a.test. 60 IN A 192.0.2.1".to_owned()]));
    // TCP is closed each time.
    let liar = Liar::start(move |asked| if asked.is_udp { cut(asked) } else { vec![Act::Close] });
    let stage = Stage::new(liar, &format!("{QUICK}\nprefer_udp"));
    let (answer, took) = stage.ask("a.test A");
    assert_eq!(answer.rcode.as_deref(), Some("SERVFAIL"));
    assert!(took < Duration::from_secs(1), "{took:?}");
    stage.nothing_is_kept("a.test", "");
}

#[test]
fn b8_answers_larger_than_was_said() {
    let large = |query: &[u8]| reply(query, PLAIN, [&vec![address(FORGED); 100], &[], &[]]);
    for (line, is_cut) in [("a.test A", true), ("a.test A bufsize=1232", true), ("a.test A bufsize=4096", false)] {
        let stage = Stage::new(sends(move |query| vec![large(query)]), QUICK);
        let (answer, _) = stage.ask(line);
        assert_eq!((answer.has_flag("tc"), answer.answer.is_empty()), (is_cut, is_cut), "{line}: {answer:?}");
        if is_cut {
            stage.nothing_is_kept("a.test", "");
        }
    }
}

#[test]
fn b10_records_that_nobody_asked_for_are_not_kept() {
    let foreign = |rtype, rdata: &[u8]| record("victim.test", (rtype, 60), rdata);
    let liar = sends(move |query| {
        let bad = [192, 0, 2, FORGED];
        let extra = record("z.test", (1, 60), &bad);
        let server = foreign(2, &name("z.test"));
        vec![reply(query, PLAIN, [&[address(RIGHT), foreign(1, &bad)], &[server], &[extra, foreign(1, &bad)]])]
    });
    let stage = Stage::new(liar, QUICK);
    let counts = "opened udp 1, reply NOERROR 1, kept success 1";
    stage.hold("a.test A", want("NOERROR", 0..1000, counts), None);
    stage.nothing_is_kept("b.test", "");
    // An alias to somebody else's name, with an address for it.
    let liar = sends(move |query| {
        let alias = record("", (5, 60), &name("victim.test"));
        vec![reply(query, PLAIN, [&[alias, foreign(1, &[192, 0, 2, FORGED])], &[], &[]])]
    });
    let stage = Stage::new(liar, QUICK);
    stage.hold("a.test A", want("NOERROR", 0..1000, counts), None);
    stage.nothing_is_kept("b.test", "");
}

#[test]
fn b11_chains_of_aliases_cost_little() {
    let link = |from: usize, to: usize| record(&format!("c{from}.test"), (5, 60), &name(&format!("c{to}.test")));
    let chain = move |query: &[u8], links: usize, last: Option<Vec<u8>>| {
        let mut records = vec![record("", (5, 60), &name("c0.test"))];
        records.extend((0..links).map(|at| link(at, at + 1)));
        records.extend(last);
        reply(query, PLAIN, [&records, &[], &[]])
    };
    let end = |at: usize| record(&format!("c{at}.test"), (1, 60), &[192, 0, 2, RIGHT]);
    // A loop is passed on and not kept; a chain that ends is kept, but for one of more than 32 links.
    for (links, last, ours, theirs) in
        [(3, Some(link(3, 0)), 0, 0), (20, Some(end(20)), 1, 1), (1500, Some(end(1500)), 0, 1)]
    {
        let liar = sends(move |query| vec![chain(query, links, last.clone())]);
        let stage = Stage::new(liar, &format!("{QUICK}\nforce_tcp"));
        let (answer, took) = stage.ask("a.test A tcp");
        assert_eq!((answer.rcode.as_deref(), answer.answer.len()), (Some("NOERROR"), links + 2));
        assert!(took < Duration::from_secs(1), "{took:?}");
        let kept = if is_coredns() { theirs } else { ours };
        assert_eq!(stage.counts().contains("kept success 1"), kept == 1, "{links} links: {}", stage.counts());
    }
}

/// What an upstream sends, and for how many seconds it is to be shown and kept; none for not kept.
type Lifetime = (fn(&[u8]) -> Vec<u8>, Option<u32>);

#[test]
fn b12_b13_lifetimes_have_bounds() {
    let cases: [Lifetime; 11] = [
        (|query| reply(query, PLAIN | 3, [&[], &[soa(60)], &[]]), Some(60)),
        (|query| reply(query, PLAIN | 3, [&[], &[soa(1 << 31)], &[]]), Some(1800)),
        (|query| reply(query, PLAIN, [&[], &[soa(u32::MAX)], &[]]), Some(1800)),
        (|query| rcode(query, 3), None),
        (|query| rcode(query, 2), Some(5)),
        (|query| rcode(query, 4), Some(5)),
        (|query| rcode(query, 5), None),
        (|query| rcode(query, 1), None),
        (|query| reply(query, PLAIN, [&[record("", (1, 0), &[192, 0, 2, 1])], &[], &[]]), Some(5)),
        (|query| reply(query, PLAIN, [&[record("", (1, u32::MAX), &[192, 0, 2, 1])], &[], &[]]), Some(3600)),
        (|query| reply(query, PLAIN, [&[record("", (1, 1 << 31), &[192, 0, 2, 1])], &[], &[]]), Some(3600)),
    ];
    for (number, (script, lifetime)) in cases.into_iter().enumerate() {
        let stage = Stage::new(sends(move |query| vec![script(query)]), QUICK);
        let answers = [(); 2].map(|()| stage.ask("a.test A").0);
        assert_eq!(stage.liar.count(), if lifetime.is_some() { 1 } else { 2 }, "{number}: {answers:?}");
        for answer in answers {
            for line in answer.answer.iter().chain(&answer.authority) {
                let ttl: u32 = line.split(' ').nth(1).unwrap().parse().unwrap();
                let longest = lifetime.unwrap_or(5);
                assert!(ttl <= longest && ttl + 3 >= longest, "{number}: {line}");
            }
        }
    }
}

#[test]
fn b14_hops_keep_to_themselves() {
    // An OPT record with a cookie and DO; AD set for a client that has not asked for it.
    let liar = sends(|query| {
        let cookie = [&[0, 0, 41, 16, 0, 0, 0, 128, 0, 0, 20, 0, 10, 0, 16][..], &[7; 16]].concat();
        vec![reply(query, PLAIN | 0x20, [&[address(RIGHT)], &[], &[cookie]])]
    });
    let stage = Stage::new(liar, QUICK);
    for (line, is_authentic, asked) in [
        ("a.test A", false, 1),
        ("a.test A", false, 1),
        ("a.test A ad", true, 1),
        ("a.test A do", true, 2),
        ("a.test A do", true, 2),
        ("a.test A cd", false, 3),
        ("a.test A edns", false, 3),
    ] {
        let (answer, _) = stage.ask(line);
        assert_eq!(answer.has_flag("ad"), is_authentic, "{line}: {answer:?}");
        assert_eq!(stage.liar.count(), asked, "{line}: DO and CD are kept apart, nothing else");
        assert!(answer.edns.is_none_or(|edns| edns.options.is_empty()), "{line}: the cookie is ours alone");
    }
}
