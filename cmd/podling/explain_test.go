package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const recordedPod = `{"time":"2026-01-02T03:04:06Z","event":"MODIFIED","namespace":"shop","name":"p","status":{"phase":"Pending","containerStatuses":[{"name":"main","state":{"waiting":{"reason":"InvalidImageName"}}}]},"metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"main","image":"App:1"}]}}
{"time":"2026-01-02T03:04:06Z","event":"MODIFIED","namespace":"shop","name":"done","status":{"phase":"Succeeded"},"metadata":{"name":"done"},"spec":{"nodeName":"n","containers":[{"name":"main","image":"app:1"}]}}
`

// The exit code says whether all is healthy; the outputs are for people and for programs.
func TestExplainRecording(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.jsonl")
	if err := os.WriteFile(file, []byte(recordedPod), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, out string
		code      int
	}{
		{"p", `"App:1" is no valid image name for container main`, 3},
		{"done", "has done its work", 0},
		{"--unhealthy", "Pod shop/p does not start", 3},
		{"p -o json", `"cause": "ImageName"`, 3},
		{"nobody", "", 1},
	} {
		code, out, errOut := podling(t, append([]string{"explain", "-f", file}, strings.Fields(test.args)...)...)
		if code != test.code || !strings.Contains(out, test.out) {
			t.Errorf("explain -f %s: %d, want %d\n%s%s", test.args, code, test.code, out, errOut)
		}
		if strings.Contains(test.args, "json") && !json.Valid([]byte(out)) {
			t.Errorf("no JSON: %s", out)
		}
	}
}

func TestExplainRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"":                              "name a pod",
		"-A p":                          "do not go with names",
		"secret/x":                      `"secret" is no kind that can be explained`,
		"deployment/":                   "a name has to follow",
		"p -o yaml":                     `"yaml"`,
		"-l a=b=c":                      "--selector",
		"-f x -A":                       "--filename",
		"p --kubeconfig /nowhere/there": "there is no kubeconfig",
		"-f /nowhere":                   "no such file",
	} {
		code, _, errOut := podling(t, append([]string{"explain"}, strings.Fields(args)...)...)
		if wanted := map[bool]int{true: 1, false: 2}[strings.Contains(args, "/nowhere")]; code != wanted || !strings.Contains(errOut, want) {
			t.Errorf("explain %s: %d, %s", args, code, errOut)
		}
	}
}
