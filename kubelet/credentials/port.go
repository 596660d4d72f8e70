package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	certutil "k8s.io/client-go/util/cert"
)

const servingSigner = certificatesv1.KubeletServingSignerName

// servingRequest is what the node's port needs.
func servingRequest(name string, ip net.IP) *x509.CertificateRequest {
	return &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: userPrefix + name, Organization: []string{"system:nodes"}},
		DNSNames: []string{name}, IPAddresses: []net.IP{ip},
	}
}

// SelfSigned is a certificate for the node's port that nobody but the node vouches for.
func SelfSigned(name string, ip net.IP) (tls.Certificate, error) {
	certificate, key, err := certutil.GenerateSelfSignedCertKey(name, []net.IP{ip}, nil)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the certificate of the node's port: %w", err)
	}
	return tls.X509KeyPair(certificate, key)
}

// Callers are the authorities of the client certificates of those who may call the node: those that the
// cluster names (ConfigMap kube-system/extension-apiserver-authentication), or, to a node that may not
// read that, ca, the cluster's own, which is the same in all clusters but unusual ones.
func Callers(ctx context.Context, client kubernetes.Interface, ca []byte) (*x509.CertPool, error) {
	said, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
	if err == nil {
		ca = []byte(said.Data["client-ca-file"]) // none: nobody calls with a certificate
	} else if !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("who may call the node: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return pool, nil
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
