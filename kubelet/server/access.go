package server

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/union"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	unionauthz "k8s.io/apiserver/pkg/authorization/union"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// How long the API server's answers hold: upstream's defaults
// (KubeletConfiguration.authentication and .authorization).
const (
	knownFor   = 2 * time.Minute
	allowedFor = 5 * time.Minute
	deniedFor  = 30 * time.Second
)

// access is who may call the node, and for what (upstream: pkg/kubelet/server/auth.go).
type access struct {
	node string
	who  authenticator.Request
	may  authorizer.Authorizer
}

// newAccess takes callers by their certificates, which callers' authorities signed, and by bearer
// tokens, which the API server knows (TokenReview). What they may do the API server says
// (SubjectAccessReview): rights on the Node's subresources. Members of system:masters may do
// everything, with no API server too.
func newAccess(node string, authorities *x509.CertPool, client kubernetes.Interface) (*access, error) {
	backoff := wait.Backoff{Duration: 500 * time.Millisecond, Factor: 1.5, Jitter: 0.2, Steps: 5} // upstream's
	options := x509request.DefaultVerifyOptions()
	options.Roots = authorities
	tokens, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		TokenAccessReviewClient: client.AuthenticationV1(), WebhookRetryBackoff: &backoff, CacheTTL: knownFor,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("the node's port: who calls: %w", err)
	}
	reviews, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(), WebhookRetryBackoff: &backoff, AllowCacheTTL: allowedFor, DenyCacheTTL: deniedFor,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("the node's port: who may call: %w", err)
	}
	return &access{
		node: node,
		who:  union.New(x509request.New(options, x509request.CommonNameUserConversion), tokens),
		may:  unionauthz.New(authorizerfactory.NewPrivilegedGroups(user.SystemPrivilegedGroup), reviews),
	}, nil
}

// only lets those in who may do what they ask for.
func (a *access) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, known, err := a.who.AuthenticateRequest(r)
		if err != nil || !known {
			klog.FromContext(r.Context()).V(2).Info("A caller of the node's port is not known", "path", r.URL.Path, "err", err)
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		asked := a.asked(caller.User, r)
		for _, one := range asked {
			decision, _, err := a.may.Authorize(r.Context(), one)
			if err != nil {
				klog.FromContext(r.Context()).Error(err, "The API server does not say what a caller of the node's port may do", "user", caller.User.GetName())
				http.Error(w, fmt.Sprintf("Authorization error (user=%s, verb=%s, resource=nodes, subresource=%s): %v",
					caller.User.GetName(), one.Verb, one.Subresource, err), http.StatusInternalServerError)
				return
			}
			if decision == authorizer.DecisionAllow {
				next.ServeHTTP(w, r)
				return
			}
		}
		var names []string
		for _, one := range asked {
			names = append(names, one.Subresource)
		}
		http.Error(w, fmt.Sprintf("Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", caller.User.GetName(), asked[0].Verb, names), http.StatusForbidden)
	})
}

// verbs are the API's for methods of HTTP.
var verbs = map[string]string{http.MethodPost: "create", http.MethodGet: "get", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}

// narrow are the subresources of the Node of which rights on one are enough for what is below a path's
// first part (KEP-2862); everything else needs nodes/proxy.
var narrow = map[string][]string{
	"stats": {"stats"}, "metrics": {"metrics"}, "pods": {"pods", "proxy"}, "healthz": {"healthz", "proxy"}, "configz": {"configz", "proxy"},
}

// asked is what the caller needs one of.
func (a *access) asked(caller user.Info, r *http.Request) []authorizer.AttributesRecord {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	subresources, ok := narrow[first]
	if !ok {
		subresources = []string{"proxy"}
	}
	var out []authorizer.AttributesRecord
	for _, s := range subresources {
		out = append(out, authorizer.AttributesRecord{User: caller, Verb: verbs[r.Method], APIVersion: "v1",
			Resource: "nodes", Subresource: s, Name: a.node, ResourceRequest: true, Path: r.URL.Path})
	}
	return out
}
