// Package examples carries the manifests of examples/reasons inside the binary: one for
// nearly every word that lifecycle/reason knows.
package examples

import "embed"

// Reasons are the files of examples/reasons, below that name.
//
//go:embed reasons/*.yaml
var Reasons embed.FS
