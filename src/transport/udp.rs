//! DNS over UDP: one blocking thread for each socket, many datagrams a system call, no allocation for a ready answer.
//!
//! A thread works on each query once, in place. What is not ready then goes to the runtime, whole, under a permit. Sockets
//! and threads belong to the process: a thread looks up the current [`Server`] for each batch and lets go of an old one
//! when it next wakes, at the latest after some seconds.

use super::shed::Shed;
use super::socket::{self, BATCH, Batch, KEEP_BYTES, ReplyTo};
use super::{Current, Handoff};
use crate::server::admit::{self, Verdict};
use crate::server::{Answer, Answered, Server};
use plugin_api::metrics::OwnCell;
use plugin_api::{Message, Request, Transport};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Most batches that are read once the end was asked for: what a socket's buffer holds, and more. Under a flood there is
/// always one more, and the end has to come all the same.
const LAST_BATCHES: usize = 128;
/// Stack of a receiving thread: handlers run on it, and the deepest of them re-enters the server.
const STACK_BYTES: usize = 2 << 20;

/// A socket and the thread that serves it.
pub struct UdpListener {
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    local: SocketAddr,
}

/// A socket that is open but not served yet.
pub struct BoundUdp(UdpSocket);

impl BoundUdp {
    /// Opens a socket on `address`.
    ///
    /// # Errors
    /// As the system's `socket` and `bind`.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        socket::udp(address).map(Self)
    }

    /// Its address.
    ///
    /// # Errors
    /// As the system's `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Begins to serve it.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn serve(self, current: Current, handoff: Handoff) -> io::Result<UdpListener> {
        let local = self.0.local_addr()?;
        let socket = Arc::new(self.0);
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker { socket: Arc::clone(&socket), stop: Arc::clone(&stop), current, handoff, local };
        let thread = thread::Builder::new()
            .name(format!("udp {local}"))
            .stack_size(STACK_BYTES)
            .spawn(move || worker.run(answer))?;
        Ok(UdpListener { socket, stop, thread: Some(thread), local })
    }
}

impl UdpListener {
    /// Its address.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Reads what has arrived to the last datagram, and waits for the thread to have answered it; replies that are on their
    /// way in the runtime still leave.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        socket::shut_down(&self.socket);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a receiving thread has panicked");
        }
    }
}

impl Drop for UdpListener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a receiving thread owns.
struct Worker {
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    current: Current,
    handoff: Handoff,
    local: SocketAddr,
}

/// A place for the work on one query, used again for the next.
type Slot<F> = Pin<Box<Option<F>>>;

/// Works on one query. The server is handed in and out again, so that threads do not contend for the count of its holders with
/// each query.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps room for each of its arguments twice")]
fn answer(server: Arc<Server>, request: Box<Request>) -> impl Future<Output = Worked> + Send {
    async move {
        let answer = server.resolve(&request).await;
        Worked { server, answered: Answered { request, answer } }
    }
}

/// A query that was worked on, and by whom.
struct Worked {
    server: Arc<Server>,
    answered: Answered,
}

/// Places and requests of queries that had to wait and have their answer, to be used again: they are too large to be had quickly from
/// the allocator.
struct Pool<F>(Mutex<Vec<(Slot<F>, Box<Request>)>>);

/// Most of them; at less than 1 KiB each a quarter MiB for a thread.
const POOL: usize = 256;

impl<F> Pool<F> {
    /// Takes one.
    fn take(&self) -> Option<(Slot<F>, Box<Request>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives one back; a full pool lets it go.
    fn give(&self, slot: Slot<F>, request: Box<Request>) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL {
            pool.push((slot, request));
        }
    }
}

/// What a receiving thread uses again with each batch.
struct Desk<F> {
    batch: Batch,
    shed: Shed,
    slot: Slot<F>,
    pool: Arc<Pool<F>>,
    spare: Option<Box<Request>>,
    /// The server, between queries.
    held: Option<Arc<Server>>,
}

impl<F> Desk<F> {
    /// An empty one.
    fn new(handoff: &Handoff) -> Self {
        let (batch, shed) = (Batch::new(), Shed::new(handoff.left_out.clone()));
        let pool = Arc::new(Pool(Mutex::default()));
        Self { batch, shed, slot: Box::pin(None), pool, spare: None, held: None }
    }
}

impl Worker {
    /// Serves until the listener is stopped. `answer` works on one query; it is a parameter to give its future a name.
    fn run<F>(self, answer: impl Fn(Arc<Server>, Box<Request>) -> F)
    where
        F: Future<Output = Worked> + Send + 'static,
    {
        // Timers and sockets that a first poll makes find their runtime.
        let runtime = self.handoff.runtime.clone();
        let _entered = runtime.enter();
        let _cell = OwnCell::claim();
        let mut desk = Desk::new(&self.handoff);
        while !self.stop.load(Ordering::Acquire) {
            // Panics of handlers are caught one by one; this is for our own. One batch is lost then, not the listener.
            let turn = AssertUnwindSafe(|| self.turn(&mut desk, &answer));
            if catch_unwind(turn).is_err() {
                desk = Desk::new(&self.handoff);
            }
        }
        // Nothing that a client has sent before the socket closes is lost.
        for _ in 0..LAST_BATCHES {
            let turn = AssertUnwindSafe(|| self.turn(&mut desk, &answer));
            if !catch_unwind(turn).unwrap_or(false) {
                break;
            }
        }
        desk.shed.send_all(&self.socket);
    }

    /// Waits for a batch, works on it and sends the replies. Says whether there was any datagram; a socket that has been
    /// shut down gives empty ones when it has no more.
    fn turn<F>(&self, desk: &mut Desk<F>, answer: &impl Fn(Arc<Server>, Box<Request>) -> F) -> bool
    where
        F: Future<Output = Worked> + Send + 'static,
    {
        let received = match desk.batch.receive(&self.socket, desk.shed.is_empty()) {
            Ok(received) => received,
            Err(error) => self.wait_after(&error),
        };
        let server = self.current.load();
        if desk.held.as_ref().is_none_or(|held| !Arc::ptr_eq(held, &server)) {
            // An old server is let go, and with it the request that points to it. Freeing all that it holds takes a while if this is
            // the last reference, and is not for this thread.
            desk.spare = None;
            if let Some(old) = desk.held.replace(Arc::clone(&server)) {
                drop(self.handoff.runtime.spawn_blocking(move || drop(old)));
            }
        }
        let arrival = server.clock().now();
        for index in 0..received {
            self.serve((&server, arrival), index, desk, answer);
        }
        desk.batch.send(&self.socket);
        if received < BATCH {
            desk.shed.send_some(&self.socket);
        }
        desk.batch.has_octets()
    }

    /// An error of the socket, such as an ICMP message about an earlier reply, ends nothing; one that comes back at once
    /// must not burn a core.
    fn wait_after(&self, error: &io::Error) -> usize {
        let is_usual = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionRefused
        );
        if !is_usual {
            tracing::debug!("receive on {}: {error}", self.local);
            thread::sleep(std::time::Duration::from_millis(10));
        }
        0
    }

    /// Works on one datagram of a batch.
    fn serve<F>(
        &self,
        (server, arrival): (&Arc<Server>, Instant),
        index: usize,
        desk: &mut Desk<F>,
        answer: &impl Fn(Arc<Server>, Box<Request>) -> F,
    ) where
        F: Future<Output = Worked> + Send + 'static,
    {
        let Desk { batch, shed, slot, pool, spare, held } = desk;
        let Some((packet, out)) = batch.exchange(index) else { return };
        let mut request = spare.take().unwrap_or_else(|| server.request(Transport::Udp));
        let local = packet.local.map_or(self.local, |asked| asked.socket_addr(self.local.port()));
        request.set_arrival(packet.peer, local, arrival);
        match server.admit(packet.octets, &mut request, out) {
            Verdict::Query => (),
            Verdict::Refused => {
                batch.queue(index);
                *spare = Some(request);
                return;
            }
            Verdict::Ignore => {
                *spare = Some(request);
                return;
            }
        }
        let own = held.take().unwrap_or_else(|| Arc::clone(server));
        slot.set(Some(answer(own, request)));
        match poll(slot, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Worked { server: own, answered }) => {
                slot.set(None);
                *held = Some(own);
                let request = answered.request;
                let is_busy = matches!(answered.answer, Answer::Busy(_));
                if let Some(message) = single(answered.answer) {
                    server.write(&message, &request, out);
                    request.give_buffer(message.into_octets(), KEEP_BYTES);
                    if is_busy { hold_back(shed, batch, index) } else { batch.queue(index) }
                }
                *spare = Some(request);
            }
            Poll::Pending => {
                let (next, request) = pool.take().unzip();
                // A request that was made for a server before a reload points to that.
                *spare = request.filter(|request| Arc::ptr_eq(&request.origin().site, server.site()));
                let work = std::mem::replace(slot, next.unwrap_or_else(|| Box::pin(None)));
                if !self.hand_off(server, (batch, index), work, pool) {
                    hold_back(shed, batch, index);
                }
            }
        }
    }

    /// Gives work that must wait to the runtime; if there is too much of it, writes SERVFAIL and says no.
    fn hand_off<F>(
        &self,
        server: &Arc<Server>,
        (batch, index): (&mut Batch, usize),
        mut work: Slot<F>,
        pool: &Arc<Pool<F>>,
    ) -> bool
    where
        F: Future<Output = Worked> + Send + 'static,
    {
        let Some(permit) = self.handoff.permit() else {
            if let Some((packet, out)) = batch.exchange(index) {
                admit::busy(packet.octets, out);
            }
            return false;
        };
        let Some(to) = batch.reply_to(index) else { return true };
        let (socket, pool) = (Arc::clone(&self.socket), Arc::clone(pool));
        let under_way = server.begin();
        self.handoff.runtime.spawn(async move {
            let Worked { server, answered } = poll_fn(|context| poll(&mut work, context)).await;
            work.set(None);
            let Answered { request, answer } = answered;
            send(&socket, &to, (&server, &request), answer);
            pool.give(work, request);
            drop((permit, under_way));
        });
        true
    }
}

/// Keeps the reply that was written for datagram `index` until there is nothing better to do.
fn hold_back(shed: &mut Shed, batch: &mut Batch, index: usize) {
    if let Some((to, reply)) = batch.reply_to(index).zip(batch.written()) {
        shed.hold(to, reply);
    }
}

/// Polls the work in a slot; an empty slot is never ready, and never polled.
fn poll<F: Future>(slot: &mut Slot<F>, context: &mut Context<'_>) -> Poll<F::Output> {
    slot.as_mut().as_pin_mut().map_or(Poll::Pending, |work| work.poll(context))
}

/// What one datagram can bring of an answer. A zone transfer is not for UDP (RFC 5936 §4.2): its first message goes out.
fn single(answer: Answer) -> Option<Message> {
    match answer {
        Answer::Message(message) | Answer::Busy(message) => Some(message),
        Answer::Stream(mut messages) => messages.next(),
        Answer::Nothing => None,
    }
}

/// Sends a reply that had to wait.
fn send(socket: &UdpSocket, to: &ReplyTo, (server, request): (&Server, &Request), answer: Answer) {
    let Some(message) = single(answer) else { return };
    let mut out = request.take_buffer();
    server.write(&message, request, &mut out);
    socket::send_later(socket, to, &mut out);
    request.give_buffer(out, KEEP_BYTES);
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;
