//! Tries a name below each domain of the client's search list. Does not know what is behind it in the chain.

use plugin_api::link::SearchPath;
use plugin_api::{
    Class, Error, Handler, Message, Name, Next, Outcome, OwnedRecord, Question, Rcode, Reply, Request, Response,
    Section, Type, Zones,
};
use prometheus_client::metrics::counter::Counter;
use std::sync::{Arc, OnceLock};

/// Where a client's search list comes from.
pub(super) enum Source {
    /// From a file, the same for all; the name as it is comes last without being listed.
    File(Vec<Name>),
    /// From another plugin, once that is known; none if the block does not have it.
    Plugin(OnceLock<Arc<dyn SearchPath>>),
}

/// The counter of one listener.
pub(super) struct ServerCount {
    /// The listener.
    pub(super) server: Arc<str>,
    /// Its series, begun with the first success.
    pub(super) begin: Box<dyn Fn() -> Counter + Send + Sync>,
    /// The series once begun.
    pub(super) counter: OnceLock<Counter>,
}

/// The handler.
pub(super) struct Autopath {
    /// For names in these zones only.
    pub(super) zones: Zones,
    /// Whose search list.
    pub(super) source: Source,
    /// Successes by listener; known when the block is linked.
    pub(super) counts: OnceLock<Vec<ServerCount>>,
}

impl Handler for Autopath {
    fn name(&self) -> &'static str {
        "autopath"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let question = request.question();
        if self.zones.find(question.lower()).is_none() {
            return next.run(request);
        }
        let Some(first) = self.source.first(request) else { return next.run(request) };
        let Some(offset) = question.lower().offset_of(&first) else { return next.run(request) };
        if offset == 0 {
            // The domain itself is below none (golden suite kubernetes/autopath; CoreDNS: dnsutil.TrimZone).
            let text = format!("trimzone: overshot qname: {}for zone {first}", question.name());
            return Reply::now(Err(Error::new(text)));
        }
        // The first try is the query itself, in the client's letters.
        match next.run(request) {
            Reply::Now(Some(Ok(response))) if is_found(&response) => Reply::now(Ok(self.finish(response, request))),
            reply => Reply::later(self.walk(request, next, offset, reply)),
        }
    }
}

impl Source {
    /// The domain that must end a name.
    fn first(&self, request: &Request) -> Option<Name> {
        match self {
            Self::File(domains) => domains.first().cloned(),
            Self::Plugin(plugin) => plugin.get()?.first_domain(request),
        }
    }

    /// The domains behind the first, and the root: the name as it is.
    fn rest(&self, request: &Request) -> Vec<Name> {
        let mut domains = match self {
            Self::File(domains) => domains.clone(),
            Self::Plugin(plugin) => plugin.get().map_or_else(Vec::new, |plugin| plugin.search_path(request)),
        };
        if domains.last().is_none_or(|last| !last.is_root()) {
            domains.push(Name::root());
        }
        domains.remove(0);
        domains
    }
}

impl Autopath {
    /// Waits for the first try; tries the other domains as long as the names do not exist. If none does, the first reply is
    /// the client's, and it goes on by itself.
    async fn walk<'a>(&'a self, request: &'a Request, next: Next<'a>, offset: usize, first: Reply<'a>) -> Outcome {
        let first = first.await?;
        if is_found(&first) {
            return Ok(self.finish(first, request));
        }
        let labels = request.qname().as_wire().get(..offset).unwrap_or_default();
        let mut inner = request.derive();
        for domain in self.source.rest(request) {
            // A name that would be too long does not exist.
            let Ok(name) = Name::from_parts(&[labels, domain.as_wire()]) else { continue };
            inner.set_question(Question::new(name, request.qtype(), request.question().class()));
            let response = next.run(&inner).await?;
            if is_found(&response) {
                return Ok(self.finish(response, request));
            }
        }
        Ok(first)
    }

    /// Counts a success and makes its reply one to the client's question.
    fn finish(&self, response: Response, request: &Request) -> Response {
        let server = &request.origin().site.server;
        let mut counts = self.counts.get().into_iter().flatten();
        if let Some(count) = counts.find(|count| Arc::ptr_eq(&count.server, server) || count.server == *server) {
            count.counter.get_or_init(&count.begin).inc();
        }
        match response {
            Response::Message(message) => Response::Message(lead(message, request)),
            other => other,
        }
    }
}

/// Whether a try ends the walk: whatever was written and is no name error, a refusal of an upstream too.
fn is_found(response: &Response) -> bool {
    match response {
        Response::Message(message) => message.rcode() != Rcode::NXDOMAIN,
        Response::Unwritten(_) => false,
        Response::Stream(_) | Response::Drop => true,
    }
}

/// Puts the client's question on a reply, and before its answer a CNAME that leads from there to the first other owner, with
/// the TTL of that record (CoreDNS: cnamer). Where the answer begins with a CNAME of the question's own, there are then two.
fn lead(mut message: Message, request: &Request) -> Message {
    let original = request.qname();
    if message.question().is_none_or(|(name, ..)| name.as_wire() != original.as_wire()) {
        message.set_question(request);
    }
    let is_other = |owner: &[u8]| !owner.eq_ignore_ascii_case(original.as_wire());
    let found = message.section(Section::Answer).find(|record| is_other(record.owner));
    let Some((target, ttl)) = found.map(|record| (record.owner.to_vec(), record.ttl)) else { return message };
    let (section, owner, rtype, class) = (Section::Answer, original.clone(), Type::CNAME, Class::IN);
    message.edit(|records| records.insert(0, OwnedRecord { section, owner, rtype, class, ttl, rdata: target }));
    message
}
