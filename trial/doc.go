// Package trial applies manifests to a cluster, shows what becomes of their pods until they are in
// the state that is waited for, and deletes what it made: the main job, `podling run`.
//
//	manifest ──► apply ──► pods ADDED, MODIFIED … ──► goal reached, or out of reach
//	                                                     │
//	                                delete what was made ◄┘──► pods DELETED
package trial
