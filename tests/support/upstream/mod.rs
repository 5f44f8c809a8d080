//! A fixed upstream resolver for tests: UDP and TCP on one port, one small table, and names that misbehave on order.
//!
//! A reply has the id, opcode, question, RD and CD of the query, and RA; EDNS with the size 8192 if the query has EDNS.
//! A reply over UDP that is longer than the client takes is emptied and gets TC. A query that cannot be read gets none.
//!
//! By the first label of the name, in lower case:
//!
//! * `echo`: type TXT tells what arrived, in seven strings: `udp` or `tcp`, `from=`, `flags=`, `edns=`, `name=`,
//!   `type=`, `class=`; TTL 0.
//! * `slow`: one second late, then like `api`; `drop`, `timeout`: nothing; `broken`, `refused`, `notimp`, `formerr`:
//!   that response code.
//! * `x-WORD-WORD...`: the plain answer is `203.0.113.n`, `2001:db8:113::n`, `upstream ID query n` or MX `n mail`,
//!   n being the number of this query for this name and type. Words change it; those with a star count only where
//!   `okN` (after N queries), `badN` (for N queries) and `onI` (upstream I) say so:
//!
//! | word | |
//! |---|---|
//! | `ttlN` `soaN` `targetN` `authN` `addN` | TTLs of the answer, the SOA, a CNAME's target, the extra records |
//! | `msN`* | N milliseconds late |
//! | `drop`* `dropudp`* `close`* | no reply; none over UDP; TCP connection closed |
//! | `servfail`* `refused`* `notimp`* `formerr`* `rcodeN`* | empty with that code |
//! | `nx`* `nodata`* `nosoa`* `referral`* | with SOA; without; name servers |
//! | `cname`* `cnameonly`* `cnamenx`* `cnameloop`*, `soa`* | to `target` |
//! | `manyN`* `txtN`* `extra`* | N addresses; N texts; NS and glue |
//! | `aa`* `ad`* `z`* `nora`* `upper`* `opt`* `noopt`* `ede`* `cookie`* `ecs`* `local`* | header, letters, EDNS |
//! | `wrongname`* `wrongtype`* `noq`* `noqr`* `wrongid`* `spoof`* | not the question's reply |
//! | `tc`* `tcpartial`* `overflow`* `junk`* `tiny`* `cut`* `trail`* | too long, or spoilt |
//!
//! Everything else is looked up in the table of `table.rs`.

mod behave;
mod compose;
mod table;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::answer::flags_text;
use crate::client::{framed, receive};
use crate::message::{Message, Question};
use crate::mnemonic::type_name;
use crate::name::Name;
use crate::ports;
use crate::rdata::hex;
use compose::{Draft, Rr, empty_opt};

/// The payload size that replies advertise.
const PAYLOAD: u16 = 8192;

/// A running upstream; it stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    /// What all its threads share.
    shared: Arc<Shared>,
    /// Where it listens, UDP and TCP.
    address: SocketAddr,
    /// The two listening threads.
    threads: Vec<JoinHandle<()>>,
}

/// What the threads of an upstream share.
#[derive(Debug)]
struct Shared {
    /// Its number: 1, 2 or 3.
    id: u32,
    /// Whether it has to stop.
    is_stopping: AtomicBool,
    /// How often each name and type was asked for.
    counts: Mutex<HashMap<(String, u16), u32>>,
    /// Connections to shut down at the end; tests open a few hundred at most.
    streams: Mutex<Vec<TcpStream>>,
}

/// A query as the upstream sees it.
struct Asked<'a> {
    /// The name as spelled.
    spelled: Name,
    /// The name in lower case, presentation form.
    name: String,
    /// The type.
    qtype: u16,
    /// Whether it came over UDP.
    is_udp: bool,
    /// Where it came from.
    peer: IpAddr,
    /// The whole query.
    message: &'a Message<'a>,
}

/// What to do about a query.
#[derive(Default)]
struct Outcome {
    /// How long to wait first.
    delay: Duration,
    /// The replies.
    wires: Vec<Vec<u8>>,
    /// Whether the connection is closed.
    closes: bool,
}

impl Upstream {
    /// Starts the upstream with a number, on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// No port is free, or no thread can be started.
    pub fn start(id: u32) -> io::Result<Self> {
        let (udp, tcp) = ports::bind_pair()?;
        Self::serve(id, udp, tcp)
    }

    /// Starts the upstream with a number at an address.
    ///
    /// # Errors
    ///
    /// The address is not to be had, or no thread can be started.
    pub fn start_at(id: u32, address: SocketAddr) -> io::Result<Self> {
        Self::serve(id, UdpSocket::bind(address)?, TcpListener::bind(address)?)
    }

    /// Serves both sockets.
    fn serve(id: u32, udp: UdpSocket, tcp: TcpListener) -> io::Result<Self> {
        let address = udp.local_addr()?;
        let shared = Arc::new(Shared {
            id,
            is_stopping: AtomicBool::new(false),
            counts: Mutex::default(),
            streams: Mutex::default(),
        });
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let builder = || thread::Builder::new().name(format!("upstream {id}"));
        let threads = vec![
            builder().spawn(move || first.serve_datagrams(&Arc::new(udp)))?,
            builder().spawn(move || second.serve_connections(&tcp))?,
        ];
        Ok(Self { shared, address, threads })
    }

    /// Where it listens, UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    /// Wakes the listening threads, closes the connections, and waits for the threads.
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        let woken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(&[], self.address));
        let connected = TcpStream::connect(self.address);
        for stream in self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        if woken.is_ok() && connected.is_ok() {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
    }
}

impl Shared {
    /// Answers datagrams until stopped.
    fn serve_datagrams(&self, socket: &Arc<UdpSocket>) {
        let mut buffer = vec![0; 65535];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if self.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            let outcome = self.respond(buffer.get(..length).unwrap_or_default(), peer.ip(), true);
            let socket = Arc::clone(socket);
            let delay = outcome.delay;
            // A client that has gone does not matter.
            let send = move || outcome.wires.iter().for_each(|wire| drop(socket.send_to(wire, peer)));
            if delay.is_zero() {
                send();
            } else {
                thread::spawn(move || {
                    thread::sleep(delay);
                    send();
                });
            }
        }
    }

    /// Takes connections until stopped.
    fn serve_connections(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, peer)) = listener.accept() {
            if self.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            let kept = stream.try_clone();
            self.streams.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
            let shared = Arc::clone(self);
            // The connection ends with an error when either side closes it.
            thread::spawn(move || drop(shared.converse(stream, peer)));
        }
    }

    /// Answers the queries of one connection, one after the other.
    fn converse(&self, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let outcome = self.respond(&receive(&mut stream)?, peer.ip(), false);
            thread::sleep(outcome.delay);
            if outcome.closes {
                return stream.shutdown(Shutdown::Both);
            }
            for wire in &outcome.wires {
                stream.write_all(&framed(wire))?;
            }
        }
    }

    /// Decides what to do about a query.
    fn respond(&self, wire: &[u8], peer: IpAddr, is_udp: bool) -> Outcome {
        let Ok(message) = Message::parse(wire) else { return Outcome::default() };
        let Some(question) = message.questions.first().filter(|_| message.flags & 0x8000 == 0) else {
            return Outcome::default();
        };
        let name = question.name.to_lower().to_string();
        let asked =
            Asked { spelled: question.name.clone(), name, qtype: question.qtype, is_udp, peer, message: &message };
        self.answer(&asked, asked.draft(question))
    }

    /// Fills in the reply to a query.
    fn answer(&self, asked: &Asked<'_>, mut draft: Draft) -> Outcome {
        let (label, rest) = asked.name.split_once('.').unwrap_or((&asked.name, ""));
        let mut delay = Duration::ZERO;
        match label {
            "echo" => asked.echo(&mut draft),
            "drop" | "timeout" => return Outcome::default(),
            "broken" => draft.set_rcode(2),
            "refused" => draft.set_rcode(5),
            "notimp" => draft.set_rcode(4),
            "formerr" => draft.set_rcode(1),
            "slow" => {
                delay = Duration::from_secs(1);
                table::answer(&mut draft, &format!("api.{rest}"), &asked.spelled, asked.qtype);
                asked.fit(&mut draft);
            }
            _ => match label.strip_prefix("x-") {
                Some(words) => return behave::behave(asked, draft, (self.count(asked), self.id), words),
                None => {
                    table::answer(&mut draft, &asked.name, &asked.spelled, asked.qtype);
                    asked.fit(&mut draft);
                }
            },
        }
        Outcome { delay, wires: vec![draft.to_wire()], closes: false }
    }

    /// Counts a query for its name and type, from 1.
    fn count(&self, asked: &Asked<'_>) -> u32 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((asked.name.clone(), asked.qtype)).or_default();
        *count += 1;
        *count
    }
}

impl Asked<'_> {
    /// The reply before anything is in it.
    fn draft(&self, question: &Question) -> Draft {
        // QR and RA; OPCODE, RD and CD as asked.
        let flags = 0x8080 | self.message.flags & 0x7910;
        let opt = self.message.opt.as_ref().map(|_| empty_opt(PAYLOAD));
        Draft { id: self.message.id, flags, question: Some(question.clone()), sections: Default::default(), opt }
    }

    /// Tells what arrived.
    fn echo(&self, draft: &mut Draft) {
        let edns = self.message.opt.as_ref().map_or_else(
            || "none".to_owned(),
            |opt| {
                let options: Vec<_> = opt.options.iter().map(|(code, data)| format!("{code}:{}", hex(data))).collect();
                let options = if options.is_empty() { "-".to_owned() } else { options.join(",") };
                format!("v{} size={} do={} opts={options}", opt.version, opt.payload, u8::from(opt.is_do()))
            },
        );
        let flags = match flags_text(self.message.flags & 0x7fff) {
            flags if flags.is_empty() => "-".to_owned(),
            flags => flags.replace(' ', ","),
        };
        let strings = [
            if self.is_udp { "udp" } else { "tcp" }.to_owned(),
            format!("from={}", self.peer),
            format!("flags={flags}"),
            format!("edns={edns}"),
            format!("name={}", self.spelled),
            format!("type={}", type_name(self.qtype)),
            format!("class={}", self.message.questions.first().map_or(0, |question| question.qclass)),
        ];
        if self.qtype == 16 {
            let owner = self.spelled.clone();
            draft.sections[0].push(Rr { owner, ttl: 0, rtype: 16, rdata: table::text(&strings) });
        }
    }

    /// Empties a reply that is too long for the client's datagrams.
    fn fit(&self, draft: &mut Draft) {
        let limit = self.message.opt.as_ref().map_or(512, |opt| opt.payload.max(512));
        if self.is_udp && draft.to_wire().len() > usize::from(limit) {
            draft.sections = Default::default();
            draft.flags |= 0x0200;
        }
    }
}

#[cfg(test)]
mod tests;
