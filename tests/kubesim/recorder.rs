//! Every request with its time, for tests to read.
//! Does not judge them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::hook::Recorded;

/// How many requests are kept: far more than any test asks, and bounded for a server that runs for days.
const KEPT: usize = 100_000;

/// The record of requests.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// The newest [`KEPT`] requests.
    requests: Mutex<VecDeque<Arc<Recorded>>>,
    /// Counts all requests, also those forgotten.
    count: watch::Sender<usize>,
}

impl Recorder {
    /// An empty record.
    pub(crate) fn new() -> Self {
        Self { requests: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Numbers a request and keeps it.
    pub(crate) fn keep(&self, mut request: Recorded) -> Arc<Recorded> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        request.number = *self.count.borrow();
        let request = Arc::new(request);
        requests.push_back(Arc::clone(&request));
        if requests.len() > KEPT {
            requests.pop_front();
        }
        self.count.send_modify(|count| *count += 1);
        request
    }

    /// The requests kept, oldest first.
    pub(crate) fn all(&self) -> Vec<Recorded> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|request| Recorded::clone(request)).collect()
    }

    /// Waits until the record is as wanted.
    pub(crate) async fn wait_for(&self, mut is_wanted: impl FnMut(&[Recorded]) -> bool) {
        let mut count = self.count.subscribe();
        while !is_wanted(&self.all()) {
            if count.changed().await.is_err() {
                return;
            }
        }
    }
}
