package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Original is the image that Push gives further names.
const Original = "busybox:1.36"

// library is where Docker Hub keeps the images that have a name without a slash.
const library = "library/"

// A Registry is what stands in for Docker Hub.
type Registry struct {
	Addr string // ADDR:PORT
}

// Serve runs a registry with the scenarios' images on a loopback port that the
// kernel picks. The function that it returns ends it.
func Serve(ctx context.Context) (Registry, func() error, error) {
	busybox, err := Busybox()
	if err != nil {
		return Registry{}, nil, err
	}
	scenarios, err := Scenarios(busybox)
	if err != nil {
		return Registry{}, nil, err
	}
	all := map[string]v1.Image{}
	for image, content := range scenarios {
		all[library+image] = content
	}
	return ServeImages(ctx, all)
}

// ServeImages is Serve for other images than the scenarios', by REPOSITORY:TAG.
func ServeImages(ctx context.Context, all map[string]v1.Image) (Registry, func() error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Registry{}, nil, fmt.Errorf("registry: %w", err)
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	stop := func() error {
		err := server.Close()
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}
	r := Registry{Addr: listener.Addr().String()}
	for image, content := range all {
		if err := r.put(ctx, image, content); err != nil {
			return Registry{}, nil, errors.Join(err, stop())
		}
	}
	return r, stop, nil
}

// Mirror is the value of podling's --registry-mirror that makes it ask here first.
func (r Registry) Mirror() string { return r.MirrorOf("docker.io") }

// MirrorOf is Mirror for another host's images.
func (r Registry) MirrorOf(host string) string { return host + "=http://" + r.Addr }

// Push gives the busybox image a further NAME:TAG: from now on it can be pulled.
func (r Registry) Push(ctx context.Context, image string) error {
	from, err := r.reference(library + Original)
	if err != nil {
		return err
	}
	content, err := remote.Image(from, remote.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("image to copy: %w", err)
	}
	return r.put(ctx, library+image, content)
}

func (r Registry) put(ctx context.Context, image string, content v1.Image) error {
	to, err := r.reference(image)
	if err != nil {
		return err
	}
	if err := remote.Write(to, content, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("image %s: %w", image, err)
	}
	return nil
}

// reference is where this registry keeps what is HOST/IMAGE to a pod.
func (r Registry) reference(image string) (name.Tag, error) {
	return name.NewTag(r.Addr+"/"+image, name.Insecure)
}
