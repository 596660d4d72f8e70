package shell

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podling/podling/clock"
)

// ran is what came of a script.
type ran struct {
	code     int
	out, bad string
	took     time.Duration
}

// box is a machine on a clock that jumps.
type box struct {
	*Machine
	t     *testing.T
	clk   *clock.Virtual
	mu    sync.Mutex
	out   map[string]string
	began time.Time
}

func newBox(t *testing.T, change func(*Config)) *box {
	t.Helper()
	clk := clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clk.Resume()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go clk.Run(ctx)
	b := &box{t: t, clk: clk, out: map[string]string{}, began: clk.Now()}
	c := Config{Clock: clk, Hostname: "box", Net: &Net{}, IP: "10.0.0.9", Env: []string{"GIVEN=yes"}, Out: func(stream string, text []byte) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.out[stream] += string(text)
	}}
	if change != nil {
		change(&c)
	}
	b.Machine = New(c)
	return b
}

// start starts the first process; the result comes when it has ended.
func (b *box) start(args ...string) (*Proc, <-chan ran) {
	b.t.Helper()
	done := make(chan ran, 1)
	b.clk.Begin()
	defer b.clk.End()
	p, err := b.Start(args, func(code int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		done <- ran{code, b.out["stdout"], b.out["stderr"], b.clk.Since(b.began)}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return p, done
}

// await is what comes of it within a minute that everybody has.
func (b *box) await(done <-chan ran) ran {
	b.t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(time.Minute):
		b.t.Fatalf("it does not end: %+v", b.clk.State())
		return ran{}
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, script string
		code         int
		out, bad     string
		seconds      int // of virtual time; -1: any
	}{
		{"exit codes", "exit 3", 3, "", "", 0},
		{"the last command's", "true; false", 1, "", "", 0},
		{"beyond a byte", "exit 256", 0, "", "", 0},
		{"not found", "nothere; echo $?", 0, "127\n", "sh: nothere: not found\n", 0},
		{"not found by path", "/no/such", 127, "", "sh: /no/such: not found\n", 0},
		{"not executable", "/etc/passwd", 126, "", "sh: /etc/passwd: Permission denied\n", 0},
		{"syntax", "if", 2, "", "", 0},
		{"sleep", "sleep 2; sleep 0.5; sleep 1m", 0, "", "", 62},
		{"sleep in the background", "sleep 30 & sleep 2", 0, "", "", 2},
		{"wait", "sleep 3 & sleep 5 & wait; echo done", 0, "done\n", "", 5},
		{"wait for one", "(sleep 2; exit 7) & wait $!", 7, "", "", 2},
		{"wait for none", "wait 4711", 127, "", "", 0},
		{"and, or, not", "true && echo a || echo b; ! false && echo c; false || echo d", 0, "a\nc\nd\n", "", 0},
		{"if", "if [ 1 -lt 2 ]; then echo less; elif true; then echo no; else echo more; fi", 0, "less\n", "", 0},
		{"else", "if false; then :; else echo e; fi", 0, "e\n", "", 0},
		{"while", "i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done", 0, "0\n1\n2\n", "", 0},
		{"until and break", "n=0; until false; do n=$((n+1)); [ $n = 4 ] && break; done; echo $n", 0, "4\n", "", 0},
		{"continue 2", "for a in 1 2; do for b in x y; do [ $b = y ] && continue 2; echo $a$b; done; echo never; done", 0, "1x\n2x\n", "", 0},
		{"case", "case abc in x*) echo x;; a?c|z) echo yes;; *) echo no;; esac", 0, "yes\n", "", 0},
		{"functions", "f() { local x=in; echo $1 $x; return 4; }; x=out; f arg; echo $? $x", 0, "arg in\n4 out\n", "", 0},
		{"substitution", "x=$(echo a; echo b); echo \"$x\"; echo `echo c`", 0, "a\nb\nc\n", "", 0},
		{"status of a substitution", "x=$(exit 5); echo $?", 0, "5\n", "", 0},
		{"pipes", "printf 'b\\na\\nb\\n' | sort -u | head -n 1", 0, "a\n", "", 0},
		{"a pipe's status", "exit 3 | true; echo $?; true | exit 4; echo $?", 0, "0\n4\n", "", 0},
		{"a pipe whose reader has gone", "yes | head -n 2", 0, "y\ny\n", "", -1},
		{"slow pipes", "(sleep 2; echo late) | cat", 0, "late\n", "", 2},
		{"files", "echo one > /tmp/f; echo two >> /tmp/f; cat /tmp/f; wc -l < /tmp/f", 0, "one\ntwo\n2\n", "", 0},
		{"what is not there", "cat /tmp/none; echo $?", 0, "1\n", "cat: can't open '/tmp/none': No such file or directory\n", 0},
		{"redirect into nothing", "echo x > /none/f; echo $?", 0, "1\n", "sh: can't create /none/f: nonexistent directory\n", 0},
		{"here documents", "x=5; cat <<E\nx is $x\nE\n", 0, "x is 5\n", "", 0},
		{"stderr to stdout", "nothere 2>&1 | cat", 0, "sh: nothere: not found\n", "", 0},
		{"folders", "mkdir -p /a/b; touch /a/b/c; ls /a/b; cd /a; pwd; ls b/*; rm -r /a; [ -e /a ] || echo gone", 0, "c\n/a\nb/c\ngone\n", "", 0},
		{"links", "echo x > /tmp/t; ln -s t /tmp/l; cat /tmp/l; readlink /tmp/l; rm /tmp/l; cat /tmp/t", 0, "x\nt\nx\n", "", 0},
		{"set -e", "set -e; false || true; if false; then :; fi; false; echo never", 1, "", "", 0},
		{"set -u", "set -u; echo $none", 2, "", "sh: none: parameter not set\n", 0},
		{"defaults", "echo ${a:-b} ${GIVEN} ${#GIVEN} ${GIVEN%es}", 0, "b yes 3 y\n", "", 0},
		{"parameters", "set -- a 'b c'; echo $# \"$2\"; for x; do echo $x; done; shift; echo $1", 0, "2 b c\na\nb c\nb c\n", "", 0},
		{"exec", "exec echo gone; echo never", 0, "gone\n", "", 0},
		{"exec of nothing", "exec nothere; echo never", 127, "", "sh: exec: nothere: not found\n", 0},
		{"exec with redirections", "exec > /tmp/o; echo hidden; cat /tmp/o >&2", 0, "", "hidden\n", 0},
		{"a trap at the end", "trap 'echo bye' EXIT; exit 3", 3, "bye\n", "", 0},
		{"a trap at the end that exits", "trap 'exit 9' EXIT; exit 3", 9, "", "", 0},
		{"a signal to itself", "trap 'echo got' USR1; kill -USR1 $$; echo after", 0, "got\nafter\n", "", 0},
		{"a child that is killed", "sleep 100 & kill $!; wait $!; echo $?", 0, "143\n", "", 0},
		{"a child's trap", "(trap 'echo child; exit 3' TERM; sleep 100 & wait) & sleep 1; kill $!; wait $!; echo $?", 0, "child\n3\n", "", 1},
		{"SIGKILL of the first process from within", "kill -9 $$; echo still here", 0, "still here\n", "", 0},
		{"read", "printf 'a b c\\nx' | { read one rest; echo $rest; read two; echo $two $?; }", 0, "b c\nx 1\n", "", 0},
		{"while read", "printf '1\\n2\\n' | while read n; do echo n$n; done", 0, "n1\nn2\n", "", 0},
		{"environment", "A=1 env | grep ^A=; export B=2; env | grep ^B=; echo ${A:-unset}", 0, "A=1\nB=2\nunset\n", "", 0},
		{"timeout", "timeout 2 sleep 10; echo $?", 0, "143\n", "", 2},
		{"date goes with the clock", "a=$(date +%s); sleep 100; b=$(date +%s); echo $((b-a))", 0, "100\n", "", 100},
		{"busy loops end", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i", 0, "20000\n", "", -1},
		{"sh in sh", "sh -c 'echo $0 $1; exit 4' name arg; echo $?", 0, "name arg\n4\n", "", 0},
		{"scripts", "printf '#!/bin/sh\\necho $1; exit 2\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s hi; echo $?", 0, "hi\n2\n", "", 0},
		{"tr and head", "head -c 3 /dev/zero | tr '\\0' x", 0, "xxx", "", 0},
		{"seq and expr", "seq 2; expr 3 + 4; seq 3 -1 2", 0, "1\n2\n7\n3\n2\n", "", 0},
		{"echo", "echo -n a; echo -e 'b\\tc'", 0, "ab\tc\n", "", 0},
		{"printf", "printf '%s-%d\\n' a 1 b 2", 0, "a-1\nb-2\n", "", 0},
		{"a web server", "mkdir /w; echo page > /w/index.html; httpd -p 8080 -h /w; wget -qO- http://localhost:8080/; wget -q http://localhost:81/; echo $?", 0, "page\n1\n", "wget: can't connect to remote host (127.0.0.1): Connection refused\n", 0},
		{"background output", "(sleep 1; echo late) & echo early; wait", 0, "early\nlate\n", "", 1},
		{"hidden by the last command", "false | true", 0, "", "", 0},
		{"nested functions and subshells", "f() { (exit 3); }; f || echo $?", 0, "3\n", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, nil)
			_, done := b.start("sh", "-c", test.script)
			got := b.await(done)
			if got.code != test.code || got.out != test.out || got.bad != test.bad && test.name != "syntax" {
				t.Errorf("%q: %+v", test.script, got)
			}
			if s := int(got.took.Seconds()); test.seconds >= 0 && s != test.seconds {
				t.Errorf("%q took %v, want %d s", test.script, got.took, test.seconds)
			}
		})
	}
}

// How the first process takes SIGTERM three seconds after its start.
func TestStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		args    []string
		code    int
		seconds int
	}{
		{"no trap", []string{"sh", "-c", "sleep 3600 & wait"}, 137, 13},
		{"a program", []string{"sleep", "3600"}, 137, 13},
		{"wait is interrupted", []string{"sh", "-c", "trap 'exit 5' TERM; sleep 3600 & wait"}, 5, 3},
		{"a trap that takes its time", []string{"sh", "-c", "trap 'sleep 2; exit 0' TERM; sleep 3600 & wait"}, 0, 5},
		{"a trap waits for the command", []string{"sh", "-c", "trap 'exit 5' TERM; sleep 7; exit 1"}, 5, 7},
		{"ignored", []string{"sh", "-c", "trap '' TERM; sleep 3600 & wait; sleep 3600"}, 137, 13},
		{"exec drops the trap", []string{"sh", "-c", "trap 'exit 5' TERM; exec sleep 3600"}, 137, 13},
		{"a loop", []string{"sh", "-c", "trap 'rm -f /tmp/ok; exit 4' TERM; while true; do sleep 0.2; done"}, 4, 3},
		{"after wait the script goes on", []string{"sh", "-c", "trap 'x=1' TERM; sleep 3600 & wait; exit $((x+6))"}, 7, 3},
		{"a busy loop is killed", []string{"sh", "-c", "while :; do :; done"}, 137, 13},
		{"a pipe is killed", []string{"sh", "-c", "sleep 3600 | cat"}, 137, 13},
		{"a substitution is killed", []string{"sh", "-c", "x=$(sleep 3600)"}, 137, 13},
		{"a server", []string{"httpd", "-f", "-p", "80"}, 137, 13},
		{"reset", []string{"sh", "-c", "trap 'exit 5' TERM; trap - TERM; sleep 3600 & wait"}, 137, 13},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, nil)
			b.clk.Pause()
			p, done := b.start(test.args...)
			b.clk.AfterFunc(3*time.Second, func() { b.Signal(p, sigTerm) })
			b.clk.AfterFunc(13*time.Second, func() { b.Signal(p, sigKill) })
			b.clk.Resume()
			got := b.await(done)
			if got.code != test.code || int(got.took.Seconds()) != test.seconds {
				t.Errorf("%+v, want %d after %d s", got, test.code, test.seconds)
			}
		})
	}
}

// Where the first process is the pod's, a container's own has no protection.
func TestSharedProcesses(t *testing.T) {
	t.Parallel()
	for script, code := range map[string]int{"kill -9 $$": 137, "kill $$; sleep 1": 143, "echo $$; exit 0": 0} {
		b := newBox(t, func(c *Config) { c.FirstPID = 7 })
		_, done := b.start("sh", "-c", script)
		if got := b.await(done); got.code != code {
			t.Errorf("%q: %+v", script, got)
		}
	}
	told := 0
	b := newBox(t, func(c *Config) { c.FirstPID = 7; c.Init = func(signal int) { told = signal } })
	_, done := b.start("sh", "-c", "kill -TERM 1; exit 0")
	if got := b.await(done); got.code != 0 || told != sigTerm {
		t.Errorf("%+v, told %d", got, told)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"x=$(head -c 100000000 /dev/zero | tr '\\0' x)", "tail /dev/zero", "dd if=/dev/zero of=/dev/null bs=100M", "x=a; while :; do x=$x$x; done"} {
		killed := false
		b := newBox(t, func(c *Config) { c.Memory = 24 << 20; c.OOM = func() { killed = true } })
		_, done := b.start("sh", "-c", script+"; echo survived")
		if got := b.await(done); got.code != 137 || !killed || got.out != "" {
			t.Errorf("%q: %+v, out of memory: %v", script, got, killed)
		}
	}
}

// Commands that are run beside the first process: probes and hooks.
func TestExec(t *testing.T) {
	t.Parallel()
	b := newBox(t, nil)
	p, done := b.start("sh", "-c", "touch /tmp/ok; sleep 5; rm /tmp/ok; sleep 3600")
	b.clk.Begin()
	b.clk.Sleep(time.Second)
	exec := func(limit time.Duration, args ...string) Result {
		r, err := b.Exec(t.Context(), args, limit)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := exec(0, "cat", "/tmp/ok"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	b.clk.Sleep(5 * time.Second)
	if r := exec(0, "cat", "/tmp/ok"); r.Code != 1 || string(r.Stderr) != "cat: can't open '/tmp/ok': No such file or directory\n" {
		t.Errorf("%+v", r)
	}
	began := b.clk.Now()
	if r := exec(time.Second, "sh", "-c", "echo begun; sleep 10"); !r.TimedOut || string(r.Stdout) != "begun\n" || b.clk.Since(began) != time.Second {
		t.Errorf("%+v after %v", r, b.clk.Since(began))
	}
	if r := exec(time.Second, "sh", "-c", "(sleep 10); x=$(sleep 5)"); !r.TimedOut {
		t.Errorf("%+v", r)
	}
	if _, err := b.Exec(t.Context(), []string{"nothere"}, 0); err == nil || err.Error() != `exec: "nothere": executable file not found in $PATH` {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := b.Exec(ctx, []string{"sleep", "1000"}, 0); err != nil || r.Code != 137 {
		t.Errorf("the caller has gone: %+v, %v", r, err)
	}
	b.clk.AfterFunc(2*time.Second, func() { b.Signal(p, sigKill) })
	if r := exec(0, "sleep", "100"); r.Code != 137 { // it ends with its container
		t.Errorf("%+v", r)
	}
	b.clk.End()
	b.await(done)
	if r := exec(0, "true"); r.Code != 137 {
		t.Errorf("in a container that is over: %+v", r)
	}
}

// Volumes outlive containers, and containers share them.
func TestVolumes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := NewVolumes()
	with := func(c *Config) {
		c.Volumes = v
		c.Mounts = []Mount{{HostPath: dir + "/empty", Path: "/d"}, {HostPath: dir + "/empty", Path: "/ro", ReadOnly: true}}
	}
	count := "n=$(cat /d/n 2>/dev/null || echo 0); echo $((n+1)) > /d/n; echo $n; touch /tmp/own; touch /ro/x"
	for _, want := range []string{"0\n", "1\n", "2\n"} {
		b := newBox(t, with)
		_, done := b.start("sh", "-c", count)
		if got := b.await(done); got.out != want || got.bad != "touch: /ro/x: Read-only file system\n" {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	b := newBox(t, with)
	_, done := b.start("sh", "-c", "ls /tmp /d")
	if got := b.await(done); strings.Contains(got.out, "own") || !strings.Contains(got.out, "n\n") {
		t.Errorf("%+v", got)
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	b := newBox(t, nil)
	for program, want := range map[string]string{
		"nothere":       `exec: "nothere": executable file not found in $PATH`,
		"/no/such/file": `exec: "/no/such/file": stat /no/such/file: no such file or directory`,
		"/etc/passwd":   `exec: "/etc/passwd": permission denied`,
		"/tmp":          `exec: "/tmp": is a directory`,
	} {
		if _, err := b.Start([]string{program}, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", program, err)
		}
	}
	foreign := newBox(t, func(c *Config) { c.Foreign = true })
	_, done := foreign.start("sh", "-c", "migrate && exec server --port 80")
	p := foreign.find(1)
	foreign.clk.AfterFunc(time.Second, func() { foreign.Signal(p, sigTerm) })
	if got := foreign.await(done); got.code != 0 || int(got.took.Seconds()) != 1 || got.bad != "" {
		t.Errorf("%+v", got)
	}
}
