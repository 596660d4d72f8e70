package atlas

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podling/podling/lifecycle/reason"
)

const docs = "../docs/atlas"

// The files in docs/atlas are what would be made now, neither more nor less.
func TestDocsAreWhatIsMade(t *testing.T) {
	files, err := Markdown()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/atlas/%s is not what is made (%v): podling atlas --markdown docs/atlas", name, err)
		}
	}
	for _, pattern := range []string{"*.md", "zh/*.md"} {
		there, err := filepath.Glob(filepath.Join(docs, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range there {
			if name, _ := filepath.Rel(docs, path); files[filepath.ToSlash(name)] == nil {
				t.Errorf("%s is not made any more", path)
			}
		}
	}
}

// Every text of lifecycle/reason has a translation, and every translation is of a text.
func TestTranslationsAreWhole(t *testing.T) {
	have, err := Chinese.texts()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	missing := 0
	need := func(text string) {
		if used[text] || text == "" {
			return
		}
		used[text] = true
		if _, ok := have[text]; !ok {
			if missing++; missing <= 10 {
				t.Errorf("zh.txt has no translation of %q", text)
			}
		}
	}
	for _, r := range reason.All() {
		need(r.Meaning)
		need(r.By)
		need(r.Next)
		need(r.Example.How)
		for _, text := range append(r.Causes, r.Fix...) {
			need(text)
		}
	}
	if missing > 0 {
		t.Errorf("%d are missing in all", missing)
	}
	for text := range have {
		if !used[text] {
			t.Errorf("zh.txt translates %q, which nobody says any more", text)
		}
	}
}

// Every example that a pod shows on a cluster of its own has been recorded, and its recording shows the word.
func TestRecordingsShowTheWord(t *testing.T) {
	seen, err := transitions()
	if err != nil {
		t.Fatal(err)
	}
	recordings := 0
	for _, r := range reason.All() {
		if r.Example.File == "" || r.Kind == reason.Node {
			continue
		}
		recording, err := recordingOf(r.Example.File)
		if err != nil {
			t.Error(err)
		}
		if recording == nil {
			continue
		}
		recordings++
		text := recording.String()
		if r.Kind != reason.Phase && !strings.Contains(text, r.Name) {
			t.Errorf("%s %s: the recording of %s does not show it", r.Kind, r.Name, r.Example.File)
		}
	}
	if recordings < 100 {
		t.Errorf("only %d words have a recording", recordings)
	}
	for _, want := range []edge{{containerPlace, "running", "terminated OOMKilled"}, {containerPlace, "waiting ContainerCreating", "running"}, {phasePlace, "Pending", "Running"}} {
		if seen[want] == 0 {
			t.Errorf("no recording shows %v", want)
		}
	}
}

func TestFind(t *testing.T) {
	for _, l := range Languages {
		e, err := Find("crashloopbackoff", l)
		if err != nil || len(e) != 1 || e[0].Name != "CrashLoopBackOff" || !strings.Contains(e[0].Manifest, "kind: Pod") {
			t.Fatalf("%v, %v", e, err)
		}
		var out bytes.Buffer
		if err := Print(&out, &e[0], l); err != nil || !strings.Contains(out.String(), l.heads().causes) {
			t.Errorf("%v: %s", err, out.String())
		}
		if text, err := json.Marshal(e[0]); err != nil || bytes.Contains(text, []byte(`":null,"where`)) {
			t.Errorf("%v: %.200s", err, text)
		}
		out.Reset()
		if err := List(&out, l); err != nil || strings.Count(out.String(), "\n") < 120 {
			t.Errorf("%v: %s", err, out.String())
		}
	}
	if _, err := Find("CrashLopBackOff", English); err == nil || !strings.Contains(err.Error(), "did you mean CrashLoopBackOff?") {
		t.Errorf("a name that is near: %v", err)
	}
	if _, err := Find("OOMKilled", "fr"); err == nil || !strings.Contains(err.Error(), "en and zh") {
		t.Errorf("another language: %v", err)
	}
}
