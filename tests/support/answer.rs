//! An answer as the recorded suites hold it: header, question and records in presentation form.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Message, Opt, Record};
use crate::mnemonic::{class_name, opcode_name, rcode_name, type_name};
use crate::rdata::{self, hex};
use crate::reader::Fault;

/// The header bits in the order in which they are written.
const FLAGS: &[(u16, &str)] = &[
    (0x8000, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0020, "ad"),
    (0x0010, "cd"),
    (0x0040, "z"),
];

/// What came back for a query; everything is optional because it may be a reply, a failure, or a web page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The response code's mnemonic, with the extended bits of the OPT record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcode: Option<String>,
    /// Those of `qr aa tc rd ra ad cd z` that are set, with a blank between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// Length of the message in octets; of a transfer, the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// The operation code, if it is not QUERY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opcode: Option<String>,
    /// The first question: `NAME CLASS TYPE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// How many questions, if more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<usize>,
    /// The answer section: `OWNER TTL CLASS TYPE RDATA`, in the order received.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<String>,
    /// The authority section.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authority: Vec<String>,
    /// The additional section without OPT and TSIG.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<String>,
    /// The OPT record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edns: Option<Edns>,
    /// All datagrams that came, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<Self>,
    /// In which place the reply came among those to queries sent together, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Whether no reply came in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timeout: bool,
    /// Why there is no reply: `closed`, `ConnectionRefusedError`, `wrong id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why the reply cannot be read as a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unparsable: Option<String>,
    /// The octets 3 to 12 of a reply that cannot be read, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The HTTP status of a web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The lines of a web page or a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Vec<String>>,
    /// The signature's verdict; only recorded, never made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsig: Option<Value>,
    /// Status and headers of DNS over HTTPS; only recorded, never made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Value>,
    /// Status of a gRPC call; only recorded, never made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Value>,
}

/// What the OPT record of a reply says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edns {
    /// The payload size in octets.
    pub payload: u16,
    /// The DO bit.
    #[serde(rename = "do")]
    pub is_do: bool,
    /// The version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u8,
    /// The options as `CODE:HEX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// Whether a number need not be written.
const fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Answer {
    /// The answer where no reply came in time.
    #[must_use]
    pub fn timed_out() -> Self {
        Self { timeout: true, ..Self::default() }
    }

    /// The answer where something else than a reply came.
    #[must_use]
    pub fn failed(error: &str) -> Self {
        Self { error: Some(error.to_owned()), ..Self::default() }
    }

    /// Reads a reply.
    #[must_use]
    pub fn from_wire(wire: &[u8]) -> Self {
        Self::parse(wire).unwrap_or_else(|fault| Self {
            unparsable: Some(fault.to_string()),
            header: Some(hex(wire.get(2..wire.len().min(12)).unwrap_or_default())),
            ..Self::default()
        })
    }

    /// Reads a reply that is a whole message.
    fn parse(wire: &[u8]) -> Result<Self, Fault> {
        let message = Message::parse(wire)?;
        let extended = message.opt.as_ref().map_or(0, |opt| u16::from(opt.extended) << 4);
        let opcode = message.flags >> 11 & 15;
        let first = message.questions.first();
        let mut lines = Vec::new();
        for records in &message.sections {
            lines.push(records.iter().map(line).collect::<Result<Vec<_>, _>>()?.into_iter());
        }
        let mut lines = lines.into_iter().map(Iterator::collect);
        Ok(Self {
            rcode: Some(rcode_name(extended | message.flags & 15)),
            flags: Some(flags_text(message.flags)),
            size: Some(wire.len()),
            opcode: (opcode != 0).then(|| opcode_name(opcode)),
            question: first.map(|asked| question_text(&asked.name.to_string(), asked.qclass, asked.qtype)),
            questions: (message.questions.len() > 1).then_some(message.questions.len()),
            answer: lines.next().unwrap_or_default(),
            authority: lines.next().unwrap_or_default(),
            additional: lines.next().unwrap_or_default(),
            edns: message.opt.as_ref().map(edns),
            ..Self::default()
        })
    }

    /// The three sections, to change them alike.
    pub(crate) fn sections_mut(&mut self) -> [&mut Vec<String>; 3] {
        [&mut self.answer, &mut self.authority, &mut self.additional]
    }

    /// Whether a header bit (`aa`, `tc`, ...) is set.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.as_ref().is_some_and(|flags| flags.split(' ').any(|set| set == flag))
    }
}

/// A question as text.
pub(crate) fn question_text(name: &str, qclass: u16, qtype: u16) -> String {
    format!("{name} {} {}", class_name(qclass), type_name(qtype))
}

/// The set header bits as text, with a blank between them.
pub(crate) fn flags_text(flags: u16) -> String {
    let set: Vec<_> = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    set.join(" ")
}

/// A record as text.
fn line(record: &Record<'_>) -> Result<String, Fault> {
    let (class, rtype) = (class_name(record.class), type_name(record.rtype));
    let rdata = rdata::print(record.class, record.rtype, record.rdata.clone())?;
    Ok(format!("{} {} {class} {rtype} {rdata}", record.owner, record.ttl))
}

/// The OPT record as recorded.
fn edns(opt: &Opt) -> Edns {
    let options = opt.options.iter().map(|(code, data)| format!("{code}:{}", hex(data))).collect();
    Edns { payload: opt.payload, is_do: opt.is_do(), version: opt.version, options }
}
