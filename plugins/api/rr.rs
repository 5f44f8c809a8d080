//! The numbers of DNS and their mnemonics, spelt as CoreDNS's logs and metrics spell them.

use std::fmt;

/// Declares a newtype over `u16` with named constants and its mnemonics.
macro_rules! numbers {
    (
        $(#[$meta:meta])* $name:ident, $fallback:literal, { $($constant:ident = $value:literal $text:literal),* $(,)? }
        $(, by_number: $ambiguous:literal)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u16);

        impl $name {
            $(#[doc = concat!("`", $text, "`")] pub const $constant: Self = Self($value);)*

            /// The mnemonic, if the number has one.
            #[must_use]
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self.0 { $($value => Some($text),)* _ => None }
            }

            /// The number of an upper-case mnemonic.
            #[must_use]
            pub fn from_mnemonic(text: &str) -> Option<Self> {
                match text { $($text => Some(Self($value)),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.mnemonic() {
                    $(Some(_) if self.0 == $ambiguous => write!(f, concat!($fallback, $ambiguous)),)?
                    Some(text) => f.write_str(text),
                    None => write!(f, concat!($fallback, "{}"), self.0),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
    };
}

numbers! {
    /// A record or query type (RFC 1035 §3.2.2 and the IANA registry).
    Type, "TYPE", {
        NONE = 0 "None", A = 1 "A", NS = 2 "NS", MD = 3 "MD", MF = 4 "MF", CNAME = 5 "CNAME", SOA = 6 "SOA", MB = 7 "MB",
        MG = 8 "MG", MR = 9 "MR", NULL = 10 "NULL", WKS = 11 "WKS", PTR = 12 "PTR", HINFO = 13 "HINFO", MINFO = 14 "MINFO", MX = 15 "MX",
        TXT = 16 "TXT", RP = 17 "RP", AFSDB = 18 "AFSDB", X25 = 19 "X25", ISDN = 20 "ISDN", RT = 21 "RT",
        NSAP_PTR = 23 "NSAP-PTR", SIG = 24 "SIG", KEY = 25 "KEY", PX = 26 "PX", GPOS = 27 "GPOS", AAAA = 28 "AAAA",
        LOC = 29 "LOC", NXT = 30 "NXT", EID = 31 "EID", NIMLOC = 32 "NIMLOC", SRV = 33 "SRV", ATMA = 34 "ATMA",
        NAPTR = 35 "NAPTR", KX = 36 "KX", CERT = 37 "CERT", DNAME = 39 "DNAME", OPT = 41 "OPT", APL = 42 "APL",
        DS = 43 "DS", SSHFP = 44 "SSHFP", IPSECKEY = 45 "IPSECKEY", RRSIG = 46 "RRSIG", NSEC = 47 "NSEC", DNSKEY = 48 "DNSKEY",
        DHCID = 49 "DHCID", NSEC3 = 50 "NSEC3", NSEC3PARAM = 51 "NSEC3PARAM", TLSA = 52 "TLSA", SMIMEA = 53 "SMIMEA",
        HIP = 55 "HIP", NINFO = 56 "NINFO", RKEY = 57 "RKEY", TALINK = 58 "TALINK", CDS = 59 "CDS", CDNSKEY = 60 "CDNSKEY",
        OPENPGPKEY = 61 "OPENPGPKEY", CSYNC = 62 "CSYNC", ZONEMD = 63 "ZONEMD", SVCB = 64 "SVCB", HTTPS = 65 "HTTPS",
        SPF = 99 "SPF", UINFO = 100 "UINFO", UID = 101 "UID", GID = 102 "GID", UNSPEC = 103 "UNSPEC",
        NID = 104 "NID", L32 = 105 "L32", L64 = 106 "L64", LP = 107 "LP", EUI48 = 108 "EUI48", EUI64 = 109 "EUI64",
        NXNAME = 128 "NXNAME", TKEY = 249 "TKEY", TSIG = 250 "TSIG", IXFR = 251 "IXFR", AXFR = 252 "AXFR", MAILB = 253 "MAILB",
        MAILA = 254 "MAILA", ANY = 255 "ANY", URI = 256 "URI", CAA = 257 "CAA", AVC = 258 "AVC", AMTRELAY = 260 "AMTRELAY",
        RESINFO = 261 "RESINFO", TA = 32768 "TA", DLV = 32769 "DLV", RESERVED = 65535 "Reserved",
    }
}

numbers! {
    /// A class (RFC 1035 §3.2.4). ANY, which is also a type, is shown by its number, as miekg/dns does.
    Class, "CLASS", { IN = 1 "IN", CS = 2 "CS", CH = 3 "CH", HS = 4 "HS", NONE = 254 "NONE", ANY = 255 "ANY" }, by_number: 255
}

numbers! {
    /// A response code, with the upper bits of an OPT record (RFC 1035 §4.1.1, RFC 6895 §2.3). 16 has two names.
    Rcode, "RCODE", {
        NOERROR = 0 "NOERROR", FORMERR = 1 "FORMERR", SERVFAIL = 2 "SERVFAIL", NXDOMAIN = 3 "NXDOMAIN", NOTIMP = 4 "NOTIMP",
        REFUSED = 5 "REFUSED", YXDOMAIN = 6 "YXDOMAIN", YXRRSET = 7 "YXRRSET", NXRRSET = 8 "NXRRSET", NOTAUTH = 9 "NOTAUTH",
        NOTZONE = 10 "NOTZONE", DSOTYPENI = 11 "DSOTYPENI", BADVERS = 16 "BADSIG", BADKEY = 17 "BADKEY", BADTIME = 18 "BADTIME",
        BADMODE = 19 "BADMODE", BADNAME = 20 "BADNAME", BADALG = 21 "BADALG", BADTRUNC = 22 "BADTRUNC", BADCOOKIE = 23 "BADCOOKIE",
    }
}

impl Rcode {
    /// The value of a metric's label: the mnemonic, or the number, as in CoreDNS. Numbers from 32 on are all `other`: an upstream could
    /// make 4,096 series of them.
    #[must_use]
    pub fn label(self) -> String {
        match self.mnemonic() {
            Some(name) => name.to_owned(),
            None if self.0 < 32 => self.0.to_string(),
            None => "other".to_owned(),
        }
    }
}

#[cfg(test)]
mod label_tests {
    use super::Rcode;
    use std::collections::HashSet;

    #[test]
    fn rcodes_make_few_labels() {
        let labels: HashSet<String> = (0..=u16::MAX).map(|rcode| Rcode(rcode).label()).collect();
        assert!(labels.len() <= 33, "{labels:?}");
        for (rcode, label) in
            [(0, "NOERROR"), (2, "SERVFAIL"), (12, "12"), (23, "BADCOOKIE"), (24, "24"), (4095, "other")]
        {
            assert_eq!(Rcode(rcode).label(), label);
        }
    }
}

numbers! {
    /// An opcode (RFC 1035 §4.1.1).
    Opcode, "OPCODE", { QUERY = 0 "QUERY", IQUERY = 1 "IQUERY", STATUS = 2 "STATUS", NOTIFY = 4 "NOTIFY", UPDATE = 5 "UPDATE", DSO = 6 "DSO" }
}

/// The flag bits of a message header (RFC 1035 §4.1.1, RFC 4035 §3.1.6, §3.2).
pub mod flag {
    /// Response.
    pub const QR: u16 = 0x8000;
    /// Authoritative answer.
    pub const AA: u16 = 0x0400;
    /// Truncated.
    pub const TC: u16 = 0x0200;
    /// Recursion desired.
    pub const RD: u16 = 0x0100;
    /// Recursion available.
    pub const RA: u16 = 0x0080;
    /// Reserved.
    pub const Z: u16 = 0x0040;
    /// Authentic data.
    pub const AD: u16 = 0x0020;
    /// Checking disabled.
    pub const CD: u16 = 0x0010;
}
