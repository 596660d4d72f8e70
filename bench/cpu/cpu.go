// Package cpu reads how much processor time processes have used.
package cpu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: Linux tells programs of a hundred a second,
// whatever the kernel itself counts by (USER_HZ).
const tick = 10 * time.Millisecond

// Of adds up what the processes have used since they began, in user and in kernel
// mode, each with those of its children that have ended.
func Of(pids ...int) (time.Duration, error) {
	var all time.Duration
	for _, pid := range pids {
		path := fmt.Sprintf("/proc/%d/stat", pid)
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		used, err := parse(string(text))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		all += used
	}
	return all, nil
}

// parse reads fields 14 to 17 of proc(5)'s stat: utime, stime, cutime, cstime. The
// second is the program's name in brackets, which may have anything in it.
func parse(stat string) (time.Duration, error) {
	const first, last, behindName = 14, 17, 3
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= last-behindName {
		return 0, fmt.Errorf("%q has no times", stat)
	}
	var ticks int64
	for _, field := range fields[first-behindName : last-behindName+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q: %w", stat, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
