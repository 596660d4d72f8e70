package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/cluster"
	"github.com/podling/podling/kubelet/credentials"
)

// answerPatience is how long a cluster may take to say that it is there.
const answerPatience = 10 * time.Second

// access is how a command comes to a cluster that runs already.
type access struct {
	kubeconfig, context, namespace string
}

func (a *access) addFlags(flags *pflag.FlagSet, kubeconfig string) {
	flags.StringVar(&a.kubeconfig, "kubeconfig", "", kubeconfig)
	flags.StringVar(&a.context, "context", "", "the kubeconfig's context to use")
	flags.StringVarP(&a.namespace, "namespace", "n", "", "the namespace of what names none (default: the context's, or default)")
}

// target is a cluster, and the namespace that its context says.
type target struct {
	config    *rest.Config
	client    *kubernetes.Clientset
	namespace string
	from      string // where its address is written, for messages
}

// connect makes a client for the cluster that the flags name, file being used if no other file is
// named and it is not empty. It makes sure that the cluster answers.
func (a *access) connect(ctx context.Context, cmd *cobra.Command, file string) (*target, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	from := "the kubeconfig of the environment"
	if a.kubeconfig != "" {
		file = a.kubeconfig
	}
	if file != "" {
		rules.ExplicitPath, from = file, file
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: a.context})
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster: start one with `podling up`, or name one with --kubeconfig")
	}
	if errors.Is(err, fs.ErrNotExist) && file != "" {
		return nil, fmt.Errorf("there is no kubeconfig %s", file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	config.QPS = -1 // API servers look after themselves: --max-requests-inflight, priority and fairness
	config.WarningHandler = rest.NewWarningWriter(cmd.ErrOrStderr(), rest.WarningWriterOptions{Deduplicate: true})
	t := &target{config: config, namespace: a.namespace, from: from}
	if t.namespace == "" {
		if t.namespace, _, err = loader.Namespace(); err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
	}
	if t.client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	err = t.client.CoreV1().RESTClient().Get().AbsPath("/version").Do(ctx).Error()
	if apierrors.IsUnauthorized(err) {
		return nil, fmt.Errorf("%s: %w", from, credentials.Refused(err, config))
	}
	if err != nil {
		return nil, fmt.Errorf("the cluster at %s (%s) does not answer: start it, or name another with --kubeconfig: %w", config.Host, from, err)
	}
	return t, nil
}

// connectOwn is connect for a command that looks at any cluster: podling's own, if there is one and none
// is named and kubectl did not call, else kubectl's. A context that is named alone is looked for where kubectl looks.
func (a *access) connectOwn(ctx context.Context, cmd *cobra.Command) (*target, error) {
	own := ""
	if a.kubeconfig == "" && a.context == "" && !isPlugin(cmd) {
		var err error
		if own, err = ownKubeconfig(); err != nil {
			return nil, err
		}
	}
	return a.connect(ctx, cmd, own)
}

// ownKubeconfig is the kubeconfig that `podling up` writes if nothing else is said, "" if there is
// none.
func ownKubeconfig() (string, error) {
	path, err := cluster.DefaultKubeconfig()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return "", err
	}
	return path, nil
}
