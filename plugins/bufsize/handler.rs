//! Lowers the payload size of a query.

use plugin_api::{Handler, Next, Reply, Request};

/// The handler.
pub(super) struct Bufsize {
    /// The most octets.
    pub(super) size: u16,
}

impl Handler for Bufsize {
    fn name(&self) -> &'static str {
        "bufsize"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        request.cap_payload(self.size);
        next.run(request)
    }
}
