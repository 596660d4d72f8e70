package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podling/podling/controlplane"
	"github.com/podling/podling/kubelet/credentials"
)

const (
	// servingPatience is how long the cluster has to sign the certificate of the node's port before that
	// is spoken of. The node goes on asking.
	servingPatience = 10 * time.Second
	// knockInterval is how often a node that was a member before knocks at an API server that is away.
	knockInterval = time.Second
)

// Way is how a node comes to its cluster: by Config, whose user it is then; or by what is good for
// asking for a certificate, an Invitation or a Bootstrap. A node that has its certificate needs none.
type Way struct {
	Config     *rest.Config
	Invitation *credentials.Invitation
	Bootstrap  *rest.Config
}

// JoinNode adds a node whose containers are real to a cluster that runs elsewhere, and returns when it is
// Ready. say is told what people may want to know or do meanwhile. ctx bounds the start alone.
func JoinNode(ctx context.Context, way Way, o Options, step Step, say func(string)) (*Joined, error) {
	if o.Runtime == "" {
		o.Runtime = RuntimeContainerd
	}
	var err error
	if o.DataDir, err = o.DataFolder(true); err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	o.Lacks = say
	defer collect(o.Runtime)()
	j := &Joined{}
	if j.folder, err = openFolder(o.DataDir); err != nil {
		return nil, err
	}
	var running context.Context
	running, j.ending = context.WithCancel(context.WithoutCancel(ctx))
	if err := j.start(ctx, running, way, o, oneAtATime(step), say); err != nil {
		return nil, errors.Join(err, j.Stop(context.WithoutCancel(ctx)))
	}
	go giveBackMemory(running)
	return j, nil
}

// start brings the node up. What keeps its credentials young runs until running ends.
func (j *Joined) start(ctx, running context.Context, way Way, o Options, step Step, say func(string)) error {
	var err error
	if j.log, err = controlplane.OpenLog(filepath.Join(j.folder.path, "log"), "node", o.Verbosity); err != nil {
		return err
	}
	began := time.Now()
	instance, err := credentials.Instance(j.folder.path)
	if err != nil {
		return err
	}
	as, client, err := j.become(ctx, running, way, o.NodeName, instance, say)
	if err != nil {
		return err
	}
	step("credentials", time.Since(began))
	pods, err := choosePodNetwork(o, j.folder.path)
	if err != nil {
		return err
	}
	if j.runtime, err = startRuntime(ctx, o, j.folder.path, pods, step); err != nil {
		return err
	}
	began = time.Now()
	if j.network, err = joinPodNetwork(ctx, as.Config, client, o, j.folder.path, pods); err != nil {
		return err
	}
	if j.nodes, err = startNode(as, j.runtime, j.network, o, j.folder.path, nil); err != nil {
		return err
	}
	if err := j.nodes.waitReady(ctx, client); err != nil {
		return err
	}
	step("node", time.Since(began))
	go sayIfUnsigned(running, as, o.NodeName, say)
	return nil
}

// become makes the node a member of the cluster.
func (j *Joined) become(ctx, running context.Context, way Way, name, instance string, say func(string)) (member, kubernetes.Interface, error) {
	config, ca, err := j.credentials(ctx, running, way, name, instance, say)
	if err != nil {
		return member{}, nil, err
	}
	config.QPS = -1 // the API server looks after itself
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return member{}, nil, fmt.Errorf("client: %w", err)
	}
	if err := youngEnough(client); err != nil {
		return member{}, nil, credentials.Refused(err, config)
	}
	if err := credentials.CheckName(ctx, client, name, instance); err != nil {
		return member{}, nil, credentials.Refused(err, config)
	}
	ip := controlplane.HostIP()
	as := member{instance: instance}
	as.Config = config
	if as.ClientCAs, err = credentials.Callers(ctx, client, ca); err != nil {
		return member{}, nil, err
	}
	if as.ServingCert, err = credentials.SelfSigned(name, ip); err != nil {
		return member{}, nil, err
	}
	as.renewed, err = credentials.Serving(running, client, j.files().Dir, name, ip)
	return as, client, err
}

// files are where the node's credentials are, below its data folder.
func (j *Joined) files() credentials.Files {
	return credentials.Files{Dir: filepath.Join(j.folder.path, "pki"), Kubeconfig: kubeconfigIn(j.folder.path)}
}

// credentials gives the node's client, and the authority of its cluster.
func (j *Joined) credentials(ctx, running context.Context, way Way, name, instance string, say func(string)) (*rest.Config, []byte, error) {
	if way.Config != nil {
		ca, err := authority(way.Config)
		return rest.CopyConfig(way.Config), ca, err
	}
	files := j.files()
	known, err := files.Known(name)
	if err != nil {
		return nil, nil, err
	}
	if known {
		err = j.sameCluster(way)
	} else {
		err = ask(ctx, files, way, name, instance, say)
	}
	if err != nil {
		return nil, nil, err
	}
	own, err := clientcmd.BuildConfigFromFlags("", files.Kubeconfig)
	if err != nil {
		return nil, nil, fmt.Errorf("the node's kubeconfig: %w", err)
	}
	ca, err := authority(own)
	if err != nil {
		return nil, nil, err
	}
	if known {
		if err := knock(ctx, own, say); err != nil {
			return nil, nil, err
		}
	}
	config, err := files.Client(running, name)
	return config, ca, err
}

// ask has the cluster sign the node's certificate.
func ask(ctx context.Context, files credentials.Files, way Way, name, instance string, say func(string)) error {
	from := way.Bootstrap
	if way.Invitation != nil {
		var err error
		if from, err = credentials.Discover(ctx, *way.Invitation); err != nil {
			return err
		}
	}
	if from == nil {
		return errors.New("this folder has no node's certificate that is still good: say how to join, with --server, --token and --ca-cert-hash (`podling token create` prints them), --bootstrap-kubeconfig or --kubeconfig")
	}
	client, err := kubernetes.NewForConfig(from)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if err := youngEnough(client); err != nil {
		return credentials.Refused(err, from)
	}
	if err := credentials.CheckName(ctx, client, name, instance); err != nil {
		return credentials.Refused(err, from)
	}
	return files.Bootstrap(ctx, from, name, say)
}

// sameCluster refuses to be another cluster's node with this one's certificate.
func (j *Joined) sameCluster(way Way) error {
	asked := ""
	if way.Invitation != nil {
		asked = way.Invitation.Server
	} else if way.Bootstrap != nil {
		asked = way.Bootstrap.Host
	}
	own, err := clientcmd.BuildConfigFromFlags("", j.files().Kubeconfig)
	if err != nil {
		return fmt.Errorf("the node's kubeconfig: %w", err)
	}
	if asked != "" && asked != own.Host {
		return fmt.Errorf("the folder %s is that of a node of the cluster at %s, not of %s: choose another with --data-dir", j.folder.path, own.Host, asked)
	}
	return nil
}

// knock waits for an API server that is away: a node that comes back from a power cut may be the first.
func knock(ctx context.Context, config *rest.Config, say func(string)) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	for said := false; ; {
		_, err := client.Discovery().ServerVersion()
		var away *net.OpError
		if !errors.As(err, &away) {
			return credentials.Refused(err, config)
		}
		if !said {
			say("the API server at " + config.Host + " does not answer yet; the node waits for it")
			said = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server at %s does not answer: %w", config.Host, err)
		case <-time.After(knockInterval):
		}
	}
}

// authority is the authority of the cluster that config is for, in PEM.
func authority(config *rest.Config) ([]byte, error) {
	if config.CAFile == "" {
		return config.CAData, nil
	}
	ca, err := os.ReadFile(config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("the cluster's authority: %w", err)
	}
	return ca, nil
}

// sayIfUnsigned tells of a certificate that nobody approves.
func sayIfUnsigned(ctx context.Context, as member, name string, say func(string)) {
	deadline := time.NewTimer(servingPatience)
	defer deadline.Stop()
	tick := time.NewTicker(servingPatience / 100)
	defer tick.Stop()
	for as.renewed() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-deadline.C:
			say("the cluster has not approved the certificate of the node's port (signer kubernetes.io/kubelet-serving): the port shows one that node " + name +
				" signed itself, and an API server that checks it reads no logs. See `kubectl get certificatesigningrequests`, and `kubectl certificate approve NAME`")
			return
		}
	}
}
