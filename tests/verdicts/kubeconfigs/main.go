// Records what client-go makes of kubeconfigs, as CoreDNS's plugin kubernetes uses it.
//
// usage: go run . > verdicts.jsonl   (as root: the cases of a pod mount its service account in a namespace of their own)
//
// Each case is run in a process of its own, because net/http reads the environment of proxies once.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/net/http/httpguts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/plugin/pkg/client/auth/oidc"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Case is what an operator writes. In texts `$DIR` is the folder of the files, `$NAME` an entry of the pool.
type Case struct {
	Name  string            `json:"name"`
	Files map[string]string `json:"files,omitempty"`
	Env   map[string]string `json:"env,omitempty"`
	// Kubeconfig is file and context.
	Kubeconfig []string `json:"kubeconfig,omitempty"`
	// Endpoint is the URL, TLS are certificate, key and CA.
	Endpoint string   `json:"endpoint,omitempty"`
	TLS      []string `json:"tls,omitempty"`
	// Pod says that the folder `account` is the service account of the pod.
	Pod bool `json:"pod,omitempty"`

	Verdict
}

// Verdict is what client-go makes of a case: exactly one of the three.
type Verdict struct {
	// Refused is the error at the start.
	Refused string `json:"refused,omitempty"`
	// Fails is the error of every request, before anything is sent.
	Fails string `json:"fails,omitempty"`
	// Sends is the request.
	Sends *Sends `json:"sends,omitempty"`
}

// Sends is a request and the way that it takes.
type Sends struct {
	URL           string              `json:"url"`
	Authorization string              `json:"authorization,omitempty"`
	Impersonate   map[string][]string `json:"impersonate,omitempty"`
	Proxy         string              `json:"proxy,omitempty"`
	ServerName    string              `json:"server_name,omitempty"`
	Insecure      bool                `json:"insecure,omitempty"`
	CA            string              `json:"ca,omitempty"`
	Cert          string              `json:"cert,omitempty"`
	Key           string              `json:"key,omitempty"`
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "child" {
		child(os.Args[2])
		return
	}
	pool := makePool()
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	must(out.Encode(map[string]any{"pool": pool}))
	names := map[string]bool{}
	for _, one := range cases() {
		if names[one.Name] {
			panic("twice: " + one.Name)
		}
		names[one.Name] = true
		one.Verdict = run(one, pool)
		must(out.Encode(one))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// run asks a process of its own for the verdict.
func run(one Case, pool map[string]string) Verdict {
	dir, err := os.MkdirTemp("", "kubeconfigs")
	must(err)
	defer os.RemoveAll(dir)
	fill := func(text string) string {
		text = strings.ReplaceAll(text, "$DIR", dir)
		for name, value := range pool {
			text = strings.ReplaceAll(text, "${"+name+"}", value)
		}
		return text
	}
	for name, text := range one.Files {
		path := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		must(os.WriteFile(path, []byte(fill(text)), mode))
	}
	question := one
	question.Files = nil
	data, err := json.Marshal(question)
	must(err)
	self, err := os.Executable()
	must(err)
	cmd := exec.Command(self, "child", fill(string(data)))
	if one.Pod {
		cmd = exec.Command("unshare", "-m", "sh", "-c",
			`mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && mount --bind account /run/secrets/kubernetes.io/serviceaccount && exec "$0" "$@"`,
			self, "child", fill(string(data)))
	}
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	for name, value := range one.Env {
		cmd.Env = append(cmd.Env, name+"="+fill(value))
	}
	stdout, err := cmd.Output()
	if err != nil {
		panic(fmt.Sprintf("%s: %v", one.Name, err))
	}
	var verdict Verdict
	must(json.Unmarshal(bytes.ReplaceAll(stdout, []byte(dir), []byte("$DIR")), &verdict))
	if sends := verdict.Sends; sends != nil {
		for _, text := range []*string{&sends.CA, &sends.Cert, &sends.Key} {
			*text = named(*text, pool)
		}
	}
	return verdict
}

// named writes the pool's texts by their names, the longest first.
func named(text string, pool map[string]string) string {
	names := []string{}
	for name := range pool {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return len(pool[names[i]]) > len(pool[names[j]]) || len(pool[names[i]]) == len(pool[names[j]]) && names[i] < names[j]
	})
	for _, name := range names {
		text = strings.ReplaceAll(text, pool[name], "${"+name+"}")
	}
	return text
}

func child(text string) {
	var one Case
	must(json.Unmarshal([]byte(text), &one))
	must(json.NewEncoder(os.Stdout).Encode(judge(one)))
}

// judge does what CoreDNS's plugin does, and lists services once.
func judge(one Case) Verdict {
	config, err := clientConfig(one)
	if err != nil {
		return Verdict{Refused: err.Error()}
	}
	var sends *Sends
	config.WrapTransport = func(base http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if err := check(req); err != nil {
				return nil, err
			}
			sends = record(config, base, req)
			return nil, errors.New("recorded")
		})
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Verdict{Refused: fmt.Sprintf("failed to create kubernetes notification controller: %q", err)}
	}
	_, err = client.CoreV1().Services("").List(context.Background(), metav1.ListOptions{})
	if sends == nil {
		return Verdict{Fails: err.Error()}
	}
	return Verdict{Sends: sends}
}

func clientConfig(one Case) (*rest.Config, error) {
	if len(one.Kubeconfig) > 0 {
		overrides := &clientcmd.ConfigOverrides{}
		if len(one.Kubeconfig) > 1 {
			overrides.CurrentContext = one.Kubeconfig[1]
		}
		rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: one.Kubeconfig[0]}
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	}
	if one.Endpoint == "" {
		return rest.InClusterConfig()
	}
	cluster, user := clientcmdapi.Cluster{Server: one.Endpoint}, clientcmdapi.AuthInfo{}
	if len(one.TLS) == 3 {
		user.ClientCertificate, user.ClientKey, cluster.CertificateAuthority = one.TLS[0], one.TLS[1], one.TLS[2]
	}
	overrides := &clientcmd.ConfigOverrides{ClusterInfo: cluster, AuthInfo: user}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{}, overrides).ClientConfig()
}

type roundTrip func(req *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// check does what net/http does before anything is sent.
func check(req *http.Request) error {
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return fmt.Errorf("unsupported protocol scheme %q", req.URL.Scheme)
	}
	for name, values := range req.Header {
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("net/http: invalid header field value for %q", name)
			}
		}
	}
	return nil
}

func record(config *rest.Config, base http.RoundTripper, req *http.Request) *Sends {
	transport := base.(*http.Transport)
	url := *req.URL
	url.RawQuery, url.User = "", nil
	sends := &Sends{URL: url.String(), Authorization: textproto.TrimString(req.Header.Get("Authorization"))}
	for name, values := range req.Header {
		if strings.HasPrefix(name, "Impersonate-") {
			if sends.Impersonate == nil {
				sends.Impersonate = map[string][]string{}
			}
			sends.Impersonate[name] = values
		}
	}
	proxy, err := transport.Proxy(req)
	if err != nil {
		sends.Proxy = "error: " + err.Error()
	} else if proxy != nil {
		sends.Proxy = proxy.String()
	}
	if tls := transport.TLSClientConfig; tls != nil && req.URL.Scheme == "https" {
		sends.ServerName, sends.Insecure = tls.ServerName, tls.InsecureSkipVerify
		files := rest.CopyConfig(config)
		must(rest.LoadTLSFiles(files))
		sends.CA, sends.Cert, sends.Key = string(files.CAData), string(files.CertData), string(files.KeyData)
		if config.ExecProvider != nil && tls.GetClientCertificate != nil && sends.Cert == "" {
			cert, err := tls.GetClientCertificate(nil)
			must(err)
			if cert != nil && len(cert.Certificate) > 0 {
				sends.Cert = "of the plugin"
			}
		}
	}
	return sends
}
