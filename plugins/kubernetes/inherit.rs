//! What a new configuration takes over at a reload: the snapshot of the cluster that the running one serves, if it was read from the
//! same source in the same detail. So names stay known while the API server is away. Knows no API server and no file.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::index::{Index, Options, Snapshot};
use super::objects::{Change, Kind};
use super::source::Versions;
use super::warm::Recalled;

/// The snapshots that the `kubernetes` blocks of one configuration serve, for the configuration after it. One for each block.
#[derive(Default)]
pub(super) struct ServedSnapshots {
    /// Each with the identity of its source and of what is kept of it (`warm::identity`).
    blocks: Mutex<Vec<(String, Arc<ArcSwap<Snapshot>>)>>,
}

impl ServedSnapshots {
    /// Offers the snapshot of a block, which the block replaces as the cluster changes.
    pub(super) fn offer(&self, identity: String, snapshot: Arc<ArcSwap<Snapshot>>) {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).push((identity, snapshot));
    }

    /// Makes an index of the snapshot with this identity. None if there is none, or if it does not have all `kinds` yet. No version is
    /// known of it, so the source lists everything once.
    pub(super) fn recall(&self, identity: &str, kinds: &[Kind], options: Options) -> Option<Recalled> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, served) = blocks.iter().find(|(other, _)| other == identity)?;
        let snapshot = served.load_full();
        drop(blocks);
        if !snapshot.synced.covers(kinds.iter().copied().collect()) {
            return None;
        }
        let mut index = Index::new(options);
        for kind in kinds {
            snapshot.objects(*kind).for_each(|object| index.apply(&Change::Apply(object), 0));
            index.apply(&Change::ListEnd(*kind), 0);
        }
        index.take_up(snapshot.serials);
        Some(Recalled { index, versions: Versions::new() })
    }
}
