package lifecycle

import (
	"testing"

	v1 "k8s.io/api/core/v1"
)

// TestRecursiveReadOnly goes through the table of KEP-3857.
func TestRecursiveReadOnly(t *testing.T) {
	both := v1.MountPropagationBidirectional
	for _, c := range []struct {
		name           string
		mode           v1.RecursiveReadOnlyMode // "": none is asked for
		writable       bool
		propagation    *v1.MountPropagationMode
		possible, want bool
		err            string
		status         v1.RecursiveReadOnlyMode // "": the status says nothing
	}{
		{name: "not asked for", possible: true, status: v1.RecursiveReadOnlyDisabled},
		{name: "not asked for, writable", writable: true, possible: true},
		{name: "disabled", mode: v1.RecursiveReadOnlyDisabled, possible: true, status: v1.RecursiveReadOnlyDisabled},
		{name: "if possible, it is", mode: v1.RecursiveReadOnlyIfPossible, possible: true, want: true, status: v1.RecursiveReadOnlyEnabled},
		{name: "if possible, it is not", mode: v1.RecursiveReadOnlyIfPossible, status: v1.RecursiveReadOnlyDisabled},
		{name: "enabled", mode: v1.RecursiveReadOnlyEnabled, possible: true, want: true, status: v1.RecursiveReadOnlyEnabled},
		{name: "enabled, not possible", mode: v1.RecursiveReadOnlyEnabled, status: v1.RecursiveReadOnlyDisabled,
			err: `volume "v" requested recursive read-only mode, but it is not supported by the runtime`},
		{name: "enabled, writable", mode: v1.RecursiveReadOnlyEnabled, writable: true, possible: true,
			err: `volume "v" requested recursive read-only mode, but it is not read-only`},
		{name: "enabled, propagated", mode: v1.RecursiveReadOnlyEnabled, propagation: &both, possible: true, status: v1.RecursiveReadOnlyDisabled,
			err: `volume "v" requested recursive read-only mode, but it is not compatible with propagation "Bidirectional"`},
		{name: "unheard of", mode: "Perhaps", possible: true, status: v1.RecursiveReadOnlyDisabled, err: `unknown recursive read-only mode "Perhaps"`},
	} {
		m := v1.VolumeMount{Name: "v", ReadOnly: !c.writable, MountPropagation: c.propagation}
		if c.mode != "" {
			m.RecursiveReadOnly = &c.mode
		}
		got, err := RecursiveReadOnly(&m, c.possible)
		if got != c.want || c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
			t.Errorf("%s: %v, %v; want %v, %q", c.name, got, err, c.want, c.err)
		}
		status := volumeMounts(&v1.Container{VolumeMounts: []v1.VolumeMount{m}}, c.possible)[0].RecursiveReadOnly
		if (status == nil) != (c.status == "") || status != nil && *status != c.status {
			t.Errorf("%s: status %v, want %q", c.name, status, c.status)
		}
	}
}
