package cgroup

import (
	"errors"
	"testing"
)

// Limits that the kernel refuses leave the pod its group.
func TestLimitRefused(t *testing.T) {
	m := newManager(t)
	p := pod("endless", list("cpu", "10m"), list("cpu", "1000000000"))
	parent, err := m.Ensure(p)
	if !errors.Is(err, ErrLimit) || parent != m.root+"/kubepods/burstable/podendless" {
		t.Errorf("%s, %v", parent, err)
	}
	m.there(t, parent)
	if err := m.Remove(p.UID); err != nil {
		t.Error(err)
	}
}
