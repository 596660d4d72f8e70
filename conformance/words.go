package conformance

import "regexp"

// runtimeWords are the reasons whose message is a container runtime's or a
// registry's own sentence, which no two runtimes share.
var runtimeWords = map[string]bool{
	"ContainerCannotRun":     true,
	"ContainerStatusUnknown": true,
	"CreateContainerError":   true,
	"ErrImagePull":           true,
	"ImageInspectError":      true,
	"PostStartHookError":     true,
	"RegistryUnavailable":    true,
	"RunContainerError":      true,
	"StartError":             true,
}

// varying are the parts of a message that differ from run to run, in the order
// in which they are taken out.
var varying = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`(?s)(ErrImagePull|RegistryUnavailable|rpc error):.*`), "$1"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "ID"},
	{regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`), "IP"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "TIME"},
}

// clean is a message without ids, addresses and times, and without the runtime's
// own words where the reason says that they are in it.
func clean(message, reason string) string {
	if message == "" {
		return ""
	}
	if runtimeWords[reason] {
		return "<runtime's words>"
	}
	for _, v := range varying {
		message = v.pattern.ReplaceAllString(message, v.word)
	}
	return message
}

// sandboxed is a namespace that a recording was made in, with the characters
// beside it that tell it from a part of a longer word.
var sandboxed = regexp.MustCompile(`([^a-z0-9]|^)c-[a-z0-9-]+-[0-9a-f]{6}([^0-9a-f]|$)`)

// withoutNamespaces is a recording's text with the namespace's name taken out
// wherever it stands. The second pass finds a name that shared its neighbouring
// character with the one before.
func withoutNamespaces(text []byte) []byte {
	for range 2 {
		text = sandboxed.ReplaceAll(text, []byte("${1}NS${2}"))
	}
	return text
}
