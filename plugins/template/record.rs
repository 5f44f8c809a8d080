//! One record from text in the form of a zone file. Knows no template and no query.

use crate::zonefile::{Reader, Record};
use plugin_api::{OwnedRecord, Section};

/// Reads the first record of `text` (miekg/dns: `NewRR`).
///
/// # Errors
/// When there is none, or it is wrong.
pub(super) fn read(text: &str, section: Section) -> Result<OwnedRecord, String> {
    let record = Reader::record(text).map_err(|error| error.to_string())?;
    let Record { owner, rtype, class, ttl, rdata } = record.ok_or("dns: no record")?;
    Ok(OwnedRecord { section, owner, rtype, class, ttl, rdata })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record as owner, TTL, class, type and rdata in hexadecimal; or the error.
    fn check(text: &str, expected: &str) {
        let shown = match read(text, Section::Answer) {
            Ok(OwnedRecord { owner, ttl, class, rtype, rdata, .. }) => {
                let digits: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
                format!("{owner} {ttl} {class} {rtype} {digits}")
            }
            Err(error) => error,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn reads_records() {
        check("a.test. 60 IN A 192.0.2.1", "a.test. 60 IN A c0000201");
        check("a.test IN 1h A 192.0.2.1 ; comment", "a.test. 3600 IN A c0000201");
        check("a.test. A 192.0.2.1", "a.test. 3600 IN A c0000201");
        check("@ 60 IN A 192.0.2.1\nb. A 1.2.3.4", ". 60 IN A c0000201");
        check("a. 0 CH TXT \"a b\" c\\065\\\"", "a. 0 CH TXT 0361206203634122");
        check("a. 1 IN MX 10 mx", "a. 1 IN MX 000a026d7800");
        check("a. 1 IN SRV 1 2 3 .", "a. 1 IN SRV 00010002000300");
        check("a. 1 IN SOA n. h. (1 2\n3 1m 1d)", "a. 1 IN SOA 016e000168000000000100000002000000030000003c00015180");
        check("a. 1 IN TYPE65400 \\# 0", "a. 1 IN TYPE65400 ");
        check("a. 1 IN CAA 0 issue \"ca.test\"", "a. 1 IN CAA 0005697373756563612e74657374");
        check("a. 1 IN DS 1 RSASHA256 2 ab CD", "a. 1 IN DS 00010802abcd");
        check("a. 1 IN LOC 1 2 3 N 4 0 0 W 5m", "a. 1 IN LOC 001216138038cef87f24460000989874");
        check("a. 1 IN URI 1 2 \"http:\"", "a. 1 IN URI 00010002687474703a");
        check("a. 1 IN HINFO a", "a. 1 IN HINFO 016100");
    }

    #[test]
    fn refuses_what_is_no_record() {
        check("", "dns: no record");
        check("a. 60 IN", "dns: unexpected newline: \"\\n\" at line: 1:8");
        check("a. sixty IN A 192.0.2.1", "dns: not a TTL: \"sixty\" at line: 1:9");
        check("a. IN A nowhere", "dns: bad A A: \"nowhere\" at line: 1:15");
        check("a. IN A 192.0.2.1 extra", "dns: garbage after rdata: \"extra\" at line: 1:23");
        check("a..b. IN A 192.0.2.1", "dns: bad owner name: \"a..b.\" at line: 1:6");
        check("$INCLUDE /etc/passwd", "dns: $INCLUDE directive not allowed: \"/etc/passwd\" at line: 1:20");
    }
}
