package controlplane

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	"k8s.io/klog/v2"
)

// JoiningGroup is the group of those who come with a bootstrap token, beside system:bootstrappers. It
// is kubeadm's, as are the names of the roles below (cmd/kubeadm/app/constants, .../phases/bootstraptoken).
const JoiningGroup = "system:bootstrappers:kubeadm:default-node-token"

const (
	roleGetNodes    = "kubeadm:get-nodes"
	roleClusterInfo = "kubeadm:bootstrap-signer-clusterinfo"
)

// joiningClusterRoles lets those who join see whether their node's name is taken.
func joiningClusterRoles() []rbacv1.ClusterRole {
	return []rbacv1.ClusterRole{{
		ObjectMeta: metav1.ObjectMeta{Name: roleGetNodes},
		Rules:      []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"nodes"}}},
	}}
}

// joiningClusterRoleBindings lets those who join ask for a node's certificate, gets it approved, and
// the next one that the node asks for by itself. It lets nodes see what upstream's kube-proxy sees, whose
// part podling's nodes take; where upstream's runs, each node has its token anyway.
func joiningClusterRoleBindings() []rbacv1.ClusterRoleBinding {
	bind := func(name, role, group string) rbacv1.ClusterRoleBinding {
		return rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}},
		}
	}
	return []rbacv1.ClusterRoleBinding{
		bind("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", JoiningGroup),
		bind("kubeadm:node-autoapprove-bootstrap", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", JoiningGroup),
		bind("kubeadm:node-autoapprove-certificate-rotation", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", groupNodes),
		bind(roleGetNodes, roleGetNodes, JoiningGroup),
		bind("podling:node-proxiers", "system:node-proxier", groupNodes),
	}
}

// joiningRoles and joiningRoleBindings let everybody read how the cluster is reached.
func joiningRoles() map[string][]rbacv1.Role {
	return map[string][]rbacv1.Role{metav1.NamespacePublic: {{
		ObjectMeta: metav1.ObjectMeta{Name: roleClusterInfo, Namespace: metav1.NamespacePublic},
		Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"configmaps"},
			ResourceNames: []string{bootstrapapi.ConfigMapClusterInfo}}},
	}}}
}

func joiningRoleBindings() map[string][]rbacv1.RoleBinding {
	return map[string][]rbacv1.RoleBinding{metav1.NamespacePublic: {{
		ObjectMeta: metav1.ObjectMeta{Name: roleClusterInfo, Namespace: metav1.NamespacePublic},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: roleClusterInfo},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:anonymous"}},
	}}}
}

// letNodesJoin publishes how the cluster is reached and approves nodes' serving certificates until ctx
// ends. The channel is closed when it has ended.
func (c *ControlPlane) letNodesJoin(ctx context.Context, config *rest.Config) (<-chan struct{}, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of what lets nodes join: %w", err)
	}
	info, err := clusterInfo(c.addresses, c.pki.cluster.certPEM)
	if err != nil {
		return nil, err
	}
	approver, err := newServingApprover(client)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := wait.PollUntilContextCancel(ctx, bootstrapInterval, true, func(ctx context.Context) (bool, error) {
			err := publishClusterInfo(ctx, client, info)
			if err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "How the cluster is reached cannot be published yet: no node can join by a token")
			}
			return err == nil, nil
		})
		if err == nil { // else ctx has ended
			approver.run(ctx)
		}
	}()
	return done, nil
}

// clusterInfo is the kubeconfig, without a user, that nodes begin with. It names the address that other
// machines reach, if there is one.
func clusterInfo(a addresses, ca []byte) (string, error) {
	server := a.url()
	if a.listen().IsUnspecified() {
		server = "https://" + net.JoinHostPort(a.advertise.String(), strconv.Itoa(a.port()))
	}
	data, err := clientcmd.Write(clientcmdapi.Config{Clusters: map[string]*clientcmdapi.Cluster{"": {Server: server, CertificateAuthorityData: ca}}})
	if err != nil {
		return "", fmt.Errorf("how the cluster is reached: %w", err)
	}
	return string(data), nil
}

// publishClusterInfo writes the ConfigMap that upstream's bootstrap signer signs with each token.
func publishClusterInfo(ctx context.Context, client kubernetes.Interface, info string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	maps := client.CoreV1().ConfigMaps(metav1.NamespacePublic)
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: bootstrapapi.ConfigMapClusterInfo, Namespace: metav1.NamespacePublic},
		Data:       map[string]string{bootstrapapi.KubeConfigKey: info},
	}
	_, err := maps.Create(ctx, want, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	old, err := maps.Get(ctx, want.Name, metav1.GetOptions{})
	if err != nil || old.Data[bootstrapapi.KubeConfigKey] == info {
		return err
	}
	_, err = maps.Update(ctx, want, metav1.UpdateOptions{}) // without the signatures of what it was
	return err
}
