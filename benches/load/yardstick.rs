//! What servers are measured against: an echo over UDP and one over TCP; and the upstream that forwarders ask.

use crate::kit::{self, Failure};
use crate::system::{BATCH, Batch};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};

/// Sends back what comes, QR set, many datagrams a call.
pub(crate) fn datagrams() -> Result<(), Failure> {
    serve(|batch, index| {
        if let Some(octet) = batch.received(index).and_then(|octets| octets.get_mut(2)) {
            *octet |= 0x80;
        }
        let length = batch.received(index).map_or(0, |octets| octets.len());
        batch.turn(index, length);
    })
}

/// Answers every name, see [`kit::upstream`].
pub(crate) fn upstream() -> Result<(), Failure> {
    serve(|batch, index| {
        let length = batch.received(index).map_or(0, |octets| octets.len());
        let answered = batch.whole(index).and_then(|octets| kit::upstream::answer(octets, length));
        batch.turn(index, answered.unwrap_or(0));
    })
}

/// Receives batches, lets `reply` turn each datagram into its reply, and sends them.
fn serve(reply: impl Fn(&mut Batch, usize)) -> Result<(), Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let sized = socket2::SockRef::from(&socket);
    sized.set_recv_buffer_size(1 << 20)?;
    sized.set_send_buffer_size(1 << 20)?;
    println!("{}", socket.local_addr()?);
    let mut batch = Batch::new();
    loop {
        // An error of the socket is about an earlier reply.
        let received = batch.receive(&socket, true, false).unwrap_or(0);
        (0..received.min(BATCH)).for_each(|index| reply(&mut batch, index));
        if received > 0 {
            batch.send(&socket, received);
        }
    }
}

/// Sends back what comes over connections, a thread for each.
pub(crate) fn streams() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        std::thread::spawn(move || {
            let mut octets = vec![0; 65_536];
            while let Ok(length @ 1..) = stream.read(&mut octets)
                && let Some(octets) = octets.get(..length)
                && stream.write_all(octets).is_ok()
            {}
        });
    }
    Ok(())
}
