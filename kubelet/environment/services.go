package environment

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	v1helper "k8s.io/kubernetes/pkg/apis/core/v1/helper"
	"k8s.io/kubernetes/pkg/kubelet/envvars"
)

// masterService is the API server's own, which every pod is told of, whatever
// its enableServiceLinks says.
const masterService = "kubernetes"

// patience is how long a container waits for the services to be read once.
const patience = 5 * time.Second

var errNotRead = errors.New("services have not yet been read at least once, cannot construct envvars")

// services follows all services of the cluster.
type services struct {
	lister corelisters.ServiceLister
	read   <-chan struct{} // closed when all were read once
}

// followServices begins to follow and goes on until ctx ends.
func followServices(ctx context.Context, client kubernetes.Interface) (*services, error) {
	informer := coreinformers.NewServiceInformer(client, metav1.NamespaceAll, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	if err := informer.SetTransform(slim); err != nil {
		return nil, err
	}
	go informer.RunWithContext(ctx)
	return &services{lister: corelisters.NewServiceLister(informer.GetIndexer()), read: informer.HasSyncedChecker().Done()}, nil
}

// slim drops what no environment is made of.
func slim(o any) (any, error) {
	if s, ok := o.(*v1.Service); ok {
		s.ManagedFields, s.Annotations, s.Labels = nil, nil, nil
	}
	return o, nil
}

// wait returns when all services were read once: a pod without its API server's
// address is of no use.
func (s *services) wait(ctx context.Context) error {
	select {
	case <-s.read: // also for one whose time is over: what comes of it does not hang on chance
		return nil
	default:
	}
	select {
	case <-s.read:
		return nil
	case <-ctx.Done():
		return errNotRead
	case <-time.After(patience):
		return errNotRead
	}
}

// variables are those that lead a pod of the namespace to the services that are
// known: with links to all of its namespace (upstream: getServiceEnvVarMap in
// pkg/kubelet/kubelet_pods.go).
func (s *services) variables(namespace string, links bool) ([]v1.EnvVar, error) {
	byName := map[string]*v1.Service{}
	if master, err := s.lister.Services(metav1.NamespaceDefault).Get(masterService); err == nil {
		byName[masterService] = master
	}
	if links {
		all, err := s.lister.Services(namespace).List(labels.Everything())
		if err != nil {
			return nil, errors.New("failed to list services when setting up env vars")
		}
		for _, service := range all {
			if v1helper.IsServiceIPSet(service) {
				byName[service.Name] = service
			}
		}
	}
	told := slices.SortedFunc(maps.Values(byName), func(a, b *v1.Service) int { return cmp.Compare(a.Name, b.Name) })
	return envvars.FromServices(told), nil
}
