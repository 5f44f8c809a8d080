//! Sets the deadline of a query.

use plugin_api::{Clock, Handler, Next, Reply, Request};
use std::time::Duration;

/// The handler.
pub(super) struct Cancel {
    /// How long work may take.
    pub(super) timeout: Duration,
    /// The time.
    pub(super) clock: Clock,
}

impl Handler for Cancel {
    fn name(&self) -> &'static str {
        "cancel"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        let deadline = self.clock.now() + self.timeout;
        let mut bounded = request.derive();
        bounded.set_deadline(request.deadline().map_or(deadline, |earlier| earlier.min(deadline)));
        Reply::later(async move { next.run(&bounded).await })
    }
}
