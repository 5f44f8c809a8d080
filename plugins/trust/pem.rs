//! PEM texts (RFC 7468), as leniently read as Go's `encoding/pem` reads them: text between blocks, headers, white space and CRLF are
//! allowed, a block that is broken is passed over. Knows nothing of what is inside a block.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Base64 with padding; bits behind the last octet may be anything, as in Go.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// One block of a PEM text.
#[derive(Debug)]
pub(super) struct Block {
    /// The label, `CERTIFICATE` for instance.
    pub(super) label: String,
    /// Whether there are headers before the base64 text.
    pub(super) has_headers: bool,
    /// The decoded octets.
    pub(super) octets: Vec<u8>,
}

/// Returns every block of a text that is whole.
pub(super) fn blocks(text: &[u8]) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, Option<Open>) = (Vec::new(), None);
    for line in text.split(|octet| *octet == b'\n') {
        if let Some(rest) = line.strip_prefix(BEGIN) {
            let label = trim_end(rest).strip_suffix(DASHES);
            open = label.map(|label| Open { label: label.to_vec(), ..Open::default() });
        } else if let Some(rest) = line.strip_prefix(END) {
            found.extend(open.take().and_then(|open| open.close(rest)));
        } else if let Some(open) = &mut open {
            open.take(line);
        }
    }
    found
}

/// A block whose end has not been read yet.
#[derive(Default)]
struct Open {
    label: Vec<u8>,
    has_headers: bool,
    has_text: bool,
    base64: Vec<u8>,
}

impl Open {
    /// Takes a line that is neither the first nor the last: a header, or base64.
    fn take(&mut self, line: &[u8]) {
        if !self.has_text && line.contains(&b':') {
            self.has_headers = true;
            return;
        }
        self.has_text = true;
        self.base64.extend(line.iter().filter(|octet| !matches!(octet, b' ' | b'\t' | b'\r')));
    }

    /// Ends the block with what stands behind `-----END ` in its line; none if it is broken.
    fn close(self, end: &[u8]) -> Option<Block> {
        if trim_end(end).strip_suffix(DASHES)? != self.label {
            return None;
        }
        let octets = BASE64.decode(&self.base64).ok()?;
        let label = String::from_utf8_lossy(&self.label).into_owned();
        Some(Block { label, has_headers: self.has_headers, octets })
    }
}

/// Cuts blanks, tabs and a carriage return off a line's end.
fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let length = line.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(0, |at| at + 1);
    line.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::blocks;

    /// Shows the blocks of a text.
    fn shown(text: &str) -> Vec<(String, bool, String)> {
        let show = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        blocks(text.as_bytes()).into_iter().map(|block| (block.label, block.has_headers, show(block.octets))).collect()
    }

    #[test]
    fn blocks_are_found_in_any_text() {
        let block = |label: &str, has_headers, text: &str| (label.to_owned(), has_headers, text.to_owned());
        let one = "-----BEGIN A-----\nYWJj\n-----END A-----\n";
        assert_eq!(shown(one), [block("A", false, "abc")]);
        assert_eq!(shown(&one.replace('\n', "\r\n")), [block("A", false, "abc")]);
        assert_eq!(shown(&format!("text\n{one}text{one}{one}")), [block("A", false, "abc"), block("A", false, "abc")]);
        assert_eq!(shown("-----BEGIN A----- \t\nk: v\n\nYW\t Jj\n-----END A-----"), [block("A", true, "abc")]);
        // Broken: label, base64, no end, a second beginning inside the first.
        for broken in
            ["A-----\nYWJj\n-----END B-----", "A-----\nY!\n-----END A-----", "A-----\nYWJj", "A\nYWJj\n-----END A-----"]
        {
            assert_eq!(shown(&format!("-----BEGIN {broken}\n{one}")), [block("A", false, "abc")], "{broken}");
        }
    }
}
