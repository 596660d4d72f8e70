package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
)

// InstanceAnnotation is on the Nodes of those that have joined, and says by which data folder: a node
// that was killed and starts again is no second node of its name.
const InstanceAnnotation = "podling.dev/instance"

// Instance is the name of a data folder, which is given to it when it is first used.
func Instance(folder string) (string, error) {
	file := filepath.Join(folder, "instance")
	data, err := os.ReadFile(file)
	if name := strings.TrimSpace(string(data)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the data folder's name: %w", err)
	}
	name := string(uuid.NewUUID())
	if err := os.WriteFile(file, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("the data folder's name: %w", err)
	}
	return name, nil
}

// CheckName refuses the name of a node that another is alive by: its Node is Ready, its lease is fresh,
// and it is not this instance's. A client that may not look has nothing to say against it.
func CheckName(ctx context.Context, client kubernetes.Interface, name, instance string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	case err != nil:
		return fmt.Errorf("whether there is a node %s: %w", name, err)
	}
	if node.Annotations[InstanceAnnotation] == instance || !ready(node) {
		return nil
	}
	lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil && lease.Spec.RenewTime != nil && lease.Spec.LeaseDurationSeconds != nil:
		if time.Since(lease.Spec.RenewTime.Time) > time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second {
			return nil // it is said to be Ready because nobody has noticed yet
		}
	case err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err):
		return fmt.Errorf("whether node %s is alive: %w", name, err)
	}
	return fmt.Errorf("the cluster has a node %s that is alive, %s: choose another name with --node-name, or stop that node first", name, whereabouts(node))
}

func ready(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func whereabouts(node *corev1.Node) string {
	var at []string
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			at = append(at, a.Address)
		}
	}
	return fmt.Sprintf("%s at %s", node.Status.NodeInfo.KubeletVersion, strings.Join(at, ", "))
}

// Refused makes of a cluster's refusal of config's credentials what to do about it; other errors stay as
// they are.
func Refused(err error, config *rest.Config) error {
	if !apierrors.IsUnauthorized(err) {
		return err
	}
	loaded := rest.Config{TLSClientConfig: config.TLSClientConfig}
	if rest.LoadTLSFiles(&loaded) == nil && len(loaded.CertData) > 0 {
		if chain, parsed := certutil.ParseCertsPEM(loaded.CertData); parsed == nil && time.Now().After(chain[0].NotAfter) {
			return fmt.Errorf("the cluster at %s refuses the client certificate of %s: it ended on %s: %w",
				config.Host, chain[0].Subject.CommonName, chain[0].NotAfter.Format(time.DateTime), err)
		}
	}
	return fmt.Errorf("the cluster at %s does not know who this is: the token or the client certificate is wrong, has expired, or is another cluster's: %w", config.Host, err)
}
