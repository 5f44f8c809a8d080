//! Writes records into a reply. Allocates nothing, but where endpoints repeat one another. Stops when the reply is full, so that a
//! service of any number of endpoints costs no more than what a message can carry.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use plugin_api::{ReplyBuilder, Section, Soa, Srv, Type};

use super::index::{Entry, Host, LabelText, NO_PORT, Records};

/// The most octets a name may have (RFC 1035 §2.3.4).
pub(super) const MAX_NAME: usize = 255;
/// The most octets of a label that is an IPv4 address with dashes, its length included.
const MAX_DASHED: usize = 16;
/// Weights are shares of this (CoreDNS: plugin/backend_lookup.go).
const WEIGHT: usize = 100;
/// TTL of a SOA record, unless the plugin's is shorter, in seconds.
pub(super) const MAX_SOA_TTL: u32 = 300;

/// Pushes the address if the question is for its family; says whether it was pushed.
pub(super) fn push_address(reply: &mut ReplyBuilder, section: Section, owner: &[&[u8]], ttl: u32, address: IpAddr) {
    match address {
        IpAddr::V4(address) => reply.push_a(section, owner, ttl, address),
        IpAddr::V6(address) => reply.push_aaaa(section, owner, ttl, address),
    }
}

/// The record type of an address.
pub(super) const fn type_of(address: IpAddr) -> Type {
    match address {
        IpAddr::V4(_) => Type::A,
        IpAddr::V6(_) => Type::AAAA,
    }
}

/// Appends the zone's SOA.
pub(super) fn push_soa(reply: &mut ReplyBuilder, section: Section, zone: &[u8], (ttl, serial): (u32, u32)) {
    let soa = Soa {
        primary: &[b"\x02ns\x03dns", zone],
        mailbox: &[b"\x0ahostmaster", zone],
        serial,
        refresh: 7200,
        retry: 1800,
        expire: 86400,
        minimum: ttl,
    };
    reply.push_soa(section, &[zone], ttl.min(MAX_SOA_TTL), &soa);
}

/// Remembers what was written, by hash.
#[derive(Default)]
pub(super) struct Seen {
    /// The hash function.
    hasher: RandomState,
    /// Hashes of what was written.
    hashes: HashSet<u64>,
}

impl Seen {
    /// Says whether this comes for the first time.
    fn is_new(&mut self, what: impl std::hash::Hash) -> bool {
        self.hashes.insert(self.hasher.hash_one(what))
    }
}

/// A name stands where an address should; it has to be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameInstead;

/// Appends the addresses of one family, each once.
pub(super) fn push_addresses(
    reply: &mut ReplyBuilder,
    (owner, ttl): (&[u8], u32),
    qtype: Type,
    records: &Records<'_>,
) -> Result<(), NameInstead> {
    // The usual headless service: nothing to be looked at one by one.
    if qtype == Type::A
        && !records.may_repeat()
        && let Some(runs) = records.fours()
    {
        runs.take_while(|run| {
            reply.push_fours(owner, ttl, run.addresses);
            !reply.is_full()
        })
        .for_each(drop);
        return Ok(());
    }
    let mut seen = records.may_repeat().then(Seen::default);
    let mut has_name = false;
    records.each_while(|entry| {
        match entry.host.address() {
            None => has_name = true,
            Some(address) if type_of(address) == qtype && seen.as_mut().is_none_or(|seen| seen.is_new(entry.host)) => {
                push_address(reply, Section::Answer, &[owner], ttl, address);
            }
            Some(_) => {}
        }
        !reply.is_full()
    });
    if has_name { Err(NameInstead) } else { Ok(()) }
}

/// Where the SRV records of a question are.
pub(super) struct Services<'a> {
    /// The question's name.
    pub(super) owner: &'a [u8],
    /// The zone, in the asker's letters.
    pub(super) zone: &'a [u8],
    /// TTL of every record.
    pub(super) ttl: u32,
    /// What was found.
    pub(super) records: Records<'a>,
}

impl Services<'_> {
    /// Appends SRV records to the answer, and the addresses of their targets behind it.
    pub(super) fn push(&self, reply: &mut ReplyBuilder) {
        if self.push_plain(reply).is_some() {
            return;
        }
        let weight = self.weight();
        let mut seen = self.records.may_repeat().then(Seen::default);
        self.each_address(|entry, target, _| {
            if self.records.is_of_service() && !self.is_first(entry) {
                return true;
            }
            let is_twin = |at: usize, number: i32| {
                entry.wanted(&self.records).take_while(|(place, _)| *place < at).any(|(_, port)| port.number == number)
            };
            entry.wanted(&self.records).for_each(|(at, port)| {
                let is_old =
                    is_twin(at, port.number) || seen.as_mut().is_some_and(|seen| !seen.is_new((target, port.number)));
                // CoreDNS writes the lower 16 bits whatever the number is.
                let [_, _, high, low] = port.number.to_be_bytes();
                let port_number = u16::from_be_bytes([high, low]);
                if port.number != NO_PORT && !is_old {
                    let srv = Srv { priority: 0, weight, port: port_number, target };
                    reply.push_srv(Section::Answer, &[self.owner], self.ttl, &srv);
                }
            });
            !reply.is_full()
        });
        if reply.is_full() {
            return;
        }
        let mut seen = self.records.may_repeat().then(Seen::default);
        self.each_address(|entry, target, address| {
            let has_port = entry.wanted(&self.records).any(|(_, port)| port.number != NO_PORT);
            if has_port && seen.as_mut().is_none_or(|seen| seen.is_new((target, entry.host))) {
                push_address(reply, Section::Additional, target, self.ttl, address);
            }
            !reply.is_full()
        });
    }

    /// The usual headless service: one port, and endpoints that are named after their IPv4 addresses. None if it is another, and
    /// then nothing was appended.
    fn push_plain(&self, reply: &mut ReplyBuilder) -> Option<()> {
        if self.records.may_repeat() {
            return None;
        }
        let mut count = 0;
        for run in self.records.fours()? {
            run.only_port().filter(|port| run.is_plain && *port != NO_PORT)?;
            count += run.addresses.len();
        }
        let mut octets = [0; MAX_NAME - MAX_DASHED];
        let mut end = 0;
        for part in [self.records.group.key(), &b"\x03svc"[..], self.zone] {
            octets.get_mut(end..end + part.len())?.copy_from_slice(part);
            end += part.len();
        }
        let (tail, weight) = (octets.get(..end)?, share(count));
        for run in self.records.fours()? {
            let [_, _, high, low] = run.only_port().unwrap_or(NO_PORT).to_be_bytes();
            for address in run.addresses {
                let mut label = Host::V4(*address).label();
                let target = [label.as_wire().unwrap_or_default(), tail];
                let srv = Srv { priority: 0, weight, port: u16::from_be_bytes([high, low]), target: &target };
                reply.push_srv(Section::Answer, &[self.owner], self.ttl, &srv);
                if reply.is_full() {
                    return Some(());
                }
            }
        }
        for address in self.records.fours()?.flat_map(|run| run.addresses) {
            let mut label = Host::V4(*address).label();
            let target = [label.as_wire().unwrap_or_default(), tail];
            reply.push_a(Section::Additional, &target, self.ttl, *address);
        }
        Some(())
    }

    /// The weight of each record: its share of 100, all ports and addresses counted, at least 1.
    fn weight(&self) -> u16 {
        let mut count = 0;
        self.records.each_while(|entry| {
            if entry.host.address().is_some() {
                count += entry.wanted(&self.records).count();
            }
            // More records than that all have the least weight.
            count < WEIGHT
        });
        share(count)
    }

    /// Gives every entry that is an address, with the name of its target, until `visit` returns false.
    fn each_address(&self, mut visit: impl FnMut(&Entry<'_>, &[&[u8]], IpAddr) -> bool) {
        self.records.each_while(|entry| {
            let Some(address) = entry.host.address() else { return true };
            let mut label = LabelText::new();
            let mut cluster = LabelText::new();
            if let Some(endpoint) = entry.endpoint {
                label = endpoint.label();
                cluster.push(entry.cluster.as_bytes());
                if label.as_bytes().is_empty() || label.as_wire().is_none() {
                    return true;
                }
            }
            let tail: [&[u8]; 3] = [self.records.group.key(), b"\x03svc", self.zone];
            let (label, cluster) = (label.as_wire().unwrap_or_default(), cluster.as_wire().unwrap_or_default());
            let target = [label, cluster, tail[0], tail[1], tail[2]];
            target.iter().map(|part| part.len()).sum::<usize>() > MAX_NAME || visit(entry, &target, address)
        });
    }

    /// Says whether this is the first of the service's own addresses: all lead to the same target.
    fn is_first(&self, entry: &Entry<'_>) -> bool {
        let mut is_first = true;
        self.records.each_while(|other| {
            let is_address = other.host.address().is_some();
            if is_address {
                is_first = other.host == entry.host;
            }
            !is_address
        });
        is_first
    }
}

/// The weight of each of this many records.
pub(super) fn share(count: usize) -> u16 {
    u16::try_from(WEIGHT / count.max(1)).unwrap_or(u16::MAX).max(1)
}

/// Appends the addresses of a pod.
pub(super) fn push_hosts(reply: &mut ReplyBuilder, (owner, ttl): (&[u8], u32), qtype: Type, hosts: &[Host]) {
    for (at, host) in hosts.iter().enumerate() {
        let is_twin = hosts.iter().take(at).any(|other| other == host);
        if let Some(address) = host.address().filter(|address| type_of(*address) == qtype && !is_twin) {
            push_address(reply, Section::Answer, &[owner], ttl, address);
        }
    }
}
