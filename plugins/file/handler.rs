//! Finds the zone of a query and answers out of it.

use super::alias::External;
use super::lookup::{Answer, answer};
use super::served::Served;
use super::served_map::ServedMap;
use super::zone::Zone as Data;
use plugin_api::link::Transfer;
use plugin_api::{Fallthrough, Handler, Name, Next, Opcode, OwnedRecord, Rcode, Reply, Request, Response, Type};

/// The handler: all `file` lines of a server block.
pub(super) struct File {
    /// The zones; of several files for one the last.
    pub(super) served: ServedMap,
    /// For which names a query that finds nothing is passed on.
    pub(super) fallthrough: Fallthrough,
}

impl Handler for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let Some(served) = self.served.find(request.question().lower()) else { return pass_on(request, next) };
        let passes = || self.fallthrough.covers(request.question().lower());
        serve(served, request, passes).unwrap_or_else(|| next.run(request))
    }
}

impl Transfer for File {
    fn transfer(&self, zone: &Name, serial: Option<u32>) -> Option<Box<dyn Iterator<Item = Vec<OwnedRecord>> + Send>> {
        Some(self.served.get(zone)?.transfer(serial))
    }
}

/// Hands a query of another zone on; refuses it at the end of the chain.
pub(crate) fn pass_on<'a>(request: &'a Request, next: Next<'a>) -> Reply<'a> {
    match next.name() {
        Some(_) => next.run(request),
        None => Reply::now(Ok(Response::Unwritten(Rcode::REFUSED))),
    }
}

/// Answers a query out of its zone; none if nothing is there and `passes` says that somebody else may answer.
pub(crate) fn serve<'a>(served: &Served, request: &'a Request, passes: impl FnOnce() -> bool) -> Option<Reply<'a>> {
    let unwritten = |rcode| Some(Reply::now(Ok(Response::Unwritten(rcode))));
    if matches!(request.qtype(), Type::AXFR | Type::IXFR) {
        return unwritten(Rcode::REFUSED);
    }
    if request.opcode() == Opcode::NOTIFY {
        let (peer, zone) = (request.peer().ip(), served.origin());
        tracing::info!(target: "plugin/file", "Dropping notify from {peer} for {zone}");
        return Some(Reply::now(Ok(Response::Drop)));
    }
    let data = served.zone();
    let Some(zone) = data.as_deref() else { return unwritten(Rcode::SERVFAIL) };
    match answer(zone, request) {
        Answer::Message(message) => Some(Reply::message(message)),
        Answer::Nothing(_) if passes() => None,
        Answer::Nothing(message) => Some(Reply::message(message)),
        Answer::Failed => unwritten(Rcode::SERVFAIL),
        Answer::External(external) => {
            let zone = arc_swap::Guard::into_inner(data)?;
            Some(Reply::later(async move { Ok(resolve(&zone, request, external).await) }))
        }
    }
}

/// Asks the server for what an alias leads to.
async fn resolve(zone: &Data, request: &Request, external: Box<External>) -> Response {
    let found = request.lookup(external.target.clone(), request.qtype()).await;
    external.complete(zone, request, found.as_ref())
}
