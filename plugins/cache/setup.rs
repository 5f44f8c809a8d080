//! From the directive `cache` to a `Config`. Knows nothing of queries.

use super::handler::Cache;
use corefile::{Diagnostic, suggest};
use plugin_api::property::ANY;
use plugin_api::{Args, Property, Setup, Zone, Zones};
use std::sync::Arc;
use std::time::Duration;

/// Entries of each kind, rounded down to a multiple of 256 (CoreDNS: defaultCap).
const CAPACITY: usize = 10_000;
/// Longest time that SERVFAIL may be kept (RFC 2308 §7.1).
const MAX_SERVFAIL: Duration = Duration::from_secs(300);
/// Longest pause after a failed refresh.
const MAX_RECHECK: Duration = Duration::from_secs(300);

/// How much is kept of one kind of response, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Entries.
    pub(super) capacity: usize,
    /// Longest lifetime in seconds.
    pub(super) ttl: u32,
    /// Shortest lifetime in seconds.
    pub(super) min_ttl: u32,
    /// Zones of which nothing is kept.
    pub(super) except: Zones,
}

/// When an entry that is asked for often is fetched again before it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefetch {
    /// Hits that make an entry worth it; 0 for never.
    pub(super) amount: u32,
    /// Longest gap between two of these hits.
    pub(super) window: Duration,
    /// In the last percentage of its lifetime.
    pub(super) percentage: u32,
}

/// How entries are used after their end (RFC 8767).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stale {
    /// How long after their end in seconds; 0 for not at all.
    pub(super) up_to: u64,
    /// Whether the next plugin is asked first.
    pub(super) verify: bool,
    /// How long it is waited for then; zero for as long as it takes.
    pub(super) timeout: Duration,
    /// The TTL in seconds that a stale answer shows.
    pub(super) ttl: u32,
    /// Pause after a refresh that failed.
    pub(super) recheck: Duration,
    /// Whether a good answer is preferred to a newer denial.
    pub(super) prefer_positive: bool,
}

/// What the directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// For positive answers and delegations.
    pub(super) success: Limits,
    /// For NXDOMAIN, NODATA and SERVFAIL.
    pub(super) denial: Limits,
    /// How long SERVFAIL and NOTIMP are kept.
    pub(super) servfail: Duration,
    /// Refresh before the end.
    pub(super) prefetch: Prefetch,
    /// Use after the end.
    pub(super) stale: Stale,
    /// Whether hits show the TTL that the entry began with.
    pub(super) keep_ttl: bool,
    /// Whether `serve_stale` and `serve_stale_policy` were met.
    seen: (bool, bool),
}

impl Default for Config {
    fn default() -> Self {
        let limits = |ttl| Limits { capacity: CAPACITY, ttl, min_ttl: 5, except: Zones::default() };
        Self {
            success: limits(3600),
            denial: limits(1800),
            servfail: Duration::from_secs(5),
            prefetch: Prefetch { amount: 0, window: Duration::from_secs(60), percentage: 10 },
            stale: Stale::default(),
            keep_ttl: false,
            seen: (false, false),
        }
    }
}

/// The properties.
pub(super) const PROPERTIES: &[Property<Config>] = &[
    Property::new("success", 1..=usize::MAX, |config, args| limits(&mut config.success, args)),
    Property::new("denial", 1..=usize::MAX, |config, args| limits(&mut config.denial, args)),
    Property::new("prefetch", 1..=3, prefetch),
    Property::new("serve_stale", 0..=5, serve_stale),
    Property::new("serve_stale_policy", ANY, serve_stale_policy),
    Property::new("servfail", 1..=1, servfail),
    Property::new("disable", 1..=usize::MAX, disable),
    Property::new("keepttl", 0..=0, |config, _| {
        config.keep_ttl = true;
        Ok(())
    }),
];

/// Sets up the cache of one server block.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    setup.input.next();
    let (config, zones) = read(setup)?;
    if setup.input.next() {
        return Err(setup.once());
    }
    let cache = Arc::new(Cache::new(config, zones, setup.process.clock.clone()));
    let metrics = Arc::clone(&setup.process.metrics);
    let linked = Arc::clone(&cache);
    setup.on_link(move |block| {
        linked.link(&metrics, block.servers, block.view);
        Ok(())
    });
    setup.manage(Arc::clone(&cache) as _);
    setup.push(cache);
    Ok(())
}

/// Reads one directive, on whose name the cursor stands.
fn read(setup: &mut Setup<'_>) -> Result<(Config, Zones), Diagnostic> {
    let mut config = Config::default();
    let name = setup.input.token().cloned();
    let mut values = setup.input.remaining_args();
    if let (Some(name), true) = (name, values.first().is_some_and(|first| first.parse::<i64>().is_ok())) {
        let args = Args { input: &mut setup.input, name, values: values.clone() };
        let ttl = positive_ttl(&args, 0)?;
        config.success.ttl = ttl;
        config.denial.ttl = ttl;
        values.remove(0);
    }
    let zones = setup.zones(&values);
    while setup.input.next_block() {
        property(setup, &mut config)?;
    }
    if config.seen == (false, true) {
        return Err(Diagnostic::plain("serve_stale_policy requires serve_stale"));
    }
    Ok((config, zones))
}

/// Reads one property. An unknown one is an error of arguments in CoreDNS's words.
fn property(setup: &mut Setup<'_>, config: &mut Config) -> Result<(), Diagnostic> {
    let input = &mut setup.input;
    let Some(property) = PROPERTIES.iter().find(|property| property.name == input.val()) else {
        let meant = suggest(input.val(), PROPERTIES.iter().map(|property| property.name));
        return Err(input.arg_err().with_suggestion(meant));
    };
    let Some(name) = input.token().cloned() else { return Err(input.eof_err()) };
    let values = input.remaining_args();
    if !property.args.contains(&values.len()) {
        return Err(input.arg_err());
    }
    (property.apply)(config, &mut Args { input, name, values })
}

/// Seconds above zero; beyond what a TTL can hold they are cut.
fn positive_ttl(args: &Args<'_>, index: usize) -> Result<u32, Diagnostic> {
    match args.int(index)? {
        ttl @ ..=0 => Err(args.plain_at(index, format!("cache TTL can not be zero or negative: {ttl}"))),
        ttl => Ok(u32::try_from(ttl).unwrap_or(u32::MAX)),
    }
}

/// `success` and `denial`: `CAPACITY [TTL [MINTTL]]`.
fn limits(limits: &mut Limits, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    limits.capacity = usize::try_from(args.int(0)?).unwrap_or(0);
    if args.values.len() > 1 {
        limits.ttl = positive_ttl(args, 1)?;
    }
    if args.values.len() > 2 {
        limits.min_ttl = match args.int(2)? {
            ttl @ ..=-1 => return Err(args.plain_at(2, format!("cache min TTL can not be negative: {ttl}"))),
            ttl => u32::try_from(ttl).unwrap_or(u32::MAX),
        };
    }
    Ok(())
}

/// `prefetch AMOUNT [DURATION [PERCENTAGE%]]`.
fn prefetch(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let amount = args.int(0)?;
    config.prefetch.amount = u32::try_from(amount.max(0)).unwrap_or(u32::MAX);
    if amount < 0 {
        return Err(args.plain_at(0, format!("prefetch amount should be positive: {amount}")));
    }
    if args.values.len() > 1 {
        config.prefetch.window = args.duration(1)?;
    }
    if args.values.len() > 2 {
        config.prefetch.percentage = percentage(args, 2)?;
    }
    Ok(())
}

/// A percentage from 10 to 90, with its sign.
fn percentage(args: &mut Args<'_>, index: usize) -> Result<u32, Diagnostic> {
    let Some(number) = args.get(index).strip_suffix('%').map(str::to_owned) else {
        let last = args.get(index).chars().last().unwrap_or(' ');
        return Err(args.plain_at(index, format!("last character of percentage should be `%`, but is: '{last}'")));
    };
    if let Some(token) = args.values.get_mut(index) {
        token.text = number.into();
    }
    match args.int(index)? {
        number @ 10..=90 => Ok(u32::try_from(number).unwrap_or(10)),
        number => Err(args.plain_at(index, format!("percentage should fall in range [10, 90]: {number}"))),
    }
}

/// A duration that is not negative; `what` says what it is for, `wrong` goes before Go's own words.
fn duration(args: &Args<'_>, index: usize, (what, wrong): (&str, &str)) -> Result<Duration, Diagnostic> {
    let duration = args.duration(index).map_err(|mut error| {
        error.message.insert_str(0, wrong);
        error
    })?;
    let is_negative =
        args.get(index).strip_prefix('-').is_some_and(|rest| rest.contains(|digit| matches!(digit, '1'..='9')));
    if is_negative { Err(args.plain_at(index, format!("invalid negative {what}"))) } else { Ok(duration) }
}

/// `serve_stale [DURATION [immediate [TTL [RECHECK]]]]`, `serve_stale [DURATION [verify [TIMEOUT [TTL [RECHECK]]]]]`.
fn serve_stale(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.seen.0 = true;
    let prefer_positive = config.stale.prefer_positive;
    config.stale = Stale { up_to: 3600, prefer_positive, ..Stale::default() };
    let stale = &mut config.stale;
    let count = args.values.len();
    if count > 0 {
        stale.up_to = duration(args, 0, ("duration for serve_stale", ""))?.as_secs();
    }
    let mode = args.get(1).to_lowercase();
    stale.verify = match mode.as_str() {
        "verify" => true,
        "immediate" => false,
        _ if count < 2 => false,
        _ => return Err(args.plain_at(1, format!("invalid value for serve_stale refresh mode: {mode}"))),
    };
    if !stale.verify && count > 4 {
        return Err(args.count_err());
    }
    let mut at = 2;
    if stale.verify && count > at {
        let words = ("timeout for serve_stale verify", "invalid serve_stale verify timeout: ");
        stale.timeout = duration(args, at, words)?;
        at += 1;
    }
    if count > at {
        stale.ttl = stale_ttl(args, at)?;
    }
    if count > at + 1 {
        let words = ("failure recheck for serve_stale", "invalid serve_stale failure recheck: ");
        stale.recheck = duration(args, at + 1, words)?;
        if stale.recheck > MAX_RECHECK {
            return Err(args.plain_at(at + 1, "serve_stale failure recheck cannot exceed 5 minutes"));
        }
    }
    Ok(())
}

/// The TTL of stale answers: whole seconds.
fn stale_ttl(args: &Args<'_>, index: usize) -> Result<u32, Diagnostic> {
    let words = ("response TTL for serve_stale", "invalid serve_stale response TTL: ");
    let ttl = duration(args, index, words)?;
    if ttl.subsec_nanos() != 0 {
        return Err(args.plain_at(index, "serve_stale response TTL must be a whole number of seconds"));
    }
    let too_long = |_| args.plain_at(index, "serve_stale response TTL exceeds the DNS TTL range");
    u32::try_from(ttl.as_secs()).map_err(too_long)
}

/// `serve_stale_policy prefer_positive`.
fn serve_stale_policy(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    if config.seen.1 {
        return Err(args.plain_at(0, "serve_stale_policy can only be specified once"));
    }
    config.seen.1 = true;
    if args.values.len() != 1 {
        return Err(args.count_err());
    }
    if !args.get(0).eq_ignore_ascii_case("prefer_positive") {
        return Err(args.plain_at(0, format!("invalid serve_stale_policy: {}", args.get(0))));
    }
    config.stale.prefer_positive = true;
    Ok(())
}

/// `servfail DURATION`.
fn servfail(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    config.servfail = duration(args, 0, ("ttl for servfail", ""))?;
    if config.servfail > MAX_SERVFAIL {
        return Err(args.plain_at(0, "caching SERVFAIL responses over 5 minutes is not permitted"));
    }
    Ok(())
}

/// `disable success|denial [ZONE...]`; a later line of the same kind replaces the earlier.
fn disable(config: &mut Config, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let mut zones = Vec::new();
    for (index, zone) in args.values.iter().enumerate().skip(1) {
        let zone = Zone::from_text(zone);
        zones.push(zone.map_err(|_| args.plain_at(index, format!("invalid disabled zone: {}", args.get(index))))?);
    }
    if zones.is_empty() {
        zones.push(Zone::root());
    }
    let limits = match args.get(0) {
        "success" => &mut config.success,
        "denial" => &mut config.denial,
        _ => return Err(args.plain_at(0, "cache type for disable must be \"success\" or \"denial\"")),
    };
    limits.except = Zones::new(zones);
    Ok(())
}
