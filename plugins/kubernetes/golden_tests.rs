//! The recorded suites that need no other plugin, without sockets: Corefile, manifests, handler, answer.
//!
//! The server's part (sizes, truncation, EDNS) is tested with the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use corefile::Corefile;
use plugin_api::link::Kept;
use plugin_api::{
    Block, BoxFuture, Chain, Clock, Message, Next, Origin, Rcode, ReplyBuilder, Request, Response, Setup, Site, Type,
    Upstream, Zone, Zones,
};
use test_support::answer::Answer;
use test_support::compare::difference;
use test_support::golden::{Action, Case, Suite};

use super::handler::Kubernetes;
use super::index::Index;
use super::objects::{Change, Kind};
use super::setup::read_directive;
use super::source::manifest::Manifests;
use super::source::{self, Source, Wanted};
use crate::trial;

/// Directives that change no answer without the server.
const HARMLESS: &[&str] = &["kubernetes", "bind", "errors"];

/// A server block: its zones and its chain.
struct Served {
    zones: Zones,
    chain: Chain,
}

/// Where the recorded suites are.
fn suites() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/kubernetes")
}

/// The changes that a source makes of a manifest, all kinds and labels wanted.
async fn read(manifest: &Path) -> Vec<Change> {
    let (feed, mut changes) = source::feed();
    let wanted = Wanted { kinds: Kind::ALL.to_vec(), ..Wanted::default() };
    let source = Source::Manifests(Manifests::new(vec![manifest.to_owned()]));
    let (mut lists, mut all) = (0, Vec::new());
    let gather = async {
        while lists < Kind::ALL.len() {
            let change = changes.recv().await.unwrap();
            lists += usize::from(matches!(change, Change::ListEnd(_)));
            all.push(change);
        }
    };
    let (running, ()) = tokio::join!(source.start(&wanted, feed), gather);
    running.unwrap().stop().await;
    all
}

/// Whether a source tells a plugin of this change.
fn is_told(wanted: &Wanted, change: &Change) -> bool {
    match change {
        Change::Apply(object) => {
            wanted.kinds.contains(&object.kind())
                && wanted.selector(object.kind()).matches(|key| object.metadata().label(key))
        }
        Change::ListBegin(kind) | Change::ListEnd(kind) | Change::Reached(kind, _) => wanted.kinds.contains(kind),
        Change::Delete(_) => true,
    }
}

/// The Corefile of a suite; none if it has other plugins.
fn corefile_of(folder: &Path) -> Option<Corefile> {
    let text = std::fs::read_to_string(folder.join("Corefile")).unwrap();
    let text = text.replace("{$PORT}", "53").replace("{$API}", "http://127.0.0.1:1");
    let names: Vec<_> = crate::names().collect();
    let options = corefile::Options {
        directives: Some(&names),
        hints: &[],
        env: &corefile::ProcessEnv,
        files: &corefile::DiskFiles,
    };
    let parsed = corefile::parse(corefile::Input { name: "Corefile", text: text.as_bytes() }, options).ok()?;
    let mut directives = parsed.blocks.iter().flat_map(|block| &block.directives);
    directives.all(|directive| HARMLESS.contains(&directive.name.as_str())).then_some(parsed)
}

/// Sets up the blocks of a Corefile over a cluster.
fn serve(parsed: &Corefile, changes: &[Change]) -> Vec<Served> {
    let mut served = Vec::new();
    for written in &parsed.blocks {
        let keys = written.keys.iter().flat_map(|key| corefile::keys::zones(key.as_str()));
        let zones = Zones::new(keys.map(|zone| Zone::from_text(&zone).unwrap()).collect());
        let mut setup = Setup {
            plugin: "kubernetes",
            input: written.directive("kubernetes").unwrap().dispenser(&parsed.sources),
            block: &mut Block { zones: zones.clone(), ..Block::default() },
            process: &trial::process(),
            previous: &Kept::default(),
            kept: &mut Kept::default(),
        };
        assert!(setup.input.next());
        let (config, _, wanted) = read_directive(&mut setup).unwrap();
        let mut index = Index::new(config.index_options());
        changes.iter().filter(|change| is_told(&wanted, change)).for_each(|change| index.apply(change, 1 << 31));
        let handler = Kubernetes {
            kinds: config.kinds().into_iter().collect(),
            config: Arc::new(config),
            picture: Arc::new(ArcSwap::new(index.publish().unwrap())),
            local: Arc::default(),
        };
        served.push(Served { zones, chain: Arc::new([Arc::new(handler)]) });
    }
    served
}

/// The blocks, asked as the server asks them.
struct Blocks(Vec<Served>);

impl Blocks {
    /// The message of the block with the longest zone; an empty one where the server would write it.
    async fn reply(&self, request: &Request) -> Message {
        let lower = request.question().lower();
        let best = self.0.iter().filter_map(|block| Some((block, block.zones.find(lower)?)));
        let best = best.max_by_key(|(_, zone)| zone.name().as_wire().len());
        let outcome = match best {
            Some((block, _)) => Next::start(&block.chain).run(request).await,
            None => Ok(Response::Unwritten(Rcode::REFUSED)),
        };
        let rcode = match outcome {
            Ok(Response::Message(message)) => return message,
            Ok(other) => other.rcode(),
            Err(error) => error.rcode,
        };
        let mut reply = ReplyBuilder::new(request);
        reply.set_rcode(rcode);
        reply.finish()
    }
}

impl Upstream for Blocks {
    fn lookup(&self, request: Box<Request>) -> BoxFuture<'_, Option<Message>> {
        Box::pin(async move { Some(self.reply(&request).await) })
    }
}

/// The answer to a case; none where only the server knows what to do.
async fn ask(blocks: &Arc<Blocks>, case: &Case) -> Option<Answer> {
    let mut words: Vec<_> = case.line.split(' ').collect();
    let is_known = words.get(1).is_some_and(|word| Type::from_mnemonic(word).is_some() || word.starts_with("TYPE"));
    if !is_known || words.iter().skip(2).any(|word| ["CH", "HS", "ANY", "NONE"].contains(word)) {
        return None;
    }
    words.retain(|word| !["wait=", "serial=", "cookie"].iter().any(|option| word.starts_with(option)));
    let mut request = trial::request(&words.join(" "), &Clock::system());
    let upstream: Arc<dyn Upstream> = Arc::clone(blocks) as _;
    let site = Arc::new(Site { server: "dns://:53".into(), upstream: Some(upstream) });
    request.set_origin(Origin { site, ..request.origin().clone() });
    Some(Answer::from_wire(blocks.reply(&request).await.octets()))
}

/// Runs a suite; gives the lines that differ, and how many were compared.
async fn run(suite: &Suite, served: Vec<Served>) -> (Vec<String>, usize) {
    let blocks = Arc::new(Blocks(served));
    let mut differences = Vec::new();
    let mut count = 0;
    for case in &suite.cases {
        let (Some(want), Action::Ask(_)) = (&case.want, &case.action) else { continue };
        if case.loose.skip || case.loose.host || want.has_flag("tc") {
            continue;
        }
        let Some(mut got) = ask(&blocks, case).await else { continue };
        got.edns.clone_from(&want.edns);
        count += 1;
        if let Some(difference) = difference(want, &got, &case.loose) {
            differences.push(format!(
                "{}: {}\n  want {:?}\n  got  {:?}",
                suite.name, case.line, difference.want, difference.got
            ));
        }
    }
    (differences, count)
}

#[tokio::test]
async fn recorded_answers() {
    let mut folders: Vec<_> = std::fs::read_dir(suites()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let only = std::env::var("SUITE").ok();
    let (mut all, mut differences, mut ran) = (0, Vec::new(), Vec::new());
    let mut clusters = BTreeMap::new();
    for folder in folders.into_iter().filter(|folder| folder.join("cases").is_file()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("unsynced")
            || name.starts_with("forbidden")
            || only.as_ref().is_some_and(|only| *only != name)
        {
            continue;
        }
        let Some(corefile) = corefile_of(&folder) else { continue };
        let suite = Suite::load(&folder).unwrap();
        let manifest = &suite.cluster.as_ref().unwrap().manifest;
        if !clusters.contains_key(manifest) {
            clusters.insert(manifest.clone(), read(manifest).await);
        }
        let (found, count) = run(&suite, serve(&corefile, &clusters[manifest])).await;
        println!("{name}: {count} compared, {} differ", found.len());
        differences.extend(found);
        all += count;
        ran.push(name);
    }
    assert!(differences.is_empty(), "{} of {all} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(only.is_some() || (ran.len() >= 50 && all > 8_000), "only {} suites with {all} answers ran", ran.len());
}
