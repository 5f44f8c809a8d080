//! Tests of UDP over loopback.

use super::{BoundUdp, Desk, UdpListener, Worker, answer, socket};
use crate::instance::{Instance, Settings};
use crate::load::Origin;
use crate::server::testing::{query, server};
use crate::transport::Handoff;
use arc_swap::ArcSwap;
use plugin_api::{Message, Rcode, Section, Type};
use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// A listener that asks the oracle, with room for `pending` queries that wait.
fn listen(runtime: &Runtime, address: &str, pending: usize) -> (UdpListener, Arc<Notify>) {
    let (server, gate) = server();
    let current = Arc::new(ArcSwap::from(server));
    let bound = BoundUdp::bind(address.parse().unwrap()).unwrap();
    (bound.serve(current, Handoff::with_room(runtime.handle().clone(), pending)).unwrap(), gate)
}

/// A client socket.
fn client(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(to).unwrap();
    socket
}

/// The next reply.
fn receive(socket: &UdpSocket) -> Message {
    let mut octets = [0; 65_535];
    let length = socket.recv(&mut octets).unwrap();
    Message::read(&octets[..length]).unwrap()
}

/// Asks and waits for the reply.
fn ask(socket: &UdpSocket, name: &str) -> Message {
    socket.send(&query(9, name, Type::A, None)).unwrap();
    receive(socket)
}

#[test]
fn a_port_that_the_system_chooses_is_nobodys_else() {
    socket::raise_file_limit();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    // So many that two of them would have the same port nearly for certain.
    let sockets: Vec<_> = (0..1000).map(|_| BoundUdp::bind(address).unwrap()).collect();
    let ports: HashSet<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    assert_eq!(ports.len(), sockets.len());
    // It can be shared all the same.
    BoundUdp::bind(sockets[0].local_addr().unwrap()).unwrap();
}

#[test]
fn answers_come_at_once_or_later() {
    let runtime = Runtime::new().unwrap();
    let (listener, gate) = listen(&runtime, "127.0.0.1:0", 8);
    let socket = client(listener.local_addr());
    assert_eq!(ask(&socket, "a.test").count(Section::Answer), 1);
    assert_eq!(ask(&socket, "yield.test").count(Section::Answer), 2);
    socket.send(&query(10, "wait.test", Type::A, None)).unwrap();
    // The one that waits holds nobody up.
    assert_eq!(ask(&socket, "A.tEsT").question().unwrap().0.to_string(), "A.tEsT.");
    gate.notify_one();
    assert_eq!(receive(&socket).id(), 10);
}

#[test]
fn what_has_arrived_is_answered_before_the_end() {
    let runtime = Runtime::new().unwrap();
    let (server, _gate) = server();
    let bound = BoundUdp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let socket = client(bound.local_addr().unwrap());
    // Nobody reads yet, so these wait in the socket: several batches.
    let ids = 0..120;
    for id in ids.clone() {
        socket.send(&query(id, "a.test", Type::A, None)).unwrap();
    }
    let current = Arc::new(ArcSwap::from(server));
    let mut listener = bound.serve(current, Handoff::with_room(runtime.handle().clone(), 8)).unwrap();
    listener.stop();
    let answered: Vec<u16> = ids.clone().map(|_| receive(&socket).id()).collect();
    assert_eq!(answered, ids.collect::<Vec<_>>());
}

#[test]
fn an_answer_does_not_wait_behind_refusals_for_want_of_room() {
    let runtime = Runtime::new().unwrap();
    for (name, rcode) in [("busy.test", Rcode::REFUSED), ("wait.test", Rcode::SERVFAIL)] {
        let (server, _gate) = server();
        let bound = BoundUdp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = client(bound.local_addr().unwrap());
        // Nobody reads yet: some batches that are full of refusals, and another that is not.
        let ids = 0..120;
        for id in ids.clone() {
            socket.send(&query(id, name, Type::A, None)).unwrap();
            if id == 99 {
                socket.send(&query(1000, "a.test", Type::A, None)).unwrap();
            }
        }
        let current = Arc::new(ArcSwap::from(server));
        let mut listener = bound.serve(current, Handoff::with_room(runtime.handle().clone(), 0)).unwrap();
        // The end comes while most refusals are held back: they leave all the same.
        listener.stop();
        assert_eq!(receive(&socket).id(), 1000, "{name}");
        for id in ids {
            let refused = receive(&socket);
            assert_eq!((refused.id(), refused.rcode()), (id, rcode), "{name}");
            assert_eq!(refused.question().unwrap().0.to_string(), format!("{name}."));
        }
    }
}

#[test]
fn every_end_of_a_chain_has_its_reply() {
    let runtime = Runtime::new().unwrap();
    let (listener, _gate) = listen(&runtime, "127.0.0.1:0", 8);
    let socket = client(listener.local_addr());
    for (name, rcode) in [
        ("error.test", Rcode::SERVFAIL),
        ("refused.test", Rcode::REFUSED),
        ("panic.test", Rcode::SERVFAIL),
        ("nowhere", Rcode::REFUSED),
        ("again.test", Rcode::NOERROR),
        ("loop.test", Rcode::SERVFAIL),
        ("many.test", Rcode::NOERROR),
        ("stream.test", Rcode::NOERROR),
    ] {
        socket.send(&query(1, "drop.test", Type::A, None)).unwrap();
        let reply = ask(&socket, name);
        assert_eq!((reply.rcode(), reply.id()), (rcode, 9), "{name}");
    }
}

#[test]
fn without_room_a_query_that_would_wait_is_refused_at_once() {
    let runtime = Runtime::new().unwrap();
    let (listener, gate) = listen(&runtime, "127.0.0.1:0", 1);
    let socket = client(listener.local_addr());
    socket.send(&query(1, "wait.test", Type::A, None)).unwrap();
    let refused = ask(&socket, "wait.test");
    assert_eq!((refused.rcode(), refused.id()), (Rcode::SERVFAIL, 9));
    assert_eq!(refused.question().unwrap().0.to_string(), "wait.test.");
    assert_eq!(ask(&socket, "a.test").rcode(), Rcode::NOERROR);
    gate.notify_one();
    assert_eq!(receive(&socket).id(), 1);
}

#[test]
fn the_reply_leaves_from_the_address_that_was_asked() {
    let runtime = Runtime::new().unwrap();
    for wildcard in ["0.0.0.0:0", "[::]:0"] {
        let (listener, gate) = listen(&runtime, wildcard, 8);
        // A connected socket takes replies from that address only.
        for asked in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
            let socket = client(SocketAddr::new(asked.parse().unwrap(), listener.local_addr().port()));
            assert_eq!(ask(&socket, "a.test").count(Section::Answer), 1, "{wildcard} {asked}");
            assert_eq!(ask(&socket, "yield.test").count(Section::Answer), 2, "{wildcard} {asked}");
        }
        drop(gate);
    }
    let (listener, _gate) = listen(&runtime, "[::]:0", 8);
    let socket = client(SocketAddr::new("::1".parse().unwrap(), listener.local_addr().port()));
    assert_eq!(ask(&socket, "a.test").count(Section::Answer), 1);
}

#[test]
fn garbage_and_bursts_are_survived() {
    let runtime = Runtime::new().unwrap();
    let (listener, _gate) = listen(&runtime, "127.0.0.1:0", 8);
    let socket = client(listener.local_addr());
    let mut state = 88_172_645_463_325_252_u64;
    for round in 0..200_u64 {
        let octets: Vec<u8> = (0..round * 3)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // The QR bit set: nothing is to come back.
                u8::try_from(state & 0xff).unwrap() | 0x80
            })
            .collect();
        socket.send(&octets).unwrap();
        if round % 10 == 0 {
            // Lest the socket's buffer runs over.
            assert_eq!(ask(&socket, "a.test").id(), 9);
        }
    }
    for id in 0..100 {
        socket.send(&query(id, "a.test", Type::A, None)).unwrap();
    }
    let ids: Vec<u16> = (0..100).map(|_| receive(&socket).id()).collect();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_query_of_more_than_512_octets_is_cut() {
    let runtime = Runtime::new().unwrap();
    let (listener, _gate) = listen(&runtime, "127.0.0.1:0", 8);
    let socket = client(listener.local_addr());
    let padding = [&[0, 12, 2, 0][..], &[0; 512]].concat();
    socket.send(&query(3, "a.test", Type::A, Some((1232, &padding)))).unwrap();
    let reply = receive(&socket);
    assert_eq!((reply.rcode(), reply.question_count()), (Rcode::FORMERR, 1));
}

#[test]
fn stopping_answers_what_has_come_and_ends_the_thread() {
    let runtime = Runtime::new().unwrap();
    let (mut listener, gate) = listen(&runtime, "127.0.0.1:0", 8);
    let socket = client(listener.local_addr());
    socket.send(&query(1, "wait.test", Type::A, None)).unwrap();
    assert_eq!(ask(&socket, "a.test").rcode(), Rcode::NOERROR);
    listener.stop();
    gate.notify_one();
    assert_eq!(receive(&socket).id(), 1);
}

#[test]
fn a_ready_answer_allocates_nothing() {
    let runtime = Runtime::new().unwrap();
    let (server, _gate) = server();
    let socket = Arc::new(socket::udp("[::]:0".parse().unwrap()).unwrap());
    let local = socket.local_addr().unwrap();
    let worker = Worker {
        socket,
        stop: Arc::new(AtomicBool::new(false)),
        current: Arc::new(ArcSwap::from(server)),
        handoff: Handoff::new(runtime.handle().clone()),
        local,
    };
    let client = client(SocketAddr::new("127.0.0.1".parse().unwrap(), local.port()));
    let options = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    let queries = [
        query(1, "a.test", Type::A, None),
        query(2, "B.Test", Type::AAAA, Some((1232, &options))),
        query(3, "error.nowhere", Type::A, Some((512, &[]))),
        query(4, "refused.test", Type::A, None),
        vec![0; 12],
    ];
    let mut desk = Desk::new(&worker.handoff);
    let mut octets = [0; 512];
    let mut round = || {
        for query in &queries {
            client.send(query).unwrap();
        }
        worker.turn(&mut desk, &answer);
        for _ in 0..queries.len() {
            assert!(client.recv(&mut octets).unwrap() >= 12);
        }
    };
    // The first batch fills the buffers that are used from then on.
    round();
    let counted = allocation_counter::measure(|| (0..100).for_each(|_| round()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// What a query takes that waits for an upstream behind kubeadm's plugins, on 64-bit machines; a flood lets 1,000 of them wait.
const WAITING_OCTETS: i64 = 1_650;

/// Octets that a socket to an upstream takes besides, at most; there are 512 for each upstream.
const SOCKET_OCTETS: i64 = 1_400;

#[test]
fn a_query_that_waits_takes_little() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("Corefile");
    let upstream = deaf.local_addr().unwrap();
    let block = format!("errors\n prometheus 127.0.0.1:0\n forward . {upstream}\n cache 30\n loop\n loadbalance");
    std::fs::write(&conf, format!(".:0 {{\n bind 127.0.0.1\n {block}\n}}\n")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handoff = Handoff::new(runtime.handle().clone());
    let settings = Settings {
        origin: Origin { conf: conf.display().to_string(), port: "0".to_owned() },
        manifests: Vec::new(),
        plugins: plugins::PLUGINS,
        threads: 1,
    };
    let instance = Instance::new(settings, handoff.clone());
    runtime.block_on(instance.start()).unwrap();
    let server = Arc::clone(runtime.block_on(instance.servers()).first().unwrap());
    let socket = Arc::new(socket::udp("127.0.0.1:0".parse().unwrap()).unwrap());
    let local = socket.local_addr().unwrap();
    let worker = Worker {
        socket,
        stop: Arc::new(AtomicBool::new(false)),
        current: Arc::new(ArcSwap::from(server)),
        handoff: handoff.clone(),
        local,
    };
    let client = client(local);
    let mut desk = Desk::new(&handoff);
    deaf.set_nonblocking(true).unwrap();
    // The runtime has only this thread, so all is allocated and kept by it.
    let mut ask = |names: std::ops::Range<u16>| {
        for number in names {
            client.send(&query(number, &format!("{number:016}.example.org"), Type::A, None)).unwrap();
            let entered = runtime.enter();
            worker.turn(&mut desk, &answer);
            drop(entered);
            let sent = async {
                while deaf.recv(&mut [0; 512]).is_err() {
                    tokio::task::yield_now().await;
                }
            };
            runtime.block_on(sent);
        }
    };
    // The first 512 get a socket each, which is the bound of an upstream; those after them share these.
    ask(0..64);
    let counted = allocation_counter::measure(|| ask(64..512));
    let each = counted.bytes_current / 448;
    assert!(each <= WAITING_OCTETS + SOCKET_OCTETS, "{each} octets with a socket, {counted:?}");
    let counted = allocation_counter::measure(|| ask(512..1024));
    assert_eq!(crate::transport::waiting(&handoff.permits), 1024);
    let each = counted.bytes_current / 512;
    assert!(each <= WAITING_OCTETS, "{each} octets, {counted:?}");
}
