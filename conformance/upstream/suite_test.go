package upstream

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRun plays programs in ginkgo's place: what they report counts, not their exit code.
func TestRun(t *testing.T) {
	report := "cat > report.json <<'E'\n" + reported + "\nE\n"
	for name, test := range map[string]struct {
		program string
		held    int
		err     string
	}{
		"specs fail":        {"echo '• [1.5 seconds]'; echo '[sig-node] Secrets'\n" + report + "exit 1", 1, ""},
		"nothing to report": {"exit 1", 0, "exit status 1"},
		"report cut short":  {"echo '[{' > report.json", 0, "unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			s, ended := fake(t, test.program)
			write(t, filepath.Join(s.Dir, "report.json"), reported) // of the run before
			results, err := s.Run(t.Context())
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v; want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if score := Judge(results, nil); score.Holds != test.held || len(*ended) != 1 {
				t.Errorf("%+v, told of %q", score, *ended)
			}
			log, err := os.ReadFile(filepath.Join(s.Dir, "e2e.log"))
			if err != nil || !strings.Contains(string(log), "[sig-node] Secrets") {
				t.Errorf("the log has %q, %v", log, err)
			}
		})
	}
}

// TestRunInterrupted: the suite may clean up, and all of its processes end.
func TestRunInterrupted(t *testing.T) {
	s, _ := fake(t, "trap 'echo cleaned >> cleaned; exit 1' INT\necho '• [1 seconds]'; echo started\nwhile :; do sleep 0.1; done")
	ctx, cancel := context.WithCancel(t.Context())
	s.Progress = func(string, bool, time.Duration) { cancel() }
	begin := time.Now()
	if results, err := s.Run(ctx); err == nil {
		t.Errorf("interrupted, and %v", results)
	}
	if took := time.Since(begin); took > stopLimit/2 {
		t.Errorf("it took %v", took)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "cleaned")); err != nil {
		t.Error(err)
	}
}

// fake is a suite that a shell script plays, and the names that it told of.
func fake(t *testing.T, program string) (Suite, *[]string) {
	t.Helper()
	dir, ended := t.TempDir(), []string{}
	ginkgo := filepath.Join(dir, "ginkgo")
	if err := os.WriteFile(ginkgo, []byte("#!/bin/bash\n"+program+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return Suite{
		Built: Built{Ginkgo: ginkgo}, Focus: regexp.MustCompile(Focus), Jobs: 1, Dir: dir,
		Progress: func(name string, _ bool, _ time.Duration) { ended = append(ended, name) },
	}, &ended
}
