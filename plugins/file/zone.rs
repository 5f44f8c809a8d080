//! The data of a zone: a tree by labels from the root down, with ready record octets at its nodes.
//!
//! Immutable once built. Finding a name costs one hash of a label for each label below the apex and allocates nothing.
//! Knows no query and no reply.

use hashbrown::{DefaultHashBuilder, HashTable};
use plugin_api::{Name, Type};
use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

/// Most labels of a name (RFC 1035 §2.3.4: 255 octets, two for each label).
const MAX_LABELS: usize = 128;

/// The number of a node.
pub(super) type Id = u32;

/// Records of one owner and type, as octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rrset<'a> {
    /// The records in plain form, one behind the other.
    pub(super) octets: &'a [u8],
    /// How many they are.
    pub(super) count: u16,
}

/// Where an rrset lies.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its type.
    pub(super) rtype: Type,
    /// Of signatures the type that is signed; 0 for others.
    pub(super) covered: Type,
    /// Its octets.
    pub(super) octets: Range<usize>,
    /// How many records it has.
    pub(super) count: u16,
}

/// A name of the zone, or one that others lie below.
#[derive(Debug)]
pub(super) struct Node {
    /// Its name in wire form and lower case, in the names' arena.
    pub(super) name: Range<usize>,
    /// The node above; the root's own number for the root.
    pub(super) parent: Id,
    /// Whether there are names below it.
    pub(super) has_children: bool,
    /// Its rrsets; empty for an empty non-terminal (RFC 4592 §2.2.2).
    pub(super) rrsets: Range<usize>,
}

/// Records of the apex that are kept apart: signatures beside them.
#[derive(Debug, Default)]
pub(super) struct Apex {
    /// SOA.
    pub(super) soa: Option<Entry>,
    /// Signatures of the SOA.
    pub(super) soa_signatures: Option<Entry>,
    /// NS.
    pub(super) ns: Option<Entry>,
    /// Signatures of the NS.
    pub(super) ns_signatures: Option<Entry>,
}

/// The data of a zone.
pub(super) struct Zone {
    /// The apex, lower case.
    pub(super) origin: Name,
    /// The version (RFC 1982).
    pub(super) serial: u32,
    /// Records of the apex that are kept apart.
    pub(super) apex: Apex,
    /// The octets of all records.
    pub(super) records: Box<[u8]>,
    /// The octets of all names.
    pub(super) names: Box<[u8]>,
    /// All nodes; the root is number 0.
    pub(super) nodes: Box<[Node]>,
    /// All rrsets; those of a node are neighbours.
    pub(super) rrsets: Box<[Entry]>,
    /// Nodes that have records, in canonical order (RFC 4034 §6.1).
    pub(super) order: Box<[Id]>,
    /// Nodes by parent and label.
    pub(super) table: HashTable<Id>,
    /// How labels are hashed.
    pub(super) hasher: DefaultHashBuilder,
    /// The node of the apex.
    pub(super) apex_node: Id,
}

/// The places of the labels of a name in wire form, from left to right.
pub(super) struct Labels<'a> {
    wire: &'a [u8],
    starts: [u8; MAX_LABELS],
    /// How many there are, the root not counted.
    pub(super) count: usize,
}

impl<'a> Labels<'a> {
    /// The labels of a name in wire form.
    pub(super) fn of(wire: &'a [u8]) -> Self {
        let mut labels = Self { wire, starts: [0; MAX_LABELS], count: 0 };
        let mut at = 0;
        while let Some(length) = wire.get(at).copied().filter(|length| *length > 0) {
            let Some(start) = labels.starts.get_mut(labels.count) else { break };
            *start = u8::try_from(at).unwrap_or(u8::MAX);
            labels.count += 1;
            at += 1 + usize::from(length);
        }
        labels
    }

    /// The label with this number from the left, its length octet in front.
    pub(super) fn get(&self, index: usize) -> &'a [u8] {
        let start = self.starts.get(index).map_or(0, |start| usize::from(*start));
        let length = self.wire.get(start).map_or(0, |length| usize::from(*length));
        self.wire.get(start..start + 1 + length).unwrap_or_default()
    }

    /// The name that begins with the label with this number from the left.
    pub(super) fn suffix(&self, index: usize) -> &'a [u8] {
        match self.starts.get(index).filter(|_| index < self.count) {
            Some(start) => self.wire.get(usize::from(*start)..).unwrap_or(&[0]),
            None => &[0],
        }
    }
}

impl Zone {
    /// The node for a label below another; `label` in lower case and with its length octet.
    pub(super) fn child(&self, parent: Id, label: &[u8]) -> Option<Id> {
        let is_it = |id: &Id| {
            self.node(*id).is_some_and(|node| {
                let name = self.names.get(node.name.clone()).unwrap_or_default();
                node.parent == parent && *id != 0 && name.get(..label.len()) == Some(label)
            })
        };
        self.table.find(hash(&self.hasher, parent, label), is_it).copied()
    }

    /// The node of a name anywhere in the file; lower case.
    pub(super) fn find(&self, name: &[u8]) -> Option<Id> {
        let labels = Labels::of(name);
        (0..labels.count).rev().try_fold(0, |node, index| self.child(node, labels.get(index)))
    }

    /// The node of a name that has records; lower case.
    pub(super) fn find_records(&self, name: &[u8]) -> Option<Id> {
        self.find(name).filter(|id| self.has_records(*id))
    }

    /// A node.
    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }

    /// The name of a node, lower case.
    pub(super) fn name(&self, id: Id) -> &[u8] {
        self.node(id).and_then(|node| self.names.get(node.name.clone())).unwrap_or(&[0])
    }

    /// Whether there are records at a node, those that the apex keeps apart not counted.
    pub(super) fn has_records(&self, id: Id) -> bool {
        self.node(id).is_some_and(|node| !node.rrsets.is_empty())
    }

    /// The rrset of a type at a node; of signatures all.
    pub(super) fn rrset(&self, id: Id, rtype: Type) -> Option<Rrset<'_>> {
        let entries = self.node(id).and_then(|node| self.rrsets.get(node.rrsets.clone()))?;
        let entry = entries.iter().find(|entry| entry.rtype == rtype)?;
        if rtype != Type::RRSIG {
            return self.view(entry);
        }
        // Signatures of a node are neighbours, whatever they sign.
        let all = || entries.iter().filter(|entry| entry.rtype == Type::RRSIG);
        let octets = entry.octets.start..all().map(|entry| entry.octets.end).max()?;
        Some(Rrset { octets: self.records.get(octets)?, count: all().map(|entry| entry.count).sum() })
    }

    /// The signatures of a type at a node.
    pub(super) fn signatures(&self, id: Id, covered: Type) -> Option<Rrset<'_>> {
        let entries = self.node(id).and_then(|node| self.rrsets.get(node.rrsets.clone()))?;
        let entry = entries.iter().find(|entry| entry.rtype == Type::RRSIG && entry.covered == covered)?;
        self.view(entry)
    }

    /// The octets of an rrset.
    pub(super) fn view(&self, entry: &Entry) -> Option<Rrset<'_>> {
        Some(Rrset { octets: self.records.get(entry.octets.clone())?, count: entry.count })
    }

    /// The last node in canonical order that is `name` or stands before it; lower case.
    pub(super) fn previous(&self, name: &[u8]) -> Option<Id> {
        let behind = self.order.partition_point(|id| canonical(self.name(*id), name).is_le());
        behind.checked_sub(1).and_then(|index| self.order.get(index).copied())
    }

    /// The rrset with this number; all nodes' are in canonical order. None behind the last.
    pub(super) fn nth(&self, index: usize) -> Option<Rrset<'_>> {
        self.view(self.rrsets.get(index)?)
    }
}

/// The hash of a label below a node.
pub(super) fn hash(hasher: &DefaultHashBuilder, parent: Id, label: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u32(parent);
    state.write(label);
    state.finish()
}

/// The order of names from the root down, label by label and whatever their letters' case (RFC 4034 §6.1).
pub(super) fn canonical(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    let (one, other) = (Labels::of(one), Labels::of(other));
    for depth in 1..=one.count.min(other.count) {
        let (left, right) = (one.get(one.count - depth), other.get(other.count - depth));
        let (left, right) = (left.iter().skip(1), right.iter().skip(1));
        let order = left.map(u8::to_ascii_lowercase).cmp(right.map(u8::to_ascii_lowercase));
        if order.is_ne() {
            return order;
        }
    }
    one.count.cmp(&other.count)
}
