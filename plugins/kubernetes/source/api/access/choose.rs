//! Which cluster and user of a kubeconfig count, and whether they make sense together (client-go `tools/clientcmd/validation.go`).

use std::fs::File;
use std::path::Path;

use corefile::os_error_text;

use super::kubeconfig::{Cluster, Exec, Kubeconfig, User};
use super::proxy::ProxyRules;
use super::settings::{self, Settings};
use super::{AccessError, Surroundings};

/// What is wrong, in client-go's words, each with what to do about it.
#[derive(Default)]
pub(super) struct Faults(Vec<(String, String)>);

impl Faults {
    /// Adds a fault.
    fn add(&mut self, text: String, cure: impl Into<String>) {
        if !self.0.iter().any(|(other, _)| *other == text) {
            self.0.push((text, cure.into()));
        }
    }

    /// Makes one error of all; `place` is the file.
    fn result(&self, place: &str) -> Result<(), AccessError> {
        let texts: Vec<&str> = self.0.iter().map(|(text, _)| text.as_str()).collect();
        let cures: Vec<&str> = self.0.iter().map(|(_, cure)| cure.as_str()).collect();
        let text = match texts.as_slice() {
            [] => return Ok(()),
            [one] => format!("invalid configuration: {one}"),
            many => format!("invalid configuration: [{}]", many.join(", ")),
        };
        Err(AccessError { text, cure: Some(format!("{place}: {}", cures.join("; "))) })
    }
}

/// The cluster and the user that count.
pub(super) struct Part<'a> {
    /// The user's name.
    pub(super) name: &'a str,
    /// The cluster.
    pub(super) cluster: &'a Cluster,
    /// The user.
    pub(super) user: &'a User,
    /// Where both are written, for people.
    pub(super) place: &'a str,
}

impl Kubeconfig {
    /// Makes the paths absolute that are relative to the kubeconfig's folder.
    pub(super) fn resolved(mut self, base: &Path) -> Self {
        let resolve = |path: &mut String| {
            if !path.is_empty() && !path.starts_with('/') {
                *path = clean(&base.join(&*path));
            }
        };
        self.clusters.values_mut().for_each(|cluster| resolve(&mut cluster.authority));
        for user in self.users.values_mut() {
            [&mut user.certificate, &mut user.key, &mut user.token_file].into_iter().for_each(resolve);
            // A command without a slash is looked for in PATH.
            user.exec.iter_mut().filter(|exec| exec.command.contains('/')).for_each(|exec| resolve(&mut exec.command));
        }
        self
    }
}

/// Resolves `.` and `..` in a path by its text.
fn clean(path: &Path) -> String {
    let mut clean = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean.display().to_string()
}

/// Says that a kubeconfig has nothing that counts.
pub(super) fn empty(place: &str) -> AccessError {
    let text =
        "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable";
    let cure =
        format!("{place}: name a context by `current-context`, or behind the file, whose cluster has a `server`");
    AccessError { text: text.to_owned(), cure: Some(cure) }
}

/// Chooses and checks cluster and user; none where there is no cluster at all.
pub(super) fn choose(
    kubeconfig: &Kubeconfig,
    context: Option<&str>,
    place: &str,
    surroundings: Surroundings<'_>,
) -> Result<Option<Settings>, AccessError> {
    let wanted = context.filter(|context| !context.is_empty());
    let context_name = wanted.unwrap_or(&kubeconfig.current_context);
    let known = || kubeconfig.contexts.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let context = kubeconfig.contexts.get(context_name);
    if wanted.is_some() && context.is_none() {
        let text = format!("context {context_name:?} does not exist");
        return Err(AccessError { text, cure: Some(format!("{place}: its contexts are [{}]", known())) });
    }
    let mut faults = Faults::default();
    if context.is_none() && !context_name.is_empty() {
        let text = format!("context was not found for specified context: {context_name}");
        faults.add(text, format!("`current-context` names none of the contexts [{}]", known()));
    }
    let (cluster_name, user_name) = context.map_or(("", ""), |context| (&context.cluster, &context.user));
    let no_user = User::default();
    let user = kubeconfig.users.get(user_name);
    if user.is_none() && !user_name.is_empty() {
        tracing::warn!(
            target: crate::kubernetes::source::LOG,
            "{place}: the context {context_name:?} names the user {user_name:?}, which does not exist: requests have no credentials"
        );
    }
    let user = user.unwrap_or(&no_user);
    check_user(user_name, user, &mut faults);
    let Some(cluster) = kubeconfig.clusters.get(cluster_name) else {
        if !faults.0.is_empty() {
            let cure = format!("there is no cluster named {cluster_name:?}");
            faults.add("cluster has no server defined".to_owned(), cure);
        }
        return faults.result(place).map(|()| None);
    };
    check_cluster(cluster_name, cluster, &mut faults);
    settle_checked(&Part { name: user_name, cluster, user, place }, &faults, surroundings).map(Some)
}

/// Checks cluster and user, and makes the settings of a client.
pub(super) fn settle(
    part: &Part<'_>,
    faults: &mut Faults,
    surroundings: Surroundings<'_>,
) -> Result<Settings, AccessError> {
    check_user(part.name, part.user, faults);
    check_cluster("", part.cluster, faults);
    settle_checked(part, faults, surroundings)
}

/// Makes the settings of a client of what has been checked.
fn settle_checked(part: &Part<'_>, faults: &Faults, surroundings: Surroundings<'_>) -> Result<Settings, AccessError> {
    faults.result(part.place)?;
    settings::make(part, surroundings)
}

/// Says what is wrong with a cluster.
fn check_cluster(name: &str, cluster: &Cluster, faults: &mut Faults) {
    if cluster.server.is_empty() {
        faults.add(format!("no server found for cluster {name:?}"), format!("give the cluster {name:?} a `server`"));
    }
    if let Err(why) = check_proxy(&cluster.proxy_url) {
        let text = format!("invalid 'proxy-url' {:?} for cluster {name:?}: {why}", cluster.proxy_url);
        faults.add(text, "write `proxy-url` as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT");
    }
    if !cluster.authority.is_empty() && !cluster.authority_data.is_empty() {
        let text = format!(
            "certificate-authority-data and certificate-authority are both specified for {name}. certificate-authority-data will override."
        );
        faults.add(text, "remove `certificate-authority` or `certificate-authority-data`");
    }
    check_open("certificate-authority", &cluster.authority, name, faults);
}

/// Says what is wrong with `proxy-url`.
fn check_proxy(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { ProxyRules::of_field(text).map(drop) }
}

/// Says what is wrong with a user.
fn check_user(name: &str, user: &User, faults: &mut Faults) {
    check_certificate(name, user, faults);
    if let Some(exec) = &user.exec {
        check_exec(name, exec, user.auth_provider.is_some(), faults);
    }
    let has_basic = !(user.username.is_empty() && user.password.is_empty());
    if has_basic && !user.token.is_empty() {
        let text = format!(
            "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
        );
        faults.add(text, format!("leave the user {name:?} either `token` or `username` and `password`"));
    }
    let has_more =
        !user.impersonate_uid.is_empty() || !user.impersonate_groups.is_empty() || !user.impersonate_extra.is_empty();
    if has_more && user.impersonate.is_empty() {
        let text = format!("requesting uid, groups or user-extra for {name} without impersonating a user");
        faults.add(
            text,
            format!("give the user {name:?} an `as`, or remove its `as-uid`, `as-groups` and `as-user-extra`"),
        );
    }
}

/// Says what is wrong with a user's certificate and key; a key alone is nothing.
fn check_certificate(name: &str, user: &User, faults: &mut Faults) {
    if user.certificate.is_empty() && user.certificate_data.is_empty() {
        return;
    }
    let is_twice = |file: &str, data: &[u8]| !file.is_empty() && !data.is_empty();
    if is_twice(&user.certificate, &user.certificate_data) {
        let text =
            format!("client-cert-data and client-cert are both specified for {name}. client-cert-data will override.");
        faults.add(text, "remove `client-certificate` or `client-certificate-data`");
    }
    if is_twice(&user.key, &user.key_data) {
        let text =
            format!("client-key-data and client-key are both specified for {name}; client-key-data will override");
        faults.add(text, "remove `client-key` or `client-key-data`");
    }
    if user.key.is_empty() && user.key_data.is_empty() {
        let text = format!(
            "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
        );
        faults.add(text, "add the key of the client's certificate: `client-key` or `client-key-data`");
    }
    check_open("client-cert", &user.certificate, name, faults);
    check_open("client-key", &user.key, name, faults);
}

/// Says that a file cannot be opened.
fn check_open(field: &str, path: &str, name: &str, faults: &mut Faults) {
    if path.is_empty() {
        return;
    }
    if let Err(error) = File::open(path) {
        let why = os_error_text(&error);
        faults.add(
            format!("unable to read {field} {path} for {name} due to open {path}: {why}"),
            format!("`{field}` names {path}, relative paths count from the kubeconfig's folder: mount the file there"),
        );
    }
}

/// Says what is wrong with a credential plugin.
fn check_exec(name: &str, exec: &Exec, has_provider: bool, faults: &mut Faults) {
    let must = |field: &str| format!("{field} must be specified for {name} to use exec authentication plugin");
    if has_provider {
        let text = format!("authProvider cannot be provided in combination with an exec plugin for {name}");
        faults.add(text, "remove `auth-provider`");
    }
    if exec.command.is_empty() {
        faults.add(must("command"), "give `exec` a `command`");
    }
    if exec.api_version.is_empty() {
        faults.add(must("apiVersion"), "give `exec` the `apiVersion` client.authentication.k8s.io/v1");
    }
    if exec.env.iter().any(|(variable, _)| variable.is_empty()) {
        faults.add(must("env variable name"), "give every entry of `exec.env` a `name`");
    }
    let mode = &exec.interactive_mode;
    match mode.as_str() {
        "Never" | "IfAvailable" | "Always" => {}
        "" => faults.add(must("interactiveMode"), "give `exec` the `interactiveMode` Never"),
        _ => faults.add(
            format!("invalid interactiveMode for {name}: {mode:?}"),
            "`interactiveMode` is Never, IfAvailable or Always",
        ),
    }
}
