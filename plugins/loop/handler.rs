//! What happens to a query: the detector's own is counted, all go on.

use super::detector::Detector;
use plugin_api::{Handler, Next, Reply, Request, Type};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// The handler.
pub(super) struct Loop(pub(super) Arc<Detector>);

impl Handler for Loop {
    fn name(&self) -> &'static str {
        "loop"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        if request.qtype() != Type::HINFO {
            return next.run(request);
        }
        let Some(probe) = self.0.probe(request.question().lower()) else { return next.run(request) };
        self.0.see(probe, request.peer());
        request.keep_metadata();
        Reply::later(async move {
            let mut reply = pin!(next.run(request));
            // Whoever sends the query on says whom it asks before it waits.
            let first = poll_fn(|context| Poll::Ready(reply.as_mut().poll(context))).await;
            self.0.note_upstream(request.metadata("forward/upstream"));
            match first {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => reply.await,
            }
        })
    }
}
