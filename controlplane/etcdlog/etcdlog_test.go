package etcdlog

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"go.etcd.io/etcd/client/pkg/v3/logutil"
	"go.uber.org/zap/zapcore"
)

// TestLoggersMadeBefore: as upstream's, a logger that is made first follows the output set later.
func TestLoggersMadeBefore(t *testing.T) {
	logger, err := logutil.CreateDefaultZapLogger(zapcore.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}
	logger.Warn("to nobody")
	var log bytes.Buffer
	SetOutput(&log)
	defer SetOutput(io.Discard)
	logger.Warn("to the log")
	if got := log.String(); !strings.Contains(got, "to the log") || strings.Contains(got, "nobody") {
		t.Errorf("the log says %q", got)
	}
}
