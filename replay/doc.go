// Package replay goes through what was recorded: a trace, state by state, forwards and backwards, and
// the decisions of podling's own node, which it has the core make once more.
//
// It stands after a pod's way has ended: trace.Recording → Player → Frame (a terminal, JSON), and
// lifecycle.Decide → Recorder → a file → Verify → lifecycle.Decide.
package replay
