// Package trace makes a cluster's watch into the timeline of its pods: every watch event in the
// order in which it came, each with what it made different from the last known state.
//
// It stands at the end of a pod's way, where a person looks: API server → Tracer → Event → Printer
// (lines for people), JSONPrinter (lines for programs) or a recording (see docs/recording.md). It
// only reads, so it works on any cluster that lists and watches pods.
//
//	list ──► watch ──► ADDED, MODIFIED, DELETED
//	 ▲         │
//	 └─────────┴─ 410 Gone or another ERROR: shown, then a fresh list shows only what differs
package trace
