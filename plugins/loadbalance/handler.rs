//! Puts the records of replies into another order.

use super::order::{prefer, put_first, shuffle};
use super::weights::Weights;
use ipnet::IpNet;
use plugin_api::{Handler, Message, Next, Rcode, Reply, Request, Response, Section, Type};
use std::sync::Arc;

/// How addresses are ordered.
pub(super) enum Policy {
    /// At random.
    RoundRobin,
    /// One drawn by weight first.
    Weighted(Arc<Weights>),
}

/// The handler.
pub(super) struct LoadBalance {
    /// How addresses are ordered.
    pub(super) policy: Policy,
    /// Whose addresses come first after that.
    pub(super) networks: Vec<IpNet>,
}

impl Handler for LoadBalance {
    fn name(&self) -> &'static str {
        "loadbalance"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let qtype = request.qtype();
        if matches!(qtype, Type::AXFR | Type::IXFR) {
            return next.run(request);
        }
        next.run(request).then(move |mut outcome| {
            if let Ok(Response::Message(message)) = &mut outcome {
                self.order(message, qtype);
            }
            outcome
        })
    }
}

impl LoadBalance {
    /// Orders the records of a reply; one without two records in a section has only one order.
    fn order(&self, message: &mut Message, qtype: Type) {
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        if message.rcode() != Rcode::NOERROR || sections.iter().all(|section| message.count(*section) < 2) {
            return;
        }
        message.arrange(|records| {
            match &self.policy {
                Policy::RoundRobin => shuffle(records),
                Policy::Weighted(weights) if matches!(qtype, Type::A | Type::AAAA | Type::SRV) => {
                    put_first(records, |addresses| weights.draw(addresses));
                }
                Policy::Weighted(_) => {}
            }
            if !self.networks.is_empty() {
                prefer(records, &self.networks);
            }
        });
    }
}
