package controlplane

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	v1 "k8s.io/api/core/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	aggregator "k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/controlplane/reconcilers"
	authzmodes "k8s.io/kubernetes/pkg/kubeapiserver/authorizer/modes"

	"github.com/podling/podling/controlplane/inprocess"
)

const (
	// serviceNetwork is where Services get their addresses from; the first is the API's own.
	serviceNetwork = "10.96.0.0/16"
	// tokenIssuer is the issuer, and the audience, of service-account tokens.
	tokenIssuer = "https://kubernetes.default.svc"
	// frontProxyName is whom the aggregation layer's certificate names.
	frontProxyName = "front-proxy-client"
	// goodbye is how long connections are left open at the end for those who go by themselves. Who
	// watches does not; upstream waits a minute for them.
	goodbye = 2 * time.Second
)

// anonymousOnly lets callers without credentials see whether the API server is well, and, since a node
// that is to join has none yet, how the cluster is reached; nothing else (KEP-4633).
const anonymousOnly = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
  - path: /api/v1/namespaces/kube-public/configmaps/cluster-info
`

// apiServer is upstream's API server with its aggregation layer, serving.
type apiServer struct {
	chain   *aggregator.APIAggregator
	near    http.Handler // for clients in this process
	schemas *openAPI
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // why it ended; read after done
}

// newAPIServer builds an API server by the options. The etcd that they name must answer: upstream
// waits for it long and says little. If it is the one in this process, embedded is that.
func newAPIServer(ctx context.Context, opts *options.ServerRunOptions, embedded *etcd) (*apiServer, error) {
	completed, err := opts.Complete(ctx)
	if err != nil {
		return nil, fmt.Errorf("API server's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("API server's options: %w", utilerrors.NewAggregate(errs))
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, fmt.Errorf("configure the API server: %w", err)
	}
	generic := config.KubeAPIs.ControlPlane.Generic
	generic.SkipOpenAPIInstallation = true
	if embedded != nil {
		generic.RESTOptionsGetter = embedded.nearTo(generic.RESTOptionsGetter)
	}
	nameOperations(generic.OpenAPIConfig, generic.OpenAPIV3Config)
	generic.DisabledPostStartHooks.Insert(bootstrapHooks...)
	front := config.Aggregator.GenericConfig // whose handlers all requests go through first
	front.Authentication.Authenticator = remember(front.Authentication.Authenticator)
	var near http.Handler
	nearby(&front.Config, &near)
	// The API server is its own client many times over while it starts.
	itself := func(w http.ResponseWriter, r *http.Request) { near.ServeHTTP(w, r) }
	generic.LoopbackClientConfig.Transport = inprocess.New(http.HandlerFunc(itself), nil)
	generic.LoopbackClientConfig.TLSClientConfig = rest.TLSClientConfig{}
	complete, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("configure the API server: %w", err)
	}
	chain, err := app.CreateServerChain(complete)
	if err != nil {
		return nil, fmt.Errorf("build the API server: %w", err)
	}
	if err := bootstrap(chain.GenericAPIServer, generic.DisabledPostStartHooks); err != nil {
		return nil, fmt.Errorf("build the API server: %w", err)
	}
	kinds, ok := chain.GenericAPIServer.NextDelegate().(*server.GenericAPIServer)
	if !ok {
		return nil, fmt.Errorf("build the API server: a %T follows the aggregator", chain.GenericAPIServer.NextDelegate())
	}
	chain.GenericAPIServer.ShutdownTimeout = goodbye
	schemas := serveOpenAPI(kinds, generic.OpenAPIConfig, generic.OpenAPIV3Config)
	return &apiServer{chain: chain, near: near, schemas: schemas, done: make(chan struct{})}, nil
}

// serve runs it until stop.
func (s *apiServer) serve() error {
	prepared, err := s.chain.PrepareRun()
	if err != nil {
		return fmt.Errorf("prepare the API server: %w", err)
	}
	s.schemas.dropDefinitions()
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		defer close(s.done)
		s.err = prepared.Run(ctx)
		if s.err == nil && ctx.Err() == nil {
			s.err = errors.New("ended by itself")
		}
	}()
	return nil
}

// served says whether it came as far as to serve.
func (s *apiServer) served() bool { return s != nil && s.cancel != nil }

// stop ends it in order: requests under way are answered, watches are closed.
func (s *apiServer) stop(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("stop the API server: %w", ctx.Err())
	}
}

// apiServerOptions is what the kube-apiserver's flags would say.
func apiServerOptions(p *pki, addr addresses, etcdServers []string) (*options.ServerRunOptions, error) {
	serving, err := p.certificate("apiserver", p.cluster, subject{
		commonName: "kube-apiserver",
		usage:      x509.ExtKeyUsageServerAuth,
		dns:        []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
		ips:        addr.serving(),
	})
	if err != nil {
		return nil, err
	}
	toNodes, err := p.certificate("apiserver-kubelet-client", p.cluster, subject{
		commonName: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}, usage: x509.ExtKeyUsageClientAuth,
	})
	if err != nil {
		return nil, err
	}
	frontProxy, err := p.certificate("front-proxy-client", p.frontProxy, subject{
		commonName: frontProxyName, usage: x509.ExtKeyUsageClientAuth,
	})
	if err != nil {
		return nil, err
	}
	tokenKey, err := p.signingKey()
	if err != nil {
		return nil, err
	}
	authentication := p.path("authentication.yaml")
	if err := writeIfDifferent(authentication, []byte(anonymousOnly)); err != nil {
		return nil, err
	}

	o := options.NewServerRunOptions()
	o.SecureServing.Listener = addr.listener
	o.SecureServing.BindPort = addr.port()
	o.SecureServing.BindAddress = addr.listen()
	o.SecureServing.ServerCert.CertKey.CertFile = serving.file
	o.SecureServing.ServerCert.CertKey.KeyFile = serving.file
	o.GenericServerRunOptions.AdvertiseAddress = addr.advertise
	if addr.advertise.IsLoopback() {
		// Endpoints cannot be loopback addresses, so the kubernetes Service stays without.
		o.EndpointReconcilerType = string(reconcilers.NoneEndpointReconcilerType)
	}

	o.Etcd.StorageConfig.Transport.ServerList = etcdServers

	o.Authentication.ClientCert.ClientCA = p.path("ca.crt")
	o.Authentication.AuthenticationConfigFile = authentication
	o.Authentication.BootstrapToken.Enable = true
	o.Authentication.RequestHeader.ClientCAFile = p.path("front-proxy-ca.crt")
	o.Authentication.RequestHeader.AllowedNames = []string{frontProxyName}
	o.Authentication.RequestHeader.UsernameHeaders = []string{"X-Remote-User"}
	o.Authentication.RequestHeader.GroupHeaders = []string{"X-Remote-Group"}
	o.Authentication.RequestHeader.ExtraHeaderPrefixes = []string{"X-Remote-Extra-"}
	o.Authentication.ServiceAccounts.Issuers = []string{tokenIssuer}
	o.Authentication.ServiceAccounts.KeyFiles = []string{tokenKey}
	o.ServiceAccountSigningKeyFile = tokenKey
	o.ProxyClientCertFile, o.ProxyClientKeyFile = frontProxy.file, frontProxy.file

	o.Authorization.Modes = []string{authzmodes.ModeNode, authzmodes.ModeRBAC}
	o.Admission.GenericAdmission.EnablePlugins = []string{"NodeRestriction"}

	o.AllowPrivileged = true
	o.ServiceClusterIPRanges = serviceNetwork
	o.KubeletConfig.PreferredAddressTypes = []string{string(v1.NodeInternalIP)}
	o.KubeletConfig.TLSClientConfig.CertFile = toNodes.file
	o.KubeletConfig.TLSClientConfig.KeyFile = toNodes.file
	o.KubeletConfig.TLSClientConfig.CAFile = p.path("ca.crt")

	o.Features.EnableProfiling = false
	return o, nil
}
