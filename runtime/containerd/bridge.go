package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// makeBridge makes the pods' bridge as the CNI plugin would with the first pod,
// so that what listens on its address is reached from the start. One that is
// there stays as it is.
func (n Network) makeBridge() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("making the bridge %s: %w", n.name, err)
		}
	}()
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = n.name, n.mtu
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	bridge, err := netlink.LinkByName(n.name)
	if err != nil {
		return err
	}
	// Said once, the hardware address stays; else it were the lowest of the pods' and changed with them.
	if err := netlink.LinkSetHardwareAddr(bridge, bridge.Attrs().HardwareAddr); err != nil {
		return err
	}
	address, err := netlink.ParseAddr(netip.PrefixFrom(n.Gateway(), n.subnet.Bits()).String())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(bridge, address); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return netlink.LinkSetUp(bridge)
}

// filterBridged has the packets that stay within the bridge go through the
// firewall's tables as well, of this bridge alone: a Service's answer, which
// comes from a pod beside the one that asked, gets its address back there. That
// takes br_netfilter.
func (n Network) filterBridged(ctx context.Context) error {
	setting := filepath.Join("/sys/class/net", n.name, "bridge/nf_call_iptables")
	if _, err := os.Stat(setting); err != nil {
		modprobe := find("modprobe", pathDirs())
		if modprobe == "" {
			return errors.New("the kernel has not loaded br_netfilter, and there is no modprobe")
		}
		if out, err := exec.CommandContext(ctx, modprobe, "br_netfilter").CombinedOutput(); err != nil {
			return fmt.Errorf("the kernel has no br_netfilter: modprobe: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	return os.WriteFile(setting, []byte("1"), 0o644)
}

// idle says whether no pod hangs on the bridge.
func (n Network) idle() bool {
	pods, err := os.ReadDir(filepath.Join("/sys/class/net", n.name, "brif"))
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(pods) == 0
}

// removeBridge deletes the pods' bridge, if it is there.
func (n Network) removeBridge() error {
	bridge, err := netlink.LinkByName(n.name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(bridge)
	}
	if err != nil {
		return fmt.Errorf("deleting the bridge %s: %w", n.name, err)
	}
	return nil
}
