package main

import "fmt"

// cases returns everything that is asked of client-go.
func cases() []Case {
	var all []Case
	for _, group := range [][]Case{
		servers(), shapes(), scalars(), names(), authorities(), certificates(), tokens(), basics(), impersonation(), plugins(),
		proxies(), noProxies(), endpoints(), pods(),
	} {
		all = append(all, group...)
	}
	return all
}

// with makes a kubeconfig of one cluster and one user, given as the inner lines of flow maps.
func with(cluster, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: x
clusters: [{name: c, cluster: {%s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
users: [{name: u, user: {%s}}]
`, cluster, user)
}

// block style, for scalars that need lines.
func withBlock(cluster, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters:
- name: c
  cluster:
    server: https://h:1
%s
users:
- name: u
  user:
    as: ""
%s
`, cluster, user)
}

func config(name, text string) Case {
	return Case{Name: name, Files: map[string]string{"config": text}, Kubeconfig: []string{"config"}}
}

func (c Case) and(file, text string) Case {
	files := map[string]string{file: text}
	for name, text := range c.Files {
		files[name] = text
	}
	c.Files = files
	return c
}

func (c Case) in(env ...string) Case {
	c.Env = map[string]string{}
	for i := 0; i+1 < len(env); i += 2 {
		c.Env[env[i]] = env[i+1]
	}
	return c
}

func servers() (all []Case) {
	for _, server := range []string{
		"https://h:1", "https://h", "http://h", "http://h:1", "h", "h:1", "127.0.0.1:6443", "localhost:8080", "[::1]:1", "https://[::1]:1", "https://[::1]",
		"::1", "https://::1", "https://h:1/", "https://h:1//", "https://h:1/k8s/clusters/c-1", "https://h:1/k8s/clusters/c-1/", "https://h:1/a//b/", "https://h:1/a/../b",
		"h:1/", "h:1/path", "h/path", "https://h:1/p?q=1#f", "https://h:1?q=1", "https://h:1/?q=1", "HTTPS://H:1", "Http://h:1", "https://", "https:///p", "https://:1", "://h:1", "//h:1",
		"https://h:", "https://h:port", "https://h:99999", "https://h:0", "https://a b:1", "https://h:1/a b", "https://h:1/%20", "https://h:1/%zz", "https://h_x:1", "https://user:pass@h:1", "https://user@h:1",
		"http://user:pass@h:1", " https://h:1", "https://h:1 ", "https://h:1\\n", "h:1 ", "unix:///run/x.sock", "ftp://h:1", "https:h:1", "https:/h:1", "https://h:1/ü", "https://ü:1", "https://H.Example.:1",
		"https://10.0.0.1:443/", "tcp://h:1", "https://h:1/p/", "https://[fe80::1%25eth0]:1",
	} {
		all = append(all, config("server "+server, with(fmt.Sprintf(`server: "%s"`, server), "token: t")))
	}
	return append(all,
		config("server empty", with(`server: ""`, "")),
		config("server missing", with(`tls-server-name: name`, "")),
		config("cluster empty", with("", "")),
		config("server null", with("server: null", "")),
		config("no scheme with ca", with(`server: "h:1", certificate-authority-data: ${CA_B64}`, "token: t")),
		config("no scheme insecure", with(`server: "h:1", insecure-skip-tls-verify: true`, "token: t")),
		config("http with ca", with(`server: "http://h:1", certificate-authority-data: ${CA_B64}`, "token: t")),
		config("http with bad ca", with(`server: "http://h:1", certificate-authority-data: bWFkZSB1cAo=`, "token: t")),
		config("http insecure with ca", with(`server: "http://h:1", insecure-skip-tls-verify: true, certificate-authority-data: ${CA_B64}`, "")),
		config("tls-server-name", with(`server: "https://10.0.0.1:6443", tls-server-name: kubernetes`, "")),
		config("tls-server-name empty", with(`server: "https://10.0.0.1:6443", tls-server-name: ""`, "")),
		config("disable-compression", with(`server: "https://h:1", disable-compression: true`, "token: t")),
		config("insecure", with(`server: "https://h:1", insecure-skip-tls-verify: true`, "token: t")),
		config("insecure false with ca", with(`server: "https://h:1", insecure-skip-tls-verify: false, certificate-authority-data: ${CA_B64}`, "token: t")),
		config("insecure with ca", with(`server: "https://h:1", insecure-skip-tls-verify: true, certificate-authority-data: ${CA_B64}`, "token: t")),
		config("insecure with ca file", with(`server: "https://h:1", insecure-skip-tls-verify: true, certificate-authority: ca`, "")).and("ca", "${CA}"),
		config("insecure with empty ca", with(`server: "https://h:1", insecure-skip-tls-verify: true, certificate-authority-data: "", certificate-authority: ""`, "")),
		config("insecure with name", with(`server: "https://h:1", insecure-skip-tls-verify: true, tls-server-name: name`, "")),
		config("namespace bad", `{current-context: x, clusters: [{name: c, cluster: {server: "https://h:1"}}], contexts: [{name: x, context: {cluster: c, user: u, namespace: "_bad_"}}], users: [{name: u, user: {}}]}`),
	)
}

func shapes() []Case {
	server := `clusters: [{name: c, cluster: {server: "https://h:1"}}]`
	whole := server + "\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n"
	return []Case{
		{Name: "file missing", Kubeconfig: []string{"config"}},
		{Name: "file is a folder", Files: map[string]string{"config/a": ""}, Kubeconfig: []string{"config"}},
		config("file empty", ""),
		config("file of spaces", " \n"),
		config("file of a comment", "# nothing\n"),
		config("file null", "null\n"),
		config("file text", "made up\n"),
		config("file list", "[]\n"),
		config("file of braces", "{}\n"),
		config("no yaml", "a: [\n"),
		config("tab", "a:\n\tb: c\n"),
		config("binary", "\x00\x01"),
		config("no kind", whole),
		config("kind only", "kind: Config\n"+whole),
		config("version only", "apiVersion: v1\n"+whole),
		config("kind wrong", "apiVersion: v1\nkind: Pod\n"+whole),
		config("version wrong", "apiVersion: v2\nkind: Config\n"+whole),
		config("group", "apiVersion: x/v1\nkind: Config\n"+whole),
		config("kind empty", "apiVersion: ''\nkind: ''\n"+whole),
		config("json", `{"apiVersion":"v1","kind":"Config","current-context":"x","clusters":[{"name":"c","cluster":{"server":"https://h:1"}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{"token":"t"}}]}`),
		config("json lines", "{\n  \"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": \"https://h:1\"}}],\n\t\"current-context\": \"x\",\n\"contexts\": [{\"name\":\"x\",\"context\":{\"cluster\":\"c\",\"user\":\"u\"}}],\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\"}}]}\n"),
		config("json cut", `{"clusters":[{"name":"c"`),
		config("json double key", `{"current-context":"y","current-context":"x","clusters":[{"name":"c","cluster":{"server":"https://h:1"}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{"token":"t"}}]}`),
		config("document marks", "---\n"+whole+"...\n"),
		config("second document", whole+"---\ncurrent-context: z\n"),
		config("first document empty", "---\n---\n"+whole),
		config("byte order mark", "\ufeff"+whole),
		config("crlf", "current-context: x\r\nclusters:\r\n- name: c\r\n  cluster:\r\n    server: https://h:1\r\ncontexts:\r\n- name: x\r\n  context:\r\n    cluster: c\r\n    user: u\r\nusers:\r\n- name: u\r\n  user:\r\n    token: t\r\n"),
		config("unknown fields", whole+"preferences: {}\nsomething: [1, {a: b}]\nextensions: [{name: e, extension: {a: b}}]\n"),
		config("preferences wrong", whole+"preferences: text\n"),
		config("unknown inner fields", with(`server: "https://h:1", serverx: y, extensions: [{name: e, extension: {last-update: now, provider: p}}]`, "token: t, tokenx: y")),
		config("extension twice", with(`server: "https://h:1", extensions: [{name: e, extension: {a: 1}}, {name: e, extension: {a: 2}}]`, "token: t")),
		config("letters of fields", with(`server: "https://h:1", Server: "https://i:2"`, "Token: T, token: t")),
		config("letters of field only", with(`Server: "https://i:2"`, "")),
		config("double key", with(`server: "https://h:1", server: "https://i:2"`, "token: t")),
		config("double key of user", with(`server: "https://h:1"`, "token: a, token: b")),
		config("double section", whole+"current-context: z\n"),
		config("double users", whole+`users: [{name: u, user: {token: second}}]`),
		config("anchor", "a: &s {token: t}\nclusters: [{name: c, cluster: {server: 'https://h:1'}}]\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: *s}]\n"),
		config("merge key", "a: &s {token: t}\nclusters: [{name: c, cluster: {server: 'https://h:1'}}]\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {<<: *s, as: me}}]\n"),
		config("clusters a map", "clusters: {c: {server: 'https://h:1'}}\ncurrent-context: x\n"),
		config("clusters text", "clusters: text\ncurrent-context: x\n"),
		config("clusters null", "clusters: null\ncontexts: null\nusers: null\ncurrent-context: null\n"),
		config("null entry", with(`server: "https://h:1"`, "token: t")+"extensions: [null]\n"),
		config("user null", "current-context: x\nclusters: [{name: c, cluster: {server: 'https://h:1'}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: null}]\n"),
		config("user missing", "current-context: x\nclusters: [{name: c, cluster: {server: 'https://h:1'}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u}]\n"),
		config("fields null", with(`server: "https://h:1", certificate-authority: null, certificate-authority-data: ~, insecure-skip-tls-verify: null, proxy-url: null`, "token: null, tokenFile: null, client-key-data: null, exec: null, auth-provider: null, as-groups: null")),
		config("fields empty", with(`server: "https://h:1", certificate-authority: "", certificate-authority-data: "", tls-server-name: "", proxy-url: "", extensions: []`, `token: "", tokenFile: "", client-certificate: "", client-certificate-data: "", client-key: "", client-key-data: "", username: "", password: "", as: "", as-uid: "", as-groups: [], as-user-extra: {}`)),
		config("exec empty", with(`server: "https://h:1"`, "exec: {}")),
		config("auth-provider empty", with(`server: "https://h:1"`, "auth-provider: {}")),
		config("deep", with(`server: "https://h:1", extensions: [{name: e, extension: {a: {b: {c: {d: {e: {f: {g: {h: [[[[1]]]]}}}}}}}}}]`, "token: t")),
	}
}

// scalars are values that YAML takes for something else than text.
func scalars() (all []Case) {
	for _, value := range []string{
		"12345", "1.5", "true", "yes", "on", "off", "no", "y", "n", "~", "null", "2001-01-01", "0x1f", "0777", "0o17", "1_000", "1e3", "12e", ".inf", ".nan", "!!str 123", "'123'", `"t\u0041"`, "-", "=", "<<", "a: b", "[t]", "{t: t}", "t # c", "|\n      t\n", ">\n      t\n      u\n", "+1", "-1", "1:30", "!!binary dA==", "Null", "TRUE", "@t", "%t", "`t", "&t", "*t", "t t", "0b11", "190:20:30", "685_230.15", "٣",
	} {
		all = append(all, config("token: "+value, withBlock("", "    token: "+value)))
	}
	for _, value := range []string{"true", "True", "yes", "on", "y", "1", `"true"`, "!!bool true", "null", "''", "false", "no", "TRUE"} {
		all = append(all, config("insecure: "+value, withBlock("    insecure-skip-tls-verify: "+value, "")))
	}
	return all
}

func names() []Case {
	two := `clusters: [{name: a, cluster: {server: "https://a:1"}}, {name: b, cluster: {server: "https://b:1"}}]
users: [{name: a, user: {token: a}}, {name: b, user: {token: b}}]
contexts: [{name: aa, context: {cluster: a, user: a}}, {name: bb, context: {cluster: b, user: b}}, {name: ab, context: {cluster: a, user: b}}, {name: lost, context: {cluster: z, user: a}}, {name: alone, context: {cluster: a, user: z}}, {name: empty, context: {}}, {name: bare, context: {cluster: a}}]
`
	context := func(name, text, context string) Case {
		one := config(name, text)
		one.Kubeconfig = append(one.Kubeconfig, context)
		return one
	}
	broken := two + `current-context: aa
`
	return []Case{
		config("current aa", two+"current-context: aa\n"),
		config("current ab", two+"current-context: ab\n"),
		config("no current", two),
		config("current empty", two+"current-context: ''\n"),
		config("current unknown", two+"current-context: nosuch\n"),
		config("current lost cluster", two+"current-context: lost\n"),
		config("current lost user", two+"current-context: alone\n"),
		config("current bare", two+"current-context: bare\n"),
		config("current empty context", two+"current-context: empty\n"),
		config("current number", two+"current-context: 1\n"),
		context("context bb", broken, "bb"),
		context("context bb without current", two, "bb"),
		context("context unknown", broken, "nosuch"),
		context("context over unknown current", two+"current-context: nosuch\n", "bb"),
		context("context lost cluster", broken, "lost"),
		context("context lost user", broken, "alone"),
		context("context empty", broken, "empty"),
		context("context bare", broken, "bare"),
		context("context text empty", broken, ""),
		context("context of an empty file", "", "x"),
		context("context name with spaces", `{clusters: [{name: "c d", cluster: {server: "https://h:1"}}], users: [{name: "u v", user: {token: t}}], contexts: [{name: "x y", context: {cluster: "c d", user: "u v"}}]}`, "x y"),
		config("cluster twice", `{current-context: x, clusters: [{name: c, cluster: {server: "https://a:1"}}, {name: c, cluster: {server: "https://b:1"}}], contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {}}]}`),
		config("user twice", `{current-context: x, clusters: [{name: c, cluster: {server: "https://a:1"}}], contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {}}, {name: u, user: {token: t}}]}`),
		config("context twice", `{current-context: x, clusters: [{name: c, cluster: {server: "https://a:1"}}], contexts: [{name: x, context: {cluster: c, user: u}}, {name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {}}]}`),
		config("nameless", `{clusters: [{cluster: {server: "https://a:1"}}], contexts: [{context: {}}], users: [{user: {token: t}}]}`),
		config("nameless without context", `{clusters: [{cluster: {server: "https://a:1"}}], users: [{user: {token: t}}]}`),
		config("another user is wrong", `{current-context: x, clusters: [{name: c, cluster: {server: "https://a:1"}}], contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}, {name: v, user: {exec: {}, client-certificate: gone, token: t, username: u}}]}`),
		config("another cluster is wrong", `{current-context: x, clusters: [{name: c, cluster: {server: "https://a:1"}}, {name: d, cluster: {certificate-authority: gone, certificate-authority-data: ${CA_B64}, proxy-url: "x:y"}}], contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}`),
		config("another cluster has bad base64", `{current-context: x, clusters: [{name: c, cluster: {server: "https://a:1"}}, {name: d, cluster: {certificate-authority-data: "?"}}], contexts: [{name: x, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}`),
	}
}

func authorities() []Case {
	const https = `server: "https://h:1", `
	ca := func(name, fields string) Case { return config("ca "+name, with(https+fields, "token: t")) }
	return []Case{
		ca("data", "certificate-authority-data: ${CA_B64}"),
		ca("file", "certificate-authority: ca").and("ca", "${CA}"),
		ca("file below", "certificate-authority: pki/../pki/ca").and("pki/ca", "${CA}"),
		ca("file absolute", "certificate-authority: $DIR/ca").and("ca", "${CA}"),
		ca("file missing", "certificate-authority: gone"),
		ca("file empty", "certificate-authority: ca").and("ca", ""),
		ca("file without a certificate", "certificate-authority: ca").and("ca", "made up\n"),
		ca("file is a folder", "certificate-authority: ca").and("ca/a", ""),
		ca("data and file", "certificate-authority-data: ${CA_B64}, certificate-authority: ca").and("ca", "${CA}"),
		ca("data and file missing", "certificate-authority-data: ${CA_B64}, certificate-authority: gone"),
		ca("empty data and file", `certificate-authority-data: "", certificate-authority: ca`).and("ca", "${CA}"),
		ca("data and empty file", `certificate-authority-data: ${CA_B64}, certificate-authority: ""`),
		ca("data no certificate", "certificate-authority-data: bWFkZSB1cAo="),
		ca("data no base64", `certificate-authority-data: "made up"`),
		ca("data pem", `certificate-authority-data: "-----BEGIN CERTIFICATE-----"`),
		ca("data without padding", "certificate-authority-data: bWFkZSB1cAo"),
		ca("data of url letters", "certificate-authority-data: __-_"),
		ca("data spaces before", `certificate-authority-data: " ${CA_B64}"`),
		ca("data spaces behind", `certificate-authority-data: "${CA_B64} "`),
		ca("data line break behind", `certificate-authority-data: "${CA_B64}\n"`),
		ca("data crlf", `certificate-authority-data: "${CA_CRLF}"`),
		ca("data tab", `certificate-authority-data: "${CA_B64}\t"`),
		ca("data two", `certificate-authority-data: "${CA_B64}${CA_B64}"`),
		ca("data trailing bits", `certificate-authority-data: "bWFkZSB1cAp="`),
		config("ca data literal block", withBlock("    certificate-authority-data: |\n        ${CA_LINES}\n", "")),
		config("ca data literal block stripped", withBlock("    certificate-authority-data: |-\n        ${CA_LINES}\n", "")),
		config("ca data folded block", withBlock("    certificate-authority-data: >\n        ${CA_LINES}\n", "")),
		config("ca data plain lines", withBlock("    certificate-authority-data:\n        ${CA_LINES}\n", "")),
		config("ca data quoted lines", withBlock("    certificate-authority-data: \"\n        ${CA_LINES}\"\n", "")),
		config("ca data folded one line", withBlock("    certificate-authority-data: >\n        ${CA_B64}\n", "")),
		config("ca data number", withBlock("    certificate-authority-data: 1234\n", "")),
		config("ca data binary", withBlock("    certificate-authority-data: !!binary ${CA_B64}\n", "")),
	}
}

func certificates() []Case {
	const https = `server: "https://h:1", certificate-authority-data: ${CA_B64}`
	user := func(name, fields string) Case { return config("certificate "+name, with(https, fields)) }
	all := []Case{}
	for _, pair := range [][2]string{{"EC", "EC_SEC1"}, {"EC", "EC_PKCS8"}, {"EC", "EC_PARAMS"}, {"RSA", "RSA_PKCS1"}, {"RSA", "RSA_PKCS8"}, {"ED", "ED_PKCS8"}, {"EC", "RSA_PKCS1"}, {"EC", "ED_PKCS8"}} {
		all = append(all, user("data "+pair[0]+" "+pair[1], fmt.Sprintf("client-certificate-data: ${%s_B64}, client-key-data: ${%s_B64}", pair[0], pair[1])))
	}
	return append(all,
		user("files", "client-certificate: cert, client-key: key").and("cert", "${EC}").and("key", "${EC_SEC1}"),
		user("file and key data", "client-certificate: cert, client-key-data: ${EC_SEC1_B64}").and("cert", "${EC}"),
		user("data and key file", "client-certificate-data: ${EC_B64}, client-key: key").and("key", "${EC_SEC1}"),
		user("twice", "client-certificate-data: ${EC_B64}, client-certificate: cert, client-key-data: ${EC_SEC1_B64}").and("cert", "${EC}"),
		user("key twice", "client-certificate-data: ${EC_B64}, client-key: key, client-key-data: ${EC_SEC1_B64}").and("key", "${EC_SEC1}"),
		user("empty beside files", `client-certificate-data: "", client-certificate: cert, client-key-data: "", client-key: key`).and("cert", "${EC}").and("key", "${EC_SEC1}"),
		user("empty files beside data", `client-certificate: "", client-certificate-data: ${EC_B64}, client-key: "", client-key-data: ${EC_SEC1_B64}`),
		user("without key", "client-certificate-data: ${EC_B64}"),
		user("file without key", "client-certificate: cert").and("cert", "${EC}"),
		user("key alone", "client-key-data: ${EC_SEC1_B64}"),
		user("key files alone", "client-key: gone"),
		user("file missing", "client-certificate: gone, client-key: key").and("key", "${EC_SEC1}"),
		user("key missing", "client-certificate: cert, client-key: gone").and("cert", "${EC}"),
		user("both missing", "client-certificate: gone, client-key: gone"),
		user("data no certificate", "client-certificate-data: bWFkZSB1cAo=, client-key-data: ${EC_SEC1_B64}"),
		user("data no key", "client-certificate-data: ${EC_B64}, client-key-data: bWFkZSB1cAo="),
		user("data no base64", "client-certificate-data: '?', client-key-data: ${EC_SEC1_B64}"),
		user("key no base64", "client-certificate-data: ${EC_B64}, client-key-data: '?'"),
		user("and token", "client-certificate-data: ${EC_B64}, client-key-data: ${EC_SEC1_B64}, token: t"),
		user("and basic", "client-certificate-data: ${EC_B64}, client-key-data: ${EC_SEC1_B64}, username: u, password: p"),
		user("with key in one file", "client-certificate: both, client-key: both").and("both", "${EC}${EC_SEC1}"),
		user("with key in one file, key first", "client-certificate: both, client-key: both").and("both", "${EC_SEC1}${EC}"),
		config("certificate data literal block", withBlock("", "    client-certificate-data: |\n        ${EC_LINES}\n    client-key-data: |\n        ${EC_SEC1_LINES}\n")),
		config("certificate over http", with(`server: "http://h:1"`, "client-certificate-data: ${EC_B64}, client-key-data: ${EC_SEC1_B64}")),
		config("certificate over http missing", with(`server: "http://h:1"`, "client-certificate: gone, client-key: gone")),
		config("certificate without scheme", with(`server: "h:1"`, "client-certificate-data: ${EC_B64}, client-key-data: ${EC_SEC1_B64}")),
	)
}

func tokens() []Case {
	const https = `server: "https://h:1"`
	user := func(name, fields string) Case { return config("token "+name, with(https, fields)) }
	return []Case{
		user("inline", "token: t"),
		user("inline space behind", `token: "t "`),
		user("inline space before", `token: " t"`),
		user("inline line break behind", `token: "t\n"`),
		user("inline crlf behind", `token: "t\r\n"`),
		user("inline tab behind", `token: "t\t"`),
		user("inline line break within", `token: "t\nt"`),
		user("inline control", `token: "t\x01t"`),
		user("inline delete", `token: "t\x7ft"`),
		user("inline nul", `token: "t\0t"`),
		user("inline space within", `token: "t t"`),
		user("inline letters", `token: "tü"`),
		user("inline of spaces", `token: "  "`),
		user("inline with scheme", `token: "Bearer t"`),
		user("file", "tokenFile: token").and("token", "t"),
		user("file line break", "tokenFile: token").and("token", "t\n"),
		user("file crlf", "tokenFile: token").and("token", "t\r\n"),
		user("file spaces", "tokenFile: token").and("token", " \t t \n\n"),
		user("file unicode space", "tokenFile: token").and("token", "t\u00a0\u2003\n"),
		user("file vertical tab", "tokenFile: token").and("token", "\vt\f\n"),
		user("file control", "tokenFile: token").and("token", "t\x01t\n"),
		user("file lines", "tokenFile: token").and("token", "t\nt\n"),
		user("file empty", "tokenFile: token").and("token", ""),
		user("file of spaces", "tokenFile: token").and("token", " \n"),
		user("file missing", "tokenFile: gone"),
		user("file a folder", "tokenFile: token").and("token/a", ""),
		user("file absolute", "tokenFile: $DIR/token").and("token", "t"),
		user("file below", "tokenFile: ./below/token").and("below/token", "t"),
		user("and file", "token: old, tokenFile: token").and("token", "new\n"),
		user("and file empty", "token: old, tokenFile: token").and("token", ""),
		user("and file missing", "token: old, tokenFile: gone"),
		user("empty and file", `token: "", tokenFile: token`).and("token", "new"),
		user("and empty file", `token: t, tokenFile: ""`),
		user("token-file", "token-file: token").and("token", "t"),
		user("none", ""),
		config("token over http", with(`server: "http://h:1"`, "token: t")),
		config("token file over http", with(`server: "http://h:1"`, "tokenFile: token")).and("token", "t"),
		config("token file missing over http", with(`server: "http://h:1"`, "tokenFile: gone")),
		config("bad token over http", with(`server: "http://h:1"`, `token: "t\nt"`)),
		{Name: "token file beside a kubeconfig in a folder", Files: map[string]string{"etc/config": with(https, "tokenFile: token"), "etc/token": "t"}, Kubeconfig: []string{"etc/config"}},
		{Name: "kubeconfig absolute", Files: map[string]string{"etc/config": with(https, "tokenFile: ../token"), "token": "t"}, Kubeconfig: []string{"$DIR/etc/config"}},
	}
}

func basics() []Case {
	const https = `server: "https://h:1"`
	user := func(name, fields string) Case { return config("basic "+name, with(https, fields)) }
	return []Case{
		user("both", "username: u, password: p"),
		user("user only", "username: u"),
		user("password only", "password: p"),
		user("letters", `username: "ü:", password: "p:@\n"`),
		user("and token", "username: u, password: p, token: t"),
		user("and empty token", `username: u, password: p, token: ""`),
		user("and token file", "username: u, password: p, tokenFile: token").and("token", "t"),
		user("and missing token file", "username: u, password: p, tokenFile: gone"),
		user("password a number", "username: u, password: 1234"),
		config("basic over http", with(`server: "http://h:1"`, "username: u, password: p")),
		config("basic and token over http", with(`server: "http://h:1"`, "username: u, password: p, token: t")),
		config("basic and server's own", with(`server: "https://a:b@h:1"`, "username: u, password: p")),
	}
}

func impersonation() []Case {
	const https = `server: "https://h:1"`
	user := func(name, fields string) Case { return config("as "+name, with(https, fields)) }
	return []Case{
		user("user", "token: t, as: me"),
		user("all", "token: t, as: me, as-uid: '7', as-groups: [a, b], as-user-extra: {scopes: [x, z], 'a/b c': [z], UPPER: [u]}"),
		user("uid number", "token: t, as: me, as-uid: 7"),
		user("groups alone", "token: t, as-groups: [a]"),
		user("uid alone", "token: t, as-uid: u"),
		user("extra alone", "token: t, as-user-extra: {a: [b]}"),
		user("extra text", "token: t, as: me, as-user-extra: {a: b}"),
		user("groups text", "token: t, as: me, as-groups: a"),
		user("line break", `token: t, as: "me\nyou"`),
		user("letters", `token: t, as: "mü"`),
		user("extra odd key", `token: t, as: me, as-user-extra: {"ü%": [b]}`),
		user("extra empty", `token: t, as: me, as-user-extra: {a: []}, as-groups: [""]`),
		user("without credentials", "as: me"),
		config("as over http", with(`server: "http://h:1"`, "token: t, as: me")),
	}
}

func plugins() []Case {
	const https = `server: "https://h:1"`
	v1 := "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, "
	script := func(body string) string { return "#!/bin/sh\n" + body + "\n" }
	says := func(version, status string) string {
		return script(fmt.Sprintf("cat <<'END'\n"+`{"apiVersion":"client.authentication.k8s.io/%s","kind":"ExecCredential","status":%s}`+"\nEND", version, status))
	}
	user := func(name, fields string) Case { return config("exec "+name, with(https, "exec: {"+fields+"}")) }
	token := says("v1", `{"token":"t"}`)
	return []Case{
		user("v1", v1+"command: ./login").and("login", token),
		user("v1beta1", "apiVersion: client.authentication.k8s.io/v1beta1, command: ./login").and("login", says("v1beta1", `{"token":"t"}`)),
		user("v1beta1 answers v1", "apiVersion: client.authentication.k8s.io/v1beta1, command: ./login").and("login", token),
		user("v1 answers v1beta1", v1+"command: ./login").and("login", says("v1beta1", `{"token":"t"}`)),
		user("v1alpha1", "apiVersion: client.authentication.k8s.io/v1alpha1, command: ./login").and("login", token),
		user("unknown version", "apiVersion: x/v1, interactiveMode: Never, command: ./login").and("login", token),
		user("no version", "interactiveMode: Never, command: ./login").and("login", token),
		user("no mode", "apiVersion: client.authentication.k8s.io/v1, command: ./login").and("login", token),
		user("mode IfAvailable", "apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, command: ./login").and("login", token),
		user("mode Always", "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, command: ./login").and("login", token),
		user("mode wrong", "apiVersion: client.authentication.k8s.io/v1, interactiveMode: never, command: ./login").and("login", token),
		user("no command", v1+"args: [a]"),
		user("missing", v1+"command: ./gone"),
		user("missing in path", v1+"command: no-such-command-here"),
		user("in path", v1+`command: sh, args: ["-c", "cat $DIR/out"]`).and("out", `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}`),
		user("args and env", v1+`command: ./login, args: ["a", "b c"], env: [{name: V, value: "1"}]`).and("login", script(`echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$1+$2+$V\"}}"`)),
		user("env nameless", v1+`command: ./login, env: [{value: "1"}]`).and("login", token),
		user("env null", v1+`command: ./login, env: null, args: null`).and("login", token),
		user("info", v1+"command: ./login").and("login", script(`echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$(printf %s "$KUBERNETES_EXEC_INFO" | tr '"' "'")\"}}"`)),
		config("exec cluster info", with(`server: "https://h:1/p/", tls-server-name: name, insecure-skip-tls-verify: true, proxy-url: "http://p:1", disable-compression: true, extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: a}}]`, "exec: {"+v1+"provideClusterInfo: true, command: ./login}")).
			and("login", script(`echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$(printf %s "$KUBERNETES_EXEC_INFO" | tr '"' "'")\"}}"`)),
		config("exec cluster info ca", with(`server: "https://h:1", certificate-authority-data: ${CA_B64}`, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, provideClusterInfo: true, command: ./login}")).
			and("login", script(`echo "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$(printf %s "$KUBERNETES_EXEC_INFO" | cksum | tr ' ' '-')\"}}"`)),
		user("fails", v1+"command: ./login").and("login", script("exit 3")),
		user("says nothing", v1+"command: ./login").and("login", script("")),
		user("says text", v1+"command: ./login").and("login", script("echo made up")),
		user("says yaml", v1+"command: ./login").and("login", script("printf 'apiVersion: client.authentication.k8s.io/v1\\nkind: ExecCredential\\nstatus: {token: t}\\n'")),
		user("no status", v1+"command: ./login").and("login", script(`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'`)),
		user("empty status", v1+"command: ./login").and("login", says("v1", `{}`)),
		user("no kind", v1+"command: ./login").and("login", script(`echo '{"apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t"}}'`)),
		user("another kind", v1+"command: ./login").and("login", script(`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"Pod","status":{"token":"t"}}'`)),
		user("expiry", v1+"command: ./login").and("login", says("v1", `{"token":"t","expirationTimestamp":"2040-01-01T00:00:00Z"}`)),
		user("expired", v1+"command: ./login").and("login", says("v1", `{"token":"t","expirationTimestamp":"2020-01-01T00:00:00Z"}`)),
		user("bad expiry", v1+"command: ./login").and("login", says("v1", `{"token":"t","expirationTimestamp":"soon"}`)),
		user("token space behind", v1+"command: ./login").and("login", says("v1", `{"token":"t "}`)),
		user("token line break behind", v1+"command: ./login").and("login", says("v1", `{"token":"t\n"}`)),
		user("token line break within", v1+"command: ./login").and("login", says("v1", `{"token":"t\nt"}`)),
		user("certificate", v1+"command: ./login").and("login", says("v1", `{"clientCertificateData":"${EC_JSON}","clientKeyData":"${EC_SEC1_JSON}"}`)),
		user("certificate and token", v1+"command: ./login").and("login", says("v1", `{"token":"t","clientCertificateData":"${RSA_JSON}","clientKeyData":"${RSA_PKCS8_JSON}"}`)),
		user("certificate only", v1+"command: ./login").and("login", says("v1", `{"clientCertificateData":"x"}`)),
		user("bad certificate", v1+"command: ./login").and("login", says("v1", `{"clientCertificateData":"x","clientKeyData":"y"}`)),
		user("unknown fields", v1+"command: ./login, future: 1").and("login", says("v1", `{"token":"t","more":1}`)),
		config("exec and token", with(https, "token: inline, exec: {"+v1+"command: ./gone}")),
		config("exec and token file", with(https, "tokenFile: token, exec: {"+v1+"command: ./gone}")).and("token", "t"),
		config("exec and basic", with(https, "username: u, password: p, exec: {"+v1+"command: ./gone}")),
		config("exec and certificate", with(https, "client-certificate-data: ${EC_B64}, client-key-data: ${EC_SEC1_B64}, exec: {"+v1+"command: ./gone}")),
		config("exec and provider", with(https, "auth-provider: {name: gcp}, exec: {"+v1+"command: ./gone}")),
		config("exec over http", with(`server: "http://h:1"`, "exec: {"+v1+"command: ./gone}")),
		config("exec wrong over http", with(`server: "http://h:1"`, "exec: {}")),
		config("exec without scheme", with(`server: "h:1"`, "exec: {"+v1+"command: ./gone}")),
		config("provider gcp", with(https, "auth-provider: {name: gcp}")),
		config("provider azure", with(https, "auth-provider: {name: azure, config: {a: b}}")),
		config("provider unknown", with(https, "auth-provider: {name: made-up}")),
		config("provider oidc", with(https, "auth-provider: {name: oidc, config: {client-id: c, idp-issuer-url: 'https://i:1', id-token: t}}")),
		config("provider over http", with(`server: "http://h:1"`, "auth-provider: {name: gcp}")),
		config("provider and token", with(https, "token: t, auth-provider: {name: gcp}")),
	}
}

func proxies() (all []Case) {
	for _, proxy := range []string{
		"http://p:1", "https://p:1", "socks5://p:1", "socks5h://p:1", "socks4://p:1", "ftp://p:1", "p:1", "p", "http://p", "https://p", "socks5://p", "http://user:pa%40ss@p:1", "http://user@p:1", "socks5://user:pass@p:1",
		"http://[::1]:1", "http://p:1/", "http://p:1/path", "HTTP://p:1", "http://", "http:p:1", "://p", " http://p:1", "http://p:port", "10.0.0.1:3128", "http://a b:1",
	} {
		all = append(all, config("proxy-url "+proxy, with(fmt.Sprintf(`server: "https://h:1", proxy-url: "%s"`, proxy), "token: t")))
	}
	for _, server := range []string{"http://h:1", "https://127.0.0.1:1", "http://localhost:1", "h:1"} {
		all = append(all, config("proxy-url for "+server, with(fmt.Sprintf(`server: "%s", proxy-url: "http://p:1"`, server), "token: t")))
		for _, env := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
			all = append(all, config(env+" for "+server, with(fmt.Sprintf(`server: "%s"`, server), "token: t")).in(env, "http://p:1"))
		}
	}
	https := with(`server: "https://h:1"`, "token: t")
	for _, proxy := range []string{
		"p:1", "p", "http://p", "https://p:1", "socks5://p:1", "socks5h://p:1", "socks4://p:1", "ftp://p:1", "10.0.0.1:3128", "http://u:p@p:1", "u:p@p:1", " http://p:1", "http://p:port", "://p", "http://", "http://a b:1", "*", "[::1]:1", "//p:1", "http://p:1/path?q",
	} {
		all = append(all, config("HTTPS_PROXY "+proxy, https).in("HTTPS_PROXY", proxy))
	}
	return append(all,
		config("upper before lower", https).in("HTTPS_PROXY", "http://upper:1", "https_proxy", "http://lower:1"),
		config("empty upper", https).in("HTTPS_PROXY", "", "https_proxy", "http://lower:1"),
		config("proxy-url over environment", with(`server: "https://h:1", proxy-url: "http://p:1"`, "")).in("HTTPS_PROXY", "http://e:1", "NO_PROXY", "*"),
		config("empty proxy-url and environment", with(`server: "https://h:1", proxy-url: ""`, "")).in("HTTPS_PROXY", "http://e:1"),
		config("proxy of a cgi over http", with(`server: "http://h:1"`, "")).in("HTTP_PROXY", "http://e:1", "REQUEST_METHOD", "GET"),
		config("proxy of a cgi over https", https).in("HTTPS_PROXY", "http://e:1", "REQUEST_METHOD", "GET"),
	)
}

func noProxies() (all []Case) {
	for _, one := range [][2]string{
		{"h", "h"}, {"h", "H"}, {"H", "h"}, {"h", "h:1"}, {"h", "h:2"}, {"h", "*"}, {"h", "a,*"}, {"h", "a, h"}, {"h", " h "}, {"h", ".h"}, {"h", "*.h"}, {"h", "ah"}, {"a.h", "h"}, {"a.h", ".h"}, {"a.h", "*.h"}, {"a.h", "*h"}, {"ah", "h"},
		{"b.a.h", ".h"}, {"a.h", "a.h."}, {"a.h.", "a.h"}, {"10.0.0.1", "10.0.0.1"}, {"10.0.0.1", "10.0.0.0/8"}, {"10.0.0.1", "10.0.0.1/8"}, {"10.0.0.1", " 10.0.0.0/8"}, {"10.0.0.1", "10.0.0.1:1"}, {"10.0.0.1", "10.0.0.1:2"}, {"10.0.0.1", "11.0.0.0/8"},
		{"10.0.0.1", "0.0.0.0/0"}, {"10.0.0.1", "::/0"}, {"10.0.0.1", "::ffff:10.0.0.1"}, {"10.0.0.1", ".1"}, {"10.0.0.1", "10."}, {"10.0.0.1", "10.0.0.1."}, {"10.0.0.1", "010.0.0.0/8"}, {"10.0.0.1", "*.0.0.1"}, {"10.0.0.1", "10.0.0.0/33"},
		{"[fd00::1]", "fd00::1"}, {"[fd00::1]", "[fd00::1]"}, {"[fd00::1]", "[fd00::1]:1"}, {"[fd00::1]", "[fd00::1]:2"}, {"[fd00::1]", "fd00::/8"}, {"[fd00::1]", "FD00:0::1"}, {"[fd00::1]", "fe00::/8"},
		{"[::ffff:10.0.0.1]", "10.0.0.0/8"}, {"[::ffff:10.0.0.1]", "10.0.0.1"}, {"localhost", ""}, {"LOCALHOST", ""}, {"localhost.", ""}, {"a.localhost", ""}, {"127.0.0.1", ""}, {"127.255.0.1", ""}, {"[::1]", ""}, {"[::ffff:127.0.0.1]", ""}, {"0.0.0.0", ""},
		{"kubernetes.default.svc", ".svc"}, {"kubernetes.default.svc", "svc"}, {"kubernetes.default.svc", ".svc,.cluster.local"}, {"kubernetes.default.svc", "default.svc:1"}, {"kubernetes.default.svc", ".default.svc:2"},
		{"h", ","}, {"h", ":1"}, {"h", "."}, {"h", "http://h"}, {"h", "h/"}, {"h", "h;i"}, {"h", "i h"}, {"xn--4ca.h", "ä.h"},
	} {
		name := fmt.Sprintf("NO_PROXY %q for %s", one[1], one[0])
		all = append(all, config(name, with(fmt.Sprintf(`server: "https://%s:1"`, one[0]), "")).in("HTTPS_PROXY", "http://p:1", "NO_PROXY", one[1]))
	}
	return append(all,
		config("NO_PROXY with the scheme's port", with(`server: "https://h"`, "")).in("HTTPS_PROXY", "http://p:1", "NO_PROXY", "h:443"),
		config("no_proxy", with(`server: "https://h"`, "")).in("HTTPS_PROXY", "http://p:1", "no_proxy", "h"),
		config("NO_PROXY before no_proxy", with(`server: "https://h"`, "")).in("HTTPS_PROXY", "http://p:1", "no_proxy", "h", "NO_PROXY", "i"),
		config("NO_PROXY over http", with(`server: "http://h"`, "")).in("HTTP_PROXY", "http://p:1", "NO_PROXY", "h:80"),
		config("NO_PROXY network over http", with(`server: "http://10.0.0.1"`, "")).in("HTTP_PROXY", "http://p:1", "NO_PROXY", "10.0.0.0/8"),
		config("NO_PROXY odd network over http", with(`server: "http://10.0.0.1"`, "")).in("HTTP_PROXY", "http://p:1", "NO_PROXY", "010.0.0.0/8"),
	)
}

func endpoints() (all []Case) {
	files := map[string]string{"cert": "${EC}", "key": "${EC_SEC1}", "ca": "${CA}", "empty": "", "text": "made up\n"}
	for _, url := range []string{"https://h:1", "http://h:1", "h:1", "127.0.0.1:8080", "localhost", "https://h:1/k8s/clusters/c", ":::bad", "https://u:p@h:1", "h:1/path"} {
		all = append(all, Case{Name: "endpoint " + url, Endpoint: url, Files: files})
		all = append(all, Case{Name: "endpoint with tls " + url, Endpoint: url, TLS: []string{"cert", "key", "ca"}, Files: files})
	}
	for _, tls := range [][]string{
		{"", "", ""}, {"", "", "ca"}, {"cert", "key", ""}, {"cert", "", "ca"}, {"", "key", "ca"}, {"gone", "key", "ca"}, {"cert", "gone", "ca"}, {"cert", "key", "gone"}, {"gone", "gone", "gone"}, {"cert", "key", "empty"},
		{"cert", "key", "text"}, {"text", "key", "ca"}, {"cert", "text", "ca"}, {"$DIR/cert", "$DIR/key", "$DIR/ca"},
	} {
		all = append(all, Case{Name: fmt.Sprintf("tls %q", tls), Endpoint: "https://h:1", TLS: tls, Files: files})
	}
	return append(all,
		Case{Name: "endpoint HTTPS_PROXY", Endpoint: "https://h:1"}.in("HTTPS_PROXY", "http://p:1"),
		Case{Name: "endpoint HTTP_PROXY", Endpoint: "http://h:1"}.in("HTTP_PROXY", "http://p:1"),
		Case{Name: "endpoint NO_PROXY", Endpoint: "https://h:1"}.in("HTTPS_PROXY", "http://p:1", "NO_PROXY", "h"),
	)
}

func pods() []Case {
	account := map[string]string{"account/token": "t\n", "account/ca.crt": "${CA}"}
	pod := func(name string, files map[string]string, env ...string) Case {
		return Case{Name: "pod " + name, Pod: true, Files: files}.in(env...)
	}
	in := []string{"KUBERNETES_SERVICE_HOST", "10.96.0.1", "KUBERNETES_SERVICE_PORT", "443"}
	more := func(env ...string) []string { return append(append([]string{}, in...), env...) }
	kubeconfig := func(name, text string, env ...string) Case {
		files := map[string]string{"config": text}
		for file, text := range account {
			files[file] = text
		}
		return Case{Name: "pod " + name, Pod: true, Files: files, Kubeconfig: []string{"config"}}.in(env...)
	}
	return []Case{
		pod("plain", account, in...),
		pod("ipv6", account, "KUBERNETES_SERVICE_HOST", "fd00::1", "KUBERNETES_SERVICE_PORT", "443"),
		pod("ipv6 in brackets", account, "KUBERNETES_SERVICE_HOST", "[fd00::1]", "KUBERNETES_SERVICE_PORT", "443"),
		pod("name", account, "KUBERNETES_SERVICE_HOST", "kubernetes.default.svc", "KUBERNETES_SERVICE_PORT", "6443"),
		pod("without host", account, "KUBERNETES_SERVICE_PORT", "443"),
		pod("without port", account, "KUBERNETES_SERVICE_HOST", "10.96.0.1"),
		pod("empty host", account, "KUBERNETES_SERVICE_HOST", "", "KUBERNETES_SERVICE_PORT", "443"),
		pod("port text", account, "KUBERNETES_SERVICE_HOST", "10.96.0.1", "KUBERNETES_SERVICE_PORT", "https"),
		pod("without token", map[string]string{"account/ca.crt": "${CA}"}, in...),
		pod("token empty", map[string]string{"account/token": "", "account/ca.crt": "${CA}"}, in...),
		pod("token spaces", map[string]string{"account/token": "  t \r\n", "account/ca.crt": "${CA}"}, in...),
		pod("token control", map[string]string{"account/token": "t\x01", "account/ca.crt": "${CA}"}, in...),
		pod("without ca", map[string]string{"account/token": "t"}, in...),
		pod("ca empty", map[string]string{"account/token": "t", "account/ca.crt": ""}, in...),
		pod("ca text", map[string]string{"account/token": "t", "account/ca.crt": "made up\n"}, in...),
		pod("HTTPS_PROXY", account, more("HTTPS_PROXY", "http://p:1")...),
		pod("NO_PROXY", account, more("HTTPS_PROXY", "http://p:1", "NO_PROXY", "10.0.0.0/8")...),
		kubeconfig("empty kubeconfig", "", in...),
		kubeconfig("kubeconfig without a cluster", "{}", in...),
		kubeconfig("kubeconfig with a user only", "{users: [{name: u, user: {token: x}}]}", in...),
		kubeconfig("kubeconfig with unknown context", "current-context: x\n", in...),
		kubeconfig("whole kubeconfig", with(`server: "https://h:1"`, "token: x"), in...),
	}
}
