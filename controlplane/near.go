package controlplane

import (
	"net/http"

	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/server"
	serverfilters "k8s.io/apiserver/pkg/server/filters"
)

// nearby has the server that cfg makes serve clients in its own process too, through the handler that
// is set then: they need not be kept from crowding each other out, traced, or hung up on. What is left
// of server.DefaultBuildHandlerChain is what says who they are and what they may do, what ends their
// requests in time and in order, and what survives a handler's panic. All that comes after it,
// admission most of all, is the same for everybody.
func nearby(cfg *server.Config, handler *http.Handler) {
	all := cfg.BuildHandlerChainFunc
	cfg.BuildHandlerChainFunc = func(api http.Handler, c *server.Config) http.Handler {
		near := filters.WithAuthorization(api, c.Authorization.Authorizer, c.Serializer)
		near = filters.WithAuthentication(near, c.Authentication.Authenticator, filters.Unauthorized(c.Serializer), c.Authentication.APIAudiences, c.Authentication.RequestHeaderConfig)
		near = filters.WithRequestDeadline(near, c.AuditBackend, c.AuditPolicyRuleEvaluator, c.LongRunningFunc, c.Serializer, c.RequestTimeout)
		near = serverfilters.WithWaitGroup(near, c.LongRunningFunc, c.NonLongRunningRequestWaitGroup)
		near = filters.WithRequestInfo(near, c.RequestInfoResolver)
		near = filters.WithRequestReceivedTimestamp(near)
		near = serverfilters.WithPanicRecovery(near, c.RequestInfoResolver)
		*handler = filters.WithAuditInit(near)
		return all(api, c)
	}
}
