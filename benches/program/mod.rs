//! The program as benches run it: started on a Corefile in a scratch folder, its memory and descriptors read.
//!
//! `FERRODNS_SUBJECT` names another program, a CoreDNS for example; it then gets the names of the cluster from `hosts`.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use test_support::ports;
use test_support::subject::{Subject, other, program};

/// What may go wrong in a bench.
pub(crate) type Failure = Box<dyn Error>;

/// How long a start may take.
const START: Duration = Duration::from_secs(20);

/// A name of the cluster.
pub(crate) const CLUSTER_NAME: &str = "web.shop.svc.cluster.local";

/// A namespace with a service.
const CLUSTER: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Service\n\
    metadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80}]}\n";

/// The program, its addresses, its folder. The program goes first.
pub(crate) struct Program {
    /// The process.
    pub(crate) subject: Subject,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

/// Whether the program under test is another one.
pub(crate) fn is_other() -> bool {
    other().is_some()
}

/// The Corefile of kubeadm with `forward`, its upstream and its properties.
pub(crate) fn corefile(forward: &str, ttl: u32) -> String {
    let cluster = if is_other() {
        format!("hosts {{\n  10.96.0.7 {CLUSTER_NAME}\n  fallthrough\n }}")
    } else {
        "kubernetes cluster.local in-addr.arpa ip6.arpa {\n  pods insecure\n  fallthrough in-addr.arpa ip6.arpa\n  ttl 30\n }"
            .to_owned()
    };
    format!(
        ".:{{$PORT}} {{\n bind 127.0.0.1\n errors\n health 127.0.0.1:{{$SIDE1}}\n ready 127.0.0.1:{{$SIDE2}}\n {cluster}\n \
         prometheus 127.0.0.1:{{$SIDE3}}\n forward . {forward}\n cache {ttl}\n loop\n loadbalance\n}}\n"
    )
}

impl Program {
    /// Starts it and waits until it serves.
    pub(crate) fn start(corefile: &str) -> Result<Self, Failure> {
        let folder = TempDir::new()?;
        fs::write(folder.path().join("Corefile"), corefile)?;
        fs::write(folder.path().join("cluster.yaml"), CLUSTER)?;
        let mut command = Command::new(program(env!("CARGO_BIN_EXE_ferrodns")));
        command.current_dir(folder.path()).args(["-conf", "Corefile"]);
        if !is_other() {
            command.args(["-kubernetes.manifests", "cluster.yaml"]);
        }
        let port = ports::free()?;
        command.env("PORT", port.to_string());
        for name in ["SIDE1", "SIDE2", "SIDE3"] {
            command.env(name, ports::free()?.to_string());
        }
        let mut subject = Subject::start(&mut command, &folder.path().join("log"))?;
        if let Some(status) = subject.wait_until(START, |output| output.contains("DNS-"))? {
            return Err(format!("ended with {status}: {}", subject.output()).into());
        }
        Ok(Self { subject, address: SocketAddr::from(([127, 0, 0, 1], port)), folder })
    }

    /// Puts another Corefile in the place of the present one, whole from the first moment.
    #[allow(dead_code, reason = "not every bench uses it")]
    pub(crate) fn write(&self, corefile: &str) -> Result<(), Failure> {
        let new = self.folder.path().join("new");
        fs::write(&new, corefile)?;
        Ok(fs::rename(new, self.folder.path().join("Corefile"))?)
    }

    /// A field of `/proc/PID/status` in octets: `VmRSS` what is resident, `VmHWM` the most that ever was.
    pub(crate) fn memory(&self, field: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.subject.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).ok_or("no such field")?;
        Ok(line.split_whitespace().nth(1).ok_or("no value")?.parse::<u64>()? * 1024)
    }

    /// How many descriptors are open.
    #[allow(dead_code, reason = "not every bench uses it")]
    pub(crate) fn descriptors(&self) -> Result<usize, Failure> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.subject.id()))?.count())
    }
}

/// A query for the address of a name.
pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut message = [id, 0x0100, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    for label in name.split('.') {
        message.extend(u8::try_from(label.len()));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// The reply to a query: its question and one address.
pub(crate) fn reply(query: &[u8]) -> Vec<u8> {
    let question = query.get(12..).unwrap_or_default();
    let end = question.iter().position(|octet| *octet == 0).map_or(0, |end| end + 5);
    let mut message = query.get(..2).unwrap_or_default().to_vec();
    message.extend([0x8180, 1, 1, 0, 0].map(u16::to_be_bytes).concat());
    message.extend(question.get(..end).unwrap_or_default());
    message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    message
}

/// Octets as MiB.
#[expect(clippy::cast_precision_loss, reason = "a size to be read by people")]
pub(crate) fn mib(octets: u64) -> f64 {
    octets as f64 / 1_048_576.0
}
