package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Containerd is the process of the containerd on a podling's data folder, whichever podling started it.
func Containerd(data string) (pid int, err error) {
	config := filepath.Join(data, "containerd", "containerd.toml")
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if args := strings.Split(string(line), "\x00"); filepath.Base(args[0]) == "containerd" && slices.Contains(args, config) {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("no containerd runs with %s", config)
}
