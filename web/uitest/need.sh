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
# shellcheck disable=SC2086 # one word a package
exec "$(dirname "$0")/../../tools/install.sh" "; or say where Chromium is: CHROMIUM=/path/to/chrome" $missing
