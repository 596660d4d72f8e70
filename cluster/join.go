package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/certificate/csr"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"

	"github.com/podling/podling/controlplane"
)

const (
	// oldestServer is the oldest Kubernetes whose cluster is joined.
	oldestServer = "1.34"
	// certifyPatience is how long a cluster has to sign the nodes' certificate.
	certifyPatience = 10 * time.Second
)

// Joined are nodes in a cluster that runs elsewhere.
type Joined struct {
	nodes   *nodes
	folder  *folder
	runtime *containerRuntime  // nil where containers only exist in memory
	network *podNetwork        // nil where containers only exist in memory
	log     *os.File           // of a real node
	ending  context.CancelFunc // of a real node: ends what keeps its credentials young
}

// Join adds simulated nodes to the cluster of config, whose user may write nodes, their leases, pods'
// statuses and Events. It returns when all are Ready. Several processes may join one cluster, with
// nodes of other names. ctx bounds the start alone.
func Join(ctx context.Context, config *rest.Config, o Options, step Step) (*Joined, error) {
	o.Runtime, o.Ephemeral = RuntimeSim, true
	if err := o.complete(); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if err := youngEnough(client); err != nil {
		return nil, err
	}
	j := &Joined{}
	if j.folder, err = openFolder(""); err != nil {
		return nil, err
	}
	began := time.Now()
	identity := controlplane.NodeIdentity{Config: config}
	if identity.ServingCert, identity.ClientCAs, err = certify(ctx, client, o.NodeName); err == nil {
		j.nodes, err = startFleet(identity, o, j.folder.path, nil)
	}
	if err == nil {
		err = j.nodes.waitReady(ctx, client)
	}
	if err != nil {
		return nil, errors.Join(err, j.Stop(context.WithoutCancel(ctx)))
	}
	oneAtATime(step)(fmt.Sprintf("%d nodes", len(j.nodes.names)), time.Since(began))
	return j, nil
}

// youngEnough refuses clusters that are older than what this node speaks with.
func youngEnough(client kubernetes.Interface) error {
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("the cluster's version: %w", err)
	}
	v, err := version.ParseGeneric(info.GitVersion)
	if err != nil {
		return fmt.Errorf("the cluster's version: %w", err)
	}
	if v.LessThan(version.MustParseGeneric(oldestServer)) {
		return fmt.Errorf("the cluster runs Kubernetes %s: nodes join %s and newer", info.GitVersion, oldestServer)
	}
	return nil
}

// certify has the cluster sign a certificate for the nodes' port, and asks who may call it. A cluster
// that signs none gets one that the nodes sign themselves: pods run all the same, but an API server
// that checks nodes' certificates reads no logs then.
func certify(ctx context.Context, client kubernetes.Interface, name string) (tls.Certificate, *x509.CertPool, error) {
	callers, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return tls.Certificate{}, nil, fmt.Errorf("who may call the nodes: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(callers.Data["client-ca-file"])) // none: then nobody comes with a certificate
	serving, err := signed(ctx, client, name)
	if err != nil {
		klog.FromContext(ctx).Error(err, "The cluster signs no certificate for the nodes' port; they sign one themselves")
		var certificate, key []byte
		if certificate, key, err = certutil.GenerateSelfSignedCertKey(name, []net.IP{controlplane.HostIP()}, nil); err == nil {
			serving, err = tls.X509KeyPair(certificate, key)
		}
	}
	return serving, pool, err
}

// signed has the cluster sign a certificate as one for a kubelet's port.
func signed(ctx context.Context, client kubernetes.Interface, name string) (tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, certifyPatience)
	defer cancel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	request, err := certutil.MakeCSR(key, &pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}}, nil, []net.IP{controlplane.HostIP()})
	if err != nil {
		return tls.Certificate{}, err
	}
	made, uid, err := csr.RequestCertificateWithContext(ctx, client, request, "", certificatesv1.KubeletServingSignerName, nil,
		[]certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth}, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	asked, err := client.CertificatesV1().CertificateSigningRequests().Get(ctx, made, metav1.GetOptions{})
	if err != nil {
		return tls.Certificate{}, err
	}
	asked.Status.Conditions = append(asked.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "SimulatedNodes", Message: "the port of podling's simulated nodes"})
	if _, err := client.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, made, asked, metav1.UpdateOptions{}); err != nil {
		return tls.Certificate{}, err
	}
	certificate, err := csr.WaitForCertificate(ctx, client, made, uid)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, pem.EncodeToMemory(&pem.Block{Type: keyutil.ECPrivateKeyBlockType, Bytes: private}))
}

// NodeNames are the nodes' names.
func (j *Joined) NodeNames() []string { return j.nodes.names }

// Done is closed when the nodes have ended; Err says why, should they not have been stopped.
func (j *Joined) Done() <-chan struct{} { return j.nodes.done }

// Err is why the nodes ended, after Done.
func (j *Joined) Err() error { return j.nodes.err }

// EndPods ends the pods of the node in order, as before its machine goes down, until ctx ends.
func (j *Joined) EndPods(ctx context.Context) { j.nodes.endPods(ctx) }

// Stop ends the nodes. Their Nodes and pods stay in the API: they look like nodes that lost power, and
// go on when they are started again. Containers that are real go on running.
func (j *Joined) Stop(ctx context.Context) error {
	const containersGo = false
	var t takingDown
	if j.nodes != nil {
		t.part(ctx, j.nodes.stop)
	}
	if j.ending != nil {
		j.ending()
	}
	if j.network != nil {
		t.part(ctx, func(ctx context.Context) error { return j.network.stop(ctx, j.runtime, containersGo) })
	}
	if j.runtime != nil {
		t.part(ctx, func(ctx context.Context) error { return j.runtime.stop(ctx, containersGo) })
	}
	if j.log != nil {
		t.note(controlplane.CloseLog(j.log))
	}
	t.note(j.folder.close())
	return errors.Join(t.errs...)
}
