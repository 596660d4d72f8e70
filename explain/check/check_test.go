package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podling/podling/podlingtest"
)

const broken = "../testdata/broken"

// patience is for a case on a machine that is busy.
const patience = 90 * time.Second

// Every broken pod is made on simulated containers, and its true root cause is named.
func TestBroken(t *testing.T) {
	cases, err := Load(broken)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	c := podlingtest.Start(t)
	stage, err := NewStage(t.Context(), c.Config)
	if err != nil {
		t.Fatal(err)
	}
	turns := make(chan struct{}, 12)
	var all sync.WaitGroup
	for _, one := range cases {
		if one.Only != "" && one.Only != podlingtest.Sim {
			continue
		}
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			r := stage.Play(t.Context(), one, patience)
			if r.Err != nil {
				t.Errorf("%s: %v", one.Name, r.Err)
			}
			for _, wrong := range r.Wrong {
				t.Errorf("%s: a wrong verdict on the way, %s", one.Name, wrong)
			}
		})
	}
	all.Wait()
}

// Every case has a row in the table.
func TestTableIsWhole(t *testing.T) {
	cases, err := Load(broken)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "explain-check.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if !strings.Contains(string(text), "| "+c.Name+" |") {
			t.Errorf("docs/explain-check.md has no row for %s: go run ./explain/check -write", c.Name)
		}
	}
}
