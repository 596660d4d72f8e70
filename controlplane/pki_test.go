package controlplane

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCertificatesAreKept(t *testing.T) {
	dir := t.TempDir()
	issue := func(s subject) *x509.Certificate {
		t.Helper()
		p, err := openPKI(dir)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := p.certificate("server", p.cluster, s)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(p.cluster.cert)
		for _, ip := range s.ips {
			if _, err := pair.cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: ip.String()}); err != nil {
				t.Errorf("not good for %v: %v", ip, err)
			}
		}
		return pair.cert
	}
	s := subject{commonName: "server", usage: x509.ExtKeyUsageServerAuth, ips: []net.IP{net.IPv4(127, 0, 0, 1)}}
	first := issue(s)
	if !first.Equal(issue(s)) {
		t.Error("a start with the same addresses made another certificate")
	}
	s.ips = append(s.ips, net.IPv4(192, 0, 2, 1))
	if second := issue(s); first.Equal(second) {
		t.Error("a new address is not in the certificate")
	}
}

func TestDamagedCertificateIsNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := openPKI(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, []byte("cut sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openPKI(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("the error is %v", err)
	}
}
