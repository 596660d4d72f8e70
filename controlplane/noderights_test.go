package controlplane

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"net"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	certutil "k8s.io/client-go/util/cert"
)

// nodeKeepsToItsOwn is about what the node authorizer and the admission plugin NodeRestriction leave to one
// whose node's certificate was stolen: that node's pods and what they refer to.
func nodeKeepsToItsOwn(t *testing.T, c *ControlPlane, admin kubernetes.Interface) {
	identity, err := c.NodeIdentity("mine", []net.IP{net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	node := clientFor(t, identity.Config)
	const ns = "default"
	must := func(err error) {
		t.Helper()
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	uids := map[string]types.UID{}
	for _, name := range []string{"mine", "theirs"} {
		if name == "theirs" { // the node makes its own
			_, err = admin.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			must(err)
		}
		_, err = admin.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		must(err)
		_, err = admin.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		must(err)
		_, err = admin.CoreV1().ServiceAccounts(ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		must(err)
		pod, err := admin.CoreV1().Pods(ns).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
			NodeName: name, ServiceAccountName: name, TerminationGracePeriodSeconds: new(int64(0)),
			Containers: []corev1.Container{{Name: "c", Image: "i", EnvFrom: []corev1.EnvFromSource{
				{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}},
				{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}},
			}}},
		}}, metav1.CreateOptions{})
		must(err)
		uids[name] = pod.UID
	}

	get := func(name string) error {
		_, err := node.CoreV1().Secrets(ns).Get(t.Context(), name, metav1.GetOptions{})
		return err
	}
	// The authorizer sees by a watch which pods the node has.
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) { return get("mine") == nil, nil }); err != nil {
		t.Fatalf("the node may not read its own pod's Secret: %v", get("mine"))
	}
	patch := func(of any) []byte {
		raw, err := json.Marshal(of)
		must(err)
		return raw
	}
	ready := func(kind string) []byte {
		return patch(map[string]any{"status": map[string]any{"conditions": []map[string]any{{"type": kind, "status": "True"}}}})
	}
	token := func(account string, uid types.UID, pod string) error {
		_, err := node.CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), account, &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod, UID: uid},
		}}, metav1.CreateOptions{})
		return err
	}
	lease := func(name string) error {
		_, err := node.CoordinationV1().Leases(corev1.NamespaceNodeLease).Create(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		return err
	}
	for _, test := range []struct {
		what string
		may  bool
		do   func() error
	}{
		{"make its Node", true, func() error {
			_, err := node.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
			return err
		}},
		{"make another's Node", false, func() error {
			_, err := node.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}}, metav1.CreateOptions{})
			return err
		}},
		{"report its Node", true, func() error {
			_, err := node.CoreV1().Nodes().PatchStatus(t.Context(), "mine", ready("Ready"))
			return err
		}},
		{"report another's Node", false, func() error {
			_, err := node.CoreV1().Nodes().PatchStatus(t.Context(), "theirs", ready("Ready"))
			return err
		}},
		{"read another's Node", false, func() error {
			_, err := node.CoreV1().Nodes().Get(t.Context(), "theirs", metav1.GetOptions{})
			return err
		}},
		{"give itself a label that it is kept from", false, func() error {
			_, err := node.CoreV1().Nodes().Patch(t.Context(), "mine", types.MergePatchType, patch(map[string]any{"metadata": map[string]any{"labels": map[string]string{"node-restriction.kubernetes.io/trusted": "yes"}}}), metav1.PatchOptions{})
			return err
		}},
		{"change its taints", false, func() error {
			_, err := node.CoreV1().Nodes().Patch(t.Context(), "mine", types.MergePatchType, patch(map[string]any{"spec": map[string]any{"taints": []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}}}), metav1.PatchOptions{})
			return err
		}},
		{"have its Node owned, and so deleted with the owner (CVE-2025-5187)", false, func() error {
			_, err := node.CoreV1().Nodes().Patch(t.Context(), "mine", types.MergePatchType, patch(map[string]any{"metadata": map[string]any{"ownerReferences": []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "1"}}}}), metav1.PatchOptions{})
			return err
		}},
		{"delete its Node", false, func() error { return node.CoreV1().Nodes().Delete(t.Context(), "mine", metav1.DeleteOptions{}) }},
		{"renew its lease", true, func() error { return lease("mine") }},
		{"renew another's lease", false, func() error { return lease("theirs") }},
		{"read a Secret of another's pod", false, func() error { return get("theirs") }},
		{"list Secrets", false, func() error {
			_, err := node.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
			return err
		}},
		{"read a ConfigMap of its pod", true, func() error {
			_, err := node.CoreV1().ConfigMaps(ns).Get(t.Context(), "mine", metav1.GetOptions{})
			return err
		}},
		{"read a ConfigMap of another's pod", false, func() error {
			_, err := node.CoreV1().ConfigMaps(ns).Get(t.Context(), "theirs", metav1.GetOptions{})
			return err
		}},
		{"list its pods", true, func() error {
			_, err := node.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", "mine").String()})
			return err
		}},
		{"list another's pods", false, func() error {
			_, err := node.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", "theirs").String()})
			return err
		}},
		{"list all pods", false, func() error {
			_, err := node.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
			return err
		}},
		{"report its pod", true, func() error {
			_, err := node.CoreV1().Pods(ns).Patch(t.Context(), "mine", types.StrategicMergePatchType, ready("Initialized"), metav1.PatchOptions{}, "status")
			return err
		}},
		{"report another's pod", false, func() error {
			_, err := node.CoreV1().Pods(ns).Patch(t.Context(), "theirs", types.StrategicMergePatchType, ready("Initialized"), metav1.PatchOptions{}, "status")
			return err
		}},
		{"change its pod", false, func() error {
			_, err := node.CoreV1().Pods(ns).Patch(t.Context(), "mine", types.StrategicMergePatchType, patch(map[string]any{"metadata": map[string]any{"labels": map[string]string{"a": "b"}}}), metav1.PatchOptions{})
			return err
		}},
		{"make a pod that is no static one's mirror", false, func() error {
			_, err := node.CoreV1().Pods(ns).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "new"}, Spec: corev1.PodSpec{NodeName: "mine", Containers: []corev1.Container{{Name: "c", Image: "i"}}}}, metav1.CreateOptions{})
			return err
		}},
		{"make a mirror that has a Secret", false, func() error {
			own := true
			self, err := admin.CoreV1().Nodes().Get(t.Context(), "mine", metav1.GetOptions{})
			must(err)
			_, err = node.CoreV1().Pods(ns).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: "new", Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "x"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "mine", UID: self.UID, Controller: &own}},
			}, Spec: corev1.PodSpec{
				NodeName: "mine", Containers: []corev1.Container{{Name: "c", Image: "i"}},
				Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "theirs"}}}},
			}}, metav1.CreateOptions{})
			return err
		}},
		{"delete another's pod", false, func() error { return node.CoreV1().Pods(ns).Delete(t.Context(), "theirs", metav1.DeleteOptions{}) }},
		{"evict another's pod", false, func() error {
			return node.CoreV1().RESTClient().Post().Namespace(ns).Resource("pods").Name("theirs").SubResource("eviction").
				Body([]byte(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"theirs","namespace":"default"}}`)).SetHeader("Content-Type", "application/json").Do(t.Context()).Error()
		}},
		{"ask for a token for its pod", true, func() error { return token("mine", uids["mine"], "mine") }},
		{"ask for a token for another's pod", false, func() error { return token("theirs", uids["theirs"], "theirs") }},
		{"ask for a token of its pod's account, and for another's pod", false, func() error { return token("mine", uids["theirs"], "theirs") }},
		{"ask for the certificate of another node", false, func() error { return otherCertificate(t, node) }},
		{"exec into its pod through the API server", false, func() error {
			return node.CoreV1().RESTClient().Post().Namespace(ns).Resource("pods").Name("mine").SubResource("exec").Param("command", "true").Param("stdout", "true").Do(t.Context()).Error()
		}},
		{"delete its pod", true, func() error { return node.CoreV1().Pods(ns).Delete(t.Context(), "mine", metav1.DeleteOptions{}) }},
	} {
		err := test.do()
		switch {
		case test.may && err != nil:
			t.Errorf("it may not %s: %v", test.what, err)
		case !test.may && !apierrors.IsForbidden(err):
			t.Errorf("it may %s: %v", test.what, err)
		}
	}
	must(admin.CoreV1().Pods(ns).Delete(t.Context(), "theirs", metav1.DeleteOptions{}))
	for _, name := range []string{"mine", "theirs"} {
		must(admin.CoreV1().Nodes().Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
}

// otherCertificate asks for a certificate that says one is another node.
func otherCertificate(t *testing.T, node kubernetes.Interface) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request, err := certutil.MakeCSR(key, &pkix.Name{CommonName: "system:node:theirs", Organization: []string{"system:nodes"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = node.CertificatesV1().CertificateSigningRequests().Create(t.Context(), &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: request, SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{})
	return err
}
