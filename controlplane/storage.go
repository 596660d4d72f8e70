package controlplane

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/cacher"
	"k8s.io/apiserver/pkg/storage/etcd3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

// nearStorage has the API server call the etcd in its own process as functions, where upstream's
// (storagebackend/factory) has a connection for each resource: a tenth of the work of writing a pod.
// What is not a resource of the API server's own, CustomResourceDefinitions and its look at etcd's
// health among it, goes on through the socket.
type nearStorage struct {
	generic.RESTOptionsGetter
	etcd      *etcdserver.EtcdServer
	compactor etcd3.Compactor
}

// nearTo is options with the storage in the embedded etcd. What all resources share ends with that.
func (e *etcd) nearTo(options generic.RESTOptionsGetter) generic.RESTOptionsGetter {
	client := v3client.New(e.server.Server)
	compactor := etcd3.NewCompactor(client, storagebackend.DefaultCompactInterval, clock.RealClock{}, nil)
	e.release = func() {
		compactor.Stop()
		_ = client.Close() // says only that it is closed
	}
	return &nearStorage{options, e.server.Server, compactor}
}

// GetRESTOptions is upstream's with our storage.
func (n *nearStorage) GetRESTOptions(resource schema.GroupResource, example runtime.Object) (generic.RESTOptions, error) {
	options, err := n.RESTOptionsGetter.GetRESTOptions(resource, example)
	if err != nil {
		return options, err
	}
	options.Decorator = n.cached
	if resource.Resource == "events" { // as upstream's options have it (kubeapiserver.DefaultWatchCacheSizes)
		options.Decorator = n.uncached
	}
	return options, nil
}

// uncached is a resource's storage without a watch cache.
func (n *nearStorage) uncached(c *storagebackend.ConfigForResource, prefix string, _ func(runtime.Object) (string, error),
	newFunc, newListFunc func() runtime.Object, _ storage.AttrFunc, _ storage.IndexerFuncs, _ *cache.Indexers) (storage.Interface, factory.DestroyFunc, error) {
	client := kubernetes.Client{Client: v3client.New(n.etcd)}
	client.Kubernetes = client
	client.KV = etcd3.NewETCDLatencyTracker(client.KV)
	transformer := c.Transformer
	if transformer == nil {
		transformer = identity.NewEncryptCheckTransformer()
	}
	versioner := storage.APIObjectVersioner{}
	store, err := etcd3.New(&client, n.compactor, c.Codec, newFunc, newListFunc, c.Prefix, prefix, c.GroupResource,
		transformer, c.LeaseManagerConfig, etcd3.NewDefaultDecoder(c.Codec, versioner), versioner)
	if err != nil {
		_ = client.Close() // says only that it is closed
		return nil, nil, err
	}
	return store, sync.OnceFunc(func() { // subresources share it, and end it once more
		store.Close()
		_ = client.Close()
	}), nil
}

// cached is a resource's storage behind its watch cache.
func (n *nearStorage) cached(c *storagebackend.ConfigForResource, prefix string, keyFunc func(runtime.Object) (string, error),
	newFunc, newListFunc func() runtime.Object, attributes storage.AttrFunc, triggers storage.IndexerFuncs, indexers *cache.Indexers) (storage.Interface, factory.DestroyFunc, error) {
	store, destroy, err := n.uncached(c, prefix, keyFunc, newFunc, newListFunc, attributes, triggers, indexers)
	if err != nil {
		return nil, nil, err
	}
	watched, err := cacher.NewCacherFromConfig(cacher.Config{
		Storage:             store,
		Versioner:           storage.APIObjectVersioner{},
		GroupResource:       c.GroupResource,
		EventsHistoryWindow: c.EventsHistoryWindow,
		ResourcePrefix:      prefix,
		KeyFunc:             keyFunc,
		NewFunc:             newFunc,
		NewListFunc:         newListFunc,
		GetAttrsFunc:        attributes,
		IndexerFuncs:        triggers,
		Indexers:            indexers,
		Codec:               c.Codec,
	})
	if err != nil {
		destroy()
		return nil, nil, err
	}
	delegator := cacher.NewCacheDelegator(watched, store)
	return delegator, sync.OnceFunc(func() {
		delegator.Stop()
		watched.Stop()
		destroy()
	}), nil
}
