// Package memory reads how much memory processes hold.
package memory

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// A Usage is the memory of one or more processes, in bytes.
type Usage struct {
	Resident  uint64 // Rss: pages in memory, those of the program's file too
	Anonymous uint64 // of them, those that are no file's: heap, stacks
}

// Of adds up what the kernel says of the processes in /proc/PID/smaps_rollup.
func Of(pids ...int) (Usage, error) {
	var all Usage
	for _, pid := range pids {
		path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
		f, err := os.Open(path)
		if err != nil {
			return Usage{}, err
		}
		u, err := parse(f)
		f.Close() // was only read
		if err != nil {
			return Usage{}, fmt.Errorf("%s: %w", path, err)
		}
		all.Resident += u.Resident
		all.Anonymous += u.Anonymous
	}
	return all, nil
}

// parse reads lines like "Rss:   1234 kB".
func parse(r io.Reader) (Usage, error) {
	var u Usage
	fields := map[string]*uint64{"Rss:": &u.Resident, "Anonymous:": &u.Anonymous}
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return Usage{}, err
			}
			break
		}
		f := strings.Fields(lines.Text())
		if len(f) != 3 || fields[f[0]] == nil {
			continue
		}
		kilobytes, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		*fields[f[0]] = kilobytes << 10
		delete(fields, f[0])
	}
	if len(fields) > 0 {
		return Usage{}, fmt.Errorf("lacks Rss or Anonymous")
	}
	return u, nil
}
