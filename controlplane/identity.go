package controlplane

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/podling/podling/controlplane/inprocess"
)

const (
	// contextName is what the kubeconfig calls the cluster, the user and the context.
	contextName = "podling"

	groupMasters = "system:masters"
	groupNodes   = "system:nodes"

	userNodePrefix = "system:node:"
)

// NodeIdentity is what a node needs to take part in the cluster.
type NodeIdentity struct {
	// Config is the node's client: user system:node:NAME, group system:nodes, which the Node
	// authorizer and the NodeRestriction admission hold to its own objects.
	Config *rest.Config
	// ServingCert is for the node's own port.
	ServingCert tls.Certificate
	// ClientCAs signs for those who call the node.
	ClientCAs *x509.CertPool
}

// NodeIdentity makes an identity for the node of that name, whose port is reached at ips.
func (c *ControlPlane) NodeIdentity(name string, ips []net.IP) (NodeIdentity, error) {
	node := userNodePrefix + name
	config, err := c.near(subject{commonName: node, groups: []string{groupNodes}})
	if err != nil {
		return NodeIdentity{}, fmt.Errorf("identity of node %s: %w", name, err)
	}
	serving, err := sign(c.pki.cluster, subject{
		commonName: node, groups: []string{groupNodes}, usage: x509.ExtKeyUsageServerAuth,
		dns: []string{name}, ips: ips,
	})
	if err != nil {
		return NodeIdentity{}, fmt.Errorf("serving certificate of node %s: %w", name, err)
	}
	callers := x509.NewCertPool()
	callers.AddCert(c.pki.cluster.cert)
	return NodeIdentity{Config: config, ServingCert: serving.tls(), ClientCAs: callers}, nil
}

// NodesIdentity makes an identity for simulated nodes, whose common port is reached at ips. They share
// it, and it may do everything: what is to be simulated is pods, not what a node is kept from.
func (c *ControlPlane) NodesIdentity(ips []net.IP) (NodeIdentity, error) {
	const name = "simulated-nodes"
	identity, err := c.NodeIdentity(name, ips)
	if err != nil {
		return NodeIdentity{}, err
	}
	if identity.Config, err = c.near(subject{commonName: "podling:" + name, groups: []string{groupMasters}}); err != nil {
		return NodeIdentity{}, fmt.Errorf("identity of simulated nodes: %w", err)
	}
	return identity, nil
}

// ProxyIdentity is a client that may see Services and where they lead (user system:kube-proxy, whom
// upstream's ClusterRole system:node-proxier is bound to), for what stands in for Services' addresses
// and names.
func (c *ControlPlane) ProxyIdentity() (*rest.Config, error) {
	config, err := c.near(subject{commonName: user.KubeProxy})
	if err != nil {
		return nil, fmt.Errorf("identity of the service proxy: %w", err)
	}
	return config, nil
}

// Admin is a client that may do everything (group system:masters).
func (c *ControlPlane) Admin() *rest.Config { return rest.CopyConfig(c.admin) }

// WriteKubeconfig writes the administrator's kubeconfig, with its certificates in it, readable by
// this user alone.
func (c *ControlPlane) WriteKubeconfig(path string) error {
	config := clientcmdapi.NewConfig()
	config.CurrentContext = contextName
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: contextName}
	config.Clusters[contextName] = &clientcmdapi.Cluster{
		Server: c.admin.Host, CertificateAuthorityData: c.admin.CAData,
	}
	config.AuthInfos[contextName] = &clientcmdapi.AuthInfo{
		ClientCertificateData: c.admin.CertData, ClientKeyData: c.admin.KeyData,
	}
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	return writeFile(path, data)
}

// client is a client for s, with a certificate that is not kept.
func (c *ControlPlane) client(s subject) (*rest.Config, error) {
	pair, err := c.pki.client(s)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host: c.addresses.url(),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: c.pki.cluster.certPEM, CertData: pair.certPEM, KeyData: pair.keyPEM,
		},
		// The API server has its own way to keep clients from crowding each other out (priority and
		// fairness); a limit here would only make the one user of this machine wait.
		QPS: -1,
	}, nil
}

// near is a client for s in this process, with a certificate that is not kept.
func (c *ControlPlane) near(s subject) (*rest.Config, error) {
	pair, err := c.pki.client(s)
	if err != nil {
		return nil, err
	}
	return internal(&rest.Config{
		Host:      c.addresses.url(), // is not dialed
		Transport: inprocess.New(c.apiServer.near, pair.cert),
		QPS:       -1,
	}), nil
}

// internal makes a client of built-in kinds only speak protobuf, which costs either side a third of
// the work of JSON.
func internal(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return config
}
