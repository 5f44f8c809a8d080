//! A flood of names that need an upstream which never answers: cluster names between them are answered as if nothing was, and memory
//! stays within its bounds. The long form is `cargo bench --bench load -- overload`.

use std::fs;
use std::net::{SocketAddr, UdpSocket};

use crate::process::Scene;
use test_support::{Client, http};

/// Cluster names that are asked for, each behind a wave of the flood.
const ASKED: usize = 300;
/// Names of one wave: all together far more than may wait, and one wave no more than a socket's buffer holds.
const WAVE: u32 = 64;
/// What the waiting queries may take: 16,384 of them at some 1.8 KiB, and half as much again for what the allocator keeps.
const MOST_KIB: u64 = 44 * 1024;

/// A service.
const CLUSTER: &str = "apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
";

/// The program on kubeadm's Corefile, its upstream deaf.
fn corefile(upstream: SocketAddr) -> String {
    format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n errors\n kubernetes cluster.local {{\n  manifests cluster.yaml\n }}\n \
         prometheus 127.0.0.1:{{$SIDE}}\n forward . {upstream}\n cache 30\n loadbalance\n}}\n"
    )
}

/// Resident memory of a process.
fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Names that nobody has asked for before.
struct Flood {
    socket: UdpSocket,
    next: u32,
}

impl Flood {
    /// Asks for some more of them. Their replies are not waited for.
    fn wave(&mut self) {
        let mut query = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x08XXXXXXXX\x07example\0\0\x01\0\x01".to_vec();
        for _ in 0..WAVE {
            query[13..21].copy_from_slice(format!("{:08x}", self.next).as_bytes());
            self.socket.send(&query).unwrap();
            self.next += 1;
        }
    }
}

/// The value of a metric.
fn metric(address: SocketAddr, name: &str) -> u64 {
    let (_, page) = http::get(address, "/metrics").unwrap();
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn cluster_names_do_not_wait_for_a_flood_of_others() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let scene = Scene::new(&corefile(deaf.local_addr().unwrap()));
    fs::write(scene.path("cluster.yaml"), CLUSTER).unwrap();
    let life = scene.start();
    let ask = || Client::udp(life.address).ask("web.shop.svc.cluster.local. A").unwrap();
    assert_eq!(ask().answer, ["web.shop.svc.cluster.local. 5 IN A 10.96.0.7"]);
    let calm = resident_kib(life.subject.id());
    let mut flood = Flood { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), next: 0 };
    flood.socket.connect(life.address).unwrap();
    for number in 0..ASKED {
        flood.wave();
        assert_eq!(ask().answer, ["web.shop.svc.cluster.local. 5 IN A 10.96.0.7"], "behind wave {number}");
    }
    let flooded = resident_kib(life.subject.id());
    assert!(flooded < calm + MOST_KIB, "{calm} KiB before, {flooded} KiB in the flood");
    let bound = metric(life.side, "coredns_ferrodns_limit{what=\"waiting_queries\"}");
    let waiting = metric(life.side, "coredns_ferrodns_in_use{what=\"waiting_queries\"}");
    assert!(bound == 16_384 && waiting <= bound, "{waiting} of {bound}");
    assert!(waiting > 0, "the flood did not reach the upstream");
}
