//! Sockets as the server needs them: shared ports, replies from the address that was asked, many datagrams a call.
//!
//! The only file with `unsafe`: `recvmmsg`, `sendmmsg` and their control messages have no safe form in the standard
//! library, and the crates that wrap them allocate for each batch or give no control messages. Every block says why it
//! is sound. Knows nothing of DNS.
#![allow(unsafe_code, reason = "system calls on batches of datagrams, see the head of the file")]

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Datagrams that one call receives or sends: measured, 16 to 32 are as good as any more.
pub(super) const BATCH: usize = 32;
/// Octets kept of a received datagram: CoreDNS's buffer, a longer query is cut.
pub(super) const RECEIVE_BYTES: usize = 512;
/// A send buffer that grew over this is let go, so that one large reply does not hold its memory for ever.
pub(super) const KEEP_BYTES: usize = 4096;
/// A blocked receiver wakes this often to let go of an old configuration.
const WAKE: Duration = Duration::from_secs(5);
/// Octets that a UDP socket's buffers may hold, so that a burst of some hundred datagrams is not lost while a thread is not
/// scheduled; what does not fit is dropped by the system.
const BUFFER_BYTES: usize = 1 << 20;
/// Connections that may wait to be accepted, as Go asks for.
const BACKLOG: i32 = 4096;
/// Octets of control messages: one `in6_pktinfo` with its header, rounded up.
const CONTROL: usize = 64;

/// Opens a UDP socket that shares its port with others of this kind and tells which address was asked.
///
/// # Errors
/// As the system's `socket`, `setsockopt` and `bind`.
pub(super) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // The system may give less, and says nothing then.
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.set_send_buffer_size(BUFFER_BYTES)?;
    bind(&socket, address)?;
    let socket = UdpSocket::from(socket);
    if address.ip().is_unspecified() {
        ask_for_destination(&socket, address.is_ipv6())?;
    }
    socket.set_read_timeout(Some(WAKE))?;
    Ok(socket)
}

/// Opens a listening TCP socket that shares its port with others of this kind; non-blocking.
///
/// # Errors
/// As the system's `socket`, `setsockopt`, `bind` and `listen`.
pub(super) fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    bind(&socket, address)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Binds a socket of either kind to a port that it shares, and on the IPv6 wildcard to IPv4, too. A port that the system
/// chooses is shared from then on only: asked before, it may choose one that another such socket has.
fn bind(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if address.port() != 0 {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)
}

/// Asks the system to say with each datagram to which address it was sent.
#[cfg(target_os = "linux")]
fn ask_for_destination(socket: &UdpSocket, is_v6: bool) -> io::Result<()> {
    let (level, option) =
        if is_v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length are those of `on`, which lives through the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), socklen(size_of::<libc::c_int>()))
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the process have as many open files as it may, as Go's runtime does: every TCP connection is one.
pub(crate) fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole structure that lives through both calls; the second only reads it.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
                tracing::debug!("open files stay limited: {}", io::Error::last_os_error());
            }
        }
    }
}

/// How many files the process may have open; none if the system does not say or has no limit.
pub(super) fn file_limit() -> Option<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole structure that lives through the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    usize::try_from(limit.rlim_cur).ok().filter(|_| result == 0)
}

/// Gives memory that was freed back to the system: set-ups run on threads of their own, whose heaps nobody else uses again. Takes
/// some milliseconds. Only glibc keeps so much.
pub(crate) fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointer is passed, and glibc lets any thread call it at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Wakes everybody who is blocked on the socket; what has been received can still be read.
pub(super) fn shut_down(socket: &UdpSocket) {
    // An unconnected socket says ENOTCONN and wakes its receivers all the same.
    drop(socket2::SockRef::from(socket).shutdown(std::net::Shutdown::Read));
}

/// A length as the system calls want it; all that are passed are below 2^16.
fn socklen(length: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(length).unwrap_or(0)
}

/// A number of datagrams as the system calls want it; at most [`BATCH`].
fn count_of(datagrams: usize) -> libc::c_uint {
    libc::c_uint::try_from(datagrams).unwrap_or(0)
}

/// Room for control messages, aligned for their headers.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// An address of either family as the system writes it: the larger form, which begins as the other one does.
type Peer = libc::sockaddr_in6;

/// A received datagram and whence it came.
struct Inbound {
    octets: [u8; RECEIVE_BYTES],
    peer: Peer,
    control: Control,
    slice: libc::iovec,
}

/// A datagram to be sent.
struct Outbound {
    octets: Vec<u8>,
    control: Control,
    slice: libc::iovec,
}

/// The address that a datagram was sent to.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    ip: IpAddr,
    /// The number of the interface that a link-local address of IPv6 belongs to; 0 for any other address.
    interface: u32,
}

impl Asked {
    /// With a port.
    pub(super) fn socket_addr(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.interface).into(),
            ip => SocketAddr::new(ip, port),
        }
    }
}

/// Where a reply that comes later is to go.
pub(super) struct ReplyTo {
    peer: Peer,
    peer_length: libc::socklen_t,
    local: Option<Asked>,
}

/// A received datagram as the reader sees it.
pub(super) struct Packet<'a> {
    /// Its octets, cut at [`RECEIVE_BYTES`].
    pub(super) octets: &'a [u8],
    /// Who sent it; IPv4 as IPv4 on a dual-stack socket, too.
    pub(super) peer: SocketAddr,
    /// The address that it was sent to, where the system says so.
    pub(super) local: Option<Asked>,
}

/// Room for one batch in and one out. Its parts stand in boxes, so that the pointers between them stay good.
pub(super) struct Batch {
    inbound: Box<[Inbound]>,
    inbound_headers: Box<[libc::mmsghdr]>,
    outbound: Box<[Outbound]>,
    outbound_headers: Box<[libc::mmsghdr]>,
    received: usize,
    queued: usize,
}

impl Batch {
    /// An empty batch.
    pub(super) fn new() -> Self {
        let slice = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let control = Control([0; CONTROL]);
        // SAFETY: both are made of integers and pointers, for which zero is a value.
        let (peer, header) = unsafe { (zeroed::<Peer>(), zeroed::<libc::mmsghdr>()) };
        let inbound = || Inbound { octets: [0; RECEIVE_BYTES], peer, control, slice };
        let outbound = || Outbound { octets: Vec::with_capacity(KEEP_BYTES), control, slice };
        Self {
            inbound: std::iter::repeat_with(inbound).take(BATCH).collect(),
            inbound_headers: std::iter::repeat_n(header, BATCH).collect(),
            outbound: std::iter::repeat_with(outbound).take(BATCH).collect(),
            outbound_headers: std::iter::repeat_n(header, BATCH).collect(),
            received: BATCH,
            queued: 0,
        }
    }

    /// Takes all datagrams that are there, at most [`BATCH`]; waits for the first if `waits`.
    ///
    /// # Errors
    /// As `recvmmsg`; `WouldBlock` without any, after [`WAKE`] where it waits.
    pub(super) fn receive(&mut self, socket: &UdpSocket, waits: bool) -> io::Result<usize> {
        // Only the headers that were used the last time have been changed.
        for (inbound, header) in self.inbound.iter_mut().zip(&mut *self.inbound_headers).take(self.received) {
            inbound.slice = libc::iovec { iov_base: inbound.octets.as_mut_ptr().cast(), iov_len: inbound.octets.len() };
            let head = &mut header.msg_hdr;
            head.msg_name = (&raw mut inbound.peer).cast();
            head.msg_namelen = socklen(size_of::<Peer>());
            head.msg_iov = &raw mut inbound.slice;
            head.msg_iovlen = 1;
            head.msg_control = inbound.control.0.as_mut_ptr().cast();
            head.msg_controllen = CONTROL as _;
            head.msg_flags = 0;
        }
        self.received = 0;
        self.queued = 0;
        // SAFETY: all headers point to parts of `inbound`, which the boxes keep in place; the lengths are theirs, and the
        // kernel writes nothing beyond them. There are BATCH headers. A null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.inbound_headers.as_mut_ptr(),
                count_of(BATCH),
                (if waits { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT }) as _,
                std::ptr::null_mut(),
            )
        };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// Whether any datagram of the batch has octets.
    pub(super) fn has_octets(&self) -> bool {
        self.inbound_headers.iter().take(self.received).any(|header| header.msg_len > 0)
    }

    /// The datagram at `index` of the batch, and the buffer for the next reply; none if there is no such datagram.
    pub(super) fn exchange(&mut self, index: usize) -> Option<(Packet<'_>, &mut Vec<u8>)> {
        let header = self.inbound_headers.get(index)?;
        let inbound = self.inbound.get(index)?;
        let octets = inbound.octets.get(..usize::try_from(header.msg_len).ok()?)?;
        let peer = address(&inbound.peer, header.msg_hdr.msg_namelen)?;
        let packet = Packet { octets, peer, local: destination(&header.msg_hdr) };
        let out = &mut self.outbound.get_mut(self.queued)?.octets;
        out.clear();
        Some((packet, out))
    }

    /// What was written into the buffer of [`Batch::exchange`].
    pub(super) fn written(&self) -> Option<&[u8]> {
        self.outbound.get(self.queued).map(|out| out.octets.as_slice())
    }

    /// Where a later reply to the datagram at `index` is to go.
    pub(super) fn reply_to(&self, index: usize) -> Option<ReplyTo> {
        let header = self.inbound_headers.get(index)?;
        let peer = self.inbound.get(index)?.peer;
        Some(ReplyTo { peer, peer_length: header.msg_hdr.msg_namelen, local: destination(&header.msg_hdr) })
    }

    /// Queues the reply that was written into the buffer of [`Batch::exchange`] for the sender of datagram `index`.
    pub(super) fn queue(&mut self, index: usize) {
        let (Some(inbound), Some(from)) = (self.inbound.get_mut(index), self.inbound_headers.get(index)) else {
            return;
        };
        let (Some(out), Some(header)) =
            (self.outbound.get_mut(self.queued), self.outbound_headers.get_mut(self.queued))
        else {
            return;
        };
        out.slice = libc::iovec { iov_base: out.octets.as_mut_ptr().cast(), iov_len: out.octets.len() };
        let head = &mut header.msg_hdr;
        head.msg_name = (&raw mut inbound.peer).cast();
        head.msg_namelen = from.msg_hdr.msg_namelen;
        head.msg_iov = &raw mut out.slice;
        head.msg_iovlen = 1;
        head.msg_flags = 0;
        write_source(head, &mut out.control, destination(&from.msg_hdr));
        self.queued += 1;
    }

    /// Sends what is queued. A datagram that the system refuses is skipped: nobody can be told.
    pub(super) fn send(&mut self, socket: &UdpSocket) {
        let mut sent = 0;
        while let Some(headers) = self.outbound_headers.get_mut(sent..self.queued)
            && !headers.is_empty()
        {
            // SAFETY: the queued headers point to parts of `inbound` and `outbound`, which the boxes keep in place and
            // nothing has changed since they were queued; the length is that of the slice.
            let count = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count_of(headers.len()), 0) };
            match usize::try_from(count) {
                Ok(count) if count > 0 => sent += count,
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => (),
                _ => sent += 1,
            }
        }
        for out in self.outbound.iter_mut().take(self.queued) {
            if out.octets.capacity() > KEEP_BYTES {
                out.octets = Vec::with_capacity(KEEP_BYTES);
            }
        }
        self.queued = 0;
    }
}

/// Sends one reply that comes later; never waits. An error is lost as the datagram would be.
pub(super) fn send_later(socket: &UdpSocket, to: &ReplyTo, octets: &mut [u8]) {
    let mut slice = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
    let mut control = Control([0; CONTROL]);
    // SAFETY: `msghdr` is made of integers and pointers, for which zero is a value.
    let mut head = unsafe { zeroed::<libc::msghdr>() };
    head.msg_name = (&raw const to.peer).cast_mut().cast();
    head.msg_namelen = to.peer_length;
    head.msg_iov = &raw mut slice;
    head.msg_iovlen = 1;
    write_source(&mut head, &mut control, to.local);
    // SAFETY: the header points to `slice`, `control`, `octets` and the peer's address, all of which live through the call;
    // the kernel only reads.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const head, libc::MSG_DONTWAIT) };
    if sent < 0 {
        tracing::debug!("reply not sent: {}", io::Error::last_os_error());
    }
}

/// The address in `peer`, IPv4 always in the form of IPv4; none if it is neither IPv4 nor IPv6.
fn address(peer: &Peer, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = usize::try_from(length).ok()?;
    match libc::c_int::from(peer.sin6_family) {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: IPv4's form is smaller and of the same alignment; family and length say that the kernel has written it.
            let v4 = unsafe { &*std::ptr::from_ref(peer).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            let (ip, port) = (Ipv6Addr::from(peer.sin6_addr.s6_addr), u16::from_be(peer.sin6_port));
            Some(match ip.to_ipv4_mapped() {
                Some(v4) => SocketAddr::from((v4, port)),
                None => SocketAddrV6::new(ip, port, peer.sin6_flowinfo, peer.sin6_scope_id).into(),
            })
        }
        _ => None,
    }
}

/// The address that a received datagram was sent to, from its control messages.
fn destination(head: &libc::msghdr) -> Option<Asked> {
    if head.msg_controllen == 0 {
        return None;
    }
    // SAFETY: after a receive `msg_control` and `msg_controllen` describe whole control messages in a `Control`, which is
    // aligned for them; CMSG_FIRSTHDR gives null or a header within; the data of these two types are read unaligned
    // and lie within as `cmsg_len` was written by the kernel.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(head).as_ref()?;
        let data = libc::CMSG_DATA(message);
        match (message.cmsg_level, message.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                Some(Asked { ip: Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into(), interface: 0 })
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let interface = if ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                Some(Asked { ip: ip.to_canonical(), interface: interface as _ })
            }
            _ => None,
        }
    }
}

/// Writes the control message that makes a datagram leave from `source`; none leaves the choice to the routes. The
/// interface is left open, so that asymmetric routes work, but for a link-local address, which is one of its interface.
fn write_source(head: &mut libc::msghdr, control: &mut Control, source: Option<Asked>) {
    head.msg_control = std::ptr::null_mut();
    head.msg_controllen = 0;
    let Some(source) = source else { return };
    head.msg_control = control.0.as_mut_ptr().cast();
    head.msg_controllen = CONTROL as _;
    // The peer's form tells the socket's family: on a dual-stack socket IPv4 is mapped.
    let is_v4_socket = usize::try_from(head.msg_namelen).is_ok_and(|length| length == size_of::<libc::sockaddr_in>());
    let length = match (source.ip, is_v4_socket) {
        (IpAddr::V4(v4), true) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(v4.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            put_control(head, (libc::IPPROTO_IP, libc::IP_PKTINFO), info)
        }
        (ip, _) => {
            let v6 = match ip {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let ipi6_addr = libc::in6_addr { s6_addr: v6.octets() };
            let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: source.interface as _ };
            put_control(head, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), info)
        }
    };
    head.msg_controllen = length as _;
}

/// Writes one control message into the room that `head` points to; gives its length.
fn put_control<T>(head: &libc::msghdr, (level, kind): (libc::c_int, libc::c_int), info: T) -> u32 {
    let octets = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: `head` points to a whole `Control`: it is aligned for a header and has room for one of these small structures,
    // so CMSG_FIRSTHDR is not null and the data lie within.
    unsafe {
        if let Some(message) = libc::CMSG_FIRSTHDR(head).as_mut() {
            message.cmsg_level = level;
            message.cmsg_type = kind;
            message.cmsg_len = libc::CMSG_LEN(octets) as _;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(info);
        }
        libc::CMSG_SPACE(octets)
    }
}
