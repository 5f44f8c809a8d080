//! Rules that change the EDNS options of a query (RFC 6891 §6.1.2, RFC 5001, RFC 7871).

use super::draft::Draft;
use super::revert::OptionUndo;
use crate::local_address::local_address;
use plugin_api::Request;
use plugin_api::edns::code;
use std::net::IpAddr;

/// What is done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Replaced if it is there, appended if not.
    Set,
    /// Appended.
    Append,
    /// Replaced if it is there.
    Replace,
    /// Taken out.
    Unset,
}

/// What is in an option.
pub(super) enum Data {
    /// These octets.
    Fixed(Vec<u8>),
    /// A value of the query.
    Variable(Variable),
    /// Nothing: NSID.
    Nsid,
    /// The client's network, of so many bits for IPv4 and IPv6.
    Subnet(u8, u8),
}

/// A value of a query.
pub(super) enum Variable {
    /// The queried name, in presentation form.
    QueryName,
    /// The queried type, two octets.
    QueryType,
    /// The client's address, 4 or 16 octets.
    ClientIp,
    /// The client's port, two octets.
    ClientPort,
    /// `udp` or `tcp`.
    Protocol,
    /// The server's address, 4 or 16 octets.
    ServerIp,
    /// The server's port, two octets.
    ServerPort,
    /// What is kept under this label of plugin `metadata`.
    Metadata(String),
}

/// A rule that changes an option.
pub(super) struct OptionRule {
    /// What is done.
    pub(super) deed: Deed,
    /// The option's code.
    pub(super) code: u16,
    /// What is in it.
    pub(super) data: Data,
    /// It is undone before options are echoed.
    pub(super) is_reverted: bool,
}

impl OptionRule {
    /// Changes the options of a query; true if the rule counts as matched.
    pub(super) fn apply(&self, draft: &mut Draft<'_>) -> bool {
        let Some(data) = self.data.of(draft.request()) else { return false };
        let mut undo = None;
        let is_done = draft.edit_options(|options| self.edit(options, data, &mut undo));
        draft.options.extend(undo.filter(|_| self.is_reverted));
        is_done
    }

    /// Changes the options; true if the rule counts as matched.
    fn edit(&self, options: &mut Vec<(u16, Vec<u8>)>, data: Vec<u8>, undo: &mut Option<OptionUndo>) -> bool {
        if self.deed == Deed::Unset {
            options.retain(|(code, _)| *code != self.code);
            return true;
        }
        let is_known = matches!(self.data, Data::Nsid | Data::Subnet(..)) || is_local(self.code);
        if let Some((_, old)) = options.iter_mut().find(|(code, _)| *code == self.code && is_known) {
            if matches!(self.deed, Deed::Set | Deed::Replace) {
                *undo = Some(OptionUndo::Restore(self.code, std::mem::replace(old, data)));
                return true;
            }
            if matches!(self.data, Data::Variable(_) | Data::Subnet(..)) {
                return false;
            }
        }
        if self.deed == Deed::Replace {
            return false;
        }
        options.push((self.code, data));
        *undo = Some(OptionUndo::Remove(self.code));
        true
    }
}

/// Whether an option is one of those that miekg/dns keeps as octets; `local` rules replace only these.
const fn is_local(code: u16) -> bool {
    !matches!(code, 1..=3 | 4..=12 | 15 | 18)
}

impl Data {
    /// The octets for a query; none where there is no such value.
    fn of(&self, request: &Request) -> Option<Vec<u8>> {
        match self {
            Self::Fixed(octets) => Some(octets.clone()),
            Self::Nsid => Some(Vec::new()),
            Self::Variable(variable) => variable.of(request),
            Self::Subnet(bits4, bits6) => Some(subnet(request.peer().ip().to_canonical(), *bits4, *bits6)),
        }
    }
}

impl Variable {
    /// The value for a query; none where it has none.
    fn of(&self, request: &Request) -> Option<Vec<u8>> {
        let client = request.peer().ip().to_canonical();
        Some(match self {
            Self::QueryName => request.qname().to_string().into_bytes(),
            Self::QueryType => request.qtype().0.to_be_bytes().to_vec(),
            Self::ClientIp => octets(client),
            Self::ClientPort => request.peer().port().to_be_bytes().to_vec(),
            Self::Protocol => request.origin().transport.network().as_bytes().to_vec(),
            Self::ServerIp => match (client, local_address(request).ip().to_canonical()) {
                (IpAddr::V4(_), IpAddr::V6(_)) => return None,
                (IpAddr::V6(_), IpAddr::V4(server)) => server.to_ipv6_mapped().octets().to_vec(),
                (_, server) => octets(server),
            },
            Self::ServerPort => request.origin().local.port().to_be_bytes().to_vec(),
            Self::Metadata(label) => return request.metadata(label).filter(|v| !v.is_empty()).map(String::into_bytes),
        })
    }
}

/// The octets of an address.
fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The data of a client subnet option (RFC 7871 §6): family, bits, scope 0, as many octets as the bits need.
fn subnet(client: IpAddr, bits4: u8, bits6: u8) -> Vec<u8> {
    let (family, bits) = if client.is_ipv4() { (1, bits4) } else { (2, bits6) };
    let mut data = vec![0, family, bits, 0];
    for (index, octet) in octets(client).into_iter().enumerate().take(usize::from(bits.div_ceil(8))) {
        let kept = usize::from(bits) - index * 8;
        data.push(if kept >= 8 { octet } else { octet & !(0xff_u8 >> kept) });
    }
    data
}

/// The code of options that rules for NSID change.
pub(super) const NSID: u16 = code::NSID;
/// The code of options that rules for the client's subnet change.
pub(super) const SUBNET: u16 = code::SUBNET;
