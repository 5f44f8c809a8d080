//! Decides by the first policy that matches.

use super::metrics::AclMetrics;
use ipnet::IpNet;
use plugin_api::dns_metrics::Scope;
use plugin_api::edns::DO;
use plugin_api::{Edns, Handler, Message, Next, Rcode, Reply, ReplyBuilder, Request, Response, Type, Zone, Zones};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// Extended DNS error: the operator blocks the name (RFC 8914 §4.16).
const BLOCKED: u16 = 15;
/// Extended DNS error: the client asked for filtering, or its operator did (RFC 8914 §4.18).
const FILTERED: u16 = 17;
/// The payload size of a reply to a client without EDNS; the server puts the client's own in its place if it has one.
const PAYLOAD: u16 = 4096;

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It goes on; later rules are not asked.
    Allow,
    /// It is refused.
    Block,
    /// It gets an empty answer.
    Filter,
    /// It gets no reply.
    Drop,
}

/// One line of a rule.
pub(super) struct Policy {
    /// What becomes of a query that matches.
    pub(super) action: Action,
    /// The types that match, [`Type::NONE`] for all; none for all.
    pub(super) types: Option<Vec<Type>>,
    /// The clients that match; none for all.
    pub(super) sources: Option<Vec<IpNet>>,
}

impl Policy {
    /// Whether a query matches.
    fn matches(&self, client: IpAddr, qtype: Type) -> bool {
        let has_type = |types: &Vec<Type>| types.contains(&qtype) || types.contains(&Type::NONE);
        let has_client = |sources: &Vec<IpNet>| sources.iter().any(|source| source.contains(&client));
        self.types.as_ref().is_none_or(has_type) && self.sources.as_ref().is_none_or(has_client)
    }
}

/// One directive.
pub(super) struct Rule {
    /// The zones that it is about.
    pub(super) zones: Zones,
    /// The first that matches decides.
    pub(super) policies: Vec<Policy>,
}

/// The handler.
pub(super) struct Acl {
    /// Asked in their order until one decides.
    pub(super) rules: Vec<Rule>,
    /// What is counted.
    pub(super) metrics: AclMetrics,
    /// The view of the block, set once at link.
    pub(super) view: OnceLock<Arc<str>>,
}

impl Handler for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let client = request.peer().ip().to_canonical();
        for rule in &self.rules {
            let Some(zone) = rule.zones.find(request.question().lower()) else { continue };
            let mut policies = rule.policies.iter();
            let Some(policy) = policies.find(|policy| policy.matches(client, request.qtype())) else { continue };
            match policy.action {
                Action::Allow => break,
                Action::Drop => {
                    self.metrics.dropped.get_or_create(&self.scope(request, zone)).inc();
                    return Reply::now(Ok(Response::Drop));
                }
                Action::Block => {
                    self.metrics.blocked.get_or_create(&self.scope(request, zone)).inc();
                    return Reply::message(reply(request, Rcode::REFUSED, BLOCKED));
                }
                Action::Filter => {
                    self.metrics.filtered.get_or_create(&self.scope(request, zone)).inc();
                    return Reply::message(reply(request, Rcode::NOERROR, FILTERED));
                }
            }
        }
        self.metrics.allow(&request.origin().site.server, &self.view());
        next.run(request)
    }
}

impl Acl {
    /// The view of the block; empty without one.
    fn view(&self) -> Arc<str> {
        self.view.get().cloned().unwrap_or_else(|| "".into())
    }

    /// The labels of a query that does not go on.
    fn scope(&self, request: &Request, zone: &Zone) -> Scope {
        let server = Arc::clone(&request.origin().site.server);
        Scope { server, zone: zone.to_string().into(), view: self.view() }
    }
}

/// A reply without records that says why; with DO set, as CoreDNS's (golden suite acl).
fn reply(request: &Request, rcode: Rcode, why: u16) -> Message {
    let mut reply = ReplyBuilder::new(request);
    reply.set_rcode(rcode);
    let mut message = reply.finish();
    let mut edns = Edns { payload: PAYLOAD, flags: DO, ..Edns::default() };
    edns.push_error(why, "");
    message.edns = Some(Box::new(edns));
    message
}
