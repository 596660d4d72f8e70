package survive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// stepLimit is how long a step may take to be seen.
const stepLimit = time.Minute

// told is how many of the things that are left an error names.
const told = 10

// soon is how long the API may take to show what a container has just done.
const soon = 5 * time.Second

// Trial is one fault at one step.
type Trial struct {
	Fault Fault
	Step  Step
	Turn  int           // picks the kind of pod that the step is waited for of
	Late  time.Duration // after the step
}

// Subject is the kind of pod whose step it is.
func (t Trial) Subject() string {
	candidates := t.Step.kinds
	if t.Fault.breaks || candidates == nil {
		candidates = run
	}
	return candidates[t.Turn%len(candidates)]
}

// attempt is a trial under way.
type attempt struct {
	*Ground
	Trial
	number   int
	subject  string
	uids     []string
	problems []string
}

// wrong notes something that is not as it should be.
func (a *attempt) wrong(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// Try makes one trial, and gives what was not as it should be after it. With an error there is
// nobody left to try more.
func (g *Ground) Try(ctx context.Context, t Trial) (problems []string, err error) {
	g.trials++
	a := &attempt{Ground: g, Trial: t, number: g.trials, subject: name(t.Subject(), g.trials)}
	if err := a.play(ctx); err != nil {
		a.wrong("%v", err)
		if err := a.clear(ctx); err != nil {
			return a.problems, err
		}
	}
	return a.problems, ctx.Err()
}

func (a *attempt) play(ctx context.Context) error {
	if err := until(ctx, "the runtime answers", func() (bool, error) { // it may have been the last trial's victim
		_, err := a.runtime.Status(ctx, false)
		return err == nil, err
	}); err != nil {
		return err
	}
	if err := a.referred(ctx); err != nil {
		return err
	}
	if a.Step.Name == "image pulled" {
		if err := a.runtime.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: image}); err != nil {
			return err
		}
	}
	var had held
	var err error
	if !a.Step.Ending {
		if had, err = a.strikeAt(ctx, a.create); err != nil {
			return err
		}
	} else if err := a.create(ctx); err != nil {
		return err
	}
	if err := a.settle(ctx, had); err != nil {
		return err
	}
	if !a.Step.Ending {
		a.check(ctx, had)
	}
	if a.Step.Ending {
		_, err = a.strikeAt(ctx, a.delete)
	} else {
		err = a.delete(ctx)
	}
	if err != nil {
		return err
	}
	if err := a.end(ctx); err != nil {
		return err
	}
	return a.empty(ctx)
}

// strikeAt does something, waits for the step, strikes, and mends.
func (a *attempt) strikeAt(ctx context.Context, do func(context.Context) error) (held, error) {
	looking, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	seen, err := a.Step.seen(looking, a.Ground, a.subject)
	if err != nil {
		return held{}, err
	}
	if err := do(ctx); err != nil {
		return held{}, err
	}
	select {
	case err = <-seen:
	case <-looking.Done():
		err = fmt.Errorf("%s: %q was not seen", a.subject, a.Step.Name)
	}
	if err != nil {
		return held{}, err
	}
	time.Sleep(a.Late)
	had, err := a.Fault.strike(ctx, a.Ground, a.number, a.subject)
	if err == nil && a.Fault.mend != nil {
		err = a.Fault.mend(ctx, a.Ground)
	}
	return had, err
}

func (a *attempt) create(ctx context.Context) error {
	for _, kind := range kinds {
		pod, err := a.client.CoreV1().Pods("default").Create(ctx, a.pod(kind, a.number), metav1.CreateOptions{})
		if err != nil {
			return err
		}
		a.uids = append(a.uids, string(pod.UID))
	}
	return nil
}

// complete makes those pods that are not there: create may have been cut off.
func (a *attempt) complete(ctx context.Context) error {
	pods, err := a.pods(ctx, a.number)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		pod := pods[kind]
		if pod == nil {
			if pod, err = a.client.CoreV1().Pods("default").Create(ctx, a.pod(kind, a.number), metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		a.uids = append(a.uids, string(pod.UID))
	}
	return nil
}

func (a *attempt) delete(ctx context.Context) error {
	for _, kind := range kinds {
		if err := a.client.CoreV1().Pods("default").Delete(ctx, name(kind, a.number), metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until every pod is as it has to be, and one that was broken is not as it was.
func (a *attempt) settle(ctx context.Context, had held) error {
	over := ""
	err := until(ctx, "every pod as it should be", func() (bool, error) {
		pods, err := a.pods(ctx, a.number)
		if err != nil {
			return false, err
		}
		if pod := pods[job]; pod != nil && terminal(pod) && settled(job, pod) != "" {
			over = fmt.Sprintf("%s %s (%s)", pod.Name, settled(job, pod), describe(pod))
			return true, nil
		}
		var lacks []error
		for _, kind := range kinds {
			if lack := settled(kind, pods[kind]); lack != "" {
				lacks = append(lacks, fmt.Errorf("%s %s (%s)", name(kind, a.number), lack, describe(pods[kind])))
			}
		}
		if pod := pods[a.Subject()]; a.Fault.breaks && pod != nil {
			for _, s := range pod.Status.ContainerStatuses {
				if _, id, _ := strings.Cut(s.ContainerID, "://"); slices.Contains(had.running[pod.Name+"/"+s.Name], id) {
					lacks = append(lacks, fmt.Errorf("%s/%s is still the container that it was", pod.Name, s.Name))
				}
			}
		}
		return len(lacks) == 0, errors.Join(lacks...)
	})
	if over != "" {
		return errors.New(over) // it will not become anything else
	}
	return err
}

func terminal(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodFailed || pod.Status.Phase == v1.PodSucceeded
}

// check looks at pods that go on. had is what the runtime had at the strike.
func (a *attempt) check(ctx context.Context, had held) {
	h, err := a.held(ctx, a.number)
	if err != nil {
		a.wrong("%v", err)
		return
	}
	a.problems = append(a.problems, h.twice()...)
	pods, err := a.pods(ctx, a.number)
	if err != nil {
		a.wrong("%v", err)
		return
	}
	if err := a.agree(ctx); err != nil {
		a.wrong("%v", err)
	}
	for _, kind := range run {
		pod := pods[kind]
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if s.State.Running == nil {
				continue
			}
			key := pod.Name + "/" + s.Name
			_, id, _ := strings.Cut(s.ContainerID, "://")
			if !slices.Contains(h.running[key], id) {
				a.wrong("%s is said to run as %s, and the runtime runs %v", key, id, h.running[key])
			}
			if was := had.running[key]; len(was) > 0 && was[0] != id && !(a.Fault.breaks && pod.Name == a.subject) {
				a.wrong("%s is another container since the fault", key)
			}
		}
	}
}

// agree wants restart counts to be how often containers began. A container that crashes again and again
// may have begun once more since its status was written, and its next status says so.
func (a *attempt) agree(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return until(ctx, "restart counts as containers began", func() (bool, error) {
		pods, err := a.pods(ctx, a.number)
		if err != nil {
			return false, err
		}
		err = errors.Join(a.counts(pods)...)
		return err == nil, err
	})
}

// counts compares restart counts with how often containers began.
func (a *attempt) counts(pods map[string]*v1.Pod) (wrong []error) {
	for _, kind := range slices.Sorted(maps.Keys(pods)) {
		pod := pods[kind]
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			n, err := a.begun(pod.Name, s.Name)
			broken := a.Fault.breaks && pod.Name == a.subject
			switch {
			case err != nil:
				wrong = append(wrong, err)
			case broken && int(s.RestartCount) >= n-1 && n > 0: // its process may have been lost before it wrote
			case int(s.RestartCount) != n-1:
				wrong = append(wrong, fmt.Errorf("%s/%s began %d times and has restartCount %d, is %s, was %s", pod.Name, s.Name, n, s.RestartCount, state(&s), last(&s)))
			case !broken && kind != crash && n > 1:
				wrong = append(wrong, fmt.Errorf("%s/%s began %d times", pod.Name, s.Name, n))
			}
		}
	}
	return wrong
}

// end waits until the node is done with every pod, looks at how they ended, and lets them go.
func (a *attempt) end(ctx context.Context) error {
	var pods map[string]*v1.Pod
	err := until(ctx, "every pod ended", func() (done bool, err error) {
		if pods, err = a.pods(ctx, a.number); err != nil {
			return false, err
		}
		var still []error
		for _, kind := range kinds {
			if pods[kind] == nil {
				return false, fmt.Errorf("%s is not in the API", name(kind, a.number))
			}
			if !let(pods[kind]) {
				still = append(still, fmt.Errorf("%s: %s", name(kind, a.number), describe(pods[kind])))
			}
		}
		return len(still) == 0, errors.Join(still...)
	})
	if err != nil {
		return err
	}
	for _, err := range a.counts(pods) {
		a.wrong("%v", err)
	}
	for _, kind := range kinds {
		a.ended(kind, pods[kind])
	}
	return a.letGo(ctx)
}

// ended looks at how a pod ended.
func (a *attempt) ended(kind string, pod *v1.Pod) {
	if kind == job {
		if lack := settled(kind, pod); lack != "" {
			a.wrong("%s in the end %s", pod.Name, lack)
		}
		return
	}
	want := map[string]int32{plain + "/main": 7, hooks + "/main": 7, hooks + "/first": 0, hooks + "/side": 0, crash + "/main": 5}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		t := s.State.Terminated
		switch {
		case a.Fault.breaks && pod.Name == a.subject:
			if t == nil {
				a.wrong("%s/%s in the end is %s", pod.Name, s.Name, state(&s))
			}
		case t == nil || t.ExitCode != want[kind+"/"+s.Name]:
			a.wrong("%s/%s in the end is %s, not ended with %d", pod.Name, s.Name, state(&s), want[kind+"/"+s.Name])
		}
	}
	if kind == crash {
		return
	}
	if n, err := a.begun(pod.Name, "term"); err != nil || n == 0 && !(a.Fault.breaks && pod.Name == a.subject) {
		a.wrong("%s was not asked to end (%v)", pod.Name, err)
	}
}

// letGo takes off what keeps the pods' records in the API, and waits until they are gone.
func (a *attempt) letGo(ctx context.Context) error {
	for _, kind := range kinds {
		_, err := a.client.CoreV1().Pods("default").Patch(ctx, name(kind, a.number), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return until(ctx, "every pod gone", func() (bool, error) {
		pods, err := a.pods(ctx, a.number)
		return err == nil && len(pods) == 0, err
	})
}

// empty wants nothing to be left of the pods.
func (a *attempt) empty(ctx context.Context) error {
	var found []string
	err := until(ctx, "nothing left", func() (_ bool, err error) {
		found, err = a.left(ctx, a.uids)
		return len(found) == 0, err
	})
	if err != nil {
		return fmt.Errorf("%w: %d things, among them %s", err, len(found), strings.Join(found[:min(len(found), told)], ", "))
	}
	return nil
}

// clear removes the pods of a trial that went wrong, as far as that can be done.
func (a *attempt) clear(ctx context.Context) error {
	if a.Fault.mend != nil { // it may have gone wrong before podling was started again
		for _, p := range []struct {
			gone bool
			up   func(context.Context) error
		}{{ended(a.plane), a.upPlane}, {a.Apart && ended(a.node), func(ctx context.Context) error { return a.upNode(ctx) }}} {
			if p.gone {
				if err := p.up(ctx); err != nil {
					return err
				}
			}
		}
	}
	for _, kind := range kinds {
		err := a.client.CoreV1().Pods("default").Delete(ctx, name(kind, a.number), metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	if err := a.letGo(ctx); err != nil {
		return err
	}
	if err := a.empty(ctx); err != nil {
		return fmt.Errorf("after a trial that went wrong: %w", err)
	}
	return nil
}
