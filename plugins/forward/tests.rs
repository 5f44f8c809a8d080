//! Tests of `forward` over real loopback sockets: the fixed upstream of the test kit, and upstreams that misbehave by script.

use super::datagrams::{Datagrams, Keep};
use super::policy::Policy;
use super::reply::Query;
use super::resolve::Resolver;
use super::target::{classify, expand, nameservers};
use crate::trial::{self, Trial, setup_error};
use base64::Engine as _;
use bytes::Bytes;
use corefile::{DiskFiles, Input, Options, ProcessEnv};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use plugin_api::{Clock, Next, Rcode, Request};
use prometheus_client::encoding::text::encode;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use test_support::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};

/// Asks a chain and waits.
async fn ask(trial: &Trial, query: &str) -> String {
    let request = trial::request(query, &Clock::system());
    let outcome = Next::start(&trial.chain).run(&request).await;
    if let Some(message) = outcome.as_ref().ok().and_then(|response| response.message()) {
        assert_eq!(message.id(), request.id());
    }
    trial::text(outcome)
}

/// An address on which nobody listens: its port is none that the system hands out to other tests.
const fn dead() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9)), 9)
}

/// A UDP and a TCP socket on the same port.
async fn pair() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

/// An upstream over UDP: for each query, the datagrams to send back.
async fn scripted(script: impl Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            for datagram in script(buffer[..length].to_vec()) {
                socket.send_to(&datagram, from).await.unwrap();
            }
        }
    });
    address
}

/// An upstream over TCP: what to do with each connection.
async fn scripted_tcp<F: Future<Output = ()> + Send + 'static>(
    script: impl Fn(TcpStream, usize) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            number += 1;
            tokio::spawn(script(stream, number));
        }
    });
    address
}

/// Reads one query from a connection.
async fn read_query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await.ok()?;
    Some(query)
}

/// The reply to a query: its question and one A record.
fn answer(query: &[u8], last: u8) -> Vec<u8> {
    let mut reply = query.to_vec();
    (reply[2], reply[3], reply[7]) = (0x81, 0x80, 1);
    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last]);
    reply
}

/// A message with its length before it.
fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// The value of a metric's line that contains all these words; 0 if there is none.
fn metric(trial: &Trial, words: &[&str]) -> u64 {
    let mut text = String::new();
    trial.process.metrics.with(|registry| encode(&mut text, registry)).unwrap();
    let line = text.lines().find(|line| !line.starts_with('#') && words.iter().all(|word| line.contains(word)));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn set_up_refuses_in_the_words_of_coredns() {
    let place = |line: u32, word: &str| {
        format!("Corefile:{line} - Error during parsing: Wrong argument count or unexpected line ending after '{word}'")
    };
    let unknown = |word: &str| format!("Corefile:3 - Error during parsing: unknown property '{word}'");
    let many: Vec<String> = (1..=16).map(|number| format!("192.0.2.{number}")).collect();
    let cases = [
        ("forward", place(2, "forward")),
        ("forward .", place(2, ".")),
        ("forward example..org 192.0.2.1", "unable to normalize 'example..org'".into()),
        (&format!("forward . {}", many.join(" ")), "more than 15 TOs configured: 16".into()),
        ("forward . \"\"", "invalid address: \"\"".into()),
        (
            "forward . quic://192.0.2.1",
            "'quic' is not supported as a destination protocol in forward: quic://192.0.2.1:853".into(),
        ),
        ("forward . \"a b\"", "failed to resolve \"a b\": lookup a b: no such host".into()),
        ("forward . {$NOT_SET_HERE:x}", "invalid address: \"\"".into()),
    ];
    for (directive, error) in cases {
        assert_eq!(setup_error(directive), Some(format!("plugin/forward: {error}")), "{directive}");
    }
    for (property, error) in [
        ("except", place(3, "except")),
        ("max_fails", place(3, "max_fails")),
        ("max_fails 1 more", unknown("more")),
        ("expire abc", "time: invalid duration \"abc\"".into()),
        ("expire -1s", "expire can't be negative: -1s".into()),
        ("policy best", "Corefile:3 - Error during parsing: unknown policy 'best'".into()),
        ("health_check -5s", "health_check can't be negative: -5000000000".into()),
        ("health_check 5s domain", place(3, "domain")),
        ("health_check 5s often", "health_check: unknown option often".into()),
        ("max_concurrent abc", "strconv.Atoi: parsing \"abc\": invalid syntax".into()),
        ("max_concurrent -1", "max_concurrent can't be negative: -1".into()),
        ("max_connect_attempts abc", "strconv.ParseUint: parsing \"abc\": invalid syntax".into()),
        ("force_tcp yes", place(3, "yes")),
        ("tls a b c d", place(3, "d")),
        ("tls missing.pem missing.key", "could not load TLS cert: open missing.pem: no such file or directory".into()),
        ("next BOGUS", "BOGUS is not a valid rcode".into()),
        ("failover NOERROR", "NoError cannot be used in failover".into()),
        ("upstream", unknown("upstream")),
        ("read_timeout 0s", "read_timeout must be positive: 0s".into()),
        ("max_age 1s\nexpire 5s", "max_age (1s) must not be less than expire (5s)".into()),
        ("resolver nothing", "resolver must be an IP address or IP:port: \"nothing\"".into()),
        ("source_address x", "Corefile:3 - Error during parsing: invalid IP address: x".into()),
        ("doh_method PUT", "doh_method must be either GET or POST".into()),
    ] {
        let directive = format!("forward . 192.0.2.1 {{\n{property}\n}}");
        assert_eq!(setup_error(&directive), Some(format!("plugin/forward: {error}")), "{property}");
    }
    let both = "forward . tls://192.0.2.1%dns.example {\ntls_servername other.example\n}";
    let error = "plugin/forward: both forward ('other.example') and proxy level ('dns.example') TLS servernames are set for \
                 upstream proxy 'tls://192.0.2.1:853'";
    assert_eq!(setup_error(both).as_deref(), Some(error));
}

#[test]
fn targets_are_addresses_files_and_hosts() {
    let file = std::env::temp_dir().join(format!("resolv-{}", std::process::id()));
    std::fs::write(&file, "# nameserver 192.0.2.9\nsearch x\nnameserver 192.0.2.3\nnameserver fe80::1%eth0\n").unwrap();
    let shown = |arguments: &[&str]| -> Result<String, String> {
        let targets = expand(classify(arguments)?, &Resolver::default())?;
        let shown: Vec<String> = targets
            .iter()
            .map(|target| format!("{}://{}{}", target.scheme, target.address, target.name.as_deref().unwrap_or("")))
            .collect();
        Ok(shown.join(" "))
    };
    for (arguments, expected) in [
        (
            &["192.0.2.1", "192.0.2.1:5300", "dns://192.0.2.2"][..],
            "dns://192.0.2.1:53 dns://192.0.2.1:5300 dns://192.0.2.2:53",
        ),
        (&["::1", "[::1]:54", "[2001:db8::1]"], "dns://[::1]:53 dns://[::1]:54 dns://[2001:db8::1]:53"),
        (&["tls://192.0.2.1", "tls://192.0.2.2%a.test:8853"], "tls://192.0.2.1:853 tls://192.0.2.2:8853a.test"),
        (&["https://192.0.2.1"], "https://192.0.2.1:443"),
        (&[file.to_str().unwrap(), "192.0.2.3"], "dns://192.0.2.3:53 dns://[fe80::1]:53"),
        (&["localhost:99"], "dns://127.0.0.1:99"),
    ] {
        let shown = shown(arguments).unwrap();
        assert!(
            shown == expected || shown.replace(" dns://[::1]:99", "").replace("dns://[::1]:99 ", "") == expected,
            "{shown}"
        );
    }
    assert!(shown(&["https://192.0.2.1/path"]).unwrap_err().starts_with("paths are not allowed"));
    assert_eq!(shown(&["grpc://host"]).unwrap_err(), "not an IP address, file, or valid domain: \"grpc://host\"");
    assert_eq!(nameservers("nameserver x\n;nameserver 192.0.2.1\nnameserver\t192.0.2.2 y").len(), 1);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn policies_order_upstreams() {
    let robin = Policy::RoundRobin(AtomicUsize::new(0));
    let orders: Vec<_> = (0..4).map(|_| robin.order(3)).collect();
    assert_eq!(orders.iter().map(|order| &**order).collect::<Vec<_>>(), [[1, 0, 2], [2, 0, 1], [0, 1, 2], [1, 0, 2]]);
    assert!(Policy::Sequential.order(3).is_empty() && Policy::Random.order(1).is_empty(), "as written");
    let mut random = Policy::Random.order(9);
    random.sort_unstable();
    assert_eq!(*random, Vec::from_iter(0..9));
}

#[tokio::test]
async fn replies_pass_as_they_come() {
    let upstream = Upstream::start(1).unwrap();
    let trial = Trial::new(&format!("forward . {}", upstream.address()));
    for (query, expected) in [
        ("api.example.com A", "NOERROR qr rd ra; answer: api.example.com. 60 IN A 192.0.2.11"),
        ("x-aa-ad-nora.example.com A nord", "NOERROR qr aa ad; answer: x-aa-ad-nora.example.com. 60 IN A 203.0.113.1"),
        ("broken.example.com A", "SERVFAIL qr rd ra"),
        ("x-tc.example.com A", "NOERROR qr tc rd ra"),
        ("x-cut.example.com A", "NOERROR qr tc rd ra"),
        ("x-txt5-overflow.example.com TXT", "NOERROR qr tc rd ra"),
        ("x-spoof.example.com A", "NOERROR qr rd ra; answer: x-spoof.example.com. 60 IN A 203.0.113.1"),
        ("api.example.com A tcp", "NOERROR qr rd ra; answer: api.example.com. 60 IN A 192.0.2.11"),
    ] {
        assert_eq!(ask(&trial, query).await, expected, "{query}");
    }
    assert_eq!(metric(&trial, &["conn_cache_misses_total", "proto=\"udp\""]), 1, "one socket serves them all");
    assert_eq!(metric(&trial, &["conn_cache_hits_total", "proto=\"udp\""]), 6);
    assert_eq!(metric(&trial, &["request_duration_seconds_count", "rcode=\"SERVFAIL\""]), 1);
}

#[tokio::test]
async fn names_outside_go_on() {
    let upstream = Upstream::start(2).unwrap();
    let to = upstream.address();
    let trial = Trial::new(&format!(
        "forward a.test {to} {{\nexcept not.a.test\n}}\nforward b.test {to} {{\nexcept b.test\n}}"
    ));
    for (query, is_forwarded) in [
        ("x-.a.test", true),
        ("a.test", true),
        ("x.NOT.a.test", false),
        ("x-.b.test", false),
        ("b.test", true),
        ("x-.c.test", false),
    ] {
        let reply = ask(&trial, query).await;
        assert_eq!(!reply.contains("no next plugin found"), is_forwarded, "{reply}");
    }
}

#[tokio::test]
async fn failures_are_told_in_the_words_of_go() {
    let dead = dead();
    let options = "max_fails 0\nmax_connect_attempts 1\nread_timeout 100ms";
    let udp = Trial::new(&format!("forward . {dead} {{\n{options}\n}}"));
    let error = ask(&udp, "a.test").await;
    assert!(error.starts_with("error SERVFAIL: read udp 127.0.0.1:"), "{error}");
    assert!(error.ends_with(&format!("->{dead}: read: connection refused")), "{error}");
    let tcp = Trial::new(&format!("forward . {dead} {{\nforce_tcp\n{options}\n}}"));
    assert_eq!(ask(&tcp, "a.test").await, format!("error SERVFAIL: dial tcp {dead}: connect: connection refused"));
    let (silent, listener) = pair().await;
    let to = silent.local_addr().unwrap();
    for query in ["a.test", "a.test A tcp"] {
        let trial = Trial::new(&format!("forward . {to} {{\n{options}\n}}"));
        let start = Instant::now();
        let error = ask(&trial, query).await;
        assert!(error.ends_with(&format!("->{to}: i/o timeout")), "{error}");
        assert!(start.elapsed() >= Duration::from_millis(100));
    }
    drop(listener);
}

#[tokio::test]
async fn no_forged_datagram_is_taken_or_kept() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let to = scripted(move |query| {
        count.fetch_add(1, Ordering::SeqCst);
        let forged = answer(&query, 66);
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut octets = forged.clone();
            change(&mut octets);
            octets
        };
        vec![
            with(&|octets| octets[0] ^= 1),
            with(&|octets| octets[2] &= 0x7f),
            with(&|octets| octets[13] = b'z'),
            with(&|octets| octets[20] ^= 1),
            with(&|octets| octets[5] = 2),
            query[..2].repeat(30),
            query[..11].to_vec(),
            vec![0xff; 600],
            answer(&query, 1),
            forged,
        ]
    })
    .await;
    let trial = Trial::new(&format!("cache\nforward . {to}"));
    for flags in ["qr rd ra", "qr aa rd ra"] {
        assert_eq!(ask(&trial, "a.test").await, format!("NOERROR {flags}; answer: a.test. 60 IN A 192.0.2.1"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_answers_something_else_is_waited_out_and_forgotten() {
    let to = scripted(|query| {
        let mut wrong = answer(&query, 66);
        wrong[13] = b'z';
        vec![wrong]
    })
    .await;
    let trial = Trial::new(&format!("cache\nforward . {to} {{\nread_timeout 150ms\n}}"));
    for _ in 0..2 {
        let start = Instant::now();
        assert_eq!(ask(&trial, "a.test").await, "FORMERR qr rd");
        assert!(start.elapsed() >= Duration::from_millis(150), "not kept, and not taken early");
    }
    let junk = scripted(|query| vec![[&query[..2], &[0xff; 40][..]].concat()]).await;
    let options = "max_fails 0\nmax_connect_attempts 1\nread_timeout 100ms";
    let trial = Trial::new(&format!("forward . {junk} {{\n{options}\n}}"));
    assert!(ask(&trial, "a.test").await.starts_with("error SERVFAIL: dns: "));
}

/// A header alone, with these flags, for a query.
fn header(query: &[u8], flags: u16) -> Vec<u8> {
    [&query[..2], &flags.to_be_bytes(), &[0; 8]].concat()
}

#[tokio::test]
async fn a_header_alone_is_understood() {
    let limits = "max_fails 0\nread_timeout 60s";
    for (flags, expected) in [
        (0x8380, "NOERROR qr tc rd ra"),
        (0x8181, "FORMERR qr rd"),
        (0x8182, "FORMERR qr rd"),
        (0x8184, "FORMERR qr rd"),
        (0x8185, "FORMERR qr rd"),
    ] {
        let to = scripted(move |query| vec![header(&query, flags)]).await;
        let trial = Trial::new(&format!("forward . {to} {{\n{limits}\n}}"));
        assert_eq!(ask(&trial, "a.test").await, expected, "{flags:x}");
        // One more upstream, and it is well.
        let well = scripted(|query| vec![answer(&query, 2)]).await;
        let trial = Trial::new(&format!("forward . {to} {well} {{\npolicy sequential\n{limits}\n}}"));
        let expected = if flags == 0x8380 { expected } else { "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.2" };
        assert_eq!(ask(&trial, "a.test").await, expected, "{flags:x}");
    }
}

#[tokio::test]
async fn a_header_alone_with_tc_leads_to_tcp() {
    let (udp, tcp) = pair().await;
    let to = tcp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
        udp.send_to(&header(&buffer[..length], 0x8380), from).await.unwrap();
        let (mut stream, _) = tcp.accept().await.unwrap();
        let query = read_query(&mut stream).await.unwrap();
        stream.write_all(&framed(&answer(&query, 7))).await.unwrap();
    });
    let trial = Trial::new(&format!("forward . {to} {{\nprefer_udp\nread_timeout 60s\n}}"));
    assert_eq!(ask(&trial, "a.test").await, "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.7");
}

#[tokio::test]
async fn a_wrong_reply_leads_to_the_next_upstream() {
    let well = scripted(|query| vec![answer(&query, 2)]).await;
    let wrong_question = scripted(|query| {
        let mut wrong = answer(&query, 66);
        wrong[13] = b'z';
        vec![wrong]
    })
    .await;
    // Rdata of five octets for an address.
    let undecodable = scripted(|query| {
        let mut wrong = answer(&query, 66);
        let length = wrong.len();
        wrong[length - 5] = 5;
        wrong.push(0);
        vec![wrong]
    })
    .await;
    for (to, read_timeout, otherwise) in
        [(wrong_question, "100ms", "FORMERR qr rd"), (undecodable, "60s", "connection refused")]
    {
        let options = format!("policy sequential\nmax_fails 0\nread_timeout {read_timeout}");
        let trial = Trial::new(&format!("forward . {to} {well} {{\n{options}\n}}"));
        assert_eq!(ask(&trial, "a.test").await, "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.2");
        let trial = Trial::new(&format!("forward . {to} {} {{\n{options}\n}}", dead()));
        assert!(ask(&trial, "a.test").await.ends_with(otherwise), "the other one is dead");
    }
}

#[tokio::test]
async fn the_question_keeps_the_letters_of_the_client() {
    let to = scripted(|query| {
        let mut loud = answer(&query, 1);
        loud[12..18].make_ascii_uppercase();
        vec![loud]
    })
    .await;
    for directives in [format!("forward . {to}"), format!("cache\nforward . {to}")] {
        let trial = Trial::new(&directives);
        let request = trial::request("a.tEsT", &Clock::system());
        let outcome = Next::start(&trial.chain).run(&request).await.unwrap();
        let (name, ..) = outcome.message().unwrap().question().unwrap();
        assert_eq!(name.as_wire(), b"\x01a\x04tEsT\0");
    }
}

#[tokio::test]
async fn a_query_without_edns_gets_none() {
    // OPT with an extended rcode of 1, which with the lower bits 0 is BADVERS.
    let to = scripted(|query| {
        let is_bad = query[13] == b'b';
        let mut reply = if is_bad { header(&query, 0x8180) } else { answer(&query, 1) };
        if is_bad {
            reply[5] = 1;
            reply.extend_from_slice(&query[12..23]);
        }
        reply[11] = 1;
        reply.extend_from_slice(&[0, 0, 41, 4, 208, u8::from(is_bad), 0, 0, 0, 0, 0]);
        vec![reply]
    })
    .await;
    let trial = Trial::new(&format!("forward . {to}"));
    for (query, rcode, has_edns) in
        [("a.test", Rcode::NOERROR, false), ("b.tes", Rcode::SERVFAIL, false), ("b.tes A edns", Rcode::BADVERS, true)]
    {
        let request = trial::request(query, &Clock::system());
        let outcome = Next::start(&trial.chain).run(&request).await.unwrap();
        let message = outcome.message().unwrap();
        assert_eq!((message.rcode(), message.edns.is_some()), (rcode, has_edns), "{query}");
    }
}

#[tokio::test]
async fn a_signature_is_not_passed_on() {
    let to = scripted(|query| vec![if query[11] == 0 { answer(&query, 1) } else { header(&query, 0x8181) }]).await;
    let trial = Trial::new(&format!("forward . {to}"));
    let mut query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\x01\x01a\x04test\0\0\x01\0\x01".to_vec();
    query.extend_from_slice(b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x11");
    query.extend_from_slice(&[0; 17]);
    let origin = trial::request("a.test", &Clock::system()).origin().clone();
    let request = Request::parse(&query, origin).unwrap();
    let outcome = Next::start(&trial.chain).run(&request).await;
    assert_eq!(trial::text(outcome), "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.1");
}

#[tokio::test]
async fn the_deadline_holds_over_streams() {
    // The first query of a connection is answered once all three have come; the second is left alone for a while, and then the
    // connection is closed.
    let begun = Arc::new(tokio::sync::Barrier::new(3));
    let to = scripted_tcp(move |mut stream, number| {
        let begun = Arc::clone(&begun);
        async move {
            let query = read_query(&mut stream).await.unwrap();
            if number <= 3 {
                begun.wait().await;
            }
            stream.write_all(&framed(&answer(&query, 1))).await.unwrap();
            if read_query(&mut stream).await.is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    })
    .await;
    let trial = Trial::new(&format!("forward . {to} {{\nmax_fails 0\nmax_connect_attempts 1\n}}"));
    let first = || ask(&trial, "a.test A tcp");
    for reply in <[String; 3]>::from(tokio::join!(first(), first(), first())) {
        assert_eq!(reply, "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.1");
    }
    let mut request = trial::request("a.test A tcp", &Clock::system());
    request.set_deadline(Instant::now() + Duration::from_millis(300));
    let error = trial::text(Next::start(&trial.chain).run(&request).await);
    assert!(error.starts_with("error SERVFAIL: read tcp ") && error.ends_with(": i/o timeout"), "{error}");
}

#[tokio::test]
async fn an_upstream_that_failed_is_asked_last_until_a_probe_succeeds() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let silent = scripted(move |query| {
        // The type of a probe is NS; it is not answered either.
        count.fetch_add(usize::from(query[query.len() - 3] == 1), Ordering::SeqCst);
        Vec::new()
    })
    .await;
    let well = scripted(|query| vec![answer(&query, 2)]).await;
    for policy in ["sequential", "random", "round_robin"] {
        asked.store(0, Ordering::SeqCst);
        let options = format!("policy {policy}\nread_timeout 100ms\nmax_fails 1000000");
        let trial = Trial::new(&format!("forward . {silent} {well} {{\n{options}\n}}"));
        for _ in 0..30 {
            assert_eq!(ask(&trial, "a.test").await, "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.2");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{policy}");
    }
}

#[tokio::test]
async fn streams_that_break_are_replaced_once() {
    // The first query of a connection is answered; after that it is closed.
    let to = scripted_tcp(|mut stream, number| async move {
        if let Some(query) = read_query(&mut stream).await {
            let mut wrong = answer(&query, 66);
            wrong[0] ^= 1;
            stream.write_all(&framed(&wrong)).await.unwrap();
            stream.write_all(&framed(&answer(&query, u8::try_from(number).unwrap()))).await.unwrap();
        }
    })
    .await;
    let trial = Trial::new(&format!("forward . {to} {{\nmax_connect_attempts 1\n}}"));
    for number in 1..4 {
        assert!(ask(&trial, "a.test A tcp").await.ends_with(&format!("192.0.2.{number}")));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(metric(&trial, &["conn_cache_hits_total", "proto=\"tcp\""]), 2);
    assert_eq!(metric(&trial, &["conn_cache_misses_total", "proto=\"tcp\""]), 3);
    for (sent, error) in [
        (vec![0, 200, 1, 2, 3], "unexpected EOF"),
        (vec![0, 2, 1, 2], "dns: short read"),
        (vec![], "EOF"),
        (framed(&[0; 40]), "EOF"),
    ] {
        let to = scripted_tcp(move |mut stream, _| {
            let sent = sent.clone();
            async move {
                if read_query(&mut stream).await.is_some() {
                    stream.write_all(&sent).await.unwrap();
                }
            }
        })
        .await;
        let trial = Trial::new(&format!("forward . {to} {{\nforce_tcp\nmax_connect_attempts 1\nmax_fails 0\n}}"));
        assert_eq!(ask(&trial, "a.test").await, format!("error SERVFAIL: {error}"));
    }
}

#[tokio::test]
async fn transports_follow_the_options() {
    let upstream = Upstream::start(1).unwrap();
    let to = upstream.address();
    for (option, query, expected) in [
        ("expire 9s", "echo.test TXT", "\"udp\""),
        ("expire 9s", "echo.test TXT tcp", "\"tcp\""),
        ("force_tcp", "echo.test TXT", "\"tcp\""),
        ("prefer_udp", "echo.test TXT tcp", "\"udp\""),
        ("prefer_udp\nforce_tcp", "echo.test TXT", "\"tcp\""),
        ("prefer_udp", "x-tc.test TXT", "upstream 1 query 2"),
        ("source_address 127.0.0.7", "echo.test TXT", "\"from=127.0.0.7\""),
        ("source_address 127.0.0.7", "echo.test TXT tcp", "\"from=127.0.0.7\""),
    ] {
        let trial = Trial::new(&format!("forward . {to} {{\n{option}\n}}"));
        let reply = ask(&trial, query).await;
        assert!(reply.contains(expected), "{option}: {reply}");
    }
}

#[tokio::test]
async fn rcodes_lead_to_other_upstreams() {
    let (one, two) = (Upstream::start(1).unwrap(), Upstream::start(2).unwrap());
    let (one, two) = (one.address(), two.address());
    let failover = Trial::new(&format!("forward . {one} {two} {{\npolicy sequential\nfailover SERVFAIL\n}}"));
    assert!(ask(&failover, "x-on1-servfail.test TXT").await.contains("upstream 2"));
    assert_eq!(ask(&failover, "x-servfail.test TXT").await, "SERVFAIL qr rd ra", "no upstream is left");
    assert_eq!(ask(&failover, "x-on1-refused.test TXT").await, "REFUSED qr rd ra");
    let next = Trial::new(&format!("forward . {one} {{\nnext NXDOMAIN\nnext_on_nodata\n}}\nforward . {two}"));
    assert!(ask(&next, "x-on1-nx.test TXT").await.contains("upstream 2"));
    assert!(ask(&next, "x-on1-nodata.test TXT").await.contains("upstream 2"));
    assert!(ask(&next, "x-.test TXT").await.contains("upstream 1"));
    let last = Trial::new(&format!("forward . {one} {{\nnext NXDOMAIN\n}}\nwhoami"));
    assert!(ask(&last, "x-nx.test TXT").await.starts_with("NXDOMAIN"), "only another forward is asked");
}

#[tokio::test]
async fn the_next_upstream_is_asked_when_one_is_dead() {
    let (dead, alive) = (dead(), Upstream::start(2).unwrap());
    let trial = Trial::new(&format!("forward . {dead} {} {{\npolicy sequential\nmax_fails 0\n}}", alive.address()));
    assert!(ask(&trial, "x-.test TXT").await.contains("upstream 2"));
    let attempts = format!("forward . {dead} {} {{\npolicy sequential\nmax_connect_attempts 1\n}}", alive.address());
    assert!(ask(&Trial::new(&attempts), "x-.test TXT").await.contains("connection refused"));
}

#[tokio::test]
async fn probes_find_out_who_is_down_and_who_is_back() {
    let (silent, _tcp) = pair().await;
    let to = silent.local_addr().unwrap();
    drop(silent);
    let options = "max_fails 1\nhealth_check 10ms no_rec domain probe.test\nfailfast_all_unhealthy_upstreams";
    let trial = Trial::new(&format!("forward . {to} {{\n{options}\n}}"));
    assert!(ask(&trial, "a.test").await.contains("connection refused"));
    while metric(&trial, &["healthcheck_failures_total"]) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask(&trial, "a.test").await, "error SERVFAIL: no healthy proxies");
    assert_eq!(metric(&trial, &["forward_healthcheck_broken_total"]), 1);
    let socket = UdpSocket::bind(to).await.unwrap();
    let mut buffer = [0; 512];
    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
    assert_eq!(
        &buffer[2..length],
        b"\0\0\0\x01\0\0\0\0\0\0\x05probe\x04test\0\0\x02\0\x01",
        "no RD, the domain, type NS"
    );
    socket.send_to(&answer(&buffer[..length], 1), from).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&answer(&buffer[..length], 1), from).await.unwrap();
        }
    });
    while ask(&trial, "a.test").await != "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.1" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reply_that_came_in_time_counts_however_late_we_are() {
    let upstream = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let to = upstream.local_addr().unwrap();
    let trial = Trial::new(&format!("forward . {to} {{\nread_timeout 50ms\nmax_connect_attempts 1\nmax_fails 0\n}}"));
    // Replies at once and then keeps the only thread until the time of the query is over.
    let late = async {
        let mut query = [0; 512];
        let (length, from) = loop {
            match upstream.recv_from(&mut query) {
                Ok(received) => break received,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let start = Instant::now();
        upstream.send_to(&answer(&query[..length], 1), from).unwrap();
        while start.elapsed() < Duration::from_millis(70) {
            std::hint::spin_loop();
        }
    };
    let (answered, ()) = tokio::join!(ask(&trial, "a.test"), late);
    assert_eq!(answered, "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.1");
}

#[tokio::test]
async fn too_many_queries_at_a_time_are_refused() {
    let (silent, _tcp) = pair().await;
    let to = silent.local_addr().unwrap();
    let trial =
        Trial::new(&format!("forward . {to} {{\nmax_concurrent 2\nread_timeout 200ms\nmax_connect_attempts 1\n}}"));
    let (one, two, three) = tokio::join!(ask(&trial, "a.test"), ask(&trial, "b.test"), ask(&trial, "c.test"));
    assert!(one.ends_with("i/o timeout") && two.ends_with("i/o timeout"));
    assert_eq!(three, "error REFUSED: concurrent queries exceeded maximum 2");
    assert_eq!(metric(&trial, &["max_concurrent_rejects_total"]), 1);
    assert!(ask(&trial, "d.test").await.ends_with("i/o timeout"), "there is room again");
}

#[tokio::test]
async fn equal_queries_follow_at_the_bound_and_others_are_refused() {
    let (silent, _tcp) = pair().await;
    let to = silent.local_addr().unwrap();
    let options = "max_concurrent 1\nread_timeout 200ms\nmax_connect_attempts 1\nmax_fails 0";
    let trial = Trial::new(&format!("cache\nforward . {to} {{\n{options}\n}}"));
    let (one, two, three, four) = tokio::join!(
        ask(&trial, "a.test"),
        ask(&trial, "A.test A nsid"),
        ask(&trial, "a.test A cd"),
        ask(&trial, "a.test")
    );
    assert!(one.ends_with("i/o timeout") && four.ends_with("i/o timeout"), "{one} {four}");
    assert!(three.starts_with("error REFUSED"), "another key: {three}");
    assert!(two.ends_with("i/o timeout"), "{two}");
    assert_eq!(metric(&trial, &["max_concurrent_rejects_total"]), 1);
}

#[test]
fn one_directive_leaves_room_for_others() {
    let trial = Trial::new("forward . 192.0.2.1");
    let request = trial::request("a.test", &Clock::system());
    // Not begun: each holds its share and nothing else.
    let ask = || Next::start(&trial.chain).run(&request);
    let waiting: Vec<_> = (0..super::handler::MAX_WAITING).map(|_| ask()).collect();
    assert!(waiting.iter().all(|reply| matches!(reply, plugin_api::Reply::Later(_))));
    let plugin_api::Reply::Now(Some(Err(error))) = ask() else { panic!("one too many") };
    assert_eq!(error.to_string(), "more than 10240 queries wait for upstreams");
    drop(waiting);
    assert!(matches!(ask(), plugin_api::Reply::Later(_)), "there is room again");
}

/// Sends queries that get no reply at the same time, for these names; gives how many sockets were opened, and used again.
async fn sockets_for(names: impl Iterator<Item = String>) -> (u64, u64) {
    let (silent, _tcp) = pair().await;
    let to = silent.local_addr().unwrap();
    let trial = Trial::new(&format!("forward . {to} {{\nread_timeout 300ms\nmax_connect_attempts 1\nmax_fails 0\n}}"));
    let mut waiting = tokio::task::JoinSet::new();
    for name in names {
        let chain = Arc::clone(&trial.chain);
        waiting.spawn(async move {
            let request = trial::request(&name, &Clock::system());
            drop(Next::start(&chain).run(&request).await);
        });
    }
    waiting.join_all().await;
    (metric(&trial, &["conn_cache_misses_total"]), metric(&trial, &["conn_cache_hits_total"]))
}

#[tokio::test]
async fn each_query_in_flight_has_a_socket_while_there_are_any() {
    assert_eq!(sockets_for((0..1000).map(|number| format!("n{number}.test"))).await, (512, 488), "then they share");
}

#[tokio::test]
async fn equal_questions_have_a_socket_each() {
    let letters =
        |number: usize| if number.is_multiple_of(2) { "same.test".to_owned() } else { "SAME.test".to_owned() };
    assert_eq!(sockets_for((0..600).map(letters)).await, (512, 0), "the rest fails at once");
}

/// Asks over the sockets of a pool, one query after the other; gives the ports that the upstream saw.
async fn ports(pool: &Datagrams, upstream: &UdpSocket, times: impl Iterator<Item = Instant>) -> Vec<u16> {
    let octets = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
    let mut ports = Vec::new();
    for now in times {
        let query = Query::new(octets.to_vec(), 512, Duration::from_secs(60));
        let asked = pool.ask(query, now, |_| ()).unwrap_or_else(|fault| panic!("{fault}"));
        let replying = async {
            let mut buffer = [0; 512];
            let (length, from) = upstream.recv_from(&mut buffer).await.unwrap();
            upstream.send_to(&answer(&buffer[..length], 1), from).await.unwrap();
            from.port()
        };
        let (answered, port) = tokio::join!(asked, replying);
        assert!(answered.is_ok());
        ports.push(port);
    }
    ports
}

#[tokio::test]
async fn a_socket_lives_for_some_hundred_queries_or_some_seconds() {
    let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let keep = Keep { expire: Duration::from_secs(10), max_age: Duration::ZERO, max_idle: 0 };
    let pool = Datagrams::new(upstream.local_addr().unwrap(), None, keep);
    let start = Instant::now();
    let mut seen = ports(&pool, &upstream, std::iter::repeat_n(start, 1000)).await;
    seen.dedup();
    assert!((4..=6).contains(&seen.len()), "{seen:?}");
    let at = |seconds| start + Duration::from_secs(seconds);
    let pool = Datagrams::new(upstream.local_addr().unwrap(), None, keep);
    let seen = ports(&pool, &upstream, [at(0), at(4), at(6), at(9), at(12)].into_iter()).await;
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[1], seen[2], "a socket takes queries for five seconds");
    assert_eq!(seen[2], seen[3]);
    assert_ne!(seen[3], seen[4]);
}

#[tokio::test]
async fn host_names_are_looked_up_by_the_servers_of_resolver() {
    let upstream = Upstream::start(1).unwrap();
    let server = upstream.address();
    let entries = classify(&["api.example.com:5300", "tls://v4only.example.com%x.test"]).unwrap();
    let resolver = Resolver { servers: vec![server] };
    let targets = tokio::task::spawn_blocking(move || expand(entries, &resolver)).await.unwrap().unwrap();
    let shown: Vec<String> = targets.iter().map(|target| format!("{}://{}", target.scheme, target.address)).collect();
    assert_eq!(shown, ["dns://192.0.2.11:5300", "dns://[2001:db8::11]:5300", "tls://192.0.2.12:853"]);
    let missing = classify(&["missing.example.com"]).unwrap();
    let resolver = Resolver { servers: vec![server] };
    let error = tokio::task::spawn_blocking(move || expand(missing, &resolver)).await.unwrap().unwrap_err();
    assert_eq!(error, "failed to resolve \"missing.example.com\": no addresses found for \"missing.example.com\"");
}

/// A certificate for `dns.test`, signed by an authority of its own: the authority's file and a server's configuration.
fn certificates(name: &str) -> (std::path::PathBuf, Arc<ServerConfig>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let server_key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    let certificate = params.signed_by(&server_key, &issuer).unwrap();
    let file = std::env::temp_dir().join(format!("ca-{name}-{}.pem", std::process::id()));
    std::fs::write(&file, authority.pem()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = rustls::pki_types::PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    (file, Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()))
}

#[tokio::test]
async fn tls_is_spoken_to_those_who_prove_their_name() {
    let (authority, config) = certificates("tls");
    let acceptor = TlsAcceptor::from(config);
    let to = scripted_tcp(move |stream, number| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Ok(length) = stream.read_u16().await {
                let mut query = vec![0; usize::from(length)];
                stream.read_exact(&mut query).await.unwrap();
                stream.write_all(&framed(&answer(&query, u8::try_from(number).unwrap()))).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await;
    let authority = authority.display();
    let named = Trial::new(&format!("forward . tls://{to} {{\ntls {authority}\ntls_servername dns.test\n}}"));
    for query in ["a.test", "a.test A tcp"] {
        assert_eq!(ask(&named, query).await, "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.1");
    }
    assert_eq!(metric(&named, &["conn_cache_hits_total", "proto=\"tcp-tls\""]), 1);
    let own = Trial::new(&format!("forward . tls://127.0.0.1%dns.test:{} {{\ntls {authority}\n}}", to.port()));
    assert!(ask(&own, "a.test").await.starts_with("NOERROR"));
    let refused = "error SERVFAIL: tls: failed to verify certificate: x509: certificate";
    for (wrong, why) in [
        (format!("tls {authority}\ntls_servername other.test"), "is valid for dns.test, not other.test"),
        ("tls_servername dns.test".to_owned(), "signed by unknown authority"),
    ] {
        let trial = Trial::new(&format!("forward . tls://{to} {{\n{wrong}\nmax_fails 0\nmax_connect_attempts 1\n}}"));
        assert_eq!(ask(&trial, "a.test").await, format!("{refused} {why}"));
    }
    std::fs::remove_file(authority.to_string()).unwrap();
}

#[tokio::test]
async fn certificates_are_judged_as_go_judges_them() {
    for server in crate::trust::testing::servers() {
        let acceptor = TlsAcceptor::from(server.config);
        let to = scripted_tcp(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Ok(length) = stream.read_u16().await else { return };
                let mut query = vec![0; usize::from(length)];
                stream.read_exact(&mut query).await.unwrap();
                stream.write_all(&framed(&answer(&query, 1))).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
        .await;
        let file = std::env::temp_dir().join(format!("ca-matrix-{}.pem", std::process::id()));
        std::fs::write(&file, server.authorities).unwrap();
        let options = format!("tls {}\ntls_servername dns.test\nmax_fails 0\nmax_connect_attempts 1", file.display());
        let answer = ask(&Trial::new(&format!("forward . tls://{to} {{\n{options}\n}}")), "a.test").await;
        std::fs::remove_file(file).unwrap();
        let wanted = match server.refusal {
            "" => "NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.1".to_owned(),
            why => format!("error SERVFAIL: tls: failed to verify certificate: {why}"),
        };
        assert!(answer.starts_with(&wanted), "{}: {answer}", server.what);
    }
}

/// Answers DNS over HTTPS; the last octet of the address is 1 for POST, 2 for GET.
async fn serve_https(
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, std::convert::Infallible> {
    assert_eq!(request.uri().path(), "/dns-query");
    let is_get = request.method() == hyper::Method::GET;
    let asked = request.uri().query().and_then(|query| query.strip_prefix("dns=")).map(str::to_owned);
    let query = match asked {
        Some(text) => base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap(),
        None => request.into_body().collect().await.unwrap().to_bytes().to_vec(),
    };
    assert_eq!(query[..2], [0, 0], "the id is 0");
    Ok(hyper::Response::new(Full::from(answer(&query, if is_get { 2 } else { 1 }))))
}

#[tokio::test]
async fn https_is_spoken_with_either_method() {
    let (authority, config) = certificates("https");
    let acceptor = TlsAcceptor::from(config);
    let to = scripted_tcp(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(serve_https);
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        }
    })
    .await;
    let authority = authority.display();
    for (method, last) in [("POST", 1), ("GET", 2)] {
        let options = format!("tls {authority}\ntls_servername dns.test\ndoh_method {method}\nmax_fails 0");
        let trial = Trial::new(&format!("forward . https://{to} {{\n{options}\n}}"));
        let expected = format!("NOERROR qr rd ra; answer: a.test. 60 IN A 192.0.2.{last}");
        assert_eq!(ask(&trial, "a.test").await, expected);
    }
    let options = format!("tls {authority}\nmax_fails 0\nmax_connect_attempts 1");
    let trial = Trial::new(&format!("forward . https://{to} {{\n{options}\n}}"));
    let error = ask(&trial, "a.test").await;
    let start = format!("error SERVFAIL: Post \"https://{to}/dns-query\": ");
    assert!(error.starts_with(&start) && error.contains("certificate"), "{error}");
    std::fs::remove_file(authority.to_string()).unwrap();
}

/// What a Corefile with old words becomes: the tokens of `forward`, and how many warnings; or the error.
fn modernised(block: &str) -> Result<(String, usize), String> {
    let text = format!(".:53 {{\n{block}\n}}\n");
    let options = Options { directives: None, hints: &[], env: &ProcessEnv, files: &DiskFiles };
    let mut parsed = corefile::parse(Input { name: "Corefile", text: text.as_bytes() }, options).unwrap();
    super::legacy::modernise(&mut parsed).map_err(|error| error.to_string())?;
    let tokens = &parsed.blocks[0].directive("forward").unwrap().tokens;
    let words: Vec<&str> = tokens.iter().map(corefile::Token::as_str).collect();
    Ok((words.join(" "), parsed.warnings.len()))
}

#[test]
fn the_old_word_is_read_as_forward() {
    for (block, tokens, warnings) in [
        ("proxy . 192.0.2.1", "forward . 192.0.2.1", 1),
        ("forward a 192.0.2.1\nproxy . 192.0.2.2", "forward a 192.0.2.1 forward . 192.0.2.2", 1),
        (
            "proxy . 192.0.2.1 {\npolicy first\nexcept a b\nmax_fails 3\n}",
            "forward . 192.0.2.1 { policy sequential except a b max_fails 3 }",
            1,
        ),
        ("proxy . 192.0.2.1 {\nmax_fails\nspray\nhealth_check /health:8080\n}", "forward . 192.0.2.1 { }", 4),
        (
            "proxy . 192.0.2.1 {\nprotocol dns force_tcp }\nproxy a 192.0.2.2",
            "forward . 192.0.2.1 { force_tcp } forward a 192.0.2.2",
            2,
        ),
    ] {
        assert_eq!(modernised(block), Ok((tokens.to_owned(), warnings)), "{block}");
    }
    let error = modernised("proxy . 8.8.8.8 {\nprotocol https_google\n}").unwrap_err();
    assert_eq!(error, "Corefile:3 - Error during parsing: 'protocol https_google' of 'proxy' does not exist any more");
}
