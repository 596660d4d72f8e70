package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"net"
	"strings"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
)

// A node gets a serving certificate for itself, and for the addresses that it has.
func TestMayServe(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: "192.0.2.7"}, {Type: corev1.NodeHostName, Address: "n"},
	}}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type asked struct {
		user, group, name string
		dns               string
		ip                string
		usage             certificatesv1.KeyUsage
	}
	good := asked{"system:node:n", "system:nodes", "system:node:n", "n", "192.0.2.7", certificatesv1.UsageServerAuth}
	for name, test := range map[string]struct {
		change func(*asked)
		want   string
	}{
		"its own":            {func(*asked) {}, ""},
		"somebody":           {func(a *asked) { a.user = "jane" }, `"jane"`},
		"not of the group":   {func(a *asked) { a.group = "system:authenticated" }, "is no node"},
		"an administrator":   {func(a *asked) { a.user, a.group = "admin", "system:masters" }, ""},
		"another node's":     {func(a *asked) { a.name = "system:node:m" }, "asks for a certificate of system:node:m"},
		"another's address":  {func(a *asked) { a.ip = "192.0.2.8" }, "does not have the address 192.0.2.8"},
		"another's name":     {func(a *asked) { a.dns = "kubernetes.default.svc" }, "does not have the name kubernetes.default.svc"},
		"to call, not serve": {func(a *asked) { a.usage = certificatesv1.UsageClientAuth }, "usage"},
	} {
		a := good
		test.change(&a)
		pem, err := certutil.MakeCSR(key, &pkix.Name{CommonName: a.name, Organization: []string{"system:nodes"}}, []string{a.dns}, []net.IP{net.ParseIP(a.ip)})
		if err != nil {
			t.Fatal(err)
		}
		err = mayServe(&certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem, Username: a.user, Groups: []string{a.group}, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, a.usage},
		}}, node)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
}
