package controlplane

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// TestRemember: upstream is asked once about a connection's certificate, and about every request that
// could be somebody else's.
func TestRemember(t *testing.T) {
	valid := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		path, header string
		until        time.Time
		answer       string // the name that upstream finds
		want         int    // questions to upstream, of two requests
	}{
		"a certificate":           {"/api/v1/pods", "", valid, "ann", 1},
		"one of a named group":    {"/apis/apps/v1/deployments", "", valid, "ann", 1},
		"one that is over":        {"/api/v1/pods", "", time.Now(), "ann", 2},
		"a token":                 {"/api/v1/pods", "Authorization", valid, "ann", 2},
		"a token of a websocket":  {"/api/v1/pods", "Sec-WebSocket-Protocol", valid, "ann", 2},
		"a front proxy":           {"/api/v1/pods", "X-Remote-User", valid, "ann", 2},
		"nobody by that name":     {"/api/v1/pods", "", valid, user.Anonymous, 2},
		"a path open to everyone": {"/readyz", "", valid, "ann", 2},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			auth := remember(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
				asked++
				return &authenticator.Response{User: &user.DefaultInfo{Name: c.answer}}, true, nil
			}))
			certificate := &x509.Certificate{Subject: pkix.Name{CommonName: "ann"}, NotAfter: c.until}
			for range 2 {
				req := httptest.NewRequest(http.MethodGet, c.path, nil)
				req.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
				if c.header != "" {
					req.Header.Set(c.header, "x")
				}
				response, ok, err := auth.AuthenticateRequest(req)
				if err != nil || !ok || response.User.GetName() != c.answer {
					t.Fatalf("%v, %v, %v; want %s", response, ok, err, c.answer)
				}
			}
			if asked != c.want {
				t.Errorf("asked %d times; want %d", asked, c.want)
			}
		})
	}
}

// TestRememberRefused: who was not let in is asked about again.
func TestRememberRefused(t *testing.T) {
	asked := 0
	auth := remember(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		asked++
		return nil, false, nil
	}))
	req := httptest.NewRequest(http.MethodGet, "/api/v1/pods", nil)
	req.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: time.Now().Add(time.Hour)}}}
	for range 2 {
		if _, ok, err := auth.AuthenticateRequest(req); ok || err != nil {
			t.Errorf("%v, %v; want that it is refused", ok, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times; want 2", asked)
	}
}
