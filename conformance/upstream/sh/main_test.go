package main

import "testing"

func TestShell(t *testing.T) {
	for variable, want := range map[string]string{
		"PATH=/bin": "/bin/busybox", "_1=a-b=c": "/bin/busybox", "EMPTY=": "/bin/busybox",
		"data-1=x": "/bin/bash", "1A=x": "/bin/bash", "#@!data_1=x": "/bin/bash", "=x": "/bin/bash",
	} {
		if got := shell([]string{"HOME=/", variable, "LAST=1"}); got != want {
			t.Errorf("%s: %s; want %s", variable, got, want)
		}
	}
	if got := shell(nil); got != "/bin/busybox" {
		t.Errorf("without an environment: %s", got)
	}
}
