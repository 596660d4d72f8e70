package credentials

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/cluster-bootstrap/token/jws"
)

// issued is a certificate that signs itself, in PEM.
func issued(t *testing.T, name string, until time.Time) []byte {
	t.Helper()
	certificate, _ := pair(t, name, until)
	return certificate
}

func pair(t *testing.T, name string, until time.Time) (certificate, both []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-2 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate = pemBlock("CERTIFICATE", der)
	return certificate, append(pemBlock("EC PRIVATE KEY", private), certificate...)
}

// A node trusts what a stranger says only if it is signed with its token and names the authority that it
// was told of; and the stranger is not shown the token.
func TestDiscover(t *testing.T) {
	const id, secret = "abcdef", "0123456789abcdef"
	ca := issued(t, "ca", time.Now().Add(time.Hour))
	hashes, err := Hashes(ca)
	if err != nil {
		t.Fatal(err)
	}
	said, err := clientcmd.Write(clientcmdapi.Config{Clusters: map[string]*clientcmdapi.Cluster{"": {Server: "https://elsewhere", CertificateAuthorityData: ca}}})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := jws.ComputeDetachedSignature(string(said), id, secret)
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]string{"kubeconfig": string(said), "jws-kubeconfig-" + id: signature}
	status := http.StatusOK
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the stranger was shown the token")
		}
		if r.URL.Path != "/api/v1/namespaces/kube-public/configmaps/cluster-info" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		var answer any = &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: data}
		if status != http.StatusOK {
			answer = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: int32(status), Reason: metav1.StatusReasonForbidden}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	good := Invitation{Server: server.URL, Token: id + "." + secret, CACertHash: hashes[0]}
	config, err := Discover(t.Context(), good)
	if err != nil || config.Host != server.URL || string(config.CAData) != string(ca) || config.BearerToken != good.Token || config.Insecure {
		t.Errorf("%+v, %v", config, err)
	}
	for want, bad := range map[string]func(*Invitation){
		"it knows no token zzzzzz":    func(i *Invitation) { i.Token = "zzzzzz." + secret },
		"the token's secret is wrong": func(i *Invitation) { i.Token = id + ".fedcba9876543210" },
		"it is another cluster":       func(i *Invitation) { i.CACertHash = "sha256:" + strings.Repeat("0", 64) },
	} {
		i := good
		bad(&i)
		if _, err := Discover(t.Context(), i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	data["kubeconfig"] += "\n# changed on the way"
	if _, err := Discover(t.Context(), good); err == nil || !strings.Contains(err.Error(), "somebody else answers") {
		t.Errorf("what was changed on the way: %v", err)
	}
	status = http.StatusForbidden
	if _, err := Discover(t.Context(), good); err == nil || !strings.Contains(err.Error(), "join with --bootstrap-kubeconfig or --kubeconfig") {
		t.Errorf("a cluster that does not say how it is reached: %v", err)
	}
}

func TestInvitationCheck(t *testing.T) {
	good := Invitation{Server: "https://h:6443", Token: "abcdef.0123456789abcdef", CACertHash: "sha256:" + strings.Repeat("aB", 32)}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, bad := range map[string]Invitation{
		"--server":       {"http://h", good.Token, good.CACertHash},
		"--token":        {good.Server, "abcdef.short", good.CACertHash},
		"--ca-cert-hash": {good.Server, good.Token, "sha256:12"},
	} {
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v; want %s", bad, err, want)
		}
	}
}

// What is in a node's folder decides whether it joins anew.
func TestKnown(t *testing.T) {
	hour := time.Hour
	for name, test := range map[string]struct {
		who   string
		lasts time.Duration
		known bool
		want  string
	}{
		"none":      {"", 0, false, ""},
		"its own":   {"system:node:n", hour, true, ""},
		"ended":     {"system:node:n", -hour, false, ""},
		"another's": {"system:node:m", hour, false, `is the certificate of "system:node:m", not of "system:node:n"`},
	} {
		dir := t.TempDir()
		f := Files{Dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig")}
		if test.who != "" {
			_, both := pair(t, test.who, time.Now().Add(test.lasts))
			for file, data := range map[string][]byte{filepath.Join(dir, currentClient): both, f.Kubeconfig: nil} {
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		known, err := f.Known("n")
		if known != test.known || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", name, known, err)
		}
	}
}
