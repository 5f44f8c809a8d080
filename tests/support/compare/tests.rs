//! What counts as equal.

use super::*;

/// An answer with records in its answer section.
fn answer(flags: &str, records: &[&str]) -> Answer {
    let records = records.iter().map(|record| (*record).to_owned()).collect();
    Answer { flags: Some(flags.to_owned()), answer: records, size: Some(100), ..Answer::default() }
}

/// Whether two sets of records are the same under some options.
fn same(want: &[&str], got: &[&str], loose: &str) -> bool {
    let loose = serde_json::from_str(loose).unwrap();
    difference(&answer("qr", want), &answer("qr", got), &loose).is_none()
}

#[test]
fn order_counts_for_cnames_only_unless_told() {
    let (a, b) = ("x. 5 IN A 192.0.2.1", "x. 5 IN A 192.0.2.2");
    let (c, d) = ("x. 5 IN CNAME y.", "y. 5 IN CNAME z.");
    assert!(same(&[c, d, a, b], &[b, c, d, a], "{}"));
    assert!(!same(&[c, d, a], &[d, c, a], "{}"));
    assert!(!same(&[a, b], &[b, a], r#"{"order": true}"#));
    assert!(!same(&[a], &[a, a], "{}"));
}

#[test]
fn ttls_may_be_near() {
    let (a, b) = ("x. 30 IN A 192.0.2.1", "x. 28 IN A 192.0.2.1");
    assert!(!same(&[a], &[b], "{}"));
    assert!(!same(&[a], &[b], r#"{"ttl_within": 1}"#));
    assert!(same(&[a], &[b], r#"{"ttl_within": 2}"#));
    assert!(same(&[a], &[b], r#"{"ttl": true}"#));
}

#[test]
fn masks_and_counts() {
    let (a, b) = (r#"x. 0 IN TXT "id 1""#, r#"x. 0 IN TXT "id 22""#);
    assert!(same(&[a], &[b], r#"{"mask": ["id [0-9]+"]}"#));
    assert!(same(&[a], &[b], r#"{"count": true}"#));
    assert!(!same(&[a], &[a, b], r#"{"count": true}"#));
}

#[test]
fn records_do_not_count_where_some_are_cut_off() {
    let loose = Loose::default();
    let (full, cut) = (answer("qr tc", &["x. 0 IN A 192.0.2.1"]), answer("qr tc", &[]));
    assert_eq!(difference(&full, &cut, &loose), None);
    let differs = difference(&full, &answer("qr", &[]), &loose).unwrap();
    assert_eq!((&differs.want["flags"], &differs.got["flags"]), (&Value::from("qr tc"), &Value::from("qr")));
}

#[test]
fn size_counts_if_told() {
    let (a, b) = (answer("qr", &[]), Answer { size: Some(99), ..answer("qr", &[]) });
    assert_eq!(difference(&a, &b, &Loose::default()), None);
    assert!(difference(&a, &b, &Loose { size: true, ..Loose::default() }).is_some());
}

#[test]
fn an_unknown_option_is_refused() {
    assert!(serde_json::from_str::<Loose>(r#"{"ttls": true}"#).is_err());
}
