//! Finds the template for a query and fills it.

use super::gotemplate::{Data, Root, Template};
use super::metrics::{Matched, TemplateMetrics};
use super::record::read;
use crate::pattern::Pattern;
use crate::view::expression::{Program, QueryEnvironment, Value};
use plugin_api::edns::DO;
use plugin_api::{
    Class, Edns, Error, Fallthrough, Message, Name, Next, Outcome, OwnedRecord, Rcode, Reply, ReplyBuilder, Request,
    Response, Section, Type, Zones, flag,
};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The payload size of an extended DNS error for a client without EDNS.
const PAYLOAD: u16 = 4096;

/// A variable of a template.
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// Its value.
    pub(super) program: Program,
}

/// One directive.
pub(super) struct Rule {
    /// The class it is for; ANY for all.
    pub(super) class: Class,
    /// The type it is for; ANY for all.
    pub(super) qtype: Type,
    /// The zones it is for.
    pub(super) zones: Zones,
    /// One of them must match the name.
    pub(super) patterns: Vec<Pattern>,
    /// The records, with their section and its name.
    pub(super) templates: Vec<(Section, &'static str, Template)>,
    /// The rcode of the reply.
    pub(super) rcode: Rcode,
    /// An extended DNS error: code and text.
    pub(super) error: Option<(u16, String)>,
    /// Where a name that does not match goes on.
    pub(super) fallthrough: Fallthrough,
    /// Values for conditions and templates, in their order.
    pub(super) variables: Vec<Variable>,
    /// What must be true.
    pub(super) conditions: Vec<Program>,
}

/// What a rule says of a query.
enum Verdict<'a> {
    /// It is for this query.
    Matches(Box<Filling<'a>>),
    /// The next rule is asked.
    Passes,
    /// Nobody is asked any more.
    Fails,
}

/// What templates are filled with.
struct Filling<'a> {
    request: &'a Request,
    zone: String,
    pattern: String,
    matched: Vec<String>,
    groups: BTreeMap<String, String>,
    class: &'static str,
    qtype: &'static str,
    variables: BTreeMap<String, Value>,
}

/// The handler for all templates of a server block.
pub(super) struct Handler {
    /// Asked in their order.
    pub(super) rules: Vec<Rule>,
    /// What is counted.
    pub(super) metrics: TemplateMetrics,
    /// The view of the block, set once at link.
    pub(super) view: OnceLock<Arc<str>>,
}

impl plugin_api::Handler for Handler {
    fn name(&self) -> &'static str {
        "template"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        for rule in &self.rules {
            match rule.verdict(request) {
                Verdict::Passes => {}
                Verdict::Fails => return Reply::now(Ok(Response::Unwritten(Rcode::SERVFAIL))),
                Verdict::Matches(filling) => return self.answer(rule, request, &filling),
            }
        }
        next.run(request)
    }
}

impl Handler {
    /// The reply of a rule that is for the query.
    fn answer<'a>(&'a self, rule: &'a Rule, request: &'a Request, filling: &Filling<'_>) -> Reply<'a> {
        let labels = self.labels(request, filling);
        self.metrics.matched(&labels);
        if rule.rcode == Rcode::SERVFAIL {
            return Reply::now(Ok(Response::Unwritten(Rcode::SERVFAIL)));
        }
        let records = match self.records(rule, filling, &labels) {
            Ok(records) => records,
            Err(error) => return Reply::now(Err(Error::new(error))),
        };
        let asks_address = matches!(request.qtype(), Type::A | Type::AAAA);
        let is_link = |record: &OwnedRecord| record.section == Section::Answer && record.rtype == Type::CNAME;
        if asks_address && records.iter().any(is_link) {
            return Reply::later(follow(rule, request, records));
        }
        Reply::now(Ok(Response::Message(message(rule, request, &records))))
    }

    /// The labels of a query.
    fn labels(&self, request: &Request, filling: &Filling<'_>) -> Matched {
        Matched {
            server: Arc::clone(&request.origin().site.server),
            zone: filling.zone.clone(),
            view: self.view.get().cloned().unwrap_or_else(|| "".into()),
            class: filling.class,
            r#type: filling.qtype,
        }
    }

    /// The records of a rule.
    fn records(&self, rule: &Rule, filling: &Filling<'_>, labels: &Matched) -> Result<Vec<OwnedRecord>, String> {
        let mut records = Vec::with_capacity(rule.templates.len());
        for (section, name, template) in &rule.templates {
            let text = template.execute(filling).inspect_err(|_| {
                self.metrics.template_failed(labels, name, &template.source);
            })?;
            let record = read(&text, *section).inspect_err(|_| {
                self.metrics.record_failed(labels, name, &template.source);
            })?;
            records.push(record);
        }
        Ok(records)
    }
}

/// The reply with what CNAME records in the answer lead to, behind each.
async fn follow(rule: &Rule, request: &Request, records: Vec<OwnedRecord>) -> Outcome {
    let (mut all, mut is_truncated) = (Vec::new(), false);
    for record in records {
        let target = if record.section == Section::Answer && record.rtype == Type::CNAME {
            Name::from_wire(&record.rdata).ok()
        } else {
            None
        };
        all.push(record);
        let Some(target) = target else { continue };
        if let Some(reply) = request.lookup(target, request.qtype()).await {
            is_truncated = reply.has_flag(flag::TC);
            all.extend(reply.section(Section::Answer).map(OwnedRecord::from));
        }
    }
    let mut message = message(rule, request, &all);
    message.set_flag(flag::TC, is_truncated);
    Ok(Response::Message(message))
}

/// The reply with these records.
fn message(rule: &Rule, request: &Request, records: &[OwnedRecord]) -> Message {
    let mut reply = ReplyBuilder::new(request).authoritative();
    reply.set_rcode(rule.rcode);
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for OwnedRecord { owner, rtype, class, ttl, rdata, .. } in
            records.iter().filter(|record| record.section == section)
        {
            reply.push_any(section, &[owner.as_wire()], (*rtype, *class, *ttl), |out| out.extend_from_slice(rdata));
        }
    }
    let mut message = reply.finish();
    if let Some((code, text)) = &rule.error {
        let mut edns = Edns { payload: PAYLOAD, flags: DO, ..Edns::default() };
        edns.push_error(*code, text);
        message.edns = Some(Box::new(edns));
    }
    message
}

impl Rule {
    /// Whether the rule is for a query.
    fn verdict<'a>(&self, request: &'a Request) -> Verdict<'a> {
        let question = request.question();
        let (class, qtype) = (question.class(), question.qtype());
        let is_for = |own: u16, asked: u16, any: u16| own == any || asked == any || own == asked;
        let Some(zone) = self.zones.find(question.lower()) else { return Verdict::Passes };
        if !is_for(self.class.0, class.0, Class::ANY.0) || !is_for(self.qtype.0, qtype.0, Type::ANY.0) {
            return Verdict::Passes;
        }
        let name = question.lower().to_string();
        let otherwise = || if self.fallthrough.covers(question.lower()) { Verdict::Passes } else { Verdict::Fails };
        let Some(pattern) = self.patterns.iter().find(|pattern| pattern.is_match(&name)) else { return otherwise() };
        let (matched, groups) = groups(pattern, &name);
        let mut filling = Filling {
            request,
            zone: zone.to_string(),
            pattern: pattern.as_str().to_owned(),
            matched,
            groups,
            class: if class == Class::ANY { self.class } else { class }.mnemonic().unwrap_or(""),
            qtype: if qtype == Type::ANY { self.qtype } else { qtype }.mnemonic().unwrap_or(""),
            variables: BTreeMap::new(),
        };
        match self.holds(&mut filling) {
            Err(_) => Verdict::Fails,
            Ok(false) => otherwise(),
            Ok(true) => Verdict::Matches(Box::new(filling)),
        }
    }

    /// Whether all conditions are true; gives the variables their values.
    fn holds(&self, filling: &mut Filling<'_>) -> Result<bool, String> {
        if self.variables.is_empty() && self.conditions.is_empty() {
            return Ok(true);
        }
        let mut environment = QueryEnvironment::new(filling.request);
        environment.groups = Some(&filling.groups);
        for Variable { name, program } in &self.variables {
            let value = program.run(&environment)?;
            environment.variables.insert(name.clone(), value);
        }
        for condition in &self.conditions {
            if !matches!(condition.run(&environment)?, Value::Bool(true)) {
                return Ok(false);
            }
        }
        filling.variables = environment.variables;
        Ok(true)
    }
}

/// What a pattern matches: the groups in their order, and by number and name.
fn groups(pattern: &Pattern, name: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let Some(captures) = pattern.captures(name) else { return (Vec::new(), BTreeMap::new()) };
    let matched: Vec<String> = captures.iter().map(|group| group.unwrap_or("").to_owned()).collect();
    let numbered = matched.iter().enumerate().map(|(number, text)| (number.to_string(), text.clone()));
    let mut groups: BTreeMap<String, String> = numbered.collect();
    for (name, text) in pattern.group_names().zip(&matched) {
        if let Some(name) = name {
            groups.insert(name.to_owned(), text.clone());
        }
    }
    (matched, groups)
}

impl Root for Filling<'_> {
    fn field(&self, name: &str) -> Option<Data> {
        let text = |text: &str| Data::Text(text.to_owned());
        Some(match name {
            "Zone" => text(&self.zone),
            "Name" => Data::Text(self.request.question().lower().to_string()),
            "Regex" => text(&self.pattern),
            "Match" => Data::List(self.matched.iter().map(|group| text(group)).collect()),
            "Group" => Data::Map(self.groups.iter().map(|(key, group)| (key.clone(), text(group))).collect()),
            "Class" => text(self.class),
            "Type" => text(self.qtype),
            "Remote" => Data::Text(plugin_api::interface::ip_text(self.request.peer())),
            "Var" => Data::Map(self.variables.iter().map(|(key, value)| (key.clone(), data(value))).collect()),
            "Question" => question(self.request),
            "Message" => message_fields(self.request),
            _ => return None,
        })
    }

    fn method(&self, name: &str, argument: &str) -> Option<String> {
        (name == "Meta").then(|| self.request.metadata(argument).unwrap_or_default())
    }
}

/// A value of an expression as one of a template.
fn data(value: &Value) -> Data {
    match value {
        Value::Nil => Data::Nil,
        Value::Bool(value) => Data::Bool(*value),
        Value::Int(value) => Data::Int(*value),
        Value::Float(value) => Data::Float(*value),
        Value::Text(value) => Data::Text(value.clone()),
        Value::List(values) => Data::List(values.iter().map(data).collect()),
        Value::Map(map) => Data::Map(map.iter().map(|(key, value)| (key.clone(), data(value))).collect()),
    }
}

/// The question under miekg/dns's names.
fn question(request: &Request) -> Data {
    let question = request.question();
    Data::Struct(BTreeMap::from([
        ("Name", Data::Text(question.name().to_string())),
        ("Qtype", Data::Int(i64::from(question.qtype().0))),
        ("Qclass", Data::Int(i64::from(question.class().0))),
    ]))
}

/// The query's header and question under miekg/dns's names.
fn message_fields(request: &Request) -> Data {
    let bit = |bit: u16| Data::Bool(request.has_flag(bit));
    Data::Struct(BTreeMap::from([
        ("Id", Data::Int(i64::from(request.id()))),
        ("Response", bit(flag::QR)),
        ("Opcode", Data::Int(i64::from(request.opcode().0))),
        ("Authoritative", bit(flag::AA)),
        ("Truncated", bit(flag::TC)),
        ("RecursionDesired", bit(flag::RD)),
        ("RecursionAvailable", bit(flag::RA)),
        ("Zero", bit(flag::Z)),
        ("AuthenticatedData", bit(flag::AD)),
        ("CheckingDisabled", bit(flag::CD)),
        ("Rcode", Data::Int(0)),
        ("Question", Data::List(vec![question(request)])),
        ("Answer", Data::List(Vec::new())),
        ("Ns", Data::List(Vec::new())),
        ("Extra", Data::List(Vec::new())),
    ]))
}
