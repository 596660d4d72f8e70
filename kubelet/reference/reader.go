// Package reference reads what a pod refers to: config maps, secrets, tokens of
// its service account, claims and the volumes that they are bound to. It stands before the start of a pod's
// containers, when their volumes and environment are made, and asks as the node,
// which may read the objects of its own pods only (KEP-279, the Node authorizer).
package reference

import (
	"context"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// rootCA is the config map that a controller writes into each namespace (upstream:
// RootCACertConfigMapName in pkg/controller/certificates/rootcacertpublisher).
const rootCA = "kube-root-ca.crt"

// A refusal that comes of a pod being newer than what the API server knows is
// asked again after firstPause, doubling, for settleTime: as long as upstream
// waits for its cache of an object (pkg/kubelet/util/manager).
const (
	settleTime = time.Second
	firstPause = 5 * time.Millisecond
)

// Reader gets objects from the API server, as they are now.
type Reader struct {
	client kubernetes.Interface
	kept   *kept  // nil: each question is asked
	fresh  *fresh // nil: nothing is remembered
}

// kept are the answers that a reader gives again.
type kept struct {
	mu         sync.Mutex
	configMaps map[string]func() (*v1.ConfigMap, error)
	secrets    map[string]func() (*v1.Secret, error)
}

// New makes a reader that asks with the node's identity.
func New(client kubernetes.Interface) *Reader { return &Reader{client: client} }

// Once is a reader that asks for each object once, for a round over many pods
// which share some.
func (r *Reader) Once() *Reader {
	return &Reader{client: r.client, kept: &kept{
		configMaps: map[string]func() (*v1.ConfigMap, error){},
		secrets:    map[string]func() (*v1.Secret, error){},
	}}
}

// Remembering is a reader that gives an answer again for as long as it is fresh: one
// for many nodes, whose pods ask for the same few objects at the same time. What is
// not there is asked for each time.
func (r *Reader) Remembering() *Reader { return &Reader{client: r.client, fresh: newFresh()} }

// ConfigMap gives a config map, which must not be changed. An error for one that
// does not exist has the node's words, others are the API server's.
func (r *Reader) ConfigMap(ctx context.Context, namespace, name string) (*v1.ConfigMap, error) {
	ask := func() (*v1.ConfigMap, error) {
		return settle(ctx, func(err error) bool {
			return apierrors.IsForbidden(err) || name == rootCA && apierrors.IsNotFound(err)
		}, func() (*v1.ConfigMap, error) {
			cm, err := r.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
			return cm, named("configmap", name, err)
		})
	}
	switch {
	case r.fresh != nil:
		return remembered(r.fresh, "configmap/"+namespace+"/"+name, ask)
	case r.kept == nil:
		return ask()
	}
	return once(&r.kept.mu, r.kept.configMaps, namespace+"/"+name, ask)
}

// Secret gives a secret, which must not be changed. Errors are as ConfigMap's.
func (r *Reader) Secret(ctx context.Context, namespace, name string) (*v1.Secret, error) {
	ask := func() (*v1.Secret, error) {
		return settle(ctx, apierrors.IsForbidden, func() (*v1.Secret, error) {
			secret, err := r.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
			return secret, named("secret", name, err)
		})
	}
	switch {
	case r.fresh != nil:
		return remembered(r.fresh, "secret/"+namespace+"/"+name, ask)
	case r.kept == nil:
		return ask()
	}
	return once(&r.kept.mu, r.kept.secrets, namespace+"/"+name, ask)
}

// Claim gives a persistent volume claim. Errors are the API server's.
func (r *Reader) Claim(ctx context.Context, namespace, name string) (*v1.PersistentVolumeClaim, error) {
	return settle(ctx, apierrors.IsForbidden, func() (*v1.PersistentVolumeClaim, error) {
		return r.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// Volume gives the persistent volume that one of the node's claims is bound to.
// Errors are the API server's.
func (r *Reader) Volume(ctx context.Context, name string) (*v1.PersistentVolume, error) {
	return settle(ctx, apierrors.IsForbidden, func() (*v1.PersistentVolume, error) {
		return r.client.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
	})
}

// Token has a token made for a service account. Errors are the API server's.
func (r *Reader) Token(ctx context.Context, namespace, serviceAccount string, want *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	unknown := func(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) }
	return settle(ctx, unknown, func() (*authenticationv1.TokenRequest, error) {
		return r.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, want, metav1.CreateOptions{})
	})
}

// named says `configmap "a" not found` where the API server says `configmaps "a"
// not found` (upstream: Get in pkg/kubelet/util/manager/watch_based_manager.go).
func named(kind, name string, err error) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(v1.Resource(kind), name)
	}
	return err
}

func once[T any](mu *sync.Mutex, answers map[string]func() (T, error), key string, ask func() (T, error)) (T, error) {
	mu.Lock()
	answer, ok := answers[key]
	if !ok {
		answer = sync.OnceValues(ask)
		answers[key] = answer
	}
	mu.Unlock()
	return answer()
}

// settle asks, and again while the refusal may be one that passes by itself: a
// pod can reach its node before the authorizer has drawn the line from the node
// to the pod's objects, and a namespace's first pod can be faster than the
// publisher of the root CA.
func settle[T any](ctx context.Context, passes func(error) bool, ask func() (T, error)) (T, error) {
	end := time.Now().Add(settleTime)
	for pause := firstPause; ; pause *= 2 {
		got, err := ask()
		if err == nil || !passes(err) || time.Now().Add(pause).After(end) {
			return got, err
		}
		select {
		case <-ctx.Done():
			return got, err
		case <-time.After(pause):
		}
	}
}
