package worker

import (
	"testing"
	"time"

	"github.com/podling/podling/lifecycle"
)

// Of two containers that were made in one moment, as virtual time has it, the
// newer one is the one that was started more often.
func TestNewestOfOneMoment(t *testing.T) {
	at := time.Unix(1, 0)
	var list []lifecycle.Container
	for i, id := range []string{"a", "b", "c"} {
		list = upsert(list, lifecycle.Container{ID: id, Name: "main", CreatedAt: at, RestartCount: int32(i)})
	}
	if list[0].ID != "c" || list[2].ID != "a" {
		t.Errorf("the newest comes first, not %v", list)
	}
}
