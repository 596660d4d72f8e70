// Command sh is the shell in the images that stand in for upstream's. Theirs is
// busybox's, which passes environment variables on whose names are not a shell's, like
// data-1; the one in Debian's busybox drops them. So it is Debian's where there are
// none, for its messages, and bash where there are.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
)

func main() {
	program := shell(os.Environ())
	err := syscall.Exec(program, append([]string{"/bin/sh"}, os.Args[1:]...), os.Environ())
	fmt.Fprintf(os.Stderr, "/bin/sh: %s: %v\n", program, err)
	os.Exit(126)
}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// shell is the one that passes this environment on.
func shell(environment []string) string {
	for _, variable := range environment {
		if name, _, _ := strings.Cut(variable, "="); !plain.MatchString(name) {
			return "/bin/bash"
		}
	}
	return "/bin/busybox"
}
