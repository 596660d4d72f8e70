package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/component-base/metrics/prometheus/controllers"
	"k8s.io/controller-manager/pkg/clientbuilder"
	controllerhealthz "k8s.io/controller-manager/pkg/healthz"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	managerconfig "k8s.io/kubernetes/cmd/kube-controller-manager/app/config"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	serviceaccountcontroller "k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// controllerNames are the controllers that run: those that pods, and what makes pods, depend on.
// Left out are those for clouds, for attaching disks, and for autoscaling.
var controllerNames = []string{
	names.BootstrapSignerController,
	names.CertificateSigningRequestApprovingController,
	names.CertificateSigningRequestCleanerController,
	names.CertificateSigningRequestSigningController,
	names.ClusterRoleAggregationController,
	names.CronJobController,
	names.DaemonSetController,
	names.DeploymentController,
	names.DisruptionController,
	names.EndpointSliceController,
	names.EndpointsController,
	names.EphemeralVolumeController,
	names.GarbageCollectorController,
	names.JobController,
	names.NamespaceController,
	names.NodeLifecycleController,
	names.PersistentVolumeBinderController,
	names.PersistentVolumeClaimProtectionController,
	names.PersistentVolumeProtectionController,
	names.PodGarbageCollectorController,
	names.ReplicaSetController,
	names.ReplicationControllerController,
	names.ResourceClaimController,
	names.ResourceQuotaController,
	names.RootCACertificatePublisherController,
	names.ServiceAccountController,
	names.StatefulSetController,
	names.TTLAfterFinishedController,
	names.TaintEvictionController,
	names.TokenCleanerController,
	names.VolumeAttributesClassProtectionController, // admission (StorageObjectInUseProtection) adds the finalizer that it removes
}

const (
	// controllersShutdown is how long the controllers have to end once asked to.
	controllersShutdown = 5 * time.Second
	// discoveryRefresh is how often kinds that have been added, by a CRD for instance, are looked
	// for (as upstream's controller manager does).
	discoveryRefresh = 30 * time.Second
)

// managerOptions are upstream's options for the controllers, with our files.
func managerOptions(p *pki, tokenKey string, nodeGrace time.Duration) (*managerconfig.Config, error) {
	o, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, fmt.Errorf("controllers' options: %w", err)
	}
	o.SecureServing.BindPort = 0 // no port of their own
	if nodeGrace > 0 {
		o.NodeLifecycleController.NodeMonitorGracePeriod.Duration = nodeGrace
		o.KubeCloudShared.NodeMonitorPeriod.Duration = min(nodeGrace/5, o.KubeCloudShared.NodeMonitorPeriod.Duration)
	}
	o.SAController.RootCAFile = p.path("ca.crt")
	o.SAController.ServiceAccountKeyFile = tokenKey
	o.CSRSigningController.ClusterSigningCertFile = p.path("ca.crt")
	o.CSRSigningController.ClusterSigningKeyFile = p.cluster.file
	o.Generic.Controllers = append([]string{"*"}, controllerNames...) // two are off by default
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	if err := o.Validate(known, disabled, aliases); err != nil {
		return nil, fmt.Errorf("controllers' options: %w", err)
	}
	config := &managerconfig.Config{}
	if err := o.ApplyTo(config, known, disabled, aliases); err != nil {
		return nil, fmt.Errorf("controllers' options: %w", err)
	}
	return config, nil
}

// newControllers builds upstream's controllers on the informers that it is given. What it returns,
// called once all that needs these informers is built, runs them until ctx ends; the channel is closed
// when all have ended.
//
// It does what upstream's controller manager does around them (cmd/kube-controller-manager/app.Run)
// except for what is once per process there: its port, its lease, and its registered names.
func newControllers(ctx context.Context, client *rest.Config, known informers.SharedInformerFactory, p *pki, tokenKey string, nodeGrace time.Duration) (func() <-chan struct{}, error) {
	config, err := managerOptions(p, tokenKey, nodeGrace)
	if err != nil {
		return nil, err
	}
	shared, err := newControllerContext(ctx, client, known, config)
	if err != nil {
		return nil, err
	}
	descriptors := app.NewControllerDescriptors()
	wanted := make(map[string]*app.ControllerDescriptor, len(controllerNames))
	for _, name := range controllerNames {
		wanted[name] = descriptors[name]
	}
	running, err := app.BuildControllers(ctx, shared, wanted, nil, controllerhealthz.NewMutableHealthzHandler())
	if err != nil {
		return nil, fmt.Errorf("build the controllers: %w", err)
	}
	tokens, err := newTokensController(ctx, shared, p, tokenKey)
	if err != nil {
		return nil, err
	}
	running = append(running, tokens)

	return func() <-chan struct{} {
		shared.ObjectOrMetadataInformerFactory.Start(ctx.Done()) // and with it known
		close(shared.InformersStarted)
		done := make(chan struct{})
		go func() {
			defer close(done)
			app.RunControllers(ctx, shared, running, app.ControllerStartJitter, controllersShutdown)
		}()
		return done
	}, nil
}

// newControllerContext is what the controllers share.
func newControllerContext(ctx context.Context, client *rest.Config, known informers.SharedInformerFactory, config *managerconfig.Config) (app.ControllerContext, error) {
	builder := clientbuilder.SimpleControllerClientBuilder{ClientConfig: client}
	onlyMetadata, err := metadata.NewForConfig(builder.ConfigOrDie("metadata-informers"))
	if err != nil {
		return app.ControllerContext{}, fmt.Errorf("controllers' metadata client: %w", err)
	}
	discovery, err := builder.DiscoveryClient("controller-discovery")
	if err != nil {
		return app.ControllerContext{}, fmt.Errorf("controllers' discovery client: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery))
	go wait.UntilWithContext(ctx, func(context.Context) { mapper.Reset() }, discoveryRefresh)

	shared := app.ControllerContext{
		ClientBuilder:   builder,
		InformerFactory: known,
		ObjectOrMetadataInformerFactory: informerfactory.NewInformerFactory(known,
			metadatainformer.NewSharedInformerFactoryWithOptions(onlyMetadata, resync(), metadatainformer.WithTransform(DropManagedFields))),
		ComponentConfig:          config.ComponentConfig,
		RESTMapper:               mapper,
		InformersStarted:         make(chan struct{}),
		ResyncPeriod:             resync,
		ControllerManagerMetrics: controllers.NewControllerManagerMetrics("kube-controller-manager"),
	}
	ignored := map[schema.GroupResource]struct{}{}
	for _, r := range config.ComponentConfig.GarbageCollectorController.GCIgnoredResources {
		ignored[schema.GroupResource{Group: r.Group, Resource: r.Resource}] = struct{}{}
	}
	shared.GraphBuilder = garbagecollector.NewDependencyGraphBuilder(ctx, onlyMetadata, mapper, ignored,
		shared.ObjectOrMetadataInformerFactory, shared.InformersStarted)
	return shared, nil
}

// tokensController fills Secrets of type kubernetes.io/service-account-token.
type tokensController struct {
	*serviceaccountcontroller.TokensController
	workers int
}

// Name is upstream's.
func (c tokensController) Name() string { return names.ServiceAccountTokenController }

// Run fills Secrets until ctx ends.
func (c tokensController) Run(ctx context.Context) { c.TokensController.Run(ctx, c.workers) }

// newTokensController builds the one controller whose descriptor upstream does not export.
func newTokensController(ctx context.Context, shared app.ControllerContext, p *pki, tokenKey string) (app.Controller, error) {
	key, err := keyutil.PrivateKeyFromFile(tokenKey)
	if err != nil {
		return nil, fmt.Errorf("read the service-account key: %w", err)
	}
	generator, err := serviceaccount.JWTTokenGenerator(serviceaccount.LegacyIssuer, key)
	if err != nil {
		return nil, fmt.Errorf("service-account tokens: %w", err)
	}
	root, err := os.ReadFile(p.path("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	client, err := shared.NewClient("tokens-controller")
	if err != nil {
		return nil, err
	}
	controller, err := serviceaccountcontroller.NewTokensController(klog.FromContext(ctx),
		shared.InformerFactory.Core().V1().ServiceAccounts(), shared.InformerFactory.Core().V1().Secrets(), client,
		serviceaccountcontroller.TokensControllerOptions{TokenGenerator: generator, RootCA: root})
	if err != nil {
		return nil, errors.Join(errors.New("build the tokens controller"), err)
	}
	return tokensController{controller, int(shared.ComponentConfig.SAController.ConcurrentSATokenSyncs)}, nil
}
