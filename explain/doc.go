// Package explain says why a pod is as it is: what the true cause is, by which
// chain it leads to what one sees, which field, Event or line of log says so, what
// happens next and when, and what to do.
//
// It is a function from data to an explanation:
//
//	e := explain.Pod(explain.World{Now: now, Pod: pod, Events: events, Nodes: nodes})
//
// There is no client and no clock in it. What was not looked at, or could not be
// seen, is named in World.Unseen, and is then not reasoned about: nothing is said
// to be missing because nobody looked. Package gather fills a World from a cluster
// or from a recording.
//
// The rules stand in rules.go in the order in which a pod's life goes; each lives
// in a file of one idea and leads from what one sees (a phase, a word in a
// container's state) over its cause to the root. Words and arithmetic are those of
// lifecycle and lifecycle/reason; upstream's messages are read only where nothing
// else tells.
package explain
