package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podling/podling/clock"
	"github.com/podling/podling/clock/remote"
	"github.com/podling/podling/kubelet/server"
)

// A virtual clock is shown and moved over the node's port; what is to happen on the way has happened
// when the answer comes.
func TestClock(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	virtual := clock.NewVirtual(start)
	rang := virtual.NewTimer(5 * time.Minute)
	node, _ := serve(t, func(c *server.Config) { c.Clock = virtual })
	client := throughAPI(t, node)
	n := remote.Of(client, "n")
	state, err := n.State(t.Context())
	if want := (remote.State{State: clock.State{Now: start, Timers: 1, Next: start.Add(5 * time.Minute)}, Virtual: true}); err != nil || state != want {
		t.Errorf("%+v, %v, want %+v", state, err, want)
	}
	state, err = n.Advance(t.Context(), 10*time.Minute)
	if err != nil || !state.Now.Equal(start.Add(10*time.Minute)) || state.Timers != 0 {
		t.Errorf("%+v, %v", state, err)
	}
	select {
	case <-rang.C():
	default:
		t.Error("the timer on the way has not fired")
	}
	for _, test := range []struct {
		do   func() (remote.State, error)
		want bool
	}{
		{func() (remote.State, error) { return n.Resume(t.Context()) }, true},
		{func() (remote.State, error) { return n.Pause(t.Context()) }, false},
	} {
		if state, err := test.do(); err != nil || state.Running != test.want {
			t.Errorf("%+v, %v, want running %v", state, err, test.want)
		}
	}
	for body, want := range map[string]string{
		`{"by":"-5m"}`:            "by -5m: a clock does not move backwards",
		`{"by":"0s"}`:             "by 0s: a clock does not move backwards",
		`{"by":"soon"}`:           `by "soon" is no duration`,
		`{}`:                      `by "" is no duration`,
		``:                        `how far the clock is to go on`,
		`{"to":"5m"}`:             `unknown field "to"`,
		`{"by":5}`:                `cannot unmarshal number`,
		`{"by":"5m"}{"by":"5m"}`:  `there is more behind`,
		`{"by":"2562000h"} `:      "",
		`{"by":"100000h", "x":1}`: `unknown field "x"`,
	} {
		before := virtual.Now()
		code, answer := post(t, node, remote.Path+"/advance", body)
		if want == "" {
			if code != http.StatusOK {
				t.Errorf("%s: %d %s", body, code, answer)
			}
			continue
		}
		if code != http.StatusBadRequest || !strings.Contains(strings.ReplaceAll(answer, `\"`, `"`), want) {
			t.Errorf("%s: %d %s, want %s", body, code, answer, want)
		}
		if now := virtual.Now(); !now.Equal(before) {
			t.Errorf("%s moved the clock to %s", body, now)
		}
	}
}

// No clock goes where its time cannot be written any more.
func TestClockAtItsEnd(t *testing.T) {
	virtual := clock.NewVirtual(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
	node, _ := serve(t, func(c *server.Config) { c.Clock = virtual })
	if code, answer := post(t, node, remote.Path+"/advance", `{"by":"24h"}`); code != http.StatusBadRequest || !strings.Contains(answer, "the year 9999") {
		t.Errorf("%d %s", code, answer)
	}
}

// The machine's clock is shown, and moved by nobody.
func TestMachinesClock(t *testing.T) {
	node, _ := serve(t)
	n := remote.Of(throughAPI(t, node), "n")
	before := time.Now()
	state, err := n.State(t.Context())
	if err != nil || state.Virtual || state.Now.Before(before) || state.Now.After(time.Now()) {
		t.Errorf("%+v, %v", state, err)
	}
	if code, answer := get(t, node, remote.Path); code != http.StatusOK || strings.Contains(answer, "timers") || !strings.Contains(answer, `"virtual":false`) {
		t.Errorf("%d %s", code, answer)
	}
	for what, err := range map[string]error{
		"advance": second(n.Advance(t.Context(), time.Hour)), "pause": second(n.Pause(t.Context())), "resume": second(n.Resume(t.Context())),
	} {
		if err == nil || !strings.Contains(err.Error(), "node n: this node goes by the machine's clock") || !strings.Contains(err.Error(), "podling up --runtime sim --clock virtual") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second(_ any, err error) error { return err }
