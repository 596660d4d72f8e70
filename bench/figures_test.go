package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	var f figures
	for _, v := range []float64{3, 1, 2, 100} {
		f.add("all gone", "s", podling, v)
	}
	f.add("all gone", "s", reference, 10)
	f.add("at rest", "MB", podling, 150.4)
	var table bytes.Buffer
	if err := f.print(&table, systems, []pair{{podling, reference}, {podling, bare}}); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(table.String(), "\n")
	for i, want := range []string{
		"median (lowest to highest) podling reference bare CRI podling/reference podling/bare CRI",
		"all gone s 2.50 (1.00 to 100) 10.0 - 0.25 -",
		"at rest MB 150 - - - -",
	} {
		if line := strings.Join(strings.Fields(got[i]), " "); line != want {
			t.Errorf("line %d: %q; want %q", i+1, line, want)
		}
	}

	path := filepath.Join(t.TempDir(), "out", "bench.json")
	if err := f.write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read figures
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if len(read) != 2 || len(read[0].Values[podling]) != 4 || read[0].Values[podling][3] != 100 {
		t.Errorf("the file has %s; want every value", text)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{7: {7}, 2: {3, 1, 2}, 2.5: {4, 1, 3, 2}} {
		if got := median(values); got != want {
			t.Errorf("median(%v) = %v; want %v", values, got, want)
		}
	}
}

func TestPidsIn(t *testing.T) {
	const variable = "PODLING_BENCH_REFERENCE_PIDS"
	t.Setenv(variable, "12, 34\n56")
	pids, err := pidsIn(variable)
	if err != nil || len(pids) != 3 || pids[0] != 12 || pids[2] != 56 {
		t.Errorf("pids %v, %v; want 12, 34 and 56", pids, err)
	}
	t.Setenv(variable, "12 etcd")
	if pids, err := pidsIn(variable); err == nil {
		t.Errorf("pids %v; want an error that names what is no process id", pids)
	}
}

func TestSizes(t *testing.T) {
	if got, err := sizes("1000,5000"); err != nil || !slices.Equal(got, []int{1000, 5000}) {
		t.Errorf("sizes = %v, %v", got, err)
	}
	for _, text := range []string{"", "1000,", "0", "many"} {
		if got, err := sizes(text); err == nil {
			t.Errorf("sizes(%q) = %v; want an error", text, got)
		}
	}
}
