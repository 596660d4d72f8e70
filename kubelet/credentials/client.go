// Package credentials gets a node that joins a cluster the certificates by which it is known there,
// and keeps them young.
//
// It stands before a pod's way: when the node begins to watch for pods, it has been here. A node comes
// with a kubeconfig, and is that kubeconfig's user; or with a bootstrap token, which is good for one
// thing, to ask for a client certificate (TLS bootstrap). That one is kept in the node's folder,
// 0600, so that a node that was killed goes on as who it was, and is replaced before it ends. What
// serves the node's own port is asked for by the same way.
//
//	Discover ── how a cluster is reached, by a token
//	Client   ── the node's client certificate: asked for, kept, replaced
//	Serving  ── the certificate of the node's port
//	CheckName ── whether another node has the name
//
// The rules are those of upstream's kubelet and kubeadm (pkg/kubelet/certificate,
// cmd/kubeadm/app/discovery), whose code does most of it.
package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/certificate"
	"k8s.io/klog/v2"
	kubeletcertificate "k8s.io/kubernetes/pkg/kubelet/certificate"
	"k8s.io/kubernetes/pkg/kubelet/certificate/bootstrap"
)

const (
	// currentClient is upstream's name for the certificate in use: a link to the newest.
	currentClient = "kubelet-client-current.pem"
	// approvalNotice is after how long people are told that a request waits for them.
	approvalNotice = 3 * time.Second
)

// Files are where a node's credentials are kept.
type Files struct {
	Dir        string // certificates and keys, 0600
	Kubeconfig string // names them
}

// Known says whether the node has a client certificate from an earlier start that is still good, and
// who it says that the node is. An error is for a certificate of another node than name.
func (f Files) Known(name string) (bool, error) {
	if _, err := os.Stat(f.Kubeconfig); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("the node's kubeconfig: %w", err)
	}
	file := filepath.Join(f.Dir, currentClient)
	pair, err := tls.LoadX509KeyPair(file, file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the node's certificate %s cannot be read (remove it and join anew): %w", file, err)
	}
	if is, want := pair.Leaf.Subject.CommonName, userPrefix+name; is != want {
		return false, fmt.Errorf("%s is the certificate of %q, not of %q: give the node its own folder (--data-dir), or the name it had (--node-name)", file, is, want)
	}
	return time.Now().Before(pair.Leaf.NotAfter), nil
}

const userPrefix = "system:node:"

// Bootstrap asks, with the credentials of from, for a client certificate for the node of that name, and
// keeps it in the files. It waits until the request is approved; waiting is told when that takes
// somebody's hand.
func (f Files) Bootstrap(ctx context.Context, from *rest.Config, name string, waiting func(string)) error {
	for _, dir := range []string{f.Dir, filepath.Dir(f.Kubeconfig)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("the node's credentials: %w", err)
		}
	}
	// Upstream's code takes a file.
	asking := filepath.Join(f.Dir, "bootstrap-kubeconfig")
	if err := writeKubeconfig(asking, from); err != nil {
		return err
	}
	defer os.Remove(asking) // what it says is worth nothing once the certificate is there
	notice := time.AfterFunc(approvalNotice, func() {
		waiting("the certificate of node " + name + " waits to be approved: see `kubectl get certificatesigningrequests`, and `kubectl certificate approve NAME`")
	})
	defer notice.Stop()
	// Another cluster's, or one that has ended.
	if err := os.Remove(f.Kubeconfig); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the node's kubeconfig: %w", err)
	}
	err := bootstrap.LoadClientCert(ctx, f.Kubeconfig, asking, f.Dir, types.NodeName(name))
	switch {
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the cluster at %s refuses the bootstrap token: it is wrong, or has expired; make one with `podling token create`: %w", from.Host, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the bootstrap token may not ask the cluster at %s for a node's certificate: %w", from.Host, err)
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("ended before the cluster at %s signed a certificate for node %s: %w", from.Host, name, err)
	case err != nil:
		return fmt.Errorf("the cluster at %s signs no certificate for node %s: %w", from.Host, name, err)
	}
	return nil
}

// Client is a client by the certificate that is kept, which is replaced before it ends until ctx does.
func (f Files) Client(ctx context.Context, name string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", f.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("the node's kubeconfig %s: %w", f.Kubeconfig, err)
	}
	asking := rest.AnonymousClientConfig(config)
	manager, err := kubeletcertificate.NewKubeletClientCertificateManager(f.Dir, types.NodeName(name), nil, nil, config.CertFile, config.KeyFile,
		func(current *tls.Certificate) (kubernetes.Interface, error) {
			as := rest.CopyConfig(asking)
			if current != nil {
				if err := present(as, *current); err != nil {
					return nil, err
				}
			}
			return kubernetes.NewForConfig(as)
		})
	if err != nil {
		return nil, fmt.Errorf("the certificate of node %s: %w", name, err)
	}
	// Upstream ends the process when the certificate has ended; a node that cannot write goes on with its pods.
	const exitAfter = 0
	if _, err := kubeletcertificate.UpdateTransport(klog.FromContext(ctx), ctx.Done(), config, manager, exitAfter); err != nil {
		return nil, fmt.Errorf("the certificate of node %s: %w", name, err)
	}
	manager.Start()
	context.AfterFunc(ctx, manager.Stop)
	return config, nil
}

// present gives a client a certificate.
func present(config *rest.Config, certificate tls.Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return err
	}
	config.KeyData = pemBlock("PRIVATE KEY", key)
	for _, der := range certificate.Certificate {
		config.CertData = append(config.CertData, pemBlock(certutil.CertificateBlockType, der)...)
	}
	return nil
}

// Serving asks the cluster for the certificate of the node's port, which is reached at ip, and for the
// next before that ends, until ctx does. The function gives the newest; nil while there is none.
func Serving(ctx context.Context, client kubernetes.Interface, dir, name string, ip net.IP) (func() *tls.Certificate, error) {
	store, err := certificate.NewFileStore("kubelet-server", dir, dir, "", "")
	if err != nil {
		return nil, fmt.Errorf("the certificate of the node's port: %w", err)
	}
	manager, err := certificate.NewManager(&certificate.Config{
		ClientsetFn:      func(*tls.Certificate) (kubernetes.Interface, error) { return client, nil },
		GetTemplate:      func() *x509.CertificateRequest { return servingRequest(name, ip) },
		SignerName:       servingSigner,
		GetUsages:        certificate.DefaultKubeletServingGetUsages,
		CertificateStore: store,
	})
	if err != nil {
		return nil, fmt.Errorf("the certificate of the node's port: %w", err)
	}
	manager.Start()
	context.AfterFunc(ctx, manager.Stop)
	return manager.Current, nil
}
