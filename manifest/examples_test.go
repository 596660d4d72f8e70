package manifest

import (
	"path/filepath"
	"testing"
)

// What people are shown first is right.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	docs, err := Read(files, nil)
	if err == nil {
		err = Check(docs)
	}
	if err != nil {
		t.Error(err)
	}
}
