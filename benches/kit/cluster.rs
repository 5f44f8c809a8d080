//! A cluster as `kubectl get -o json` writes it: services `svc-N.ns-M` with an address each, and some headless ones.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;

/// Namespaces over which the services are spread.
pub(crate) const NAMESPACES: usize = 100;
/// Endpoints in one slice, as the controller of Kubernetes makes them.
const SLICE: usize = 100;
/// Endpoints of the headless services `many-N.ns-0`.
pub(crate) const HEADLESS: [usize; 4] = [3, 20, 200, 10_000];

/// A cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    /// Services with an address.
    pub(crate) services: usize,
    /// Endpoints of each of them.
    pub(crate) endpoints: usize,
}

impl Cluster {
    /// The name of a service below `svc`.
    #[must_use]
    pub(crate) fn service(at: usize) -> String {
        format!("svc-{at}.ns-{}", at % NAMESPACES)
    }

    /// The address of a service.
    #[must_use]
    pub(crate) fn address(at: usize) -> Ipv4Addr {
        host(0x0a60_0000, at)
    }

    /// The address of an endpoint of a headless service.
    #[must_use]
    pub(crate) fn endpoint(headless: usize, at: usize) -> Ipv4Addr {
        host(0x0ac0_0000, headless * 4 + at)
    }

    /// Writes it to a file.
    pub(crate) fn write(self, path: &Path) -> std::io::Result<()> {
        let mut to = BufWriter::new(File::create(path)?);
        write!(to, "{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[")?;
        for at in 0..NAMESPACES {
            let comma = if at == 0 { "" } else { "," };
            write!(
                to,
                "{comma}\n{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"ns-{at}\"}}}}"
            )?;
        }
        for at in 0..self.services {
            let (name, namespace) = (format!("svc-{at}"), at % NAMESPACES);
            write_service(&mut to, (&name, namespace), &Self::address(at).to_string())?;
            let first = at * self.endpoints;
            let addresses = (first..first + self.endpoints).map(|number| host(0x0b00_0000, number));
            write_slices(&mut to, (&name, namespace), addresses)?;
        }
        for count in HEADLESS {
            let name = format!("many-{count}");
            write_service(&mut to, (&name, 0), "None")?;
            write_slices(&mut to, (&name, 0), (0..count).map(|at| Self::endpoint(count, at)))?;
        }
        writeln!(to, "]}}")?;
        to.flush()
    }
}

/// The address at a place of a network.
fn host(network: u32, at: usize) -> Ipv4Addr {
    Ipv4Addr::from(network + u32::try_from(at + 1).unwrap_or_default())
}

/// Writes a service.
fn write_service(to: &mut impl std::io::Write, (name, namespace): (&str, usize), ip: &str) -> std::io::Result<()> {
    write!(
        to,
        ",\n{{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"ns-{namespace}\"}},\
         \"spec\":{{\"type\":\"ClusterIP\",\"clusterIP\":\"{ip}\",\"clusterIPs\":[\"{ip}\"],\
         \"ports\":[{{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}}]}}}}"
    )
}

/// Writes the slices of a service.
fn write_slices(
    to: &mut impl std::io::Write,
    (name, namespace): (&str, usize),
    addresses: impl Iterator<Item = Ipv4Addr>,
) -> std::io::Result<()> {
    let addresses: Vec<Ipv4Addr> = addresses.collect();
    for (at, addresses) in addresses.chunks(SLICE).enumerate() {
        write!(
            to,
            ",\n{{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"addressType\":\"IPv4\",\
             \"metadata\":{{\"name\":\"{name}-{at}\",\"namespace\":\"ns-{namespace}\",\
             \"labels\":{{\"kubernetes.io/service-name\":\"{name}\"}}}},\
             \"ports\":[{{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}}],\"endpoints\":["
        )?;
        for (at, address) in addresses.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(to, "{comma}{{\"addresses\":[\"{address}\"],\"conditions\":{{\"ready\":true}}}}")?;
        }
        write!(to, "]}}")?;
    }
    Ok(())
}
