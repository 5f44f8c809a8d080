// Makes certificates, keys and bundles, and writes down what Go's crypto/tls says of each, as JSON lines. See README.md.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// One line of the data.
type line struct {
	Certificate string   `json:"certificate,omitempty"` // defines a name for Der
	Der         string   `json:"der,omitempty"`
	Case        string   `json:"case,omitempty"`
	Roots       []string `json:"roots,omitempty"`  // names of trusted certificates
	Bundle      *string  `json:"bundle,omitempty"` // or the text of them
	Sent        []string `json:"sent,omitempty"`
	Host        string   `json:"host,omitempty"`
	Now         int64    `json:"now,omitempty"`
	Chain       *string  `json:"chain,omitempty"` // client certificate and key, PEM
	Key         *string  `json:"key,omitempty"`
	Verdict     string   `json:"verdict"`
}

var (
	out   = json.NewEncoder(os.Stdout)
	known = map[string]string{}
	seen  = map[string]bool{}
	p256  = newKey("p256")

	listener = must(net.Listen("tcp", "127.0.0.1:0"))
)

func write(l line) {
	if l.Case != "" {
		if seen[l.Case] {
			panic("twice: " + l.Case)
		}
		seen[l.Case] = true
	}
	if err := out.Encode(l); err != nil {
		panic(err)
	}
}

// The name of a certificate in the data.
func define(m *made) string {
	der := string(m.der)
	if id, ok := known[der]; ok {
		return id
	}
	id := fmt.Sprint("c", len(known))
	known[der] = id
	out.Encode(map[string]string{"certificate": id, "der": base64.StdEncoding.EncodeToString(m.der)})
	return id
}

// What client-go says of a bundle (transport.rootCertPool).
func pool(bundle []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if p.AppendCertsFromPEM(bundle) {
		return p, nil
	}
	why := func() error {
		for rest := bundle; len(rest) > 0; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return fmt.Errorf("unable to parse bytes as PEM block")
			}
			if block.Type == "CERTIFICATE" && len(block.Headers) == 0 {
				if _, err := x509.ParseCertificate(block.Bytes); err != nil {
					return fmt.Errorf("failed to parse certificate: %w", err)
				}
			}
		}
		return fmt.Errorf("no valid certificate authority data seen")
	}
	return nil, fmt.Errorf("unable to load root certificates: %w", why())
}

// Does a handshake and returns the client's error; a key that cannot sign a handshake is judged without one.
func judge(roots *x509.CertPool, sent []*made, host string, at time.Time) string {
	certificate := tls.Certificate{PrivateKey: sent[0].key.signer}
	for _, m := range sent {
		certificate.Certificate = append(certificate.Certificate, m.der)
	}
	config := &tls.Config{RootCAs: roots, ServerName: host, Time: func() time.Time { return at }, MinVersion: tls.VersionTLS12}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		done <- tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate}}).Handshake()
	}()
	err = tls.Client(client, config).Handshake()
	client.Close()
	serverErr := <-done
	if err == nil {
		return ""
	}
	text := err.Error()
	if !strings.HasPrefix(text, "tls: ") || strings.Contains(text, "remote error") {
		panic(fmt.Sprint(text, " / ", serverErr))
	}
	return text
}

type verify struct {
	roots []*made
	sent  []*made
	host  string
	at    time.Time
}

func (v verify) as(name string) {
	if v.host == "" {
		v.host = "a.test"
	}
	if v.at.IsZero() {
		v.at = now
	}
	p := x509.NewCertPool()
	l := line{Case: name, Host: v.host, Now: v.at.Unix()}
	var bundle strings.Builder
	for _, m := range v.roots {
		l.Roots = append(l.Roots, define(m))
		bundle.WriteString(text("CERTIFICATE", m.der))
	}
	for _, m := range v.sent {
		l.Sent = append(l.Sent, define(m))
	}
	p, err := pool([]byte(bundle.String()))
	if err != nil {
		l.Verdict = err.Error()
	} else {
		l.Verdict = judge(p, v.sent, v.host, v.at)
	}
	write(l)
}

func root(k *key, more ...pkix.Extension) *made {
	return spec{subject: name("root", "test"), key: k, extensions: append([]pkix.Extension{basic(true, -1)}, more...)}.make()
}

func authority(common string, signer *made, more ...pkix.Extension) *made {
	k := newKey("p256")
	return spec{subject: name(common, "test"), key: k, signer: signer, extensions: append([]pkix.Extension{basic(true, -1)}, more...)}.make()
}

func leaf(signer *made, more ...pkix.Extension) *made {
	return spec{subject: name("leaf", ""), key: p256, signer: signer, extensions: append([]pkix.Extension{names("a.test")}, more...)}.make()
}

func list(m ...*made) []*made { return m }

func main() {
	buffered := bufio.NewWriter(os.Stdout)
	out = json.NewEncoder(buffered)
	out.SetEscapeHTML(false)
	defer buffered.Flush()
	keys()
	times()
	authorities()
	chains()
	usages()
	constraints()
	policies()
	hosts()
	encodings()
	bundles()
	identities()
}

// Every kind of key with every algorithm, of CA and of leaf.
func keys() {
	algorithms := map[string][]string{
		"rsa": {"rsa-md5", "rsa-sha1", "rsa-sha224", "rsa-sha256", "rsa-sha256-without-null", "rsa-sha384", "rsa-sha512", "pss-sha256", "pss-sha384", "pss-sha512", "pss-short-salt", "pss-mixed"},
		"p":   {"ecdsa-sha1", "ecdsa-sha224", "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"},
		"ed":  {"ed25519", "ed25519-with-null"},
	}
	rsa2048, ed := newKey("rsa2048"), newKey("ed25519")
	for _, k := range []*key{rsa2048, newKey("rsa3072"), p256, newKey("p384"), newKey("p521"), ed} {
		r := root(k)
		for prefix, all := range algorithms {
			if !strings.HasPrefix(k.kind, prefix) {
				continue
			}
			for _, a := range all {
				if k.kind == "rsa3072" && a != "rsa-sha384" {
					continue
				}
				l := spec{subject: name("leaf", ""), key: p256, signer: r, algorithm: a, extensions: []pkix.Extension{names("a.test")}}
				verify{roots: list(r), sent: list(l.make())}.as("key of CA " + k.kind + " " + a)
			}
		}
		l := spec{subject: name("leaf", ""), key: k, signer: root(p256), extensions: []pkix.Extension{names("a.test")}}
		verify{roots: list(l.signer), sent: list(l.make())}.as("key of server " + k.kind)
		l.signer, l.subject, l.extensions = nil, name("own", ""), []pkix.Extension{basic(true, -1), names("a.test")}
		own := l.make()
		verify{roots: list(own), sent: list(own)}.as("own signature " + k.kind)
	}
	short := newKey("rsa1024")
	r := root(short)
	for _, a := range []string{"rsa-sha256", "rsa-sha512", "rsa-sha1"} {
		l := spec{subject: name("leaf", ""), key: p256, signer: r, algorithm: a, extensions: []pkix.Extension{names("a.test")}}
		verify{roots: list(r), sent: list(l.make())}.as("key of CA rsa1024 " + a)
	}
	shorter := spec{subject: name("root", "test"), key: newKey("rsa768"), extensions: []pkix.Extension{basic(true, -1)}}.make()
	verify{roots: list(shorter), sent: list(leaf(shorter))}.as("key of CA rsa768")
	r = root(p256)
	mixed := spec{subject: name("leaf", ""), key: p256, signer: &made{nil, r.subject, rsa2048}, extensions: []pkix.Extension{names("a.test")}}.make()
	verify{roots: list(r), sent: list(mixed)}.as("signature of RSA, CA of ECDSA")
	mixed = spec{subject: name("leaf", ""), key: p256, signer: &made{nil, r.subject, ed}, extensions: []pkix.Extension{names("a.test")}}.make()
	verify{roots: list(r), sent: list(mixed)}.as("signature of Ed25519, CA of ECDSA")
	mixed = spec{subject: name("leaf", ""), key: p256, signer: &made{nil, r.subject, newKey("p256")}, extensions: []pkix.Extension{names("a.test")}}.make()
	verify{roots: list(r), sent: list(mixed)}.as("signature of another key")
	for _, k := range []*key{p256, rsa2048, ed} {
		r := root(k)
		broken := spec{subject: name("leaf", ""), key: p256, signer: r, breaks: true, extensions: []pkix.Extension{names("a.test")}}
		verify{roots: list(r), sent: list(broken.make())}.as("broken signature " + k.kind)
	}
	// A root's own signature does not count.
	weak := spec{subject: name("root", "test"), key: rsa2048, algorithm: "rsa-sha1", extensions: []pkix.Extension{basic(true, -1)}}.make()
	verify{roots: list(weak), sent: list(leaf(weak))}.as("root signed with SHA-1")
	weak = spec{subject: name("root", "test"), key: p256, breaks: true, extensions: []pkix.Extension{basic(true, -1)}}.make()
	verify{roots: list(weak), sent: list(leaf(weak))}.as("root with a broken signature")
	own := spec{subject: name("own", ""), key: rsa2048, algorithm: "rsa-sha1", extensions: []pkix.Extension{names("a.test")}}.make()
	verify{roots: list(own), sent: list(own)}.as("trusted leaf signed with SHA-1")
}

func times() {
	second := time.Second
	r := root(p256)
	for _, c := range []struct {
		name     string
		from, to time.Time
	}{
		{"now is its first second", now, end},
		{"now is its last second", start, now},
		{"valid in a second", now.Add(second), end},
		{"valid until a second ago", start, now.Add(-second)},
		{"ends before it begins", end, start},
		{"valid until 9999", start, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		{"valid from 1950", time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), end},
		{"valid until 2050", start, time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		l := spec{subject: name("leaf", ""), key: p256, signer: r, from: c.from, to: c.to, extensions: []pkix.Extension{names("a.test")}}
		verify{roots: list(r), sent: list(l.make())}.as("leaf: " + c.name)
		ca := spec{subject: name("ca", ""), key: p256, signer: r, from: c.from, to: c.to, extensions: []pkix.Extension{basic(true, -1)}}.make()
		verify{roots: list(r), sent: list(leaf(ca), ca)}.as("intermediate: " + c.name)
		top := spec{subject: name("top", ""), key: p256, from: c.from, to: c.to, extensions: []pkix.Extension{basic(true, -1)}}.make()
		verify{roots: list(top), sent: list(leaf(top))}.as("root: " + c.name)
		own := spec{subject: name("own", ""), key: p256, from: c.from, to: c.to, extensions: []pkix.Extension{names("a.test")}}.make()
		verify{roots: list(own), sent: list(own)}.as("trusted leaf: " + c.name)
	}
	verify{roots: list(r), sent: list(leaf(r)), at: start.Add(-second)}.as("before all")
	verify{roots: list(r), sent: list(leaf(r)), at: end.Add(second)}.as("after all")
	// Two roots of a name and key, one of them too old.
	old := spec{subject: r.subject, key: p256, to: now.Add(-second), extensions: []pkix.Extension{basic(true, -1)}}.make()
	verify{roots: list(old, r), sent: list(leaf(r))}.as("old and new root")
	verify{roots: list(r, old), sent: list(leaf(r))}.as("new and old root")
	verify{roots: list(old), sent: list(leaf(r))}.as("old root alone")
	verify{roots: list(old), sent: list(leaf(r), r)}.as("old root, the new one sent")
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"without seconds", wrap(0x17, []byte("2601010000Z"))},
		{"with an offset", wrap(0x17, []byte("260101000000+0100"))},
		{"with an offset of nothing", wrap(0x17, []byte("260101000000+0000"))},
		{"generalized", wrap(0x18, []byte("20260101000000Z"))},
		{"generalized without seconds", wrap(0x18, []byte("202601010000Z"))},
		{"with a fraction", wrap(0x18, []byte("20260101000000.5Z"))},
		{"without zone", wrap(0x17, []byte("260101000000"))},
		{"month 13", wrap(0x17, []byte("261301000000Z"))},
		{"February 29", wrap(0x17, []byte("260229000000Z"))},
		{"February 29 of 2024", wrap(0x17, []byte("240229000000Z"))},
		{"second 60", wrap(0x17, []byte("260101000060Z"))},
		{"hour 24", wrap(0x17, []byte("260101240000Z"))},
		{"a text", wrap(0x0c, []byte("260101000000Z"))},
		{"empty", wrap(0x17)},
	} {
		l := spec{subject: name("leaf", ""), key: p256, signer: r, rawFrom: c.raw, extensions: []pkix.Extension{names("a.test")}}
		verify{roots: list(r), sent: list(l.make())}.as("time " + c.name)
	}
}

func authorities() {
	ca := func(version int, more ...pkix.Extension) *made {
		return spec{version: version, subject: name("root", "test"), key: p256, extensions: more}.make()
	}
	for _, c := range []struct {
		name string
		root *made
	}{
		{"version 1", ca(1)},
		{"version 2", ca(2)},
		{"version 3 without extensions", ca(3)},
		{"not a CA", ca(3, basic(false, -1))},
		{"no basic constraints, key usage", ca(3, usage(5, 6))},
		{"CA without key usage", ca(3, basic(true, -1))},
		{"CA that signs certificates", ca(3, basic(true, -1), usage(5))},
		{"CA that does not sign certificates", ca(3, basic(true, -1), usage(0, 6))},
		{"CA with an empty key usage", ca(3, basic(true, -1), extension(true, []byte{3, 1, 0}, 2, 5, 29, 15))},
		{"CA of path length 0", ca(3, basic(true, 0))},
		{"unknown critical extension", ca(3, basic(true, -1), extension(true, []byte{5, 0}, 1, 2, 3))},
		{"unknown extension", ca(3, basic(true, -1), extension(false, []byte{5, 0}, 1, 2, 3))},
		{"CA for servers", ca(3, basic(true, -1), purposes(serverAuth))},
		{"CA for clients", ca(3, basic(true, -1), purposes(clientAuth))},
		{"CA for anything", ca(3, basic(true, -1), purposes(anyUsage))},
		{"organization alone", spec{subject: name("", "test"), key: p256}.make()},
		{"serial number alone", spec{subject: name("", ""), key: p256}.make()},
	} {
		verify{roots: list(c.root), sent: list(leaf(c.root))}.as("root: " + c.name)
		verify{roots: list(c.root), sent: list(c.root)}.as("root as server, without names: " + c.name)
		below := authority("below", c.root)
		verify{roots: list(c.root), sent: list(leaf(below), below)}.as("root above an intermediate: " + c.name)
	}
	r := root(p256)
	mid := func(version int, more ...pkix.Extension) *made {
		return spec{version: version, subject: name("mid", ""), key: p256, signer: r, extensions: more}.make()
	}
	for _, c := range []struct {
		name string
		ca   *made
	}{
		{"version 1", mid(1)},
		{"version 3 without extensions", mid(3)},
		{"not a CA", mid(3, basic(false, -1))},
		{"CA that does not sign", mid(3, basic(true, -1), usage(0))},
		{"CA of path length 0", mid(3, basic(true, 0))},
		{"unknown critical extension", mid(3, basic(true, -1), extension(true, []byte{5, 0}, 1, 2, 3))},
		{"with names of its own", mid(3, basic(true, -1), names("a.test"))},
	} {
		verify{roots: list(r), sent: list(leaf(c.ca), c.ca)}.as("intermediate: " + c.name)
		verify{roots: list(r, c.ca), sent: list(leaf(c.ca), c.ca)}.as("trusted intermediate: " + c.name)
		verify{roots: list(c.ca), sent: list(leaf(c.ca))}.as("intermediate as the only root: " + c.name)
		verify{roots: list(r), sent: list(c.ca)}.as("intermediate as server: " + c.name)
	}
	own := spec{subject: name("api", ""), key: p256, extensions: []pkix.Extension{basic(true, -1), names("a.test", "127.0.0.1")}}.make()
	verify{roots: list(own), sent: list(own)}.as("openssl req -x509: a CA is the server")
	verify{roots: list(own), sent: list(own), host: "127.0.0.1"}.as("openssl req -x509: by address")
	verify{roots: list(own), sent: list(own), host: "b.test"}.as("openssl req -x509: another name")
	verify{roots: list(r), sent: list(own)}.as("openssl req -x509: not trusted")
	pinned := leaf(r)
	verify{roots: list(pinned), sent: list(pinned)}.as("leaf as the only root")
	verify{roots: list(pinned), sent: list(pinned), host: "b.test"}.as("leaf as the only root, another name")
	verify{roots: list(pinned), sent: list(leaf(r))}.as("another leaf of the same key as root")
	verify{roots: list(pinned), sent: list(pinned, r)}.as("leaf as root, the CA sent")
	critical := leaf(r, extension(true, []byte{5, 0}, 1, 2, 3))
	verify{roots: list(critical), sent: list(critical)}.as("leaf as root with an unknown critical extension")
	clients := leaf(r, purposes(clientAuth))
	verify{roots: list(clients), sent: list(clients)}.as("leaf as root, for clients")
	below := spec{subject: name("leaf", ""), key: p256, signer: pinned, extensions: []pkix.Extension{names("a.test")}}.make()
	verify{roots: list(r), sent: list(below, pinned)}.as("signed by a leaf")
	verify{roots: list(pinned), sent: list(below)}.as("signed by a trusted leaf")
}

func chains() {
	r := root(p256)
	one := authority("one", r)
	two := authority("two", one)
	three := authority("three", two)
	l := leaf(three)
	other := authority("other", r)
	stranger := spec{subject: name("stranger", ""), key: p256, extensions: []pkix.Extension{basic(true, -1)}}.make()
	for n, sent := range [][]*made{
		list(l, three, two, one),
		list(l, three, two, one, r),
		list(l, one, two, three),
		list(l, two, one, three, r),
		list(l, three, three, two, one, one),
		list(l, l, three, two, one),
		list(l, other, three, stranger, two, one),
		list(l, three, two),
		list(l, three, one),
		list(l, two, one),
		list(l),
		list(l, r),
		list(three, two, one, l),
	} {
		verify{roots: list(r), sent: sent}.as(fmt.Sprintf("chain %d", n))
		verify{roots: list(two), sent: sent}.as(fmt.Sprintf("chain %d, trusted in the middle", n))
		verify{roots: list(stranger), sent: sent}.as(fmt.Sprintf("chain %d, a stranger trusted", n))
	}
	verify{roots: list(r, one, two, three), sent: list(l)}.as("all trusted, none sent")
	verify{roots: list(r, three), sent: list(l, two)}.as("signer trusted, a superfluous one sent")
	// Two keys of one name.
	twin := spec{subject: r.subject, key: newKey("p256"), extensions: []pkix.Extension{basic(true, -1)}}.make()
	verify{roots: list(twin, r), sent: list(leaf(r))}.as("two roots of one name, the second signs")
	verify{roots: list(twin), sent: list(leaf(r))}.as("a root of the right name and another key")
	verify{roots: list(twin, r), sent: list(leaf(twin))}.as("two roots of one name, the first signs")
	// Cross-signed: a new root, signed by the old one too.
	old := spec{subject: name("old", ""), key: newKey("p256"), extensions: []pkix.Extension{basic(true, -1)}}.make()
	fresh := spec{subject: name("fresh", ""), key: newKey("p256"), extensions: []pkix.Extension{basic(true, -1)}}.make()
	cross := spec{subject: fresh.subject, key: fresh.key, signer: old, extensions: []pkix.Extension{basic(true, -1)}}.make()
	back := spec{subject: old.subject, key: old.key, signer: fresh, extensions: []pkix.Extension{basic(true, -1)}}.make()
	expired := spec{subject: fresh.subject, key: fresh.key, signer: old, to: now.Add(-time.Hour), extensions: []pkix.Extension{basic(true, -1)}}.make()
	short := spec{subject: fresh.subject, key: fresh.key, signer: old, extensions: []pkix.Extension{basic(true, 0)}}.make()
	mid := authority("mid", fresh)
	x := leaf(mid)
	for n, c := range []verify{
		{roots: list(old), sent: list(x, mid, cross)},
		{roots: list(fresh), sent: list(x, mid, cross)},
		{roots: list(fresh, old), sent: list(x, mid, cross)},
		{roots: list(old), sent: list(x, mid, expired)},
		{roots: list(fresh), sent: list(x, mid, expired)},
		{roots: list(old), sent: list(x, mid, expired, cross)},
		{roots: list(old), sent: list(x, mid, short)},
		{roots: list(fresh, old), sent: list(x, mid, short)},
		{roots: list(old), sent: list(x, mid, cross, back)},
		{roots: list(stranger), sent: list(x, mid, cross, back)},
		{roots: list(stranger), sent: list(x, mid, cross, fresh, back, old)},
		{roots: list(old), sent: list(x, mid, short, cross)},
	} {
		c.as(fmt.Sprintf("cross-signed %d", n))
	}
	// Path lengths.
	for length := 0; length < 4; length++ {
		top := spec{subject: name("top", ""), key: p256, extensions: []pkix.Extension{basic(true, length)}}.make()
		a := authority("a", top)
		b := authority("b", a)
		own := spec{subject: name("b", "test"), key: newKey("p256"), signer: b, extensions: []pkix.Extension{basic(true, -1)}}.make()
		verify{roots: list(top), sent: list(leaf(a), a)}.as(fmt.Sprint("path length ", length, ", one below"))
		verify{roots: list(top), sent: list(leaf(b), b, a)}.as(fmt.Sprint("path length ", length, ", two below"))
		verify{roots: list(top), sent: list(leaf(own), own, b, a)}.as(fmt.Sprint("path length ", length, ", two and one of the same name"))
	}
	ca := spec{subject: name("ca", ""), key: p256, signer: r, extensions: []pkix.Extension{extension(true, sequence([]byte{1, 1, 0xff}, []byte{2, 1, 0xff}), 2, 5, 29, 19)}}.make()
	verify{roots: list(r), sent: list(leaf(ca), ca)}.as("path length below 0")
	// Key identifiers only order the candidates.
	for _, c := range []struct{ name, ca, leaf string }{{"same", "1", "1"}, {"other", "1", "2"}, {"none of the CA", "", "1"}, {"none of the leaf", "1", ""}} {
		var has, wants []pkix.Extension
		if c.ca != "" {
			has = append(has, subjectKey(c.ca))
		}
		if c.leaf != "" {
			wants = append(wants, authorityKey(c.leaf))
		}
		top := root(p256, has...)
		verify{roots: list(top), sent: list(leaf(top, wants...))}.as("key identifiers: " + c.name)
		verify{roots: list(twin, top), sent: list(leaf(top, wants...))}.as("key identifiers, two roots: " + c.name)
		verify{roots: list(twin), sent: list(leaf(top, wants...))}.as("key identifiers, the wrong root: " + c.name)
	}
	// More candidates than are looked at: each of a name signs the next of the same name.
	var many []*made
	for i := 0; i < 8; i++ {
		many = append(many, spec{subject: name("loop", ""), issuer: name("loop", ""), key: p256, signer: &made{nil, name("loop", ""), p256}, extensions: []pkix.Extension{basic(true, -1), names(fmt.Sprintf("n%d.test", i))}}.make())
	}
	bottom := spec{subject: name("leaf", ""), key: p256, signer: many[0], extensions: []pkix.Extension{names("a.test")}}.make()
	verify{roots: list(r), sent: append(list(bottom), many...)}.as("too many candidates")
	verify{roots: list(r), sent: append(list(bottom), many[:3]...)}.as("a few candidates in a circle")
	verify{roots: list(many[7]), sent: append(list(bottom), many[:3]...)}.as("a trusted one of a circle")
}

func usages() {
	r := root(p256)
	for _, c := range []struct {
		name string
		more []pkix.Extension
	}{
		{"server", []pkix.Extension{purposes(serverAuth)}},
		{"client", []pkix.Extension{purposes(clientAuth)}},
		{"both", []pkix.Extension{purposes(clientAuth, serverAuth)}},
		{"any", []pkix.Extension{purposes(anyUsage)}},
		{"unknown", []pkix.Extension{purposes(oid(1, 2, 3))}},
		{"server gated", []pkix.Extension{purposes(gated)}},
		{"none listed", []pkix.Extension{purposes()}},
		{"critical server", []pkix.Extension{extension(true, encode([]asn1.ObjectIdentifier{serverAuth}), 2, 5, 29, 37)}},
		{"signs", []pkix.Extension{usage(0)}},
		{"enciphers", []pkix.Extension{usage(2)}},
		{"signs certificates only", []pkix.Extension{usage(5)}},
		{"deciphers only", []pkix.Extension{usage(8)}},
	} {
		verify{roots: list(r), sent: list(leaf(r, c.more...))}.as("leaf used for: " + c.name)
		ca := authority("ca", r, c.more...)
		verify{roots: list(r), sent: list(leaf(ca), ca)}.as("CA used for: " + c.name)
		verify{roots: list(r), sent: list(leaf(ca, purposes(serverAuth)), ca)}.as("server below a CA used for: " + c.name)
		verify{roots: list(ca), sent: list(leaf(ca, purposes(serverAuth)))}.as("server below a root used for: " + c.name)
	}
	// A second chain may be good where the first is not.
	bad := spec{subject: r.subject, key: p256, extensions: []pkix.Extension{basic(true, -1), purposes(clientAuth)}}.make()
	verify{roots: list(bad, r), sent: list(leaf(r))}.as("one chain of two is for servers")
	verify{roots: list(bad), sent: list(leaf(r))}.as("no chain is for servers")
}

func constraints() {
	for n, c := range []struct {
		permitted, excluded, names []string
	}{
		{[]string{"test"}, nil, []string{"a.test"}},
		{[]string{"a.test"}, nil, []string{"a.test"}},
		{[]string{".test"}, nil, []string{"a.test"}},
		{[]string{".a.test"}, nil, []string{"a.test"}},
		{[]string{"b.test"}, nil, []string{"a.test"}},
		{[]string{"b.test", "a.test"}, nil, []string{"a.test"}},
		{[]string{"TEST"}, nil, []string{"a.test"}},
		{[]string{"est"}, nil, []string{"a.test"}},
		{[]string{""}, nil, []string{"a.test"}},
		{nil, []string{""}, []string{"a.test"}},
		{nil, []string{"test"}, []string{"a.test"}},
		{nil, []string{"a.test"}, []string{"a.test"}},
		{nil, []string{"b.test"}, []string{"a.test"}},
		{nil, []string{".a.test"}, []string{"a.test"}},
		{nil, []string{"b.test"}, []string{"a.test", "*.test"}},
		{nil, []string{"b.c.test"}, []string{"a.test", "*.test"}},
		{[]string{"a.test"}, nil, []string{"a.test", "*.test"}},
		{[]string{"test"}, []string{"a.test"}, []string{"a.test"}},
		{[]string{"test"}, nil, []string{"a.test", "b.other"}},
		{[]string{"test"}, nil, []string{"a.test", "192.0.2.1"}},
		{[]string{"192.0.2.0/24"}, nil, []string{"a.test"}},
		{[]string{"192.0.2.0/24"}, nil, []string{"a.test", "192.0.2.1"}},
		{[]string{"192.0.2.0/24"}, nil, []string{"a.test", "192.0.3.1"}},
		{[]string{"192.0.2.0/24"}, nil, []string{"a.test", "2001:db8::1"}},
		{[]string{"2001:db8::/32"}, nil, []string{"a.test", "2001:db8::1"}},
		{nil, []string{"192.0.2.0/24"}, []string{"a.test", "192.0.2.1"}},
		{nil, []string{"0.0.0.0/0"}, []string{"a.test", "2001:db8::1"}},
		{nil, []string{"0.0.0.0/0", "::/0"}, []string{"a.test", "2001:db8::1"}},
		{[]string{"mail:example.test"}, nil, []string{"a.test", "x@example.test"}},
		{[]string{"mail:example.test"}, nil, []string{"a.test", "x@EXAMPLE.test"}},
		{[]string{"mail:.example.test"}, nil, []string{"a.test", "x@example.test"}},
		{[]string{"x@example.test"}, nil, []string{"a.test", "x@example.test"}},
		{[]string{"x@example.test"}, nil, []string{"a.test", "y@example.test"}},
		{nil, []string{"x@example.test"}, []string{"a.test", "x@example.test"}},
		{nil, []string{"mail:example.test"}, []string{"a.test", "x@example.test"}},
		{nil, []string{"mail:example.test"}, []string{"a.test", "\"a b\"@other.test"}},
		{nil, []string{"mail:example.test"}, []string{"a.test", "a b@other.test"}},
		{[]string{"uri:example.test"}, nil, []string{"a.test", "https://example.test/x"}},
		{[]string{"uri:example.test"}, nil, []string{"a.test", "https://other.test:8080/x"}},
		{nil, []string{"uri:example.test"}, []string{"a.test", "spiffe://example.test/x"}},
		{nil, []string{"uri:example.test"}, []string{"a.test", "https://192.0.2.1/x"}},
		{nil, []string{"uri:example.test"}, []string{"a.test", "https:///x"}},
	} {
		ca := root(p256, constraint(c.permitted, c.excluded))
		l := spec{subject: name("leaf", ""), key: p256, signer: ca, extensions: []pkix.Extension{names(c.names...)}}.make()
		verify{roots: list(ca), sent: list(l)}.as(fmt.Sprintf("constraints %d of the root", n))
		if n%5 == 0 {
			r := root(newKey("p256"))
			mid := authority("mid", r, constraint(c.permitted, c.excluded))
			l.subject = nil
			x := spec{subject: name("leaf", ""), key: p256, signer: mid, extensions: []pkix.Extension{names(c.names...)}}.make()
			verify{roots: list(r), sent: list(x, mid)}.as(fmt.Sprintf("constraints %d of an intermediate", n))
			verify{roots: list(mid), sent: list(x)}.as(fmt.Sprintf("constraints %d of a trusted intermediate", n))
		}
	}
	raw := func(value []byte) pkix.Extension { return extension(true, value, 2, 5, 29, 30) }
	tree := func(tag byte, content string) []byte {
		return sequence(wrap(0xa0, sequence(wrap(tag, []byte(content)))))
	}
	for _, c := range []struct {
		name  string
		value []byte
	}{
		{"empty", sequence()},
		{"two empty lists", sequence(wrap(0xa0), wrap(0xa1))},
		{"a directory name", tree(0xa4, string(name("x", "")))},
		{"a dot at the end", tree(0x82, "test.")},
		{"an empty label", tree(0x82, "a..test")},
		{"a blank", tree(0x82, "a test")},
		{"an address of 5 octets", tree(0x87, "12345")},
		{"a mask with a hole", tree(0x87, "\xc0\x00\x02\x00\xff\x00\xff\x00")},
		{"a mail address without a name", tree(0x81, "@test")},
		{"a URI that is an address", tree(0x86, "192.0.2.1")},
		{"text behind it", append(tree(0x82, "test"), 5, 0)},
		{"not ASCII", tree(0x82, "t\xe4st")},
	} {
		ca := root(p256, raw(c.value))
		verify{roots: list(ca), sent: list(leaf(ca))}.as("constraints with " + c.name)
		r := root(newKey("p256"))
		mid := authority("mid", r, raw(c.value))
		verify{roots: list(r), sent: list(leaf(mid), mid)}.as("intermediate's constraints with " + c.name)
	}
	top := root(p256, constraint(nil, []string{"b.test"}))
	named := authority("mid", top, names("b.test"))
	verify{roots: list(top), sent: list(leaf(named), named)}.as("an intermediate's own name is excluded")
	own := spec{subject: name("own", ""), key: p256, extensions: []pkix.Extension{basic(true, -1), names("a.test"), constraint(nil, []string{"test"})}}.make()
	verify{roots: list(own), sent: list(own)}.as("own constraints do not count")
	bare := spec{subject: name("a.test", ""), key: p256, signer: top}.make()
	verify{roots: list(top), sent: list(bare)}.as("constraints and no names")
}

func policies() {
	listed := func(ids ...asn1.ObjectIdentifier) pkix.Extension {
		var parts [][]byte
		for _, id := range ids {
			parts = append(parts, sequence(encode(id)))
		}
		return extension(false, sequence(parts...), 2, 5, 29, 32)
	}
	demand := func(tag byte, n byte) pkix.Extension {
		return extension(true, sequence([]byte{0x80 | tag, 1, n}), 2, 5, 29, 36)
	}
	mapping := func(pairs ...asn1.ObjectIdentifier) pkix.Extension {
		var parts [][]byte
		for i := 0; i < len(pairs); i += 2 {
			parts = append(parts, sequence(encode(pairs[i]), encode(pairs[i+1])))
		}
		return extension(true, sequence(parts...), 2, 5, 29, 33)
	}
	inhibit := func(n byte) pkix.Extension { return extension(true, []byte{2, 1, n}, 2, 5, 29, 54) }
	p, q, any := oid(1, 2, 3, 1), oid(1, 2, 3, 2), oid(2, 5, 29, 32, 0)
	for n, c := range []struct{ ca, leaf []pkix.Extension }{
		{[]pkix.Extension{listed(p)}, []pkix.Extension{listed(p)}},
		{[]pkix.Extension{listed(p)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(p)}, nil},
		{[]pkix.Extension{listed(p), demand(0, 0)}, []pkix.Extension{listed(p)}},
		{[]pkix.Extension{listed(p), demand(0, 0)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(p), demand(0, 0)}, nil},
		{[]pkix.Extension{demand(0, 0)}, []pkix.Extension{listed(p)}},
		{[]pkix.Extension{listed(any), demand(0, 0)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(any), demand(0, 0), inhibit(0)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(p), demand(0, 0)}, []pkix.Extension{listed(any)}},
		{[]pkix.Extension{listed(p), demand(0, 0), inhibit(0)}, []pkix.Extension{listed(any)}},
		{[]pkix.Extension{listed(p), demand(0, 0), mapping(p, q)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(p), demand(0, 0), mapping(p, q)}, []pkix.Extension{listed(p)}},
		{[]pkix.Extension{listed(any), demand(0, 0), mapping(p, q)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(p), demand(0, 0), mapping(p, any)}, []pkix.Extension{listed(q)}},
		{[]pkix.Extension{listed(p), demand(0, 1)}, nil},
		{[]pkix.Extension{listed(p), demand(0, 2)}, nil},
		{[]pkix.Extension{listed(p)}, []pkix.Extension{demand(0, 0)}},
		{[]pkix.Extension{listed(p)}, []pkix.Extension{demand(0, 0), listed(p)}},
		{[]pkix.Extension{listed(p), demand(1, 0)}, []pkix.Extension{listed(p)}},
		{[]pkix.Extension{listed(p, p)}, nil},
		{[]pkix.Extension{extension(false, sequence(), 2, 5, 29, 32)}, nil},
		{[]pkix.Extension{extension(true, []byte{5, 0}, 2, 5, 29, 36)}, nil},
	} {
		r := root(newKey("p256"))
		mid := authority("mid", r, c.ca...)
		verify{roots: list(r), sent: list(leaf(mid, c.leaf...), mid)}.as(fmt.Sprintf("policies %d", n))
		low := authority("low", mid, append(c.leaf, listed(any))[len(c.leaf):]...)
		verify{roots: list(r), sent: list(leaf(low, c.leaf...), low, mid)}.as(fmt.Sprintf("policies %d, one CA more", n))
		verify{roots: list(mid), sent: list(leaf(mid, c.leaf...))}.as(fmt.Sprintf("policies %d of the root", n))
	}
}

func hosts() {
	r := root(p256)
	of := func(list ...string) *made {
		return spec{subject: name("a.test", ""), key: p256, signer: r, extensions: []pkix.Extension{names(list...)}}.make()
	}
	wild, many, several := of("*.test"), []string{}, of("a.test", "b.test", "127.0.0.1", "::1")
	for i := 0; i < 120; i++ {
		many = append(many, fmt.Sprintf("n%d.x", i))
	}
	for n, c := range []struct {
		m    *made
		host string
	}{
		{wild, "a.test"}, {wild, "A.TEST"}, {wild, "a.b.test"}, {wild, "test"}, {wild, ".test"}, {wild, "a.test."}, {wild, "*.test"}, {wild, "a_b.test"}, {wild, "-a.test"}, {wild, "a-.test"}, {wild, "ä.test"},
		{of("*.b.test"), "a.b.test"}, {of("*.b.test"), "a.test"}, {of("a*.test"), "ab.test"}, {of("a*.test"), "a*.test"}, {of("a.*.test"), "a.b.test"}, {of("*"), "a"}, {of("*"), "a.test"}, {of("*.*.test"), "a.b.test"},
		{of("A.Test"), "a.test"}, {of("a.test."), "a.test"}, {of("a.test."), "a.test."}, {of("a test"), "a test"}, {of("a_b.test"), "a_b.test"}, {of("a..test"), "a..test"}, {of("-.test"), "-.test"}, {of(""), "a.test"}, {of("."), "a.test"}, {of("xn--4ca.test"), "xn--4ca.test"},
		{of("127.0.0.1"), "127.0.0.1"}, {of("127.0.0.1"), "127.0.0.2"}, {of("127.0.0.1"), "::ffff:127.0.0.1"}, {of("::1"), "::1"}, {of("::1"), "[::1]"}, {of("2001:db8::1"), "2001:DB8:0::1"}, {of("2001:db8::1"), "2001:db8::2"}, {of("a.test"), "127.0.0.1"},
		{several, "a.test"}, {several, "b.test"}, {several, "c.test"}, {several, "127.0.0.1"}, {several, "127.0.0.2"},
		{of(many...), "n7.x"}, {of(many...), "a.test"}, {of("x@a.test"), "a.test"}, {of("https://a.test/"), "a.test"},
		{spec{subject: name("a.test", ""), key: p256, signer: r}.make(), "a.test"},
		{spec{subject: name("*.test", ""), key: p256, signer: r}.make(), "a.test"},
		{spec{subject: name("b.test", ""), key: p256, signer: r}.make(), "a.test"},
		{spec{subject: name("127.0.0.1", ""), key: p256, signer: r}.make(), "127.0.0.1"},
		{spec{subject: name("", ""), key: p256, signer: r, extensions: []pkix.Extension{extension(true, general("a.test"), 2, 5, 29, 17)}}.make(), "a.test"},
		{spec{subject: name("", ""), key: p256, signer: r, extensions: []pkix.Extension{names("a.test")}}.make(), "a.test"},
		{spec{subject: name("", ""), key: p256, signer: r}.make(), "a.test"},
	} {
		verify{roots: list(r), sent: list(c.m), host: c.host}.as(fmt.Sprintf("host %d: %s", n, c.host))
	}
	raw := func(value []byte, critical bool) *made {
		return spec{subject: name("a.test", ""), key: p256, signer: r, extensions: []pkix.Extension{extension(critical, value, 2, 5, 29, 17)}}.make()
	}
	for _, c := range []struct {
		name string
		m    *made
	}{
		{"no names", raw(sequence(), false)},
		{"no names, critical", raw(sequence(), true)},
		{"other kinds only, critical", raw(sequence(wrap(0xa4, name("x", ""))), true)},
		{"other kinds too, critical", raw(sequence(wrap(0xa4, name("x", "")), one("a.test")), true)},
		{"an address of 3 octets", raw(sequence(wrap(0x87, []byte{1, 2, 3})), false)},
		{"a name that is not ASCII", raw(sequence(wrap(0x82, []byte("\xe4.test"))), false)},
		{"no sequence", raw([]byte{5, 0}, false)},
		{"a length too long", raw([]byte{0x30, 9, 0x82, 1}, false)},
		{"a URI with a control character", raw(sequence(wrap(0x86, []byte("https://a\x01/"))), false)},
		{"a URI with a bad host", raw(sequence(wrap(0x86, []byte("https://a..b/"))), false)},
	} {
		verify{roots: list(r), sent: list(c.m)}.as("names: " + c.name)
	}
}

// What a parser may take or refuse.
func encodings() {
	r := root(p256)
	usualLeaf := spec{subject: name("leaf", ""), key: p256, signer: r, extensions: []pkix.Extension{names("a.test")}}
	try := func(title string, change func(*spec)) {
		s := usualLeaf
		change(&s)
		verify{roots: list(r), sent: list(s.make())}.as("encoding: " + title)
	}
	try("serial number 0", func(s *spec) { s.serial = big.NewInt(0) })
	try("serial number -1", func(s *spec) { s.serial = big.NewInt(-1) })
	try("serial number of 30 octets", func(s *spec) { s.serial = new(big.Int).Lsh(big.NewInt(1), 238) })
	try("version 4", func(s *spec) { s.version = 4 })
	try("version 1 with extensions", func(s *spec) { s.version = 1 })
	try("version 2 with extensions", func(s *spec) { s.version = 2 })
	try("another algorithm outside", func(s *spec) { s.outer, _, _ = algorithm("ecdsa-sha384") })
	try("text behind it", func(s *spec) { s.trailing = []byte{0} })
	try("unique identifiers", func(s *spec) { s.extraInBody = append(wrap(0x81, []byte{0, 1}), wrap(0x82, []byte{0, 2})...) })
	try("an unknown field", func(s *spec) { s.extraInBody = wrap(0x84, []byte{0, 1}) })
	try("a twofold extension", func(s *spec) { s.extensions = append(s.extensions, names("a.test")) })
	try("a critical key identifier of the signer", func(s *spec) { s.extensions = append(s.extensions, extension(true, sequence(), 2, 5, 29, 35)) })
	try("a critical key identifier", func(s *spec) { s.extensions = append(s.extensions, extension(true, encode([]byte("x")), 2, 5, 29, 14)) })
	try("a critical information access", func(s *spec) {
		s.extensions = append(s.extensions, extension(true, sequence(), 1, 3, 6, 1, 5, 5, 7, 1, 1))
	})
	try("information access", func(s *spec) {
		s.extensions = append(s.extensions, extension(false, sequence(sequence(encode(oid(1, 3, 6, 1, 5, 5, 7, 48, 1)), wrap(0x86, []byte("http://ocsp.test")))), 1, 3, 6, 1, 5, 5, 7, 1, 1))
	})
	try("revocation lists", func(s *spec) {
		s.extensions = append(s.extensions, extension(false, sequence(sequence(wrap(0xa0, wrap(0xa0, wrap(0x86, []byte("http://crl.test")))))), 2, 5, 29, 31))
	})
	for _, c := range []struct {
		number int
		name   string
	}{{14, "key identifier"}, {15, "key usage"}, {19, "basic constraints"}, {31, "revocation lists"}, {32, "policies"}, {33, "policy mappings"}, {35, "key identifier of the signer"}, {36, "policy constraints"}, {37, "purposes"}, {54, "any policy"}} {
		try("broken "+c.name, func(s *spec) {
			s.extensions = append(s.extensions, extension(false, []byte{0x13, 1, 'x'}, 2, 5, 29, c.number))
		})
	}
	try("known extension that is not looked at", func(s *spec) { s.extensions = append(s.extensions, extension(true, sequence(), 2, 5, 29, 46)) })
	try("must staple", func(s *spec) {
		s.extensions = append(s.extensions, extension(false, sequence([]byte{2, 1, 5}), 1, 3, 6, 1, 5, 5, 7, 1, 24))
	})
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"printable", rawName(0x13, "leaf")}, {"printable with *", rawName(0x13, "*.leaf & more")}, {"printable with @", rawName(0x13, "leaf@x")}, {"printable with _", rawName(0x13, "leaf_x")},
		{"IA5", rawName(0x16, "leaf@x")}, {"IA5 not ASCII", rawName(0x16, "le\xe4f")}, {"T61", rawName(0x14, "le\xe4f")}, {"UTF-8", rawName(0x0c, "leäf")}, {"broken UTF-8", rawName(0x0c, "le\xe4f")},
		{"BMP", rawName(0x1e, "\x00l\x00e\x00\x00")}, {"BMP of odd length", rawName(0x1e, "\x00l\x00")}, {"BMP with a surrogate", rawName(0x1e, "\xd8\x00\xdc\x00")}, {"numeric", rawName(0x12, "12 3")}, {"numeric with a letter", rawName(0x12, "12a")},
		{"universal", rawName(0x1c, "\x00\x00\x00l")}, {"empty", sequence()}, {"no sequence", []byte{5, 0}},
	} {
		try("name "+c.name, func(s *spec) { s.subject = c.raw })
	}
	spki := func(id []byte, k []byte) []byte { return sequence(id, wrap(3, []byte{0}, k)) }
	rsaID := encode(append(pkcs1, 1))
	body := sequence(encode(new(big.Int).Lsh(big.NewInt(3), 2046)), encode(65537))
	long := sequence(encode(new(big.Int).SetBit(big.NewInt(1), 8200, 1)), encode(65537))
	for _, c := range []struct {
		name string
		spki []byte
	}{
		{"RSA without parameters", spki(sequence(rsaID), body)},
		{"RSA of 8201 bits", spki(sequence(rsaID, []byte{5, 0}), long)},
		{"RSA with a negative modulus", spki(sequence(rsaID, []byte{5, 0}), sequence(encode(-5), encode(3)))},
		{"RSA with exponent 0", spki(sequence(rsaID, []byte{5, 0}), sequence(encode(500), encode(0)))},
		{"RSA that is broken", spki(sequence(rsaID, []byte{5, 0}), []byte{1, 2, 3})},
		{"ECDSA on secp256k1", spki(sequence(encode(oid(1, 2, 840, 10045, 2, 1)), encode(oid(1, 3, 132, 0, 10))), append([]byte{4}, make([]byte, 64)...))},
		{"ECDSA without curve", spki(sequence(encode(oid(1, 2, 840, 10045, 2, 1))), append([]byte{4}, make([]byte, 64)...))},
		{"Ed25519 with parameters", spki(sequence(encode(oid(1, 3, 101, 112)), []byte{5, 0}), make([]byte, 32))},
		{"Ed25519 of 31 octets", spki(sequence(encode(oid(1, 3, 101, 112))), make([]byte, 31))},
	} {
		try("key "+c.name, func(s *spec) { s.spki = c.spki })
	}
	mid := authority("mid", r)
	for _, c := range []struct {
		name string
		junk []byte
	}{{"empty", nil}, {"no DER", []byte("hello")}, {"cut", r.der[:40]}} {
		verify{roots: list(r), sent: list(leaf(mid), &made{c.junk, nil, p256}, mid)}.as("sent along: " + c.name)
	}
}

func bundle(title, content string) {
	l := line{Case: "bundle: " + title, Bundle: &content}
	if _, err := pool([]byte(content)); err != nil {
		l.Verdict = err.Error()
	} else {
		r := bundleLeaf
		l.Sent, l.Host, l.Now = []string{define(r)}, "a.test", now.Unix()
		p, _ := pool([]byte(content))
		l.Verdict = judge(p, list(r), "a.test", now)
	}
	write(l)
}

var bundleLeaf *made

func bundles() {
	r := root(p256)
	bundleLeaf = leaf(r)
	good := text("CERTIFICATE", r.der)
	other := text("CERTIFICATE", root(newKey("p256")).der)
	negative := text("CERTIFICATE", spec{subject: name("x", ""), key: p256, serial: big.NewInt(-1)}.make().der)
	junk := "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"
	private := text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p256.signer)))
	lines := strings.Split(strings.TrimSpace(good), "\n")
	inner := strings.Join(lines[1:len(lines)-1], "\n")
	for _, c := range []struct{ name, text string }{
		{"one", good}, {"two", other + good}, {"another", other}, {"twice", good + good},
		{"a bad one before", junk + good}, {"a bad one behind", good + junk}, {"a bad one between", other + negative + good}, {"bad ones only", junk + negative}, {"junk only", junk}, {"negative only", negative},
		{"blank", "\n"}, {"text", "hello\n"}, {"text around", "hello\n" + good + "bye\n"}, {"text between", good + "# another\n" + other}, {"text and a bad one", junk + "text"},
		{"carriage returns", strings.ReplaceAll(good, "\n", "\r\n")}, {"no line break at the end", strings.TrimRight(good, "\n")}, {"blanks at line ends", strings.ReplaceAll(good, "\n", " \t\n")}, {"indented", strings.ReplaceAll(good, "\n", "\n  ")}, {"blank lines inside", strings.ReplaceAll(good, "\n", "\n\n")},
		{"headers", "-----BEGIN CERTIFICATE-----\nName: x\n\n" + inner + "\n-----END CERTIFICATE-----\n"}, {"headers without a blank line", "-----BEGIN CERTIFICATE-----\nName: x\n" + inner + "\n-----END CERTIFICATE-----\n"},
		{"headers, and one without", "-----BEGIN CERTIFICATE-----\nName: x\n\n" + inner + "\n-----END CERTIFICATE-----\n" + good},
		{"a key", private}, {"a key before", private + good}, {"a trusted certificate of OpenSSL", strings.ReplaceAll(good, "CERTIFICATE", "TRUSTED CERTIFICATE")}, {"an X509 certificate", strings.ReplaceAll(good, "CERTIFICATE", "X509 CERTIFICATE")},
		{"another label at the end", "-----BEGIN CERTIFICATE-----\n" + inner + "\n-----END OTHER-----\n"}, {"another label at the end, and a good one", "-----BEGIN CERTIFICATE-----\n" + inner + "\n-----END OTHER-----\n" + good},
		{"no end", "-----BEGIN CERTIFICATE-----\n" + inner + "\n"}, {"no end, and a good one", "-----BEGIN CERTIFICATE-----\n" + inner + "\n" + good}, {"no beginning", inner + "\n-----END CERTIFICATE-----\n" + good},
		{"text behind the end line", strings.TrimRight(good, "\n") + " hello\n"}, {"text before the first line", "x" + good}, {"one line of base64", "-----BEGIN CERTIFICATE-----\n" + strings.ReplaceAll(inner, "\n", "") + "\n-----END CERTIFICATE-----\n"},
		{"no padding", strings.ReplaceAll(good, "=", "")}, {"base64 with a letter that is none", "-----BEGIN CERTIFICATE-----\n!" + inner + "\n-----END CERTIFICATE-----\n" + good}, {"base64 of URLs", strings.ReplaceAll(strings.ReplaceAll(good, "+", "-"), "/", "_")},
		{"lines of DER", string(r.der)}, {"a leaf", text("CERTIFICATE", bundleLeaf.der)}, {"an empty block", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"}, {"an empty block before", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" + good},
		{"a byte order mark", "\ufeff" + good}, {"two on one line", strings.TrimRight(good, "\n") + other},
	} {
		bundle(c.name, c.text)
	}
}

func identity(title, chain, k string) {
	l := line{Case: "identity: " + title, Chain: &chain, Key: &k}
	if _, err := tls.X509KeyPair([]byte(chain), []byte(k)); err != nil {
		l.Verdict = err.Error()
	}
	write(l)
}

func identities() {
	r := root(p256)
	type pair struct{ kind, chain, pkcs8, old string }
	var pairs []pair
	for _, kind := range []string{"rsa2048", "rsa3072", "p256", "p384", "p521", "ed25519"} {
		k := newKey(kind)
		m := spec{subject: name("client", ""), key: k, signer: r}.make()
		p := pair{kind, text("CERTIFICATE", m.der), text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(k.signer))), ""}
		switch kind[0] {
		case 'r':
			p.old = text("RSA PRIVATE KEY", pkcs1Key(k))
		case 'p':
			p.old = text("EC PRIVATE KEY", sec1Key(k))
		}
		pairs = append(pairs, p)
	}
	parameters := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	for n, p := range pairs {
		other := pairs[(n+1)%len(pairs)]
		identity(p.kind+" PKCS #8", p.chain, p.pkcs8)
		identity(p.kind+" with the CA", p.chain+text("CERTIFICATE", r.der), p.pkcs8)
		identity(p.kind+" with the key of another kind", p.chain, other.pkcs8)
		identity(p.kind+" key before the certificate, one text", p.pkcs8+p.chain, p.pkcs8+p.chain)
		fresh := text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(newKey(p.kind).signer)))
		if p.kind != "rsa3072" {
			identity(p.kind+" with another key", p.chain, fresh)
		}
		if p.old == "" {
			continue
		}
		identity(p.kind+" old form", p.chain, p.old)
		identity(p.kind+" parameters first", p.chain, parameters+p.old)
		identity(p.kind+" PKCS #8 under the old label", p.chain, strings.ReplaceAll(p.pkcs8, " PRIVATE", " RSA PRIVATE"))
		identity(p.kind+" old form under a plain label", p.chain, strings.ReplaceAll(strings.ReplaceAll(p.old, "RSA ", ""), "EC ", ""))
		identity(p.kind+" carriage returns", strings.ReplaceAll(p.chain, "\n", "\r\n"), strings.ReplaceAll(p.old, "\n", "\r\n"))
	}
	chain, k := pairs[2].chain, pairs[2].pkcs8
	for _, c := range []struct{ name, chain, key string }{
		{"nothing", "", ""}, {"no certificate", "", k}, {"no key", chain, ""}, {"switched", k, chain}, {"certificate twice", chain, chain}, {"key twice", k, k},
		{"text", "hello", "hello"}, {"another label", strings.ReplaceAll(chain, "CERTIFICATE", "THING"), k}, {"parameters alone", chain, parameters}, {"parameters and a certificate", chain, parameters + chain},
		{"a broken key", chain, "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n"}, {"an encrypted key", chain, "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n"},
		{"a broken certificate", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", k}, {"two keys, the first counts", chain, k + pairs[3].pkcs8}, {"two keys, the second would do", chain, pairs[3].pkcs8 + k},
		{"the CA first", text("CERTIFICATE", root(newKey("p256")).der) + chain, k}, {"several other labels", strings.ReplaceAll(chain, "CERTIFICATE", "A") + strings.ReplaceAll(chain, "CERTIFICATE", "B"), k},
		{"a label that ends so", chain, strings.ReplaceAll(k, "PRIVATE KEY", "MYPRIVATE KEY")}, {"a public key", chain, strings.ReplaceAll(k, "PRIVATE KEY", "PUBLIC KEY")},
	} {
		identity(c.name, c.chain, c.key)
	}
	bare := spec{subject: name("client", ""), key: p256, version: 1}.make()
	identity("version 1", text("CERTIFICATE", bare.der), text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p256.signer))))
	negative := spec{subject: name("client", ""), key: p256, serial: big.NewInt(-1)}.make()
	identity("negative serial number", text("CERTIFICATE", negative.der), text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p256.signer))))
}
