//! The format of a log line: text with placeholders (CoreDNS: plugin/pkg/replacer).

use crate::local_address::local_address;
use plugin_api::interface::ip_text;
use plugin_api::{Rcode, Request, flag};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// CoreDNS's default format.
const COMMON: &str = r#"{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}"#;

/// What stands where there is no value.
const EMPTY: &str = "-";

/// What is said of a reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answered {
    /// Rcode and flags; none if nothing was sent.
    pub(super) head: Option<(Rcode, u16)>,
    /// Octets before truncation, the sum if there were several messages.
    pub(super) size: usize,
    /// How long it took.
    pub(super) duration: Duration,
}

/// A placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Type,
    Name,
    Class,
    Proto,
    Size,
    Remote,
    Port,
    Local,
    Id,
    Opcode,
    DnssecOk,
    BufferSize,
    Rcode,
    ReplySize,
    Duration,
    ReplyFlags,
}

/// The placeholders as written.
const FIELDS: [(&str, Field); 16] = [
    ("{type}", Field::Type),
    ("{name}", Field::Name),
    ("{class}", Field::Class),
    ("{proto}", Field::Proto),
    ("{size}", Field::Size),
    ("{remote}", Field::Remote),
    ("{port}", Field::Port),
    ("{local}", Field::Local),
    ("{>id}", Field::Id),
    ("{>opcode}", Field::Opcode),
    ("{>do}", Field::DnssecOk),
    ("{>bufsize}", Field::BufferSize),
    ("{rcode}", Field::Rcode),
    ("{rsize}", Field::ReplySize),
    ("{duration}", Field::Duration),
    ("{>rflags}", Field::ReplyFlags),
];

/// A part of a format.
#[derive(Clone, Debug)]
enum Piece {
    /// Text as it is.
    Text(String),
    /// A value of query or reply.
    Field(Field),
    /// A value of metadata.
    Metadata(String),
}

/// A format, read.
#[derive(Clone, Debug)]
pub(super) struct Format(Vec<Piece>);

impl Default for Format {
    fn default() -> Self {
        Self::parse(COMMON)
    }
}

impl Format {
    /// Reads a format. A placeholder that is not known stays as it is; `{common}` and `{combined}` are whole formats.
    pub(super) fn parse(text: &str) -> Self {
        let combined = format!("{COMMON} \"{{>opcode}}\"");
        let text = text.replace("{common}", COMMON).replace("{combined}", &combined);
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        // The closing brace is looked for first, so that in `{ {name} }` the inner one is found.
        while let Some((head, tail)) = rest.split_once('}') {
            let open = head.rfind('{').unwrap_or(head.len());
            let (before, word) = rest.split_at(open);
            let word = word.get(..head.len() + 1 - open).unwrap_or_default();
            let field = FIELDS.iter().find(|(name, _)| *name == word).map(|(_, field)| Piece::Field(*field));
            let label = word.strip_prefix("{/").and_then(|label| label.strip_suffix('}'));
            match field.or_else(|| label.map(|label| Piece::Metadata(label.to_owned()))) {
                Some(piece) => pieces.extend([Piece::Text(before.to_owned()), piece]),
                None => pieces.push(Piece::Text(format!("{head}}}"))),
            }
            rest = tail;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Self(pieces)
    }

    /// The line for a query and its reply.
    pub(super) fn render(&self, request: &Request, answered: &Answered) -> String {
        self.write(Some(request), answered)
    }

    /// The same format with the values of the query put in, for a reply that outlives the query.
    pub(super) fn fixed(&self, request: &Request) -> Self {
        let fix = |piece: &Piece| {
            let mut text = String::new();
            match piece {
                Piece::Field(Field::Rcode | Field::ReplySize | Field::Duration | Field::ReplyFlags) => piece.clone(),
                Piece::Field(field) => {
                    push_asked(&mut text, *field, request);
                    Piece::Text(text)
                }
                Piece::Metadata(label) => Piece::Text(metadata(request, label)),
                Piece::Text(_) => piece.clone(),
            }
        };
        Self(self.0.iter().map(fix).collect())
    }

    /// The line for a reply alone; the format is a fixed one.
    pub(super) fn render_fixed(&self, answered: &Answered) -> String {
        self.write(None, answered)
    }

    /// Writes the line. Without request its values are empty.
    fn write(&self, request: Option<&Request>, answered: &Answered) -> String {
        let mut line = String::with_capacity(160);
        for piece in &self.0 {
            match (piece, request) {
                (Piece::Text(text), _) => line.push_str(text),
                (Piece::Field(field), _) if push_answered(&mut line, *field, answered) => {}
                (Piece::Field(field), Some(request)) => push_asked(&mut line, *field, request),
                (Piece::Metadata(label), Some(request)) => line.push_str(&metadata(request, label)),
                (_, None) => line.push_str(EMPTY),
            }
        }
        line
    }
}

/// A value of metadata.
fn metadata(request: &Request, label: &str) -> String {
    request.metadata(label).unwrap_or_else(|| EMPTY.to_owned())
}

/// Appends a value, of anything that can be shown.
macro_rules! push {
    ($line:expr, $($value:tt)*) => {
        // Writing to a String does not fail.
        drop(write!($line, $($value)*))
    };
}

/// Appends a value of the reply; false if the field is one of the query.
fn push_answered(line: &mut String, field: Field, answered: &Answered) -> bool {
    match (field, answered.head) {
        (Field::Rcode | Field::ReplyFlags, None) => line.push_str(EMPTY),
        (Field::Rcode, Some((rcode, _))) => match rcode.mnemonic() {
            Some(name) => line.push_str(name),
            None => push!(line, "{}", rcode.0),
        },
        (Field::ReplyFlags, Some((_, flags))) => push_flags(line, flags),
        (Field::ReplySize, _) => push!(line, "{}", answered.size),
        (Field::Duration, _) => push!(line, "{}s", answered.duration.as_secs_f64()),
        _ => return false,
    }
    true
}

/// Appends the names of the flags that are set.
fn push_flags(line: &mut String, flags: u16) {
    let names = [
        (flag::QR, "qr"),
        (flag::AA, "aa"),
        (flag::TC, "tc"),
        (flag::RD, "rd"),
        (flag::RA, "ra"),
        (flag::Z, "z"),
        (flag::AD, "ad"),
        (flag::CD, "cd"),
    ];
    let mut separator = "";
    for (_, name) in names.into_iter().filter(|(bit, _)| flags & bit != 0) {
        line.push_str(separator);
        line.push_str(name);
        separator = ",";
    }
}

/// Appends a value of the query.
fn push_asked(line: &mut String, field: Field, request: &Request) {
    let question = request.question();
    match field {
        Field::Type => push!(line, "{}", question.qtype()),
        Field::Name => push!(line, "{}", question.lower()),
        Field::Class => push!(line, "{}", question.class()),
        Field::Proto => line.push_str(request.origin().transport.network()),
        Field::Size => push!(line, "{}", request.size()),
        Field::Remote => push_address(line, request.peer()),
        Field::Port => push!(line, "{}", request.peer().port()),
        Field::Local => push_address(line, local_address(request)),
        Field::Id => push!(line, "{}", request.id()),
        Field::Opcode => push!(line, "{}", request.opcode().0),
        Field::DnssecOk => push!(line, "{}", request.dnssec_ok()),
        Field::BufferSize => push!(line, "{}", request.reply_limit()),
        Field::Rcode | Field::ReplySize | Field::Duration | Field::ReplyFlags => line.push_str(EMPTY),
    }
}

/// Appends the IP of an address, one of IPv6 in brackets (RFC 3986 §3.2.2), a link-local one with its interface.
fn push_address(line: &mut String, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => push!(line, "{ip}"),
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => push!(line, "[{ip}]"),
        IpAddr::V6(_) => push!(line, "[{}]", ip_text(address)),
    }
}
