//! The name servers of the distribution: found, configured in a folder of their own, started, and stopped at the end.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use test_support::subject::Subject;
use test_support::{Client, ports};

use super::text;
use crate::process::LIMIT;

/// What can hold a zone.
pub(super) const AUTHORITIES: &[&str] = &["nsd", "knotd"];

/// What can resolve it.
pub(super) const RESOLVERS: &[&str] = &["unbound", "named", "dnsmasq"];

/// A name server; stopped when dropped.
pub(super) struct Running {
    /// The program's name.
    pub(super) name: String,
    /// Where it answers over UDP and TCP.
    pub(super) address: SocketAddr,
    /// Where it answers over TLS.
    tls: Option<SocketAddr>,
    subject: Subject,
}

impl Running {
    /// Its address for `forward`, if it speaks this.
    pub(super) fn target(&self, scheme: &str) -> Option<String> {
        let address = if scheme == "tls" { self.tls? } else { self.address };
        Some(format!("{scheme}://{address}"))
    }
}

impl Drop for Running {
    /// Gently first: what it has forked goes with it.
    fn drop(&mut self) {
        drop(self.subject.stop());
    }
}

/// Where a program is.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A certificate for `dns.test`.
pub(super) struct Identity {
    authority: String,
    certificate: String,
    key: String,
}

/// Makes one.
pub(super) fn identity() -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["dns.test".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    Identity { authority, certificate, key: key.serialize_pem() }
}

impl Identity {
    /// The authority's certificate as a file.
    pub(super) fn authority(&self, folder: &Path) -> String {
        put(folder, "authority.pem", &self.authority)
    }
}

/// Writes a file; its path.
fn put(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    text(&path)
}

/// The zone.
fn zone() -> String {
    let mut zone = "$ORIGIN lab.example.\n$TTL 300\n@ SOA ns hostmaster 1 7200 900 86400 60\n@ NS ns\nns A 127.0.0.1\n\
        www A 192.0.2.1\nwww A 192.0.2.2\nwww AAAA 2001:db8::1\n*.wild A 192.0.2.3\nc1 CNAME c2\nc2 CNAME c3\nc3 CNAME www\n\
        dangling CNAME gone\n"
        .to_owned();
    for length in [600, 1400, 4000] {
        let texts: Vec<_> = (0..length / 100).map(|at| format!("\"{at:02}{}\"", "t".repeat(97))).collect();
        zone += &format!("t{length} TXT {}\n", texts.join(" "));
    }
    zone
}

/// A free address.
fn address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, ports::free().unwrap()).into()
}

/// Starts a program and waits until it knows the zone.
fn start(name: &str, arguments: &[&str], (address, tls): (SocketAddr, Option<SocketAddr>), folder: &Path) -> Running {
    let (log, errors) = (folder.join(format!("{name}.log")), folder.join(format!("{name}.errors")));
    let mut command = Command::new(find(name).unwrap());
    let subject = Subject::start_apart(command.args(arguments).current_dir(folder), &log, &errors).unwrap();
    let mut running = Running { name: name.to_owned(), address, tls, subject };
    let (mut client, end) = (Client::udp(address), Instant::now() + LIMIT);
    while client.ask("www.lab.example A wait=0.2").unwrap().answer.is_empty() {
        let ended = running.subject.ended().unwrap();
        let said = || format!("{}\n{}", running.subject.output(), running.subject.errors());
        assert!(ended.is_none() && Instant::now() < end, "{name}: {ended:?}\n{}", said());
        sleep(Duration::from_millis(20));
    }
    running
}

/// Starts what holds the zone; Knot signs it.
pub(super) fn start_authority(name: &str, folder: &Path) -> Running {
    let (address, path) = (address(), text(folder));
    let port = address.port();
    put(folder, "lab.zone", &zone());
    if name == "nsd" {
        let conf = format!(
            "server:\n ip-address: 127.0.0.1\n port: {port}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{path}\"\n \
             pidfile: \"{path}/nsd.pid\"\n zonelistfile: \"{path}/zone.list\"\n xfrdfile: \"{path}/xfrd.state\"\n \
             xfrdir: \"{path}\"\n server-count: 1\nremote-control:\n control-enable: no\n\
             zone:\n name: lab.example\n zonefile: lab.zone\n"
        );
        return start(name, &["-d", "-c", &put(folder, "nsd.conf", &conf)], (address, None), folder);
    }
    let conf = format!(
        "server:\n  rundir: {path}\n  listen: 127.0.0.1@{port}\nlog:\n  - target: stderr\n    any: warning\n\
         database:\n  storage: {path}\ntemplate:\n  - id: default\n    storage: {path}\n    dnssec-signing: on\n    \
         zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    journal-content: all\n\
         zone:\n  - domain: lab.example\n    file: lab.zone\n"
    );
    start(name, &["-c", &put(folder, "knot.conf", &conf)], (address, None), folder)
}

/// Starts a resolver before what holds the zone; unbound speaks TLS too.
pub(super) fn start_resolver(name: &str, authority: &Running, identity: &Identity, folder: &Path) -> Running {
    let (address, path, from) = (address(), text(folder), authority.address.port());
    let port = address.port();
    match name {
        "unbound" => {
            let tls = self::address();
            let (tls_port, key) = (tls.port(), put(folder, "key.pem", &identity.key));
            let certificate = put(folder, "certificate.pem", &identity.certificate);
            let conf = format!(
                "server:\n interface: 127.0.0.1@{port}\n interface: 127.0.0.1@{tls_port}\n tls-port: {tls_port}\n \
                 tls-service-key: \"{key}\"\n tls-service-pem: \"{certificate}\"\n directory: \"{path}\"\n chroot: \"\"\n \
                 username: \"\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n do-ip6: no\n num-threads: 1\n \
                 do-not-query-localhost: no\n module-config: \"iterator\"\n access-control: 127.0.0.0/8 allow\n\
                 remote-control:\n control-enable: no\nstub-zone:\n name: lab.example\n stub-addr: 127.0.0.1@{from}\n"
            );
            start(name, &["-d", "-c", &put(folder, "unbound.conf", &conf)], (address, Some(tls)), folder)
        }
        "named" => {
            let conf = format!(
                "options {{ directory \"{path}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n \
                 recursion yes; dnssec-validation no; pid-file none; session-keyfile none; empty-zones-enable no; }};\n\
                 controls {{ }};\nzone \"lab.example\" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {from}; }}; }};\n"
            );
            start(name, &["-g", "-c", &put(folder, "named.conf", &conf)], (address, None), folder)
        }
        _ => {
            let conf = format!(
                "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\npid-file=\n\
                 server=/lab.example/127.0.0.1#{from}\n"
            );
            let file = put(folder, "dnsmasq.conf", &conf);
            start(name, &["-k", "-C", &file], (address, None), folder)
        }
    }
}
