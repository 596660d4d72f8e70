package controlplane

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/emicklei/go-restful/v3"
	endpointsopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/apiserver/pkg/server/routes"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/common/restfuladapter"
	"k8s.io/kube-openapi/pkg/handler3"
)

const (
	openAPIV2 = "/openapi/v2"
	openAPIV3 = "/openapi/v3"
)

// openAPI serves the schemas of the built-in kinds as upstream does, except that a schema is built
// when it is first asked for. Upstream builds all of them before it serves, and holds them: a fifth
// of a second, and half of all memory that an idle control plane uses.
//
// The schemas of custom and aggregated kinds are not its concern; the aggregator merges them.
type openAPI struct {
	container *restful.Container
	v2Config  *common.Config
	v3Config  *common.OpenAPIV3Config

	building sync.Mutex // the configurations are not made for two builders at a time
	v2       http.Handler
	v3       map[string]http.Handler // by group version, like "apis/apps/v1"
}

// nameOperations gives both configurations upstream's own way to name operations. Left to itself, the
// first builder to see a configuration puts a function there that holds the builder, and with it all
// definitions, for as long as there is a server.
func nameOperations(v2 *common.Config, v3 *common.OpenAPIV3Config) {
	name := func(route common.Route) (string, []string, error) {
		adapter, ok := route.(*restfuladapter.RouteAdapter)
		if !ok {
			return "", nil, fmt.Errorf("a %T is not a route of the API server", route)
		}
		return endpointsopenapi.GetOperationIDAndTags(adapter.Route)
	}
	v2.GetOperationIDAndTagsFromRoute, v3.GetOperationIDAndTagsFromRoute = name, name
}

// serveOpenAPI takes the place of what the server does itself unless SkipOpenAPIInstallation is set.
func serveOpenAPI(s *server.GenericAPIServer, v2 *common.Config, v3 *common.OpenAPIV3Config) *openAPI {
	o := &openAPI{
		container: s.Handler.GoRestfulContainer,
		v2Config:  v2, v3Config: v3,
		v3: map[string]http.Handler{},
	}
	s.Handler.NonGoRestfulMux.HandleFunc(openAPIV2, o.serveV2)
	s.Handler.NonGoRestfulMux.HandleFunc(openAPIV3, o.serveIndex)
	s.Handler.NonGoRestfulMux.UnlistedHandlePrefix(openAPIV3+"/", http.HandlerFunc(o.serveV3))
	return o
}

// dropDefinitions lets go of the definitions of all kinds, which the servers were built with. They
// are generated again where a schema is built.
func (o *openAPI) dropDefinitions() {
	o.building.Lock()
	defer o.building.Unlock()
	o.v3Config.Definitions = nil
}

func (o *openAPI) serveV2(w http.ResponseWriter, r *http.Request) {
	o.building.Lock()
	if o.v2 == nil {
		m := mux.NewPathRecorderMux("openapi-v2")
		routes.OpenAPI{Config: o.v2Config}.InstallV2(o.container, m)
		o.v2 = m
	}
	handler := o.v2
	o.building.Unlock()
	handler.ServeHTTP(w, r)
}

// serveIndex lists the group versions, with a hash by which clients may keep what they fetched.
func (o *openAPI) serveIndex(w http.ResponseWriter, r *http.Request) {
	index := handler3.OpenAPIV3Discovery{Paths: map[string]handler3.OpenAPIV3DiscoveryGroupVersion{}}
	for _, service := range o.container.RegisteredWebServices() {
		gv := strings.TrimPrefix(service.RootPath(), "/")
		index.Paths[gv] = handler3.OpenAPIV3DiscoveryGroupVersion{ServerRelativeURL: schemaURL(gv)}
	}
	data, err := json.Marshal(index)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(data); err != nil {
		klog.Warningf("Index of schemas: %v", err)
	}
}

// serveV3 answers for one group version, with upstream's rules for keeping the answer
// (k8s.io/kube-openapi/pkg/handler3).
func (o *openAPI) serveV3(w http.ResponseWriter, r *http.Request) {
	gv := strings.TrimPrefix(r.URL.Path, openAPIV3+"/")
	handler := o.groupVersion(gv)
	if handler == nil {
		http.NotFound(w, r)
		return
	}
	switch r.URL.Query().Get("hash") {
	case "":
	case schemaHash():
		w.Header().Set("Cache-Control", "public, immutable")
		w.Header().Set("Expires", time.Now().AddDate(1, 0, 0).Format(time.RFC1123))
		r = r.Clone(r.Context())
		r.URL.RawQuery = "" // what is built knows another hash
	default:
		http.Redirect(w, r, schemaURL(gv), http.StatusMovedPermanently)
		return
	}
	handler.ServeHTTP(w, r)
}

// groupVersion builds what serves one group version, or finds it built.
func (o *openAPI) groupVersion(gv string) http.Handler {
	o.building.Lock()
	defer o.building.Unlock()
	if handler := o.v3[gv]; handler != nil {
		return handler
	}
	for _, service := range o.container.RegisteredWebServices() {
		if service.RootPath() == "/"+gv {
			alone := restful.NewContainer().Add(service)
			m := mux.NewPathRecorderMux("openapi-v3")
			routes.OpenAPI{V3Config: o.v3Config}.InstallV3(alone, m)
			o.v3[gv] = m
			return m
		}
	}
	return nil
}

// schemaURL is where a group version's schema can be fetched and kept.
func schemaURL(gv string) string {
	return openAPIV3 + "/" + gv + "?hash=" + url.QueryEscape(schemaHash())
}

// schemaHash stands for the schemas of the built-in kinds: they are the same in each process of the
// same build.
var schemaHash = sync.OnceValue(func() string {
	hash := sha256.New()
	fmt.Fprint(hash, version.Get().String())
	if info, ok := debug.ReadBuildInfo(); ok {
		fmt.Fprint(hash, info.String()) // names the versions of all modules
	}
	return fmt.Sprintf("%X", hash.Sum(nil))
})
