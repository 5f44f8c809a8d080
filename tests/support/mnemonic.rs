//! Numbers and their mnemonics: types, classes, rcodes, opcodes, as the recorded answers spell them.

/// The type of an OPT pseudo record (RFC 6891 §6.1.1).
pub(crate) const OPT: u16 = 41;

/// Record types with a mnemonic; all others are `TYPEn` (RFC 3597 §5).
#[rustfmt::skip]
const TYPES: &[(u16, &str)] = &[
    (1, "A"), (2, "NS"), (3, "MD"), (4, "MF"), (5, "CNAME"), (6, "SOA"), (7, "MB"), (8, "MG"), (9, "MR"),
    (10, "NULL"), (11, "WKS"), (12, "PTR"), (13, "HINFO"), (14, "MINFO"), (15, "MX"), (16, "TXT"), (17, "RP"),
    (18, "AFSDB"), (19, "X25"), (20, "ISDN"), (21, "RT"), (22, "NSAP"), (23, "NSAP-PTR"), (24, "SIG"), (25, "KEY"),
    (26, "PX"), (27, "GPOS"), (28, "AAAA"), (29, "LOC"), (30, "NXT"), (33, "SRV"), (35, "NAPTR"), (36, "KX"),
    (37, "CERT"), (38, "A6"), (39, "DNAME"), (41, "OPT"), (42, "APL"), (43, "DS"), (44, "SSHFP"), (45, "IPSECKEY"),
    (46, "RRSIG"), (47, "NSEC"), (48, "DNSKEY"), (49, "DHCID"), (50, "NSEC3"), (51, "NSEC3PARAM"), (52, "TLSA"),
    (53, "SMIMEA"), (55, "HIP"), (56, "NINFO"), (59, "CDS"), (60, "CDNSKEY"), (61, "OPENPGPKEY"), (62, "CSYNC"),
    (63, "ZONEMD"), (64, "SVCB"), (65, "HTTPS"), (66, "DSYNC"), (67, "HHIT"), (68, "BRID"), (99, "SPF"),
    (103, "UNSPEC"), (104, "NID"), (105, "L32"), (106, "L64"), (107, "LP"), (108, "EUI48"), (109, "EUI64"),
    (128, "NXNAME"), (249, "TKEY"), (250, "TSIG"), (251, "IXFR"), (252, "AXFR"), (253, "MAILB"), (254, "MAILA"),
    (255, "ANY"), (256, "URI"), (257, "CAA"), (258, "AVC"), (260, "AMTRELAY"), (261, "RESINFO"), (262, "WALLET"),
    (32768, "TA"), (32769, "DLV"),
];

/// Response codes with a mnemonic (RFC 6895 §2.3); all others are a number.
#[rustfmt::skip]
const RCODES: &[(u16, &str)] = &[
    (0, "NOERROR"), (1, "FORMERR"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (4, "NOTIMP"), (5, "REFUSED"), (6, "YXDOMAIN"),
    (7, "YXRRSET"), (8, "NXRRSET"), (9, "NOTAUTH"), (10, "NOTZONE"), (11, "DSOTYPENI"), (16, "BADVERS"),
    (17, "BADKEY"), (18, "BADTIME"), (19, "BADMODE"), (20, "BADNAME"), (21, "BADALG"), (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

/// Operation codes with a mnemonic; all others are a number.
const OPCODES: &[(u16, &str)] = &[(0, "QUERY"), (1, "IQUERY"), (2, "STATUS"), (4, "NOTIFY"), (5, "UPDATE")];

/// Classes with a mnemonic; all others are `CLASSn` (RFC 3597 §5).
const CLASSES: &[(u16, &str)] = &[(0, "RESERVED0"), (1, "IN"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

/// The mnemonic of a number, or `prefix` and the number.
fn mnemonic(table: &[(u16, &str)], number: u16, prefix: &str) -> String {
    let known = table.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("{prefix}{number}"), |(_, text)| (*text).to_owned())
}

/// The number of a mnemonic, or of `prefix` and a number.
fn number(table: &[(u16, &str)], text: &str, prefix: &str) -> Option<u16> {
    let known = table.iter().find(|(_, known)| known.eq_ignore_ascii_case(text));
    known.map(|(number, _)| *number).or_else(|| text.strip_prefix(prefix)?.parse().ok())
}

/// The mnemonic of a record type.
#[must_use]
pub fn type_name(number: u16) -> String {
    mnemonic(TYPES, number, "TYPE")
}

/// The record type that a mnemonic stands for.
#[must_use]
pub fn type_number(text: &str) -> Option<u16> {
    number(TYPES, text, "TYPE")
}

/// The mnemonic of a class.
#[must_use]
pub fn class_name(number: u16) -> String {
    mnemonic(CLASSES, number, "CLASS")
}

/// The class that a mnemonic stands for.
#[must_use]
pub fn class_number(text: &str) -> Option<u16> {
    number(CLASSES, text, "CLASS")
}

/// The mnemonic of a response code, extended bits included.
#[must_use]
pub fn rcode_name(number: u16) -> String {
    mnemonic(RCODES, number, "")
}

/// The mnemonic of an operation code.
pub(crate) fn opcode_name(number: u16) -> String {
    mnemonic(OPCODES, number, "")
}
