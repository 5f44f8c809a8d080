//! An upstream that does what a script says, over UDP and over TCP or TLS, on one port of 127.0.0.1.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;
use test_support::ports;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::wire;

/// A query as the script sees it.
pub(crate) struct Asked<'a> {
    /// How many queries there have been, with this one.
    pub(crate) number: usize,
    /// Whether it came over UDP.
    pub(crate) is_udp: bool,
    /// Its octets.
    pub(crate) query: &'a [u8],
}

/// One thing to do about a query.
pub(crate) enum Act {
    /// Send a message.
    Send(Vec<u8>),
    /// Send octets over a stream as they are.
    Raw(Vec<u8>),
    /// Send a datagram from another port of this address.
    From(IpAddr, Vec<u8>),
    /// Wait.
    Pause(Duration),
    /// Close the connection.
    Close,
    /// Reset the connection.
    Reset,
}

/// What a query came from, and its id.
pub(crate) type Source = (u16, u16);

/// What to do about each query.
type Script = dyn Fn(&Asked<'_>) -> Vec<Act> + Send + Sync;

/// What the threads share.
struct Shared {
    script: Box<Script>,
    is_honest: AtomicBool,
    is_stopping: AtomicBool,
    count: AtomicUsize,
    seen: Mutex<Vec<(String, u16)>>,
    sources: Mutex<Vec<Source>>,
    tls: Option<Arc<ServerConfig>>,
}

/// A running upstream; it takes no more queries when dropped.
pub(crate) struct Liar {
    shared: Arc<Shared>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl Liar {
    /// An upstream over UDP and TCP.
    pub(crate) fn start(script: impl Fn(&Asked<'_>) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::with(None, script)
    }

    /// An upstream over TLS.
    pub(crate) fn secured(
        tls: Arc<ServerConfig>,
        script: impl Fn(&Asked<'_>) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(tls), script)
    }

    /// An upstream over UDP, and TCP or TLS.
    fn with(tls: Option<Arc<ServerConfig>>, script: impl Fn(&Asked<'_>) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = ports::bind_pair().unwrap();
        let address = udp.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            is_honest: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            count: AtomicUsize::new(0),
            seen: Mutex::default(),
            sources: Mutex::default(),
            tls,
        });
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || first.serve_datagrams(&Arc::new(udp))),
            thread::spawn(move || second.serve_connections(&tcp)),
        ];
        Self { shared, address, threads }
    }

    /// From now on every query gets the right answer.
    pub(crate) fn become_honest(&self) {
        self.shared.is_honest.store(true, Ordering::SeqCst);
    }

    /// How many queries there have been.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// How many queries for a name there have been.
    pub(crate) fn count_of(&self, name: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|(seen, _)| seen.trim_end_matches('.') == name).count()
    }

    /// Where datagrams came from, and their ids.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.shared.sources.lock().unwrap().clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        let woken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(&[], self.address));
        let connected = TcpStream::connect(self.address);
        if woken.is_ok() && connected.is_ok() {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
    }
}

impl Shared {
    /// What to do about a query.
    fn acts(&self, query: &[u8], is_udp: bool) -> Vec<Act> {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.lock().unwrap().push(wire::asked(query));
        if self.is_honest.load(Ordering::SeqCst) {
            return vec![Act::Send(wire::answer(query, wire::RIGHT))];
        }
        (self.script)(&Asked { number, is_udp, query })
    }

    /// Answers datagrams until stopped.
    fn serve_datagrams(&self, socket: &Arc<UdpSocket>) {
        let mut buffer = vec![0; 65535];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if self.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            self.sources.lock().unwrap().push((peer.port(), u16::from_be_bytes([buffer[0], buffer[1]])));
            let (acts, socket) = (self.acts(&buffer[..length], true), Arc::clone(socket));
            if acts.iter().any(|act| matches!(act, Act::Pause(_))) {
                thread::spawn(move || send_all(&socket, peer, acts));
            } else {
                send_all(&socket, peer, acts);
            }
        }
    }

    /// Takes connections until stopped.
    fn serve_connections(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            let shared = Arc::clone(self);
            // The conversation ends with an error when either side ends the connection.
            thread::spawn(move || match shared.tls.clone() {
                None => shared.converse(&stream, &mut &stream),
                Some(tls) => {
                    let raw = stream.try_clone()?;
                    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
                    shared.converse(&raw, &mut StreamOwned::new(connection, stream))
                }
            });
        }
    }

    /// Answers the queries of one connection.
    fn converse(&self, raw: &TcpStream, stream: &mut (impl Read + Write)) -> io::Result<()> {
        raw.set_nodelay(true)?;
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query)?;
            for act in self.acts(&query, false) {
                match act {
                    Act::Send(message) => stream.write_all(&wire::framed(&message))?,
                    Act::Raw(octets) => stream.write_all(&octets)?,
                    Act::Pause(time) => thread::sleep(time),
                    Act::Close => return Ok(()),
                    Act::Reset => return SockRef::from(raw).set_linger(Some(Duration::ZERO)),
                    Act::From(..) => {}
                }
                stream.flush()?;
            }
        }
    }
}

/// Does what a script says about a datagram. A client that has gone does not matter.
fn send_all(socket: &UdpSocket, peer: SocketAddr, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Send(message) => drop(socket.send_to(&message, peer)),
            Act::From(address, message) => {
                drop(UdpSocket::bind((address, 0)).and_then(|other| other.send_to(&message, peer)));
            }
            Act::Pause(time) => thread::sleep(time),
            Act::Raw(_) | Act::Close | Act::Reset => {}
        }
    }
}
