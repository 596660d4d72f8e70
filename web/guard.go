package web

import (
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
)

// policy is what the page may do: run and show what came with the program, and talk to it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard lets in the one person who was told the address, and nobody that their browser also shows:
//
//   - who comes with the token gets a cookie, which no other site's page can make the browser send
//     (SameSite=Strict), nor any script read (HttpOnly), and an address without the token;
//   - a name that was made to point here (DNS rebinding) is not ours: Host says so;
//   - what another origin asks for is refused: Origin and Sec-Fetch-Site say so.
func (s *Server) guard(next http.Handler) http.Handler {
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		panic(err) // a listener's address has a port
	}
	hosts := []string{"127.0.0.1:" + port, "localhost:" + port}
	cookie := "podling-" + port // cookies do not tell ports apart
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !slices.Contains(hosts, r.Host) {
			http.Error(w, "this is not the name of this server", http.StatusMisdirectedRequest)
			return
		}
		origin, from := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
		if origin != "" && origin != "http://"+r.Host || from != "" && from != "same-origin" && from != "none" {
			http.Error(w, "requests from other sites are refused", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodGet && r.URL.Path == "/" && s.knows(r.URL.Query().Get("token")) {
			http.SetCookie(w, &http.Cookie{Name: cookie, Value: s.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		if c, err := r.Cookie(cookie); err != nil || !s.knows(c.Value) {
			http.Error(w, "the address that `podling ui` printed, with its token, opens this page", http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost && origin == "" {
			http.Error(w, "a request that changes or asks something names its origin", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) knows(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}
