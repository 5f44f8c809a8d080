//! For tests: a server block set up from text and asked in text, without server, clock or network.

use corefile::{Diagnostic, DiskFiles, Input, Options, ProcessEnv};
use futures_util::FutureExt;
use plugin_api::edns::{DO, code};
use plugin_api::link::Kept;
use plugin_api::setup::{Control, Reloaded};
use plugin_api::{
    Block, BoxFuture, Chain, Class, Clock, Edns, Handler, Linked, Message, Metrics, Name, Next, Origin, Outcome,
    Process, Record, Reply, Request, Response, Section, Setup, Site, Transport, Type, Zone, Zones, flag,
};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// A server block that has been set up, and is asked.
pub(crate) struct Trial {
    /// What lives longer.
    pub(crate) process: Process,
    /// What the set-ups left behind; its handlers are in `chain`.
    pub(crate) block: Block,
    /// The handlers, the last of them a test's own if it has one.
    pub(crate) chain: Chain,
}

/// A process that nothing can be asked of.
struct Idle;

impl Control for Idle {
    fn fail(&self, message: String) {
        panic!("the plugin ends the process: {message}");
    }

    fn reload_if_changed(&self) -> BoxFuture<'_, Reloaded> {
        Box::pin(async { Reloaded::Unchanged })
    }

    fn configuration_hash(&self) -> String {
        "0".repeat(128)
    }
}

/// The last handler of a test's chain.
struct End<F>(F);

impl<F: Fn(&Request) -> Outcome + Send + Sync + 'static> Handler for End<F> {
    fn name(&self) -> &'static str {
        "end"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        Reply::now((self.0)(request))
    }
}

impl Trial {
    /// Sets up a block for the root zone that holds `directives`; its first line is line 2 of the Corefile.
    pub(crate) fn new(directives: &str) -> Self {
        Self::try_new(directives, vec![]).unwrap_or_else(|error| panic!("refused: {error}"))
    }

    /// The same, with a last handler.
    pub(crate) fn ending_in(directives: &str, end: impl Fn(&Request) -> Outcome + Send + Sync + 'static) -> Self {
        Self::try_new(directives, vec![Arc::new(End(end))]).unwrap_or_else(|error| panic!("refused: {error}"))
    }

    /// The same, or the first line of the error.
    fn try_new(directives: &str, end: Vec<Arc<dyn Handler>>) -> Result<Self, String> {
        let process = process();
        let mut block = Block { zones: Zones::new(vec![Zone::root()]), ..Block::default() };
        set_up_all(&process, &mut block, &format!(".:53 {{\n{directives}\n}}\n"))?;
        block.handlers.extend(end);
        let chain: Chain = std::mem::take(&mut block.handlers).into();
        for (plugin, linker) in std::mem::take(&mut block.linkers) {
            let linked = Linked {
                links: &block.links,
                chain: &chain,
                zones: &block.zones,
                servers: &["dns://:53".into()],
                addresses: &[],
                view: "",
            };
            linker(&linked).map_err(|error| first_line(plugin, error))?;
        }
        Ok(Self { process, block, chain })
    }

    /// The reply to a query such as `www.example.org AAAA`, in one line. Words behind: a class, `tcp`, `nord`, `ad`, `cd`,
    /// `edns`, `do`, `bufsize=N`, `nsid`, `id=N`, `from=ADDRESS`, `sport=N`.
    pub(crate) fn ask(&self, query: &str) -> String {
        let request = request(query, &self.process.clock);
        text(now(Next::start(&self.chain).run(&request)))
    }
}

/// A process with a clock that stands still.
pub(crate) fn process() -> Process {
    Process {
        metrics: Arc::new(Metrics::default()),
        clock: Clock::manual(),
        manifests: Vec::new(),
        control: Arc::new(Idle),
    }
}

/// The outcome of a reply that has to wait for nothing.
pub(crate) fn now(reply: Reply<'_>) -> Outcome {
    reply.now_or_never().expect("the reply is here already")
}

/// Runs the set-up of every directive, in the order of the table.
fn set_up_all(process: &Process, block: &mut Block, text: &str) -> Result<(), String> {
    let names: Vec<_> = crate::names().collect();
    let options = Options { directives: Some(&names), hints: &[], env: &ProcessEnv, files: &DiskFiles };
    let parsed = corefile::parse(Input { name: "Corefile", text: text.as_bytes() }, options)
        .map_err(|rejected| rejected.render().lines().next().unwrap_or_default().to_owned())?;
    for plugin in crate::PLUGINS {
        let Some(directive) = parsed.blocks[0].directive(plugin.name) else { continue };
        let mut setup = Setup {
            plugin: plugin.name,
            input: directive.dispenser(&parsed.sources),
            block,
            process,
            previous: &Kept::default(),
            kept: &mut Kept::default(),
        };
        (plugin.setup)(&mut setup).map_err(|error| first_line(plugin.name, error))?;
    }
    Ok(())
}

/// The error of a directive as CoreDNS prints it.
fn first_line(plugin: &str, error: Diagnostic) -> String {
    error.with_prefix(format!("plugin/{plugin}")).to_string()
}

/// The first line of the error of a set-up; none if it is accepted.
pub(crate) fn setup_error(directives: &str) -> Option<String> {
    Trial::try_new(directives, vec![]).err()
}

/// A query from its text, see [`Trial::ask`].
pub(crate) fn request(query: &str, clock: &Clock) -> Box<Request> {
    let mut words = query.split_whitespace();
    let name = Name::from_text(words.next().expect("a name")).expect("a name");
    let qtype = words.next().map_or(Type::A, |word| type_of(word).expect("a type"));
    let mut query = Query { class: Class::IN, flags: flag::RD, id: 4660, edns: None };
    let mut origin = origin(clock);
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "tcp" => origin.transport = Transport::Tcp,
            "from" => origin.peer.set_ip(value.parse().expect("an address")),
            "to" => origin.local.set_ip(value.parse().expect("an address")),
            "sport" => origin.peer.set_port(value.parse().expect("a port")),
            _ => query.take(key, value),
        }
    }
    Request::parse(&query.octets(&name, qtype), origin).expect("a query")
}

/// A type by mnemonic or as `TYPE123`.
fn type_of(word: &str) -> Option<Type> {
    Type::from_mnemonic(word).or_else(|| Some(Type(word.strip_prefix("TYPE")?.parse().ok()?)))
}

/// The circumstances of a query over UDP from 127.0.0.1.
fn origin(clock: &Clock) -> Origin {
    Origin {
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 40000)),
        local: SocketAddr::from((Ipv4Addr::LOCALHOST, 53)),
        transport: Transport::Udp,
        arrival: clock.now(),
        site: Arc::new(Site { server: "dns://:53".into(), upstream: None }),
    }
}

/// What is asked for, but for name and type.
struct Query {
    class: Class,
    flags: u16,
    id: u16,
    edns: Option<Edns>,
}

impl Query {
    /// Takes one word.
    fn take(&mut self, key: &str, value: &str) {
        if matches!(key, "edns" | "do" | "bufsize" | "nsid") {
            let edns = self.edns.get_or_insert_with(|| Edns { payload: 1232, ..Edns::default() });
            match key {
                "do" => edns.flags = DO,
                "bufsize" => edns.payload = value.parse().expect("a size"),
                "nsid" => edns.push_option(code::NSID, b""),
                _ => {}
            }
            return;
        }
        match key {
            "nord" => self.flags &= !flag::RD,
            "ad" => self.flags |= flag::AD,
            "cd" => self.flags |= flag::CD,
            "id" => self.id = value.parse().expect("an id"),
            class => self.class = Class::from_mnemonic(class).unwrap_or_else(|| panic!("what is {class}?")),
        }
    }

    /// The query on the wire.
    fn octets(&self, name: &Name, qtype: Type) -> Vec<u8> {
        let mut octets = Vec::new();
        for field in [self.id, self.flags, 1, 0, 0, u16::from(self.edns.is_some())] {
            octets.extend_from_slice(&field.to_be_bytes());
        }
        octets.extend_from_slice(name.as_wire());
        octets.extend_from_slice(&qtype.0.to_be_bytes());
        octets.extend_from_slice(&self.class.0.to_be_bytes());
        if let Some(edns) = &self.edns {
            edns.write(&mut octets);
        }
        octets
    }
}

/// An outcome in one line.
pub(crate) fn text(outcome: Outcome) -> String {
    match outcome {
        Ok(Response::Message(message)) => message_text(&message),
        Ok(Response::Unwritten(rcode)) => format!("unwritten {rcode}"),
        Ok(Response::Stream(messages)) => format!("stream of {}", messages.count()),
        Ok(Response::Drop) => "dropped".to_owned(),
        Err(error) => match &error.message {
            Some(message) => format!("error {}: {error}; {}", error.rcode, message_text(message)),
            None => format!("error {}: {error}", error.rcode),
        },
    }
}

/// A message in one line: rcode, flags, then what sections there are.
fn message_text(message: &Message) -> String {
    let mut line = message.rcode().to_string();
    let flags = [(flag::QR, "qr"), (flag::AA, "aa"), (flag::TC, "tc"), (flag::RD, "rd"), (flag::RA, "ra")];
    for (bit, name) in flags.into_iter().chain([(flag::Z, "z"), (flag::AD, "ad"), (flag::CD, "cd")]) {
        if message.has_flag(bit) {
            write!(line, " {name}").unwrap();
        }
    }
    let sections =
        [(Section::Answer, "answer"), (Section::Authority, "authority"), (Section::Additional, "additional")];
    for (section, name) in sections {
        let records: Vec<String> = message.section(section).map(|record| record_text(&record)).collect();
        if !records.is_empty() {
            write!(line, "; {name}: {}", records.join(", ")).unwrap();
        }
    }
    if let Some(edns) = &message.edns {
        write!(line, "; edns: {}{}", edns.payload, if edns.dnssec_ok() { " do" } else { "" }).unwrap();
        edns.options().for_each(|(code, data)| write!(line, " {code}:{}", data.escape_ascii()).unwrap());
    }
    line
}

/// A record in one line.
fn record_text(record: &Record<'_>) -> String {
    let Record { ttl, class, rtype, .. } = record;
    format!("{} {ttl} {class} {rtype} {}", record.owner_name(), rdata_text(record.rtype, record.rdata))
}

/// The rdata of the types that tests use; octets for others.
fn rdata_text(rtype: Type, rdata: &[u8]) -> String {
    let name =
        |at: usize| Name::read(rdata, at).map_or_else(|_| ("?".into(), at), |(name, end)| (name.to_string(), end));
    let number = |at: usize| u16::from_be_bytes([rdata[at], rdata[at + 1]]);
    let long = |at: usize| u32::from_be_bytes(rdata[at..at + 4].try_into().unwrap());
    match rtype {
        Type::A => IpAddr::from(<[u8; 4]>::try_from(rdata).unwrap()).to_string(),
        Type::AAAA => IpAddr::from(<[u8; 16]>::try_from(rdata).unwrap()).to_string(),
        Type::NS | Type::CNAME | Type::PTR | Type::DNAME => name(0).0,
        Type::MX => format!("{} {}", number(0), name(2).0),
        Type::SRV => format!("{} {} {} {}", number(0), number(2), number(4), name(6).0),
        Type::TXT | Type::HINFO => strings_text(rdata),
        Type::SOA => {
            let (primary, at) = name(0);
            let (mailbox, at) = name(at);
            let timers: Vec<_> = (0..5).map(|index| long(at + 4 * index).to_string()).collect();
            format!("{primary} {mailbox} {}", timers.join(" "))
        }
        _ => format!("\\# {}", rdata.escape_ascii()),
    }
}

/// Character strings in quotation marks.
fn strings_text(mut rdata: &[u8]) -> String {
    let mut strings = Vec::new();
    while let Some((&length, rest)) = rdata.split_first() {
        let (string, rest) = rest.split_at(usize::from(length));
        strings.push(format!("\"{}\"", string.escape_ascii()));
        rdata = rest;
    }
    strings.join(" ")
}

/// Collects the log lines of the current thread: `[WARN] plugin/x: text`.
#[derive(Clone, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<String>>>);

impl Logged {
    /// The lines that `work` logs.
    pub(crate) fn during(work: impl FnOnce()) -> Vec<String> {
        let logged = Self::default();
        tracing::subscriber::with_default(logged.clone(), work);
        logged.take()
    }

    /// The lines so far; they are taken out.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Reads the message of an event.
struct Visitor<'a>(&'a mut String);

impl tracing::field::Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        // The libraries below us say a lot.
        !metadata.target().starts_with("tower")
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = format!("[{}] {}: ", event.metadata().level(), event.metadata().target());
        event.record(&mut Visitor(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}
