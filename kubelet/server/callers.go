package server

import (
	"fmt"
	"net/http"
	"slices"
)

const (
	// apiServerName is what the API server's certificate for nodes is called.
	apiServerName = "kube-apiserver-kubelet-client"
	// groupMasters may do everything.
	groupMasters = "system:masters"
)

// authorized lets the API server and the masters in, and nobody else. That there is a certificate,
// and by whom it is signed, was checked when the connection was made.
func authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		caller := r.TLS.VerifiedChains[0][0].Subject
		if caller.CommonName != apiServerName && !slices.Contains(caller.Organization, groupMasters) {
			http.Error(w, fmt.Sprintf("Forbidden (user=%s): only %s and members of %s may call this node",
				caller.CommonName, apiServerName, groupMasters), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
