//! What a request asks for: the path as a target, the query as parameters.
//! Knows no store.

use std::collections::HashMap;
use std::time::Duration;

use crate::resource::Resource;
use crate::selector::Selector;
use crate::status::Refusal;

/// The objects, or the object, that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Their type.
    pub(crate) resource: &'static Resource,
    /// Their namespace, if the path has one.
    pub(crate) namespace: Option<String>,
    /// The one object's name.
    pub(crate) name: Option<String>,
}

impl Target {
    /// Reads a path such as `/api/v1/namespaces/default/services/web`; `/status` after a name means the object itself.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let (namespace, rest) = match *rest.as_slice() {
            ["namespaces", namespace, ref rest @ ..] if !rest.is_empty() && rest != ["status"] => {
                (Some(namespace), rest)
            }
            ref rest => (None, rest),
        };
        let (plural, name) = match *rest {
            [plural] => (plural, None),
            [plural, name] | [plural, name, "status"] => (plural, Some(name)),
            _ => return None,
        };
        let resource = Resource::by_path(group, version, plural)?;
        let is_possible = if resource.namespaced { namespace.is_some() || name.is_none() } else { namespace.is_none() };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        is_possible.then(|| Self { resource, namespace: owned(namespace), name: owned(name) })
    }
}

/// How old a LIST may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// The newest.
    Newest,
    /// Whatever is at hand (`resourceVersion=0`).
    Any,
    /// Not older than this version.
    NotOlderThan(u64),
    /// Exactly this version.
    Exact(u64),
}

/// The query parameters of a request; the last of several equal names counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// Reads a query string.
    pub(crate) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter's text, empty if it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a parameter is on. As Go: anything but `0` and `false` is.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|v| !matches!(v.as_str(), "0" | "false"))
    }

    /// A parameter as a number, none if it is absent or empty.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| Refusal::bad_request(format!("invalid {name}: {text:?} is not a number")))
    }

    /// How long a watch may last.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, Refusal> {
        Ok(self.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).map(Duration::from_secs))
    }

    /// Both selectors.
    pub(crate) fn selector(&self) -> Result<Selector, Refusal> {
        Selector::parse(self.text("labelSelector"), self.text("fieldSelector")).map_err(Refusal::bad_request)
    }

    /// Version and match rule of a LIST, by the table in the API's documentation ("resource versions").
    pub(crate) fn freshness(&self) -> Result<Freshness, Refusal> {
        let version = self.number("resourceVersion")?;
        let is_paged = self.number("limit")?.is_some_and(|limit| limit > 0);
        match (self.text("resourceVersionMatch"), version) {
            ("", None) => Ok(Freshness::Newest),
            ("" | "NotOlderThan", Some(0)) => Ok(Freshness::Any),
            ("", Some(version)) if is_paged => Ok(Freshness::Exact(version)),
            ("" | "NotOlderThan", Some(version)) => Ok(Freshness::NotOlderThan(version)),
            ("Exact", Some(0)) => {
                Err(forbidden_match("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
            }
            ("Exact", Some(version)) => Ok(Freshness::Exact(version)),
            ("NotOlderThan" | "Exact", None) => {
                Err(forbidden_match("resourceVersionMatch is forbidden unless resourceVersion is provided"))
            }
            (other, _) => {
                let message = format!("resourceVersionMatch: Unsupported value: {other:?}");
                Err(Refusal::invalid("FieldValueNotSupported", message))
            }
        }
    }
}

/// 422 for a match rule that makes no sense.
fn forbidden_match(message: &str) -> Refusal {
    Refusal::invalid("FieldValueForbidden", message)
}
