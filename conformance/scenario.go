package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Scenario is a folder with pod.yaml, steps.sh and golden.json.
type Scenario struct {
	Name string // the folder's name
	Dir  string
}

// Scenarios finds scenarios by name below root, or by the path of their folder;
// without names, all that are below root.
func Scenarios(root string, names ...string) ([]Scenario, error) {
	if len(names) == 0 {
		entries, err := os.ReadDir(root)
		if err != nil {
			return nil, fmt.Errorf("folder of scenarios: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	var found []Scenario
	var errs []error
	for _, name := range names {
		dir := name
		if !strings.ContainsRune(name, filepath.Separator) {
			dir = filepath.Join(root, name)
		}
		if _, err := os.Stat(filepath.Join(dir, "steps.sh")); err != nil {
			errs = append(errs, fmt.Errorf("scenario %s: %w", name, err))
			continue
		}
		found = append(found, Scenario{Name: filepath.Base(dir), Dir: dir})
	}
	return found, errors.Join(errs...)
}

// Names reads a list of scenarios, one a line; what follows a # is a remark.
func Names(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		name := strings.TrimSpace(text)
		if name == "" {
			continue
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("%s: %s stands there twice", path, name)
		}
		names = append(names, name)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return names, nil
}
