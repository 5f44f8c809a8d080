//! Free ports on loopback, below those that the kernel gives to clients, so that no client takes one meanwhile.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where ports are taken from; recorded masks know this range. Clients get 32768 and above.
const RANGE: Range<u16> = 20_000..30_000;

/// How many ports are tried before giving up.
const TRIES: usize = 1000;

/// How far this process has come in the range.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A UDP and a TCP socket on one free port of 127.0.0.1.
///
/// # Errors
///
/// No port is free.
pub fn bind_pair() -> io::Result<(UdpSocket, TcpListener)> {
    // Processes that run at the same time begin at different places.
    let start = std::process::id() % u32::from(RANGE.end - RANGE.start);
    let start = u16::try_from(start).unwrap_or(0).wrapping_mul(7);
    let mut last = None;
    for _ in 0..TRIES {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = RANGE.start + step % (RANGE.end - RANGE.start);
        let address = (Ipv4Addr::LOCALHOST, port);
        match UdpSocket::bind(address).and_then(|udp| Ok((udp, TcpListener::bind(address)?))) {
            Ok(pair) => return Ok(pair),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no free port")))
}

/// A port that was free for UDP and TCP a moment ago, on every address.
///
/// # Errors
///
/// No port is free.
pub fn free() -> io::Result<u16> {
    for _ in 0..TRIES {
        let port = bind_pair()?.0.local_addr()?.port();
        let any = (Ipv4Addr::UNSPECIFIED, port);
        if UdpSocket::bind(any).is_ok() && TcpListener::bind(any).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_have_two_ports() -> io::Result<()> {
        let (first, second) = (bind_pair()?, bind_pair()?);
        assert_eq!(first.0.local_addr()?.port(), first.1.local_addr()?.port());
        assert_ne!(first.0.local_addr()?, second.0.local_addr()?);
        assert!(RANGE.contains(&free()?));
        Ok(())
    }
}
