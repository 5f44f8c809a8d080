//! Tests of the command line; the cases are recorded from CoreDNS.

use super::{Exit, Flags, parse, plugins, timestamp, usage};

/// The flags for arguments.
fn flags(args: &[&str]) -> Result<Flags, Exit> {
    parse(["ferrodns"].iter().chain(args).map(|arg| (*arg).to_owned()), || "2026/01/02 03:04:05".to_owned())
}

#[test]
fn spellings_are_those_of_go() {
    let conf = |conf: &str| Flags { conf: conf.to_owned(), ..Flags::default() };
    for args in [&["-conf", "x"][..], &["--conf", "x"], &["-conf=x"], &["--conf=x"], &["-conf", "y", "-conf", "x"]] {
        assert_eq!(flags(args), Ok(conf("x")), "{args:?}");
    }
    assert_eq!(flags(&["-conf", "-"]), Ok(conf("-")));
    assert_eq!(flags(&["-conf", ""]), Ok(Flags::default()));
    assert_eq!(flags(&["-dns.port", "1", "-p", "2"]).unwrap().port, "2");
    assert!(!flags(&["-version=false"]).unwrap().version);
    assert!(flags(&["-quiet", "-version=T"]).unwrap().version);
    let manifests = flags(&["-kubernetes.manifests", "a", "-kubernetes.manifests=b"]).unwrap().manifests;
    assert_eq!(manifests, ["a", "b"].map(std::path::PathBuf::from));
}

#[test]
fn bad_flags_end_with_the_usage() {
    for (args, code, first) in [
        (&["-h"][..], 0, ""),
        (&["--help"], 0, ""),
        (&["-bogus"], 2, "flag provided but not defined: -bogus\n"),
        (&["--bogus=1"], 2, "flag provided but not defined: -bogus\n"),
        (&["-conf"], 2, "flag needs an argument: -conf\n"),
        (&["-quiet=maybe"], 2, "invalid boolean value \"maybe\" for -quiet: parse error\n"),
        (&["---x"], 2, "bad flag syntax: ---x\n"),
        (&["-=x"], 2, "bad flag syntax: -=x\n"),
    ] {
        assert_eq!(flags(args), Err(Exit { code, text: format!("{first}{}", usage("ferrodns")) }), "{args:?}");
    }
    assert!(
        usage("x")
            .starts_with("Usage of x:\n  -conf string\n    \tCorefile to load (default \"Corefile\")\n  -dns.port")
    );
}

#[test]
fn other_arguments_are_refused_with_a_time() {
    for (args, rest) in
        [(&["-quiet", "a", "b"][..], "a b"), (&["-"], "-"), (&["--", "x"], "x"), (&["a", "-version"], "a -version")]
    {
        let text = format!("2026/01/02 03:04:05 extra command line arguments: [{rest}]");
        assert_eq!(flags(args), Err(Exit { code: 1, text }));
    }
}

#[test]
fn time_stamps_know_the_calendar() {
    for (seconds, text) in [
        (0, "1970/01/01 00:00:00"),
        (951_827_696, "2000/02/29 12:34:56"),
        (1_772_323_199, "2026/02/28 23:59:59"),
        (4_107_542_400, "2100/03/01 00:00:00"),
    ] {
        assert_eq!(timestamp(seconds), text);
    }
}

#[test]
fn plugins_are_listed_as_coredns_does() {
    assert_eq!(plugins(["whoami", "on", "acl"].into_iter()), ["acl", "whoami", "on", ""]);
}
