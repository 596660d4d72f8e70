// Image writes an archive of busybox images made of this machine's own static
// busybox, for podling's --image where no registry can be reached: it holds
// busybox:1.36, busybox:latest and nocmd:1 (the same without a command).
//
// With -unless-reachable it writes nothing where docker.io gives the real
// image, and removes an archive that an earlier run has left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/podling/podling/conformance/images"
)

// patience is how long docker.io may take to say what image it has.
const patience = 5 * time.Second

func main() {
	unlessReachable := flag.Bool("unless-reachable", false, "write nothing where docker.io can be pulled from")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/image [-unless-reachable] ARCHIVE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *unlessReachable); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(archive string, unlessReachable bool) error {
	if unlessReachable {
		err := reach(name.MustParseReference("busybox"))
		if err == nil {
			if err := os.Remove(archive); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}
		fmt.Printf("no image from docker.io (%v): it is made of this machine's busybox, in %s\n", err, archive)
	}
	busybox, err := images.Busybox()
	if err != nil {
		return err
	}
	made, err := images.Scenarios(busybox)
	if err != nil {
		return err
	}
	named := map[name.Tag]v1.Image{}
	for image, content := range made {
		tag, err := name.NewTag(image)
		if err != nil {
			return err
		}
		named[tag] = content
	}
	return tarball.MultiWriteToFile(archive, named)
}

// reach asks the registry for an image's digest.
func reach(image name.Reference) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := remote.Head(image, remote.WithContext(ctx))
	return err
}
