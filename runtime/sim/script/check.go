package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a pod's script from YAML or JSON. The error names every field that
// is wrong, and its line.
func Parse(text string) (PodScript, error) {
	p := &problems{where: "script"}
	var out PodScript
	d := yaml.NewDecoder(strings.NewReader(text))
	var doc yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return out, nil
	case err != nil:
		return out, fmt.Errorf("%s: %w", p.where, err)
	}
	p.decode(doc.Content[0], "", reflect.ValueOf(&out).Elem())
	out.check(p, &yaml.Node{}, "")
	if more := new(yaml.Node); d.Decode(more) == nil {
		p.add(more, "", "a second document: a pod has one script")
	}
	if err := p.err(); err != nil {
		return PodScript{}, err
	}
	return out, nil
}

// OfPod is the script in a pod's annotations; nil if there is none.
func OfPod(annotations map[string]string) (*PodScript, error) {
	text := annotations[Annotation]
	if text == "" {
		return nil, nil
	}
	s, err := Parse(text)
	if err != nil {
		if p := new(problems); errors.As(err, &p) {
			p.where = "annotation " + Annotation
			return nil, p
		}
		return nil, fmt.Errorf("annotation %s: %w", Annotation, err)
	}
	return &s, nil
}

// Check says what is wrong with a script that was made as a Go value.
func (p PodScript) Check() error {
	text, err := yaml.Marshal(yamlOf(p.String()))
	if err != nil {
		return err
	}
	_, err = Parse(string(text))
	if all := new(problems); errors.As(err, &all) {
		for i := range all.list {
			all.list[i].line = 0 // of a text that nobody has written
		}
	}
	return err
}

func yamlOf(text string) (v any) {
	_ = yaml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&v) // JSON is YAML
	return v
}

func (s *PodScript) check(p *problems, n *yaml.Node, at string) {
	s.Script.check(p, n, at)
	for _, name := range slices.Sorted(maps.Keys(s.Containers)) {
		one := s.Containers[name]
		one.check(p, n, join(join(at, "containers"), name))
	}
}

func (s *Script) check(p *problems, n *yaml.Node, at string) {
	s.Run.check(p, n, at)
	for i := range s.Runs {
		s.Runs[i].check(p, n, join(at, fmt.Sprintf("runs[%d]", i)))
	}
}

func (r *Run) check(p *problems, n *yaml.Node, at string) {
	if e := r.Exit; e != nil {
		at := join(at, "exit")
		code(p, n, at, e.Code)
		ways := 0
		for _, given := range []bool{e.Code != 0, e.Signal != "", e.OOM} {
			if given {
				ways++
			}
		}
		if ways > 1 {
			p.add(n, at, "code, signal and oom are different ends: give one of them")
		}
		if _, ok := SignalNumber(e.Signal); e.Signal != "" && !ok {
			p.add(n, join(at, "signal"), "%q is no signal such as SIGTERM or SIGSEGV", e.Signal)
		}
	}
	if r.Stop != nil {
		at := join(at, "stop")
		code(p, n, at, r.Stop.Code)
		if r.Stop.Ignore && (r.Stop.After != 0 || r.Stop.Code != 0) {
			p.add(n, at, "a signal that is ignored has no after and no code")
		}
	}
	for i, l := range r.Logs {
		at := join(at, fmt.Sprintf("logs[%d]", i))
		if strings.Contains(l.Line, "\n") {
			p.add(n, join(at, "line"), "%q is more than one line", l.Line)
		}
		if l.Stream != "" && l.Stream != "stdout" && l.Stream != "stderr" {
			p.add(n, join(at, "stream"), "%q is neither stdout nor stderr", l.Stream)
		}
	}
	if r.Probes != nil {
		for _, kind := range []struct {
			name string
			list []Probe
		}{{"startup", r.Probes.Startup}, {"readiness", r.Probes.Readiness}, {"liveness", r.Probes.Liveness}} {
			for i := 1; i < len(kind.list); i++ {
				if kind.list[i].After < kind.list[i-1].After {
					p.add(n, join(at, fmt.Sprintf("probes.%s[%d].after", kind.name, i)), "comes before the answer above it")
				}
			}
		}
	}
}

func code(p *problems, n *yaml.Node, at string, code int32) {
	if code < 0 || code > 255 {
		p.add(n, join(at, "code"), "%d is no exit code: they go from 0 to 255", code)
	}
}

// signals by their names, as Linux numbers them.
var signals = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
	"SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "WINCH": 28, "SYS": 31}

// SignalNumber is the number of a signal, by its name with or without SIG.
func SignalNumber(name string) (int, bool) {
	n, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	return n, ok
}
