// Package gather fills explain's World: from a cluster, of which it only reads, and
// from a recording (docs/recording.md). What it may not see, or what does not answer,
// is noted in the World and left out; only the object itself has to be there.
package gather
