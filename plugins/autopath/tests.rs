//! The walk through a search list, and the directive in CoreDNS's words. Recorded suites: golden kubernetes/autopath*.

use crate::trial::{Trial, request, setup_error, text};
use plugin_api::{Error, Message, Name, Next, Outcome, Rcode, ReplyBuilder, Request, Response, Section, Type, flag};
use prometheus_client::encoding::text::encode;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A file with a search list, gone with the test.
struct SearchFile(PathBuf);

impl SearchFile {
    /// Writes it.
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ferrodns-autopath-{}-{number}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for SearchFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Answers by the first label: `two` exists below `second.test`, `bare` as it is, `refused` is refused there.
fn answer(request: &Request) -> Outcome {
    let name = request.qname().to_string();
    let mut reply = ReplyBuilder::new(request);
    let owner = [request.qname().as_wire()];
    match name.as_str() {
        "One.First.test." | "Two.second.test." | "bare." | "one.first.test." => {
            reply.push_a(Section::Answer, &owner, 30, Ipv4Addr::LOCALHOST);
        }
        "ext.first.test." => {
            let target = Name::from_text("target.test").unwrap();
            reply.push_name(Section::Answer, &owner, (Type::CNAME, 5), &[target.as_wire()]);
            reply.push_a(Section::Answer, &[target.as_wire()], 60, Ipv4Addr::LOCALHOST);
        }
        "empty.second.test." => {}
        "refused." => reply.set_rcode(Rcode::REFUSED),
        "unwritten.first.test." => return Ok(Response::Unwritten(Rcode::REFUSED)),
        "fails.second.test." => return Err(Error::new("broken")),
        _ => reply.set_rcode(Rcode::NXDOMAIN),
    }
    Ok(Response::Message(reply.finish()))
}

/// Asks a block that searches `first.test`, then `second.test`; gives the reply and what was asked behind it.
async fn ask(query: &str) -> (String, Vec<String>) {
    let file = SearchFile::new("search First.test second.test\n");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let trial = Trial::ending_in(&format!("autopath test {}", file.0.display()), move |request| {
        log.lock().unwrap().push(request.qname().to_string());
        answer(request)
    });
    let request = request(query, &trial.process.clock);
    let outcome = Next::start(&trial.chain).run(&request).await;
    if let Ok(Response::Message(message)) = &outcome {
        assert_eq!(question(message), request.qname().to_string(), "the client's question comes back");
    }
    let reply = text(outcome);
    let mut metrics = String::new();
    trial.process.metrics.with(|registry| encode(&mut metrics, registry)).unwrap();
    let is_counted = metrics.contains("coredns_autopath_success_total{server=\"dns://:53\"} 1");
    let asked = asked.lock().unwrap().clone();
    (format!("{}{reply}", if is_counted { "success: " } else { "" }), asked)
}

/// The question of a message, as text.
fn question(message: &Message) -> String {
    message.question().unwrap().0.to_string()
}

#[tokio::test]
async fn the_first_try_is_the_query_itself() {
    let (reply, asked) = ask("One.First.test A").await;
    assert_eq!(reply, "success: NOERROR qr rd; answer: One.First.test. 30 IN A 127.0.0.1");
    assert_eq!(asked, ["One.First.test."]);
}

#[tokio::test]
async fn a_later_domain_gets_a_cname() {
    let (reply, asked) = ask("Two.FIRST.test A").await;
    let answer = "Two.FIRST.test. 30 IN CNAME Two.second.test., Two.second.test. 30 IN A 127.0.0.1";
    assert_eq!(reply, format!("success: NOERROR qr rd; answer: {answer}"));
    assert_eq!(asked, ["Two.FIRST.test.", "Two.second.test."]);
}

#[tokio::test]
async fn the_name_as_it_is_comes_last() {
    let (reply, asked) = ask("bare.first.test A").await;
    let answer = "bare.first.test. 30 IN CNAME bare., bare. 30 IN A 127.0.0.1";
    assert_eq!(reply, format!("success: NOERROR qr rd; answer: {answer}"));
    assert_eq!(asked, ["bare.first.test.", "bare.second.test.", "bare."]);
    assert_eq!(ask("refused.first.test A").await.0, "success: REFUSED qr rd");
}

#[tokio::test]
async fn the_first_reply_comes_back_if_nothing_exists() {
    let (reply, asked) = ask("none.first.test A").await;
    assert_eq!(reply, "NXDOMAIN qr rd");
    assert_eq!(asked, ["none.first.test.", "none.second.test.", "none."]);
    assert_eq!(ask("unwritten.first.test A").await.0, "unwritten REFUSED");
}

#[tokio::test]
async fn nodata_ends_the_walk_and_an_error_too() {
    assert_eq!(ask("empty.first.test A").await.0, "success: NOERROR qr rd");
    let (reply, asked) = ask("fails.first.test A").await;
    assert_eq!(reply, "error SERVFAIL: broken");
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn a_cname_of_its_own_stands_twice() {
    let (reply, _) = ask("ext.first.test A").await;
    let aliases = "ext.first.test. 60 IN CNAME target.test., ext.first.test. 5 IN CNAME target.test.";
    assert_eq!(reply, format!("success: NOERROR qr rd; answer: {aliases}, target.test. 60 IN A 127.0.0.1"));
}

#[tokio::test]
async fn the_domain_itself_is_an_error() {
    let expected = "error SERVFAIL: trimzone: overshot qname: First.test.for zone first.test.";
    assert_eq!(ask("First.test A").await, (expected.to_owned(), vec![]));
}

#[tokio::test]
async fn other_names_pass() {
    for query in ["two.second.test A", "xfirst.test A", "one.first.other A"] {
        assert_eq!(ask(query).await.1.len(), 1, "{query}");
    }
}

#[tokio::test]
async fn a_name_that_would_be_too_long_is_left_out() {
    let long = [("a", 60), ("b", 60), ("c", 60), ("d", 59)].map(|(letter, count)| letter.repeat(count)).join(".");
    let (reply, asked) = ask(&format!("{long}.first.test A")).await;
    assert_eq!((reply.as_str(), asked.len()), ("NXDOMAIN qr rd", 2));
}

#[test]
fn a_plugin_that_is_not_there_has_no_effect() {
    let trial = Trial::ending_in("autopath @erratic", answer);
    assert_eq!(trial.ask("two.first.test A"), "NXDOMAIN qr rd");
}

#[test]
fn flags_of_the_reply_stay() {
    let file = SearchFile::new("search first.test\n");
    let trial = Trial::ending_in(&format!("autopath {}", file.0.display()), |request| {
        let mut reply = ReplyBuilder::new(request).authoritative().finish();
        reply.set_flag(flag::RA, true);
        Ok(Response::Message(reply))
    });
    assert_eq!(trial.ask("any.first.test A"), "NOERROR qr aa rd ra");
}

#[test]
fn refusals_have_the_words_of_coredns() {
    let cases = [
        ("autopath", Some("plugin/autopath: no resolv-conf specified")),
        ("autopath {\n}", Some("plugin/autopath: no resolv-conf specified")),
        (
            "autopath example.org",
            Some("plugin/autopath: failed to parse \"example.org\": open example.org: no such file or directory"),
        ),
        ("autopath @bogus", None),
        ("autopath @errors\nerrors", Some("plugin/autopath: errors does not implement the AutoPather interface")),
        ("autopath example.org @kubernetes\nautopath @kubernetes", None),
    ];
    for (directives, expected) in cases {
        assert_eq!(setup_error(directives).as_deref(), expected, "{directives}");
    }
}
