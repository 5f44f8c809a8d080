//! Lookups from within: how many one query may lead to.

use super::Server;
use super::route::Router;
use super::testing::{block, parts, query};
use plugin_api::request::MAX_LOOKUPS;
use plugin_api::{Handler, Name, Next, Reply, ReplyBuilder, Request, Response, Section, Transport, Type, Zone};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Makes as many lookups as its name says: `3-loop.test` of itself, `3-end.test` of a name that makes none.
#[derive(Default)]
struct Brancher {
    asked: AtomicUsize,
    answered: AtomicUsize,
}

impl Handler for Brancher {
    fn name(&self) -> &'static str {
        "brancher"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let text = request.qname().to_string();
        let (count, leads_on) = text.split_once(['-', '.']).unwrap();
        let count: usize = count.parse().unwrap();
        let target = if leads_on.starts_with("loop") { text.clone() } else { "0-end.test.".to_owned() };
        Reply::later(async move {
            // As what stands between handlers does.
            let derived = request.derive();
            for _ in 0..count {
                let found = derived.lookup(Name::from_text(&target).unwrap(), Type::A).await;
                self.answered.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
            }
            let mut reply = ReplyBuilder::new(request);
            reply.push_a(Section::Answer, &[request.qname().as_wire()], 60, [192, 0, 2, 1].into());
            Ok(Response::Message(reply.finish()))
        })
    }
}

/// How often handlers are asked for a query, and how many lookups get an answer.
fn asked(names: &[&str]) -> (usize, usize) {
    let brancher = Arc::new(Brancher::default());
    let mut router = Router::default();
    router.add(&Zone::from_text("test").unwrap(), block(vec![Arc::clone(&brancher) as Arc<dyn Handler>]));
    let server = Server::new(parts(router));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut request = server.request(Transport::Udp);
    for name in names {
        request.read(&query(1, name, Type::A, None)).unwrap();
        request = runtime.block_on(server.answer(request)).request;
    }
    (brancher.asked.load(Ordering::Relaxed), brancher.answered.load(Ordering::Relaxed))
}

#[test]
fn lookups_that_branch_are_counted_for_the_client_s_query() {
    let most = usize::from(MAX_LOOKUPS);
    assert_eq!(asked(&["1-loop.test"]), (17, 16), "depth is the bound");
    assert_eq!(asked(&["2-loop.test"]), (1 + most, most));
    assert_eq!(asked(&["9-loop.test"]), (1 + most, most));
    assert_eq!(asked(&["150-end.test"]), (151, 150), "what is many but ends is answered");
    assert_eq!(asked(&["2-loop.test", "150-end.test"]), (1 + most + 151, most + 150), "the next query counts anew");
}
