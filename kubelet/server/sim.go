package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podling/podling/runtime/sim/remote"
	"github.com/podling/podling/runtime/sim/script"
)

// maxProfile is how long a profile may be, in bytes.
const maxProfile = 1 << 20

// Profiles say what simulated containers do.
type Profiles interface {
	// List gives those in force, in their order.
	List() []script.Profile
	// Add puts one in force. The error says that there is one of that name already.
	Add(script.Profile) error
	// Remove takes the one of that name out of force. The error says that there is none.
	Remove(name string) error
}

var errReal = errors.New("this node's containers are real, and do what their programs do: `podling up --runtime sim` has simulated ones")

// simulated asks next where containers are simulated.
func (s *Server) simulated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Profiles == nil {
			refuse(w, r, http.StatusNotFound, errReal)
			return
		}
		next(w, r)
	}
}

func (s *Server) listProfiles(w http.ResponseWriter, r *http.Request) {
	documents := []remote.Document{}
	for _, p := range s.cfg.Profiles.List() {
		documents = append(documents, remote.DocumentOf(p))
	}
	answer(w, r, http.StatusOK, documents)
}

func (s *Server) addProfile(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProfile))
	var profiles []script.Profile
	if err == nil {
		profiles, err = script.ParseProfiles("profile", body)
	}
	if err == nil && len(profiles) != 1 {
		err = fmt.Errorf("%d profiles: one is added at a time", len(profiles))
	}
	if err != nil {
		refuse(w, r, unread(err), err)
		return
	}
	if err := s.cfg.Profiles.Add(profiles[0]); err != nil {
		refuse(w, r, http.StatusConflict, err)
		return
	}
	answer(w, r, http.StatusCreated, remote.DocumentOf(profiles[0]))
}

func (s *Server) removeProfile(w http.ResponseWriter, r *http.Request) {
	if err := s.cfg.Profiles.Remove(r.PathValue("name")); err != nil {
		refuse(w, r, http.StatusNotFound, err)
		return
	}
	answer(w, r, http.StatusOK, metav1.Status{TypeMeta: statusType, Status: metav1.StatusSuccess})
}
