package credentials

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	"k8s.io/cluster-bootstrap/token/jws"
	bootstraputil "k8s.io/cluster-bootstrap/token/util"
)

// hashPrefix is before the hash of an authority's public key (RFC 7469).
const hashPrefix = "sha256:"

// Invitation is what a join command says.
type Invitation struct {
	Server     string // https://HOST:PORT
	Token      string // a bootstrap token, ID.SECRET
	CACertHash string // of the cluster's authority, sha256:HEX
}

// Check refuses what cannot be an invitation.
func (i Invitation) Check() error {
	switch u, err := url.Parse(i.Server); {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("--server %q is not an address like https://192.0.2.1:6443", i.Server)
	case !bootstraputil.IsValidBootstrapToken(i.Token):
		return errors.New("--token is not a bootstrap token, which is ID.SECRET, 6 and 16 small letters and digits")
	}
	if sum, err := hex.DecodeString(strings.TrimPrefix(i.CACertHash, hashPrefix)); !strings.HasPrefix(i.CACertHash, hashPrefix) || err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("--ca-cert-hash %q is not sha256: and 64 hexadecimal digits", i.CACertHash)
	}
	return nil
}

// Discover reads how the cluster is reached, and makes sure that it is the one that the invitation is
// for: who signed what it says knows the token, and the authority in it is the one whose hash the
// invitation has. The first connection is to whoever answers; it is given no secret.
func Discover(ctx context.Context, i Invitation) (*rest.Config, error) {
	client, err := kubernetes.NewForConfig(&rest.Config{Host: i.Server, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", i.Server, err)
	}
	info, err := client.CoreV1().ConfigMaps(metav1.NamespacePublic).Get(ctx, bootstrapapi.ConfigMapClusterInfo, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return nil, fmt.Errorf("the cluster at %s does not say how it is reached (ConfigMap kube-public/cluster-info): join with --bootstrap-kubeconfig or --kubeconfig: %w", i.Server, err)
	case err != nil:
		return nil, fmt.Errorf("the cluster at %s does not answer: %w", i.Server, err)
	}
	ca, err := i.verified(info)
	if err != nil {
		return nil, fmt.Errorf("the cluster at %s: %w", i.Server, err)
	}
	return &rest.Config{Host: i.Server, BearerToken: i.Token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, nil
}

// verified is the cluster's authority, if what the cluster says is for this invitation.
func (i Invitation) verified(info *corev1.ConfigMap) ([]byte, error) {
	id, secret, _ := strings.Cut(i.Token, ".")
	said := info.Data[bootstrapapi.KubeConfigKey]
	signature := info.Data[bootstrapapi.JWSSignatureKeyPrefix+id]
	if signature == "" {
		return nil, fmt.Errorf("it knows no token %s: it is wrong, or has expired; make one with `podling token create`", id)
	}
	if !jws.DetachedTokenIsValid(signature, said, id, secret) {
		return nil, fmt.Errorf("its signature is not by the token %s: the token's secret is wrong, or somebody else answers", id)
	}
	config, err := clientcmd.Load([]byte(said))
	if err != nil {
		return nil, fmt.Errorf("what it says of how it is reached: %w", err)
	}
	for _, cluster := range config.Clusters { // the only one
		hashes, err := Hashes(cluster.CertificateAuthorityData)
		if err != nil {
			return nil, fmt.Errorf("its authority: %w", err)
		}
		for _, hash := range hashes {
			if strings.EqualFold(hash, i.CACertHash) {
				return cluster.CertificateAuthorityData, nil
			}
		}
		return nil, fmt.Errorf("its authority is %s, not %s of --ca-cert-hash: it is another cluster, or somebody else answers", strings.Join(hashes, ", "), i.CACertHash)
	}
	return nil, errors.New("it says nothing of how it is reached")
}

// Hashes are those of the public keys of authorities, as --ca-cert-hash has them.
func Hashes(pem []byte) ([]string, error) {
	authorities, err := certutil.ParseCertsPEM(pem)
	if err != nil {
		return nil, err
	}
	var hashes []string
	for _, a := range authorities {
		hashes = append(hashes, hash(a))
	}
	return hashes, nil
}

func hash(authority *x509.Certificate) string {
	sum := sha256.Sum256(authority.RawSubjectPublicKeyInfo)
	return hashPrefix + hex.EncodeToString(sum[:])
}

// writeKubeconfig writes a kubeconfig for config, 0600.
func writeKubeconfig(path string, config *rest.Config) error {
	const name = "bootstrap"
	out := clientcmdapi.NewConfig()
	out.CurrentContext = name
	out.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	out.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthority: config.CAFile, CertificateAuthorityData: config.CAData,
		InsecureSkipTLSVerify: config.Insecure, TLSServerName: config.ServerName}
	out.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: config.BearerToken, TokenFile: config.BearerTokenFile,
		ClientCertificate: config.CertFile, ClientCertificateData: config.CertData, ClientKey: config.KeyFile, ClientKeyData: config.KeyData}
	data, err := clientcmd.Write(*out)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	return nil
}
