//! Adds the option to replies whose queries have it.

use plugin_api::edns::{DO, code};
use plugin_api::{Edns, Handler, Message, Next, Reply, Request, Response};

/// The handler.
pub(super) struct Nsid {
    /// The name of this server.
    pub(super) data: Box<[u8]>,
}

impl Handler for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let reply = next.run(request);
        if request.edns().is_none_or(|edns| edns.option(code::NSID).is_none()) {
            return reply;
        }
        reply.then(|mut outcome| {
            match &mut outcome {
                Ok(Response::Message(message)) => self.mark(request, message),
                Err(error) => error.message.iter_mut().for_each(|message| self.mark(request, message)),
                _ => {}
            }
            outcome
        })
    }
}

impl Nsid {
    /// Puts the option into a reply. EDNS that is made for it has DO set, as CoreDNS's (golden suite nsid).
    fn mark(&self, request: &Request, message: &mut Message) {
        let made = || Box::new(Edns { payload: request.payload(), flags: DO, ..Edns::default() });
        let edns = message.edns.get_or_insert_with(made);
        let others: Vec<(u16, Vec<u8>)> = edns.options().map(|(option, data)| (option, data.to_vec())).collect();
        let exists = others.iter().any(|(option, _)| *option == code::NSID);
        edns.options.clear();
        for (option, data) in &others {
            edns.push_option(*option, if *option == code::NSID { &self.data } else { data });
        }
        if !exists {
            edns.push_option(code::NSID, &self.data);
        }
    }
}
