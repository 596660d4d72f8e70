package rule

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bad rules are refused with the field and its value.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		`{call: PullImage}`: "",
		`{call: PullImage, pod: "default/web-*", selector: app=web, image: "*/nginx:*", container: "m?in", error: x, code: Unavailable, delay: 1s, probability: 0.5, seed: 7, count: 3}`: "",
		`{call: RuntimeDown, hang: true}`:              "",
		`{}`:                                           "call is missing",
		`{call: PullPicture}`:                          `call "PullPicture" does not exist; there are APIServerUnreachable, Attach, `,
		`{call: pullimage}`:                            `do you mean PullImage?`,
		`{call: PullImage, eror: x}`:                   `unknown field "eror"`,
		`{call: PullImage, name: a/b}`:                 `name "a/b"`,
		`{call: PullImage, pod: a/b/c}`:                `pod "a/b/c"`,
		`{call: PullImage, selector: "a=b=c"}`:         `selector "a=b=c"`,
		`{call: PullImage, code: Unreachable}`:         `code "Unreachable" is none of gRPC's`,
		`{call: PullImage, delay: -3s}`:                `delay -3s is negative`,
		`{call: PullImage, delay: soon}`:               `invalid duration "soon"`,
		`{call: PullImage, hang: true, error: x}`:      `hang: a call that hangs does not fail with error "x"`,
		`{call: PullImage, probability: 0}`:            `probability 0:`,
		`{call: PullImage, probability: 1.5}`:          `probability 1.5:`,
		`{call: PullImage, count: -1}`:                 `count -1 is negative`,
		`{call: Status, pod: a}`:                       `call Status is not made for a pod`,
		`{call: RuntimeDown, image: a}`:                `call RuntimeDown is a state`,
		`{call: NetworkNotReady, delay: 1s}`:           `only error can be given`,
		`{call: PullImage, count: -1, probability: 7}`: "count -1 is negative",
		`[call]`:                                 "cannot unmarshal array",
		`{call: PullImage, error: "unterminated`: "yaml",
		`{call: NetworkNotReady, error: "no bridge today"}`: "",
	} {
		_, err := Parse([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestOfPod(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"[]":                                  "",
		"- call: PullImage\n- call: ExecSync": "",
		"call: PullImage":                     "annotation podling.dev/faults is no YAML list of faults",
		"- call: PullImage\n- call: Exec\n  count: -1": `annotation podling.dev/faults, fault 2: count -1 is negative`,
		"- call: RuntimeDown":                          "fault 1: call RuntimeDown is not made for a pod: set it for the node",
		"- {call: PullImage, pod: other}":              "an annotation is about its own pod alone",
	} {
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{Annotation: text}}}
		rules, err := OfPod(pod)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && rules != nil {
			t.Errorf("%q: %v in spite of %v", text, rules, err)
		}
	}
}
