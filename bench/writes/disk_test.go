package writes

import (
	"os"
	"testing"
)

func TestParseIO(t *testing.T) {
	n, err := parseIO("rchar: 9\nwchar: 8\nread_bytes: 0\nwrite_bytes: 40960\ncancelled_write_bytes: 7\n")
	if err != nil || n != 40960 {
		t.Errorf("parseIO = %d, %v; want 40960", n, err)
	}
	for _, text := range []string{"", "wchar: 8\n", "write_bytes: many\n"} {
		if n, err := parseIO(text); err == nil {
			t.Errorf("parseIO(%q) = %d; want an error", text, n)
		}
	}
}

func TestToDisk(t *testing.T) {
	if _, err := ToDisk(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := ToDisk(-1); err == nil {
		t.Error("no error for a process that cannot be")
	}
}
