//! The names of directives: those of CoreDNS in their order, and what to say of one that is not built in.

use crate::PLUGINS;

/// Every directive of CoreDNS 1.14.7 in chain order (CoreDNS: plugin.cfg, core/dnsserver/zdirectives.go).
pub const COREDNS_DIRECTIVES: &[&str] = &[
    "root",
    "metadata",
    "geoip",
    "cancel",
    "proxyproto",
    "quic",
    "grpc_server",
    "https",
    "https3",
    "timeouts",
    "multisocket",
    "reload",
    "nsid",
    "bufsize",
    "bind",
    "debug",
    "trace",
    "ready",
    "health",
    "pprof",
    "shed",
    "prometheus",
    "errors",
    "log",
    "dnstap",
    "local",
    "dns64",
    "any",
    "chaos",
    "loadbalance",
    "tsig",
    "rewrite",
    "autopath",
    "acl",
    "cache",
    "header",
    "dnssec",
    "tls",
    "minimal",
    "template",
    "transfer",
    "hosts",
    "route53",
    "azure",
    "clouddns",
    "k8s_external",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "loop",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "on",
    "sign",
    "view",
    "nomad",
];

/// Said of a directive of CoreDNS that is not built in.
const NOT_BUILT_IN: &str = "this is a plugin of CoreDNS that ferrodns does not have yet";

/// Said of a plugin that has to be compiled into CoreDNS.
const EXTERNAL: &str = "this is an external plugin of CoreDNS that ferrodns does not have";

/// Plugins that are met in Corefiles and that CoreDNS itself has only when somebody compiled them in.
const EXTERNALS: &[&str] = &[
    "ads",
    "alias",
    "alternate",
    "amazondns",
    "blocklist",
    "cfdns",
    "demo",
    "dnsredir",
    "docker",
    "dump",
    "ebpf",
    "ens",
    "fanout",
    "filter",
    "finalize",
    "fqdn_rewrite",
    "gathersrv",
    "git",
    "gslb",
    "idetcd",
    "ipecho",
    "ipin",
    "k8s_crd",
    "k8s_dns_chaos",
    "k8s_event",
    "k8s_gateway",
    "kubeapi",
    "kubenodes",
    "kubernetai",
    "lighthouse",
    "log_rotate",
    "mdns",
    "meshname",
    "multicluster",
    "mysql",
    "netbox",
    "nodes",
    "omada",
    "orbiter",
    "pdsql",
    "ratelimit",
    "rcode",
    "records",
    "recursor",
    "redirect",
    "redis",
    "redisc",
    "rrl",
    "split",
    "sqlite",
    "srv_lookup",
    "tailscale",
    "traefik",
    "unbound",
    "wgsd",
    "warnlist",
];

/// The directives that are built in, in chain order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|plugin| plugin.name)
}

/// What to say of names that are no directive here but mean something, as pairs of name and hint.
#[must_use]
pub fn hints() -> Vec<(&'static str, &'static str)> {
    let missing = COREDNS_DIRECTIVES.iter().filter(|name| !names().any(|known| known == **name));
    let missing = missing.map(|name| (*name, NOT_BUILT_IN));
    missing.chain(EXTERNALS.iter().map(|name| (*name, EXTERNAL))).collect()
}
