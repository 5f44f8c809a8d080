#!/usr/bin/env python3
"""Asks a CoreDNS for the answers of its side endpoints to generated requests.

usage: generate.py COREDNS > rows.jsonl      (ports 18080 to 18083 of loopback must be free)
"""
import json
import socket
import subprocess
import sys
import tempfile
import time

PATHS = {"/health": 18080, "/ready": 18081, "/metrics": 18082, "/debug/pprof/": 18083}
COREFILE = """.:18053 {
    whoami
    health 127.0.0.1:18080
    ready 127.0.0.1:18081
    prometheus 127.0.0.1:18082
    pprof 127.0.0.1:18083
}
"""
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO", "get"]
END = "Host: x\r\nConnection: close\r\n\r\n"


def targets(path):
    """Spellings of the path, and other paths."""
    last = path.rstrip("/")
    word = last.rsplit("/", 1)[1]
    rest = last[: -len(word)]
    escaped = "%%%02x" % ord(word[0]) + word[1:]
    yield from [path, last, last + "/", path + "?", path + "?a=b", path + "?%zz", path + "?a;b", path + "#fragment"]
    yield from ["/" + path, rest + "./" + word, path + "/../" + word, "/x/.." + path, "//" + path + "?a=b&c='d'"]
    yield from [rest + escaped, rest + escaped.upper(), "/" + rest + escaped, last.replace(word[1], "%" + word[1])]
    yield from [last + "%", last + "%zz", last + "%2", last + "%00", last + "%2f", last + "%2F..", rest + "%2e/" + word]
    yield from ["/", "//", "/x", "/x/", "//x", "/..", "/../..//", "/a/..", "/a/b/../", "/%2e%2e", "//%2e%2e/x", "//a%0d%0aSet-Cookie:x"]
    yield from ["//x'y&z=1;@:$,+!*()", "//[x]~-_.", "//{x|}", '//x"/onfocus="alert(1)', "//%41%2fb%20c", "//a:b", "//x\"<>^`\\", "/x/./y?q=\"<>"]
    yield from ["*", word, "http://other.test", "http://other.test/", "http://other.test" + path, "http://other.test/" + path + "?x=1"]


def requests(path):
    """All requests for one endpoint."""
    for target in dict.fromkeys(targets(path)):
        yield "GET %s HTTP/1.1\r\n%s" % (target, END)
    for method in METHODS[1:]:
        for target in [path, "/" + path, path.rstrip("/"), "/x", "//x", "*"]:
            yield "%s %s HTTP/1.1\r\n%s" % (method, target, END)
    yield "CONNECT other.test:80 HTTP/1.1\r\n" + END
    for version in ["0.9", "1.0", "1.2"]:
        for target in [path, "/" + path, "*"]:
            yield "GET %s HTTP/%s\r\n\r\n" % (target, version)
    for host in ["", "Host:\r\n", "Host: a b\r\n", 'Host: a"b/\r\n', "Host: [::1]:8080\r\n", "Host: a\r\nHost: b\r\n", "Host: a_b~!$&'()*+,;=%\r\n", "Host: a@b\r\n", "Host: a?b\r\n"]:
        for line in ["GET %s HTTP/1.1" % path, "GET http://other.test%s HTTP/1.1" % path, "GET %s HTTP/1.0" % path, "CONNECT other.test:80 HTTP/1.1"]:
            yield "%s\r\n%sConnection: close\r\n\r\n" % (line, host)
    for header in ["Expect: 100-continue", "Expect: 100-Continue", "Expect: other", "Expect:", "X : y", "X: y\r\n folded", "Content-Length: -1", "Content-Length: 0\r\nContent-Length: 1", "X\x01: y", "X: y\x01", "Upgrade: h2c"]:
        yield "GET %s HTTP/1.1\r\n%s\r\n%s" % (path, header, END)


def ask(port, request):
    """Status, location and body of the answer."""
    stream = socket.create_connection(("127.0.0.1", port), 5)
    stream.sendall(request.encode())
    octets = b""
    while piece := stream.recv(65536):
        octets += piece
    head, _, body = octets.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    found = {"status": int(lines[0].split(" ")[1])}
    for line in lines[1:]:
        if line.startswith("Location: "):
            found["location"] = line[len("Location: "):]
    # Pages are long, and no matter of this.
    if found["status"] != 200:
        found["body"] = body.decode()
    return found


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".Corefile") as corefile:
        corefile.write(COREFILE)
        corefile.flush()
        process = subprocess.Popen([sys.argv[1], "-conf", corefile.name], stdout=subprocess.DEVNULL)
        try:
            for port in PATHS.values():
                for _ in range(100):
                    try:
                        socket.create_connection(("127.0.0.1", port), 1).close()
                        break
                    except OSError:
                        time.sleep(0.1)
            for path, port in PATHS.items():
                for request in requests(path):
                    print(json.dumps({"path": path, "request": request, **ask(port, request)}))
        finally:
            process.terminate()
            process.wait()


main()
