//! TCP: queries one behind the other on a few connections, and many connections that are idle.

use crate::burst::{Burst, Machine};
use crate::kit::Failure;
use crate::kit::work::Query;
use crate::process::Server;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Queries that are open on each connection.
const OPEN: usize = 64;

/// Asks over some connections for some time.
pub(crate) fn burst(
    server: &Server,
    connections: usize,
    queries: &[Query],
    length: Duration,
) -> Result<Burst, Failure> {
    let mut lines: Vec<Line> = (0..connections).map(|_| Line::new(server.address)).collect::<Result<_, _>>()?;
    let process = server.busiest();
    let (machine, begun) = (Machine::read(process), Instant::now());
    let mut next = 0;
    let mut burst = Burst::default();
    while begun.elapsed() < length {
        for line in &mut lines {
            line.fill(queries, &mut next)?;
        }
        for line in &mut lines {
            burst.good += line.drain()?;
        }
    }
    burst.seconds = begun.elapsed().as_secs_f64();
    (burst.cpu, burst.foreign) = machine.until_now(process, burst.seconds);
    Ok(burst)
}

/// A connection.
struct Line {
    stream: TcpStream,
    open: usize,
    input: Vec<u8>,
}

impl Line {
    /// Opens it.
    fn new(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(Self { stream, open: 0, input: Vec::new() })
    }

    /// Asks until enough queries are open, in one write.
    fn fill(&mut self, queries: &[Query], next: &mut usize) -> std::io::Result<()> {
        let mut output = Vec::new();
        for _ in self.open..OPEN {
            let Some(query) = queries.get(*next) else { continue };
            *next = (*next + 1) % queries.len();
            output.extend_from_slice(&u16::try_from(query.octets.len()).unwrap_or(0).to_be_bytes());
            output.extend_from_slice(&query.octets);
            self.open += 1;
        }
        self.stream.write_all(&output)
    }

    /// Takes what has come; gives how many replies.
    fn drain(&mut self) -> std::io::Result<u64> {
        let mut room = [0; 65_536];
        let received = self.stream.read(&mut room)?;
        self.input.extend_from_slice(room.get(..received).unwrap_or(&[]));
        let (mut at, mut count) = (0, 0);
        while let Some(length) = self.input.get(at..at + 2) {
            let end = at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            if end > self.input.len() {
                break;
            }
            at = end;
            count += 1;
        }
        self.input.drain(..at);
        self.open -= usize::try_from(count).unwrap_or(0).min(self.open);
        Ok(count)
    }
}

/// Opens idle connections; gives them and what the server's memory grew by, in MiB.
pub(crate) fn idle(server: &Server, connections: usize) -> Result<(Vec<TcpStream>, f64), Failure> {
    let before = server.resident();
    let mut all = Vec::with_capacity(connections);
    for _ in 0..connections {
        all.push(TcpStream::connect(server.address)?);
    }
    std::thread::sleep(Duration::from_secs(2));
    Ok((all, server.resident() - before))
}
