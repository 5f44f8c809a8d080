//! Where the program can be asked: each kernel, address to listen on and service of a recorded table, beside CoreDNS.
//!
//! What the table says and how it was recorded stands in `verdicts/addresses/README.md`. A kernel is a network namespace that
//! a thread of this process enters; where the system gives none, the tests say so and are left out.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use plugin_api::interface::interface_index;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::subject::{Signal, Subject};
use test_support::{Client, http, netns};

use crate::conformance::run_as_root;
use crate::harness::{say, subject};
use crate::process::LIMIT;

/// The recorded table.
const CASES: &str = include_str!("verdicts/addresses/cases.jsonl");

/// The kernels of the table: which families their sockets, loopback and network have.
const KERNELS: [&str; 5] = ["both", "no-ipv6", "no-ipv6-sockets", "no-ipv4", "ipv6-network"];

/// Every address of the machine.
const ASKED: [&str; 5] = ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "fe80::1%e0"];

/// The port of the server blocks.
const PORT: u16 = 1053;

/// The file of a test's folder that stands for its API server.
const OBJECTS: &str = "objects.yaml";

/// Names a program that this test's own program is to become, without sockets of IPv6.
const WITHOUT_IPV6: &str = "FERRODNS_WITHOUT_IPV6";

/// How long a reply may take. Where nobody listens the kernel says so at once.
const WAIT: Duration = Duration::from_secs(5);

#[test]
fn the_program_can_be_asked_where_coredns_can() {
    let cases: Vec<Value> = CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let differences = in_kernels("addresses::the_program_can_be_asked_where_coredns_can", &KERNELS, |kernel| {
        let cases = cases.iter().filter(|case| case["kernel"] == kernel);
        let compared = cases.map(|case| (expected(case), answered(case)));
        compared.filter(|(wanted, got)| wanted != got).map(|(wanted, got)| format!("{wanted}\n    {got}")).collect()
    });
    assert!(differences.is_empty(), "expected, and got:\n{}", differences.join("\n"));
}

/// What the program is to do: what CoreDNS does, but for
/// * the wildcard of DNS on a kernel without 127.0.0.1: Go opens it for IPv4 alone then, and nobody can ask. Here it is for
///   both families on every kernel that has both kinds of sockets. (Side endpoints do as Go does.)
/// * the text of `health` about a link-local address, which Go takes for part of a URL, with `%e0` as an escaped octet in it.
fn expected(case: &Value) -> Value {
    let mut case = case.clone();
    let is_wildcard = ["empty", "0.0.0.0", "::", "mapped", "two"].iter().any(|address| case["address"] == *address);
    if case["kernel"] == "no-ipv4" && case["service"] == "dns" && is_wildcard {
        let asked = json!(["::1", "2001:db8::1", "fe80::1%e0"]);
        (case["udp"], case["tcp"]) = (asked.clone(), asked);
    }
    if case["service"] == "health" && case["address"] == "link-local-address" {
        let error = case["error"]
            .as_str()
            .unwrap()
            .replace("\\xe0\"): unexpected character, want colon (at \"\\xe0\")", "\"): unexpected character");
        case["error"] = json!(error);
    }
    case
}

/// What the program does, in the form of the table.
fn answered(case: &Value) -> Value {
    let service = case["service"].as_str().unwrap();
    let mut got = json!({ "kernel": case["kernel"], "service": service, "address": case["address"] });
    let folder = TempDir::new().unwrap();
    let mut program = start(&folder, &corefile(service, case["address"].as_str().unwrap()), &case["kernel"]);
    // A program that ends does so for want of anything to serve, perhaps after its banner.
    let limit = if case["exit"] == 0 { program.wait(LIMIT).ok() } else { up(&mut program) };
    if let Some(status) = limit {
        got["exit"] = json!(status.code());
        got["error"] = json!(program.errors().lines().next().unwrap_or_default());
        return got;
    }
    let output = program.output();
    let mut listing: Vec<_> = output.lines().filter(|line| line.starts_with(".:")).collect();
    listing.sort_unstable();
    listing.dedup();
    got["listing"] = json!(listing);
    let asked = |ask: &dyn Fn(&str) -> bool| json!(ASKED.iter().filter(|address| ask(address)).collect::<Vec<_>>());
    match side(service) {
        None => {
            got["udp"] = asked(&|address| ask_udp(None, address));
            got["tcp"] = asked(&|address| connect(address).is_some_and(|mut stream| ask_tcp(&mut stream)));
        }
        Some((port, path)) => {
            got["http"] = asked(&|address| http::get(at(address, port), path).is_ok_and(|page| page.0 == 200))
        }
    }
    got
}

/// Port and page of a side endpoint; none for DNS.
fn side(service: &str) -> Option<(u16, &'static str)> {
    Some(match service {
        "prometheus" => (9153, "/metrics"),
        "health" => (8080, "/health"),
        "ready" => (8181, "/ready"),
        "pprof" => (6053, "/debug/pprof/cmdline"),
        _ => return None,
    })
}

/// The Corefile of a case.
fn corefile(service: &str, address: &str) -> String {
    if let Some((port, _)) = side(service) {
        let host = match address {
            "empty" => String::new(),
            "mapped" => "[::ffff:0.0.0.0]".to_owned(),
            "link-local-address" => "[fe80::1%e0]".to_owned(),
            "no-scope" => "[fe80::1]".to_owned(),
            ip if ip.contains(':') => format!("[{ip}]"),
            ip => ip.to_owned(),
        };
        return format!(".:{PORT} {{\n{service} {host}:{port}\nwhoami\n}}\n");
    }
    let bind = match address {
        "empty" => "",
        "mapped" => "bind ::ffff:0.0.0.0",
        "interface" => "bind e0",
        "loopback" => "bind lo",
        "link-local" => "bind e0 {\nexcept 192.0.2.1 2001:db8::1\n}",
        "link-local-address" => "bind fe80::1%e0",
        "no-scope" => "bind fe80::1",
        "two" => "bind 0.0.0.0 ::",
        ip => return format!(".:{PORT} {{\nbind {ip}\nwhoami\n}}\n"),
    };
    format!(".:{PORT} {{\n{bind}\nwhoami\n}}\n")
}

#[test]
fn a_reply_leaves_from_the_link_local_address_that_was_asked() {
    const TEST: &str = "addresses::a_reply_leaves_from_the_link_local_address_that_was_asked";
    let lost = in_kernels(TEST, &["both"], |kernel| {
        let unanswered = |bind: &&str| {
            let folder = TempDir::new().unwrap();
            let mut program = start(&folder, &format!(".:{PORT} {{\n{bind}\nwhoami\n}}\n"), &json!(kernel));
            assert_eq!(up(&mut program), None, "{}", program.errors());
            // Asked from an address of another scope, too: there the reply's way does not tell the interface.
            !(ask_udp(Some("2001:db8::1"), "fe80::1%e0") && ask_udp(None, "fe80::1%e0"))
        };
        ["", "bind e0"].iter().filter(|bind| unanswered(bind)).map(|bind| format!("'{bind}'")).collect()
    });
    assert_eq!(lost, [""; 0]);
}

#[test]
fn a_reload_keeps_the_sockets_of_a_link_local_address() {
    const TEST: &str = "addresses::a_reload_keeps_the_sockets_of_a_link_local_address";
    in_kernels(TEST, &["both"], |kernel| {
        let folder = TempDir::new().unwrap();
        let mut program = start(&folder, &format!(".:{PORT} {{\nbind e0\nwhoami\n}}\n"), &json!(kernel));
        assert_eq!(up(&mut program), None, "{}", program.errors());
        let mut stream = connect("fe80::1%e0").unwrap();
        assert!(ask_tcp(&mut stream));
        fs::write(folder.path().join("Corefile"), format!(".:{PORT} {{\nbind e0\nerrors\nwhoami\n}}\n")).unwrap();
        program.signal(Signal::SIGUSR1).unwrap();
        let ended = program.wait_until(LIMIT, |output| output.contains("Reloading complete")).unwrap();
        assert_eq!(ended, None, "{}", program.errors());
        assert!(ask_tcp(&mut stream) && ask_udp(None, "fe80::1%e0"));
        Vec::new()
    });
}

#[test]
fn clients_of_link_local_addresses_are_named_with_their_interface() {
    const TEST: &str = "addresses::clients_of_link_local_addresses_are_named_with_their_interface";
    // As CoreDNS 1.14.7: over UDP it does not know which of the wildcard's addresses was asked.
    for (bind, expected) in [
        ("", ["[fe80::1%e0] [::]", "[fe80::1%e0] [fe80::1%e0]"]),
        ("bind 0.0.0.0", ["[fe80::1%e0] [::]", "[fe80::1%e0] [fe80::1%e0]"]),
        ("bind e0", ["[fe80::1%e0] [fe80::1%e0]"; 2]),
    ] {
        in_kernels(TEST, &["both"], |kernel| {
            let folder = TempDir::new().unwrap();
            let text = format!(".:{PORT} {{\n{bind}\nlog . \"{{remote}} {{local}}\"\nwhoami\n}}\n");
            let mut program = start(&folder, &text, &json!(kernel));
            assert_eq!(up(&mut program), None, "{}", program.errors());
            assert!(ask_udp(None, "fe80::1%e0") && ask_tcp(&mut connect("fe80::1%e0").unwrap()));
            let lines = |output: &str| -> Vec<String> {
                output.lines().filter_map(|line| line.strip_prefix("[INFO] ").map(str::to_owned)).collect()
            };
            program.wait_until(LIMIT, |output| lines(output).len() == 2).unwrap();
            assert_eq!(lines(&program.output()), expected, "{bind}");
            Vec::new()
        });
    }
}

#[test]
fn views_and_templates_know_clients_of_link_local_addresses_by_their_interface() {
    const TEST: &str = "addresses::views_and_templates_know_clients_of_link_local_addresses_by_their_interface";
    in_kernels(TEST, &["both"], |kernel| {
        let folder = TempDir::new().unwrap();
        let text = format!(
            ".:{PORT} {{\nbind e0\nview own {{\nexpr client_ip() == 'fe80::1%e0' && server_ip() == 'fe80::1%e0'\n}}\n\
             template IN A {{\nanswer \"{{{{.Name}}}} 0 IN TXT from={{{{.Remote}}}}\"\n}}\n}}\n"
        );
        let mut program = start(&folder, &text, &json!(kernel));
        assert_eq!(up(&mut program), None, "{}", program.errors());
        let reply = reply(None, "fe80::1%e0").unwrap();
        assert!(reply.ends_with(b"from=fe80::1%e0"), "{reply:?}");
        Vec::new()
    });
}

#[test]
fn the_name_server_of_a_cluster_has_link_local_addresses_too() {
    const TEST: &str = "addresses::the_name_server_of_a_cluster_has_link_local_addresses_too";
    in_kernels(TEST, &["both"], |kernel| {
        let folder = TempDir::new().unwrap();
        let objects = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n";
        fs::write(folder.path().join(OBJECTS), objects).unwrap();
        let mut program = start(&folder, &format!(".:{PORT} {{\nkubernetes cluster.local\n}}\n"), &json!(kernel));
        assert_eq!(up(&mut program), None, "{}", program.errors());
        let answer = Client::udp(at("127.0.0.1", PORT)).ask("ns.dns.cluster.local AAAA").unwrap();
        let mut addresses: Vec<_> = answer.answer.iter().filter_map(|line| line.split(' ').next_back()).collect();
        addresses.sort_unstable();
        assert_eq!(addresses, ["2001:db8::1", "fe80::1"]);
        Vec::new()
    });
}

#[test]
fn blocks_that_share_a_port_by_chance_are_warned_of() {
    const TEST: &str = "addresses::blocks_that_share_a_port_by_chance_are_warned_of";
    let warning = "[WARNING] dns://0.0.0.0:1053 and dns://[::]:1053 stand for the same addresses";
    for (first, second, expected) in [("0.0.0.0", "::", 1), ("::", "::", 0), ("0.0.0.0", "127.0.0.1", 0)] {
        in_kernels(TEST, &["both"], |kernel| {
            let folder = TempDir::new().unwrap();
            let block = |zone, host| format!("{zone}:{PORT} {{\nbind {host}\nwhoami\n}}\n");
            let mut program =
                start(&folder, &[block("a.test", first), block("b.test", second)].concat(), &json!(kernel));
            assert_eq!(up(&mut program), None, "{}", program.errors());
            let count = program.output().lines().filter(|line| line.starts_with(warning)).count();
            assert_eq!(count, expected, "{first} {second}: {}", program.output());
            Vec::new()
        });
    }
}

#[test]
fn a_loop_is_found_in_either_family() {
    let found = in_kernels("addresses::a_loop_is_found_in_either_family", &KERNELS, |kernel| {
        let (own, other) = if kernel == "no-ipv4" { ("[::1]", "[::1]:1") } else { ("127.0.0.1", "127.0.0.1:1") };
        let wildcard = format!(".:{PORT} {{\nloop\nforward . {own}:{PORT}\n}}\n");
        // The loop is in the second zone.
        let second =
            format!("a.test:{PORT} b.test:{PORT} {{\nloop\nforward a.test {other}\nforward b.test {own}:{PORT}\n}}\n");
        let without = |text: &&String| {
            let folder = TempDir::new().unwrap();
            let mut program = start(&folder, text, &json!(kernel));
            let status = program.wait(LIMIT).ok().and_then(|status| status.code());
            status != Some(1) || !program.output().contains("[FATAL] plugin/loop: Loop (")
        };
        [wildcard, second].iter().filter(without).map(|text| format!("{kernel}: no loop found in\n{text}")).collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Runs `work` in a network of each kernel; gives what all of them find. Leaves out what the system refuses.
fn in_kernels(test: &str, kernels: &[&str], work: impl Fn(&str) -> Vec<String> + Sync) -> Vec<String> {
    if !netns::is_available() {
        if !run_as_root(test) {
            say(&format!("{test}: no network namespaces here: left out"));
        }
        return Vec::new();
    }
    let inside = |kernel: &str| match make_network(kernel) {
        Ok(()) => work(kernel),
        Err(error) => {
            say(&format!("{test}: no kernel '{kernel}' here: {error}: left out"));
            Vec::new()
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = kernels.iter().map(|kernel| scope.spawn(|| inside(kernel))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Moves the calling thread into the network of a kernel, as the recorder makes it.
fn make_network(kernel: &str) -> Result<(), String> {
    netns::enter_bare().map_err(|error| error.to_string())?;
    let ip = |arguments: &str| {
        let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("ip: {error}")),
        }
    };
    let (has_v6, has_v4) = (!kernel.starts_with("no-ipv6"), !matches!(kernel, "no-ipv4" | "ipv6-network"));
    if !has_v6 {
        for which in ["all", "default"] {
            let file = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
            fs::write(&file, "1").map_err(|error| format!("{file}: {error}"))?;
        }
    }
    ip("link set lo up")?;
    ip("link add e0 type veth peer name e1")?;
    for end in ["e0", "e1"] {
        ip(&format!("link set {end} addrgenmode none"))?;
        ip(&format!("link set {end} up"))?;
    }
    if has_v6 {
        ip("addr add 2001:db8::1/64 dev e0 nodad")?;
        ip("addr add fe80::1/64 dev e0 nodad")?;
    }
    if has_v4 {
        ip("addr add 192.0.2.1/24 dev e0")?;
    }
    if kernel == "no-ipv4" { ip("addr del 127.0.0.1/8 dev lo") } else { Ok(()) }
}

/// Starts the program on a Corefile in a folder, on a kernel without sockets of IPv6 if that is to be so.
fn start(folder: &TempDir, corefile: &str, kernel: &Value) -> Subject {
    fs::write(folder.path().join("Corefile"), corefile).unwrap();
    let mut command = if kernel == "no-ipv6-sockets" {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["addresses::becomes_a_program_without_ipv6_sockets", "--exact", "--nocapture"]);
        command.env(WITHOUT_IPV6, subject());
        command
    } else {
        let mut command = Command::new(subject());
        command.args(["-conf", "Corefile"]);
        if folder.path().join(OBJECTS).exists() {
            command.args(["-kubernetes.manifests", OBJECTS]);
        }
        command
    };
    command.current_dir(folder.path());
    command.env_remove("KUBERNETES_SERVICE_HOST").env_remove("KUBERNETES_SERVICE_PORT");
    let path = |name: &str| folder.path().join(name);
    Subject::start_apart(&mut command, &path("log"), &path("errors")).unwrap()
}

/// Waits until a program serves, or has ended: its status in that case.
fn up(program: &mut Subject) -> Option<std::process::ExitStatus> {
    let is_up = |output: &str| output.lines().any(|line| line.starts_with("ferrodns-") || line.starts_with("CoreDNS-"));
    program.wait_until(LIMIT, is_up).unwrap()
}

/// No test by itself: in a process that [`start`] makes for it, it becomes the program, to which the kernel refuses sockets of
/// IPv6 as one does that was booted with `ipv6.disable=1`.
#[test]
fn becomes_a_program_without_ipv6_sockets() {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };
    let Some(program) = env::var_os(WITHOUT_IPV6) else { return };
    let family = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::AF_INET6 as u64).unwrap();
    let rules = [(libc::SYS_socket, vec![SeccompRule::new(vec![family]).unwrap()])].into();
    let refuse = SeccompAction::Errno(libc::EAFNOSUPPORT as u32);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, env::consts::ARCH.try_into().unwrap()).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
    panic!("{}", Command::new(Path::new(&program)).args(["-conf", "Corefile"]).exec());
}

/// An address of the table with a port.
fn at(address: &str, port: u16) -> SocketAddr {
    match address.split_once('%') {
        Some((ip, zone)) => SocketAddrV6::new(ip.parse().unwrap(), port, 0, interface_index(zone)).into(),
        None => SocketAddr::new(address.parse::<IpAddr>().unwrap(), port),
    }
}

/// A query: `x.test A`.
const QUERY: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01x\x04test\0\0\x01\0\x01";

/// The reply to a query over UDP, from an address if one is given, if it comes from the address that was asked.
fn reply(from: Option<&str>, address: &str) -> Option<Vec<u8>> {
    let to = at(address, PORT);
    let from = at(from.unwrap_or_else(|| if to.is_ipv4() { "0.0.0.0" } else { "::" }), 0);
    let asked = || {
        let socket = UdpSocket::bind(from)?;
        socket.set_read_timeout(Some(WAIT))?;
        // A connected socket takes replies only from there.
        socket.connect(to)?;
        socket.send(QUERY)?;
        let mut reply = vec![0; 512];
        let length = socket.recv(&mut reply)?;
        reply.truncate(length);
        std::io::Result::Ok(reply)
    };
    asked().ok().filter(|reply| reply.starts_with(b"\0\x07"))
}

/// Whether there is a [`reply`].
fn ask_udp(from: Option<&str>, address: &str) -> bool {
    reply(from, address).is_some()
}

/// A connection, if somebody listens.
fn connect(address: &str) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&at(address, PORT), WAIT).ok()?;
    stream.set_read_timeout(Some(WAIT)).unwrap();
    Some(stream)
}

/// Whether a query over a connection is answered.
fn ask_tcp(stream: &mut TcpStream) -> bool {
    let framed = [&[0, u8::try_from(QUERY.len()).unwrap()], QUERY].concat();
    let mut length = [0; 2];
    let asked = stream.write_all(&framed).and_then(|()| stream.read_exact(&mut length));
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    asked.is_ok() && stream.read_exact(&mut reply).is_ok() && reply.starts_with(b"\0\x07")
}
