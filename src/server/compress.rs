//! Name compression as miekg/dns does it (RFC 1035 §4.1.4): which names become pointers, and which are only pointed to.
//!
//! Names are compared with their letters, so `A.example` never points to `a.example`. Knows no limit of size.

use hashbrown::HashTable;
use plugin_api::Type;
use plugin_api::name::wire_len;
use plugin_api::wire::{HEADER, Part, Record, compresses_rdata, rdata_shape};
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};

/// Offsets from here on cannot be pointed to: a pointer has 14 bits.
const MAX_POINTER: usize = 1 << 14;
/// Octets of a SRV record's rdata before its target.
const SRV_FIXED: usize = 6;
/// Names of which a table has room for; a larger one is let go.
const KEEP: usize = 1024;
/// Labels whose hashes are kept while a name is looked for; those of further ones are made again.
const HASHES: usize = 8;

thread_local! {
    /// The table of the message before, so that its memory is used again: one for each thread, of a bounded size.
    static SPARE: Cell<HashTable<u16>> = const { Cell::new(HashTable::new()) };
}

/// Knows the names written so far into one message.
pub(super) struct Compressor<'a> {
    /// Where the message begins in the output; pointers count from there.
    start: usize,
    /// Offsets of the suffixes written, by their octets.
    known: HashTable<u16>,
    /// Makes the hashes.
    hasher: hashbrown::DefaultHashBuilder,
    /// The owner written last and where: long answers repeat it.
    last: Option<(&'a [u8], u16)>,
    /// A suffix that is known to have been written; names in rdata often end in the same.
    tail: &'a [u8],
}

impl Drop for Compressor<'_> {
    fn drop(&mut self) {
        if self.known.capacity() <= KEEP {
            SPARE.set(std::mem::take(&mut self.known));
        }
    }
}

impl<'a> Compressor<'a> {
    /// A compressor for the message that begins at `start` of `out` and has header and question by now.
    pub(super) fn new(start: usize, out: &[u8]) -> Self {
        let mut known = SPARE.take();
        known.clear();
        let mut compressor = Self { start, known, hasher: Default::default(), last: None, tail: &[] };
        if let Some(name) = out.get(start + HEADER..)
            && let Ok(length) = wire_len(name)
        {
            compressor.learn(name.get(..length).unwrap_or(&[]), out, HEADER);
        }
        compressor
    }

    /// Appends a record; `behind_owner` is what of it follows its owner.
    pub(super) fn record(&mut self, record: &Record<'a>, behind_owner: &[u8], out: &mut Vec<u8>) {
        self.owner(record.owner, out);
        match record.rtype {
            Type::A | Type::AAAA => return out.extend_from_slice(behind_owner),
            // The target is not compressed (RFC 2782), but may be pointed to.
            Type::SRV => {
                let at = out.len() + behind_owner.len() - record.rdata.len() + SRV_FIXED;
                out.extend_from_slice(behind_owner);
                if let Some(target) = record.rdata.get(SRV_FIXED..) {
                    self.note(target, at, out);
                }
                return;
            }
            _ => (),
        }
        out.extend_from_slice(&record.rtype.0.to_be_bytes());
        out.extend_from_slice(&record.class.0.to_be_bytes());
        out.extend_from_slice(&record.ttl.to_be_bytes());
        let length_at = out.len();
        out.extend_from_slice(&[0, 0]);
        self.rdata(record, out);
        let length = u16::try_from(out.len() - length_at - 2).unwrap_or(u16::MAX);
        if let Some(room) = out.get_mut(length_at..length_at + 2) {
            room.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Appends an owner; the same one as before costs no search.
    fn owner(&mut self, owner: &'a [u8], out: &mut Vec<u8>) {
        if let Some((last, at)) = &self.last
            && *last == owner
        {
            out.extend_from_slice(&(0xc000 | at).to_be_bytes());
            return;
        }
        let at = out.len();
        self.name(owner, true, out);
        let written = out.get(at..at + 2).map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]));
        let target = if written >= 0xc000 { usize::from(written & 0x3fff) } else { at - self.start };
        self.last = u16::try_from(target)
            .ok()
            .filter(|at| usize::from(*at) < MAX_POINTER && owner.len() > 1)
            .map(|at| (owner, at));
    }

    /// Appends rdata, its names as their type allows.
    fn rdata(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let shape = rdata_shape(record.rtype);
        let mut rest = record.rdata;
        if shape.contains(&Part::Name) {
            let compresses = compresses_rdata(record.rtype);
            for part in shape {
                let length = match *part {
                    Part::Name => wire_len(rest).unwrap_or(rest.len()),
                    Part::Fixed(octets) => octets,
                    Part::Text => 1 + rest.first().map_or(0, |length| usize::from(*length)),
                    // No name that is looked for is behind any other part.
                    _ => rest.len(),
                };
                let (octets, tail) = rest.split_at(length.min(rest.len()));
                if *part == Part::Name {
                    self.name(octets, compresses, out);
                } else {
                    out.extend_from_slice(octets);
                }
                rest = tail;
            }
        }
        out.extend_from_slice(rest);
    }

    /// Appends a name, as a pointer from its longest known suffix on if `may_point`.
    fn name(&mut self, name: &[u8], may_point: bool, out: &mut Vec<u8>) {
        let base = out.len();
        let mut known = None;
        let mut hashes = [0; HASHES];
        let mut count = 0;
        for at in suffixes(name) {
            let suffix = name.get(at..).unwrap_or(&[]);
            let hash = self.hash(suffix);
            if let Some(offset) = self.find(hash, suffix, out) {
                known = Some((at, offset));
                break;
            }
            if let Some(slot) = hashes.get_mut(count) {
                *slot = hash;
            }
            count += 1;
        }
        match known {
            Some((at, offset)) if may_point => {
                out.extend_from_slice(name.get(..at).unwrap_or(&[]));
                out.extend_from_slice(&(0xc000 | offset).to_be_bytes());
            }
            _ => out.extend_from_slice(name),
        }
        for (index, at) in suffixes(name).take(count).enumerate() {
            let hash = hashes.get(index).copied().unwrap_or_else(|| self.hash(name.get(at..).unwrap_or(&[])));
            self.insert(hash, base + at - self.start, out);
        }
    }

    /// Takes note of those suffixes of a name, just written at `at` of the output, that are new.
    fn note(&mut self, name: &'a [u8], at: usize, out: &[u8]) {
        for suffix in suffixes(name) {
            let octets = name.get(suffix..).unwrap_or(&[]);
            if suffix > 0 && octets == self.tail {
                return;
            }
            let hash = self.hash(octets);
            if self.find(hash, octets, out).is_some() {
                // Targets of one service end alike.
                self.tail = octets;
                return;
            }
            self.insert(hash, at + suffix - self.start, out);
        }
    }

    /// Takes note of a name that stands at `at` of the message.
    fn learn(&mut self, name: &[u8], out: &[u8], at: usize) {
        for suffix in suffixes(name) {
            let hash = self.hash(name.get(suffix..).unwrap_or(&[]));
            self.insert(hash, at + suffix, out);
        }
    }

    /// Takes note of a suffix that stands at `offset` of the message, if a pointer can reach it.
    fn insert(&mut self, hash: u64, offset: usize, out: &[u8]) {
        if offset >= MAX_POINTER {
            return;
        }
        let Ok(offset) = u16::try_from(offset) else { return };
        let (hasher, start) = (&self.hasher, self.start);
        self.known.insert_unique(hash, offset, |offset| {
            let mut octets = Vec::new();
            read_suffix(out.get(start..).unwrap_or(&[]), *offset, |label| octets.extend_from_slice(label));
            octets.push(0);
            hash_with(hasher, &octets)
        });
    }

    /// The offset of a suffix that was written before.
    fn find(&self, hash: u64, suffix: &[u8], out: &[u8]) -> Option<u16> {
        let message = out.get(self.start..)?;
        self.known.find(hash, |offset| equals(message, *offset, suffix)).copied()
    }

    /// The hash of a suffix in wire form.
    fn hash(&self, suffix: &[u8]) -> u64 {
        hash_with(&self.hasher, suffix)
    }
}

/// Hashes octets.
fn hash_with(hasher: &hashbrown::DefaultHashBuilder, octets: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(octets);
    state.finish()
}

/// Where the labels of a name begin, the root not among them.
fn suffixes(name: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = usize::from(*name.get(at)?);
        let here = at;
        at += 1 + length;
        (length != 0).then_some(here)
    })
}

/// Shows the labels, length octets included, of the name at `offset` of a message that we wrote.
fn read_suffix<'a>(message: &'a [u8], offset: u16, mut see: impl FnMut(&'a [u8])) {
    let mut at = usize::from(offset);
    while let Some(&length) = message.get(at) {
        if length >= 0xc0 {
            let low = message.get(at + 1).copied().unwrap_or(0);
            let target = usize::from(length & 0x3f) << 8 | usize::from(low);
            if target >= at {
                return;
            }
            at = target;
            continue;
        }
        let next = at + 1 + usize::from(length);
        match message.get(at..next) {
            Some(label) if length != 0 => see(label),
            _ => return,
        }
        at = next;
    }
}

/// Whether the name at `offset` of the message is `suffix`, letter by letter.
fn equals(message: &[u8], offset: u16, suffix: &[u8]) -> bool {
    // Most names stand there as a whole.
    if message.get(usize::from(offset)..).is_some_and(|written| written.starts_with(suffix)) {
        return true;
    }
    let mut rest = Some(suffix);
    read_suffix(message, offset, |label| rest = rest.and_then(|rest| rest.strip_prefix(label)));
    rest == Some(&[0])
}
