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
/// done. Guards nest: a name that an answer leads to is looked up within the work on the query, on the same thread.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    let outer = crate::log::guard_panics(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    crate::log::guard_panics(outer);
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

#[cfg(test)]
mod tests {
    use super::{catch, text_of};

    #[test]
    fn a_panic_behind_a_nested_guard_is_still_guarded() {
        crate::log::init();
        let caught = catch(|| {
            assert!(catch(|| panic!("inner")).is_err());
            drop(crate::log::take_backtrace());
            panic!("outer");
        });
        let stack = crate::log::take_backtrace();
        assert_eq!(text_of(&*caught.map(|(): ()| ()).unwrap_err()), "outer");
        assert!(stack.is_some(), "the panic was taken for one that nobody catches");
        assert!(!crate::log::guard_panics(false), "the guard is gone with the work");
    }
}
