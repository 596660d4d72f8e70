package images

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ServeHTTP answers a registry's read-only calls:
//
//	/v2/                                 yes, a registry
//	/v2/REPOSITORY/manifests/TAG|DIGEST  ?ns=HOST: the registry that is meant
//	/v2/REPOSITORY/blobs/DIGEST
//
// (OCI distribution-spec v1.1; ns is what containerd adds when it asks one
// registry for another's image.)
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, transport.UnsupportedErrorCode, "podling's registry is read-only")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if ok && rest == "" {
		return
	}
	if repository, ref, ok := strings.Cut(rest, "/manifests/"); ok {
		s.serveManifest(w, r, repository, ref)
		return
	}
	if _, digest, ok := strings.Cut(rest, "/blobs/"); ok {
		s.serveBlob(w, r, digest)
		return
	}
	refuse(w, http.StatusNotFound, transport.NameUnknownErrorCode, r.URL.Path)
}

func (s *Set) serveManifest(w http.ResponseWriter, r *http.Request, repository, ref string) {
	digest, err := v1.NewHash(ref)
	if err != nil {
		digest = s.tags[fullName(r.URL.Query().Get("ns"), repository, ref)].digest
	}
	m, ok := s.manifests[digest]
	if !ok {
		refuse(w, http.StatusNotFound, transport.ManifestUnknownErrorCode, repository+":"+ref)
		return
	}
	w.Header().Set("Content-Type", string(m.mediaType))
	serve(w, r, digest, bytes.NewReader(m.raw))
}

func (s *Set) serveBlob(w http.ResponseWriter, r *http.Request, digest string) {
	hash, err := v1.NewHash(digest)
	b, ok := s.blobs[hash]
	if err != nil || !ok {
		refuse(w, http.StatusNotFound, transport.BlobUnknownErrorCode, digest)
		return
	}
	content, closer, err := b.open()
	if err != nil {
		refuse(w, http.StatusInternalServerError, transport.UnknownErrorCode, err.Error())
		return
	}
	defer closer.Close() // read only: closing cannot lose anything
	w.Header().Set("Content-Type", "application/octet-stream")
	serve(w, r, hash, content)
}

func serve(w http.ResponseWriter, r *http.Request, digest v1.Hash, content io.ReadSeeker) {
	w.Header().Set("Docker-Content-Digest", digest.String())
	http.ServeContent(w, r, "", time.Time{}, content)
}

func refuse(w http.ResponseWriter, status int, code transport.ErrorCode, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone cannot be told.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"errors": []transport.Diagnostic{{Code: code, Message: message}},
	})
}
