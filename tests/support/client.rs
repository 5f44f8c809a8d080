//! A DNS client over UDP and TCP on plain blocking sockets.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::answer::Answer;
use crate::query::{Query, QueryError, Route};

/// The ids of queries that do not name theirs; any sequence will do on loopback.
static NEXT_ID: AtomicU16 = AtomicU16::new(0x2a01);

/// The shortest time that a socket can be told to wait.
const TICK: Duration = Duration::from_millis(1);

/// Asks one server, whose ports may be several.
///
/// ```no_run
/// use std::net::SocketAddr;
/// use test_support::Client;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::udp(SocketAddr::from(([127, 0, 0, 1], 5353)));
/// let answer = client.ask("www.example.com A do")?;
/// assert_eq!(answer.rcode.as_deref(), Some("NOERROR"));
/// assert_eq!(answer.answer, ["www.example.com. 30 IN A 192.0.2.1"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    /// Where queries go unless they say `to=`.
    address: IpAddr,
    /// The server's ports; `port=2` is the second.
    ports: Vec<u16>,
    /// Whether queries that do not say go over TCP.
    prefers_tcp: bool,
    /// The connections that stay open, by name.
    kept: HashMap<String, TcpStream>,
}

impl Client {
    /// A client of the server at `address`, over UDP unless the query says otherwise.
    #[must_use]
    pub fn udp(address: SocketAddr) -> Self {
        Self::new(address.ip(), vec![address.port()])
    }

    /// A client of the server at `address`, always over TCP.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        Self { prefers_tcp: true, ..Self::udp(address) }
    }

    /// A client of a server with several ports.
    #[must_use]
    pub fn new(address: IpAddr, ports: Vec<u16>) -> Self {
        Self { address, ports, prefers_tcp: false, kept: HashMap::new() }
    }

    /// Asks what a line says (see [`Query`]).
    ///
    /// # Errors
    ///
    /// The line cannot be read. What goes wrong on the network is part of the answer.
    pub fn ask(&mut self, line: &str) -> Result<Answer, QueryError> {
        Ok(self.send(&line.parse()?))
    }

    /// Asks a query and waits for its reply; a query of a pipe goes alone.
    pub fn send(&mut self, query: &Query) -> Answer {
        let mut answer = Answer::default();
        for _ in 0..query.repeat {
            answer = self.exchange(query).unwrap_or_else(|error| failure(&error));
        }
        answer
    }

    /// Writes several queries at once to one connection; answers in the order of the queries.
    #[must_use]
    pub fn send_together(&self, queries: &[&Query]) -> Vec<Answer> {
        let mut answers = vec![Answer::timed_out(); queries.len()];
        // What comes before an error counts; the rest has timed out.
        drop(self.pipe(queries, &mut answers));
        answers
    }

    /// Asks once.
    fn exchange(&mut self, query: &Query) -> io::Result<Answer> {
        let wire = query.to_wire(query.id.unwrap_or_else(|| NEXT_ID.fetch_add(1, Ordering::Relaxed)));
        match &query.route {
            Route::Udp if !self.prefers_tcp => self.datagram(query, &wire),
            Route::Kept(name) => {
                let kept = self.kept.remove(name);
                let mut stream = kept.map_or_else(|| self.connect(query), Ok)?;
                let answer = converse(&mut stream, query, &wire)?;
                self.kept.insert(name.clone(), stream);
                Ok(answer)
            }
            _ => converse(&mut self.connect(query)?, query, &wire),
        }
    }

    /// The address that a query goes to.
    fn target(&self, query: &Query) -> io::Result<SocketAddr> {
        let port = query.port.checked_sub(1).and_then(|at| self.ports.get(at));
        let port = port.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "no such port"))?;
        Ok(SocketAddr::new(query.to.unwrap_or(self.address), *port))
    }

    /// Asks over UDP.
    fn datagram(&self, query: &Query, wire: &[u8]) -> io::Result<Answer> {
        let target = self.target(query)?;
        let socket = UdpSocket::bind(source(query, target))?;
        let mut buffer = vec![0; 65535];
        socket.send_to(wire, target)?;
        let end = Instant::now() + query.wait;
        let mut replies = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(if query.is_all { Answer { replies, ..Answer::default() } } else { Answer::timed_out() });
            }
            socket.set_read_timeout(Some(left.max(TICK)))?;
            match socket.recv_from(&mut buffer) {
                Ok((length, _)) => {
                    let reply = buffer.get(..length).unwrap_or_default();
                    if !query.is_all {
                        return Ok(checked(reply, wire));
                    }
                    replies.push(Answer::from_wire(reply));
                }
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens a connection from where the query wants it.
    fn connect(&self, query: &Query) -> io::Result<TcpStream> {
        let target = self.target(query)?;
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if query.from.is_some() || query.source_port != 0 {
            socket.bind(&source(query, target).into())?;
        }
        socket.connect_timeout(&target.into(), query.wait.max(TICK))?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(query.wait.max(TICK)))?;
        Ok(stream)
    }

    /// Writes the queries with the ids 1, 2, ... and fills in the replies as they come.
    fn pipe(&self, queries: &[&Query], answers: &mut [Answer]) -> io::Result<()> {
        let Some(first) = queries.first() else { return Ok(()) };
        let mut stream = self.connect(first)?;
        let mut all = Vec::new();
        for (id, query) in (1..).zip(queries) {
            all.extend(framed(&query.to_wire(id)));
        }
        stream.write_all(&all)?;
        for position in 1..=queries.len() {
            let wire = receive(&mut stream)?;
            let id = wire.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
            if let Some(answer) = usize::from(id).checked_sub(1).and_then(|at| answers.get_mut(at)) {
                *answer = Answer { position: Some(position), ..Answer::from_wire(&wire) };
            }
        }
        Ok(())
    }
}

/// The address that a query comes from.
fn source(query: &Query, target: SocketAddr) -> SocketAddr {
    let any = if target.is_ipv6() { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    SocketAddr::new(query.from.unwrap_or(any), query.source_port)
}

/// A message with its length before it (RFC 1035 §4.2.2).
pub(crate) fn framed(wire: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(wire.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    framed.extend_from_slice(wire);
    framed
}

/// Reads a message with its length before it.
pub(crate) fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut wire = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut wire)?;
    Ok(wire)
}

/// Asks over a connection.
fn converse(stream: &mut TcpStream, query: &Query, wire: &[u8]) -> io::Result<Answer> {
    stream.set_read_timeout(Some(query.wait.max(TICK)))?;
    stream.write_all(&framed(wire))?;
    let answer = checked(&receive(stream)?, wire);
    if query.is_transfer() { transfer(stream, answer) } else { Ok(answer) }
}

/// Reads a zone transfer up to its closing SOA; all answers together.
fn transfer(stream: &mut TcpStream, mut whole: Answer) -> io::Result<Answer> {
    let is_soa = |line: &String| line.contains(" SOA ");
    while whole.rcode.as_deref() == Some("NOERROR")
        && whole.answer.len() > 1
        && !whole.answer.last().is_some_and(is_soa)
    {
        let more = Answer::from_wire(&receive(stream)?);
        if more.answer.is_empty() {
            return Ok(Answer::failed("transfer broken off"));
        }
        whole.answer.extend(more.answer);
        whole.size = whole.size.zip(more.size).map(|(sum, size)| sum + size);
    }
    Ok(whole)
}

/// Reads a reply if it has the id of the query.
fn checked(reply: &[u8], query: &[u8]) -> Answer {
    if reply.get(..2) == query.get(..2) { Answer::from_wire(reply) } else { Answer::failed("wrong id") }
}

/// Whether a socket has waited long enough.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What an error of a socket looks like as an answer.
fn failure(error: &io::Error) -> Answer {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Answer::timed_out(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Answer::failed("closed"),
        ErrorKind::ConnectionRefused => Answer::failed("ConnectionRefusedError"),
        _ => Answer::failed("OSError"),
    }
}
