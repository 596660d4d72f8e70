package controlplane

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// Certificates live as long as the data folder may be used: nothing renews them while the
	// process runs, and whoever can read the authorities' keys beside them needs no certificate.
	certificateLifetime = 10 * 365 * 24 * time.Hour
	// certificateMargin is how much of its life a certificate must have left at the start.
	certificateMargin = 90 * 24 * time.Hour
	// clockSkew is how far a client's clock may be behind ours.
	clockSkew = time.Hour

	blockCertificate = "CERTIFICATE"
	blockPrivateKey  = "EC PRIVATE KEY"
)

// pki is the control plane's certificates, below one folder.
//
// There are two authorities: one for servers and clients of the API and of the nodes; and one for the
// front proxy (the aggregation layer), whose certificates may name any user.
type pki struct {
	dir        string
	cluster    *keyPair
	frontProxy *keyPair
}

// keyPair is a certificate and its key. file holds both; its certificate alone is what others may
// see.
type keyPair struct {
	file    string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	certPEM []byte
	keyPEM  []byte
}

// subject says whom a certificate is for.
type subject struct {
	commonName string
	groups     []string // the API server's reading of the organisation
	usage      x509.ExtKeyUsage
	dns        []string
	ips        []net.IP
}

// openPKI reads the authorities below dir and makes those that are missing.
func openPKI(dir string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for certificates: %w", err)
	}
	p := &pki{dir: dir}
	for name, ca := range map[string]**keyPair{
		"ca":             &p.cluster,
		"front-proxy-ca": &p.frontProxy,
	} {
		pair, err := p.authority(name)
		if err != nil {
			return nil, err
		}
		*ca = pair
	}
	return p, nil
}

// path is the file of that name in the folder.
func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

// authority reads the authority kept in NAME.pem, or makes it. The certificate alone is in
// NAME.crt, because upstream publishes the authority files it is given, byte for byte.
func (p *pki) authority(name string) (*keyPair, error) {
	file := p.path(name + ".pem")
	pair, err := readKeyPair(file)
	if errors.Is(err, fs.ErrNotExist) {
		pair, err = p.makeAuthority(name, file)
	}
	if err != nil {
		return nil, err
	}
	if time.Until(pair.cert.NotAfter) <= 0 {
		return nil, fmt.Errorf("the authority in %s ended on %s: move the folder %s away and everything that was signed by it is made anew",
			file, pair.cert.NotAfter.Format(time.DateOnly), p.dir)
	}
	return pair, writeIfDifferent(p.path(name+".crt"), pair.certPEM)
}

func (p *pki) makeAuthority(name, file string) (*keyPair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "podling-" + name},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	pair, err := issue(template, nil)
	if err != nil {
		return nil, fmt.Errorf("make the authority %s: %w", name, err)
	}
	pair.file = file
	return pair, writeFile(file, slices.Concat(pair.certPEM, pair.keyPEM))
}

// certificate reads the certificate kept in NAME.pem if it is still good for that subject, or
// issues one by ca.
func (p *pki) certificate(name string, ca *keyPair, s subject) (*keyPair, error) {
	file := p.path(name + ".pem")
	pair, err := readKeyPair(file)
	switch {
	case err == nil && pair.servesFor(s, ca):
		return pair, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	pair, err = sign(ca, s)
	if err != nil {
		return nil, fmt.Errorf("issue the certificate %s: %w", name, err)
	}
	pair.file = file
	return pair, writeFile(file, slices.Concat(pair.certPEM, pair.keyPEM))
}

// signingKey is the file with the key that signs service-account tokens.
func (p *pki) signingKey() (string, error) {
	file := p.path("service-account.key")
	if _, err := os.Stat(file); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make the service-account key: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return "", err
	}
	return file, writeFile(file, keyPEM)
}

// servesFor says whether the certificate is signed by ca, names all of s, and lasts.
func (k *keyPair) servesFor(s subject, ca *keyPair) bool {
	holds := func(ip net.IP) bool { return slices.ContainsFunc(k.cert.IPAddresses, ip.Equal) }
	return k.cert.CheckSignatureFrom(ca.cert) == nil &&
		time.Until(k.cert.NotAfter) > certificateMargin &&
		k.cert.Subject.CommonName == s.commonName &&
		slices.Equal(k.cert.Subject.Organization, s.groups) &&
		slices.Equal(k.cert.ExtKeyUsage, []x509.ExtKeyUsage{s.usage}) &&
		!slices.ContainsFunc(s.dns, func(name string) bool { return !slices.Contains(k.cert.DNSNames, name) }) &&
		!slices.ContainsFunc(s.ips, func(ip net.IP) bool { return !holds(ip) })
}

// tls is the pair for a TLS server or client.
func (k *keyPair) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{k.cert.Raw}, PrivateKey: k.key, Leaf: k.cert}
}

// sign issues a certificate for s by ca, which is not kept.
func sign(ca *keyPair, s subject) (*keyPair, error) {
	return issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: s.commonName, Organization: s.groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{s.usage},
		DNSNames:    s.dns,
		IPAddresses: s.ips,
	}, ca)
}

// client makes a certificate for a client of the API, which is not kept.
func (p *pki) client(s subject) (*keyPair, error) {
	s.usage = x509.ExtKeyUsageClientAuth
	return sign(p.cluster, s)
}

// issue makes a key and has ca sign the template for it; without ca it signs itself.
func issue(template *x509.Certificate, ca *keyPair) (*keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-clockSkew), now.Add(certificateLifetime)
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
		if template.NotAfter.After(ca.cert.NotAfter) {
			template.NotAfter = ca.cert.NotAfter
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &keyPair{cert: cert, key: key, certPEM: encodeCertificate(der), keyPEM: keyPEM}, nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: der})
}

// encodeKey uses the one form from which upstream reads the public half too.
func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPrivateKey, Bytes: der}), nil
}

// readKeyPair reads a certificate and its key from one file.
func readKeyPair(file string) (*keyPair, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, fmt.Errorf("%s is not a certificate with its key (%w): remove it and it is made anew", file, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, not an ECDSA key: remove it and it is made anew", file, pair.PrivateKey)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &keyPair{
		file: file, cert: pair.Leaf, key: key,
		certPEM: encodeCertificate(pair.Leaf.Raw), keyPEM: keyPEM,
	}, nil
}

// writeIfDifferent leaves the file alone when it already says that.
func writeIfDifferent(file string, data []byte) error {
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return writeFile(file, data)
}

// writeFile writes the file, readable by its owner alone, so that it is there as a whole or, after
// a crash, not at all.
func writeFile(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // created 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", file, err), os.Remove(tmp.Name()))
	}
	return nil
}
