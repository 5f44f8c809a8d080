//! Tests of the way to the API server: proxies, redirects, compressed responses, credential plugins, and what is said when there is no
//! way. Servers here speak as little HTTP as a case needs.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::super::access::{Surroundings, Tls};
use super::super::connect::{Client, Connector, Maker};
use super::super::failure::Failure;
use super::*;
use std::path::{Path, PathBuf};

/// A folder that is gone at the end of a test.
struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder.
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ferrodns-ways-{}-{at}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and returns its path; one that begins with `#!` can be run.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Writes a kubeconfig; cluster and user are the inner parts of flow maps.
    fn kubeconfig(&self, cluster: &str, user: &str) -> Access {
        let text = format!(
            "{{current-context: x, clusters: [{{name: c, cluster: {{{cluster}}}}}], contexts: [{{name: x, context: {{cluster: c, user: u}}}}], \
             users: [{{name: u, user: {{{user}}}}}]}}"
        );
        Access::Kubeconfig { file: self.write("config", &text), context: None }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A server that keeps the heads that it was sent, and does with each connection what it is told.
struct Peer {
    /// `127.0.0.1:PORT`.
    address: String,
    /// The heads of all requests.
    heads: Arc<Mutex<Vec<String>>>,
    /// Its task.
    _tasks: JoinSet<()>,
}

impl Peer {
    /// Starts a server; `serve` gets a connection and the head of its first request.
    async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, String) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, mut tasks) = (Arc::clone(&heads), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (serve, seen) = (serve.clone(), Arc::clone(&seen));
                connections.spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
                    let head = String::from_utf8_lossy(&head).into_owned();
                    seen.lock().unwrap().push(head.clone());
                    serve(stream, head).await;
                });
            }
        });
        Self { address, heads, _tasks: tasks }
    }

    /// Starts a server that answers everything with the same octets.
    async fn saying(octets: impl Into<Vec<u8>>) -> Self {
        let octets: Arc<[u8]> = octets.into().into();
        Self::start(move |mut stream, _| {
            let octets = Arc::clone(&octets);
            async move {
                stream.write_all(&octets).await.unwrap_or_default();
                stream.shutdown().await.unwrap_or_default();
                // Closed in order: what the client still sends must not become a reset.
                stream.read_to_end(&mut Vec::new()).await.unwrap_or_default();
            }
        })
        .await
    }

    /// Starts a proxy of HTTP.
    async fn proxy() -> Self {
        Self::start(|mut stream, head| async move {
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let is_connect = head.starts_with("CONNECT ");
            let address = target.trim_start_matches("http://").split('/').next().unwrap().to_owned();
            let mut server = TcpStream::connect(address).await.unwrap();
            if is_connect {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            } else {
                server.write_all(head.as_bytes()).await.unwrap();
            }
            copy_bidirectional(&mut stream, &mut server).await.map(drop).unwrap_or_default();
        })
        .await
    }

    /// Returns the heads of all requests.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Returns a client.
fn client(access: Access) -> Client {
    Connector::new(&Maker::Access(access)).client().unwrap()
}

/// Gets services; returns the body, or why there is none.
async fn got(access: Access) -> Result<Vec<u8>, Failure> {
    let connector = Connector::new(&Maker::Access(access));
    let response = connector.client()?.get("/api/v1/services?limit=1", "application/json", PATIENCE).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| Failure::Cut(error.to_string()))?.to_bytes();
    if head.status.is_success() {
        Ok(body.to_vec())
    } else {
        Err(Failure::of_response(head.status, &head.headers, &body))
    }
}

/// Returns an endpoint without TLS.
fn plain(address: &str) -> Access {
    Access::Endpoint { url: format!("http://{address}"), tls: None }
}

#[tokio::test]
async fn every_proxy_leads_to_the_server() {
    for (is_tls, scheme) in [(false, "http"), (true, "http"), (false, "socks5"), (true, "socks5")] {
        let sim = sim_of(KubeSim::builder().tls(is_tls).token("t"), &["a"]).await;
        if !is_tls {
            sim.set_token(None);
        }
        let proxy = if scheme == "http" { Peer::proxy().await } else { socks().await };
        let folder = Folder::new();
        let ca = folder.write("ca", &sim.ca().unwrap_or_default());
        let ca = if is_tls { format!(", certificate-authority: {}", ca.display()) } else { String::new() };
        let cluster = format!("server: '{}', proxy-url: '{scheme}://u:p%40@{}'{ca}", sim.url(), proxy.address);
        let access = folder.kubeconfig(&cluster, "token: t");
        let mut run = Run::with(access, Wanted { kinds: vec![Kind::Service], ..Wanted::default() }, quick()).await;
        run.until_services(&["a"]).await;
        let heads = proxy.heads();
        let (first, address) = (heads.first().unwrap(), sim.url().split("//").nth(1).unwrap().to_owned());
        match (scheme, is_tls) {
            ("http", true) => assert!(first.starts_with(&format!("CONNECT {address} HTTP/1.1\r\n")), "{first}"),
            ("http", false) => assert!(first.starts_with(&format!("GET http://{address}/api/v1/services?")), "{first}"),
            _ => assert_eq!(first, &address),
        }
        if scheme == "http" {
            assert!(first.to_lowercase().contains("proxy-authorization: basic dtpwqa=="), "{first}");
            assert!(
                !first.to_lowercase().contains("\r\nauthorization"),
                "a token is no business of the proxy: {first}"
            );
        }
        run.running.stop().await;
        sim.shutdown().await;
    }
}

/// Starts a proxy of SOCKS 5 that wants the name `u` and the password `p@`; it notes where it is asked to connect to.
async fn socks() -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, mut tasks) = (Arc::clone(&heads), JoinSet::new());
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let seen = Arc::clone(&seen);
            connections.spawn(async move {
                let mut methods = [0; 2];
                stream.read_exact(&mut methods).await.unwrap();
                stream.read_exact(&mut vec![0; methods[1].into()]).await.unwrap();
                stream.write_all(&[5, 2]).await.unwrap();
                let mut user = [0; 6];
                stream.read_exact(&mut user).await.unwrap();
                assert_eq!(&user, b"\x01\x01u\x02p@");
                stream.write_all(&[1, 0]).await.unwrap();
                let mut request = [0; 10];
                stream.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 1]);
                let [.., a, b, c, d, high, low] = request;
                let target = format!("{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([high, low]));
                seen.lock().unwrap().push(target.clone());
                let mut server = TcpStream::connect(target).await.unwrap();
                stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                copy_bidirectional(&mut stream, &mut server).await.map(drop).unwrap_or_default();
            });
        }
    });
    Peer { address, heads, _tasks: tasks }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_alone() {
    let sim = sim(&["a"]).await;
    let url = sim.url();
    let redirecting = Peer::start(move |mut stream, head| {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {url}{path}\r\nContent-Length: 0\r\n\r\n");
        async move { stream.write_all(answer.as_bytes()).await.unwrap() }
    })
    .await;
    let mut run = Run::start(&format!("http://{}", redirecting.address), &[Kind::Service]).await;
    run.until_services(&["a"]).await;
    run.running.stop().await;
    sim.shutdown().await;

    let other = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let port = other.address.rsplit(':').next().unwrap();
    let location = format!("http://localhost:{port}/x");
    let redirecting = Peer::saying(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n")).await;
    let failure = got(plain(&redirecting.address)).await.unwrap_err();
    let text = format!(
        "the server redirects to \"{location}\", which is not followed: it is another host, which must not get the \
        client's credentials; is that the address of the server?"
    );
    assert_eq!(failure, Failure::Refused(text));
    assert_eq!(other.heads(), Vec::<String>::new());

    let turning = Peer::saying("HTTP/1.1 301 Moved Permanently\r\nLocation: /again\r\n\r\n").await;
    let failure = got(plain(&turning.address)).await.unwrap_err().to_string();
    assert_eq!(failure, format!("stopped after 10 redirects, the last to http://{}/again", turning.address));
    assert_eq!(turning.heads().len(), 11);
}

#[tokio::test]
async fn a_token_never_travels_in_plain_http() {
    let server = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let folder = Folder::new();
    folder.write("token", "secret");
    for user in [
        "token: secret",
        "tokenFile: token",
        "username: u, password: secret",
        "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./gone}",
    ] {
        for address in [format!("http://{}", server.address), server.address.clone()] {
            assert_eq!(got(folder.kubeconfig(&format!("server: '{address}'"), user)).await.unwrap(), b"{}", "{user}");
        }
    }
    let heads = server.heads();
    assert_eq!(heads.len(), 8);
    assert!(heads.iter().all(|head| !head.to_lowercase().contains("authorization")), "{heads:#?}");
}

#[tokio::test]
async fn compressed_responses_are_read_as_they_arrive() {
    let text = "{\"items\": []}".repeat(10_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len());
    let whole = Peer::saying([head.as_bytes(), &gzip].concat()).await;
    assert_eq!(got(plain(&whole.address)).await.unwrap(), text.as_bytes());
    let cut = Peer::saying([head.as_bytes(), &gzip[..gzip.len() / 2]].concat()).await;
    assert!(matches!(got(plain(&cut.address)).await, Err(Failure::Cut(_))));
    let short = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len() / 2);
    let short = Peer::saying([short.as_bytes(), &gzip[..gzip.len() / 2]].concat()).await;
    assert!(matches!(got(plain(&short.address)).await, Err(Failure::Cut(_))));
    let other = Peer::saying("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}").await;
    let failure = got(plain(&other.address)).await.unwrap_err().to_string();
    assert_eq!(failure, "the response is compressed by \"br\", which the client has not asked for");
}

#[tokio::test]
async fn an_event_of_a_compressed_watch_does_not_wait_for_the_next() {
    let server = Peer::start(|mut stream, _| async move {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"one\": 1}\n").unwrap();
        gzip.flush().unwrap();
        let octets = std::mem::take(gzip.get_mut());
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n").await.unwrap();
        stream.write_all(&octets).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client = client(plain(&server.address));
    let response = client.get("/", "application/json", PATIENCE).await.unwrap();
    let frame = timeout(PATIENCE, response.into_body().frame()).await.unwrap();
    assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), &b"{\"one\": 1}\n"[..]);
}

#[tokio::test]
async fn the_reason_is_named_whatever_is_wrong() {
    let said = async |access: Access| got(access).await.unwrap_err().to_string();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(said(plain(&free.to_string())).await, format!("dial tcp {free}: connection refused"));
    // Too long for a name: no resolver need be asked.
    let name = "x".repeat(64);
    let text = said(plain(&format!("{name}:1"))).await;
    assert!(text.starts_with(&format!("dial tcp: lookup {name}: ")), "{text}");
    let hello = Peer::saying("220 mail ready\r\n").await;
    let text = said(plain(&hello.address)).await;
    assert!(text.starts_with("what answers there does not speak HTTP: "), "{text}");
    let page =
        Peer::saying("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>\n<h1>made up</h1>").await;
    let text = said(plain(&page.address)).await;
    assert_eq!(text, "the server answers 502 Bad Gateway with the page \"<html> <h1>made up</h1>\"");
    let refusing = Peer::saying("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let folder = Folder::new();
    let access = folder.kubeconfig(&format!("server: 'https://h:1', proxy-url: 'http://{}'", refusing.address), "");
    let text = said(access).await;
    let expected = format!("proxy {}: it answers 407 Proxy Authentication Required to CONNECT h:1", refusing.address);
    assert_eq!(text, expected);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap_or_default();
    });
    let tls = Access::Endpoint { url, tls: Some(Tls::default()) };
    assert_eq!(said(tls).await, "http: server gave HTTP response to HTTPS client");
    let bad = folder.kubeconfig("server: 'https://h:1'", "token: \"a\\nb\"");
    let text = said(bad).await;
    assert!(text.contains("invalid header field value for \"Authorization\"") && !text.contains("a\nb"), "{text}");
    for (server, why) in [
        ("https://h:99999", "address h:99999: invalid port"),
        ("ftp://h:1", "unsupported protocol scheme \"ftp\""),
        ("https://::1", "no host in the address"),
    ] {
        let text = said(folder.kubeconfig(&format!("server: '{server}'"), "token: t")).await;
        assert!(text.starts_with(why), "{server}: {text}");
    }
}

#[tokio::test]
async fn a_page_is_no_list() {
    let page =
        Peer::saying("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 19\r\n\r\n<html>log in</html>")
            .await;
    let mut run = Run::start(&format!("http://{}", page.address), &[Kind::Service]).await;
    let why = "what answers is no Kubernetes API, it sends the page \"<html>log in</html>\"";
    let trouble = async {
        while run.status.of(Kind::Service).trouble().as_deref() != Some(why) {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, trouble).await.is_ok(), "{:?}", run.status.of(Kind::Service).trouble());
    run.running.stop().await;
    run.changes.close();
}

/// Returns a script that counts its runs in a file and prints a token from the run with this number on.
fn script(from: usize) -> String {
    format!(
        "#!/bin/sh\necho run >> $(dirname $0)/runs\n[ $(wc -l < $(dirname $0)/runs) -lt {from} ] && {{ echo no network >&2; exit 1; }}\n\
         echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"t \"}}}}'\n"
    )
}

#[tokio::test]
async fn a_plugin_that_fails_at_the_start_is_run_again_and_said() {
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let sim = sim_of(KubeSim::builder().tls(true).token("t"), &["a"]).await;
    let folder = Folder::new();
    let (ca, login) = (folder.write("ca", &sim.ca().unwrap()), folder.write("login.sh", &script(2)));
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./login.sh}";
    let access = folder.kubeconfig(&format!("server: '{}', certificate-authority: {}", sim.url(), ca.display()), exec);
    let kinds = vec![Kind::Service, Kind::Namespace, Kind::EndpointSlice];
    let mut run = Run::with(access, Wanted { kinds, ..Wanted::default() }, quick()).await;
    run.until_services(&["a"]).await;
    let runs = std::fs::read_to_string(folder.0.join("runs")).unwrap();
    assert_eq!(runs.lines().count(), 2, "once for all kinds, and once more after a second");
    let told =
        format!("getting credentials: exec: executable {} failed with exit code 1 (no network)", login.display());
    let lines = logged.take();
    assert!(lines.iter().any(|line| line.starts_with("[ERROR]") && line.contains(&told)), "{lines:#?}");
    // Refused, it is run again.
    sim.set_token(Some("u"));
    sim.cut_connections();
    folder.write("login.sh", &script(2).replace("\"t \"", "\"u\""));
    sim.put(service("b"));
    run.until_services(&["a", "b"]).await;
    run.running.stop().await;
    sim.shutdown().await;
}

#[tokio::test]
async fn files_that_are_missing_at_the_start_are_waited_for() {
    let sim = sim_of(KubeSim::builder().tls(true).token("t"), &["a"]).await;
    let folder = Folder::new();
    let file = folder.0.join("config");
    let connector = Connector::new(&Maker::Access(Access::Kubeconfig { file: file.clone(), context: None }));
    let why = format!("stat {}: no such file or directory", file.display());
    assert_eq!(connector.client().unwrap_err(), Failure::Settings(why));
    std::fs::write(&file, sim.kubeconfig()).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    connector.renew();
    let response = connector.client().unwrap().get("/api/v1/services", "application/json", PATIENCE).await.unwrap();
    assert!(response.status().is_success());
    assert_eq!(connector.place(), format!("{}/", sim.url()));
    // And what is missing later does not take the client away.
    std::fs::remove_file(&file).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    connector.renew();
    assert!(connector.client().is_ok());
    sim.shutdown().await;
}

#[tokio::test]
async fn the_token_of_a_file_is_renewed_and_outlives_the_file() {
    let folder = Folder::new();
    let token = folder.write("token", "one\n");
    let access = folder.kubeconfig("server: 'https://h:1'", "token: old, tokenFile: token");
    let none = |_: &str| None;
    let settings = access.settings_in(Surroundings { variable: &none, account: Path::new("/nowhere") }).unwrap();
    let credentials = super::super::credentials::Credentials::new(&settings.auth);
    tokio::time::pause();
    let header = async || credentials.carried().await.unwrap().authorization.unwrap();
    assert_eq!(header().await, "Bearer one");
    std::fs::write(&token, "two").unwrap();
    assert_eq!(header().await, "Bearer one", "read at most once in 50 s");
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(header().await, "Bearer two");
    std::fs::write(&token, "three").unwrap();
    credentials.refuse(&credentials.carried().await.unwrap());
    assert_eq!(header().await, "Bearer three", "what is refused is read again at once");
    std::fs::write(&token, "").unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(header().await, "Bearer three");
}
