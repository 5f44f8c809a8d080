//! What the bench needs of Linux: many datagrams a call, the CPU clock of another process, cores. The only file of the benches with
//! unsafe code.
#![allow(unsafe_code, reason = "system calls that the standard library does not have")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Datagrams of one call.
pub(crate) const BATCH: usize = 64;
/// Octets of the largest datagram.
pub(crate) const ROOM: usize = 4096;

/// Room for one batch of datagrams; headers point into the boxes, which stay where they are.
pub(crate) struct Batch {
    octets: Box<[[u8; ROOM]]>,
    slices: Box<[libc::iovec]>,
    peers: Box<[libc::sockaddr_storage]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Batch {
    /// Empty room.
    pub(crate) fn new() -> Self {
        // SAFETY: all three are made of integers and pointers, for which zero is a value.
        let (slice, peer, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self {
            octets: vec![[0; ROOM]; BATCH].into(),
            slices: vec![slice; BATCH].into(),
            peers: vec![peer; BATCH].into(),
            headers: vec![header; BATCH].into(),
        }
    }

    /// Points a header to its parts; `is_connected` leaves the address out.
    fn prepare(&mut self, index: usize, length: usize, is_connected: bool) {
        let (Some(octets), Some(slice), Some(peer), Some(header)) = (
            self.octets.get_mut(index),
            self.slices.get_mut(index),
            self.peers.get_mut(index),
            self.headers.get_mut(index),
        ) else {
            return;
        };
        *slice = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: length.min(ROOM) };
        header.msg_hdr.msg_iov = slice;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_name = if is_connected { std::ptr::null_mut() } else { (&raw mut *peer).cast() };
        header.msg_hdr.msg_namelen =
            if is_connected { 0 } else { size_of::<libc::sockaddr_storage>() as libc::socklen_t };
    }

    /// Receives what is there; waits for the first datagram if so said.
    pub(crate) fn receive(&mut self, socket: &impl AsRawFd, waits: bool, is_connected: bool) -> io::Result<usize> {
        (0..BATCH).for_each(|index| self.prepare(index, ROOM, is_connected));
        let flags = if waits { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        let headers = self.headers.as_mut_ptr();
        // SAFETY: the headers point to parts of `self` that are as long as they say; there are BATCH of them.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers, BATCH as libc::c_uint, flags as _, std::ptr::null_mut())
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// The octets that were received at a place.
    pub(crate) fn received(&mut self, index: usize) -> Option<&mut [u8]> {
        let length = self.headers.get(index)?.msg_len as usize;
        self.octets.get_mut(index)?.get_mut(..length)
    }

    /// All room at a place, what was received at its beginning.
    pub(crate) fn whole(&mut self, index: usize) -> Option<&mut [u8]> {
        self.octets.get_mut(index).map(|octets| &mut octets[..])
    }

    /// Puts a datagram at a place, to be sent.
    pub(crate) fn put(&mut self, index: usize, octets: &[u8], id: u16) {
        if let Some(room) = self.octets.get_mut(index).and_then(|room| room.get_mut(..octets.len())) {
            room.copy_from_slice(octets);
            if let Some(first) = room.get_mut(..2) {
                first.copy_from_slice(&id.to_be_bytes());
            }
        }
        self.prepare(index, octets.len(), true);
    }

    /// Makes of what was received at a place, now so long, a reply to its sender.
    pub(crate) fn turn(&mut self, index: usize, length: usize) {
        if let Some(slice) = self.slices.get_mut(index) {
            slice.iov_len = length;
        }
    }

    /// Sends the first so many; gives how many were taken.
    pub(crate) fn send(&mut self, socket: &impl AsRawFd, count: usize) -> usize {
        let headers = self.headers.as_mut_ptr();
        // SAFETY: as in `receive`; `count` is at most BATCH.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers, count.min(BATCH) as libc::c_uint, libc::MSG_DONTWAIT as _)
        };
        usize::try_from(sent).unwrap_or(0)
    }
}

/// Waits until one of the sockets can be read, so long at most.
pub(crate) fn wait_readable(sockets: &[RawFd], most: Duration) {
    let mut polls: Vec<_> =
        sockets.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    let most = libc::timespec { tv_sec: 0, tv_nsec: most.subsec_nanos().into() };
    // SAFETY: the pointers and the number are those of the list and of the time; a null mask leaves signals as they are.
    unsafe { libc::ppoll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, &raw const most, std::ptr::null()) };
}

/// Lets every other thread go first from now on.
pub(crate) fn yield_to_others() {
    // SAFETY: only numbers are passed; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// CPU time of a process so far, in nanoseconds; 0 of one that has gone.
pub(crate) fn cpu_nanoseconds(process: u32) -> u64 {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both pointers are to values that live through the calls.
    unsafe {
        if libc::clock_getcpuclockid(process as libc::pid_t, &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
        {
            return 0;
        }
    }
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

/// Binds the calling thread, and the processes that it starts from now on, to a core; none is all cores.
pub(crate) fn pin(core: Option<usize>) {
    // SAFETY: the set is made of integers; the pointer and the length are its own.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        match core {
            Some(core) => libc::CPU_SET(core, &mut set),
            None => (0..libc::CPU_SETSIZE as usize).for_each(|core| libc::CPU_SET(core, &mut set)),
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Lets the process have as many open files as it may.
pub(crate) fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole structure that lives through both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}
