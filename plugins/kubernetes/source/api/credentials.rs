//! The client's credentials as a request carries them, renewed in time: tokens of files (client-go `transport/token_source.go`) and what
//! credential plugins print. Knows no connection.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::access::{Auth, bearer, read_token};
use super::plugin::{Granted, Plugin};
use crate::kubernetes::source::LOG;

/// How long the token of a file counts until it is read again: a minute, less ten seconds, as in client-go.
const TOKEN_AGE: Duration = Duration::from_secs(50);

/// The credentials of a client.
#[derive(Debug)]
pub(super) struct Credentials {
    /// What they are.
    auth: Auth,
    /// The program that prints them, if one does.
    plugin: Option<Plugin>,
    /// The token of the file.
    token: Mutex<Option<Token>>,
}

/// The token of a file.
#[derive(Debug)]
struct Token {
    /// As a header.
    header: HeaderValue,
    /// When it was read; none where it was refused.
    read: Option<Instant>,
    /// Whether a line said that it cannot be read again.
    is_told: bool,
}

/// What one request carries.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried {
    /// The header `Authorization`.
    pub(super) authorization: Option<HeaderValue>,
    /// What a credential plugin has printed.
    pub(super) granted: Option<std::sync::Arc<Granted>>,
}

impl Credentials {
    /// Makes the credentials of settings.
    pub(super) fn new(auth: &Auth) -> Self {
        let plugin = match auth {
            Auth::Exec { exec, cluster } => Some(Plugin::new(exec.clone(), cluster.clone())),
            _ => None,
        };
        Self { auth: auth.clone(), plugin, token: Mutex::new(None) }
    }

    /// Returns what the next request carries; waits for a credential plugin.
    ///
    /// # Errors
    /// Why there is nothing, in client-go's words.
    pub(super) async fn carried(&self) -> Result<Carried, String> {
        let authorization = match (&self.auth, &self.plugin) {
            (_, Some(plugin)) => {
                let granted = plugin.granted().await.map_err(|why| format!("getting credentials: {why}"))?;
                return Ok(Carried { authorization: granted.authorization.clone(), granted: Some(granted) });
            }
            (Auth::Basic(header), _) => Some(header.0.clone()),
            (Auth::Token { .. }, _) => Some(self.token()?),
            _ => None,
        };
        Ok(Carried { authorization, granted: None })
    }

    /// Notes that the server does not take them (any more): they are read again, or the plugin runs again.
    pub(super) fn refuse(&self, carried: &Carried) {
        if let (Some(plugin), Some(granted)) = (&self.plugin, &carried.granted) {
            plugin.refuse(granted);
        }
        if let Some(token) = &mut *self.token.lock().unwrap_or_else(PoisonError::into_inner) {
            token.read = None;
        }
    }

    /// Returns the token: that of the file, the one before while the file cannot be read, or the one in the kubeconfig.
    fn token(&self) -> Result<HeaderValue, String> {
        let Auth::Token { inline, file } = &self.auth else { return Err("no token".to_owned()) };
        let Some(file) = file else { return bearer(&inline.0, "in the kubeconfig") };
        let mut held = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = held.as_ref().filter(|token| token.read.is_some_and(|read| read.elapsed() < TOKEN_AGE)) {
            return Ok(token.header.clone());
        }
        let place = format!("of {}", file.display());
        match (read_token(file).and_then(|token| bearer(&token, &place)), &mut *held) {
            (Ok(header), held) => {
                *held = Some(Token { header: header.clone(), read: Some(Instant::now()), is_told: false });
                Ok(header)
            }
            (Err(why), Some(token)) => {
                if !std::mem::replace(&mut token.is_told, true) {
                    tracing::warn!(target: LOG, "Unable to rotate token: {why}; the one before is used");
                }
                Ok(token.header.clone())
            }
            (Err(_), None) if !inline.0.is_empty() => bearer(&inline.0, "in the kubeconfig"),
            (Err(why), None) => Err(why),
        }
    }
}
