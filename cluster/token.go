package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstraputil "k8s.io/cluster-bootstrap/token/util"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet/credentials"
)

const (
	// signPatience is how long the bootstrap signer has for a new token.
	signPatience = 10 * time.Second
	signInterval = 50 * time.Millisecond
)

// Invited is a token by which nodes may join, and what else they need to.
type Invited struct {
	credentials.Invitation
	Expires time.Time // zero: never
	CA      []byte    // the cluster's authority, in PEM
}

// Invite makes a bootstrap token that nodes may join by for so long; 0 is for ever. The cluster must have
// the ConfigMap cluster-info, as those of podling and of kubeadm do.
func Invite(ctx context.Context, client kubernetes.Interface, ttl time.Duration) (*Invited, error) {
	info, err := client.CoreV1().ConfigMaps(metav1.NamespacePublic).Get(ctx, bootstrapapi.ConfigMapClusterInfo, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("nodes do not join this cluster by tokens alone; podling's and kubeadm's clusters say how they are reached in this place: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("how the cluster is reached: %w", err)
	}
	out := &Invited{}
	if err := out.reached(info); err != nil {
		return nil, fmt.Errorf("ConfigMap kube-public/cluster-info: %w", err)
	}
	if out.Token, err = bootstraputil.GenerateBootstrapToken(); err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	if ttl > 0 {
		out.Expires = time.Now().Add(ttl).Truncate(time.Second)
	}
	if _, err := client.CoreV1().Secrets(metav1.NamespaceSystem).Create(ctx, out.secret(), metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("keep the token: %w", err)
	}
	id, _, _ := strings.Cut(out.Token, ".")
	err = wait.PollUntilContextTimeout(ctx, signInterval, signPatience, true, func(ctx context.Context) (bool, error) {
		info, err := client.CoreV1().ConfigMaps(metav1.NamespacePublic).Get(ctx, bootstrapapi.ConfigMapClusterInfo, metav1.GetOptions{})
		return err == nil && info.Data[bootstrapapi.JWSSignatureKeyPrefix+id] != "", err
	})
	if err != nil {
		return nil, fmt.Errorf("the cluster does not sign ConfigMap kube-public/cluster-info with the new token (controller bootstrap-signer): %w", err)
	}
	return out, nil
}

// reached takes from the ConfigMap how the cluster is reached.
func (i *Invited) reached(info *corev1.ConfigMap) error {
	config, err := clientcmd.Load([]byte(info.Data[bootstrapapi.KubeConfigKey]))
	if err != nil {
		return err
	}
	for _, cluster := range config.Clusters { // the only one
		hashes, err := credentials.Hashes(cluster.CertificateAuthorityData)
		if err != nil {
			return err
		}
		i.Server, i.CACertHash, i.CA = cluster.Server, hashes[0], cluster.CertificateAuthorityData
		return nil
	}
	return errors.New("it names no cluster")
}

// secret is how the token is kept (kubeadm's: cmd/kubeadm/app/apis/bootstraptoken).
func (i *Invited) secret() *corev1.Secret {
	id, secret, _ := strings.Cut(i.Token, ".")
	data := map[string]string{
		bootstrapapi.BootstrapTokenIDKey: id, bootstrapapi.BootstrapTokenSecretKey: secret,
		bootstrapapi.BootstrapTokenUsageAuthentication: "true", bootstrapapi.BootstrapTokenUsageSigningKey: "true",
		bootstrapapi.BootstrapTokenExtraGroupsKey: controlplane.JoiningGroup,
		bootstrapapi.BootstrapTokenDescriptionKey: "made by podling token create",
	}
	if !i.Expires.IsZero() {
		data[bootstrapapi.BootstrapTokenExpirationKey] = i.Expires.UTC().Format(time.RFC3339)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: bootstraputil.BootstrapTokenSecretName(id), Namespace: metav1.NamespaceSystem},
		Type:       bootstrapapi.SecretTypeBootstrapToken, StringData: data,
	}
}

// Command is what a node's machine is told to join.
func (i *Invited) Command() string {
	return fmt.Sprintf("podling node --server %s --token %s --ca-cert-hash %s", i.Server, i.Token, i.CACertHash)
}

// Kubeconfig is the same for upstream's kubelet, as its --bootstrap-kubeconfig.
func (i *Invited) Kubeconfig() ([]byte, error) {
	const name = "bootstrap"
	return clientcmd.Write(clientcmdapi.Config{
		CurrentContext: name,
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: i.Server, CertificateAuthorityData: i.CA}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: i.Token}},
	})
}
