//! Connections: HTTP versions, TLS, who may come in, what is recorded, how it ends.

use http::Request;
use http_body_util::Full;
use kubesim::KubeSim;
use tokio::net::TcpStream;

use crate::client::{SERVICES, get, letters, send_http2, watch, whole};

#[tokio::test]
async fn http2_is_spoken_to_those_who_begin_with_it() {
    let sim = letters(KubeSim::builder(), 2).await;
    let stream = TcpStream::connect(sim.address()).await.unwrap();
    let request = Request::get(format!("{}{SERVICES}", sim.url())).body(Full::default()).unwrap();
    assert_eq!(whole(send_http2(stream, request).await).await.names(), ["a", "b"]);
    assert!(sim.requests()[0].is_http2);
}

#[tokio::test]
async fn requests_are_recorded() {
    let sim = letters(KubeSim::builder(), 1).await;
    let before = std::time::Instant::now();
    get(&sim, &format!("{SERVICES}?limit=5&labelSelector=a%3Db")).await;
    let events = watch(&sim, &format!("{SERVICES}?watch=true")).await;
    sim.wait_for_requests(|requests| requests.len() == 2).await;
    let requests = sim.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("GET", SERVICES));
    assert_eq!(requests[0].param("labelSelector"), "a=b");
    assert_eq!(requests[0].resource.unwrap().plural, "services");
    assert!(before <= requests[0].time && requests[0].time <= requests[1].time);
    assert_eq!((requests[0].is_watch(), requests[1].is_watch(), requests[1].number), (false, true, 1));
    drop(events);
}

#[tokio::test]
async fn shutdown_ends_streams_and_frees_the_port() {
    let sim = letters(KubeSim::builder(), 1).await;
    let address = sim.address();
    let events = watch(&sim, &format!("{SERVICES}?watch=true")).await;
    sim.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
    KubeSim::builder().listen(address).start().await.unwrap();
    drop(events);
}
