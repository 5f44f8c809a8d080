//! Reads `k8s_external [ZONES...] { apex NAME; ttl SECONDS; headless; fallthrough [ZONES...] }`.

use super::handler::{Config, K8sExternal, Served};
use corefile::Diagnostic;
use plugin_api::link::{ExternalNames, Transfer};
use plugin_api::property::ANY;
use plugin_api::{Args, Fallthrough, Name, Property, Setup, read_block};
use std::sync::{Arc, OnceLock};

/// Seconds that a TTL may have.
const TTLS: std::ops::RangeInclusive<i64> = 0..=3600;

/// The properties as they are written.
struct Written {
    apex: Name,
    ttl: u32,
    headless: bool,
    fall: Fallthrough,
}

/// Every property. What follows the first argument is ignored, as by CoreDNS.
const PROPERTIES: &[Property<Written>] = &[
    Property::new("ttl", 1..=usize::MAX, ttl),
    Property::new("apex", 1..=usize::MAX, apex),
    Property::new("headless", ANY, |written, _| {
        written.headless = true;
        Ok(())
    }),
    Property::new("fallthrough", ANY, |written, args| {
        written.fall = Fallthrough::to(args.zones());
        Ok(())
    }),
];

/// `ttl SECONDS`.
fn ttl(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let seconds = args.int(0)?;
    let in_range = u32::try_from(seconds).ok().filter(|_| TTLS.contains(&seconds));
    written.ttl = in_range.ok_or_else(|| args.err_at(0, format!("ttl must be in range [0, 3600]: {seconds}")))?;
    Ok(())
}

/// `apex NAME`. CoreDNS takes what is no name and then cannot answer.
fn apex(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let name = Name::from_text(args.get(0)).ok().filter(|name| !name.is_root());
    let name = name.ok_or_else(|| args.err_at(0, format!("invalid apex '{}'", args.get(0))))?;
    written.apex = name.to_lower();
    Ok(())
}

/// Appends the handler, and finds the `kubernetes` plugin of the block at link. The last of several directives counts.
pub(super) fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut config = Config::default();
    while setup.input.next() {
        let args = setup.input.remaining_args();
        let zones = setup.zones(&args);
        let apex = Name::from_text("dns").unwrap_or_else(|_| Name::root());
        let mut written = Written { apex, ttl: 5, headless: false, fall: Fallthrough::never() };
        read_block(&mut setup.input, &mut written, PROPERTIES)?;
        let served = zones.as_slice().iter().map(|zone| Served::new(zone, &written.apex));
        let zones = served.collect::<Option<_>>().ok_or_else(|| setup.plain("a zone's name is too long"))?;
        config = Config { zones, ttl: written.ttl, headless: written.headless, fall: written.fall };
    }
    let handler = Arc::new(K8sExternal { config, source: Arc::new(OnceLock::new()) });
    let source = Arc::clone(&handler.source);
    let refusal = setup.plain("kubernetes plugin not loaded");
    setup.on_link(move |block| {
        let found = block.links.find::<dyn ExternalNames>("kubernetes").ok_or(refusal)?;
        found.keep();
        source.get_or_init(|| found);
        Ok(())
    });
    setup.offer::<dyn Transfer>(Arc::clone(&handler) as Arc<dyn Transfer>);
    setup.push(handler);
    Ok(())
}
