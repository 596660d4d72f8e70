#!/bin/sh
# need.sh: see that the system has what the page's tests need: Node.js with npm,
# and Chromium. Root on Debian gets what is missing; everyone else is told.
set -eu

missing=""
command -v node >/dev/null && command -v npm >/dev/null || missing="$missing nodejs npm"
command -v "${CHROMIUM:-chromium}" >/dev/null || missing="$missing chromium fonts-dejavu-core"
if [ -z "$missing" ]; then
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing system packages (Debian's names):$missing" >&2
	echo "install them, as root: apt-get install$missing; or say where Chromium is: CHROMIUM=/path/to/chrome" >&2
	exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # one word a package
apt-get install -y -qq --no-install-recommends $missing >/dev/null
