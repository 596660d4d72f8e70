package controlplane

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc/grpclog"
	"k8s.io/klog/v2"

	"github.com/podling/podling/controlplane/etcdlog"
)

// OpenLog opens the file NAME.log in dir that the components log to, and sends klog there: warnings and errors, and
// with a verbosity above 0 also what upstream's -v would show. klog is the process's, so where
// several control planes run in one process, the last one started has it.
func OpenLog(dir, name string, verbosity int) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for logs: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return file, setKlog(file, verbosity)
}

// setKlog sends klog to w.
func setKlog(w io.Writer, verbosity int) error {
	if err := prepareKlog(); err != nil {
		return fmt.Errorf("set up logging: %w", err)
	}
	var level klog.Level
	if err := level.Set(strconv.Itoa(verbosity)); err != nil { // sets the process's
		return fmt.Errorf("set up logging: %w", err)
	}
	etcdlog.SetOutput(w)
	info := io.Discard
	if verbosity > 0 {
		info = w
	}
	klog.SetOutputBySeverity("INFO", info)
	for _, severity := range []string{"WARNING", "ERROR", "FATAL"} {
		klog.SetOutputBySeverity(severity, w)
	}
	return nil
}

// prepareKlog keeps klog, and gRPC, off the terminal. Once, for these settings are read without a
// lock by everything that logs.
var prepareKlog = sync.OnceValue(func() error {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	return errors.Join(
		flags.Set("logtostderr", "false"),
		flags.Set("alsologtostderr", "false"),
		flags.Set("stderrthreshold", "FATAL"),
		flags.Set("one_output", "true"), // each message once, not again for each lower severity
	)
})

// CloseLog closes the file; what is still logged after that is dropped.
func CloseLog(file *os.File) error {
	return errors.Join(setKlog(io.Discard, 0), file.Close())
}

// etcdLevel is the zap level that goes with klog's verbosity.
func etcdLevel(verbosity int) zapcore.Level {
	switch {
	case verbosity >= 4:
		return zapcore.DebugLevel
	case verbosity > 0:
		return zapcore.InfoLevel
	default:
		return zapcore.WarnLevel
	}
}
