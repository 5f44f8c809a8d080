package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"time"
)

// makePool makes an authority, and certificates with keys of every kind.
func makePool() map[string]string {
	pool := map[string]string{}
	add := func(name, text string) {
		data := base64.StdEncoding.EncodeToString([]byte(text))
		pool[name], pool[name+"_B64"] = text, data
		pool[name+"_JSON"] = strings.ReplaceAll(text, "\n", `\n`)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	add("CA", selfSigned(ecKey, true))
	add("EC", selfSigned(ecKey, false))
	add("RSA", selfSigned(rsaKey, false))
	add("ED", selfSigned(edKey, false))
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	must(err)
	add("EC_SEC1", block("EC PRIVATE KEY", sec1))
	add("EC_PKCS8", pkcs8(ecKey))
	add("RSA_PKCS1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)))
	add("RSA_PKCS8", pkcs8(rsaKey))
	add("ED_PKCS8", pkcs8(edKey))
	// What `openssl ecparam -genkey` writes: the curve before the key.
	add("EC_PARAMS", block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7})+pool["EC_SEC1"])
	for _, name := range []string{"CA", "EC", "EC_SEC1"} {
		pool[name+"_LINES"] = strings.Join(split(pool[name+"_B64"], 76), "\n        ")
		pool[name+"_CRLF"] = strings.Join(split(pool[name+"_B64"], 76), `\r\n`)
	}
	return pool
}

func split(text string, width int) (lines []string) {
	for len(text) > width {
		lines, text = append(lines, text[:width]), text[width:]
	}
	return append(lines, text)
}

func block(kind string, data []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
}

func pkcs8(key crypto.Signer) string {
	data, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	return block("PRIVATE KEY", data)
}

func selfSigned(key crypto.Signer, isCA bool) string {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "made up"},
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(4_000_000_000, 0),
		IsCA: isCA, BasicConstraintsValid: true,
	}
	data, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	return block("CERTIFICATE", data)
}
