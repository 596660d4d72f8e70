// Package lifecycle is the core: what a pod's status is, and what is to be done
// for it next. It does no I/O, reads no clock, starts no goroutine and keeps
// nothing between calls. The node tells it what it sees and carries out what it
// answers:
//
//	          ┌───────────────────────────────────────────────┐
//	          │ pod (spec, API status)   what the node saw    │ now
//	          └───────────────┬───────────────┬───────────────┘
//	                          ▼               ▼
//	                       Decide(pod, Observed, now)
//	                          │
//	     ┌────────────────────┼──────────────────────┐
//	     ▼                    ▼                      ▼
//	Plan.Status          Plan.Actions            Plan.Wake
//	what to report       what to do, in order,   when time alone
//	                     each with its cause     changes the answer
//
// A pod goes through three stages, as in upstream's pod workers
// (pkg/kubelet/pod_workers.go), and never back:
//
//	sync ──(deleted, finished, evicted, past its deadline)──▶ terminating
//	terminating ──(every container and sandbox stopped)──▶ terminated
//	terminated ──(volumes and cgroups gone)──▶ finished ──▶ deleted from the API
//
// Within the sync stage work is done in passes: Decide answers with the status
// as it stands and the actions of one pass; while those run nothing new is
// reported but the sandbox's readiness; then the node looks again. That is what
// makes several changes of one moment one write, and why the states that a
// watch sees are upstream's, one by one.
//
// Starting a single container is two small machines of their own: ImageStep (is
// the image there, may it be pulled) and NextStep (create, start, hook).
package lifecycle
