//! From a query's name to the server block that answers it (CoreDNS: core/dnsserver/server.go, ServeDNS).
//!
//! The longest zone wins; of blocks that share it the first whose view admits the query. Knows no socket.

use hashbrown::HashMap;
use plugin_api::link::{MetadataProvider, View};
use plugin_api::{Chain, Request, Type, Zone};
use std::sync::Arc;

/// A server block as a listener sees it.
pub struct Block {
    /// Its handlers; none means REFUSED.
    pub chain: Chain,
    /// Its view, if it has one.
    pub view: Option<Arc<dyn View>>,
    /// Gathers metadata before views are asked (plugin `metadata`).
    pub metadata: Option<Arc<dyn MetadataProvider>>,
}

/// The blocks of a listener by zone.
#[derive(Default)]
pub struct Router {
    zones: HashMap<Box<[u8]>, Vec<Arc<Block>>>,
    /// How many octets a zone may have, a bit for each number: other suffixes of a name need not be looked up.
    lengths: [u64; 4],
}

impl Router {
    /// Adds a block for a zone, behind those that are there.
    pub fn add(&mut self, zone: &Zone, block: Arc<Block>) {
        let wire = zone.name().as_wire();
        if let Some(bits) = self.lengths.get_mut(wire.len() / 64) {
            *bits |= 1 << (wire.len() % 64);
        }
        self.zones.entry(wire.into()).or_default().push(block);
    }

    /// The block for a query; none means REFUSED.
    ///
    /// A DS query goes to the shortest zone but the root (the parent's side of a cut), and to the root if nothing else
    /// matches.
    #[must_use]
    pub fn find(&self, request: &Request) -> Option<&Block> {
        let wire = request.question().lower().as_wire();
        let mut parent = None;
        let mut at = 0;
        while let Some(suffix) = wire.get(at..)
            && let Some(&length) = suffix.first()
            && length != 0
        {
            at += 1 + usize::from(length);
            let may_be_zone =
                self.lengths.get(suffix.len() / 64).is_some_and(|bits| bits >> (suffix.len() % 64) & 1 != 0);
            if !may_be_zone {
                continue;
            }
            let Some(blocks) = self.zones.get(suffix) else { continue };
            for block in blocks {
                if block.chain.is_empty() {
                    return None;
                }
                if block.admits(request) {
                    if request.qtype() != Type::DS {
                        return Some(block);
                    }
                    parent = Some(&**block);
                }
            }
        }
        parent.or_else(|| self.root(request))
    }

    /// The block for the root zone.
    fn root(&self, request: &Request) -> Option<&Block> {
        let blocks = self.zones.get(&[0_u8][..])?;
        let mut admitted = blocks.iter().filter(|block| !block.chain.is_empty() && block.admits(request));
        // Of several matches for a DS query the last counts, here as above.
        let is_own_parent = request.qtype() == Type::DS && request.question().lower().is_root();
        if is_own_parent { admitted.last() } else { admitted.next() }.map(|block| &**block)
    }
}

impl Block {
    /// Whether its view lets the query in; gathers metadata first, for the view may ask for them.
    fn admits(&self, request: &Request) -> bool {
        if let Some(metadata) = &self.metadata {
            metadata.provide(request);
        }
        self.view.as_ref().is_none_or(|view| view.admits(request))
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
