#!/bin/sh
# install.sh HINT PACKAGE...: install Debian's packages, as root; everyone else is told
# which they are, and the hint.
set -eu

hint=$1
shift
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing system packages (Debian's names): $*" >&2
	echo "install them, as root: apt-get install $*$hint" >&2
	exit 1
fi
echo "installing $*"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@" >/dev/null
