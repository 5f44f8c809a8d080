//! Streams that break: half messages, resets, lies about lengths, replies out of order; TLS that is not what it says.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use test_support::http;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::liar::{Act, Liar};
use super::stage::{QUICK, Stage, Want, is_coredns};
use super::wire::{FORGED, RIGHT, answer, framed, wrong_id, wrong_name};
use super::{garbage, want};
use crate::process::{LIMIT, Scene};

/// The octets of a forged reply up to its middle, with its length before it.
fn half(query: &[u8]) -> Act {
    Act::Raw(framed(&answer(query, FORGED))[..20].to_vec())
}

#[test]
fn upstreams_that_send_half_a_message() {
    for (end, millis) in [(None, 1000..5000), (Some("close"), 0..1000), (Some("reset"), 0..1000)] {
        let liar = Liar::start(move |asked| match end {
            None => vec![half(asked.query)],
            Some("close") => vec![half(asked.query), Act::Close],
            Some(_) => vec![half(asked.query), Act::Reset],
        });
        let stage = Stage::new(liar, QUICK);
        stage.hold("a.test A tcp", want("SERVFAIL", millis, "opened tcp 2"), None);
        stage.nothing_is_kept("a.test", "tcp");
    }
}

#[test]
fn upstreams_that_vanish() {
    // The datagram socket goes with the query in it; the next one meets a closed port.
    let liar = super::silent();
    let stage = Stage::new(liar, QUICK);
    let Stage { life, liar } = stage;
    let asking = std::thread::spawn({
        let address = life.address;
        move || test_support::Client::udp(address).ask("a.test A wait=20").unwrap()
    });
    let end = std::time::Instant::now() + LIMIT;
    while liar.count() == 0 && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(liar);
    assert_eq!(asking.join().unwrap().rcode.as_deref(), Some("SERVFAIL"));
    let stage = Stage { life, liar: super::silent() };
    assert_eq!(stage.counts(), "opened udp 2");
}

#[test]
fn b15_connections_that_break() {
    // Closed behind each answer: the client never notices.
    let stage = Stage::new(Liar::start(|asked| vec![Act::Send(answer(asked.query, RIGHT)), Act::Close]), QUICK);
    for name in ["a", "b", "c"] {
        let (answer, _) = stage.ask(&format!("{name}.test A tcp"));
        assert_eq!(answer.answer, [format!("{name}.test. 60 IN A 192.0.2.1")]);
        // Until the end of the connection is there.
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(stage.counts(), "opened tcp 3, reused tcp 2, reply NOERROR 3, kept success 3");
    // Replies to others and of other ids before the right one.
    let liar = Liar::start(|asked| vec![Act::Send(wrong_id(asked.query)), Act::Send(answer(asked.query, RIGHT))]);
    let stage = Stage::new(liar, QUICK);
    let counts = "opened tcp 1, reply NOERROR 1, kept success 1";
    let right = stage.hold("a.test A tcp", want("NOERROR", 0..1000, counts), None);
    assert_eq!(right.answer, ["a.test. 60 IN A 192.0.2.1"]);
    // Octet by octet, slower than the limit for the whole.
    let liar = Liar::start(|asked| {
        let octets = framed(&answer(asked.query, FORGED));
        let drip = |octet: &u8| [Act::Raw(vec![*octet]), Act::Pause(Duration::from_millis(30))];
        octets.iter().flat_map(drip).collect()
    });
    let stage = Stage::new(liar, QUICK);
    stage.hold("a.test A tcp", want("SERVFAIL", 1000..5000, "opened tcp 2"), None);
    stage.nothing_is_kept("a.test", "tcp");
}

#[test]
fn b15_a_message_shorter_than_a_header() {
    let stage = Stage::new(Liar::start(|asked| vec![Act::Raw(framed(&asked.query[..5]))]), QUICK);
    stage.hold("a.test A tcp", want("SERVFAIL", 0..1000, "opened tcp 2"), None);
    stage.nothing_is_kept("a.test", "tcp");
    // Of length 0: CoreDNS's library reads on, and meets the end of its time.
    let stage = Stage::new(Liar::start(|_| vec![Act::Raw(vec![0, 0])]), QUICK);
    stage.hold("a.test A tcp", want("SERVFAIL", 0..10000, "opened tcp 2"), None);
}

/// The years in which a certificate is valid.
const NOW: (i32, i32) = (2020, 2100);

/// A server's configuration with a certificate for `dns.test`, and the certificate of its authority.
fn identity((from, to): (i32, i32)) -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let certificate = params.signed_by(&server_key, &issuer).unwrap().der().clone();
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    (Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()), authority)
}

/// The program before an upstream over TLS that is expected to be `name`.
fn secured(liar: Liar, authority: &str, name: &str) -> Stage {
    let mut scene = Scene::new(&format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n prometheus 127.0.0.1:{{$SIDE}}\n cache\n forward . tls://{} {{\n\
         tls {{$AUTHORITY}}\n tls_servername {name}\n {QUICK}\n }}\n}}\n",
        liar.address
    ));
    let file = scene.path("authority.pem");
    fs::write(&file, authority).unwrap();
    scene.command.env("AUTHORITY", file);
    Stage { life: scene.start(), liar }
}

/// What an upstream over TLS does, and what is to come of it.
type Lie = (fn(&[u8]) -> Vec<Act>, Want, Option<Want>);

#[test]
fn upstreams_over_tls_that_lie() {
    let lies: [Lie; 6] = [
        (|_| Vec::new(), want("SERVFAIL", 1000..5000, "opened tcp-tls 2"), None),
        (|query| vec![half(query), Act::Close], want("SERVFAIL", 0..1000, "opened tcp-tls 2"), None),
        (|query| vec![half(query), Act::Reset], want("SERVFAIL", 0..1000, "opened tcp-tls 2"), None),
        (|query| vec![Act::Send(wrong_id(query))], want("SERVFAIL", 1000..5000, "opened tcp-tls 2"), None),
        (|query| vec![Act::Send(garbage(query))], want("SERVFAIL", 0..1000, "opened tcp-tls 2"), None),
        (
            |query| vec![Act::Send(wrong_name(query))],
            want("FORMERR", 0..1000, "opened tcp-tls 1"),
            Some(want("FORMERR", 0..1000, "opened tcp-tls 1, reply NOERROR 1")),
        ),
    ];
    for (lie, ours, theirs) in lies {
        let (config, authority) = identity(NOW);
        let stage = secured(Liar::secured(config, move |asked| lie(asked.query)), &authority, "dns.test");
        stage.hold("a.test A", ours, theirs);
        stage.nothing_is_kept("a.test", "");
    }
}

#[test]
fn b16_certificates_that_prove_nothing() {
    let honest = |asked: &super::liar::Asked<'_>| vec![Act::Send(answer(asked.query, FORGED))];
    let (config, authority) = identity((2019, 2020));
    let expired = secured(Liar::secured(config, honest), &authority, "dns.test");
    let (config, authority) = identity(NOW);
    let misnamed = secured(Liar::secured(config, honest), &authority, "else.test");
    let (config, _) = identity(NOW);
    let (_, authority) = identity(NOW);
    let stranger = secured(Liar::secured(config, honest), &authority, "dns.test");
    // One that speaks no TLS at all, and one that says nothing.
    let plain = secured(Liar::start(honest), &authority, "dns.test");
    for stage in [expired, misnamed, stranger] {
        stage.hold("a.test A", want("SERVFAIL", 0..1500, "opened tcp-tls 2"), None);
        assert_eq!(stage.liar.count(), 0, "no query goes to whom cannot be trusted");
    }
    // The handshake is read as a query of the length 0x1603; CoreDNS waits for 30 seconds.
    if !is_coredns() {
        let stage = plain;
        stage.hold("a.test A", want("SERVFAIL", 4000..7000, "opened tcp-tls 2"), None);
        assert_eq!(http::get(stage.life.side, "/metrics").unwrap().0, 200);
    }
}
