//! The upstream, asked over real sockets.

use std::time::Instant;

use super::*;
use crate::client::Client;

/// An upstream and a client of it.
fn start(id: u32) -> (Upstream, Client) {
    let upstream = Upstream::start(id).unwrap();
    let client = Client::udp(upstream.address());
    (upstream, client)
}

#[test]
fn the_table_is_answered_over_udp_and_tcp() {
    let (_upstream, mut client) = start(1);
    for transport in ["", "tcp"] {
        let answer = client.ask(&format!("Alias2.example.com A {transport}")).unwrap();
        let chain = [
            "Alias2.example.com. 90 IN CNAME alias.example.com.",
            "alias.example.com. 90 IN CNAME api.example.com.",
            "api.example.com. 60 IN A 192.0.2.11",
        ];
        assert_eq!(answer.answer, chain);
        assert_eq!(answer.flags.as_deref(), Some("qr rd ra"));
    }
    let missing = client.ask("dangling.example.com AAAA").unwrap();
    assert_eq!(missing.rcode.as_deref(), Some("NXDOMAIN"));
    assert_eq!((missing.answer.len(), missing.authority.len()), (1, 1));
    assert_eq!(client.ask("_tcp.example.com A").unwrap().rcode.as_deref(), Some("NOERROR"));
    assert_eq!(client.ask("example.net A").unwrap().rcode.as_deref(), Some("REFUSED"));
    assert_eq!(
        client.ask("https.example.com HTTPS").unwrap().answer,
        [r#"https.example.com. 30 IN HTTPS 1 . alpn="h2""#]
    );
    assert_eq!(
        client.ask("unknown.example.com TYPE65400").unwrap().answer,
        [r"unknown.example.com. 30 IN TYPE65400 \# 4 01020304"]
    );
}

#[test]
fn what_is_too_long_for_a_datagram_is_cut() {
    let (_upstream, mut client) = start(1);
    let cut = client.ask("big.example.com TXT").unwrap();
    assert!(cut.has_flag("tc") && cut.answer.is_empty());
    assert_eq!(client.ask("big.example.com TXT bufsize=4096").unwrap().answer.len(), 20);
    assert_eq!(client.ask("many.example.com A tcp").unwrap().answer.len(), 200);
    assert_eq!(client.ask("x-many300-overflow.test A").unwrap().answer.len(), 300);
}

#[test]
fn echo_tells_what_arrived() {
    let (_upstream, mut client) = start(1);
    let plain = r#""udp" "from=127.0.0.1" "flags=rd" "edns=none" "name=Echo.x." "type=TXT" "class=1""#;
    assert_eq!(client.ask("Echo.x TXT").unwrap().answer, [format!("Echo.x. 0 IN TXT {plain}")]);
    let answer = client.ask("echo.x TXT tcp from=127.0.0.9 nord cd do opt=65001:6869").unwrap().answer;
    assert!(
        answer[0].contains(r#""tcp" "from=127.0.0.9" "flags=cd" "edns=v0 size=1232 do=1 opts=65001:6869""#),
        "{answer:?}"
    );
}

#[test]
fn words_switch_on_and_off_with_the_count() {
    let (_upstream, mut client) = start(2);
    let mut rcodes = |name: &str| -> Vec<_> {
        (0..3).map(|_| client.ask(&format!("{name}.test A")).unwrap().rcode.unwrap()).collect()
    };
    assert_eq!(rcodes("x-ok1-servfail"), ["NOERROR", "SERVFAIL", "SERVFAIL"]);
    assert_eq!(rcodes("x-bad1-nx"), ["NXDOMAIN", "NOERROR", "NOERROR"]);
    assert_eq!(rcodes("x-on1-refused"), ["NOERROR"; 3]);
    assert_eq!(rcodes("x-on2-rcode23"), ["BADCOOKIE"; 3]);
    assert_eq!(client.ask("x-.test TXT").unwrap().answer, [r#"x-.test. 60 IN TXT "upstream 2 query 1""#]);
    assert_eq!(client.ask("x-.test TXT").unwrap().answer, [r#"x-.test. 60 IN TXT "upstream 2 query 2""#]);
}

#[test]
fn replies_can_be_withheld_spoilt_and_late() {
    let (_upstream, mut client) = start(1);
    assert!(client.ask("x-drop.test A wait=0.1").unwrap().timeout);
    assert_eq!(client.ask("x-close.test A tcp").unwrap().error.as_deref(), Some("closed"));
    assert_eq!(client.ask("x-wrongid.test A").unwrap().error.as_deref(), Some("wrong id"));
    assert_eq!(client.ask("x-trail.test A").unwrap().unparsable.as_deref(), Some("TrailingJunk"));
    assert_eq!(client.ask("x-spoof.test A all wait=0.2").unwrap().replies.len(), 2);
    let start = Instant::now();
    assert_eq!(client.ask("x-ms50.test A").unwrap().answer.len(), 1);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn sections_and_options_come_on_order() {
    let (_upstream, mut client) = start(1);
    let answer = client.ask("x-cname-target5-ttl9-extra-ede-aa.sub.test A do").unwrap();
    assert_eq!(
        answer.answer,
        [
            "x-cname-target5-ttl9-extra-ede-aa.sub.test. 9 IN CNAME target.sub.test.",
            "target.sub.test. 5 IN A 203.0.113.1"
        ]
    );
    assert_eq!(answer.authority, ["sub.test. 17 IN NS ns1.sub.test."]);
    assert_eq!(answer.additional, ["ns1.sub.test. 7 IN A 192.0.2.53"]);
    assert!(answer.has_flag("aa"));
    assert_eq!(answer.edns.unwrap().options, [format!("15:0012{}", hex(b"from upstream"))]);
    assert_eq!(client.ask("x-upper.test A").unwrap().question.as_deref(), Some("X-UPPER.TEST. IN A"));
    assert_eq!(client.ask("x-noq.test A").unwrap().question, None);
}

#[test]
fn a_connection_is_kept_and_pipelined() {
    let (_upstream, mut client) = start(1);
    for _ in 0..2 {
        assert_eq!(client.ask("api.example.com A conn=one").unwrap().answer.len(), 1);
    }
    let queries: Vec<crate::Query> =
        ["api.example.com A pipe=1", "api.example.com AAAA pipe=1"].map(|line| line.parse().unwrap()).into();
    let answers = client.send_together(&queries.iter().collect::<Vec<_>>());
    assert_eq!(answers.iter().map(|answer| answer.position).collect::<Vec<_>>(), [Some(1), Some(2)]);
}
