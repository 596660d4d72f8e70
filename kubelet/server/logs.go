package server

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/cri-client/pkg/logs"
	"k8s.io/klog/v2"
)

// logs answers with a container's log.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	options, previous, wrong := logOptions(r.URL.Query(), time.Now())
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	pod, wrong := s.pod(r)
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	name := r.PathValue("container")
	if !hasContainer(pod, name) {
		http.Error(w, `container "`+name+`" not found in pod "`+pod.Name+`"`, http.StatusNotFound)
		return
	}
	id, wrong := loggedContainer(pod, name, previous)
	if wrong != nil {
		http.Error(w, wrong.Error(), wrong.code)
		return
	}
	runtime := s.cfg.Runtime(pod)
	container, err := runtime.ContainerStatus(r.Context(), id, false)
	if err != nil {
		klog.FromContext(r.Context()).V(2).Info("Log of a container that the runtime does not have", "id", id, "err", err)
		http.Error(w, "unable to retrieve container logs for "+id+": "+err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := os.Stat(container.GetStatus().GetLogPath()); s.cfg.Profiles != nil && errors.Is(err, fs.ErrNotExist) {
		// A simulated container has a log once it says something.
		if err := runtime.ReopenContainerLog(r.Context(), id); err != nil {
			return // it has ended without a word
		}
	}
	w.Header().Set("Content-Type", "text/plain")
	out := &logWriter{ResponseWriter: w, follow: options.Follow}
	if options.Follow {
		out.flush() // the caller learns at once that there will be a log
	}
	err = logs.ReadLogs(r.Context(), container.GetStatus().GetLogPath(), id, options, runtime, out, out)
	switch {
	case err == nil || r.Context().Err() != nil:
	case !out.begun:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		klog.FromContext(r.Context()).Error(err, "Log cut short", "id", id)
	}
}

// logWriter sends each line at once to a caller that follows.
type logWriter struct {
	http.ResponseWriter
	follow, begun bool
}

// Write is io.Writer's.
func (w *logWriter) Write(line []byte) (int, error) {
	w.begun = true
	n, err := w.ResponseWriter.Write(line)
	if w.follow && err == nil {
		w.flush()
	}
	return n, err
}

func (w *logWriter) flush() {
	w.begun = true
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// loggedContainer is the container whose log is meant: the one that runs, or else the one that ran
// last; before that one, if previous (upstream's validateContainerLogStatus).
func loggedContainer(pod *v1.Pod, name string, previous bool) (string, *httpError) {
	status := containerStatus(pod, name)
	if status == nil {
		return "", httpErrorf(http.StatusBadRequest, "container %q in pod %q is not available", name, pod.Name)
	}
	last := ""
	if status.LastTerminationState.Terminated != nil {
		last = status.LastTerminationState.Terminated.ContainerID
	}
	state, id := status.State, last
	switch {
	case previous:
		if last == "" {
			return "", httpErrorf(http.StatusBadRequest, "previous terminated container %q in pod %q not found", name, pod.Name)
		}
	case state.Running != nil:
		id = status.ContainerID
	case state.Terminated != nil && state.Terminated.ContainerID != "":
		id = state.Terminated.ContainerID
	}
	if id == "" {
		return "", httpErrorf(http.StatusBadRequest, "container %q in pod %q is %s", name, pod.Name, whyNoLog(state))
	}
	return runtimeID(id), nil
}

// whyNoLog is what a container is doing that has never run.
func whyNoLog(state v1.ContainerState) string {
	switch {
	case state.Terminated != nil:
		return "terminated"
	case state.Waiting == nil:
		return "waiting to start - no logs yet"
	}
	switch state.Waiting.Reason {
	case "ErrImagePull":
		return "waiting to start: image can't be pulled"
	case "ImagePullBackOff":
		return "waiting to start: trying and failing to pull image"
	}
	return "waiting to start: " + state.Waiting.Reason
}

// logOptions reads the query of a log request (v1.PodLogOptions); now is what sinceSeconds counts
// from. previous is whether the container before the present one is meant.
func logOptions(query url.Values, now time.Time) (o *logs.LogOptions, previous bool, wrong *httpError) {
	o = &logs.LogOptions{}
	var err error
	flag := func(name string, to *bool) {
		if value := query.Get(name); value != "" && err == nil {
			*to, err = strconv.ParseBool(value)
		}
	}
	number := func(name string, least int64) *int64 {
		value := query.Get(name)
		if value == "" || err != nil {
			return nil
		}
		var n int64
		if n, err = strconv.ParseInt(value, 10, 64); err == nil && n < least {
			err = errors.New(name + " must be at least " + strconv.FormatInt(least, 10))
		}
		return &n
	}
	flag("follow", &o.Follow)
	flag("timestamps", &o.Timestamp)
	flag("previous", &previous)
	o.TailLines = number("tailLines", 0)
	o.LimitBytes = number("limitBytes", 1)
	if seconds := number("sinceSeconds", 1); seconds != nil {
		o.Since = now.Add(-time.Duration(*seconds) * time.Second)
	}
	if since := query.Get("sinceTime"); since != "" && err == nil {
		if !o.Since.IsZero() {
			err = errors.New("at most one of sinceTime or sinceSeconds may be specified")
		} else {
			o.Since, err = time.Parse(time.RFC3339, since)
		}
	}
	if stream := query.Get("stream"); err == nil && stream != "" && stream != v1.LogStreamAll {
		err = errors.New("stream " + stream + " cannot be asked for alone: the feature PodLogsQuerySplitStreams is off")
	}
	if err != nil {
		return nil, false, httpErrorf(http.StatusUnprocessableEntity, "log options: %w", err)
	}
	return o, previous, nil
}
