package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/apis/certificates"
)

// servingApprover approves the certificates that nodes ask for to serve their own port. Upstream leaves
// that to whoever runs the cluster, because only he knows which addresses are whose; here a node gets
// those that its Node object has.
type servingApprover struct {
	client   kubernetes.Interface
	requests cache.SharedIndexInformer
	queue    workqueue.TypedRateLimitingInterface[string]
}

func newServingApprover(client kubernetes.Interface) (*servingApprover, error) {
	a := &servingApprover{client: client, queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())}
	source := cache.NewListWatchFromClient(client.CertificatesV1().RESTClient(), "certificatesigningrequests", metav1.NamespaceAll,
		fields.OneTermEqualSelector("spec.signerName", certificatesv1.KubeletServingSignerName))
	a.requests = cache.NewSharedIndexInformer(source, &certificatesv1.CertificateSigningRequest{}, 0, nil)
	_, err := a.requests.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: a.asked, UpdateFunc: func(_, now any) { a.asked(now) }})
	if err != nil {
		return nil, fmt.Errorf("approver of nodes' certificates: %w", err)
	}
	return a, nil
}

func (a *servingApprover) asked(object any) {
	if request, ok := object.(*certificatesv1.CertificateSigningRequest); ok && len(request.Status.Conditions) == 0 {
		a.queue.Add(request.Name)
	}
}

// run approves until ctx ends.
func (a *servingApprover) run(ctx context.Context) {
	defer context.AfterFunc(ctx, a.queue.ShutDown)()
	informing := make(chan struct{})
	go func() {
		defer close(informing)
		a.requests.RunWithContext(ctx)
	}()
	for {
		name, ended := a.queue.Get()
		if ended {
			break
		}
		if err := a.approve(ctx, name); err == nil {
			a.queue.Forget(name)
		} else if ctx.Err() == nil { // a Node that is not there yet, most of all
			klog.FromContext(ctx).V(1).Info("A node's serving certificate is not approved", "request", name, "err", err)
			a.queue.AddRateLimited(name)
		}
		a.queue.Done(name)
	}
	<-informing
}

func (a *servingApprover) approve(ctx context.Context, name string) error {
	object, there, err := a.requests.GetStore().GetByKey(name)
	if err != nil || !there {
		return err
	}
	request, ok := object.(*certificatesv1.CertificateSigningRequest)
	if !ok || len(request.Status.Conditions) > 0 {
		return nil
	}
	asked, err := certificates.ParseCSR(request.Spec.Request)
	if err != nil {
		return err
	}
	node, err := a.client.CoreV1().Nodes().Get(ctx, strings.TrimPrefix(asked.Subject.CommonName, userNodePrefix), metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := mayServe(request, node); err != nil {
		return err
	}
	request = request.DeepCopy()
	request.Status.Conditions = append(request.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "AddressesOfNode",
		Message: "podling approved this certificate: the node asks for itself, and for the addresses of its Node"})
	_, err = a.client.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, name, request, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) { // seen again, or gone
		return nil
	}
	return err
}

// mayServe says why a node does not get the serving certificate that it asks for. An administrator,
// as whom a node may join too, may ask for any node's.
func mayServe(request *certificatesv1.CertificateSigningRequest, node *corev1.Node) error {
	isNode := request.Spec.Username == userNodePrefix+node.Name && slices.Contains(request.Spec.Groups, groupNodes)
	if !isNode && !slices.Contains(request.Spec.Groups, groupMasters) {
		return fmt.Errorf("%q, of the groups %q, is no node", request.Spec.Username, request.Spec.Groups)
	}
	asked, err := certificates.ParseCSR(request.Spec.Request)
	if err != nil {
		return err
	}
	usages := sets.NewString()
	for _, usage := range request.Spec.Usages {
		usages.Insert(string(usage))
	}
	if err := certificates.ValidateKubeletServingCSR(asked, usages); err != nil {
		return err
	}
	if asked.Subject.CommonName != userNodePrefix+node.Name {
		return fmt.Errorf("%s asks for a certificate of %s", request.Spec.Username, asked.Subject.CommonName)
	}
	var errs []error
	for _, name := range asked.DNSNames {
		if !hasAddress(node, func(address string) bool { return strings.EqualFold(address, name) }) {
			errs = append(errs, fmt.Errorf("node %s does not have the name %s", node.Name, name))
		}
	}
	for _, ip := range asked.IPAddresses {
		if !hasAddress(node, func(address string) bool { return ip.Equal(net.ParseIP(address)) }) {
			errs = append(errs, fmt.Errorf("node %s does not have the address %s", node.Name, ip))
		}
	}
	return errors.Join(errs...)
}

func hasAddress(node *corev1.Node, is func(string) bool) bool {
	return slices.ContainsFunc(node.Status.Addresses, func(a corev1.NodeAddress) bool { return is(a.Address) })
}
