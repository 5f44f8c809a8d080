//! The client of now: made of what the Corefile says, and made anew when credentials, trust or the address have changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Response;
use tokio::time::{Instant, timeout};

use super::access::{Access, AccessError, Settings};
use super::client::{ApiClient, Body};
use super::failure::Failure;
use crate::kubernetes::source::LOG;

/// How often a client may be made anew after refusals.
const RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// The server that tests ask without sockets.
#[cfg(test)]
const TEST_SERVER: &str = "https://kubernetes.test/";

/// Makes clients, and new ones when credentials or trust have changed.
#[derive(Debug)]
pub(super) struct Connector {
    /// Where clients come from.
    maker: Maker,
    /// The client of now.
    current: Mutex<Made>,
}

/// A client that was made, or could not be.
#[derive(Debug)]
struct Made {
    /// The client; an error says why there is none.
    client: Result<Client, String>,
    /// When the client was made, or another was tried last.
    at: Instant,
    /// The server that it asks.
    server: String,
    /// The trouble that was logged.
    told: Option<String>,
}

/// Where clients come from.
#[derive(Debug, Clone)]
pub(super) enum Maker {
    /// They are made anew.
    Access(Access),
    /// A test has made one.
    #[cfg(test)]
    Given(Given),
}

/// A client.
#[derive(Debug, Clone)]
pub(super) enum Client {
    /// One that makes connections.
    Api(Arc<ApiClient>),
    /// One of a test.
    #[cfg(test)]
    Given(Given),
}

/// What answers requests in a test: a function of the path and the forms that are wanted.
#[cfg(test)]
#[derive(Clone)]
pub(super) struct Given(pub(super) Arc<Answers>);

/// See [`Given`].
#[cfg(test)]
pub(super) type Answers = dyn Fn(http::Request<http_body_util::Empty<bytes::Bytes>>) -> BoxFuture<'static, std::io::Result<Response<Body>>>
    + Send
    + Sync;

#[cfg(test)]
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given")
    }
}

impl Client {
    /// Gets what is at a path; the head must come within `patience`, not counting what a credential plugin takes.
    pub(super) fn get(
        &self,
        path: &str,
        accept: &'static str,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        let silent = move |_| Failure::Silent(format!("no answer within {} s", patience.as_secs()));
        match self {
            Self::Api(client) => {
                let (client, path) = (Arc::clone(client), path.to_owned());
                Box::pin(async move {
                    let carried = client.carried().await?;
                    timeout(patience, client.get(&path, accept, &carried)).await.map_err(silent)?
                })
            }
            #[cfg(test)]
            Self::Given(given) => {
                let request = http::Request::get(path).header(http::header::ACCEPT, accept);
                let response = (given.0)(request.body(http_body_util::Empty::new()).unwrap());
                Box::pin(async move {
                    let response = timeout(patience, response).await.map_err(silent)?;
                    response.map_err(|error| Failure::of_client(&error))
                })
            }
        }
    }
}

impl Connector {
    /// Makes the first client. What the files lack at this moment is told, and they are read again.
    pub(super) fn new(maker: &Maker) -> Arc<Self> {
        let mut made = Made { client: Err(String::new()), at: Instant::now(), server: String::new(), told: None };
        made.make(maker);
        Arc::new(Self { maker: maker.clone(), current: Mutex::new(made) })
    }

    /// Says where the server is, for people.
    pub(super) fn place(&self) -> String {
        self.current().server.clone()
    }

    /// Returns the client of now.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        self.current().client.clone().map_err(Failure::Settings)
    }

    /// Reads all files again and makes a new client, not more often than once a second; the old one stays if that fails.
    pub(super) fn renew(&self) {
        let mut current = self.current();
        if current.at.elapsed() >= RENEW_INTERVAL {
            current.at = Instant::now();
            current.make(&self.maker);
        }
    }

    /// Makes a new client if the server is said to be elsewhere by now: a kubeconfig may name another. A file that cannot be read says
    /// nothing; the server may well come back where it was.
    pub(super) fn follow(&self) {
        if self.maker.server().is_ok_and(|server| server != self.current().server) {
            self.renew();
        }
    }

    /// The client of now, to be read or changed.
    fn current(&self) -> MutexGuard<'_, Made> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    /// Makes another client if the files say something else by now, and leaves all connections in any case.
    fn make(&mut self, maker: &Maker) {
        let settings = match maker {
            Maker::Access(access) => access.settings(),
            #[cfg(test)]
            Maker::Given(given) => {
                (self.client, self.server) = (Ok(Client::Given(given.clone())), TEST_SERVER.to_owned());
                return;
            }
        };
        match settings {
            Ok(settings) => self.take(settings),
            Err(error) => self.fail(&error),
        }
    }

    /// Goes on with these settings.
    fn take(&mut self, settings: Settings) {
        self.told = None;
        if let Ok(Client::Api(client)) = &self.client
            && *client.settings() == settings
        {
            // What the client knows of its credentials stays: a plugin is not run for nothing.
            return client.reconnect();
        }
        let server = settings.server.shown().to_owned();
        match ApiClient::new(settings) {
            Ok(client) => self.client = Ok(Client::Api(Arc::new(client))),
            Err(why) => return self.client = Err(why),
        }
        let old = std::mem::replace(&mut self.server, server);
        if !old.is_empty() && old != self.server {
            tracing::info!(target: LOG, "asking the Kubernetes API at {}, no longer at {old}", self.server);
        }
    }

    /// Notes that the files are of no use, and says so once for each reason.
    fn fail(&mut self, error: &AccessError) {
        let text = error.told();
        if self.told.as_ref() != Some(&text) {
            tracing::warn!(target: LOG, "credentials for the Kubernetes API not renewed: {text}");
        }
        if self.client.is_err() {
            self.client = Err(text.clone());
        }
        self.told = Some(text);
    }
}

impl Maker {
    /// Returns the server's URL.
    pub(super) fn server(&self) -> Result<String, AccessError> {
        match self {
            Self::Access(access) => Ok(access.settings()?.server.shown().to_owned()),
            #[cfg(test)]
            Self::Given(_) => Ok(TEST_SERVER.to_owned()),
        }
    }
}
