//! From the records of a zone file to a [`Zone`]: letters lowered as CoreDNS does, names sorted, octets made ready.

use super::zone::{Apex, Entry, Id, Labels, Node, Zone, canonical, hash};
use crate::zonefile::{Reader, Record, read_file};
use hashbrown::{DefaultHashBuilder, HashTable};
use plugin_api::wire::read_u32;
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
    let mut records = Vec::new();
    let mut is_first = true;
    for record in Reader::new(text, origin.clone(), path) {
        let record = record.map_err(|error| failed(error.to_string()))?;
        if record.rtype == Type::SOA
            && std::mem::take(&mut is_first)
            && serial.is_some()
            && serial_of(&record) == serial
        {
            return Ok(Loaded::Unchanged);
        }
        if matches!(record.rtype, Type::NSEC3 | Type::NSEC3PARAM) {
            let owner = record.owner.to_lower();
            return Err(format!("NSEC3 zone is not supported, dropping RR: {owner} for zone: {origin}"));
        }
        records.push(prepare(record));
    }
    let zone = build(records, origin).ok_or_else(|| format!("file {quoted} has no SOA record for origin {origin}"))?;
    Ok(Loaded::Zone(Box::new(zone)))
}

/// The serial of a SOA record: the first of the five numbers at its end.
fn serial_of(record: &Record) -> Option<u32> {
    read_u32(&record.rdata, record.rdata.len().checked_sub(20)?)
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

/// Builds a zone; none without a SOA.
fn build(mut records: Vec<Record>, origin: &Name) -> Option<Zone> {
    let serial = serial_of(records.iter().rfind(|record| record.rtype == Type::SOA)?)?;
    let mut octets = Vec::new();
    let apex = take_apex(&mut records, origin, &mut octets);
    // A stable sort: records of an rrset stay in the order of the file.
    let mut keyed: Vec<(Name, Record)> = records.into_iter().map(|record| (record.owner.to_lower(), record)).collect();
    keyed.sort_by(|(one, left), (other, right)| {
        canonical(one.as_wire(), other.as_wire()).then_with(|| group(left).cmp(&group(right)))
    });
    let mut tree = Tree::new();
    let mut rrsets: Vec<Entry> = Vec::new();
    let mut order = Vec::new();
    for same_name in keyed.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((name, _)) = same_name.first() else { continue };
        let id = tree.insert(name.as_wire());
        let start = rrsets.len();
        for same in same_name.chunk_by(|(_, one), (_, other)| group(one) == group(other)) {
            let records = same.iter().map(|(_, record)| record);
            rrsets.extend(entry(records, &mut octets));
        }
        if let Some(node) = tree.nodes.get_mut(usize::try_from(id).ok()?) {
            node.rrsets = start..rrsets.len();
        }
        order.push(id);
    }
    let apex_node = tree.insert(origin.as_wire());
    Some(Zone {
        origin: origin.clone(),
        serial,
        apex,
        records: octets.into(),
        names: tree.names.into(),
        nodes: tree.nodes.into(),
        rrsets: rrsets.into(),
        order: order.into(),
        table: tree.table,
        hasher: tree.hasher,
        apex_node,
    })
}

/// What records are grouped by: type, and of signatures the type that is signed.
fn group(record: &Record) -> (Type, Type) {
    (record.rtype, if record.rtype == Type::RRSIG { covered(record) } else { Type(0) })
}

/// The type that a signature signs.
fn covered(record: &Record) -> Type {
    Type(plugin_api::wire::read_u16(&record.rdata, 0).unwrap_or(0))
}

/// Takes out the records that are kept apart: the last SOA wherever it stands, the NS of the apex, and their signatures.
fn take_apex(records: &mut Vec<Record>, origin: &Name, octets: &mut Vec<u8>) -> Apex {
    let mut taken: [Vec<Record>; 4] = Default::default();
    records.retain(|record| {
        let place = match (record.rtype, covered(record)) {
            (Type::SOA, _) => 0,
            (Type::RRSIG, Type::SOA) => 1,
            (Type::NS, _) if record.owner == *origin => 2,
            (Type::RRSIG, Type::NS) if record.owner == *origin => 3,
            _ => return true,
        };
        if let Some(list) = taken.get_mut(place) {
            if place == 0 {
                list.clear();
            }
            list.push(record.clone());
        }
        false
    });
    let mut entries = taken.iter().map(|list| entry(list.iter(), octets));
    let mut next = || entries.next().flatten();
    Apex { soa: next(), soa_signatures: next(), ns: next(), ns_signatures: next() }
}

/// Writes records of one group; none if there is none.
fn entry<'a>(records: impl Iterator<Item = &'a Record>, octets: &mut Vec<u8>) -> Option<Entry> {
    let start = octets.len();
    let mut count = 0_u16;
    let mut kind = None;
    for record in records {
        kind = Some(group(record));
        count = count.checked_add(1)?;
        octets.extend_from_slice(record.owner.as_wire());
        octets.extend_from_slice(&record.rtype.0.to_be_bytes());
        octets.extend_from_slice(&record.class.0.to_be_bytes());
        octets.extend_from_slice(&record.ttl.to_be_bytes());
        octets.extend_from_slice(&u16::try_from(record.rdata.len()).ok()?.to_be_bytes());
        octets.extend_from_slice(&record.rdata);
    }
    let (rtype, covered) = kind?;
    Some(Entry { rtype, covered, octets: start..octets.len(), count })
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
