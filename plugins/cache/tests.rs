//! Tests of `cache`: a scripted last handler, a clock that is turned by hand.

use crate::trial::{self, Trial, setup_error};
use plugin_api::{
    BoxFuture, Chain, Class, Clock, Error, Handler, Message, Name, Next, OwnedRecord, Rcode, Reply, ReplyBuilder,
    Request, Response, Section, Site, Soa, Type, Upstream, flag,
};
use prometheus_client::encoding::text::encode;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A scripted server: what it says hangs on the words in the first label, its A record counts the queries.
#[derive(Default)]
struct Script {
    asked: AtomicUsize,
    /// The word that answers from now on in place of those in the name.
    mood: Mutex<Option<&'static str>>,
    /// The last query's flags as they would go upstream.
    flags: Mutex<Vec<u8>>,
}

impl Script {
    /// How often it was asked.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Answers otherwise from now on.
    fn set_mood(&self, mood: &'static str) {
        *self.mood.lock().unwrap() = Some(mood);
    }

    /// The answer to a query.
    fn answer(&self, request: &Request) -> plugin_api::Outcome {
        let count = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        request.write_query(0, &mut self.flags.lock().unwrap()).unwrap();
        let label = String::from_utf8(request.qname().labels().next().unwrap_or(b"").to_ascii_lowercase()).unwrap();
        let words = self.mood.lock().unwrap().map_or(label, str::to_owned);
        let has = |word: &str| words.split('-').any(|found| found == word);
        if has("fails") {
            return Err(Error::new("no healthy proxies"));
        }
        let number = |word: &str, default| {
            let found = words.split('-').find_map(|found| found.strip_prefix(word)?.parse().ok());
            found.unwrap_or(default)
        };
        let mut message = records(request, &words, (count, number("ttl", 60), number("soa", 60)));
        for (word, bit) in [("tc", flag::TC), ("ad", flag::AD), ("ra", flag::RA), ("aa", flag::AA)] {
            message.set_flag(bit, has(word));
        }
        message.set_flag(flag::QR, !has("noqr"));
        message.live = has("live");
        Ok(Response::Message(message))
    }
}

/// The records that words stand for.
pub(super) fn records(request: &Request, words: &str, (count, ttl, soa): (usize, u32, u32)) -> Message {
    let has = |word: &str| words.split('-').any(|found| found == word);
    let own = request.qname().as_wire().to_vec();
    let zone = Name::from_text("zone.test").unwrap();
    let target = Name::from_text("target.test").unwrap();
    let mut builder = ReplyBuilder::new(request);
    let rcodes = [
        ("nx", Rcode::NXDOMAIN),
        ("servfail", Rcode::SERVFAIL),
        ("notimp", Rcode::NOTIMP),
        ("refused", Rcode::REFUSED),
    ];
    let rcode = rcodes.into_iter().find(|(word, _)| has(word)).map(|(_, rcode)| rcode);
    builder.set_rcode(rcode.unwrap_or(Rcode::NOERROR));
    let address = Ipv4Addr::new(192, 0, 2, u8::try_from(count).unwrap());
    if has("cname") {
        builder.push_name(Section::Answer, &[&own], (Type::CNAME, ttl), &[target.as_wire()]);
        if !has("dangling") {
            builder.push_a(Section::Answer, &[target.as_wire()], 20, address);
        }
    } else if has("big") {
        let text = [b'x'; 250];
        (0..200).for_each(|_| builder.push_txt(Section::Answer, &[&own], ttl, &[&text]));
    } else if rcode.is_none() && !has("nodata") {
        builder.push_a(Section::Answer, &[&own], ttl, address);
    }
    if (rcode == Some(Rcode::NXDOMAIN) || has("nodata") || has("soa")) && !has("nosoa") {
        let timers =
            Soa { primary: &[&[0]], mailbox: &[&[0]], serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 };
        builder.push_soa(Section::Authority, &[zone.as_wire()], soa, &timers);
    }
    builder.finish()
}

/// A cache before a script.
fn cache(directives: &str) -> (Trial, Arc<Script>) {
    let script = Arc::new(Script::default());
    let end = Arc::clone(&script);
    (Trial::ending_in(directives, move |request| end.answer(request)), script)
}

/// The lines of the metrics that begin with a name, without it.
fn metric(trial: &Trial, name: &str) -> Vec<String> {
    let mut text = String::new();
    trial.process.metrics.with(|registry| encode(&mut text, registry)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("coredns_cache_")?.strip_prefix(name));
    let mut lines: Vec<String> = lines.map(|line| line.replace("server=\"dns://:53\",", "")).collect();
    lines.sort();
    lines
}

/// Asks and waits.
async fn ask(trial: &Trial, query: &str) -> String {
    let request = trial::request(query, &trial.process.clock);
    trial::text(Next::start(&trial.chain).run(&request).await)
}

/// Waits until a script was asked so often.
async fn until_asked(script: &Script, count: usize) {
    while script.asked() < count {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn set_up_refuses_in_the_words_of_coredns() {
    let place = |line: u32, word: &str| {
        format!("Corefile:{line} - Error during parsing: Wrong argument count or unexpected line ending after '{word}'")
    };
    for (directive, error) in [
        ("cache 0", "cache TTL can not be zero or negative: 0".to_owned()),
        ("cache {\nsuccess\n}", place(3, "success")),
        ("cache 30 {\nsuccess 100 -1\n}", "cache TTL can not be zero or negative: -1".into()),
        ("cache {\ndenial 100 10 -5\n}", "cache min TTL can not be negative: -5".into()),
        ("cache {\ndenial abc\n}", "strconv.Atoi: parsing \"abc\": invalid syntax".into()),
        ("cache {\nprefetch\n}", place(3, "prefetch")),
        ("cache {\nprefetch 2 1m 5%\n}", "percentage should fall in range [10, 90]: 5".into()),
        ("cache {\nprefetch 2 1m 50\n}", "last character of percentage should be `%`, but is: '0'".into()),
        ("cache {\nprefetch 1 1m 10% extra\n}", place(3, "extra")),
        ("cache {\nserve_stale -5s\n}", "invalid negative duration for serve_stale".into()),
        ("cache {\nserve_stale 1h maybe\n}", "invalid value for serve_stale refresh mode: maybe".into()),
        (
            "cache {\nserve_stale 1h verify 1s x y\n}",
            "invalid serve_stale response TTL: time: invalid duration \"x\"".into(),
        ),
        ("cache {\nserve_stale 1h immediate 1s 6m\n}", "serve_stale failure recheck cannot exceed 5 minutes".into()),
        (
            "cache {\nserve_stale 1h immediate 1500ms\n}",
            "serve_stale response TTL must be a whole number of seconds".into(),
        ),
        ("cache {\nserve_stale_policy prefer_positive\n}", "serve_stale_policy requires serve_stale".into()),
        ("cache {\nservfail 6m\n}", "caching SERVFAIL responses over 5 minutes is not permitted".into()),
        ("cache {\nservfail\n}", place(3, "servfail")),
        ("cache {\ndisable\n}", place(3, "disable")),
        ("cache {\ndisable all\n}", "cache type for disable must be \"success\" or \"denial\"".into()),
        ("cache {\nkeepttl x\n}", place(3, "x")),
        ("cache {\nbogus\n}", place(3, "bogus")),
        ("cache\ncache", "this plugin can only be used once per Server Block".into()),
    ] {
        assert_eq!(setup_error(directive), Some(format!("plugin/cache: {error}")), "{directive}");
    }
    for directive in ["cache", "cache 30", "cache 30 example.org", "cache example.org {\nkeepttl\nservfail 0\n}"] {
        assert_eq!(setup_error(directive), None, "{directive}");
    }
}

#[test]
fn a_hit_counts_down_and_shows_the_first_letters() {
    let (trial, script) = cache("cache");
    assert_eq!(trial.ask("x-ttl60-ra.Test"), "NOERROR qr rd ra; answer: x-ttl60-ra.Test. 60 IN A 192.0.2.1");
    trial.process.clock.advance(Duration::from_millis(2500));
    assert_eq!(
        trial.ask("X-ttl60-ra.test A tcp cd").as_str(),
        "NOERROR qr rd ra cd; answer: X-ttl60-ra.test. 60 IN A 192.0.2.2",
        "another key"
    );
    assert_eq!(trial.ask("X-ttl60-ra.test A tcp"), "NOERROR qr aa rd ra; answer: x-ttl60-ra.Test. 58 IN A 192.0.2.1");
    trial.process.clock.advance(Duration::from_millis(57_500));
    assert_eq!(trial.ask("x-ttl60-ra.test"), "NOERROR qr rd ra; answer: x-ttl60-ra.test. 60 IN A 192.0.2.3");
    assert_eq!(script.asked(), 3);
}

#[test]
fn a24_the_wall_clock_changes_no_lifetime() {
    let (trial, script) = cache("cache {\nserve_stale 1h\n}");
    let clock = &trial.process.clock;
    trial.ask("x-ttl60.test");
    let (hour, years) = (3600, 315_360_000);
    for (seconds, jump) in (1..).zip([hour, -2 * hour, hour + years, -2 * years, years]) {
        clock.jump(jump);
        clock.advance(Duration::from_secs(1));
        let expected = format!("NOERROR qr aa rd; answer: x-ttl60.test. {} IN A 192.0.2.1", 60 - seconds);
        assert_eq!(trial.ask("x-ttl60.test"), expected, "{jump}");
    }
    assert_eq!(script.asked(), 1);
}

#[test]
fn all_records_get_the_lowest_ttl_within_the_bounds() {
    let (trial, _) = cache("cache {\nsuccess 5000 40 10\ndenial 5000 8 4\n}");
    for (query, ttl) in [("x-cname-ttl90.test", 20), ("x-ttl300.test", 40), ("x-ttl1.test", 10)] {
        let [first, second] = [trial.ask(query), trial.ask(query)];
        assert_eq!(first.matches(&format!(" {ttl} IN")).count(), first.matches(" IN ").count(), "{first}");
        assert!(second.contains(&format!(" {ttl} IN")) && second.contains(" aa "), "{second}");
    }
    for (query, ttl) in [("x-nx-soa60.test", 8), ("x-nodata-soa1.test", 4)] {
        assert!(trial.ask(query).contains(&format!("zone.test. {ttl} IN SOA")), "{query}");
    }
}

#[test]
fn what_is_kept_and_what_not() {
    let (trial, script) = cache("cache");
    for (name, is_kept) in [
        ("x.test", true),
        ("x-nx.test", true),
        ("x-nodata.test", true),
        ("x-servfail.test", true),
        ("x-cname.test", true),
        ("x-ttl0.test", true),
        ("x-cname-dangling-soa.test", true),
        ("x-cname-dangling.test", false),
        ("x-nx-nosoa.test", false),
        ("x-refused.test", false),
        ("x-tc.test", false),
        ("x-noqr.test", false),
        ("x-fails.test", false),
        ("x-nx-cname.test", false),
    ] {
        let before = script.asked();
        trial.ask(name);
        trial.ask(name);
        assert_eq!(script.asked() - before, if is_kept { 1 } else { 2 }, "{name}");
    }
    assert_eq!(metric(&trial, "drops_total"), ["{view=\"\",zones=\".\"} 2"]);
    trial.process.clock.advance(Duration::from_secs(5));
    let before = script.asked();
    trial.ask("x-servfail.test");
    assert_eq!(script.asked() - before, 1, "SERVFAIL is kept for five seconds");
}

#[test]
fn bits_make_keys_and_edns_is_left_behind() {
    let (trial, script) = cache("cache");
    for query in ["x.test A", "x.test A do", "x.test A cd", "x.test A do cd", "x.test A CH", "x-nodata.test AAAA"] {
        trial.ask(query);
        trial.ask(query);
    }
    assert_eq!(script.asked(), 7, "class CH holds records of class IN here and is never kept");
    for query in ["x.test A nsid", "x.test A bufsize=4096", "x.test A ad", "X.TEST A nord"] {
        trial.ask(query);
    }
    assert_eq!(script.asked(), 7);
}

#[test]
fn ad_is_asked_for_and_shown_to_those_who_asked() {
    let (trial, script) = cache("cache");
    assert!(trial.ask("x-ad.test").starts_with("NOERROR qr rd;"));
    assert_eq!(script.flags.lock().unwrap()[3] & 0x20, 0x20);
    assert!(trial.ask("x-ad.test").starts_with("NOERROR qr aa rd;"));
    assert!(trial.ask("x-ad.test A ad").starts_with("NOERROR qr aa rd ad;"));
    assert!(trial.ask("x-ad.test A do").starts_with("NOERROR qr rd ad;"));
}

#[test]
fn properties_hold() {
    let (trial, script) = cache("cache 60 in.test {\ndisable denial a.in.test\nkeepttl\nsuccess 100 3600 0\n}");
    let asked = |queries: &[&str]| {
        let before = script.asked();
        queries.iter().for_each(|query| drop(trial.ask(query)));
        script.asked() - before
    };
    assert_eq!(asked(&["x.out.test", "x.out.test"]), 2);
    assert_eq!(asked(&["x-nx.a.in.test", "x-nx.a.in.test"]), 2);
    assert_eq!(asked(&["x-nx.b.in.test", "x-nx.b.in.test"]), 1);
    assert_eq!(asked(&["x-ttl0.in.test", "x-ttl0.in.test"]), 2);
    assert_eq!(asked(&["x-ttl9.in.test"]), 1);
    trial.process.clock.advance(Duration::from_secs(3));
    assert!(trial.ask("x-ttl9.in.test").contains(" 9 IN A"));
    let (trial, script) = cache("cache {\nservfail 0\ndisable success\n}");
    for query in ["x-servfail.test", "x-servfail.test", "x.test", "x.test"] {
        trial.ask(query);
    }
    assert_eq!(script.asked(), 4);
}

#[test]
fn metrics_count_what_happened() {
    let (trial, _) = cache("cache");
    assert!(metric(&trial, "requests").is_empty());
    for query in ["x.test", "x.test", "x-nx.test", "x-nx.test", "x-nx.test", "x-refused.test"] {
        trial.ask(query);
    }
    assert_eq!(metric(&trial, "requests_total"), ["{view=\"\",zones=\".\"} 6"]);
    assert_eq!(metric(&trial, "misses_total"), ["{view=\"\",zones=\".\"} 3"]);
    let both = |success, denial| {
        let line = |kind, count| format!("{{type=\"{kind}\",view=\"\",zones=\".\"}} {count}");
        [line("denial", denial), line("success", success)]
    };
    assert_eq!(metric(&trial, "hits_total"), both(1, 2));
    assert_eq!(metric(&trial, "entries"), both(1, 1));
}

#[tokio::test]
async fn live_answers_are_made_anew_each_time() {
    let (trial, script) = cache("cache 30");
    assert_eq!(ask(&trial, "x-live-nx-aa.test").await.split(';').next().unwrap(), "NXDOMAIN qr aa rd");
    script.set_mood("live-aa");
    let created = ask(&trial, "X-Live-nx-aa.test").await;
    assert_eq!(created, "NOERROR qr aa rd; answer: x-live-nx-aa.test. 30 IN A 192.0.2.2");
    assert!(ask(&trial, "x-live-nx-aa.test").await.ends_with("192.0.2.3"));
    assert_eq!(metric(&trial, "misses_total"), ["{view=\"\",zones=\".\"} 1"]);
    let hits = metric(&trial, "hits_total");
    assert!(hits[0].ends_with(" 1") && hits[1].ends_with(" 1"), "{hits:?}");
    assert!(metric(&trial, "entries")[0].ends_with("zones=\".\"} 0"), "the mark has moved to the positive answers");
    trial.process.clock.advance(Duration::from_secs(31));
    ask(&trial, "x-live-nx-aa.test").await;
    assert_eq!(metric(&trial, "misses_total"), ["{view=\"\",zones=\".\"} 2"]);
}

#[test]
fn a_hit_is_written_into_the_buffer_of_the_query_before() {
    let (trial, _) = cache("cache");
    trial.ask("x.test");
    let request = trial::request("x.test", &trial.process.clock);
    let buffer = Vec::with_capacity(600);
    let memory = buffer.as_ptr();
    request.give_buffer(buffer, 1000);
    let outcome = trial::now(Next::start(&trial.chain).run(&request));
    assert_eq!(outcome.unwrap().message().unwrap().octets().as_ptr(), memory);
}

#[tokio::test]
async fn stale_answers_are_served_at_once_and_fetched_behind() {
    let (trial, script) = cache("cache {\nsuccess 100 3600 0\ndenial 100 1800 0\nserve_stale 1h immediate 7s\n}");
    for _ in 0..2 {
        ask(&trial, "x-ttl1.test").await;
    }
    trial.process.clock.advance(Duration::from_secs(2));
    assert!(ask(&trial, "x-ttl1.test").await.ends_with(" 7 IN A 192.0.2.1"));
    until_asked(&script, 2).await;
    assert!(ask(&trial, "x-ttl1.test").await.ends_with(" 1 IN A 192.0.2.2"));
    for mood in ["servfail", "refused", "fails", "tc"] {
        script.set_mood(mood);
        trial.process.clock.advance(Duration::from_secs(2));
        let before = script.asked();
        assert!(ask(&trial, "x-ttl1.test").await.ends_with(" 7 IN A 192.0.2.2"), "{mood}");
        until_asked(&script, before + 1).await;
    }
    script.set_mood("nx-soa1");
    ask(&trial, "x-ttl1.test").await;
    until_asked(&script, 7).await;
    assert!(ask(&trial, "x-ttl1.test").await.starts_with("NXDOMAIN qr aa"));
    trial.process.clock.advance(Duration::from_secs(3605));
    assert!(ask(&trial, "x-ttl1.test").await.starts_with("NXDOMAIN qr rd"), "too old");
    assert_eq!(metric(&trial, "served_stale_total"), ["{view=\"\",zones=\".\"} 6"]);
    assert_eq!(metric(&trial, "prefetch_total"), ["{view=\"\",zones=\".\"} 6"]);
}

#[tokio::test]
async fn stale_answers_can_be_verified_first() {
    let (trial, script) = cache("cache {\nsuccess 100 3600 0\nserve_stale 1h verify\nservfail 0\n}");
    ask(&trial, "x-ttl1.test").await;
    trial.process.clock.advance(Duration::from_secs(2));
    assert!(ask(&trial, "x-ttl1.test").await.starts_with("NOERROR qr rd; answer: x-ttl1.test. 1 IN A 192.0.2.2"));
    trial.process.clock.advance(Duration::from_secs(2));
    for mood in ["servfail", "refused", "fails", "noqr"] {
        script.set_mood(mood);
        assert!(ask(&trial, "x-ttl1.test").await.ends_with(" 0 IN A 192.0.2.2"), "{mood}");
    }
}

#[tokio::test]
async fn after_a_failed_refresh_there_is_a_pause() {
    let (trial, script) = cache("cache {\nsuccess 100 3600 0\nserve_stale 1h immediate 0s 3s\n}");
    ask(&trial, "x-ttl1.test").await;
    script.set_mood("servfail");
    trial.process.clock.advance(Duration::from_secs(2));
    ask(&trial, "x-ttl1.test").await;
    until_asked(&script, 2).await;
    ask(&trial, "x-ttl1.test").await;
    until_asked(&script, 2).await;
    assert_eq!(script.asked(), 2);
    trial.process.clock.advance(Duration::from_secs(3));
    ask(&trial, "x-ttl1.test").await;
    until_asked(&script, 3).await;
}

#[tokio::test]
async fn good_answers_can_be_preferred_to_newer_denials() {
    let (trial, script) = cache("cache {\nsuccess 100 3600 0\nserve_stale\nserve_stale_policy prefer_positive\n}");
    ask(&trial, "x-ttl1.test").await;
    script.set_mood("nx");
    trial.process.clock.advance(Duration::from_secs(2));
    for asked in 2..4 {
        assert!(ask(&trial, "x-ttl1.test").await.ends_with(" 0 IN A 192.0.2.1"));
        until_asked(&script, asked).await;
    }
}

#[tokio::test]
async fn popular_entries_are_fetched_before_their_end() {
    let (trial, script) = cache("cache {\nprefetch 2 10s 50%\n}");
    let clock = &trial.process.clock;
    ask(&trial, "x-ttl8.test").await;
    ask(&trial, "x-ttl8.test").await;
    clock.advance(Duration::from_secs(4));
    assert!(ask(&trial, "x-ttl8.test").await.ends_with(" 4 IN A 192.0.2.1"));
    until_asked(&script, 2).await;
    assert!(ask(&trial, "x-ttl8.test").await.ends_with(" 8 IN A 192.0.2.2"));
    clock.advance(Duration::from_secs(4));
    ask(&trial, "x-ttl8.test").await;
    until_asked(&script, 3).await;
    assert_eq!(metric(&trial, "prefetch_total"), ["{view=\"\",zones=\".\"} 2"]);
}

/// A last handler that waits for permits before it asks the script.
struct Gate(Arc<Script>, Arc<Semaphore>, AtomicUsize);

impl Handler for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        Reply::later(async move {
            self.2.fetch_add(1, Ordering::SeqCst);
            self.1.acquire().await.unwrap().forget();
            self.0.answer(request)
        })
    }
}

/// A cache before a gate, with the gate's handles.
fn gated(directives: &str) -> (Trial, Chain, Arc<Gate>) {
    let trial = Trial::new(directives);
    let gate = Arc::new(Gate(Arc::default(), Arc::new(Semaphore::new(0)), AtomicUsize::new(0)));
    let mut handlers: Vec<Arc<dyn Handler>> = trial.chain.to_vec();
    handlers.push(Arc::clone(&gate) as _);
    (trial, handlers.into(), gate)
}

/// Asks in a task of its own.
fn ask_in_task((trial, chain): (&Trial, &Chain), query: &'static str) -> tokio::task::JoinHandle<String> {
    let (chain, clock) = (Arc::clone(chain), trial.process.clock.clone());
    tokio::spawn(async move {
        let request = trial::request(query, &clock);
        let outcome = Next::start(&chain).run(&request).await;
        if let Ok(Response::Message(message)) = &outcome {
            assert_eq!(message.id(), request.id());
        }
        trial::text(outcome)
    })
}

#[tokio::test(start_paused = true)]
async fn identical_queries_are_asked_once() {
    let (trial, chain, gate) = gated("cache");
    let waiting: Vec<_> = (0..64)
        .map(|number| {
            ask_in_task(
                (&trial, &chain),
                if number % 2 == 0 { "x-refused.test A id=7" } else { "X-refused.TEST A id=9" },
            )
        })
        .collect();
    let other = ask_in_task((&trial, &chain), "x-refused.test A do");
    while gate.2.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    gate.1.add_permits(2);
    for reply in waiting {
        assert_eq!(reply.await.unwrap(), "REFUSED qr rd");
    }
    other.await.unwrap();
    assert_eq!(gate.0.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_not_made_to_wait_for_itself() {
    let (trial, chain, gate) = gated("cache");
    let looping: Vec<_> = (0..3).map(|_| ask_in_task((&trial, &chain), "1.2 HINFO")).collect();
    while gate.2.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    gate.1.add_permits(3);
    for reply in looping {
        reply.await.unwrap();
    }
    assert_eq!(gate.0.asked(), 3, "the plugin loop must see each of them");
    let inner: Chain = Arc::clone(&chain);
    let upstream = Arc::new(Reentry(inner));
    let mut request = trial::request("x.test", &Clock::system());
    let mut origin = request.origin().clone();
    origin.site = Arc::new(Site { server: "dns://:53".into(), upstream: Some(upstream) });
    request.set_origin(origin);
    let outer = Arc::new(Alias(Arc::clone(&chain)));
    let aliased: Chain = [&chain[..1], &[outer as Arc<dyn Handler>]].concat().into();
    gate.1.add_permits(1);
    let outcome = Next::start(&aliased).run(&request).await;
    assert!(trial::text(outcome).ends_with("192.0.2.4"), "an alias of itself is asked, not waited for");
}

/// The server, asked from within.
struct Reentry(Chain);

impl Upstream for Reentry {
    fn lookup(&self, request: Box<Request>) -> BoxFuture<'_, Option<Message>> {
        Box::pin(async move {
            match Next::start(&self.0).run(&request).await {
                Ok(Response::Message(message)) => Some(message),
                _ => None,
            }
        })
    }
}

/// Answers every name with what the server itself has for it.
struct Alias(Chain);

impl Handler for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        assert!(!self.0.is_empty());
        Reply::later(async move {
            let message = request.lookup(request.qname().clone(), request.qtype()).await;
            message.map(Response::Message).ok_or_else(|| Error::new("nothing"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_first_gives_up_another_asks() {
    let (trial, chain, gate) = gated("cache");
    let first = ask_in_task((&trial, &chain), "x.test");
    while gate.2.load(Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
    let second = ask_in_task((&trial, &chain), "x.test");
    let third = ask_in_task((&trial, &chain), "x.test");
    tokio::task::yield_now().await;
    first.abort();
    gate.1.add_permits(1);
    for reply in [second, third] {
        assert!(reply.await.unwrap().ends_with("192.0.2.1"));
    }
    assert_eq!(gate.0.asked(), 1);
}

/// Waits until a gate was reached so often.
async fn until_reached(gate: &Gate, count: usize) {
    while gate.2.load(Ordering::SeqCst) < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn followers_get_what_a_hit_would_show() {
    let (trial, chain, gate) = gated("cache");
    let leader = ask_in_task((&trial, &chain), "x-ad-ra.test A");
    until_reached(&gate, 1).await;
    let queries = [
        "X-ad-ra.test A",
        "x-ad-ra.test A bufsize=4096",
        "x-ad-ra.test A nsid",
        "x-ad-ra.test A nord",
        "x-ad-ra.test A ad",
        "x-ad-ra.test A tcp",
    ];
    let followers: Vec<_> = queries.iter().map(|query| ask_in_task((&trial, &chain), query)).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.1.add_permits(1);
    assert_eq!(leader.await.unwrap(), "NOERROR qr rd ra; answer: x-ad-ra.test. 60 IN A 192.0.2.1");
    for (query, follower) in queries.iter().zip(followers) {
        let shown = follower.await.unwrap();
        assert_eq!(shown, ask_in_task((&trial, &chain), query).await.unwrap(), "{query}: a hit");
        assert!(shown.contains(" aa ") && shown.ends_with("x-ad-ra.test. 60 IN A 192.0.2.1"), "{shown}");
    }
    assert_eq!(gate.0.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_shared_or_asked_once_more() {
    let (trial, chain, gate) = gated("cache");
    let leader = ask_in_task((&trial, &chain), "x-refused.test A");
    until_reached(&gate, 1).await;
    let same: Vec<_> = (0..5).map(|_| ask_in_task((&trial, &chain), "X-Refused.test A")).collect();
    let queries = [
        "x-refused.test A nsid",
        "x-refused.test A bufsize=900",
        "x-refused.test A bufsize=800",
        "x-refused.test A tcp",
    ];
    let others: Vec<_> = queries.iter().map(|query| ask_in_task((&trial, &chain), query)).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.2.load(Ordering::SeqCst), 1);
    gate.1.add_permits(1);
    until_reached(&gate, 2).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.1.add_permits(1);
    for reply in [leader].into_iter().chain(same).chain(others) {
        assert_eq!(reply.await.unwrap(), "REFUSED qr rd");
    }
    assert_eq!(gate.0.asked(), 2, "two round trips are the most");
    let cut = ask_in_task((&trial, &chain), "x-tc.test A");
    until_reached(&gate, 3).await;
    let stream = ask_in_task((&trial, &chain), "x-tc.test A tcp");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.1.add_permits(2);
    assert!(cut.await.unwrap().ends_with("192.0.2.3") && stream.await.unwrap().ends_with("192.0.2.4"));
}

/// A last handler that loses the first queries and answers later ones at once.
struct Lossy {
    script: Arc<Script>,
    lost: usize,
    seen: AtomicUsize,
}

impl Handler for Lossy {
    fn name(&self) -> &'static str {
        "lossy"
    }

    fn handle<'a>(&'a self, request: &'a Request, _next: Next<'a>) -> Reply<'a> {
        Reply::later(async move {
            if self.seen.fetch_add(1, Ordering::SeqCst) < self.lost {
                // What `forward` waits for a reply before it asks again.
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            self.script.answer(request)
        })
    }
}

/// The replies to a query that is sent at these times, in milliseconds, where so many datagrams are lost: when each comes, in milliseconds;
/// and how often the upstream was asked.
async fn replies_at(times: &[u64], lost: usize) -> (Vec<u128>, usize) {
    let trial = Trial::new("cache");
    let lossy = Arc::new(Lossy { script: Arc::default(), lost, seen: AtomicUsize::new(0) });
    let mut handlers: Vec<Arc<dyn Handler>> = trial.chain.to_vec();
    handlers.push(Arc::clone(&lossy) as _);
    let chain: Chain = handlers.into();
    let start = tokio::time::Instant::now();
    let mut replies = Vec::new();
    for at in times {
        let (chain, clock, at) = (Arc::clone(&chain), trial.process.clock.clone(), Duration::from_millis(*at));
        replies.push(tokio::spawn(async move {
            tokio::time::sleep_until(start + at).await;
            let request = trial::request("x.test", &clock);
            assert!(trial::text(Next::start(&chain).run(&request).await).starts_with("NOERROR"));
            start.elapsed().as_millis()
        }));
    }
    let mut ends = Vec::new();
    for reply in replies {
        ends.push(reply.await.unwrap());
    }
    (ends, lossy.seen.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn to_follow_is_not_slower_than_to_ask() {
    let (ends, asked) = replies_at(&[0, 100, 200], 0).await;
    assert!(ends[2] <= 202 && asked == 1, "nothing is lost: {ends:?}");
    let (ends, asked) = replies_at(&[0, 1000], 1).await;
    assert!(ends[1] <= 1002 && asked == 2, "a retry is answered at once: {ends:?}");
    let (ends, asked) = replies_at(&[0, 50, 60, 70], 1).await;
    assert!(ends[1..].iter().all(|end| *end <= 302) && asked == 2, "{ends:?}");
    // Two are lost: a third goes out only when one of them has ended.
    let (ends, asked) = replies_at(&[0, 1000, 1500, 1900], 2).await;
    assert!(ends[2..].iter().all(|end| *end <= 2002) && asked == 2, "{ends:?} {asked}");
}

#[tokio::test(start_paused = true)]
async fn followers_are_bounded() {
    let (trial, chain, gate) = gated("cache");
    let leader = ask_in_task((&trial, &chain), "x.test");
    until_reached(&gate, 1).await;
    let followers: Vec<_> =
        (0..super::flight::MAX_FOLLOWERS).map(|_| ask_in_task((&trial, &chain), "x.test A bufsize=1232")).collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let refused = ask_in_task((&trial, &chain), "x.test").await.unwrap();
    assert_eq!(refused, "error SERVFAIL: too many queries wait for the same reply");
    gate.1.add_permits(1);
    for reply in followers.into_iter().chain([leader]) {
        assert!(reply.await.unwrap().ends_with(" 192.0.2.1"));
    }
    assert!(ask_in_task((&trial, &chain), "x.test").await.unwrap().ends_with(" 192.0.2.1"));
    assert_eq!(gate.0.asked(), 1);
}

#[tokio::test]
async fn a_refresh_before_the_end_that_fails_is_not_repeated_with_each_hit() {
    for mood in ["servfail", "notimp", "refused", "fails", "tc", "noqr"] {
        let (trial, script) = cache("cache {\nprefetch 1 1m 90%\n}");
        let clock = &trial.process.clock;
        ask(&trial, "x-ttl60.test").await;
        clock.advance(Duration::from_secs(10));
        script.set_mood(mood);
        let mut seconds = Vec::new();
        for second in 0..20 {
            let before = script.asked();
            for _ in 0..5 {
                let shown = ask(&trial, "x-ttl60.test").await;
                assert!(
                    shown.ends_with(&format!(" {} IN A 192.0.2.1", 50 - second)),
                    "{mood} hides the entry: {shown}"
                );
                until_asked(&script, before).await;
            }
            match script.asked() - before {
                0 => {}
                1 => seconds.push(second),
                asked => panic!("{mood}: asked {asked} times in a second"),
            }
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(seconds, [0, 1, 3, 7, 15], "{mood}");
    }
}

#[tokio::test]
async fn verification_has_a_limit() {
    let (trial, chain, gate) = gated("cache {\nsuccess 100 3600 0\nserve_stale 1h verify 20ms 9s\n}");
    gate.1.add_permits(1);
    ask_in_task((&trial, &chain), "x-ttl1.test").await.unwrap();
    trial.process.clock.advance(Duration::from_secs(2));
    assert!(ask_in_task((&trial, &chain), "x-ttl1.test").await.unwrap().ends_with(" 9 IN A 192.0.2.1"), "too late");
    gate.1.add_permits(1);
    until_asked(&gate.0, 2).await;
    assert!(
        ask_in_task((&trial, &chain), "x-ttl1.test").await.unwrap().ends_with(" 1 IN A 192.0.2.2"),
        "fetched behind"
    );
    trial.process.clock.advance(Duration::from_secs(2));
    gate.1.add_permits(1);
    let verified = ask_in_task((&trial, &chain), "x-ttl1.test").await.unwrap();
    assert_eq!(verified, "NOERROR qr aa rd; answer: x-ttl1.test. 1 IN A 192.0.2.3");
}

#[test]
fn chains_that_do_not_end_are_no_answer() {
    let request = trial::request("a.test", &Clock::system());
    let chain = |links: &[(&str, &str)]| {
        let mut message = ReplyBuilder::new(&request).finish();
        message.edit(|records| {
            for (owner, target) in links {
                let rdata = Name::from_text(target).unwrap().as_wire().to_vec();
                let owner = Name::from_text(owner).unwrap();
                let (section, rtype, class, ttl) = (Section::Answer, Type::CNAME, Class::IN, 60);
                records.push(OwnedRecord { section, owner, rtype, class, ttl, rdata });
            }
            let (section, rtype, class, ttl) = (Section::Answer, Type::A, Class::IN, 60);
            let owner = Name::from_text("end.test").unwrap();
            records.push(OwnedRecord { section, owner, rtype, class, ttl, rdata: vec![192, 0, 2, 1] });
        });
        super::classify::answers_question(&message)
    };
    assert!(chain(&[("a.test", "B.test"), ("b.test", "end.test")]));
    assert!(chain(&[("a.test", "end.test"), ("A.test", "END.test")]), "the same target twice");
    assert!(!chain(&[("a.test", "b.test"), ("b.test", "a.test")]));
    assert!(!chain(&[("a.test", "end.test"), ("a.test", "b.test")]));
    assert!(!chain(&[("a.test", "b.test")]));
    assert!(!chain(&[]));
    let count = AtomicU8::new(0);
    let names: Vec<String> = (0..64).map(|_| format!("n{}.test", count.fetch_add(1, Ordering::Relaxed))).collect();
    let long: Vec<(&str, &str)> = names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    assert!(!chain(&[&[("a.test", "n0.test")], long.as_slice(), &[("n63.test", "end.test")]].concat()));
}
