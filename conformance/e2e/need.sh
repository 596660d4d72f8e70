#!/bin/sh
# need.sh: see that the system has what the images of upstream's e2e suite are made of,
# beside the static busybox that tools/need.sh sees to: bash and curl. Root on Debian gets
# what is missing; everyone else is told.
set -eu

missing=""
for program in bash curl; do
	command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -z "$missing" ]; then
	exit 0
fi
# shellcheck disable=SC2086 # one word a package
exec "$(dirname "$0")/../../tools/install.sh" "" $missing
