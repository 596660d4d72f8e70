package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	utilexec "k8s.io/utils/exec"
)

// runs gives a container that runs.
func (r *Runtime) runs(id string) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.findContainer(id)
	if err != nil {
		return nil, err
	}
	if c.state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		return nil, status.Errorf(codes.Unknown, "failed to exec in container: container is in %v state", c.state)
	}
	return c, nil
}

// ExecSync runs a command in a container, and gives the errors that the CRI's
// client gives (k8s.io/cri-client). The command of a probe or hook may have its
// answer from the container's script; see Asking.
func (r *Runtime) ExecSync(ctx context.Context, id string, command []string, timeout time.Duration) (stdout, stderr []byte, err error) {
	c, err := r.runs(id)
	if err != nil {
		return nil, nil, err
	}
	if len(command) == 0 {
		return nil, nil, status.Error(codes.InvalidArgument, "no command")
	}
	if kind, ok := ctx.Value(asking{}).(string); ok {
		if answer, said, err := c.says(ctx, kind, command, timeout); said {
			return answer, nil, err
		}
	}
	out, err := c.machine().Exec(ctx, command, timeout)
	switch {
	case err != nil:
		return nil, nil, status.Errorf(codes.Unknown, "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: %v", err)
	case out.TimedOut:
		return nil, nil, timedOut(command, timeout)
	case ctx.Err() != nil:
		return nil, nil, status.FromContextError(ctx.Err()).Err()
	case out.Code != 0:
		return out.Stdout, out.Stderr, utilexec.CodeExitError{
			Err:  fmt.Errorf("command '%s' exited with %d: %s", strings.Join(command, " "), out.Code, out.Stderr),
			Code: out.Code,
		}
	}
	return out.Stdout, out.Stderr, nil
}

// CheckpointContainer is the CRI's: there is nothing to freeze.
func (r *Runtime) CheckpointContainer(context.Context, *runtimeapi.CheckpointContainerRequest) error {
	return status.Error(codes.Unimplemented, "a simulated container cannot be checkpointed")
}

func timedOut(command []string, timeout time.Duration) error {
	return fmt.Errorf("%w: %q timed out after %s", remote.ErrCommandTimedOut, strings.Join(command, " "), timeout)
}
