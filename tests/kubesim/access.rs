//! Who may ask, and for what: bearer token, client certificate, forbidden types.
//! Knows no TLS; it is told whether a certificate was shown.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::request::Target;
use crate::status::Refusal;

/// The name by which refusals call the client.
const USER: &str = "system:serviceaccount:kube-system:coredns";

/// The rules, which a test may change while the server runs.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// The token that lets in; without one, and without certificates, anybody may ask.
    pub(crate) token: Mutex<Option<String>>,
    /// Whether a client certificate lets in.
    pub(crate) takes_certificates: bool,
    /// Plurals that nobody may read or write.
    pub(crate) forbidden: Mutex<HashSet<String>>,
}

impl Access {
    /// Lets a client in, or tells it 401.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, has_certificate: bool) -> Result<(), Refusal> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = token.is_none() && !self.takes_certificates;
        let sent = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        let is_known = sent.is_some() && sent.map(str::trim) == token.as_deref();
        if is_open || is_known || (self.takes_certificates && has_certificate) {
            return Ok(());
        }
        Err(Refusal::new(401, "Unauthorized", "Unauthorized"))
    }

    /// Lets a client do `verb` to a target, or tells it 403.
    pub(crate) fn authorize(&self, verb: &str, target: &Target) -> Result<(), Refusal> {
        let resource = target.resource;
        if !self.forbidden.lock().unwrap_or_else(PoisonError::into_inner).contains(resource.plural) {
            return Ok(());
        }
        let place = target
            .namespace
            .as_ref()
            .map_or_else(|| "at the cluster scope".to_owned(), |namespace| format!("in the namespace \"{namespace}\""));
        let message = format!(
            "{} is forbidden: User \"{USER}\" cannot {verb} resource \"{}\" in API group \"{}\" {place}",
            resource.plural, resource.plural, resource.group
        );
        Err(Refusal::new(403, "Forbidden", message))
    }
}
