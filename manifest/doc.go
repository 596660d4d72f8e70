// Package manifest reads the files in which people write down what they want of a cluster, makes
// what they describe, and deletes it again.
//
// It stands at the beginning of a pod's way: file → Document → API server. Every complaint names the
// file and the line, be it about the YAML, the fields or what the API server refuses, and nothing is
// made before everything has been checked, by the API server itself in a dry run.
package manifest
