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
	// Alone says that it is not played beside others: the folder has alone.txt, which says why.
	Alone bool
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
		_, err := os.Stat(filepath.Join(dir, "alone.txt"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("scenario %s: %w", name, err))
		}
		found = append(found, Scenario{Name: filepath.Base(dir), Dir: dir, Alone: err == nil})
	}
	return found, errors.Join(errs...)
}

// Names reads a list of scenarios, one a line; what follows a # is a remark.
func Names(path string) ([]string, error) {
	var names []string
	err := eachLine(path, func(line string) error {
		if slices.Contains(names, line) {
			return fmt.Errorf("%s stands there twice", line)
		}
		names = append(names, line)
		return nil
	})
	return names, err
}

// Reasons reads a list of scenarios with a reason behind each: NAME WHY.
func Reasons(path string) (map[string]string, error) {
	why := map[string]string{}
	err := eachLine(path, func(line string) error {
		name, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); reason == "" {
			return fmt.Errorf("%s: no reason is given", name)
		}
		if why[name] != "" {
			return fmt.Errorf("%s stands there twice", name)
		}
		why[name] = reason
		return nil
	})
	return why, err
}

// eachLine hands over the lines that have more than a remark, which begins with a #.
func eachLine(path string, do func(line string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if err := do(text); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
