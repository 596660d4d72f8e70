package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/podling/podling/runtime/fault"
)

// maxRule is how long a rule may be, in bytes.
const maxRule = 64 << 10

func (s *Server) listFaults(w http.ResponseWriter, r *http.Request) {
	answer(w, r, http.StatusOK, s.cfg.Faults.List())
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRule))
	if err != nil {
		refuse(w, r, unread(err), err)
		return
	}
	rule, err := fault.Parse(body)
	if err == nil {
		rule, err = s.cfg.Faults.Add(rule)
	}
	switch {
	case errors.Is(err, fault.ErrExists):
		refuse(w, r, http.StatusConflict, err)
	case err != nil:
		refuse(w, r, http.StatusBadRequest, err)
	default:
		answer(w, r, http.StatusCreated, rule)
	}
}

func (s *Server) removeFault(w http.ResponseWriter, r *http.Request) {
	if err := s.cfg.Faults.Remove(r.PathValue("name")); err != nil {
		refuse(w, r, http.StatusNotFound, err)
		return
	}
	answer(w, r, http.StatusOK, metav1.Status{TypeMeta: statusType, Status: metav1.StatusSuccess})
}

// unread is the code that says why a request could not be understood: there was too much of it, or it was
// wrong.
func unread(err error) int {
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

var statusType = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}

// refuse answers as the API server does, for clients that know its errors.
func refuse(w http.ResponseWriter, r *http.Request, code int, err error) {
	answer(w, r, code, metav1.Status{TypeMeta: statusType, Status: metav1.StatusFailure, Code: int32(code), Message: err.Error()})
}

func answer(w http.ResponseWriter, r *http.Request, code int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(content); err != nil {
		klog.FromContext(r.Context()).V(2).Info("Answer cut short", "path", r.URL.Path, "err", err)
	}
}

// reached breaks off what is asked about pods of a node that is unreachable. (Faults
// themselves can always be reached, or none of that kind could be taken back.)
func (s *Server) reached(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if pod, wrong := s.pod(r); wrong == nil {
			if _, fromNode, _ := s.cfg.Faults.Cut(pod.Spec.NodeName); fromNode {
				panic(http.ErrAbortHandler) // which closes the connection, as net/http has it
			}
		}
		next(w, r)
	}
}

// called says to faults for whom the calls are made that follow.
func (s *Server) called(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if pod, wrong := s.pod(r); wrong == nil {
			container := r.PathValue("container")
			r = r.WithContext(fault.For(r.Context(), pod, container, image(pod, container)))
		}
		next(w, r)
	}
}
