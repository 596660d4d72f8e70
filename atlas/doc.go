// Package atlas is the book of every word with which Kubernetes says what happens to a
// pod: what lifecycle/reason knows of it, what was seen to lead to it and from it, a
// manifest that produces it and the stream of events that was recorded of that manifest,
// in English and in Chinese. Nothing in it is written twice: `podling atlas`, its JSON and
// docs/atlas are made from the same data, and tests hold them to that.
package atlas
