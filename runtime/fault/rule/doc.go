// Package rule says what is to fail: the rules of runtime/fault as data, how they
// are read and what is wrong with one.
//
// It stands at both ends of a rule's way: where one is written (a pod's annotation,
// `podling fault add`, a test) and where it is carried out (runtime/fault). It needs
// neither gRPC nor the CRI, so that a test that only says what is to fail does not
// link them.
package rule
