//! A query and its circumstances. Plugins borrow it; whoever asks something else derives a new one.

use crate::edns::{Edns, HEADER_FLAGS};
use crate::message::Message;
use crate::name::{Name, NameError, wire_len};
use crate::origin::{Origin, Transport};
use crate::question::Question;
use crate::rr::{Class, Opcode, Type, flag};
use crate::wire::{HEADER, WireError, read_u16};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// How many times a query may re-enter the server (a CNAME that leads to a name that leads to ...). CoreDNS has no
/// limit; this one ends loops between server blocks, far beyond any chain that resolves.
pub const MAX_DEPTH: u8 = 16;

/// How many lookups from within a client's query may lead to, however they branch. Depth alone does not bound work: two templates of two
/// aliases each that lead to one another make 131,070 lookups in 16 levels (CoreDNS gives no answer at all). A chain that resolves has at most
/// 16, a service of external names as many as it has names, twice for SRV. BIND 9.18 allows 200 as well (max-query-count).
pub const MAX_LOOKUPS: u16 = 200;

thread_local! {
    /// The reply buffer of the query before: one for each thread that answers, each of a bounded size.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A query and its circumstances.
pub struct Request {
    raw: Vec<u8>,
    id: u16,
    flags: u16,
    question: Question,
    /// Where in `raw` the question ends, if it is that of `question`, written out; 0 otherwise.
    question_end: usize,
    edns: Edns,
    has_edns: bool,
    /// Octets of the records that came with the question, but for the OPT.
    others: usize,
    payload_cap: AtomicU16,
    origin: Origin,
    depth: u8,
    /// Lookups so far of the query and all that was derived from it since the first; not there before.
    lookups: OnceLock<Arc<AtomicU16>>,
    deadline: Option<Instant>,
    wants_authenticated: AtomicBool,
    metadata: Mutex<Option<BTreeMap<String, String>>>,
}

impl Request {
    /// An empty request to be filled by [`Request::read`]; one such box serves many queries, one after the other.
    #[must_use]
    pub fn empty(origin: Origin) -> Box<Self> {
        Box::new(Self {
            raw: Vec::new(),
            id: 0,
            flags: 0,
            question: Question::new(Name::root(), Type::NONE, Class::IN),
            question_end: 0,
            edns: Edns::default(),
            has_edns: false,
            others: 0,
            payload_cap: AtomicU16::new(u16::MAX),
            origin,
            depth: 0,
            lookups: OnceLock::new(),
            deadline: None,
            wants_authenticated: AtomicBool::new(false),
            metadata: Mutex::new(None),
        })
    }

    /// A request from the octets of a query.
    ///
    /// # Errors
    /// As [`Request::read`].
    pub fn parse(message: &[u8], origin: Origin) -> Result<Box<Self>, WireError> {
        let mut request = Self::empty(origin);
        request.read(message)?;
        Ok(request)
    }

    /// Becomes the query in `message`, whose header has been admitted: one question, few other records. Allocates
    /// nothing once its buffers have grown.
    ///
    /// # Errors
    /// When the octets are no message with exactly one question. Octets behind the last record are ignored, as by miekg/dns.
    pub fn read(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.depth = 0;
        self.lookups.take();
        self.deadline = None;
        self.question_end = 0;
        *self.wants_authenticated.get_mut() = false;
        self.has_edns = false;
        self.others = 0;
        *self.payload_cap.get_mut() = u16::MAX;
        *self.metadata.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        self.id = read_u16(message, 0).ok_or(WireError::Short)?;
        self.flags = read_u16(message, 2).ok_or(WireError::Short)?;
        let at = self.question.name.read_into(message, HEADER)?;
        self.question.make_lower();
        let Question { name, qtype, class, .. } = &mut self.question;
        // A question may end behind its name or its type (miekg/dns: unpackQuestion); what is missing is 0.
        let fields = message.get(at..).unwrap_or(&[]);
        if matches!(fields.len(), 1 | 3) {
            return Err(WireError::Short);
        }
        *qtype = Type(read_u16(fields, 0).unwrap_or(0));
        *class = Class(read_u16(fields, 2).unwrap_or(0));
        let is_plain = fields.len() >= 4 && at - HEADER == name.as_wire().len();
        if message.get(6..HEADER).is_some_and(|counts| counts != [0; 6]) {
            let counts = [6, 8, 10].map(|field| read_u16(message, field).unwrap_or(0));
            self.read_records(message, at + 4, counts)?;
        }
        self.raw.clear();
        self.raw.extend_from_slice(message);
        self.question_end = if is_plain { at + 4 } else { 0 };
        Ok(())
    }

    /// Walks the records behind the question, for the OPT among them.
    fn read_records(&mut self, message: &[u8], mut at: usize, counts: [u16; 3]) -> Result<(), WireError> {
        let mut owner = Name::root();
        for (section, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                // Counts that promise more than there is are taken as they are (miekg/dns: unpackRRslice).
                if at >= message.len() {
                    return Ok(());
                }
                let start = at;
                at = owner.read_into(message, at)?;
                let rest = message.get(at..).ok_or(WireError::Short)?;
                let end = at + 10 + usize::from(read_u16(rest, 8).ok_or(WireError::Short)?);
                if end > message.len() {
                    return Err(WireError::Short);
                }
                if section == 2 && read_u16(rest, 0) == Some(Type::OPT.0) {
                    if !self.edns.read(rest) {
                        return Err(WireError::Opt);
                    }
                    self.has_edns = true;
                } else {
                    self.others += end - start;
                }
                at = end;
            }
        }
        Ok(())
    }

    /// Takes the circumstances of the next query.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Takes a new client address and time; all else stays as for the query before.
    pub fn set_arrival(&mut self, peer: SocketAddr, local: SocketAddr, arrival: Instant) {
        self.origin.peer = peer;
        self.origin.local = local;
        self.origin.arrival = arrival;
    }

    /// The octets as received.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.flags >> 11 & 0xf)
    }

    /// The flag bits of the header, see [`flag`].
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags & HEADER_FLAGS
    }

    /// Whether a flag bit is set.
    #[must_use]
    pub const fn has_flag(&self, bit: u16) -> bool {
        self.flags & bit != 0
    }

    /// The question.
    #[must_use]
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// The queried name in the client's letters.
    #[must_use]
    pub const fn qname(&self) -> &Name {
        &self.question.name
    }

    /// The queried type.
    #[must_use]
    pub const fn qtype(&self) -> Type {
        self.question.qtype
    }

    /// The EDNS of the query.
    #[must_use]
    pub const fn edns(&self) -> Option<&Edns> {
        if self.has_edns { Some(&self.edns) } else { None }
    }

    /// Whether DNSSEC records are wanted.
    #[must_use]
    pub const fn dnssec_ok(&self) -> bool {
        self.has_edns && self.edns.dnssec_ok()
    }

    /// Where it came from and how.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The client's address.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.origin.peer
    }

    /// The most octets that a reply may have (CoreDNS: request.Size): over UDP what the client advertises and at least
    /// 512, over streams 65,535. DoQ and DoH3 count as UDP.
    #[must_use]
    pub fn reply_limit(&self) -> usize {
        match self.origin.transport {
            Transport::Udp | Transport::Https3 | Transport::Quic => usize::from(self.payload().max(512)),
            Transport::Tcp | Transport::Tls | Transport::Https | Transport::Grpc => 65_535,
        }
    }

    /// The UDP payload size of the client's EDNS as far as it is honoured; 0 without EDNS.
    #[must_use]
    pub fn payload(&self) -> u16 {
        if self.has_edns { self.edns.payload.min(self.payload_cap.load(Ordering::Relaxed)) } else { 0 }
    }

    /// Lowers the payload size for the reply, for queries derived from here on and for upstreams (plugin `bufsize`); a
    /// larger one is not raised.
    pub fn cap_payload(&self, octets: u16) {
        self.payload_cap.fetch_min(octets, Ordering::Relaxed);
    }

    /// A copy for a query of one's own: same client, same EDNS, new buffers. Change it with the `set_` methods before use.
    #[must_use]
    pub fn derive(&self) -> Box<Self> {
        Box::new(Self {
            raw: self.raw.clone(),
            id: self.id,
            flags: self.flags,
            question: self.question.clone(),
            question_end: self.question_end,
            edns: self.edns.clone(),
            has_edns: self.has_edns,
            others: self.others,
            payload_cap: AtomicU16::new(self.payload_cap.load(Ordering::Relaxed)),
            origin: self.origin.clone(),
            depth: self.depth,
            lookups: self.lookups.clone(),
            deadline: self.deadline,
            wants_authenticated: AtomicBool::new(self.wants_authenticated.load(Ordering::Relaxed)),
            metadata: Mutex::new(self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        })
    }

    /// Asks for something else.
    pub fn set_question(&mut self, question: Question) {
        self.question = question;
        self.question_end = 0;
    }

    /// Takes other EDNS, or none.
    pub fn set_edns(&mut self, edns: Option<Edns>) {
        self.has_edns = edns.is_some();
        self.edns = edns.unwrap_or_default();
    }

    /// Sets or clears a flag bit of the header.
    pub fn set_flag(&mut self, bit: u16, on: bool) {
        if on { self.flags |= bit & HEADER_FLAGS } else { self.flags &= !(bit & HEADER_FLAGS) }
    }

    /// When work for this query is to be given up (plugin `cancel`).
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Sets when work for this query is to be given up.
    pub const fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Answers are to be made for another transport: a refresh without a client shows itself as TCP, so untruncated.
    pub fn set_transport(&mut self, transport: Transport) {
        self.origin.transport = transport;
    }

    /// Asks the server from within for `name`, with this query's client and EDNS. None where nothing would be sent, and
    /// beyond [`MAX_DEPTH`] and [`MAX_LOOKUPS`].
    pub async fn lookup(&self, name: Name, qtype: Type) -> Option<Message> {
        let upstream = self.origin.site.upstream.as_deref()?;
        if self.depth >= MAX_DEPTH || !self.count_lookup() {
            return None;
        }
        let mut inner = self.derive();
        inner.depth += 1;
        inner.set_question(Question::new(name, qtype, self.question.class));
        upstream.lookup(inner).await
    }

    /// Counts a lookup, unless there have been enough.
    fn count_lookup(&self) -> bool {
        let count = self.lookups.get_or_init(Arc::default);
        let more = |made: u16| (made < MAX_LOOKUPS).then(|| made + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Whether the server will have to cut this reply short for the client, and set TC.
    #[must_use]
    pub fn truncates(&self, message: &Message) -> bool {
        self.origin.site.upstream.as_deref().is_some_and(|server| server.truncates(message, self))
    }

    /// How many lookups from within led here; 0 for a client's query.
    #[must_use]
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// A buffer to write a reply into: that of the query before on this thread, so that its memory is used again. Empty.
    #[must_use]
    pub fn take_buffer(&self) -> Vec<u8> {
        SPARE.take()
    }

    /// Hands a buffer back for the next query on this thread. One that grew over `limit` octets is let go, so that one large
    /// reply does not hold its memory for ever.
    pub fn give_buffer(&self, mut buffer: Vec<u8>, limit: usize) {
        if buffer.capacity() <= limit {
            buffer.clear();
            SPARE.set(buffer);
        }
    }

    /// Begins to keep metadata for this query; without it [`Request::set_metadata`] does nothing (plugin `metadata`).
    pub fn keep_metadata(&self) {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(BTreeMap::new);
    }

    /// Keeps a value under `plugin/label`, if metadata is kept.
    pub fn set_metadata(&self, label: &str, value: &str) {
        if let Some(map) = self.metadata.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            map.insert(label.to_owned(), value.to_owned());
        }
    }

    /// The value under `plugin/label`.
    #[must_use]
    pub fn metadata(&self, label: &str) -> Option<String> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(label).cloned()
    }

    /// Sets AD on this query when it goes to an upstream, so that the reply says whether it was validated (RFC 6840 §5.7).
    /// The client's own bit stays what it was. (plugin `cache`)
    pub fn ask_authenticated(&self) {
        self.wants_authenticated.store(true, Ordering::Relaxed);
    }

    /// Writes this query for an upstream under another id: header, question, other records, OPT. A signature (TSIG) is left out,
    /// for it would not hold.
    ///
    /// # Errors
    /// When records that came with the query cannot be read.
    pub fn write_query(&self, id: u16, out: &mut Vec<u8>) -> Result<(), WireError> {
        out.clear();
        let counts = [6, 8, 10].map(|field| read_u16(&self.raw, field).unwrap_or(0));
        if counts[0] != 0 || counts[1] != 0 || counts[2] > u16::from(self.has_edns) {
            crate::wire::read_plain(&self.raw, out)?;
            let records = out.split_off(crate::wire::question_end(out));
            out.truncate(HEADER);
            self.write_question(out);
            out.extend_from_slice(&records);
        } else {
            out.extend_from_slice(&[0; HEADER]);
            self.write_question(out);
        }
        if self.has_edns {
            let payload = out.len() + 3;
            self.edns.write(out);
            if let Some(room) = out.get_mut(payload..payload + 2) {
                room.copy_from_slice(&self.payload().to_be_bytes());
            }
        }
        let additional = read_u16(out, 10).unwrap_or(0) + u16::from(self.has_edns);
        let authenticated = if self.wants_authenticated.load(Ordering::Relaxed) { flag::AD } else { 0 };
        let fields = [(0, id), (2, self.flags | authenticated), (4, 1), (10, additional)];
        for (field, value) in fields {
            if let Some(room) = out.get_mut(field..field + 2) {
                room.copy_from_slice(&value.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Writes the question section.
    pub(crate) fn write_question(&self, out: &mut Vec<u8>) {
        if let Some(question) = self.raw.get(HEADER..self.question_end) {
            out.extend_from_slice(question);
            return;
        }
        out.extend_from_slice(self.question.name.as_wire());
        out.extend_from_slice(&self.question.qtype.0.to_be_bytes());
        out.extend_from_slice(&self.question.class.0.to_be_bytes());
    }

    /// Octets of the query; for a derived one as it would be sent. What came behind its last record does not count.
    #[must_use]
    pub fn size(&self) -> usize {
        let question = self.question.name.as_wire().len() + 4;
        HEADER + question + self.others + self.edns().map_or(0, Edns::wire_len)
    }

    /// Whether recursion is desired.
    #[must_use]
    pub const fn recursion_desired(&self) -> bool {
        self.has_flag(flag::RD)
    }
}

/// The octets of a name that ends at the first zero label; for callers that hold a slice of a message.
///
/// # Errors
/// When the slice does not begin with an uncompressed name.
pub fn leading_name(wire: &[u8]) -> Result<&[u8], NameError> {
    wire.get(..wire_len(wire)?).ok_or(NameError::Short)
}
