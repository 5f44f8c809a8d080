//! A query as one line of text: `NAME TYPE [CLASS] [option...]`, and the message it stands for.
//!
//! RD is set, there is no EDNS, it goes over UDP, unless an option says otherwise:
//!
//! | option | meaning |
//! |---|---|
//! | `nord cd ad aa tc qr z`, `opcode=N`, `id=N` | header |
//! | `do`, `bufsize=N`, `edns`, `edns=VERSION`, `nsid`, `cookie`, `opt=CODE:HEX,...` | EDNS (size 1232) |
//! | `serial=N` | a SOA with that serial in the authority section, for IXFR |
//! | `hex=OCTETS` | exactly these octets; `xid` in them stands for two of random id |
//! | `tcp`, `conn=NAME`, `pipe=NAME` | TCP: alone, over a connection that stays, or several queries at once |
//! | `from=ADDRESS`, `sport=N`, `to=ADDRESS`, `port=N` | addresses; `port=2` is the client's second port |
//! | `sleep=S`, `wait=S`, `repeat=N`, `bg`, `all` | wait before; for the reply; ask N times; in the background; take every datagram |
//!
//! Transports other than UDP and TCP, and signed queries, are understood but not sent: see [`Query::unsupported`].

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::mnemonic::{OPT, class_number, type_number};
use crate::name::Name;

/// The payload size in octets that a query advertises unless told.
const PAYLOAD: u16 = 1232;

/// How long to wait for a reply unless told.
const WAIT: Duration = Duration::from_secs(6);

/// The RD bit.
const RD: u16 = 0x0100;

/// Options that belong to a transport or a signature that this client does not speak, with its name.
const ELSEWHERE: &[(&str, &str)] = &[
    ("tls", "tls"),
    ("https", "https"),
    ("https3", "https3"),
    ("quic", "quic"),
    ("grpc", "grpc"),
    ("tsig", "tsig"),
    ("plain", "https"),
    ("path", "https"),
    ("ctype", "https"),
    ("badsig", "tsig"),
    ("badtime", "tsig"),
];

/// What is wrong with a query line.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no name or no type.
    #[error("a query is NAME TYPE [CLASS] [option...]: {0:?}")]
    TooShort(String),
    /// An option or its value is not understood.
    #[error("cannot read {0:?} in a query")]
    Word(String),
}

/// The EDNS part of a query.
#[derive(Clone, Debug)]
struct Edns {
    /// The payload size in octets.
    payload: u16,
    /// The version.
    version: u8,
    /// The DO bit.
    is_do: bool,
    /// NSID and COOKIE, which come first.
    named: Vec<(u16, Vec<u8>)>,
    /// The options given by number.
    options: Vec<(u16, Vec<u8>)>,
}

/// Where a query goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// A datagram.
    #[default]
    Udp,
    /// A connection of its own.
    Tcp,
    /// A connection that stays open and is used again under this name.
    Kept(String),
    /// Written together with the neighbours of the same name.
    Pipe(String),
}

/// One query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The line without its comment.
    pub line: String,
    /// The name as spelled.
    name: String,
    /// The type as spelled; `RAW` with octets of one's own.
    qtype: String,
    /// The class.
    qclass: u16,
    /// The header bits without the operation code.
    flags: u16,
    /// The operation code.
    opcode: u8,
    /// The message id, if it is not to be random.
    pub(crate) id: Option<u16>,
    /// The OPT record.
    edns: Option<Edns>,
    /// The serial of a SOA in the authority section.
    serial: Option<u32>,
    /// Octets instead of everything above, hexadecimal.
    octets: Option<String>,
    /// How it is sent.
    pub route: Route,
    /// The source address.
    pub(crate) from: Option<IpAddr>,
    /// The source port; 0 for any.
    pub(crate) source_port: u16,
    /// The destination, if not the client's own.
    pub(crate) to: Option<IpAddr>,
    /// Which of the client's ports, from 1.
    pub(crate) port: usize,
    /// How long to wait before it is sent.
    pub sleep: Duration,
    /// How long to wait for the reply.
    pub(crate) wait: Duration,
    /// How often it is asked.
    pub(crate) repeat: u32,
    /// Whether the next one need not wait for this one's reply.
    pub is_background: bool,
    /// Whether every datagram counts that comes while waiting.
    pub(crate) is_all: bool,
    /// What this client does not speak.
    elsewhere: Option<&'static str>,
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let line = text.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_whitespace();
        let (Some(name), Some(qtype)) = (words.next(), words.next()) else {
            return Err(QueryError::TooShort(text.to_owned()));
        };
        let mut query = Self::new(line, name, qtype);
        for word in words {
            query.option(word).ok_or_else(|| QueryError::Word(word.to_owned()))?;
        }
        if query.octets.is_none() && (query.name().is_none() || type_number(qtype).is_none()) {
            return Err(QueryError::Word(format!("{name} {qtype}")));
        }
        Ok(query)
    }
}

impl Query {
    /// A query without options.
    fn new(line: &str, name: &str, qtype: &str) -> Self {
        Self {
            line: line.to_owned(),
            name: name.to_owned(),
            qtype: qtype.to_owned(),
            qclass: 1,
            flags: RD,
            opcode: 0,
            id: None,
            edns: None,
            serial: None,
            octets: None,
            route: Route::Udp,
            from: None,
            source_port: 0,
            to: None,
            port: 1,
            sleep: Duration::ZERO,
            wait: WAIT,
            repeat: 1,
            is_background: false,
            is_all: false,
            elsewhere: None,
        }
    }

    /// The transport or the signature that this query needs and this client does not speak.
    #[must_use]
    pub const fn unsupported(&self) -> Option<&'static str> {
        self.elsewhere
    }

    /// Whether the reply is a zone transfer of several messages.
    pub(crate) fn is_transfer(&self) -> bool {
        matches!(self.qtype.as_str(), "AXFR" | "IXFR")
    }

    /// The question as a reply should repeat it; none if the octets are given.
    #[must_use]
    pub fn question(&self) -> Option<String> {
        let name = self.name()?.to_string();
        Some(crate::answer::question_text(&name, self.qclass, type_number(&self.qtype)?))
    }

    /// The name.
    fn name(&self) -> Option<Name> {
        self.name.parse().ok()
    }

    /// Takes one word after the type; none if it is not understood.
    fn option(&mut self, word: &str) -> Option<()> {
        if let Some((key, value)) = word.split_once('=') {
            return self.header_value(key, value).or_else(|| self.route_value(key, value));
        }
        self.header_word(word).or_else(|| self.route_word(word))
    }

    /// Takes a word that sets a bit or a class.
    fn header_word(&mut self, word: &str) -> Option<()> {
        match word {
            "nord" => self.flags &= !RD,
            "cd" => self.flags |= 0x0010,
            "ad" => self.flags |= 0x0020,
            "z" => self.flags |= 0x0040,
            "tc" => self.flags |= 0x0200,
            "aa" => self.flags |= 0x0400,
            "qr" => self.flags |= 0x8000,
            "do" => self.edns().is_do = true,
            "edns" => drop(self.edns()),
            "nsid" => self.edns().named.insert(0, (3, Vec::new())),
            "cookie" => self.edns().named.push((10, vec![1, 2, 3, 4, 5, 6, 7, 8])),
            "IN" | "CH" | "HS" | "ANY" | "NONE" => self.qclass = class_number(word)?,
            _ => self.qclass = word.strip_prefix("CLASS")?.parse().ok()?,
        }
        Some(())
    }

    /// Takes a word that says how to send.
    fn route_word(&mut self, word: &str) -> Option<()> {
        match word {
            "tcp" if self.route == Route::Udp => self.route = Route::Tcp,
            "tcp" => {}
            "bg" => self.is_background = true,
            "all" => self.is_all = true,
            _ => self.elsewhere = Some(transport(word)?),
        }
        Some(())
    }

    /// Takes a value that belongs into the message.
    fn header_value(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "opcode" => self.opcode = value.parse().ok().filter(|code| *code < 16)?,
            "id" => self.id = Some(value.parse().ok()?),
            "bufsize" => self.edns().payload = value.parse().ok()?,
            "edns" => self.edns().version = value.parse().ok()?,
            "opt" => {
                for option in value.split(',') {
                    let (code, data) = option.split_once(':').unwrap_or((option, ""));
                    let option = (code.parse().ok()?, unhex(data)?);
                    self.edns().options.push(option);
                }
            }
            "serial" => self.serial = Some(value.parse().ok()?),
            "hex" => {
                unhex(&value.replace("xid", "0000"))?;
                self.octets = Some(value.to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    /// Takes a value that says how to send.
    fn route_value(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "conn" => self.route = Route::Kept(value.to_owned()),
            "pipe" => self.route = Route::Pipe(value.to_owned()),
            "from" => self.from = Some(value.parse().ok()?),
            "sport" => self.source_port = value.parse().ok()?,
            "to" => self.to = Some(value.parse().ok()?),
            "port" => self.port = value.parse().ok()?,
            "sleep" => self.sleep = seconds(value)?,
            "wait" => self.wait = seconds(value)?,
            "repeat" => self.repeat = value.parse().ok()?,
            _ => self.elsewhere = Some(transport(key)?),
        }
        Some(())
    }

    /// The OPT record, made if there is none yet.
    fn edns(&mut self) -> &mut Edns {
        self.edns.get_or_insert_with(|| Edns {
            payload: PAYLOAD,
            version: 0,
            is_do: false,
            named: Vec::new(),
            options: Vec::new(),
        })
    }

    /// The message under an id.
    pub(crate) fn to_wire(&self, id: u16) -> Vec<u8> {
        if let Some(octets) = &self.octets {
            return unhex(&octets.replace("xid", &format!("{id:04x}"))).unwrap_or_default();
        }
        let name = self.name().unwrap_or_default().to_wire();
        let flags = self.flags | u16::from(self.opcode) << 11;
        let counts = [1, 0, u16::from(self.serial.is_some()), u16::from(self.edns.is_some())];
        let mut wire = Vec::new();
        for number in [id, flags].into_iter().chain(counts) {
            wire.extend(number.to_be_bytes());
        }
        wire.extend(&name);
        wire.extend(type_number(&self.qtype).unwrap_or(0).to_be_bytes());
        wire.extend(self.qclass.to_be_bytes());
        if let Some(serial) = self.serial {
            // The owner is the name in the question; SOA, IN, TTL 0, 22 octets: two root names, the serial, four zeros.
            wire.extend(if name.len() > 1 { [0xc0, 12].as_slice() } else { &[0] });
            wire.extend([0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0]);
            wire.extend(serial.to_be_bytes());
            wire.extend([0; 16]);
        }
        if let Some(edns) = &self.edns {
            wire.extend(edns.to_wire());
        }
        wire
    }
}

impl Edns {
    /// The OPT record.
    fn to_wire(&self) -> Vec<u8> {
        let mut options = Vec::new();
        for (code, data) in self.named.iter().chain(&self.options) {
            options.extend(code.to_be_bytes());
            options.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
            options.extend(data);
        }
        let mut wire = vec![0];
        wire.extend(OPT.to_be_bytes());
        wire.extend(self.payload.to_be_bytes());
        wire.extend([0, self.version, if self.is_do { 0x80 } else { 0 }, 0]);
        wire.extend(u16::try_from(options.len()).unwrap_or(0).to_be_bytes());
        wire.extend(options);
        wire
    }
}

/// The transport or signature that an option belongs to.
fn transport(word: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(option, _)| *option == word).map(|(_, name)| *name)
}

/// A number of seconds, with or without a fraction.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// Reads hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests;
