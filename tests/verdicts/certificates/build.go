package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"time"
)

// The day of all verdicts, and the usual validity around it.
var (
	now   = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A key and the name of its kind.
type key struct {
	kind   string
	signer crypto.Signer
	spki   []byte
}

// A key that is too short for Go to sign with: its signatures are noise.
type noise struct{ public rsa.PublicKey }

func (n noise) Public() crypto.PublicKey { return &n.public }
func (n noise) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, n.public.Size()), nil
}

func shortRSA(bits int) crypto.Signer {
	p, q := must(rand.Prime(rand.Reader, bits/2)), must(rand.Prime(rand.Reader, bits/2))
	return noise{rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}}
}

func newKey(kind string) *key {
	var signer crypto.Signer
	switch kind {
	case "p224":
		signer = must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	case "p256":
		signer = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "p384":
		signer = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case "p521":
		signer = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case "ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		signer = must(private, err)
	case "rsa768":
		signer = shortRSA(768)
	case "rsa1024":
		signer = must(rsa.GenerateKey(rand.Reader, 1024))
	case "rsa2048":
		signer = must(rsa.GenerateKey(rand.Reader, 2048))
	case "rsa3072":
		signer = must(rsa.GenerateKey(rand.Reader, 3072))
	}
	return &key{kind, signer, must(x509.MarshalPKIXPublicKey(signer.Public()))}
}

// One certificate to be made. What is not said is usual.
type spec struct {
	version     int // 3
	serial      *big.Int
	issuer      []byte // the signer's subject
	subject     []byte
	from, to    time.Time
	key         *key
	spki        []byte
	extensions  []pkix.Extension
	signer      *made // itself
	algorithm   string
	outer       []byte // algorithm outside, if another
	breaks      bool   // the signature is wrong
	trailing    []byte
	rawFrom     []byte // a time as encoded
	rawTo       []byte
	extraInBody []byte
}

type made struct {
	der     []byte
	subject []byte
	key     *key
}

func oid(numbers ...int) asn1.ObjectIdentifier { return numbers }

func encode(value any) []byte { return must(asn1.Marshal(value)) }

func sequence(parts ...[]byte) []byte { return wrap(0x30, parts...) }

func wrap(tag byte, parts ...[]byte) []byte {
	var content []byte
	for _, part := range parts {
		content = append(content, part...)
	}
	out := []byte{tag}
	switch n := len(content); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	return append(out, content...)
}

// A name of common name and organization, each left out if empty.
func name(common, organization string) []byte {
	n := pkix.Name{CommonName: common}
	if organization != "" {
		n.Organization = []string{organization}
	}
	return encode(n.ToRDNSequence())
}

// A name with one attribute of a type of text.
func rawName(tag byte, text string) []byte {
	return sequence(wrap(0x31, sequence(encode(oid(2, 5, 4, 3)), wrap(tag, []byte(text)))))
}

var pkcs1 = oid(1, 2, 840, 113549, 1, 1)

func pss(hash int, salt int, mgfHash int) []byte {
	h := func(n int) []byte { return sequence(encode(oid(2, 16, 840, 1, 101, 3, 4, 2, n)), []byte{5, 0}) }
	return sequence(encode(append(pkcs1, 10)), sequence(
		wrap(0xa0, h(hash)),
		wrap(0xa1, sequence(encode(append(pkcs1, 8)), h(mgfHash))),
		wrap(0xa2, encode(salt))))
}

// The identifier of an algorithm, its hash, and its options for signing.
func algorithm(name string) ([]byte, crypto.Hash, crypto.SignerOpts) {
	plain := func(n int, hash crypto.Hash) ([]byte, crypto.Hash, crypto.SignerOpts) {
		return sequence(encode(append(pkcs1, n)), []byte{5, 0}), hash, hash
	}
	ec := func(hash crypto.Hash, numbers ...int) ([]byte, crypto.Hash, crypto.SignerOpts) {
		return sequence(encode(append(oid(1, 2, 840, 10045, 4), numbers...))), hash, hash
	}
	salted := func(hash crypto.Hash, id []byte, salt int) ([]byte, crypto.Hash, crypto.SignerOpts) {
		return id, hash, &rsa.PSSOptions{SaltLength: salt, Hash: hash}
	}
	switch name {
	case "rsa-md5":
		return plain(4, crypto.MD5)
	case "rsa-sha1":
		return plain(5, crypto.SHA1)
	case "rsa-sha256":
		return plain(11, crypto.SHA256)
	case "rsa-sha256-without-null":
		return sequence(encode(append(pkcs1, 11))), crypto.SHA256, crypto.SHA256
	case "rsa-sha384":
		return plain(12, crypto.SHA384)
	case "rsa-sha512":
		return plain(13, crypto.SHA512)
	case "rsa-sha224":
		return plain(14, crypto.SHA224)
	case "pss-sha256":
		return salted(crypto.SHA256, pss(1, 32, 1), 32)
	case "pss-sha384":
		return salted(crypto.SHA384, pss(2, 48, 2), 48)
	case "pss-sha512":
		return salted(crypto.SHA512, pss(3, 64, 3), 64)
	case "pss-short-salt":
		return salted(crypto.SHA256, pss(1, 20, 1), 20)
	case "pss-mixed":
		return salted(crypto.SHA256, pss(1, 32, 2), 32)
	case "ecdsa-sha1":
		return ec(crypto.SHA1, 1)
	case "ecdsa-sha224":
		return ec(crypto.SHA224, 3, 1)
	case "ecdsa-sha256":
		return ec(crypto.SHA256, 3, 2)
	case "ecdsa-sha384":
		return ec(crypto.SHA384, 3, 3)
	case "ecdsa-sha512":
		return ec(crypto.SHA512, 3, 4)
	case "ed25519":
		return sequence(encode(oid(1, 3, 101, 112))), 0, crypto.Hash(0)
	case "ed25519-with-null":
		return sequence(encode(oid(1, 3, 101, 112)), []byte{5, 0}), 0, crypto.Hash(0)
	}
	panic(name)
}

func digest(hash crypto.Hash, message []byte) []byte {
	switch hash {
	case crypto.MD5:
		sum := md5.Sum(message)
		return sum[:]
	case crypto.SHA1:
		sum := sha1.Sum(message)
		return sum[:]
	case crypto.SHA224:
		sum := sha256.Sum224(message)
		return sum[:]
	case crypto.SHA256:
		sum := sha256.Sum256(message)
		return sum[:]
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return sum[:]
	case crypto.SHA512:
		sum := sha512.Sum512(message)
		return sum[:]
	}
	return message
}

func usual(k *key) string {
	switch {
	case k.kind == "ed25519":
		return "ed25519"
	case k.kind[0] == 'p':
		return "ecdsa-sha256"
	}
	return "rsa-sha256"
}

var serials = big.NewInt(1000)

func (s spec) make() *made {
	signer := s.signer
	if signer == nil {
		signer = &made{nil, s.subject, s.key}
	}
	if s.algorithm == "" {
		s.algorithm = usual(signer.key)
	}
	if s.issuer == nil {
		s.issuer = signer.subject
	}
	if s.from.IsZero() {
		s.from = start
	}
	if s.to.IsZero() {
		s.to = end
	}
	if s.serial == nil {
		serials = new(big.Int).Add(serials, big.NewInt(1))
		s.serial = serials
	}
	if s.version == 0 {
		s.version = 3
	}
	if s.spki == nil {
		s.spki = s.key.spki
	}
	if s.rawFrom == nil {
		s.rawFrom = encode(s.from)
	}
	if s.rawTo == nil {
		s.rawTo = encode(s.to)
	}
	id, hash, options := algorithm(s.algorithm)
	var parts [][]byte
	if s.version > 1 {
		parts = append(parts, wrap(0xa0, encode(s.version-1)))
	}
	parts = append(parts, encode(s.serial), id, s.issuer, sequence(s.rawFrom, s.rawTo), s.subject, s.spki, s.extraInBody)
	if len(s.extensions) > 0 {
		parts = append(parts, wrap(0xa3, encode(s.extensions)))
	}
	body := sequence(parts...)
	signature := must(signer.key.signer.Sign(rand.Reader, digest(hash, body), options))
	if s.breaks {
		signature[len(signature)-1] ^= 1
	}
	if s.outer != nil {
		id = s.outer
	}
	der := append(sequence(body, id, wrap(3, []byte{0}, signature)), s.trailing...)
	return &made{der, s.subject, s.key}
}

func extension(critical bool, value []byte, numbers ...int) pkix.Extension {
	return pkix.Extension{Id: numbers, Critical: critical, Value: value}
}

func basic(ca bool, length int) pkix.Extension {
	value := sequence()
	if ca {
		value = sequence([]byte{1, 1, 0xff})
		if length >= 0 {
			value = sequence([]byte{1, 1, 0xff}, encode(length))
		}
	}
	return extension(true, value, 2, 5, 29, 19)
}

// Key usage by its bits, the first named one being bit 0.
func usage(bits ...int) pkix.Extension {
	b := asn1.BitString{Bytes: make([]byte, 2)}
	for _, bit := range bits {
		b.Bytes[bit/8] |= 0x80 >> (bit % 8)
		b.BitLength = max(b.BitLength, bit+1)
	}
	b.Bytes = b.Bytes[:(b.BitLength+7)/8]
	return extension(true, encode(b), 2, 5, 29, 15)
}

var (
	serverAuth = oid(1, 3, 6, 1, 5, 5, 7, 3, 1)
	clientAuth = oid(1, 3, 6, 1, 5, 5, 7, 3, 2)
	anyUsage   = oid(2, 5, 29, 37, 0)
	gated      = oid(2, 16, 840, 1, 113730, 4, 1)
)

func purposes(ids ...asn1.ObjectIdentifier) pkix.Extension {
	return extension(false, encode(ids), 2, 5, 29, 37)
}

// Alternative names: an address, `@` in a mail address, `//` in a URI, else a DNS name.
func names(list ...string) pkix.Extension { return extension(false, general(list...), 2, 5, 29, 17) }

func general(list ...string) []byte {
	var parts [][]byte
	for _, text := range list {
		parts = append(parts, one(text))
	}
	return sequence(parts...)
}

func one(text string) []byte {
	if ip := net.ParseIP(text); ip != nil {
		if four := ip.To4(); four != nil {
			ip = four
		}
		return wrap(0x87, ip)
	}
	if _, network, err := net.ParseCIDR(text); err == nil {
		return wrap(0x87, network.IP, network.Mask)
	}
	for i := range text {
		if text[i] == '@' && (len(text) < 4 || text[:4] != "http") {
			return wrap(0x81, []byte(text))
		}
		if i+1 < len(text) && text[i:i+2] == "//" {
			return wrap(0x86, []byte(text))
		}
	}
	return wrap(0x82, []byte(text))
}

func subjectKey(id string) pkix.Extension {
	return extension(false, encode([]byte(id)), 2, 5, 29, 14)
}

func authorityKey(id string) pkix.Extension {
	return extension(false, sequence(wrap(0x80, []byte(id))), 2, 5, 29, 35)
}

func constraint(permitted, excluded []string) pkix.Extension {
	list := func(tag byte, texts []string) []byte {
		if texts == nil {
			return nil
		}
		var parts [][]byte
		for _, text := range texts {
			base := one(text)
			if len(text) > 4 && text[:4] == "uri:" {
				base = wrap(0x86, []byte(text[4:]))
			} else if len(text) > 5 && text[:5] == "mail:" {
				base = wrap(0x81, []byte(text[5:]))
			}
			parts = append(parts, sequence(base))
		}
		return wrap(tag, parts...)
	}
	return extension(true, sequence(list(0xa0, permitted), list(0xa1, excluded)), 2, 5, 29, 30)
}

func text(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func pkcs1Key(k *key) []byte { return x509.MarshalPKCS1PrivateKey(k.signer.(*rsa.PrivateKey)) }

func sec1Key(k *key) []byte {
	return must(x509.MarshalECPrivateKey(k.signer.(*ecdsa.PrivateKey)))
}
