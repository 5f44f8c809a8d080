//! From the directive to the plugin: its properties in CoreDNS's words, removed ones taken with a warning.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use corefile::{Diagnostic, Kind, Token};
use plugin_api::link::{ExternalNames, MetadataProvider, Ready, SearchPath, Transfer};
use plugin_api::property::ANY;
use plugin_api::{Args, Fallthrough, Plugin, Property, Setup, Zone, Zones, read_block};
use tokio::sync::Mutex;

use super::autopath::ClientSearch;
use super::config::{Config, PodMode, ServedZone, is_reverse};
use super::external::External;
use super::handler::Kubernetes;
use super::index::Snapshot;
use super::inherit::ServedSnapshots;
use super::live::Live;
use super::metrics::{self, Programming};
use super::source::api::{self, Api};
use super::source::manifest::Manifests;
use super::source::selector::Selector;
use super::source::{Source, Wanted};
use super::thread::OnThread;
use super::transfer::WholeZones;
use super::warm::{self, Warm, WarmStart};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { name: "kubernetes", setup };

/// Seconds that a TTL may have.
const TTLS: std::ops::RangeInclusive<i64> = 0..=3600;

/// The properties as they are written.
struct Written {
    /// What they come to.
    config: Config,
    /// How the API is reached.
    access: Access,
    /// Label selector of services, slices and pods.
    labels: Option<Selector>,
    /// Label selector of namespaces.
    namespace_labels: Option<Selector>,
    /// Zones of imports.
    multicluster: Vec<Zone>,
    /// Whether a TTL was given.
    has_ttl: bool,
    /// What is said about removed properties.
    warnings: Vec<Diagnostic>,
}

/// How the API server is reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// Its URL.
    pub(super) endpoint: Option<String>,
    /// Files with certificate, key and authority.
    pub(super) tls: Option<[String; 3]>,
    /// A kubeconfig file, and the context in it.
    pub(super) kubeconfig: Option<(String, Option<String>)>,
}

/// Every property. Those behind `manifests` are CoreDNS's no more.
const PROPERTIES: &[Property<Written>] = &[
    Property::new("endpoint_pod_names", 0..=0, |written, _| {
        written.config.endpoint_pod_names = true;
        Ok(())
    }),
    Property::new("pods", 1..=1, pods),
    Property::new("namespaces", 1..=usize::MAX, |written, args| {
        written.config.namespaces.extend(args.values.iter().map(|name| name.as_str().into()));
        Ok(())
    }),
    Property::new("endpoint", 1..=usize::MAX, endpoint),
    Property::new("tls", 3..=3, |written, args| {
        written.access.tls = Some([0, 1, 2].map(|index| args.get(index).to_owned()));
        Ok(())
    }),
    Property::new("labels", 1..=usize::MAX, |written, args| {
        written.labels = Some(selector(args, "label")?);
        Ok(())
    }),
    Property::new("namespace_labels", 1..=usize::MAX, |written, args| {
        written.namespace_labels = Some(selector(args, "namespace_label")?);
        Ok(())
    }),
    Property::new("fallthrough", ANY, |written, args| {
        written.config.fall = Fallthrough::to(args.zones());
        Ok(())
    }),
    Property::new("ttl", 1..=usize::MAX, ttl),
    Property::new("noendpoints", 0..=0, |written, _| {
        written.config.no_endpoints = true;
        Ok(())
    }),
    Property::new("zonal", 0..=0, |written, _| {
        written.config.zonal = true;
        Ok(())
    }),
    Property::new("ignore", ANY, ignore),
    Property::new("kubeconfig", 1..=2, |written, args| {
        let context = args.values.get(1).map(|context| context.as_str().to_owned());
        written.access.kubeconfig = Some((args.get(0).to_owned(), context));
        Ok(())
    }),
    Property::new("multicluster", ANY, |written, args| {
        written.multicluster = args.zones();
        Ok(())
    }),
    Property::new("startup_timeout", 1..=usize::MAX, startup_timeout),
    Property::new("apiserver_qps", 1..=1, |_, args| {
        let rate = corefile::args::go_float(args.get(0));
        let rate = rate.map_err(|error| args.err_at(0, format!("invalid apiserver_qps {:?}: {error}", args.get(0))))?;
        if rate < 0.0 { Err(args.err_at(0, "apiserver_qps must be >= 0")) } else { Ok(()) }
    }),
    Property::new("apiserver_burst", 1..=1, |_, args| not_negative(args).map(drop)),
    Property::new("apiserver_max_inflight", 1..=1, |_, args| not_negative(args).map(drop)),
    Property::new("pod_names", 0..=0, |written, _| {
        written.config.pod_names = true;
        Ok(())
    }),
    Property::new("manifests", 1..=usize::MAX, |written, args| {
        written.config.manifests.extend(args.values.iter().map(|path| PathBuf::from(path.as_str())));
        Ok(())
    }),
    Property::new("warm_start", 1..=2, warm_start),
    Property::new("resyncperiod", ANY, |written, args| {
        removed(written, args, "has no effect: the API server is watched, nothing is read again by the clock")
    }),
    Property::new("upstream", ANY, |written, args| {
        removed(written, args, "has no effect: targets of ExternalName services are asked of this server itself")
    }),
    Property::new("federation", ANY, |written, args| {
        removed(written, args, "has no effect: Kubernetes has no federated services any more")
    }),
    Property::new("transfer", ANY, |_, args| {
        let help = format!(
            "write `transfer {{ {} }}` beside `kubernetes`, in the server block",
            texts(&args.values).join(" ")
        );
        Err(args.err_at(0, "unknown property 'transfer'").with_help(help))
    }),
];

/// The texts of tokens.
fn texts(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(Token::as_str).collect()
}

/// `pods MODE`.
fn pods(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    written.config.pods = match args.get(0) {
        "disabled" => PodMode::Disabled,
        "insecure" => PodMode::Insecure,
        "verified" => PodMode::Verified,
        other => {
            let message = format!("wrong value for pods: {other},  must be one of: disabled, verified, insecure");
            let near = corefile::suggest(other, ["disabled", "verified", "insecure"]);
            return Err(args.plain_at(0, message).with_suggestion(near));
        }
    };
    Ok(())
}

/// `endpoint URL...`: only the first counts.
fn endpoint(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let first = args.get(0).to_owned();
    if args.values.len() > 1 {
        tracing::warn!(
            target: super::source::LOG,
            "Multiple endpoints have been deprecated, only the first specified endpoint '{first}' is used"
        );
    }
    written.access.endpoint = Some(first);
    Ok(())
}

/// `labels EXPRESSION` and `namespace_labels EXPRESSION`.
fn selector(args: &Args<'_>, what: &str) -> Result<Selector, Diagnostic> {
    let text = texts(&args.values).join(" ");
    Selector::parse(&text)
        .map_err(|error| args.plain_at(0, format!("unable to parse {what} selector value: '{text}': {error}")))
}

/// `ttl SECONDS`; what follows is ignored.
fn ttl(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let seconds = args.int(0)?;
    let in_range = u32::try_from(seconds).ok().filter(|_| TTLS.contains(&seconds));
    written.config.ttl =
        in_range.ok_or_else(|| args.err_at(0, format!("ttl must be in range [0, 3600]: {seconds}")))?;
    written.has_ttl = true;
    Ok(())
}

/// `ignore empty_service`; CoreDNS takes the bare word, too.
fn ignore(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    match args.values.first().map(Token::as_str) {
        None => {}
        Some("empty_service") => written.config.ignores_empty = true,
        Some(other) => return Err(args.plain_at(0, format!("unable to parse ignore value: '{other}'"))),
    }
    Ok(())
}

/// `startup_timeout DURATION`; what follows is ignored.
fn startup_timeout(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let text = args.get(0);
    let error =
        |error: Diagnostic| args.plain_at(0, format!("failed to parse startup_timeout: {text}, {}", error.message));
    written.config.startup_timeout = args.duration(0).map_err(error)?;
    Ok(())
}

/// `warm_start FILE [MAX-AGE]`.
fn warm_start(written: &mut Written, args: &mut Args<'_>) -> Result<(), Diagnostic> {
    let max_age = match args.values.get(1) {
        Some(text) => args.duration(1).map_err(|error| {
            args.err_at(1, format!("failed to parse the age of warm_start: {}, {}", text.as_str(), error.message))
        })?,
        None => warm::MAX_AGE,
    };
    if max_age.is_zero() {
        return Err(args.err_at(1, "the age of warm_start must be more than 0"));
    }
    written.config.warm_start = Some(WarmStart { file: args.get(0).into(), max_age });
    Ok(())
}

/// A whole number that is not negative. Without effect: requests to the API server are few, each list and watch is one.
fn not_negative(args: &Args<'_>) -> Result<u64, Diagnostic> {
    let name = args.name.as_str();
    let number = corefile::args::go_int(args.get(0));
    let number = number.map_err(|error| args.err_at(0, format!("invalid {name} {:?}: {error}", args.get(0))))?;
    u64::try_from(number).map_err(|_| args.err_at(0, format!("{name} must be >= 0")))
}

/// A property that CoreDNS had once.
fn removed(written: &mut Written, args: &Args<'_>, meaning: &str) -> Result<(), Diagnostic> {
    let name = &args.name;
    let warning = args.input.err(format!("'{}' {meaning}", name.as_str())).into_warning();
    written.warnings.push(warning.pointing_at(name.span, args.input.sources()));
    Ok(())
}

/// Sets up the plugin.
fn setup(setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
    let mut read: Option<(Config, Access, Wanted)> = None;
    while setup.input.next() {
        if read.is_some() {
            return Err(setup.once());
        }
        read = Some(read_directive(setup)?);
    }
    let Some((config, access, wanted)) = read else { return Ok(()) };
    let source = source(setup, &config, &access, &wanted)?;
    build(setup, config, wanted, source);
    Ok(())
}

/// Reads one directive.
pub(super) fn read_directive(setup: &mut Setup<'_>) -> Result<(Config, Access, Wanted), Diagnostic> {
    let args = setup.input.remaining_args();
    let zones = setup.zones(&args);
    let primary = zones.as_slice().iter().find(|zone| !is_reverse(zone.name().as_wire())).cloned();
    let Some(primary) = primary else {
        let mut error = setup.input.err("non-reverse zone name must be used");
        error.kind = Kind::Plain;
        return Err(error);
    };
    let mut written = Written {
        config: Config::new(&zones, primary),
        access: Access::default(),
        labels: None,
        namespace_labels: None,
        multicluster: Vec::new(),
        has_ttl: false,
        warnings: Vec::new(),
    };
    read_block(&mut setup.input, &mut written, PROPERTIES)?;
    check(setup, &zones, &written)?;
    for warning in std::mem::take(&mut written.warnings) {
        setup.warn(warning);
    }
    Ok(finish(setup, &zones, written))
}

/// Refuses properties that contradict one another.
fn check(setup: &Setup<'_>, zones: &Zones, written: &Written) -> Result<(), Diagnostic> {
    let config = &written.config;
    if !config.namespaces.is_empty() && written.namespace_labels.is_some() {
        return Err(setup.input.err("namespaces and namespace_labels cannot both be set"));
    }
    if let Some(zone) = written.multicluster.iter().find(|zone| !zones.as_slice().contains(zone)) {
        let all: Vec<_> = zones.as_slice().iter().map(ToString::to_string).collect();
        let message =
            format!("is not authoritative for the multicluster zone {zone} (authoritative zones: [{}])", all.join(" "));
        return Err(setup.input.err(message));
    }
    if config.zonal && config.no_endpoints {
        return Err(setup.input.err("zonal requires the endpoint cache; remove noendpoints"));
    }
    Ok(())
}

/// Draws what follows from all properties together.
fn finish(setup: &Setup<'_>, zones: &Zones, written: Written) -> (Config, Access, Wanted) {
    let Written { mut config, access, labels, namespace_labels, multicluster, has_ttl, .. } = written;
    let multicluster = Zones::new(multicluster);
    config.zones = zones.as_slice().iter().map(|zone| ServedZone::new(zone.clone(), &multicluster)).collect();
    if has_ttl {
        config.pod_name_ttl = config.ttl;
    }
    config.manifests = config.manifests.iter().map(|path| setup.path(&path.to_string_lossy())).collect();
    if !setup.process.manifests.is_empty() {
        config.manifests.clone_from(&setup.process.manifests);
    }
    if let Some(warm) = &mut config.warm_start {
        warm.file = setup.path(&warm.file.to_string_lossy());
    }
    let wanted = Wanted {
        kinds: config.kinds(),
        labels: labels.unwrap_or_default(),
        namespace_labels: namespace_labels.unwrap_or_default(),
        ..Wanted::default()
    };
    (config, access, wanted)
}

/// Chooses where objects come from.
fn source(setup: &Setup<'_>, config: &Config, access: &Access, wanted: &Wanted) -> Result<Source, Diagnostic> {
    if !config.manifests.is_empty() {
        return Ok(Source::Manifests(Manifests::new(config.manifests.clone())));
    }
    let api = Api::new(api_access(access)).map_err(|refused| {
        let mut error = setup.input.err(refused.to_string());
        error.kind = Kind::Plain;
        match refused.cure() {
            Some(cure) => error.with_help(cure),
            None => error,
        }
    })?;
    let status = metrics::status(&setup.process.metrics, &wanted.kinds);
    Ok(Source::Api(Box::new(api.with_status(status))))
}

/// Says how the API server is reached: a kubeconfig wins over an endpoint, and that over the pod's own account.
fn api_access(access: &Access) -> api::Access {
    if let Some((file, context)) = &access.kubeconfig {
        return api::Access::Kubeconfig { file: file.into(), context: context.clone() };
    }
    let Some(url) = access.endpoint.clone() else { return api::Access::InCluster };
    let tls = access.tls.as_ref().map(|[cert, key, ca]| api::Tls { cert: cert.into(), key: key.into(), ca: ca.into() });
    api::Access::Endpoint { url, tls }
}

/// Makes the warm start, if there is one: files that stand for the API server need none.
fn warm_of(setup: &mut Setup<'_>, config: &Config, source: &Source) -> Option<Arc<Warm>> {
    let start = config.warm_start.clone().filter(|_| matches!(source, Source::Api(_)))?;
    let is_replacing = setup.previous.find::<ServedSnapshots>("").is_some();
    Some(Warm::new(start, is_replacing, setup.process.clock.clone(), &setup.process.metrics))
}

/// Puts the plugin into the block.
fn build(setup: &mut Setup<'_>, config: Config, wanted: Wanted, source: Source) {
    let warm = warm_of(setup, &config, &source);
    let served = setup.kept.find::<ServedSnapshots>("").unwrap_or_default();
    setup.kept.keep("", Arc::clone(&served));
    let config = Arc::new(config);
    let handler = Arc::new(Kubernetes {
        kinds: config.kinds().into_iter().collect(),
        config: Arc::clone(&config),
        picture: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
        local: Arc::new(OnceLock::new()),
    });
    let live = Arc::new(Live {
        config,
        source: Arc::new(source),
        wanted,
        picture: Arc::clone(&handler.picture),
        local: Arc::clone(&handler.local),
        hosts: setup.block.settings.hosts.clone(),
        keeps_pod_labels: AtomicBool::new(false),
        keeps_external: Arc::default(),
        clock: setup.process.clock.clone(),
        programming: Programming::new(&setup.process.metrics),
        warm,
        served,
        inherited: std::sync::Mutex::new(setup.previous.find("")),
        restarts: metrics::restarts(&setup.process.metrics, "index"),
        running: Mutex::new(None),
    });
    let metadata_needs = Arc::clone(&live);
    setup.on_link(move |linked| {
        let has_metadata = linked.chain.iter().any(|handler| handler.name() == "metadata");
        metadata_needs.keeps_pod_labels.store(has_metadata, Ordering::Relaxed);
        Ok(())
    });
    setup.offer::<dyn Ready>(Arc::clone(&handler) as Arc<dyn Ready>);
    setup.offer::<dyn MetadataProvider>(Arc::clone(&handler) as Arc<dyn MetadataProvider>);
    let external = External { plugin: Arc::clone(&handler), is_wanted: Arc::clone(&live.keeps_external) };
    setup.offer::<dyn ExternalNames>(Arc::new(external));
    setup.offer::<dyn Transfer>(Arc::new(WholeZones(Arc::clone(&handler))));
    setup.offer::<dyn SearchPath>(Arc::new(ClientSearch::new(Arc::clone(&handler))));
    setup.manage(Arc::new(OnThread::new(live)));
    setup.push(handler);
}

impl Ready for Kubernetes {
    fn is_ready(&self) -> bool {
        self.is_synced(&self.picture.load())
    }
}
