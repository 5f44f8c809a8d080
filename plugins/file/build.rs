//! From the records of a zone file to a [`Zone`]: letters lowered as CoreDNS does, names sorted, octets made ready.

use super::zone::{Apex, Entry, Id, Labels, Node, Zone, hash};
use crate::zonefile::{Reader, Record, read_file};
use hashbrown::{DefaultHashBuilder, HashTable};
use plugin_api::wire::{read_u16, read_u32};
use plugin_api::{Name, Type};
use std::path::Path;

/// What came of reading a file.
pub(super) enum Loaded {
    /// A zone.
    Zone(Box<Zone>),
    /// The serial is still that of before.
    Unchanged,
}

/// Reads a zone file; with `serial` only if it has another one. The error is in CoreDNS's words.
pub(super) fn load(path: &Path, origin: &Name, serial: Option<u32>) -> Result<Loaded, String> {
    let file = path.display().to_string();
    let quoted = corefile::args::go_quote(&file);
    let failed = |error: String| format!("failed to parse file {quoted} for origin {origin} with error {error}");
    let text = read_file(path).map_err(|error| if error.starts_with("open ") { error } else { failed(error) })?;
    let mut builder = Builder { origin, serial: None, octets: Vec::new(), keys: Vec::new(), items: Vec::new() };
    for record in Reader::new(text, origin.clone(), path) {
        let record = record.map_err(|error| failed(error.to_string()))?;
        let found = if record.rtype == Type::SOA { serial_of(&record.rdata) } else { None };
        if builder.serial.is_none() && serial.is_some() && found == serial {
            return Ok(Loaded::Unchanged);
        }
        if matches!(record.rtype, Type::NSEC3 | Type::NSEC3PARAM) {
            let owner = record.owner.to_lower();
            return Err(format!("NSEC3 zone is not supported, dropping RR: {owner} for zone: {origin}"));
        }
        builder.serial = found.or(builder.serial);
        builder.add(&prepare(record)).ok_or_else(|| failed("zone too large".to_owned()))?;
    }
    let zone = builder.build().ok_or_else(|| format!("file {quoted} has no SOA record for origin {origin}"))?;
    Ok(Loaded::Zone(Box::new(zone)))
}

/// The serial of a SOA record: the first of the five numbers at its end.
fn serial_of(rdata: &[u8]) -> Option<u32> {
    read_u32(rdata, rdata.len().checked_sub(20)?)
}

/// Lowers the letters that CoreDNS lowers: owners but those of SRV, and names in rdata of some types (Zone.Insert).
fn prepare(mut record: Record) -> Record {
    if record.rtype != Type::SRV {
        record.owner = record.owner.to_lower();
    }
    let names = match record.rtype {
        Type::NS | Type::CNAME => 0..1,
        Type::SOA => 0..2,
        Type::MX | Type::SVCB | Type::HTTPS => 2..3,
        _ => return record,
    };
    let mut at = if names.start == 2 { 2 } else { 0 };
    let count = if record.rtype == Type::SOA { 2 } else { 1 };
    for _ in 0..count {
        let Ok((name, end)) = Name::read(&record.rdata, at) else { break };
        let range = at..at + name.as_wire().len();
        if let Some(room) = record.rdata.get_mut(range) {
            room.copy_from_slice(name.to_lower().as_wire());
        }
        at = end;
    }
    record
}

/// A record among the octets that were read.
#[derive(Clone, Copy)]
struct Item {
    start: usize,
    len: u32,
    owner_len: u8,
    /// Where its key is, see [`push_key`].
    key: (usize, u16),
    rtype: Type,
    /// Of a signature the type that is signed; 0 for others.
    covered: Type,
}

/// Records as they are read, in the order of the file.
struct Builder<'a> {
    origin: &'a Name,
    /// That of the last SOA.
    serial: Option<u32>,
    octets: Vec<u8>,
    keys: Vec<u8>,
    items: Vec<Item>,
}

impl Builder<'_> {
    /// Adds a record; none if it does not fit.
    fn add(&mut self, record: &Record) -> Option<()> {
        let (start, owner) = (self.octets.len(), record.owner.as_wire());
        self.octets.extend_from_slice(owner);
        self.octets.extend_from_slice(&record.rtype.0.to_be_bytes());
        self.octets.extend_from_slice(&record.class.0.to_be_bytes());
        self.octets.extend_from_slice(&record.ttl.to_be_bytes());
        self.octets.extend_from_slice(&u16::try_from(record.rdata.len()).ok()?.to_be_bytes());
        self.octets.extend_from_slice(&record.rdata);
        let key = self.keys.len();
        push_key(owner, &mut self.keys);
        let signed = read_u16(&record.rdata, 0).filter(|_| record.rtype == Type::RRSIG);
        self.items.push(Item {
            start,
            len: u32::try_from(self.octets.len() - start).ok()?,
            owner_len: u8::try_from(owner.len()).ok()?,
            key: (key, u16::try_from(self.keys.len() - key).ok()?),
            rtype: record.rtype,
            covered: Type(signed.unwrap_or(0)),
        });
        Some(())
    }

    /// The owner of a record.
    fn owner(&self, item: &Item) -> &[u8] {
        self.octets.get(item.start..item.start + usize::from(item.owner_len)).unwrap_or(&[0])
    }

    /// What the owner of a record is sorted by.
    fn key(&self, item: &Item) -> &[u8] {
        let (start, length) = item.key;
        self.keys.get(start..start + usize::from(length)).unwrap_or_default()
    }

    /// The zone; none without a SOA.
    fn build(mut self) -> Option<Zone> {
        let serial = self.serial?;
        let mut records = Vec::with_capacity(self.octets.len());
        let apex = self.take_apex(&mut records);
        let mut items = std::mem::take(&mut self.items);
        // A stable sort: records of an rrset stay in the order of the file.
        items.sort_by(|one, other| {
            let order = self.key(one).cmp(self.key(other));
            order.then_with(|| (one.rtype, one.covered).cmp(&(other.rtype, other.covered)))
        });
        let mut tree = Tree::new();
        let mut rrsets: Vec<Entry> = Vec::new();
        let mut order = Vec::new();
        for same_name in items.chunk_by(|one, other| self.key(one) == self.key(other)) {
            let Some(first) = same_name.first() else { continue };
            let id = tree.insert(Name::from_wire(self.owner(first)).ok()?.to_lower().as_wire());
            let start = rrsets.len();
            for same in same_name.chunk_by(|one, other| (one.rtype, one.covered) == (other.rtype, other.covered)) {
                rrsets.extend(self.entry(same, &mut records));
            }
            if let Some(node) = tree.nodes.get_mut(usize::try_from(id).ok()?) {
                node.rrsets = start..rrsets.len();
            }
            order.push(id);
        }
        let apex_node = tree.insert(self.origin.as_wire());
        Some(Zone {
            origin: self.origin.clone(),
            serial,
            apex,
            records: records.into(),
            names: tree.names.into(),
            nodes: tree.nodes.into(),
            rrsets: rrsets.into(),
            order: order.into(),
            table: tree.table,
            hasher: tree.hasher,
            apex_node,
        })
    }

    /// Takes out the records that are kept apart: the last SOA wherever it stands, the NS of the apex, their signatures.
    fn take_apex(&mut self, records: &mut Vec<u8>) -> Apex {
        let mut taken: [Vec<Item>; 4] = Default::default();
        let mut items = std::mem::take(&mut self.items);
        items.retain(|item| {
            let is_apex = self.owner(item).eq_ignore_ascii_case(self.origin.as_wire());
            let place = match (item.rtype, item.covered) {
                (Type::SOA, _) => 0,
                (Type::RRSIG, Type::SOA) => 1,
                (Type::NS, _) if is_apex => 2,
                (Type::RRSIG, Type::NS) if is_apex => 3,
                _ => return true,
            };
            if let Some(list) = taken.get_mut(place) {
                if place == 0 {
                    list.clear();
                }
                list.push(*item);
            }
            false
        });
        self.items = items;
        let [soa, soa_signatures, ns, ns_signatures] = taken.map(|list| self.entry(&list, records));
        Apex { soa, soa_signatures, ns, ns_signatures }
    }

    /// Writes records of one owner and kind; none if there is none, or more than 65,535.
    fn entry(&self, items: &[Item], records: &mut Vec<u8>) -> Option<Entry> {
        let first = items.first()?;
        let count = u16::try_from(items.len()).ok()?;
        let start = records.len();
        for item in items {
            let end = item.start + usize::try_from(item.len).ok()?;
            records.extend_from_slice(self.octets.get(item.start..end)?);
        }
        Some(Entry { rtype: first.rtype, covered: first.covered, octets: start..records.len(), count })
    }
}

/// Appends octets whose order is that of names from the root down, whatever their letters' case (RFC 4034 §6.1): labels from
/// right to left, each closed by 0, which comes before every label that goes on. So a comparison looks for no label.
fn push_key(name: &[u8], keys: &mut Vec<u8>) {
    let labels = Labels::of(name);
    for index in (0..labels.count).rev() {
        for octet in labels.get(index).iter().skip(1).map(u8::to_ascii_lowercase) {
            match octet {
                0 | 1 => keys.extend([1, octet + 1]),
                _ => keys.push(octet),
            }
        }
        keys.push(0);
    }
}

/// Nodes as they are added.
struct Tree {
    names: Vec<u8>,
    nodes: Vec<Node>,
    table: HashTable<Id>,
    hasher: DefaultHashBuilder,
}

impl Tree {
    /// A tree of the root alone.
    fn new() -> Self {
        let root = Node { name: 0..1, parent: 0, has_children: false, rrsets: 0..0 };
        Self { names: vec![0], nodes: vec![root], table: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }

    /// The node of a name in lower case, made with those above it if it is new.
    fn insert(&mut self, name: &[u8]) -> Id {
        let labels = Labels::of(name);
        let mut parent: Id = 0;
        for index in (0..labels.count).rev() {
            parent = self.child(parent, labels.get(index), labels.suffix(index));
        }
        parent
    }

    /// The node for a label below another, made if it is new.
    fn child(&mut self, parent: Id, label: &[u8], name: &[u8]) -> Id {
        let Self { names, nodes, table, hasher } = self;
        let label_of = |id: Id| {
            let node = usize::try_from(id).ok().and_then(|index| nodes.get(index));
            let name = node.and_then(|node| names.get(node.name.clone())).unwrap_or_default();
            let length = name.first().map_or(0, |length| usize::from(*length));
            (node.map_or(0, |node| node.parent), name.get(..=length).unwrap_or_default())
        };
        let key = hash(hasher, parent, label);
        if let Some(id) = table.find(key, |id| label_of(*id) == (parent, label)) {
            return *id;
        }
        let id = Id::try_from(nodes.len()).unwrap_or(Id::MAX);
        table.insert_unique(key, id, |id| {
            let (parent, label) = label_of(*id);
            hash(hasher, parent, label)
        });
        let start = names.len();
        names.extend_from_slice(name);
        nodes.push(Node { name: start..names.len(), parent, has_children: false, rrsets: 0..0 });
        if let Some(above) = usize::try_from(parent).ok().and_then(|index| nodes.get_mut(index)) {
            above.has_children = true;
        }
        id
    }
}
