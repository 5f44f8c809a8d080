//! `tls FILE`: the metrics over TLS, for those with a certificate or a password, over real sockets.

use crate::trial::{Trial, process, setup_error};
use plugin_api::{Block, Lifecycle};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use test_support::ports;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// An endpoint that listens, its files, and who signs for it.
struct Served {
    folder: PathBuf,
    address: SocketAddr,
    block: Block,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Served {
    /// Serves metrics as a web configuration says; `FOLDER/cert.pem` and `key.pem` are there.
    async fn start(config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ferrodns-web-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let authority = authority();
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free().unwrap()));
        let text = format!("prometheus {address} {{\n tls {}\n}}", folder.join("web.yml").display());
        let served = Self { folder, address, block: Trial::new(&text).block, authority };
        served.write("localhost", config);
        for (_, part) in &served.block.managed {
            let part: &Arc<dyn Lifecycle> = part;
            part.start().await.unwrap();
        }
        served
    }

    /// Writes the configuration, and a certificate for a name.
    fn write(&self, name: &str, config: &str) {
        let (certificate, key) = self.identity(name);
        let ca = self.authority.as_ref().pem();
        for (file, text) in [("cert.pem", &*certificate), ("key.pem", &*key), ("ca.pem", &*ca), ("web.yml", config)] {
            std::fs::write(self.folder.join(file), text).unwrap();
        }
    }

    /// A certificate and its key.
    fn identity(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    /// Asks for the metrics over TLS, with a certificate or without; the answer, or the error.
    async fn ask(
        &self,
        name: &'static str,
        identity: Option<(String, String)>,
        header: &str,
    ) -> Result<String, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.as_ref().der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        let stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await;
        get(stream.map_err(|error| error.to_string())?, header).await
    }

    /// Asks without TLS.
    async fn ask_plainly(&self, header: &str) -> Result<String, String> {
        get(TcpStream::connect(self.address).await.map_err(|error| error.to_string())?, header).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Somebody who signs.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Sends one request and reads all that comes.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, header: &str) -> Result<String, String> {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(answer).unwrap())
}

/// The password as a header.
fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}

#[tokio::test]
async fn metrics_come_over_tls_and_the_certificate_may_change() {
    let config = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    let served = Served::start(config).await;
    let answer = served.ask("localhost", None, "").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("coredns_build_info{"), "{answer}");
    assert!(answer.contains("X-Frame-Options: deny\r\n"), "{answer}");
    assert!(!served.ask_plainly("").await.unwrap_or_default().contains("HTTP/"), "who speaks plain HTTP gets nothing");
    served.write("other.test", config);
    assert!(served.ask("other.test", None, "").await.is_ok());
    assert!(served.ask("localhost", None, "").await.is_err(), "the old certificate is gone");
    // While the file is broken nobody is served, not even without what it asked for.
    served.write("localhost", "tls_server_config: {cert_file: cert.pem}\n");
    assert!(served.ask("localhost", None, "").await.is_err());
    assert_eq!(served.ask_plainly("").await.unwrap_or_default(), "");
}

#[tokio::test]
async fn clients_show_certificates_if_they_are_asked_to() {
    let config = |policy: &str| {
        format!(
            "tls_server_config: {{cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, client_auth_type: {policy}}}\n"
        )
    };
    let served = Served::start(&config("RequireAndVerifyClientCert")).await;
    let stranger = Served::start("{}\n").await.identity("stranger.test");
    let known = served.identity("client.test");
    for (policy, results) in [
        ("RequireAndVerifyClientCert", [false, true, false]),
        ("VerifyClientCertIfGiven", [true, true, false]),
        ("RequireAnyClientCert", [false, true, true]),
        ("RequestClientCert", [true, true, true]),
    ] {
        std::fs::write(served.folder.join("web.yml"), config(policy)).unwrap();
        for (identity, is_served) in [None, Some(known.clone()), Some(stranger.clone())].into_iter().zip(results) {
            let shows = identity.is_some();
            let answer = served.ask("localhost", identity, "").await;
            assert_eq!(answer.is_ok_and(|text| text.contains(" 200 OK")), is_served, "{policy}, shows {shows}");
        }
    }
}

#[tokio::test]
async fn passwords_are_asked_for_with_tls_and_without() {
    let hash = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap().to_string();
    assert_eq!(hash.len(), 60);
    let users = format!("basic_auth_users:\n  scraper: {hash}\n");
    let served = Served::start(&users).await;
    for (header, status) in [
        (String::new(), 401),
        (basic("scraper", "secret"), 200),
        (basic("scraper", "secret"), 200),
        (basic("scraper", "wrong"), 401),
        (basic("nobody", "secret"), 401),
        ("Authorization: Bearer abc\r\n".to_owned(), 401),
    ] {
        let answer = served.ask_plainly(&header).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header}: {answer}");
        assert_eq!(answer.contains("Www-Authenticate: Basic\r\n"), status == 401, "{answer}");
        assert_eq!(answer.contains("coredns_build_info"), status == 200, "{answer}");
    }
    served.write("localhost", &format!("tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\n{users}"));
    assert!(served.ask("localhost", None, "").await.unwrap().starts_with("HTTP/1.1 401 "));
    assert!(served.ask("localhost", None, &basic("scraper", "secret")).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn requests_are_limited() {
    let served = Served::start("rate_limit: {interval: 1h, burst: 2}\n").await;
    for status in [200, 200, 429] {
        let answer = served.ask_plainly("").await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    use crate::endpoint::Guard;
    let folder = std::env::temp_dir().join(format!("ferrodns-web-{}-words", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("web.yml");
    let guard = Guard::new(path.clone(), process().clock);
    let show = path.display();
    assert_eq!(guard.check().unwrap_err(), format!("TLS config file does not exist: {show}"));
    let missing = folder.join("no.pem");
    let missing = format!("failed to read cert_file ({0}): open {0}: no such file or directory", missing.display());
    for (config, expected) in [
        ("tls_server_config: {cert_file: no.pem}", "missing one of key or key_file"),
        ("tls_server_config: {key_file: no.pem}", "missing one of cert or cert_file"),
        ("tls_server_config: {cert_file: no.pem, key_file: no.pem}", &*missing),
        ("tls_server_config: {cert_file: /dev/zero, key_file: /dev/zero}", "open /dev/zero: not a regular file"),
        ("tls_server_config: {cert: x, key: y}", "failed to load X509KeyPair: tls: failed to find any PEM data"),
        ("tls_server_config: {cert: x, key: y, client_allowed_sans: [a]}", "client_allowed_sans is not supported"),
        ("http_server_config: {headers: {X-Bogus: a}}", "HTTP header \"X-Bogus\" can not be configured"),
        ("http_server_config: {headers: {X-Frame-Options: a}}", "invalid value for X-Frame-Options."),
        ("rate_limit: {interval: soon}", "rate_limit: time: invalid duration"),
        ("basic_auth_users: {a: plain}", "a password is no bcrypt hash"),
        ("bogus: 1", "unknown field `bogus`"),
    ] {
        std::fs::write(&path, config).unwrap();
        let error = guard.check().unwrap_err();
        assert!(error.starts_with("Failed to start HTTPS metrics server: ") && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    std::fs::write(&path, "").unwrap();
    assert_eq!(guard.check(), Ok(()));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_file_is_named_once() {
    let error = setup_error("prometheus {\n tls a\n tls b\n}");
    assert_eq!(
        error.as_deref(),
        Some("plugin/prometheus: Corefile:4 - Error during parsing: tls block already specified")
    );
    let error = setup_error("prometheus {\n tls\n}");
    let expected = "plugin/prometheus: Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'tls'";
    assert_eq!(error.as_deref(), Some(expected));
}
