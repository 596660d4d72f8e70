#!/bin/sh
# need.sh: see that the system has what podling's build and containers need:
# a C compiler and libseccomp for runc, iptables for pods' ways outside, and a
# static busybox for an image where no registry can be reached. Commands that it is
# given are needed as well, and come in packages of their names: dbus-daemon for the
# test that plays systemd-logind, curl for the images of upstream's specs. Root on
# Debian gets what is missing; everyone else is told.
set -eu

missing=""
need() { # PACKAGE COMMAND...: the package that makes the command succeed
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
seccomp() { test -e "$(pkg-config --variable=libdir libseccomp)/libseccomp.a"; }
busybox() { test -x /bin/busybox && ! ldd /bin/busybox; }

PATH=$PATH:/usr/sbin:/sbin
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdio.h
need pkg-config command -v pkg-config
need libseccomp-dev seccomp
need iptables command -v iptables
need busybox-static busybox
for command; do
	need "$command" command -v "$command"
done

if [ -z "$missing" ]; then
	exit 0
fi
# shellcheck disable=SC2086 # one word a package
exec "$(dirname "$0")/install.sh" "" $missing
