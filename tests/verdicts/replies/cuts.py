"""Asks a CoreDNS whose upstream cuts its replies at every octet: cuts.py COREDNS > cuts.jsonl

A line for each reply: its octets (the query's id and question come first), and a letter for each length from 12 on:
T is NOERROR with TC and no records, a digit the number of records of a reply without TC, F is FORMERR, S is SERVFAIL.
"""
import json, os, socket, struct, subprocess, sys, tempfile, threading, time


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner, rtype, rdata):
    return owner + struct.pack(">HHIH", rtype, 1, 60, len(rdata)) + rdata


QUESTION = name("a.test") + b"\0\1\0\1"
POINTER, ZONE = b"\xc0\x0c", b"\xc0\x0e"
ADDRESSES = [bytes([192, 0, 2, last]) for last in range(1, 4)]
SOA = name("ns.test") + name("mail.test") + struct.pack(">5I", 1, 2, 3, 4, 5)
EDNS = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 8) + b"\0\x0a\0\4abcd"
RRSIG = b"\0\1\x0d\2\0\0\0\x3c" + struct.pack(">IIH", 2, 1, 3) + name("test") + b"sig"
SHAPES = {
    "addresses, owners compressed": ([record(POINTER, 1, a) for a in ADDRESSES], [], []),
    "addresses, owners written out": ([record(name("a.test"), 1, a) for a in ADDRESSES], [], []),
    "names in rdata": (
        [record(POINTER, 5, name("b.test")), record(b"\xc0\x24", 28, b"\x20\1\x0d\xb8" + bytes(12))],
        [record(ZONE, 2, b"\2ns" + ZONE)],
        [record(b"\2ns" + ZONE, 1, ADDRESSES[0])],
    ),
    "mail, service, text": (
        [record(POINTER, 15, b"\0\x0a\2mx" + ZONE), record(POINTER, 33, bytes(5) + b"\x50" + name("t.test")),
         record(POINTER, 16, b"\5hello\2ab")], [], []),
    "no data, with EDNS": ([], [record(ZONE, 6, SOA)], [EDNS]),
    "signed": ([record(POINTER, 1, ADDRESSES[0]), record(POINTER, 46, RRSIG)],
               [record(ZONE, 47, name("b.test") + b"\0\1\x40")], []),
}


def whole(sections):
    counts = struct.pack(">4H", 1, *[len(section) for section in sections])
    return b"\0\0\x81\x80" + counts + QUESTION + b"".join(b"".join(section) for section in sections)


def letter(reply):
    rcode, truncated, records = reply[3] & 15, reply[2] & 2, sum(struct.unpack(">3H", reply[6:12]))
    if rcode:
        return {1: "F", 2: "S"}[rcode]
    return "T" if truncated and not records else str(records)


def main():
    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    upstream.bind(("127.0.0.1", 0))
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    now = [b""]

    def serve():
        while True:
            query, client = upstream.recvfrom(4096)
            upstream.sendto(query[:2] + now[0][2:], client)

    threading.Thread(target=serve, daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".Corefile") as corefile:
        corefile.write(f".:{port} {{\n bind 127.0.0.1\n forward . 127.0.0.1:{upstream.getsockname()[1]} {{\n max_fails 0\n}}\n}}\n")
        corefile.flush()
        server = subprocess.Popen([sys.argv[1], "-conf", corefile.name], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.settimeout(10)
            client.connect(("127.0.0.1", port))
            for shape, sections in SHAPES.items():
                message, letters = whole(sections), ""
                for length in range(12, len(message) + 1):
                    now[0] = message[:length]
                    client.send(b"\0\1\1\0\0\1" + bytes(6) + QUESTION)
                    letters += letter(client.recv(4096))
                print(json.dumps({"shape": shape, "reply": message.hex(), "cut": letters}))
        finally:
            server.terminate()


main()
