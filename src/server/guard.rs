//! Catches panics of a chain, so that one costs one reply.

use plugin_api::{BoxFuture, Outcome};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a panic brings.
pub(super) type Panic = Box<dyn Any + Send>;

/// Work whose panics become a value.
pub(super) struct Guarded<'a>(pub(super) BoxFuture<'a, Outcome>);

impl Future for Guarded<'_> {
    type Output = Result<Outcome, Panic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch(|| self.0.as_mut().poll(context)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Does something whose panics become a value. Work that has panicked is not taken up again, so nobody sees what it left half
/// done.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    crate::log::guard_panics(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    crate::log::guard_panics(false);
    done
}

/// The text of a panic.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown panic")
}
