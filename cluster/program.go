package cluster

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram unmaps the pages of the program's own file, code and constants. Most of them were
// read by the start and never since; what is needed comes back from the page cache when it is. Only
// mappings that are as they are in the file are touched: not those with a debugger's breakpoints, say.
func forgetProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	var start, end uintptr // of the mapping that the lines are about, if it is one of ours
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 6 && strings.Contains(fields[0], "-"): // addresses, rights, …, file
			start, end = 0, 0
			if fields[5] != program || strings.Contains(fields[1], "w") {
				continue
			}
			if _, err := fmt.Sscanf(fields[0], "%x-%x", &start, &end); err != nil {
				return fmt.Errorf("/proc/self/smaps: %q: %w", lines.Text(), err)
			}
		case len(fields) == 5: // a mapping without a file
			start, end = 0, 0
		case end > start && fields[0] == "Anonymous:" && fields[1] == "0":
			if _, _, errno := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED); errno != 0 {
				return fmt.Errorf("unmap %x-%x: %w", start, end, errno)
			}
		}
	}
	return lines.Err()
}
