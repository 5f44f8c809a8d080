//! Orders of records. Knows no query and no file.

use ipnet::IpNet;
use plugin_api::{Record, Section, Type};
use rand::seq::SliceRandom;
use std::net::IpAddr;

/// What decides the place of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    /// A link to the name of the records behind.
    Alias,
    /// A or AAAA.
    Address,
    /// MX.
    Exchange,
    /// All else.
    Other,
}

/// The group of a type.
const fn group(rtype: Type) -> Group {
    match rtype {
        Type::CNAME => Group::Alias,
        Type::A | Type::AAAA => Group::Address,
        Type::MX => Group::Exchange,
        _ => Group::Other,
    }
}

/// The address in a record, if it is one.
pub(super) fn address(record: &Record<'_>) -> Option<IpAddr> {
    match record.rtype {
        Type::A => <[u8; 4]>::try_from(record.rdata).ok().map(IpAddr::from),
        Type::AAAA => <[u8; 16]>::try_from(record.rdata).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Sorts the records of each section by `rank`, keeping the order of equals, and hands every run of addresses and of MX
/// records to `change`. Sections that `skips` are left alone.
fn arrange<'a>(
    records: &mut [Record<'a>],
    rank: fn(Group) -> u8,
    skips: impl Fn(&[Record<'a>]) -> bool,
    mut change: impl FnMut(&mut [Record<'a>]),
) {
    for section in records.chunk_by_mut(|one, next| one.section == next.section) {
        if skips(section) {
            continue;
        }
        section.sort_by_key(|record| rank(group(record.rtype)));
        for run in section.chunk_by_mut(|one, next| group(one.rtype) == group(next.rtype)) {
            change(run);
        }
    }
}

/// Aliases, other records, addresses and MX records, the last two in random order.
pub(super) fn shuffle(records: &mut [Record<'_>]) {
    let rank = |group| match group {
        Group::Alias => 0,
        Group::Other => 1,
        Group::Address => 2,
        Group::Exchange => 3,
    };
    arrange(
        records,
        rank,
        |section| section.len() < 2,
        |run| {
            if run.first().is_some_and(|record| matches!(group(record.rtype), Group::Address | Group::Exchange)) {
                run.shuffle(&mut rand::rng());
            }
        },
    );
}

/// The same order, but with one address put first by `top`, which gives its place among the addresses.
pub(super) fn put_first(records: &mut [Record<'_>], top: impl Fn(&[Record<'_>]) -> usize) {
    let rank = |group| match group {
        Group::Alias => 0,
        Group::Other => 1,
        Group::Address => 2,
        Group::Exchange => 3,
    };
    let has_address = |section: &[Record<'_>]| section.iter().any(|record| group(record.rtype) == Group::Address);
    let skips = |section: &[Record<'_>]| !has_address(section) || is_authority(section);
    arrange(records, rank, skips, |run| {
        if run.first().is_some_and(|record| group(record.rtype) == Group::Address) {
            let first = top(run);
            if first < run.len() {
                run.swap(0, first);
            }
        }
    });
}

/// Aliases, addresses, MX records and others; addresses of `networks` first, in their order.
pub(super) fn prefer(records: &mut [Record<'_>], networks: &[IpNet]) {
    let rank = |group| match group {
        Group::Alias => 0,
        Group::Address => 1,
        Group::Exchange => 2,
        Group::Other => 3,
    };
    let place = |record: &Record<'_>| {
        let address = address(record)?;
        networks.iter().position(|network| network.contains(&address))
    };
    arrange(records, rank, is_authority, |run| run.sort_by_key(|record| place(record).unwrap_or(networks.len())));
}

/// Whether these are records of the authority section.
fn is_authority(section: &[Record<'_>]) -> bool {
    section.first().is_some_and(|record| record.section == Section::Authority)
}
