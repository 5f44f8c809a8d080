//! Compares what is made of kubeconfigs with client-go's verdicts (`tests/verdicts/kubeconfigs`).

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use super::go_url::GoUrl;
use super::*;
use crate::kubernetes::source::api::credentials::Credentials;
use crate::kubernetes::source::api::dial::Dialer;

/// A case and client-go's verdict.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Case {
    name: String,
    files: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    kubeconfig: Vec<String>,
    endpoint: String,
    tls: Vec<String>,
    pod: bool,
    refused: String,
    fails: String,
    sends: Option<Sends>,
}

/// A request and its way.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sends {
    url: String,
    authorization: String,
    impersonate: BTreeMap<String, Vec<String>>,
    proxy: String,
    server_name: String,
    insecure: bool,
    ca: String,
    cert: String,
    key: String,
}

/// What is made of a case.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(String),
    Fails(String),
    Sends(Box<Sends>),
}

/// Certificates and keys by name.
type Pool = BTreeMap<String, String>;

/// A folder that is gone at the end of a case.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ferrodns-verdicts-{}-{at}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Returns the pool and the cases.
fn verdicts() -> (Pool, Vec<Case>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verdicts/kubeconfigs/verdicts.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let mut pool: BTreeMap<String, Pool> = serde_json::from_str(lines.next().unwrap()).unwrap();
    (pool.remove("pool").unwrap(), lines.map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Puts the folder and the pool's texts into a text.
fn fill(text: &str, folder: &Path, pool: &Pool) -> String {
    let text = text.replace("$DIR", &folder.display().to_string());
    pool.iter().fold(text, |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

/// Makes of a case what the plugin makes of it.
async fn outcome(case: &Case, pool: &Pool) -> (Outcome, Option<String>) {
    let folder = Folder::new();
    let fill = |text: &str| fill(text, &folder.0, pool);
    for (name, text) in &case.files {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, fill(text)).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let path = |text: &String| if text.is_empty() { PathBuf::new() } else { folder.0.join(fill(text)) };
    let access = match (case.kubeconfig.as_slice(), case.endpoint.as_str()) {
        ([file, context @ ..], _) => {
            Access::Kubeconfig { file: path(file), context: context.first().map(|context| fill(context)) }
        }
        ([], "") => Access::InCluster,
        ([], url) => {
            let tls = case.tls.as_slice();
            let tls = (!tls.is_empty()).then(|| Tls { cert: path(&tls[0]), key: path(&tls[1]), ca: path(&tls[2]) });
            Access::Endpoint { url: url.to_owned(), tls }
        }
    };
    let variable = |name: &str| case.env.get(name).map(|value| fill(value));
    let account = if case.pod { folder.0.join("account") } else { folder.0.join("no-account") };
    let settings = access.settings_in(Surroundings { variable: &variable, account: &account });
    let plain = |text: String| {
        let text = text.replace("/var/run/secrets/kubernetes.io/serviceaccount/", "account/");
        text.replace(&format!("{}/", folder.0.display()), "").replace("$DIR/", "")
    };
    match settings {
        Err(error) => (Outcome::Refused(plain(error.to_string())), error.cure().map(|cure| plain(cure.to_owned()))),
        Ok(settings) => match sends(&settings, pool).await {
            Ok(sends) => (Outcome::Sends(Box::new(sends)), None),
            Err(why) => (Outcome::Fails(plain(why)), None),
        },
    }
}

/// Returns the request that settings lead to.
async fn sends(settings: &Settings, pool: &Pool) -> Result<Sends, String> {
    if let Some(problem) = &settings.problem {
        return Err(problem.clone());
    }
    let carried = Credentials::new(&settings.auth).carried().await?;
    let identity = carried.granted.as_ref().and_then(|granted| granted.identity.clone());
    let pem = identity.as_ref().map(|Secret((certificate, key))| (certificate.as_bytes(), key.as_bytes()));
    Dialer::new(settings, pem)
        .map_err(|why| format!("getting credentials: failed parsing client key/certificate: {why}"))?;
    let uri = settings.server.uri("/api/v1/services")?;
    let mut impersonate = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in &settings.impersonate {
        let value = String::from_utf8(value.as_bytes().to_vec()).unwrap();
        impersonate.entry(name.to_string()).or_default().push(value);
    }
    let tls = settings.tls.clone().unwrap_or_default();
    let mut names: Vec<&String> = pool.keys().collect();
    names.sort_by_key(|name| (std::cmp::Reverse(pool[*name].len()), *name));
    let named = |pem: &[u8]| {
        let text = String::from_utf8(pem.to_vec()).unwrap();
        names.iter().fold(text, |text, name| text.replace(&pool[*name], &format!("${{{name}}}")))
    };
    let authorization = carried.authorization.map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap());
    Ok(Sends {
        url: uri.to_string(),
        authorization: authorization.unwrap_or_default(),
        impersonate,
        proxy: shown(settings.proxies.choose(&uri)),
        server_name: tls.server_name,
        insecure: tls.is_insecure,
        ca: named(&tls.authorities),
        cert: if identity.is_some() { "of the plugin".to_owned() } else { named(&tls.certificate) },
        key: named(&tls.key.0),
    })
}

/// Writes which proxy is asked.
fn shown(proxy: Result<Option<&Proxy>, String>) -> String {
    match proxy {
        Ok(None) => String::new(),
        Ok(Some(proxy)) => format!("{proxy:?} {:?}", proxy.user),
        Err(_) => "error".to_owned(),
    }
}

/// Returns client-go's verdict.
fn verdict(case: &Case) -> Outcome {
    let plain = |text: &str| {
        let text = text.replace("/var/run/secrets/kubernetes.io/serviceaccount/", "account/").replace("$DIR/", "");
        text.split_once("\": ")
            .filter(|_| text.starts_with("Get "))
            .map_or_else(|| text.clone(), |(_, text)| text.to_owned())
    };
    let Some(sends) = &case.sends else {
        return if case.fails.is_empty() {
            Outcome::Refused(plain(&case.refused))
        } else {
            Outcome::Fails(plain(&case.fails))
        };
    };
    let proxy = match sends.proxy.as_str() {
        "" => String::new(),
        text if text.starts_with("error: ") => "error".to_owned(),
        text => {
            let proxy = GoUrl::parse(text).and_then(|url| proxy::of_url(&url));
            shown(proxy.as_ref().map(Some).map_err(Clone::clone))
        }
    };
    let lower = |(name, values): (&String, &Vec<String>)| (name.to_ascii_lowercase(), values.clone());
    Outcome::Sends(Box::new(Sends {
        url: sends.url.clone(),
        authorization: sends.authorization.clone(),
        impersonate: sends.impersonate.iter().map(lower).collect(),
        proxy,
        server_name: sends.server_name.clone(),
        ca: sends.ca.clone(),
        cert: sends.cert.clone(),
        key: sends.key.clone(),
        ..Sends { insecure: sends.insecure, ..Sends::default() }
    }))
}

/// A case in which the outcome differs on purpose: its name, what ferrodns makes of it, and why.
type Decision = (&'static str, fn(&Outcome) -> bool, &'static str);

/// Cases in which the outcome differs on purpose.
const DECISIONS: &[Decision] = &[
    ("server ::1", fails, NOWHERE),
    ("server https://::1", fails, NOWHERE),
    ("server https://:1", fails, NOWHERE),
    ("server https:h:1", fails, NOWHERE),
    ("server https://h:99999", fails, NOWHERE),
    ("server https://h:0", fails, NOWHERE),
    ("server https://ü:1", fails, IDNA),
    ("NO_PROXY \"ä.h\" for xn--4ca.h", is_sent, IDNA),
    ("server https://[fe80::1%25eth0]:1", fails, "addresses with a zone are not supported for the API server"),
    ("token: |\n      t\n", is_sent, SPACE),
    ("token: >\n      t\n      u\n", is_sent, SPACE),
    ("token: 685_230.15", is_sent, "a number of YAML 1.1 with a point and underscores is read as text"),
    ("token file of spaces", fails, "the text says that the file is empty"),
    ("exec token line break within", fails, "a token is checked when the plugin has ended"),
    ("tls [\"text\" \"key\" \"ca\"]", fails, HANDSHAKE),
    ("tls [\"cert\" \"text\" \"ca\"]", fails, HANDSHAKE),
    ("token inline line break behind", is_sent, SPACE),
    ("token inline crlf behind", is_sent, SPACE),
    ("token inline space before", is_sent, SPACE),
    ("token inline of spaces", fails, "a token of white space alone is none"),
    ("exec token line break behind", is_sent, SPACE),
    (
        "provider oidc",
        |ours| matches!(ours, Outcome::Refused(_)),
        "client-go has deprecated this provider; an exec plugin does the same",
    ),
];

/// Why an address fails before anything is tried.
const NOWHERE: &str = "no connection can be made there; client-go finds out when it tries";
/// Why letters beyond ASCII in host names make a difference.
const IDNA: &str = "host names beyond ASCII must be written as xn--";
/// Why white space makes a difference.
const SPACE: &str = "white space around a token never matters; client-go cuts it off in files alone";

/// Why files of a certificate and its key that are none make a difference.
const HANDSHAKE: &str = "each request says so; client-go finds out when the server asks for the certificate";

/// Every request fails.
fn fails(ours: &Outcome) -> bool {
    matches!(ours, Outcome::Fails(_))
}

/// Requests are sent.
fn is_sent(ours: &Outcome) -> bool {
    matches!(ours, Outcome::Sends(_))
}

/// Says whether a text of ours is client-go's. Behind these words stand details of Go's libraries: types, addresses in its sources, what
/// its YAML reader calls things.
fn is_same_text(ours: &str, theirs: &str) -> bool {
    let details = [
        " in list:",
        " in scheme",
        "yaml: ",
        "json parse error",
        "at input byte",
        "decoding stdout",
        "plugin returned",
        "json: unsupported",
        "\n",
    ];
    let end = details.iter().filter_map(|word| theirs.find(word)).min();
    let start = end.and_then(|end| theirs.get(..end)).unwrap_or(theirs);
    if end.is_some() { ours.starts_with(start) } else { ours == theirs }
}

#[tokio::test]
async fn kubeconfigs_mean_what_they_mean_to_client_go() {
    let (pool, cases) = verdicts();
    assert!(cases.len() > 600, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (ours, cure) = outcome(case, &pool).await;
        let theirs = verdict(case);
        let is_right = match (&ours, &theirs) {
            (Outcome::Refused(ours), Outcome::Refused(theirs)) => is_same_text(ours, theirs),
            (Outcome::Fails(ours), Outcome::Fails(theirs)) => {
                ours.starts_with(theirs.as_str()) || is_same_text(ours, theirs)
            }
            _ => ours == theirs,
        };
        let decision = DECISIONS.iter().find(|(name, ..)| *name == case.name);
        match decision {
            Some((name, is_wanted, why)) if is_right || !is_wanted(&ours) => {
                wrong.push(format!("{name} (decided: {why})\n    {ours:?}\n    {theirs:?}"));
            }
            None if !is_right => wrong.push(format!("{}\n    {ours:?}\n    {theirs:?}", case.name)),
            _ => {}
        }
        if let Outcome::Refused(text) = &ours
            && !case.kubeconfig.is_empty()
            && !cure.as_deref().unwrap_or(text).contains("config")
        {
            wrong.push(format!("{}: {text:?} ({cure:?}) names no file", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
