//! Tests of TCP over loopback.

use super::{BoundTcp, TcpListener};
use crate::server::route::Router;
use crate::server::testing::{Oracle, block, parts, query, server};
use crate::server::{Limits, Server};
use crate::transport::Handoff;
use crate::transport::clients::Clients;
use arc_swap::ArcSwap;
use plugin_api::{Message, Rcode, Section, Type, Zone};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// A listener for a server.
fn listen(runtime: &Runtime, server: Arc<Server>) -> TcpListener {
    listen_for(runtime, server, Clients::new())
}

/// The same with bounds on connections and unfinished messages.
fn listen_for(runtime: &Runtime, server: Arc<Server>, clients: Clients) -> TcpListener {
    let bound = BoundTcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let handoff = Handoff { clients, ..Handoff::new(runtime.handle().clone()) };
    bound.serve(Arc::new(ArcSwap::from(server)), &handoff).unwrap()
}

/// A server with other limits.
fn limited(limits: Limits) -> Arc<Server> {
    let mut router = Router::default();
    router.add(&Zone::root(), block(vec![Arc::new(Oracle { gate: Arc::new(Notify::new()) })]));
    let mut parts = parts(router);
    parts.limits = limits;
    Server::new(parts)
}

/// A connection.
fn connect(listener: &TcpListener) -> TcpStream {
    let stream = TcpStream::connect(listener.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// A query with its length.
fn framed(id: u16, name: &str) -> Vec<u8> {
    let message = query(id, name, Type::A, None);
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

/// The next reply.
fn receive(stream: &mut TcpStream) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).unwrap();
    Message::read(&octets).unwrap()
}

/// Waits for the end of the connection; true if it is closed, false if data came.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn pipelined_queries_are_answered_in_their_order() {
    let runtime = Runtime::new().unwrap();
    let (server, _gate) = server();
    let listener = listen(&runtime, server);
    let mut stream = connect(&listener);
    let names = ["a.test", "yield.test", "drop.test", "many.test", "error.test", "panic.test", "nowhere", "again.test"];
    let queries: Vec<u8> = names.iter().zip(0..).flat_map(|(name, id)| framed(id, name)).collect();
    stream.write_all(&queries).unwrap();
    let replies: Vec<Message> = (0..7).map(|_| receive(&mut stream)).collect();
    assert_eq!(replies.iter().map(Message::id).collect::<Vec<_>>(), [0, 1, 3, 4, 5, 6, 7]);
    assert_eq!(replies[2].count(Section::Answer), 200);
    assert_eq!(replies[2].octets().len(), 12 + 15 + 200 * 25);
    assert_eq!(replies[4].rcode(), Rcode::SERVFAIL);
}

#[test]
fn a_transfer_sends_all_its_messages() {
    let runtime = Runtime::new().unwrap();
    let (server, _gate) = server();
    let listener = listen(&runtime, server);
    let mut stream = connect(&listener);
    stream.write_all(&[framed(1, "stream.test"), framed(2, "a.test")].concat()).unwrap();
    let ids: Vec<u16> = (0..4).map(|_| receive(&mut stream).id()).collect();
    assert_eq!(ids, [1, 1, 1, 2]);
}

#[test]
fn halves_and_garbage_are_survived() {
    let runtime = Runtime::new().unwrap();
    let (server, _gate) = server();
    let listener = listen(&runtime, server);
    let mut stream = connect(&listener);
    for octet in framed(1, "a.test") {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(receive(&mut stream).id(), 1);
    // Empty, short, a response, a whole 65,535 octets of nothing; then a query.
    stream.write_all(&[0, 0, 0, 1, 7]).unwrap();
    stream.write_all(&[&[0, 12, 0, 0, 0x80][..], &[0; 9]].concat()).unwrap();
    stream.write_all(&[&[0xff; 2][..], &vec![0xff; 65_535]].concat()).unwrap();
    stream.write_all(&framed(2, "a.test")).unwrap();
    assert_eq!(receive(&mut stream).id(), 2);
    let mut other = connect(&listener);
    other.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
    drop(other);
    stream.write_all(&framed(3, "a.test")).unwrap();
    assert_eq!(receive(&mut stream).id(), 3);
}

#[test]
fn silence_ends_a_connection() {
    let runtime = Runtime::new().unwrap();
    let short = Duration::from_millis(50);
    let listener = listen(&runtime, limited(Limits { read: short, idle: short, ..Limits::default() }));
    assert!(is_closed(&mut connect(&listener)));
    let mut half = connect(&listener);
    half.write_all(&[0, 20, 1]).unwrap();
    assert!(is_closed(&mut half));
    let mut idle = connect(&listener);
    idle.write_all(&framed(1, "a.test")).unwrap();
    assert_eq!(receive(&mut idle).id(), 1);
    assert!(is_closed(&mut idle));
}

#[test]
fn a_connection_may_be_limited_in_queries() {
    let runtime = Runtime::new().unwrap();
    let listener = listen(&runtime, limited(Limits { queries: Some(2), ..Limits::default() }));
    let mut stream = connect(&listener);
    stream.write_all(&[framed(1, "a.test"), framed(2, "a.test")].concat()).unwrap();
    assert_eq!(receive(&mut stream).id(), 1);
    assert_eq!(receive(&mut stream).id(), 2);
    assert!(is_closed(&mut stream));
}

#[test]
fn stopping_closes_idle_connections_and_finishes_the_others() {
    let runtime = Runtime::new().unwrap();
    let (server, gate) = server();
    let mut listener = listen(&runtime, server);
    let mut idle = connect(&listener);
    idle.write_all(&framed(1, "a.test")).unwrap();
    assert_eq!(receive(&mut idle).id(), 1);
    let mut busy = connect(&listener);
    busy.write_all(&[framed(2, "a.test"), framed(3, "wait.test")].concat()).unwrap();
    assert_eq!(receive(&mut busy).id(), 2);
    let stop = async {
        tokio::join!(listener.stop(Duration::from_secs(5)), async {
            tokio::task::spawn_blocking(move || assert!(is_closed(&mut idle))).await.unwrap();
            gate.notify_one();
        })
    };
    runtime.block_on(stop);
    assert_eq!(receive(&mut busy).id(), 3);
    assert!(is_closed(&mut busy));
}

#[test]
fn an_idle_connection_is_small() {
    let runtime = Runtime::new().unwrap();
    let (server, _gate) = server();
    let listener = listen(&runtime, Arc::clone(&server));
    let stream = connect(&listener);
    let peer = stream.peer_addr().unwrap();
    stream.set_nonblocking(true).unwrap();
    let _entered = runtime.enter();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let slot = runtime.block_on(Clients::new().slot());
    let connection = super::Connection::new(stream, peer, slot, Arc::new(ArcSwap::from(server))).unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(super::Stop::No);
    // The task, its place among the others and the system's registration come on top: below 2 KiB together.
    let octets = size_of_val(&connection.serve(stopped));
    assert!(octets <= 768, "{octets}");
}

/// Begins a message of 65,535 octets, which nobody answers: 60,000 of them.
fn half(listener: &TcpListener) -> TcpStream {
    let mut stream = connect(listener);
    stream.write_all(&[&[0xff; 2][..], &vec![0xff; 60_000]].concat()).unwrap();
    stream
}

/// Asks on a connection and checks the reply.
fn ask(stream: &mut TcpStream, id: u16) {
    stream.write_all(&framed(id, "a.test")).unwrap();
    assert_eq!(receive(stream).id(), id);
}

/// A server whose clients may be silent for as long as a test takes.
fn patient() -> Arc<Server> {
    let long = Duration::from_secs(600);
    limited(Limits { read: long, idle: long, ..Limits::default() })
}

#[test]
fn unfinished_messages_have_a_budget_for_all() {
    let runtime = Runtime::new().unwrap();
    let clients = Clients::with_room(100, 150_000);
    let listener = listen_for(&runtime, patient(), clients.clone());
    let mut halves: Vec<TcpStream> = Vec::new();
    for number in 0..10 {
        let mut honest = connect(&listener);
        halves.push(half(&listener));
        // Until all of it has come, or older ones have gone for it.
        if number >= 2 {
            assert!(is_closed(&mut halves[number - 2]), "the oldest goes");
        }
        ask(&mut honest, 7);
        assert!(clients.unfinished().1 <= 150_000);
    }
    // The last ones are as good as ever.
    for stream in &mut halves[8..] {
        stream.write_all(&vec![0xff; 5535]).unwrap();
        ask(stream, 8);
    }
    assert_eq!(clients.unfinished().1, 0, "nothing is held for a message that has come");
}

#[test]
fn the_connection_that_is_idle_longest_gives_way() {
    let runtime = Runtime::new().unwrap();
    let listener = listen_for(&runtime, patient(), Clients::with_room(3, 1000));
    let mut streams: Vec<TcpStream> = (0..3).map(|_| connect(&listener)).collect();
    for (stream, id) in streams.iter_mut().zip(1..) {
        ask(stream, id);
    }
    ask(&mut streams[0], 4);
    let mut next = connect(&listener);
    ask(&mut next, 5);
    assert!(is_closed(&mut streams[1]), "it has been silent the longest");
    ask(&mut streams[0], 6);
    ask(&mut streams[2], 7);
}

#[test]
fn a_connection_that_works_is_waited_for() {
    let runtime = Runtime::new().unwrap();
    let (server, gate) = server();
    let listener = listen_for(&runtime, server, Clients::with_room(1, 1000));
    let mut busy = connect(&listener);
    busy.write_all(&[framed(1, "a.test"), framed(2, "wait.test")].concat()).unwrap();
    assert_eq!(receive(&mut busy).id(), 1);
    let mut next = connect(&listener);
    next.write_all(&framed(3, "a.test")).unwrap();
    gate.notify_one();
    assert_eq!(receive(&mut busy).id(), 2);
    assert_eq!(receive(&mut next).id(), 3);
    assert!(is_closed(&mut busy), "it made room once it had its answer");
}
