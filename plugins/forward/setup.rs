//! From the directive `forward` to handlers. Knows nothing of queries.

use super::datagrams::Keep;
use super::handler::{Forward, Rules};
use super::https::{Https, HttpsOptions};
use super::metrics::{ForwardMetrics, UpstreamMetrics};
use super::policy::Policy;
use super::resolve::Resolver;
use super::streams::TlsTarget;
use super::target::{Target, classify, expand};
use super::tls::{TlsFiles, client_config, server_name};
use super::upstream::{Over, Probe, Secured, Upstream, UpstreamOptions};
use corefile::args::{go_quote, go_signed_duration, go_uint};
use corefile::keys::{self, Scheme, is_domain_name};
use corefile::{Diagnostic, Token};
use http::Method;
use plugin_api::{Args, Metrics, Name, Property, Rcode, Setup, Zone, Zones, go, read_block};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

/// Most TO arguments (CoreDNS: max).
const MAX_TARGETS: usize = 15;
/// Failed attempts for each upstream after which a query fails (CoreDNS: defaultConnectAttemptsPerUpstream).
const ATTEMPTS_PER_UPSTREAM: usize = 2;
/// Any number of arguments: CoreDNS takes those that it wants and reads the rest as the next property.
const SOME: std::ops::RangeInclusive<usize> = 0..=usize::MAX;

/// What the block of a directive says.
#[derive(Debug)]
pub(super) struct Config {
    root: Option<PathBuf>,
    except: Vec<Zone>,
    over_tcp: bool,
    prefers_udp: bool,
    keep: Keep,
    read_timeout: Duration,
    max_fails: u32,
    max_attempts: Option<usize>,
    max_concurrent: usize,
    probe: Probe,
    policy: Policy,
    failover: Vec<Rcode>,
    next: Vec<Rcode>,
    next_on_nodata: bool,
    is_failfast: bool,
    resolver: Resolver,
    source: Option<IpAddr>,
    tls: Option<ClientConfig>,
    tls_name: Option<String>,
    method: Method,
}

impl Default for Config {
    fn default() -> Self {
        let interval = Duration::from_millis(500);
        Self {
            root: None,
            except: Vec::new(),
            over_tcp: false,
            prefers_udp: false,
            keep: Keep { expire: Duration::from_secs(10), max_age: Duration::ZERO, max_idle: 0 },
            read_timeout: Duration::from_secs(2),
            max_fails: 2,
            max_attempts: None,
            max_concurrent: 0,
            probe: Probe { interval, is_recursive: true, name: Name::root(), over_tcp: false },
            policy: Policy::Random,
            failover: Vec::new(),
            next: Vec::new(),
            next_on_nodata: false,
            is_failfast: false,
            resolver: Resolver::default(),
            source: None,
            tls: None,
            tls_name: None,
            method: Method::POST,
        }
    }
}

/// The properties.
pub(super) const PROPERTIES: &[Property<Config>] = &[
    Property::new("except", 1..=usize::MAX, |config, args| {
        config.except.extend(args.zones());
        Ok(())
    }),
    Property::new("max_fails", SOME, |config, args| {
        config.max_fails = u32::try_from(unsigned(args)?).unwrap_or(u32::MAX);
        Ok(())
    }),
    Property::new("max_connect_attempts", SOME, |config, args| {
        config.max_attempts = Some(usize::try_from(unsigned(args)?).unwrap_or(usize::MAX));
        Ok(())
    }),
    Property::new("health_check", 1..=usize::MAX, health_check),
    Property::new("force_tcp", 0..=0, |config, _| {
        config.over_tcp = true;
        Ok(())
    }),
    Property::new("prefer_udp", 0..=0, |config, _| {
        config.prefers_udp = true;
        Ok(())
    }),
    Property::new("tls", 0..=3, tls),
    Property::new("tls_servername", SOME, |config, args| {
        config.tls_name = Some(one(args)?.to_owned());
        Ok(())
    }),
    Property::new("expire", SOME, |config, args| {
        config.keep.expire = duration(args, |shown| format!("expire can't be negative: {shown}"))?;
        Ok(())
    }),
    Property::new("max_age", SOME, |config, args| {
        config.keep.max_age = duration(args, |shown| format!("max_age can't be negative: {shown}"))?;
        Ok(())
    }),
    Property::new("max_idle_conns", SOME, |config, args| {
        config.keep.max_idle = count(args, "max_idle_conns")?;
        Ok(())
    }),
    Property::new("read_timeout", SOME, read_timeout),
    Property::new("doh_method", SOME, doh_method),
    Property::new("policy", SOME, policy),
    Property::new("max_concurrent", SOME, |config, args| {
        config.max_concurrent = count(args, "max_concurrent")?;
        Ok(())
    }),
    Property::new("next", 1..=usize::MAX, |config, args| {
        config.next.extend(rcodes(args)?);
        Ok(())
    }),
    Property::new("next_on_nodata", 0..=0, |config, _| {
        config.next_on_nodata = true;
        Ok(())
    }),
    Property::new("failfast_all_unhealthy_upstreams", 0..=0, |config, _| {
        config.is_failfast = true;
        Ok(())
    }),
    Property::new("failover", 1..=usize::MAX, failover),
    Property::new("resolver", 1..=usize::MAX, resolver),
    Property::new("source_address", SOME, source_address),
];

/// Sets up all directives of one server block, a handler each.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.block.settings.any_class = true;
    let metrics = ForwardMetrics::new(&setup.process.metrics);
    let mut counts = Vec::new();
    while setup.input.next() {
        let (forward, count) = stanza(setup, &metrics)?;
        let forward = Arc::new(forward);
        setup.manage(Arc::clone(&forward) as _);
        setup.push(forward);
        counts.push(count);
    }
    match counts.into_iter().find(|count| *count > MAX_TARGETS) {
        Some(count) => Err(setup.plain(format!("more than {MAX_TARGETS} TOs configured: {count}"))),
        None => Ok(()),
    }
}

/// Reads one directive, on whose name the cursor stands; gives its handler and how many TO arguments count.
fn stanza(setup: &mut Setup<'_>, metrics: &ForwardMetrics) -> Result<(Forward, usize), Diagnostic> {
    let args = setup.input.remaining_args();
    let Some((from, to)) = args.split_first() else { return Err(setup.input.arg_err()) };
    let from = zone(setup, from)?;
    if to.is_empty() {
        return Err(setup.input.arg_err().with_help("a zone comes first: 'forward . ADDRESS'"));
    }
    let place = setup.plain("");
    let plain = |message: String| Diagnostic { message, ..place.clone() };
    let mut config = Config { root: setup.block.settings.root.clone(), ..Config::default() };
    read_block(&mut setup.input, &mut config, PROPERTIES)?;
    let Keep { expire, max_age, .. } = config.keep;
    if !max_age.is_zero() && max_age < expire {
        let (max_age, expire) = (go::show(max_age), go::show(expire));
        return Err(plain(format!("max_age ({max_age}) must not be less than expire ({expire})")));
    }
    let to: Vec<&str> = to.iter().map(Token::as_str).collect();
    let entries = classify(&to).map_err(plain)?;
    let count = entries.len();
    let targets = expand(entries, &config.resolver).map_err(plain)?;
    if targets.is_empty() {
        return Err(plain("no valid upstream addresses found".to_owned()));
    }
    let upstreams = upstreams(&config, targets, &setup.process.metrics).map_err(plain)?;
    let max_attempts = config.max_attempts.unwrap_or(ATTEMPTS_PER_UPSTREAM * upstreams.len());
    Ok((Forward::new(rules(from, config, max_attempts), upstreams, metrics.clone()), count))
}

/// The zone that is forwarded: a name, or the first reverse zone of a network.
fn zone(setup: &Setup<'_>, from: &Token) -> Result<Zone, Diagnostic> {
    let zones = keys::zones(from);
    let first = zones.first().and_then(|zone| Zone::from_text(zone).ok());
    let Some(zone) = first else { return Err(setup.plain(format!("unable to normalize '{from}'"))) };
    if zones.len() > 1 {
        tracing::warn!(
            target: "plugin/forward",
            "Unsupported CIDR notation: '{from}' expands to multiple zones. Using only '{zone}'."
        );
    }
    Ok(zone)
}

/// What the handler needs of a configuration.
fn rules(from: Zone, config: Config, max_attempts: usize) -> Rules {
    let over = match (config.over_tcp, config.prefers_udp) {
        (true, _) => Some(Over::Tcp),
        (false, true) => Some(Over::Udp),
        (false, false) => None,
    };
    Rules {
        from,
        except: Zones::new(config.except),
        policy: config.policy,
        over,
        read_timeout: config.read_timeout,
        max_attempts,
        max_concurrent: config.max_concurrent,
        failover: config.failover,
        next: config.next,
        next_on_nodata: config.next_on_nodata,
        is_failfast: config.is_failfast,
    }
}

/// The upstreams, not spoken to yet.
fn upstreams(config: &Config, targets: Vec<Target>, metrics: &Metrics) -> Result<Vec<Arc<Upstream>>, String> {
    let speaks_tls = targets.iter().any(|target| target.scheme != Scheme::Dns);
    let tls = match &config.tls {
        Some(tls) => Some(tls.clone()),
        None if speaks_tls => Some(client_config(&TlsFiles::default())?),
        None => None,
    };
    let mut upstreams = Vec::new();
    for target in targets {
        let secured = secured(config, &target, tls.as_ref())?;
        let probe = Probe { over_tcp: config.over_tcp, ..config.probe.clone() };
        let options = UpstreamOptions { source: config.source, keep: config.keep, max_fails: config.max_fails, probe };
        let metrics = UpstreamMetrics::new(metrics, target.address.to_string());
        upstreams.push(Arc::new(Upstream::new(target.address, secured, options, metrics)));
    }
    Ok(upstreams)
}

/// How an upstream is spoken to.
fn secured(config: &Config, target: &Target, tls: Option<&ClientConfig>) -> Result<Secured, String> {
    let Some(tls) = tls.filter(|_| target.scheme != Scheme::Dns) else { return Ok(Secured::Plain) };
    if let (Some(ours), Some(name)) = (&config.tls_name, &target.name) {
        let upstream = format!("{}://{}", target.scheme, target.address);
        return Err(format!(
            "both forward ('{ours}') and proxy level ('{name}') TLS servernames are set for upstream proxy '{upstream}'"
        ));
    }
    let address = target.address.ip().to_string();
    let name = server_name(config.tls_name.as_ref().or(target.name.as_ref()).unwrap_or(&address))?;
    if target.scheme == Scheme::Tls {
        return Ok(Secured::Tls(TlsTarget { connector: TlsConnector::from(Arc::new(tls.clone())), name }));
    }
    let Keep { expire, max_idle, .. } = config.keep;
    let (tls, source, method) = (tls.clone(), config.source, config.method.clone());
    let options = HttpsOptions { tls, name, source, method, expire, max_idle };
    Ok(Secured::Https(Box::new(Https::new(target.address, options))))
}

/// The one argument of a property. Another one is read as the next property, as by CoreDNS.
fn one<'a>(args: &'a Args<'_>) -> Result<&'a str, Diagnostic> {
    if args.values.is_empty() {
        return Err(args.count_err());
    }
    match args.values.get(1) {
        Some(second) => Err(args.err_at(1, format!("unknown property '{second}'"))),
        None => Ok(args.get(0)),
    }
}

/// A number without sign.
fn unsigned(args: &Args<'_>) -> Result<u64, Diagnostic> {
    go_uint(one(args)?, 32).map_err(|text| args.plain_at(0, text))
}

/// A number that is not negative.
fn count(args: &Args<'_>, what: &str) -> Result<usize, Diagnostic> {
    one(args)?;
    let number = args.int(0)?;
    usize::try_from(number).map_err(|_| args.plain_at(0, format!("{what} can't be negative: {number}")))
}

/// A duration that is not negative; `refusal` makes the error of one that is.
fn duration(args: &Args<'_>, refusal: impl FnOnce(String) -> String) -> Result<Duration, Diagnostic> {
    let duration = go_signed_duration(one(args)?).map_err(|text| args.plain_at(0, text))?;
    if duration.is_negative() { Err(args.plain_at(0, refusal(duration.to_string()))) } else { Ok(duration.or_zero()) }
}

/// `read_timeout DURATION`.
fn read_timeout(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let refused = |shown: String| format!("read_timeout must be positive: {shown}");
    config.read_timeout = duration(args, refused)?;
    if config.read_timeout.is_zero() { Err(args.plain_at(0, refused("0s".to_owned()))) } else { Ok(()) }
}

/// `health_check DURATION [no_rec] [domain NAME]`.
fn health_check(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let interval = go_signed_duration(args.get(0)).map_err(|text| args.plain_at(0, text))?;
    if interval.is_negative() {
        return Err(args.plain_at(0, format!("health_check can't be negative: {}", interval.nanos)));
    }
    config.probe.interval = interval.or_zero();
    config.probe.name = Name::root();
    let mut at = 1;
    while at < args.values.len() {
        match args.get(at) {
            "no_rec" => config.probe.is_recursive = false,
            "domain" => {
                at += 1;
                config.probe.name = probe_name(args, at)?;
            }
            word => return Err(args.plain_at(at, format!("health_check: unknown option {word}"))),
        }
        at += 1;
    }
    Ok(())
}

/// The name behind `domain`.
fn probe_name(args: &Args<'_>, at: usize) -> Result<Name, Diagnostic> {
    if at >= args.values.len() {
        return Err(args.count_err());
    }
    let text = args.get(at);
    let name = Name::from_text(text).ok().filter(|_| is_domain_name(text));
    let name = name.map(|name| name.to_lower());
    name.ok_or_else(|| args.plain_at(at, format!("health_check: invalid domain name {text}")))
}

/// `tls [[CERT KEY] CA]`.
fn tls(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let path = |index: usize| match &config.root {
        Some(root) => root.join(args.get(index)),
        None => PathBuf::from(args.get(index)),
    };
    let files = match args.values.len() {
        0 => TlsFiles::default(),
        1 => TlsFiles { identity: None, authority: Some(path(0)) },
        2 => TlsFiles { identity: Some((path(0), path(1))), authority: None },
        _ => TlsFiles { identity: Some((path(0), path(1))), authority: Some(path(2)) },
    };
    config.tls = Some(client_config(&files).map_err(|text| args.plain_at(0, text))?);
    Ok(())
}

/// `doh_method POST|GET`.
fn doh_method(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.method = match one(args)? {
        "POST" => Method::POST,
        "GET" => Method::GET,
        _ => return Err(args.plain_at(0, "doh_method must be either GET or POST")),
    };
    Ok(())
}

/// `policy random|round_robin|sequential`.
fn policy(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.policy = match one(args)? {
        "random" => Policy::Random,
        "round_robin" => Policy::RoundRobin(AtomicUsize::new(0)),
        "sequential" => Policy::Sequential,
        word => return Err(args.err_at(0, format!("unknown policy '{word}'"))),
    };
    Ok(())
}

/// Rcodes by their mnemonics.
fn rcodes(args: &Args<'_>) -> Result<Vec<Rcode>, Diagnostic> {
    let rcode = |(index, token): (usize, &Token)| {
        let rcode = Rcode::from_mnemonic(&token.to_uppercase());
        rcode.ok_or_else(|| args.plain_at(index, format!("{token} is not a valid rcode")))
    };
    args.values.iter().enumerate().map(rcode).collect()
}

/// `failover RCODE...`.
fn failover(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let rcodes = rcodes(args)?;
    if let Some(index) = rcodes.iter().position(|rcode| *rcode == Rcode::NOERROR) {
        return Err(args.plain_at(index, "NoError cannot be used in failover"));
    }
    config.failover.extend(rcodes);
    Ok(())
}

/// `resolver ADDRESS[:PORT]...`.
fn resolver(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let mut servers = Vec::new();
    for (index, token) in args.values.iter().enumerate() {
        let with_port = token.parse::<SocketAddr>().ok();
        let server = with_port.or_else(|| Some(SocketAddr::new(token.parse().ok()?, 53)));
        let refusal = || format!("resolver must be an IP address or IP:port: {}", go_quote(token));
        servers.push(server.ok_or_else(|| args.plain_at(index, refusal()))?);
    }
    config.resolver.servers = servers;
    Ok(())
}

/// `source_address ADDRESS`.
fn source_address(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let text = one(args)?;
    let address = text.parse();
    config.source = Some(address.map_err(|_| args.err_at(0, format!("invalid IP address: {text}")))?);
    Ok(())
}
