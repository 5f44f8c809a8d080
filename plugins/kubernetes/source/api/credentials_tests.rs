//! Tests of what we show and trust, and where: tokens, certificates and addresses that change, and connections that are dead.

use super::*;
use crate::kubernetes::source::api::Tls;
use kubesim::Connections;
use std::path::PathBuf;

/// A file that is gone at the end of a test.
struct File(PathBuf);

impl File {
    /// Writes a file of its own.
    fn new(name: &str, text: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ferrodns-api-{}-{at}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test]
async fn a_token_that_changes_is_read_again() {
    let sim = sim_of(KubeSim::builder().tls(true).token("one"), &["a"]).await;
    let file = File::new("kubeconfig", &sim.kubeconfig());
    let access = Access::Kubeconfig { file: file.0.clone(), context: None };
    let wanted = Wanted { kinds: vec![Kind::Service], ..Wanted::default() };
    let mut run = Run::with(access, wanted, quick()).await;
    run.until_services(&["a"]).await;
    sim.set_token(Some("two"));
    sim.put(service("b"));
    std::fs::write(&file.0, sim.kubeconfig()).unwrap();
    run.until_services(&["a", "b"]).await;
    sim.wait_for_requests(|requests| requests.len() >= 3).await;
    sim.put(service("c"));
    run.until_services(&["a", "b", "c"]).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a15_a_token_that_is_refused_is_told_of_until_its_file_changes() {
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let sim = sim_of(KubeSim::builder().tls(true).token("one"), &["a"]).await;
    let file = File::new("kubeconfig", &sim.kubeconfig());
    let access = Access::Kubeconfig { file: file.0.clone(), context: None };
    let mut run = Run::with(access, Wanted { kinds: vec![Kind::Service], ..Wanted::default() }, quick()).await;
    run.until_services(&["a"]).await;
    sim.set_token(Some("two"));
    sim.cut_connections();
    sim.wait_for_requests(|requests| requests.len() >= 2).await;
    sim.put(service("b"));
    run.during(Duration::from_millis(5700)).await;
    let asked = count(&sim, |_| true);
    assert!((4..=80).contains(&asked), "{asked} requests in 5.7 s");
    let lines = logged.take();
    let told: Vec<&String> = lines.iter().filter(|line| line.starts_with("[ERROR]")).collect();
    let line = "[ERROR] plugin/kubernetes: Failed to watch: failed to list *v1.Service: Unauthorized (the token or certificate is \
        not valid: is the service account still there, and its token mounted?)";
    assert_eq!(told, [line]);
    assert_eq!(run.model.names(Kind::Service), ["a"], "what was known stays");
    std::fs::write(&file.0, sim.kubeconfig()).unwrap();
    run.until_services(&["a", "b"]).await;
    assert!(run.status.of(Kind::Service).counters.failures.of("unauthorized") >= 3);
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a16_certificates_may_change_and_then_the_authority_and_then_its_file() {
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let sim = sim_of(KubeSim::builder().tls(true), &["a"]).await;
    let ca = File::new("ca", &sim.ca().unwrap());
    let tls = Tls { ca: ca.0.clone(), ..Tls::default() };
    let access = Access::Endpoint { url: sim.url(), tls: Some(tls) };
    let mut run = Run::with(access, Wanted { kinds: vec![Kind::Service], ..Wanted::default() }, quick()).await;
    run.until_services(&["a"]).await;
    // The same authority: nothing to be seen.
    sim.swap_certificate().unwrap();
    sim.cut_connections();
    put(&sim, &["b"]);
    run.until_services(&["a", "b"]).await;
    assert_eq!(run.status.of(Kind::Service).counters.failures.of("tls"), 0);
    // Another authority that is in the file already.
    let old = sim.ca().unwrap();
    sim.swap_ca().unwrap();
    std::fs::write(&ca.0, format!("{old}{}", sim.ca().unwrap())).unwrap();
    sim.cut_connections();
    put(&sim, &["c"]);
    run.until_services(&["a", "b", "c"]).await;
    // And one that is not, for a while.
    sim.swap_ca().unwrap();
    sim.cut_connections();
    run.during(Duration::from_millis(100)).await;
    put(&sim, &["d"]);
    run.during(Duration::from_millis(1500)).await;
    assert_eq!(run.model.names(Kind::Service), ["a", "b", "c"], "what was known stays");
    std::fs::write(&ca.0, sim.ca().unwrap()).unwrap();
    let written = Instant::now();
    run.until_services(&["a", "b", "c", "d"]).await;
    assert!(written.elapsed() < Duration::from_secs(5), "{:?}", written.elapsed());
    let lines = logged.take();
    let told: Vec<&String> = lines.iter().filter(|line| line.starts_with("[ERROR] plugin/kubernetes: ")).collect();
    let advice = "(is the CA certificate that we are given the one that signs the API server's?)";
    assert!(told.iter().all(|line| line.ends_with(advice)), "{told:#?}");
    assert!(!told.is_empty() && run.status.of(Kind::Service).counters.failures.of("tls") >= 2, "{told:?}");
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a6_connections_that_are_dead_are_not_asked_again() {
    let sim = sim(&["a"]).await;
    let mut run = Run::start(&sim.url(), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    // What is open is dead from now on, whoever asks on it; new connections are served.
    let last = sim.requests().len();
    sim.set_hook(Meddle(
        move |request: &Recorded| if request.number == last { Verdict::Hang } else { Verdict::Answer },
        |request: &Recorded, line: Bytes| if request.number == 0 { vec![Step::Hang] } else { vec![Step::Send(line)] },
    ));
    put(&sim, &["b"]);
    let start = Instant::now();
    run.until_services(&["a", "b"]).await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(run.status.of(Kind::Service).counters.failures.of("silent") >= 1);
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn a20_a_server_that_moves_is_followed_to_the_address_in_the_file() {
    for (mode, address) in [
        (Connections::Refuse, "127.0.0.1:0"),
        (Connections::Reset, "127.0.0.1:0"),
        (Connections::Hang, "127.0.0.1:0"),
        (Connections::Refuse, "[::1]:0"),
    ] {
        let old = sim(&["a"]).await;
        let file = File::new("kubeconfig", &old.kubeconfig());
        let access = Access::Kubeconfig { file: file.0.clone(), context: None };
        let mut run = Run::with(access, Wanted { kinds: vec![Kind::Service], ..Wanted::default() }, quick()).await;
        run.until_services(&["a"]).await;
        // It goes first; the same objects are at another address, and more; its clients are told later.
        old.set_connections(mode).await;
        old.cut_connections();
        let new = sim_of(KubeSim::builder().listen(address.parse().unwrap()), &["a", "b"]).await;
        run.during(Duration::from_millis(300)).await;
        assert_eq!(run.model.names(Kind::Service), ["a"], "what was known stays");
        std::fs::write(&file.0, new.kubeconfig()).unwrap();
        let written = Instant::now();
        run.until_services(&["a", "b"]).await;
        assert!(written.elapsed() < Duration::from_secs(5), "{mode:?} {address}: {:?}", written.elapsed());
        new.put(service("c"));
        run.until_services(&["a", "b", "c"]).await;
        run.running.stop().await;
        old.shutdown().await;
        new.shutdown().await;
    }
}

#[tokio::test]
async fn certificates_are_taken_from_files() {
    let sim = sim_of(KubeSim::builder().tls(true).client_certificate(true), &["a"]).await;
    let client = sim.client().unwrap();
    let (cert, key) = (File::new("cert", &client.certificate), File::new("key", &client.key));
    let ca = File::new("ca", &sim.ca().unwrap());
    let tls = Tls { cert: cert.0.clone(), key: key.0.clone(), ca: ca.0.clone() };
    let access = Access::Endpoint { url: sim.url(), tls: Some(tls) };
    let mut run = Run::with(access, Wanted { kinds: vec![Kind::Service], ..Wanted::default() }, quick()).await;
    run.until_services(&["a"]).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn certificates_of_the_server_are_judged_as_go_judges_them() {
    use crate::kubernetes::source::api::connect::{Connector, Maker};
    use crate::kubernetes::source::api::failure::Failure;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for server in crate::trust::testing::servers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = tokio_rustls::TlsAcceptor::from(server.config);
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            stream.flush().await.unwrap();
        });
        let ca = File::new("ca", &server.authorities);
        let tls = Tls { ca: ca.0.clone(), ..Tls::default() };
        let connector = Connector::new(&Maker::Access(Access::Endpoint { url, tls: Some(tls) }));
        let answer = connector.client().unwrap().get("/version", "application/json", PATIENCE).await;
        let answer = match answer {
            Ok(response) => {
                let body = response.into_body().collect().await.unwrap().to_bytes();
                String::from_utf8(body.to_vec()).unwrap()
            }
            Err(Failure::Tls(text)) => text,
            Err(other) => format!("{other:?}"),
        };
        let wanted = match server.refusal {
            "" => "{}".to_owned(),
            why => format!("tls: failed to verify certificate: {why}"),
        };
        assert!(answer.starts_with(&wanted), "{}: {answer}", server.what);
        serving.await.unwrap();
    }
}
