package pause

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestImage(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := Image(arch)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != arch || config.OS != "linux" || len(config.Config.Entrypoint) != 1 {
			t.Errorf("%s: config %+v", arch, config)
		}
		program, err := Program(arch)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		segment := f.Progs[0]
		if f.Entry != segment.Vaddr+headerSize || segment.Filesz != uint64(len(program)) || len(program) > 300 {
			t.Errorf("%s: entry %#x, segment %+v, %d bytes", arch, f.Entry, segment.ProgHeader, len(program))
		}
	}
	if _, err := Image("riscv64"); err == nil || !strings.Contains(err.Error(), "amd64 and arm64") {
		t.Errorf("unknown processor: %v", err)
	}
}

// The instructions' words, as an assembler writes them
// (aarch64-linux-gnu-as and -objdump, binutils 2.40).
func TestARM64Words(t *testing.T) {
	want := []uint32{
		0xd2800220, // mov  x0, #17
		0x10000241, // adr  x1, action
		0xd2800002, // mov  x2, #0
		0xd2800103, // mov  x3, #8
		0xd28010c8, // mov  x8, #134
		0xd4000001, // svc  #0
		0xd2800000, // mov  x0, #0
		0x10000281, // adr  x1, set
		0xd28010e8, // mov  x8, #135
		0xd4000001, // svc  #0
		0x10000220, // adr  x0, set
		0xd2800001, // mov  x1, #0
		0xd2801128, // mov  x8, #137
		0xd4000001, // svc  #0
		0xf100001f, // cmp  x0, #0
		0x54ffff6d, // b.le -20
		0xd2800000, // mov  x0, #0
		0xd2800bc8, // mov  x8, #94
		0xd4000001, // svc  #0
	}
	code := codeARM64(0x1000, 0x1000+76, 0x1000+108)
	for i, w := range want {
		b := code[4*i:]
		if got := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24; got != w {
			t.Errorf("word %d: %#08x, want %#08x", i, got, w)
		}
	}
	if len(code) != 4*len(want) {
		t.Errorf("%d bytes, want %d", len(code), 4*len(want))
	}
}

// As the first process of a PID namespace it ends on either signal, and not on
// others. Needs root.
func TestEndsOnSignals(t *testing.T) {
	program, err := Program(runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pause")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.Command(file)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		if err := cmd.Start(); err != nil {
			t.Fatalf("starting in a PID namespace (needs root): %v", err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		awaitAsleep(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			t.Fatalf("ended on SIGUSR1: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%v: %v, want exit code 0", signal, err)
			}
		case <-time.After(5 * time.Second):
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			t.Fatalf("%v did not end it", signal)
		}
	}
}

// awaitAsleep waits until the process sleeps, which it does in one place: before
// that it would not see the signals.
func awaitAsleep(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(status), "State:\tS") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it never waits:\n%s", status)
		}
	}
}
