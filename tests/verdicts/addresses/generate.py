#!/usr/bin/env python3
"""Records where CoreDNS can be asked: generate.py COREDNS [SERVICE] > cases.jsonl

Takes root. Makes a network namespace for each kernel, starts CoreDNS on each address with each service, and asks it at all
addresses of the machine. What a kernel, an address and a service are stands in README.md.
"""
import ctypes, json, os, re, signal, socket, struct, subprocess, sys, tempfile, time

KERNELS = ["both", "no-ipv6", "no-ipv6-sockets", "no-ipv4", "ipv6-network"]
# What is written behind `bind`, and what stands before the port of a side endpoint.
BINDS = {"empty": "", "0.0.0.0": "bind 0.0.0.0", "::": "bind ::", "mapped": "bind ::ffff:0.0.0.0",
         "interface": "bind e0", "loopback": "bind lo", "link-local": "bind e0 {\nexcept 192.0.2.1 2001:db8::1\n}",
         "link-local-address": "bind fe80::1%e0", "no-scope": "bind fe80::1", "127.0.0.1": "bind 127.0.0.1",
         "::1": "bind ::1", "two": "bind 0.0.0.0 ::"}
HOSTS = {"empty": "", "0.0.0.0": "0.0.0.0", "::": "[::]", "mapped": "[::ffff:0.0.0.0]", "interface": None, "loopback": None,
         "link-local": None, "link-local-address": "[fe80::1%e0]", "no-scope": "[fe80::1]", "127.0.0.1": "127.0.0.1",
         "::1": "[::1]", "two": None}
SIDES = {"prometheus": (9153, "/metrics"), "health": (8080, "/health"), "ready": (8181, "/ready"),
         "pprof": (6053, "/debug/pprof/cmdline")}
PORT = 1053
ASKED = ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "fe80::1%e0"]


def run(line):
    subprocess.run(line, shell=True, check=True)


def make_network(kernel):
    """Makes the calling process's network; README.md says what is in it."""
    if kernel.startswith("no-ipv6"):
        run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
    run("ip link set lo up; ip link add e0 type veth peer name e1")
    run("ip link set e0 addrgenmode none; ip link set e1 addrgenmode none; ip link set e0 up; ip link set e1 up")
    if not kernel.startswith("no-ipv6"):
        run("ip addr add 2001:db8::1/64 dev e0 nodad; ip addr add fe80::1/64 dev e0 nodad")
    if kernel in ("both", "no-ipv6", "no-ipv6-sockets"):
        run("ip addr add 192.0.2.1/24 dev e0")
    if kernel == "no-ipv4":
        run("ip addr del 127.0.0.1/8 dev lo")


def refuse_ipv6_sockets():
    """Makes `socket(AF_INET6, ...)` fail as on a kernel that was booted with ipv6.disable=1 (x86_64)."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = [(0x20, 0, 0, 0), (0x15, 0, 3, 41), (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_INET6),
            (0x06, 0, 0, 0x00050000 | 97), (0x06, 0, 0, 0x7FFF0000)]
    octets = b"".join(struct.pack("HBBI", *one) for one in code)
    room = ctypes.create_string_buffer(octets)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(room)))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0


def corefile(service, address):
    if service == "dns":
        return ".:%d {\n%s\nwhoami\n}\n" % (PORT, BINDS[address])
    return ".:%d {\n%s %s:%d\nwhoami\n}\n" % (PORT, service, HOSTS[address], SIDES[service][0])


def ask_dns(address, is_tcp):
    query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\1x\4test\0" + struct.pack(">HH", 1, 1)
    kind = socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM
    family, _, _, _, to = socket.getaddrinfo(address, PORT, type=kind)[0]
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        try:
            # A connected socket takes replies only from the address that it has asked.
            one.connect(to)
            one.sendall(struct.pack(">H", len(query)) + query if is_tcp else query)
            reply = one.recv(512)
        except OSError:
            return False
    return reply[2 if is_tcp else 0:][:2] == b"\0\7"


def ask_page(address, port, path):
    family, _, _, _, to = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        try:
            one.connect(to)
            one.sendall(b"GET %s HTTP/1.0\r\n\r\n" % path.encode())
            return b" 200 " in one.recv(64)
        except OSError:
            return False


def record(program, kernel, service, address):
    case = {"kernel": kernel, "service": service, "address": address}
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/Corefile", "w") as file:
            file.write(corefile(service, address))
        log, errors = open(folder + "/log", "w+"), open(folder + "/errors", "w+")
        start = refuse_ipv6_sockets if kernel == "no-ipv6-sockets" else None
        process = subprocess.Popen([program, "-conf", folder + "/Corefile"], stdout=log, stderr=errors, preexec_fn=start)
        end = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < end:
            if re.search(r"^(CoreDNS|ferrodns)-", open(folder + "/log").read(), re.M):
                break
            time.sleep(0.02)
        if process.poll() is not None:
            lines = [line for line in open(folder + "/errors").read().splitlines() if not line.startswith("maxprocs")]
            return {**case, "exit": process.returncode, "error": lines[0] if lines else ""}
        text = open(folder + "/log").read()
        case["listing"] = sorted(set(re.findall(r"^\.:\S+(?: on \S+)?$", text, re.M)))
        if service == "dns":
            case["udp"] = [one for one in ASKED if ask_dns(one, False)]
            case["tcp"] = [one for one in ASKED if ask_dns(one, True)]
        else:
            port, path = SIDES[service]
            case["http"] = [one for one in ASKED if ask_page(one, port, path)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        return case


def main():
    program, only = os.path.abspath(sys.argv[1]), sys.argv[2:]
    for kernel in KERNELS:
        child = os.fork()
        if child == 0:
            assert ctypes.CDLL(None).unshare(0x40000000) == 0
            make_network(kernel)
            for service in ["dns", *SIDES]:
                for address in BINDS:
                    if (service == "dns" or HOSTS[address] is not None) and (not only or service in only):
                        print(json.dumps(record(program, kernel, service, address)), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


main()
