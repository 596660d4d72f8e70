package memory

import (
	"os"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const rollup = `00400000-7ffc0000 ---p 00000000 00:00 0    [rollup]
Rss:              201000 kB
Pss:              180000 kB
Pss_Anon:          90000 kB
Anonymous:         94000 kB
LazyFree:              0 kB
`
	u, err := parse(strings.NewReader(rollup))
	if err != nil || u != (Usage{Resident: 201000 << 10, Anonymous: 94000 << 10}) {
		t.Errorf("parse = %+v, %v", u, err)
	}
	for _, text := range []string{"", "Rss: 1 kB\n", "Rss: many kB\nAnonymous: 1 kB\n"} {
		if u, err := parse(strings.NewReader(text)); err == nil {
			t.Errorf("parse(%q) = %+v; want an error", text, u)
		}
	}
}

// TestOf reads this process: it holds something, twice named twice as much or so.
func TestOf(t *testing.T) {
	once, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	twice, err := Of(os.Getpid(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if once.Anonymous == 0 || once.Resident <= once.Anonymous || twice.Resident < once.Resident*3/2 {
		t.Errorf("once %+v, twice %+v", once, twice)
	}
	if _, err := Of(-1); err == nil {
		t.Error("no error for a process that cannot be")
	}
}
