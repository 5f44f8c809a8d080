//! TLS, and who may come in.

use std::sync::Arc;

use http::Request;
use http_body_util::Full;
use kubesim::KubeSim;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::{Answer, SERVICES, get, request, send_http2, send_over, service, whole};

/// Connects with TLS, offering HTTP/2 if asked to, and showing the client's certificate if asked to.
async fn connect(sim: &KubeSim, is_http2: bool, has_certificate: bool) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sim.ca().unwrap().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = if has_certificate {
        let pair = sim.client().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
        config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
    } else {
        config.with_no_client_auth()
    };
    if is_http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    let stream = TcpStream::connect(sim.address()).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap()
}

/// GET of the services with a token.
async fn get_with(sim: &KubeSim, has_certificate: bool, token: &str) -> Answer {
    let request = request("GET", SERVICES).header("authorization", format!("Bearer {token}"));
    let stream = connect(sim, false, has_certificate).await;
    whole(send_over(stream, request.body(Full::default()).unwrap()).await).await
}

#[tokio::test]
async fn both_http_versions_over_tls() {
    let sim = KubeSim::builder().tls(true).start().await.unwrap();
    sim.put(service("a"));
    assert!(sim.url().starts_with("https://127.0.0.1:"));
    assert_eq!(get_with(&sim, false, "").await.names(), ["a"]);
    let request = Request::get(format!("{}{SERVICES}", sim.url())).body(Full::default()).unwrap();
    let stream = connect(&sim, true, false).await;
    assert_eq!(whole(send_http2(stream, request).await).await.names(), ["a"]);
    assert!(sim.requests()[1].is_http2);
}

#[tokio::test]
async fn tokens_and_certificates_let_in() {
    let sim = KubeSim::builder().tls(true).token("secret").client_certificate(true).start().await.unwrap();
    assert_eq!(get_with(&sim, false, "secret").await.code, 200);
    assert_eq!(get_with(&sim, true, "").await.code, 200);
    let refusal = get_with(&sim, false, "wrong").await;
    assert_eq!((refusal.code.as_u16(), refusal.json()["reason"].as_str().unwrap()), (401, "Unauthorized"));
    sim.set_token(Some("new"));
    assert_eq!(get_with(&sim, false, "secret").await.code, 401);
    assert_eq!(get_with(&sim, false, "new").await.code, 200);
    sim.forbid("services");
    assert_eq!(get_with(&sim, true, "").await.code, 403);

    let sim = KubeSim::builder().token("secret").start().await.unwrap();
    assert_eq!(get(&sim, SERVICES).await.code, 401);
    assert_eq!(get(&sim, "/version").await.code, 401);
}

#[tokio::test]
async fn certificates_and_authorities_are_swapped() {
    let sim = KubeSim::builder().tls(true).start().await.unwrap();
    let chain =
        async |sim: &KubeSim| connect(sim, false, false).await.get_ref().1.peer_certificates().unwrap().to_vec();
    let (first, ca) = (chain(&sim).await, sim.ca());
    sim.swap_certificate().unwrap();
    let second = chain(&sim).await;
    assert!(first != second && ca == sim.ca());
    sim.swap_ca().unwrap();
    assert!(second != chain(&sim).await && ca != sim.ca());
    assert!(KubeSim::start().await.unwrap().swap_ca().is_err());
}

#[tokio::test]
async fn the_kubeconfig_has_all_that_is_needed() {
    let sim = KubeSim::builder().tls(true).token("secret").client_certificate(true).start().await.unwrap();
    let config: serde_json::Value = serde_json::from_str(&sim.kubeconfig()).unwrap();
    assert_eq!(config["clusters"][0]["cluster"]["server"], sim.url());
    assert_eq!(config["users"][0]["user"]["token"], "secret");
    let user = config["users"][0]["user"].as_object().unwrap();
    assert!(user.contains_key("client-certificate-data") && user.contains_key("client-key-data"));
    assert!(config["clusters"][0]["cluster"]["certificate-authority-data"].is_string());
}
