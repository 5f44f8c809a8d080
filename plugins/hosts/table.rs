//! Names to addresses and back, as one immutable table. Knows no file and no query.

use hashbrown::HashMap;
use plugin_api::{Name, Zones};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest line in octets; CoreDNS's reader stops at one that is longer, ours leaves it out.
const MAX_LINE: usize = 64 * 1024;

/// The addresses of a name in the order they were read.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Of IPv4.
    pub(super) v4: Vec<Ipv4Addr>,
    /// Of IPv6.
    pub(super) v6: Vec<Ipv6Addr>,
}

/// What a hosts file says.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By lower-case name in wire form; `*.example.org` under its own letters.
    names: HashMap<Box<[u8]>, Addresses>,
    /// The names of an address, lower case, in wire form.
    addresses: HashMap<IpAddr, Vec<Box<[u8]>>>,
    /// How many addresses and reverse names there are.
    entries: usize,
}

/// What is taken from a hosts file.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Names outside of them are left out.
    pub(super) zones: Zones,
    /// Whether addresses have names.
    pub(super) has_reverse: bool,
}

impl Table {
    /// Reads text in the form of `/etc/hosts`; what is no line of that form is left out.
    pub(super) fn parse(text: &[u8], scope: &Scope) -> Self {
        let mut table = Self::default();
        for line in text.split(|octet| *octet == b'\n').filter(|line| line.len() < MAX_LINE) {
            let line = line.split(|octet| *octet == b'#').next().unwrap_or_default();
            table.take_line(&String::from_utf8_lossy(line), scope);
        }
        table
    }

    /// Takes `ADDRESS NAME...`.
    fn take_line(&mut self, line: &str, scope: &Scope) {
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(read_address) else { return };
        for word in words {
            let Ok(name) = Name::from_text(word) else { continue };
            let name = name.to_lower();
            if scope.zones.find(&name).is_some() {
                self.insert(&name, address, scope.has_reverse);
            }
        }
    }

    /// Adds an address to a name, and the name to the address unless it is a wildcard.
    fn insert(&mut self, name: &Name, address: IpAddr, has_reverse: bool) {
        let wire = name.as_wire();
        let addresses = self.names.entry(wire.into()).or_default();
        match address {
            IpAddr::V4(address) => addresses.v4.push(address),
            IpAddr::V6(address) => addresses.v6.push(address),
        }
        self.entries += 1;
        if has_reverse && !wire.starts_with(b"\x01*") {
            self.addresses.entry(address).or_default().push(wire.into());
            self.entries += 1;
        }
    }

    /// How many addresses and reverse names there are.
    pub(super) const fn entries(&self) -> usize {
        self.entries
    }

    /// The IPv4 addresses of a lower-case name.
    pub(super) fn v4(&self, name: &Name) -> &[Ipv4Addr] {
        self.family(name, |addresses| addresses.v4.as_slice())
    }

    /// The IPv6 addresses of a lower-case name.
    pub(super) fn v6(&self, name: &Name) -> &[Ipv6Addr] {
        self.family(name, |addresses| addresses.v6.as_slice())
    }

    /// The names of an address.
    pub(super) fn names(&self, address: IpAddr) -> &[Box<[u8]>] {
        self.addresses.get(&address).map_or(&[], Vec::as_slice)
    }

    /// The addresses of one family: those of the name itself, else those of the wildcard in place of its first label.
    fn family<'a, T>(&'a self, name: &Name, pick: impl Fn(&'a Addresses) -> &'a [T]) -> &'a [T] {
        let own = self.names.get(name.as_wire()).map_or(&[][..], &pick);
        if !own.is_empty() {
            return own;
        }
        wildcard(name).and_then(|wildcard| self.names.get(wildcard.as_wire())).map_or(&[], pick)
    }
}

/// The name with `*` in place of its first label; none for the root and for a top-level name.
fn wildcard(name: &Name) -> Option<Name> {
    let first = name.labels().next()?.len();
    let parent = name.as_wire().get(1 + first..)?;
    if parent.len() <= 1 { None } else { Name::from_parts(&[b"\x01*", parent]).ok() }
}

/// An address; the zone of an IPv6 address is cut off, and IPv4 in IPv6 is IPv4.
pub(super) fn read_address(word: &str) -> Option<IpAddr> {
    let address: IpAddr = word.split('%').next()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The address that a lower-case name below `in-addr.arpa` or `ip6.arpa` stands for.
pub(super) fn address_of_reverse(name: &Name) -> Option<IpAddr> {
    let mut labels: [&[u8]; 34] = [b""; 34];
    let mut count = 0;
    for label in name.labels() {
        *labels.get_mut(count)? = label;
        count += 1;
    }
    match labels.get(..count)? {
        [octets @ .., b"in-addr", b"arpa"] if octets.len() == 4 => {
            let mut address = [0_u8; 4];
            for (octet, label) in address.iter_mut().rev().zip(octets) {
                *octet = decimal(label)?;
            }
            Some(IpAddr::from(address))
        }
        [nibbles @ .., b"ip6", b"arpa"] if nibbles.len() == 32 => {
            let mut address = 0_u128;
            for label in nibbles.iter().rev() {
                let [digit] = label else { return None };
                address = address << 4 | u128::from(char::from(*digit).to_digit(16)?);
            }
            Some(IpAddr::from(address.to_be_bytes()).to_canonical())
        }
        _ => None,
    }
}

/// An octet in decimal digits, without leading zeros.
fn decimal(label: &[u8]) -> Option<u8> {
    let is_plain = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || !label.starts_with(b"0"));
    if is_plain { str::from_utf8(label).ok()?.parse().ok() } else { None }
}
