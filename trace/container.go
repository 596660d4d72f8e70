package trace

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// containers adds what differs between two lists of container statuses, in the order of the second.
func (c *changes) containers(part Part, was, is []v1.ContainerStatus) {
	find := func(in []v1.ContainerStatus, name string) *v1.ContainerStatus {
		i := slices.IndexFunc(in, func(s v1.ContainerStatus) bool { return s.Name == name })
		if i < 0 {
			return nil
		}
		return &in[i]
	}
	for i := range is {
		c.container(part, find(was, is[i].Name), &is[i])
	}
	for i := range was {
		if find(is, was[i].Name) == nil {
			kind, _ := state(was[i].State, was[i].ContainerID)
			c.add(Change{Part: part, Name: was[i].Name, Field: "state", Was: kind})
		}
	}
}

// container adds what differs between two statuses of one container; the first is nil if there was
// none yet.
func (c *changes) container(part Part, before, now *v1.ContainerStatus) {
	known := before != nil
	if !known {
		before = &v1.ContainerStatus{}
	}
	of := func(field string, value func(*v1.ContainerStatus) (string, string)) {
		was, wasDetail := value(before)
		is, detail := value(now)
		if was != is || wasDetail != detail {
			*c = append(*c, Change{Part: part, Name: now.Name, Field: field, Was: was, Is: is, Detail: detail})
		}
	}
	text := func(field string, value func(*v1.ContainerStatus) string) {
		of(field, func(s *v1.ContainerStatus) (string, string) { return value(s), "" })
	}
	// These are never unset in a status: what was not known yet differs from false and 0.
	always := func(field string, value func(*v1.ContainerStatus) string) {
		text(field, func(s *v1.ContainerStatus) string {
			if s == before && !known {
				return ""
			}
			return value(s)
		})
	}
	of("state", func(s *v1.ContainerStatus) (string, string) { return state(s.State, s.ContainerID) })
	of("lastState", func(s *v1.ContainerStatus) (string, string) { return state(s.LastTerminationState, "") })
	always("ready", func(s *v1.ContainerStatus) string { return strconv.FormatBool(s.Ready) })
	text("started", started)
	always("restartCount", func(s *v1.ContainerStatus) string { return strconv.Itoa(int(s.RestartCount)) })
	text("image", func(s *v1.ContainerStatus) string { return s.Image })
	text("imageID", func(s *v1.ContainerStatus) string { return s.ImageID })
	text("containerID", func(s *v1.ContainerStatus) string { return s.ContainerID })
	text("user", user)
	text("volumeMounts", mounts)
	text("resources", func(s *v1.ContainerStatus) string {
		if s.Resources == nil {
			return ""
		}
		return joined(" ", named("requests:", amounts(s.Resources.Requests)), named("limits:", amounts(s.Resources.Limits)))
	})
	text("allocatedResources", func(s *v1.ContainerStatus) string { return amounts(s.AllocatedResources) })
	text("allocatedResourcesStatus", health)
	text("stopSignal", func(s *v1.ContainerStatus) string {
		if s.StopSignal == nil {
			return ""
		}
		return string(*s.StopSignal)
	})
}

// state is a container's state and its particulars. The id of a terminated container is one of them
// only if it is another than id, the one that the whole status names.
func state(s v1.ContainerState, id string) (kind, detail string) {
	switch {
	case s.Waiting != nil:
		return "waiting", sentence(s.Waiting.Reason, s.Waiting.Message)
	case s.Running != nil:
		return "running", named("startedAt=", moment(&s.Running.StartedAt))
	case s.Terminated != nil:
		t := s.Terminated
		other := ""
		if id != "" && t.ContainerID != id {
			other = named("containerID=", t.ContainerID)
		}
		return "terminated", joined(" ", ended(t), named("startedAt=", moment(&t.StartedAt)), named("finishedAt=", moment(&t.FinishedAt)), other,
			named("message: ", strings.TrimSpace(t.Message)))
	}
	return "", ""
}

// ended is how a container ended, in short.
func ended(t *v1.ContainerStateTerminated) string {
	signal := ""
	if t.Signal != 0 {
		signal = fmt.Sprintf("signal=%d", t.Signal)
	}
	return joined(" ", t.Reason, fmt.Sprintf("exitCode=%d", t.ExitCode), signal)
}

func started(s *v1.ContainerStatus) string {
	if s.Started == nil {
		return ""
	}
	return strconv.FormatBool(*s.Started)
}

// user is the identity that the first process of a container runs with.
func user(s *v1.ContainerStatus) string {
	if s.User == nil || s.User.Linux == nil {
		return ""
	}
	var groups []string
	for _, g := range s.User.Linux.SupplementalGroups {
		groups = append(groups, strconv.FormatInt(g, 10))
	}
	return joined(",", fmt.Sprintf("uid:%d,gid:%d", s.User.Linux.UID, s.User.Linux.GID), named("groups:", strings.Join(groups, "+")))
}

// mounts are the paths at which a container sees its volumes.
func mounts(s *v1.ContainerStatus) string {
	var paths []string
	for _, m := range s.VolumeMounts {
		path := m.MountPath
		if m.ReadOnly {
			path += ":ro"
		}
		paths = append(paths, path)
	}
	return strings.Join(paths, ",")
}

// health is the health of the devices that a container uses.
func health(s *v1.ContainerStatus) string {
	var out []string
	for _, resource := range s.AllocatedResourcesStatus {
		for _, r := range resource.Resources {
			out = append(out, fmt.Sprintf("%s/%s:%s", resource.Name, r.ResourceID, joined(" ", string(r.Health), ptr.Deref(r.Message, ""))))
		}
	}
	return strings.Join(out, ",")
}

// amounts lists resources by name.
func amounts(list v1.ResourceList) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		quantity := list[name]
		out = append(out, fmt.Sprintf("%s:%s", name, quantity.String()))
	}
	return strings.Join(out, ",")
}

// named puts what a value is before it, if there is a value.
func named(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

// joined joins what is not empty.
func joined(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
}
