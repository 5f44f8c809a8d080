//! What the program says about a configuration as a whole: the complete output of a start, on both streams.

use std::fs;
use std::time::Duration;

use test_support::subject::{Signal, Subject};

use crate::process::{LIMIT, Scene};

/// A start: what is done to the folder, arguments, and what is said. `PORT` and `SIDE` are the two free ports, `DIR` the folder.
struct Start {
    name: &'static str,
    /// The Corefile; none for no file.
    corefile: Option<&'static str>,
    args: &'static [&'static str],
    /// Between the line about processors and the banner; after the line alone if the start is refused.
    output: &'static [&'static str],
    /// The first line of standard error, if the start is refused.
    refusal: Option<&'static str>,
}

/// All starts.
const STARTS: &[Start] = &[
    Start {
        name: "an empty file",
        corefile: Some(""),
        args: &["-conf", "Corefile", "-dns.port", "PORT"],
        output: &[
            "[WARNING] Corefile has no server block: serving the built-in configuration, whoami and log on port PORT",
            ".:PORT",
        ],
        refusal: None,
    },
    Start {
        name: "a file with comments only",
        corefile: Some("# .:53 {\n# }\n"),
        args: &["-conf", "Corefile", "-dns.port", "PORT"],
        output: &[
            "[WARNING] Corefile has no server block: serving the built-in configuration, whoami and log on port PORT",
            ".:PORT",
        ],
        refusal: None,
    },
    Start {
        name: "a block without a zone",
        corefile: Some("{\n whoami\n}\n"),
        args: &["-conf", "Corefile", "-dns.port", "PORT"],
        output: &[
            "[WARNING] Corefile:1 - a server block without a zone is left out",
            "[WARNING] Corefile has no server block: serving the built-in configuration, whoami and log on port PORT",
            ".:PORT",
        ],
        refusal: None,
    },
    Start {
        name: "no file",
        corefile: None,
        args: &["-dns.port", "PORT"],
        output: &[
            "[WARNING] there is no Corefile in DIR: serving the built-in configuration, whoami and log on port PORT; name one with -conf",
            ".:PORT",
        ],
        refusal: None,
    },
    Start {
        name: "nothing on standard input",
        corefile: None,
        args: &["-conf", "stdin", "-dns.port", "PORT"],
        output: &[
            "[WARNING] there is no Corefile on standard input: serving the built-in configuration, whoami and log on port PORT",
            ".:PORT",
        ],
        refusal: None,
    },
    Start {
        name: "a port that is used nowhere",
        corefile: Some(".:PORT {\n whoami\n}\n"),
        args: &["-conf", "Corefile", "-dns.port", "SIDE"],
        output: &["[WARNING] -dns.port SIDE has no effect: every server block names its port", ".:PORT"],
        refusal: None,
    },
    Start {
        name: "a port that is used somewhere",
        corefile: Some(".:PORT a.test {\n whoami\n}\n"),
        args: &["-conf", "Corefile", "-dns.port", "SIDE"],
        output: &[".:PORT", "a.test.:SIDE"],
        refusal: None,
    },
    Start {
        name: "a port that is named twice",
        corefile: Some(".:PORT {\n whoami\n}\n"),
        args: &["-conf", "Corefile", "-dns.port", "PORT"],
        output: &[".:PORT"],
        refusal: None,
    },
    Start {
        name: "a ConfigMap as JSON",
        corefile: Some(r#"{"apiVersion":"v1","data":{"Corefile":".:PORT {\n whoami\n}\n"},"kind":"ConfigMap"}"#),
        args: &["-conf", "Corefile", "-dns.port", "SIDE"],
        output: &[
            "[WARNING] Corefile looks like JSON, not like a Corefile; of a ConfigMap the Corefile is the value of data.Corefile: kubectl -n kube-system get configmap coredns -o jsonpath='{.data.Corefile}'",
            r#"Warning: Domain "{\"apiversion\":\"v1\",\"data\":{\"corefile\":\"." does not follow RFC1035 preferred syntax"#,
            r#"{"apiversion":"v1","data":{"corefile":".:PORT"#,
            r#"Warning: Domain "whoami\\n}\\n\"},\"kind\":\"configmap\"}." does not follow RFC1035 preferred syntax"#,
            r#"whoami\n}\n"},"kind":"configmap"}.:SIDE"#,
            r#"Warning: Domain "{\\n." does not follow RFC1035 preferred syntax"#,
            r"{\n.:SIDE",
        ],
        refusal: None,
    },
    Start {
        name: "a ConfigMap as YAML",
        corefile: Some("apiVersion: v1\nkind: ConfigMap\ndata:\n  Corefile: |\n    .:53 {\n    }\n"),
        args: &["-conf", "Corefile", "-dns.port", "PORT"],
        output: &[
            "[WARNING] Corefile looks like YAML, not like a Corefile; of a ConfigMap the Corefile is the value of data.Corefile: kubectl -n kube-system get configmap coredns -o jsonpath='{.data.Corefile}'",
        ],
        refusal: Some("Corefile:2 - Error during parsing: Unknown directive 'kind:'"),
    },
];

#[test]
fn a_configuration_that_is_hardly_meant_is_told_of() {
    for Start { name, corefile, args, output, refusal } in STARTS {
        let mut scene = Scene::new("");
        let folder = scene.folder.path().canonicalize().unwrap().display().to_string();
        let (port, side) = (scene.address.port().to_string(), scene.side.port().to_string());
        let fill = |text: &str| text.replace("PORT", &port).replace("SIDE", &side).replace("DIR", &folder);
        match corefile {
            Some(text) => fs::write(scene.path("Corefile"), fill(text)).unwrap(),
            None => fs::remove_file(scene.path("Corefile")).unwrap(),
        }
        let mut command = std::process::Command::new(scene.command.get_program());
        command.current_dir(scene.folder.path()).args(args.iter().map(|arg| fill(arg)));
        scene.command = command;
        let (log, errors) = (scene.path("log"), scene.path("errors"));
        let mut subject = Subject::start_apart(&mut scene.command, &log, &errors).unwrap();
        let is_up = |output: &str| output.contains("compatible with CoreDNS");
        let ended = subject.wait_until(Duration::from_secs(10), is_up).unwrap();
        let said = subject.output();
        let lines: Vec<&str> = said.lines().skip(1).take_while(|line| !line.starts_with("ferrodns-")).collect();
        assert_eq!(lines, output.iter().map(|line| fill(line)).collect::<Vec<_>>(), "{name}");
        assert_eq!(subject.errors().lines().next(), *refusal, "{name}");
        assert_eq!(ended.is_some(), refusal.is_some(), "{name}");
        if ended.is_none() {
            subject.signal(Signal::SIGTERM).unwrap();
            assert_eq!(subject.wait(LIMIT).unwrap().code(), Some(0), "{name}");
        }
    }
}
