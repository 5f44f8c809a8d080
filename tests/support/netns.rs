//! A network and mount namespace for one thread, so that answers which depend on the machine are the same everywhere.
//!
//! What the thread starts afterwards (threads, processes, sockets) is inside too. The only interface there is loopback,
//! with the addresses of [`ADDRESSES`] besides 127.0.0.0/8 and ::1, and a file of one's own stands in for
//! `/etc/resolv.conf`. Two threads in two such places can use the same ports.
//!
//! It takes root, or a user namespace: [`command_as_root`].

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{recv, sendto, socket};

/// The addresses that loopback gets, in this order.
pub const ADDRESSES: [&str; 4] = ["10.244.9.53", "10.244.9.100", "10.244.9.101", "2001:db8:9::53"];

/// The file that another one stands in for.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Loopback's number in a new namespace.
const LOOPBACK: u32 = 1;

/// `RTM_NEWLINK` and `RTM_NEWADDR` (`linux/rtnetlink.h`).
const NEW_LINK: u16 = 16;
/// See above.
const NEW_ADDR: u16 = 20;

/// `NLM_F_REQUEST | NLM_F_ACK`, and with `NLM_F_EXCL | NLM_F_CREATE` (`linux/netlink.h`).
const CHANGE: u16 = 0x005;
/// See above.
const CREATE: u16 = 0x605;

/// `NLMSG_ERROR`, which also acknowledges.
const ACK: u16 = 2;

/// Moves the calling thread into a network and a mount namespace of its own.
///
/// # Errors
///
/// The thread may not, or the kernel lacks IPv6; the thread is then of no more use to the caller.
pub fn enter(resolv_conf: Option<&Path>) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let file = resolv_conf.unwrap_or_else(|| Path::new("/dev/null"));
    mount(Some(file), RESOLV_CONF, none, MsFlags::MS_BIND, none)?;
    // Index and flags of the interface: up.
    let [index, up] = [LOOPBACK.to_ne_bytes(), 1u32.to_ne_bytes()];
    request(NEW_LINK, CHANGE, &[&[0; 4], index.as_slice(), &up, &up].concat())?;
    for address in ADDRESSES.iter().filter_map(|text| text.parse().ok()) {
        request(NEW_ADDR, CREATE, &address_message(address))?;
    }
    Ok(())
}

/// Moves the calling thread into a network namespace of its own in which nothing is set up.
///
/// # Errors
///
/// The thread may not.
pub fn enter_bare() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

/// Gives the network that the calling thread has [`enter`]ed another address.
///
/// # Errors
///
/// The kernel does not want it.
pub fn add(address: IpAddr) -> io::Result<()> {
    request(NEW_ADDR, CREATE, &address_message(address))
}

/// Whether a thread of this process can have a place of its own.
#[must_use]
pub fn is_available() -> bool {
    std::thread::spawn(|| enter(None)).join().is_ok_and(|entered| entered.is_ok())
}

/// A command that runs a program as root of a new user namespace; none if the machine has no such thing.
#[must_use]
pub fn command_as_root(program: &Path) -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--"]);
        command
    };
    let works = unshare().arg("true").output().is_ok_and(|output| output.status.success());
    works.then(|| {
        let mut command = unshare();
        command.arg(program);
        command
    })
}

/// An `ifaddrmsg` with the attributes `IFA_ADDRESS` and `IFA_LOCAL`.
fn address_message(address: IpAddr) -> Vec<u8> {
    /// `IFA_F_NODAD`: usable at once.
    const NO_DAD: u8 = 2;
    let (family, octets) = match address {
        IpAddr::V4(address) => (AddressFamily::Inet as i32, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::Inet6 as i32, address.octets().to_vec()),
    };
    let length = u8::try_from(octets.len()).unwrap_or(0);
    let mut message = vec![u8::try_from(family).unwrap_or(0), length * 8, NO_DAD, 0];
    message.extend(LOOPBACK.to_ne_bytes());
    for attribute in [1u16, 2] {
        message.extend((u16::from(length) + 4).to_ne_bytes());
        message.extend(attribute.to_ne_bytes());
        message.extend(&octets);
    }
    message
}

/// Sends one request to the kernel's routing socket and reads the acknowledgement.
fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    let length = u32::try_from(body.len() + 16).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut reply = [0; 4096];
    let length = recv(socket.as_raw_fd(), &mut reply, MsgFlags::empty())?;
    let reply = reply.get(..length).unwrap_or_default();
    let kind = reply.get(4..6).and_then(<[u8]>::first_chunk).map(|kind| u16::from_ne_bytes(*kind));
    let code = reply.get(16..20).and_then(<[u8]>::first_chunk).map(|code| i32::from_ne_bytes(*code));
    match (kind, code) {
        (Some(ACK), Some(0)) => Ok(()),
        (Some(ACK), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(io::Error::other("the kernel's answer cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    /// The addresses are there inside, and only there; two places may use one port. Says so where the machine has none.
    #[test]
    fn a_thread_gets_a_network_of_its_own() {
        if !is_available() {
            println!("no network namespaces here");
            return;
        }
        let inside = || {
            std::thread::spawn(|| {
                enter(None).unwrap();
                let sockets = ADDRESSES.map(|address| UdpSocket::bind((address, 53)).unwrap());
                let listener = TcpListener::bind("[::1]:53").unwrap();
                let empty = std::fs::read_to_string(RESOLV_CONF).unwrap().is_empty();
                (sockets, listener, empty)
            })
        };
        let (first, second) = (inside().join().unwrap(), inside().join().unwrap());
        assert!(first.2 && second.2);
        assert!(UdpSocket::bind((ADDRESSES[0], 0)).is_err());
    }
}
