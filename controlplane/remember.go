package controlplane

import (
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
)

const (
	// rememberFor is how long a client's certificate counts as verified, like upstream's tokens do
	// a little (authentication/token/cache).
	rememberFor = time.Minute
	// rememberClients bounds how many are remembered.
	rememberClients = 4096
)

// remembering verifies the certificate of a connection once a minute. Upstream's API server verifies
// it with each request, by two authorities of which the first never signed it.
type remembering struct {
	authenticator.Request
	verified *cache.LRUExpireCache // *x509.Certificate, one for each connection: *authenticator.Response
}

// remember wraps the API server's own authentication, which is asked whenever a request says by
// something else than its certificate whose it is.
func remember(auth authenticator.Request) authenticator.Request {
	return &remembering{auth, cache.NewLRUExpireCache(rememberClients)}
}

// AuthenticateRequest says whose request it is.
func (r *remembering) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	certificate := onlyCertificate(req)
	if certificate == nil {
		return r.Request.AuthenticateRequest(req)
	}
	if known, ok := r.verified.Get(certificate); ok && time.Now().Before(certificate.NotAfter) {
		return known.(*authenticator.Response), true, nil
	}
	response, ok, err := r.Request.AuthenticateRequest(req)
	if ok && err == nil && response.User.GetName() == certificate.Subject.CommonName {
		r.verified.Add(certificate, response, rememberFor)
	}
	return response, ok, err
}

// onlyCertificate is the client's certificate, if nothing else in the request could say whose it is:
// no token, no front proxy's headers, and no path that is open to all.
func onlyCertificate(req *http.Request) *x509.Certificate {
	if req.TLS == nil || len(req.TLS.PeerCertificates) != 1 || !strings.HasPrefix(req.URL.Path, "/api") {
		return nil
	}
	for name := range req.Header {
		if name == "Authorization" || name == "Sec-Websocket-Protocol" || strings.HasPrefix(name, "X-Remote-") {
			return nil
		}
	}
	return req.TLS.PeerCertificates[0]
}
