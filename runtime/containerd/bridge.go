package containerd

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// removeBridge takes the pods' bridge down and deletes it, if it is there: the
// CNI plugin makes it with the first pod and has nobody to say when the last
// is gone. (netdevice(7); linux/if_bridge.h.)
func removeBridge(name string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("deleting the bridge %s: %w", name, err)
		}
	}()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); errors.Is(err, unix.ENODEV) {
		return nil
	} else if err != nil {
		return err
	}
	request.SetUint16(request.Uint16() &^ unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return err
	}
	// This old call takes the name itself, which no helper of x/sys does.
	pointer, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCBRDELBR, uintptr(unsafe.Pointer(pointer)))
	runtime.KeepAlive(pointer)
	if errno != 0 {
		return errno
	}
	return nil
}
