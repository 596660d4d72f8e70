package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// What is asked wrongly, or for what is not there, is answered with the right code and says so.
func TestWrongRequests(t *testing.T) {
	client, _ := serve(t)
	const logs = "/containerLogs/default/pod/"
	for _, test := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/", 404, "not found"},
		{"GET", "/stats/summary", 404, "not found"},
		{"GET", "/containerLogs/default/pod", 404, "not found"},
		{"POST", "/healthz", 405, "Method Not Allowed"},
		{"GET", logs + "none", 404, `container "none" not found in pod "pod"`},
		{"GET", "/containerLogs/default/none/lines", 404, `pod "none" does not exist`},
		{"GET", "/containerLogs/other/pod/lines", 404, `pod "pod" does not exist`},
		{"GET", "/containerLogs/default/..%2f..%2fetc/lines", 404, "does not exist"},
		{"GET", logs + "..%2f..%2f..%2fetc%2fpasswd", 404, `container "../../../etc/passwd" not found`},
		{"GET", logs + "lines?container=/etc/passwd&tailLines=-9223372036854775809", 422, "value out of range"},
		{"GET", logs + "lines?tailLines=-1", 422, "tailLines must be at least 0"},
		{"GET", logs + "lines?tailLines=many", 422, "many"},
		{"GET", logs + "lines?limitBytes=0", 422, "limitBytes must be at least 1"},
		{"GET", logs + "lines?sinceSeconds=0", 422, "sinceSeconds must be at least 1"},
		{"GET", logs + "lines?sinceTime=yesterday", 422, "yesterday"},
		{"GET", logs + "lines?sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z", 422, "at most one"},
		{"GET", logs + "lines?follow=perhaps", 422, "perhaps"},
		{"GET", logs + "lines?stream=Stderr", 422, "PodLogsQuerySplitStreams"},
		{"GET", logs + "pulling", 400, `container "pulling" in pod "pod" is waiting to start: image can't be pulled`},
		{"GET", logs + "unknown", 400, `container "unknown" in pod "pod" is not available`},
		{"GET", logs + "echo?previous=true", 400, `previous terminated container "echo" in pod "pod" not found`},
		{"POST", "/exec/default/pod/lines?command=true", 400, "at least 1 of stdin, stdout, stderr"},
		{"POST", "/exec/default/pod/none?command=true&output=1", 404, `container not found ("none")`},
		{"POST", "/exec/default/pod/before?command=true&output=1", 404, `container not found ("before")`},
		{"POST", "/exec/default/pod/another-uid/lines?command=true&output=1", 404, `pod "pod" does not exist`},
		{"POST", "/exec/default/pod/lines?command=true&output=1", 400, "Upgrade request required"},
		{"POST", "/attach/default/none/lines?output=1", 404, `pod "none" does not exist`},
		{"POST", "/portForward/default/none", 404, `pod "none" does not exist`},
		{"POST", "/run/default/pod/lines", 400, `"cmd" is required`},
		{"POST", "/run/default/pod/none?cmd=true", 404, `container not found ("none")`},
	} {
		code, body := do(t, client, test.method, test.path)
		if code != test.code || !strings.Contains(body, test.want) {
			t.Errorf("%s %s: %d %q, want %d %q", test.method, test.path, code, body, test.code, test.want)
		}
	}
}

func TestPods(t *testing.T) {
	client, _ := serve(t)
	code, body := get(t, client, "/pods")
	var list v1.PodList
	if err := json.Unmarshal([]byte(body), &list); err != nil || code != http.StatusOK {
		t.Fatalf("%d, %v: %s", code, err, body)
	}
	if list.Kind != "PodList" || len(list.Items) != 1 || list.Items[0].Name != "pod" || len(list.Items[0].Status.ContainerStatuses) != 5 {
		t.Errorf("%+v", list)
	}
	if code, body := get(t, client, "/healthz"); code != http.StatusOK || body != "ok" {
		t.Errorf("healthz: %d %s", code, body)
	}
	if code, body := get(t, client, "/metrics"); code != http.StatusOK || !strings.Contains(body, "process_resident_memory_bytes") {
		t.Errorf("metrics: %d %s", code, body)
	}
}

func TestRun(t *testing.T) {
	client, _ := serve(t)
	if code, body := do(t, client, "POST", "/run/default/pod/the-uid/lines?cmd=echo+hello+there"); code != 200 || body != "hello there\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, body := do(t, client, "POST", "/run/default/pod/lines?cmd=false"); code != 500 || !strings.Contains(body, "exit") {
		t.Errorf("a command that fails: %d %q", code, body)
	}
}

func TestLogs(t *testing.T) {
	client, _ := serve(t)
	const path = "/containerLogs/default/pod/"
	all := "line 1\nline 2\nline 3\nline 4\nline 5\n"
	eventually(t, client, path+"lines", all)
	for query, want := range map[string]string{
		"lines?tailLines=2":                           "line 4\nline 5\n",
		"lines?tailLines=0":                           "",
		"lines?limitBytes=8":                          "line 1\nl",
		"lines?tailLines=3&limitBytes=6":              "line 3",
		"lines?sinceSeconds=3600":                     all,
		"lines?sinceTime=2100-01-01T00:00:00Z":        "",
		"lines?sinceTime=2020-01-01T00:00:00%2B01:00": all,
		"lines?stream=All":                            all,
		"lines?previous=true":                         "the one before\n",
		"before":                                      "the one before\n",
		"before?follow=true":                          "the one before\n", // it has ended: nothing to follow
	} {
		if code, got := get(t, client, path+query); code != http.StatusOK || got != want {
			t.Errorf("%s: %d %q, want %q", query, code, got, want)
		}
	}
	_, stamped := get(t, client, path+"lines?timestamps=true&tailLines=1")
	stamp, line, _ := strings.Cut(stamped, " ")
	if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || line != "line 5\n" || time.Since(at) > time.Hour {
		t.Errorf("with its time: %q (%v)", stamped, err)
	}
}

// Who follows a log sees a line when it is written, and the log's end when the server ends.
func TestLogsFollow(t *testing.T) {
	client, _, end := serveUntil(t)
	response := open(t, client, http.MethodGet, "/containerLogs/default/pod/serve?follow=true", nil)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	said := fmt.Sprint(time.Now().UnixNano()) // and not what an earlier run of this test said
	script := "until [ -p /say ]; do :; done; echo " + said + " >/say"
	cmd := url.Values{"cmd": {"sh -c " + strings.ReplaceAll(script, " ", "\t")}} // it is split at spaces
	if code, body := do(t, client, "POST", "/run/default/pod/serve?"+cmd.Encode()); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	for lines.Text() != said {
		if !lines.Scan() {
			t.Fatalf("the log ends: %v", lines.Err())
		}
	}
	end()
	if lines.Scan() {
		t.Errorf("after the end: %q", lines.Text())
	}
}

// eventually asks until the answer is as wanted: what a container writes comes when it comes.
func eventually(t *testing.T, client *rest.Config, path, want string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		code, got := get(t, client, path)
		if code == http.StatusOK && got == want {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: %d %q, want %q", path, code, got, want)
		}
	}
}
