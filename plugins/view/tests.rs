//! Which queries belong to a view, as recorded from CoreDNS (golden suite plugins/view), and the errors.

use crate::trial::{Trial, request, setup_error};
use plugin_api::link::{MetadataProvider, View};

/// Checks whether a query belongs to a view with these lines.
fn check(lines: &str, query: &str, expected: bool) {
    let trial = Trial::new(&format!("view v {{\n{lines}\n}}"));
    let view = trial.block.links.find::<dyn View>("view").expect("offered");
    assert_eq!(view.admits(&request(query, &trial.process.clock)), expected, "{lines}: {query}");
}

#[test]
fn every_expression_must_be_true() {
    let both = "expr type() == 'TXT'\nexpr name() endsWith 'view.test.'";
    check(both, "A.VIEW.test TXT", true);
    check(both, "a.view.test A", false);
    check(both, "a.test TXT", false);
    check("", "a.test A", true);
}

#[test]
fn asks_about_the_query() {
    for (expression, query, expected) in [
        ("incidr(client_ip(), '127.0.0.8/29')", "a A from=127.0.0.15", true),
        ("incidr(client_ip(), '127.0.0.8/29')", "a A from=127.0.0.16", false),
        ("proto() == 'tcp'", "a A tcp", true),
        ("name() == 'exact.expr.test.'", "EXACT.expr.test A", true),
        ("name() matches '^re[0-9]+[.]'", "re12.expr.test A", true),
        ("type() in ['MX', 'SRV']", "a SRV", true),
        ("class() == 'CH'", "a A CH", true),
        ("do()", "a A edns", false),
        ("bufsize() == 4096", "a A bufsize=4096", true),
        ("bufsize() > 4096 && proto() == 'udp'", "a A tcp bufsize=5000", false),
        ("port() == '40031'", "a A sport=40031", true),
        ("server_ip() == '10.244.9.100'", "a A to=10.244.9.100", false),
        ("server_ip() == '10.244.9.100'", "a A tcp to=10.244.9.100", true),
        ("len(split(name(), '.')) > 6", "a.b.c.d.e.expr.test A", true),
        ("lower(name()) contains 'low'", "aLOWa.expr.test A", true),
        ("\"any(['10.0.0.0/8','127.0.0.64/26'], incidr(client_ip(), #))\"", "a A from=127.0.0.65", true),
        ("int(split(name(), '.')[0]) > 100 and int(split(name(), '.')[0]) < 200", "150.expr.test A", true),
        ("int(split(name(), '.')[0]) > 100", "x.expr.test A", false),
        ("name() == 'err.' && incidr('nonsense', '10.0.0.0/8')", "err A", false),
        ("name() == 'int.' ? 1 : false", "int A", false),
        ("not (name() endsWith 'expr.test.')", "a.expr.test A", false),
    ] {
        check(&format!("expr {expression}"), query, expected);
    }
}

#[test]
fn tells_its_name() {
    let trial = Trial::new("view inner");
    assert_eq!(trial.block.links.find::<dyn View>("view").expect("offered").name(), "inner");
    let request = request("a A", &trial.process.clock);
    request.keep_metadata();
    trial.block.links.find::<dyn MetadataProvider>("view").expect("offered").provide(&request);
    assert_eq!(request.metadata("view/name").as_deref(), Some("inner"));
}

#[test]
fn refuses_in_the_words_of_coredns() {
    let parsing = "Error during parsing: ";
    for (text, expected) in [
        ("view", format!("Corefile:2 - {parsing}Wrong argument count or unexpected line ending after 'view'")),
        ("view a b", format!("Corefile:2 - {parsing}Wrong argument count or unexpected line ending after 'b'")),
        ("view x {\nfoo bar\n}", format!("Corefile:3 - {parsing}unknown property 'foo'")),
        ("view a {\nexpr\n}", "unexpected token EOF".to_owned()),
        ("view a {\nexpr bogus(\n}", "unexpected token EOF (1:6)\n | bogus(\n | .....^".to_owned()),
        ("view a {\nexpr true\n}\nview b", "this plugin can only be used once per Server Block".to_owned()),
    ] {
        assert_eq!(setup_error(text), Some(format!("plugin/view: {expected}")), "{text}");
    }
    assert_eq!(setup_error("view a {\nexpr 1 + 1\n}"), None);
}
