package writes

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ToDisk adds up the bytes that the processes have caused to be written to disks since
// they began: whole pages, when they were changed, so also of files that are not
// waited for.
func ToDisk(pids ...int) (int64, error) {
	var all int64
	for _, pid := range pids {
		path := fmt.Sprintf("/proc/%d/io", pid)
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		n, err := parseIO(string(text))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		all += n
	}
	return all, nil
}

// parseIO reads the line "write_bytes: 1234".
func parseIO(text string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("%q lacks write_bytes", text)
}
