//! A kubeconfig as a structure (client-go `tools/clientcmd/api/v1`). Knows neither which context counts nor what a client is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Node, ReadError, read};

/// The extension of a cluster that its credential plugin gets to see.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// What of a kubeconfig counts.
#[derive(Default)]
pub(super) struct Kubeconfig {
    /// The name of the context that counts if no other is named.
    pub(super) current_context: String,
    /// Clusters by name.
    pub(super) clusters: BTreeMap<String, Cluster>,
    /// Users by name.
    pub(super) users: BTreeMap<String, User>,
    /// Contexts by name.
    pub(super) contexts: BTreeMap<String, Context>,
}

/// An API server. Empty is absent.
#[derive(Default)]
pub(super) struct Cluster {
    /// Its address.
    pub(super) server: String,
    /// The name that its certificate must have, if not that in the address.
    pub(super) tls_server_name: String,
    /// Whether any certificate will do.
    pub(super) is_insecure: bool,
    /// The file with the certificates that are trusted.
    pub(super) authority: String,
    /// These certificates.
    pub(super) authority_data: Vec<u8>,
    /// The proxy before it.
    pub(super) proxy_url: String,
    /// Whether responses must not be compressed.
    pub(super) has_no_compression: bool,
    /// What its credential plugin gets to see.
    pub(super) exec_config: Option<Value>,
}

/// A user's credentials. Empty is absent.
#[derive(Default)]
pub(super) struct User {
    /// The file with the client's certificate.
    pub(super) certificate: String,
    /// That certificate.
    pub(super) certificate_data: Vec<u8>,
    /// The file with its key.
    pub(super) key: String,
    /// That key.
    pub(super) key_data: Vec<u8>,
    /// A bearer token.
    pub(super) token: String,
    /// The file with a bearer token.
    pub(super) token_file: String,
    /// The user that requests are made as.
    pub(super) impersonate: String,
    /// The identifier of that user.
    pub(super) impersonate_uid: String,
    /// The groups of that user.
    pub(super) impersonate_groups: Vec<String>,
    /// What else is said of that user.
    pub(super) impersonate_extra: BTreeMap<String, Vec<String>>,
    /// A name for basic authentication.
    pub(super) username: String,
    /// A password for it.
    pub(super) password: String,
    /// The name of an authentication provider, which no client has any more.
    pub(super) auth_provider: Option<String>,
    /// A credential plugin.
    pub(super) exec: Option<Exec>,
}

/// A credential plugin: a program that prints a token or a certificate.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Exec {
    /// The program.
    pub(in super::super) command: String,
    /// Its arguments.
    pub(in super::super) args: Vec<String>,
    /// Variables that are added to its environment.
    pub(in super::super) env: Vec<(String, String)>,
    /// The version of what it reads and prints.
    pub(in super::super) api_version: String,
    /// What a person does who does not have the program.
    pub(in super::super) install_hint: String,
    /// Whether it gets to see the cluster.
    pub(in super::super) wants_cluster: bool,
    /// What it does with standard input.
    pub(in super::super) interactive_mode: String,
}

/// A cluster and a user.
#[derive(Default)]
pub(super) struct Context {
    /// The cluster's name.
    pub(super) cluster: String,
    /// The user's name.
    pub(super) user: String,
}

impl Kubeconfig {
    /// Reads the text of a kubeconfig; an empty one is empty.
    pub(super) fn parse(text: &str) -> Result<Self, ReadError> {
        if text.contains('\0') {
            let cure = "the file is binary; name a kubeconfig".to_owned();
            return Err(ReadError { text: "yaml: control characters are not allowed".to_owned(), cure });
        }
        let value = read(text)?;
        let root = Node::root(&value, "Config");
        if !value.is_object() && !value.is_null() {
            let text = "couldn't get version/kind; json parse error: a kubeconfig is a map".to_owned();
            let cure = "the file is no kubeconfig: begin it with `apiVersion: v1` and `kind: Config`".to_owned();
            return Err(ReadError { text, cure });
        }
        check_kind(&root)?;
        let field = |name: &str| root.field("Config", name);
        field("preferences").structure("v1.Preferences")?;
        extensions(&field("extensions"))?;
        Ok(Self {
            clusters: named(&field("clusters"), "NamedCluster", "Cluster", "cluster", cluster)?,
            users: named(&field("users"), "NamedAuthInfo", "AuthInfo", "user", user)?,
            contexts: named(&field("contexts"), "NamedContext", "Context", "context", context)?,
            current_context: field("current-context").text()?,
        })
    }
}

/// Refuses what says to be something else; what says nothing is a kubeconfig.
fn check_kind(root: &Node<'_>) -> Result<(), ReadError> {
    let version = root.field("Config", "apiVersion").text()?;
    let kind = root.field("Config", "kind").text()?;
    if matches!(version.as_str(), "" | "v1") && matches!(kind.as_str(), "" | "Config") {
        return Ok(());
    }
    let (version, kind) =
        (if version.is_empty() { "v1" } else { &version }, if kind.is_empty() { "Config" } else { &kind });
    let text = format!("no kind {kind:?} is registered for version {version:?} in scheme");
    Err(ReadError { text, cure: "a kubeconfig has `apiVersion: v1` and `kind: Config`".to_owned() })
}

/// Reads a list of named structures into a map.
fn named<T>(
    list: &Node<'_>,
    outer: &'static str,
    inner: &'static str,
    name: &'static str,
    read: impl Fn(&Node<'_>) -> Result<T, ReadError>,
) -> Result<BTreeMap<String, T>, ReadError> {
    let mut all = BTreeMap::new();
    for entry in list.structures(&format!("v1.{outer}"))? {
        let key = entry.field(outer, "name").text()?;
        let value = read(&entry.field(outer, name).structure(&format!("v1.{inner}"))?)?;
        if all.contains_key(&key) {
            return Err(duplicate(list, &format!("[]{outer}"), &format!("map[string]*api.{inner}"), &key));
        }
        all.insert(key, value);
    }
    Ok(all)
}

/// Says that a name stands twice in a list.
fn duplicate(list: &Node<'_>, from: &str, to: &str, name: &str) -> ReadError {
    let text = format!("error converting *{from} into *{to}: duplicate name \"{name}\" in list");
    ReadError { text, cure: format!("{} has two entries named {name:?}: remove one", list.path()) }
}

/// Reads extensions.
fn extensions<'a>(list: &Node<'a>) -> Result<BTreeMap<String, &'a Value>, ReadError> {
    let mut all = BTreeMap::new();
    for entry in list.structures("v1.NamedExtension")? {
        let name = entry.field("NamedExtension", "name").text()?;
        if all.contains_key(&name) {
            return Err(duplicate(list, "[]NamedExtension", "map[string]runtime.Object", &name));
        }
        all.insert(name, entry.field("NamedExtension", "extension").raw());
    }
    Ok(all)
}

/// Reads a cluster.
fn cluster(node: &Node<'_>) -> Result<Cluster, ReadError> {
    let field = |name: &str| node.field("Cluster", name);
    Ok(Cluster {
        server: field("server").text()?,
        tls_server_name: field("tls-server-name").text()?,
        is_insecure: field("insecure-skip-tls-verify").flag()?,
        authority: field("certificate-authority").text()?,
        authority_data: field("certificate-authority-data").octets()?,
        proxy_url: field("proxy-url").text()?,
        has_no_compression: field("disable-compression").flag()?,
        exec_config: extensions(&field("extensions"))?.get(EXEC_EXTENSION).copied().cloned(),
    })
}

/// Reads a user.
fn user(node: &Node<'_>) -> Result<User, ReadError> {
    let field = |name: &str| node.field("AuthInfo", name);
    extensions(&field("extensions"))?;
    let extra = field("as-user-extra").entries("map[string][]string")?;
    let extra = extra.into_iter().map(|(name, values)| values.texts().map(|values| (name, values)));
    let provider = field("auth-provider").structure("v1.AuthProviderConfig")?;
    let provider = (!provider.is_null()).then(|| provider.field("AuthProviderConfig", "name").text()).transpose()?;
    Ok(User {
        certificate: field("client-certificate").text()?,
        certificate_data: field("client-certificate-data").octets()?,
        key: field("client-key").text()?,
        key_data: field("client-key-data").octets()?,
        token: field("token").text()?,
        token_file: field("tokenFile").text()?,
        impersonate: field("as").text()?,
        impersonate_uid: field("as-uid").text()?,
        impersonate_groups: field("as-groups").texts()?,
        impersonate_extra: extra.collect::<Result<_, _>>()?,
        username: field("username").text()?,
        password: field("password").text()?,
        auth_provider: provider,
        exec: exec(&field("exec"))?,
    })
}

/// Reads a credential plugin.
fn exec(node: &Node<'_>) -> Result<Option<Exec>, ReadError> {
    let node = node.clone().structure("v1.ExecConfig")?;
    if node.is_null() {
        return Ok(None);
    }
    let field = |name: &str| node.field("ExecConfig", name);
    let variable =
        |entry: Node<'_>| Ok((entry.field("ExecEnvVar", "name").text()?, entry.field("ExecEnvVar", "value").text()?));
    let mut exec = Exec {
        command: field("command").text()?,
        args: field("args").texts()?,
        env: field("env").structures("v1.ExecEnvVar")?.into_iter().map(variable).collect::<Result<_, _>>()?,
        api_version: field("apiVersion").text()?,
        install_hint: field("installHint").text()?,
        wants_cluster: field("provideClusterInfo").flag()?,
        interactive_mode: field("interactiveMode").text()?,
    };
    let is_beta = matches!(
        exec.api_version.as_str(),
        "client.authentication.k8s.io/v1beta1" | "client.authentication.k8s.io/v1alpha1"
    );
    if exec.interactive_mode.is_empty() && is_beta {
        "IfAvailable".clone_into(&mut exec.interactive_mode);
    }
    Ok(Some(exec))
}

/// Reads a context.
fn context(node: &Node<'_>) -> Result<Context, ReadError> {
    let field = |name: &str| node.field("Context", name);
    extensions(&field("extensions"))?;
    field("namespace").text()?;
    Ok(Context { cluster: field("cluster").text()?, user: field("user").text()? })
}
