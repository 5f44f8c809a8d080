//! Handlers and queries for tests.

use super::route::{Block, Router};
use super::{Limits, Parts, Server};
use plugin_api::{
    Clock, Error, Handler, Name, Next, Origin, Rcode, Reply, ReplyBuilder, Request, Response, Section, Site, Transport,
    Type, Zone,
};
use prometheus_client::metrics::counter::Counter;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

/// Answers according to the first label of the name.
pub(crate) struct Oracle {
    /// Lets go of the queries for `wait`.
    pub(crate) gate: Arc<Notify>,
}

impl Handler for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        let label = request.question().lower().labels().next().unwrap_or(&[]);
        match label {
            b"panic" => std::panic::panic_any("oracle panics"),
            b"drop" => Reply::now(Ok(Response::Drop)),
            b"error" => Reply::now(Err(Error::new("out of order"))),
            b"busy" => Reply::now(Err(Error::new("too much").with_rcode(Rcode::REFUSED).busy())),
            b"refused" => Reply::now(Ok(Response::Unwritten(Rcode::REFUSED))),
            b"stream" => Reply::now(Ok(Response::Stream(Box::new(
                (0..3).map(|_| addresses(request, 1)).collect::<Vec<_>>().into_iter(),
            )))),
            b"wait" => Reply::later(async {
                self.gate.notified().await;
                Ok(Response::Message(addresses(request, 1)))
            }),
            b"yield" => Reply::later(async {
                tokio::task::yield_now().await;
                Ok(Response::Message(addresses(request, 2)))
            }),
            b"again" => Reply::later(async {
                let found = request.lookup(Name::from_text("a.test").unwrap(), Type::A).await;
                found.map(Response::Message).ok_or_else(|| Error::new("nothing found"))
            }),
            b"loop" => Reply::later(async {
                let found = request.lookup(request.qname().clone(), Type::A).await;
                found.map(Response::Message).ok_or_else(|| Error::new("too deep"))
            }),
            b"many" => Reply::message(addresses(request, 200)),
            _ => Reply::message(addresses(request, 1)),
        }
    }
}

/// A reply with that many A records for the queried name.
pub(crate) fn addresses(request: &Request, count: u8) -> plugin_api::Message {
    let mut reply = ReplyBuilder::new(request).authoritative();
    for last in 0..count {
        let address = Ipv4Addr::new(192, 0, 2, last);
        reply.push_a(Section::Answer, &[request.qname().as_wire()], 30, address);
    }
    reply.finish()
}

/// A server that asks the oracle for every name below `test`.
pub(crate) fn server() -> (Arc<Server>, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let oracle: Arc<dyn Handler> = Arc::new(Oracle { gate: Arc::clone(&gate) });
    let mut router = Router::default();
    router.add(&Zone::from_text("test").unwrap(), block(vec![oracle]));
    (Server::new(parts(router)), gate)
}

/// A block of these handlers.
pub(crate) fn block(handlers: Vec<Arc<dyn Handler>>) -> Arc<Block> {
    Arc::new(Block { chain: handlers.into(), view: None, metadata: None })
}

/// Parts of a server with everything at its default.
pub(crate) fn parts(router: Router) -> Parts {
    Parts {
        name: "dns://:53".into(),
        router,
        any_class: false,
        debug: false,
        stacktrace: false,
        echoed: Vec::new(),
        limits: Limits::default(),
        clock: Clock::system(),
        panics: Counter::default(),
        dropped: None,
    }
}

/// An origin on loopback.
pub(crate) fn origin(transport: Transport) -> Origin {
    let address = "127.0.0.1:53".parse().unwrap();
    let site = Arc::new(Site { server: "dns://:53".into(), upstream: None });
    Origin { peer: address, local: address, transport, arrival: Instant::now(), site }
}

/// A query with RD, and an OPT record of this payload size and these options if there are any.
pub(crate) fn query(id: u16, name: &str, qtype: Type, edns: Option<(u16, &[u8])>) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())]);
    message.extend_from_slice(Name::from_text(name).unwrap().as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if let Some((payload, options)) = edns {
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&payload.to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
        message.extend_from_slice(options);
    }
    message
}

/// Octets from hexadecimal text; `xid` stands for an id.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.replace("xid", "abcd").chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}
