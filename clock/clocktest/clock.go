// Package clocktest gives tests a clock that they set themselves, whoever is busy.
package clocktest

import (
	"time"

	"k8s.io/utils/clock/testing"
)

// Clock moves when it is told to, and asks nobody.
type Clock struct{ *testing.FakeClock }

// At gives a clock that stands at t.
func At(t time.Time) Clock { return Clock{testing.NewFakeClock(t)} }

// Begin does nothing.
func (Clock) Begin() {}

// End does nothing.
func (Clock) End() {}
