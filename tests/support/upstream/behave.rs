//! Names whose first label begins with `x-`: their words say how the upstream behaves.
//!
//! The words are listed in the module head of `upstream`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::compose::{Draft, Rdata, Rr, empty_opt};
use super::table::{address, name_of, number, soa, text};
use super::{Asked, Outcome};
use crate::name::Name;

/// What the words of a label ask for.
struct Words {
    /// Words with a number.
    numbers: HashMap<String, u32>,
    /// Words without.
    flags: HashSet<String>,
    /// Whether the words count that may be switched off.
    is_on: bool,
}

impl Words {
    /// Reads the words behind `x-`; this is the `count`th query for its name and type, at the upstream `id`.
    fn new(label: &str, count: u32, id: u32) -> Self {
        let mut words = Self { numbers: HashMap::new(), flags: HashSet::new(), is_on: true };
        for word in label.split('-') {
            let letters = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
            match word.strip_prefix(letters).and_then(|digits| digits.parse().ok()) {
                Some(value) => drop(words.numbers.insert(letters.to_owned(), value)),
                None => drop(words.flags.insert(word.to_owned())),
            }
        }
        let number = |word: &str| words.numbers.get(word).copied();
        words.is_on = number("on").is_none_or(|on| on == id)
            && number("ok").is_none_or(|ok| count > ok)
            && number("bad").is_none_or(|bad| count <= bad);
        words
    }

    /// Whether a word without a number is there and counts.
    fn has(&self, word: &str) -> bool {
        self.is_on && self.flags.contains(word)
    }

    /// The number of a word that always counts.
    fn number(&self, word: &str, otherwise: u32) -> u32 {
        self.numbers.get(word).copied().unwrap_or(otherwise)
    }

    /// The number of a word that may be switched off.
    fn switched(&self, word: &str) -> Option<u32> {
        self.numbers.get(word).copied().filter(|_| self.is_on)
    }
}

/// One query for such a name.
struct Behaviour<'a> {
    /// The words.
    words: Words,
    /// The name as spelled.
    own: Name,
    /// The name without its first label, in lower case.
    zone: &'a str,
    /// The type asked for.
    qtype: u16,
    /// The plain answer, if the type has one.
    plain: Option<Rdata>,
}

/// Answers a query whose first label is `x-` and `label`.
pub(super) fn behave(asked: &Asked<'_>, mut draft: Draft, (count, id): (u32, u32), label: &str) -> Outcome {
    let words = Words::new(label, count, id);
    let zone = asked.name.split_once('.').map_or("", |(_, zone)| zone);
    let plain = plain(asked.qtype, count, id, zone);
    let behaviour = Behaviour { words, own: asked.spelled.clone(), zone, qtype: asked.qtype, plain };
    let words = &behaviour.words;
    let delay = Duration::from_millis(u64::from(words.switched("ms").unwrap_or(0)));
    if words.has("drop") || (asked.is_udp && (words.has("dropudp") || words.has("close"))) {
        return Outcome { delay, ..Outcome::default() };
    }
    if words.has("close") {
        return Outcome { delay, closes: true, ..Outcome::default() };
    }
    behaviour.fill(&mut draft);
    behaviour.alter_header(&mut draft);
    behaviour.alter_edns(&mut draft);
    behaviour.alter_question(&mut draft);
    if asked.is_udp && words.has("tc") {
        draft.sections = Default::default();
    }
    if asked.is_udp && (words.has("tc") || words.has("tcpartial")) {
        draft.flags |= 0x0200;
    }
    if !words.has("overflow") {
        asked.fit(&mut draft);
    }
    if words.has("noqr") {
        draft.flags &= 0x7fff;
    }
    let wire = behaviour.spoil(draft.to_wire());
    let mut forged = wire.clone();
    flip(&mut forged);
    let wires = if asked.is_udp && words.has("spoof") { vec![forged, wire] } else { vec![wire] };
    Outcome { delay, wires, closes: false }
}

/// The plain answer to the `count`th query of a type.
fn plain(qtype: u16, count: u32, id: u32, zone: &str) -> Option<Rdata> {
    match qtype {
        1 => Some(address(&format!("203.0.113.{}", count % 256))),
        28 => Some(address(&format!("2001:db8:113::{count:x}"))),
        16 => Some(text(&[format!("upstream {id} query {count}")])),
        15 => Some(Rdata::Preference(u16::try_from(count).unwrap_or(u16::MAX), name_of(&format!("mail.{zone}")))),
        _ => None,
    }
}

impl Behaviour<'_> {
    /// The TTL of the answer.
    fn ttl(&self) -> u32 {
        self.words.number("ttl", 60)
    }

    /// A name in the zone.
    fn below(&self, label: &str) -> Name {
        name_of(&format!("{label}.{}", self.zone))
    }

    /// A record of the name asked for.
    fn own(&self, rtype: u16, rdata: Rdata) -> Rr {
        Rr { owner: self.own.clone(), ttl: self.ttl(), rtype, rdata }
    }

    /// The zone's SOA.
    fn soa(&self) -> Rr {
        let ttl = self.words.number("soa", 60);
        soa(self.zone, ttl, [7, ttl])
    }

    /// The zone's name servers with this TTL.
    fn name_server(&self, label: &str, ttl: u32) -> Rr {
        Rr { owner: name_of(self.zone), ttl, rtype: number("NS"), rdata: Rdata::Name(self.below(label)) }
    }

    /// The address of the first name server.
    fn glue(&self, ttl: u32) -> Rr {
        Rr { owner: self.below("ns1"), ttl, rtype: number("A"), rdata: address("192.0.2.53") }
    }

    /// Fills response code and sections.
    fn fill(&self, draft: &mut Draft) {
        let words = &self.words;
        let codes = [("servfail", 2), ("refused", 5), ("notimp", 4), ("formerr", 1)];
        let code = codes.into_iter().find(|(word, _)| words.has(word));
        let code = code.map(|(_, code)| code).or_else(|| u16::try_from(words.switched("rcode")?).ok());
        if let Some(code) = code {
            draft.set_rcode(code);
        } else if words.has("nx") || words.has("nodata") {
            draft.set_rcode(if words.has("nx") { 3 } else { 0 });
            draft.sections[1].extend((!words.has("nosoa")).then(|| self.soa()));
        } else if words.has("referral") {
            let servers = ["ns1", "ns2"].map(|label| self.name_server(label, self.ttl()));
            draft.sections[1].extend(servers);
            draft.sections[2].push(self.glue(self.ttl()));
        } else if ["cname", "cnameonly", "cnamenx", "cnameloop"].into_iter().any(|word| words.has(word)) {
            self.alias(draft);
        } else {
            self.records(draft);
        }
        if words.has("extra") && !draft.sections[0].is_empty() {
            draft.sections[1].push(self.name_server("ns1", words.number("auth", 17)));
            draft.sections[2].push(self.glue(words.number("add", 7)));
        }
    }

    /// Fills in a CNAME, what it leads to, and the SOA.
    fn alias(&self, draft: &mut Draft) {
        let words = &self.words;
        let target = self.below("target");
        let to = if words.has("cnameloop") { self.own.clone() } else { target.clone() };
        draft.sections[0].push(self.own(number("CNAME"), Rdata::Name(to)));
        if let (true, Some(plain)) = (words.has("cname"), &self.plain) {
            let ttl = words.number("target", self.ttl());
            draft.sections[0].push(Rr { owner: target, ttl, rtype: self.qtype, rdata: plain.clone() });
        }
        if words.has("cnamenx") {
            draft.set_rcode(3);
        }
        if words.has("cnamenx") || words.has("soa") {
            draft.sections[1].push(self.soa());
        }
    }

    /// Fills in many records, the plain one, or the SOA.
    fn records(&self, draft: &mut Draft) {
        let words = &self.words;
        let own = |rdata| self.own(self.qtype, rdata);
        match (words.switched("many"), words.switched("txt"), &self.plain) {
            (Some(many), ..) if self.qtype == 1 => {
                let addresses = (0..many).map(|i| address(&format!("198.51.{}.{}", i / 250, i % 250 + 1)));
                draft.sections[0].extend(addresses.map(own));
            }
            (_, Some(count), _) if self.qtype == 16 => {
                let texts = (0..count).map(|i| text(&[format!("{i:03} {}", "t".repeat(96))]));
                draft.sections[0].extend(texts.map(own));
            }
            (.., Some(plain)) => draft.sections[0].push(own(plain.clone())),
            _ => draft.sections[1].push(self.soa()),
        }
    }

    /// Sets and clears header bits.
    fn alter_header(&self, draft: &mut Draft) {
        for (word, bit) in [("aa", 0x0400), ("ad", 0x0020), ("z", 0x0040)] {
            if self.words.has(word) {
                draft.flags |= bit;
            }
        }
        if self.words.has("nora") {
            draft.flags &= !0x0080;
        }
        if self.words.has("upper") {
            let upper = Name { labels: self.own.labels.iter().map(|label| label.to_ascii_uppercase()).collect() };
            draft.sections[0].iter_mut().for_each(|rr| rr.owner = upper.clone());
            if let Some(question) = &mut draft.question {
                question.name = upper;
            }
        }
    }

    /// Adds and removes the OPT record and its options.
    fn alter_edns(&self, draft: &mut Draft) {
        let words = &self.words;
        if words.has("opt") {
            draft.opt.get_or_insert_with(|| empty_opt(1232));
        }
        if words.has("noopt") {
            draft.opt = None;
        }
        let options = [
            ("ede", 15, [&[0, 18], b"from upstream".as_slice()].concat()),
            ("cookie", 10, (1..=16).collect()),
            ("ecs", 8, vec![0, 1, 24, 16, 192, 0, 2]),
            ("local", 65001, b"hi".to_vec()),
        ];
        if let Some(opt) = &mut draft.opt {
            let wanted = options.into_iter().filter(|(word, ..)| words.has(word));
            opt.options.extend(wanted.map(|(_, code, data)| (code, data)));
        }
    }

    /// Puts another question in, or none.
    fn alter_question(&self, draft: &mut Draft) {
        if let Some(question) = &mut draft.question {
            if self.words.has("wrongname") {
                question.name = self.below("other");
            }
            if self.words.has("wrongtype") {
                question.qtype = number("HINFO");
            }
        }
        if self.words.has("noq") {
            draft.question = None;
        }
    }

    /// Spoils the octets of a reply.
    fn spoil(&self, mut wire: Vec<u8>) -> Vec<u8> {
        let words = &self.words;
        if words.has("wrongid") {
            flip(&mut wire);
        }
        if words.has("junk") {
            wire.truncate(2);
            wire.extend([0xff; 38]);
        }
        if words.has("tiny") {
            wire = vec![0xff; 5];
        }
        if words.has("cut") {
            wire.truncate(wire.len().saturating_sub(5));
        }
        if words.has("trail") {
            wire.extend([0; 3]);
        }
        wire
    }
}

/// Changes the id of a reply.
fn flip(wire: &mut [u8]) {
    if let Some(octet) = wire.first_mut() {
        *octet ^= 1;
    }
}
