#!/bin/sh
# vuln.sh GOVULNCHECK FILE PROGRAM...: what is known against the programs. It fails
# if there is something that FILE does not name: there each finding is explained.
set -eu

govulncheck=$1
explained=$2
shift 2
unexplained=""
for program; do
	echo "$program"
	report=$(go run "golang.org/x/vuln/cmd/govulncheck@$govulncheck" ${GOVULNDB:+-db "$GOVULNDB"} -mode binary "$program") && found="" || {
		found=$(printf '%s\n' "$report" | sed -n 's/^Vulnerability #[0-9]*: //p')
		test -n "$found" # or it did not come as far as to look
	}
	for id in $found; do
		if grep -q "$id" "$explained"; then
			echo "    $id: explained in $explained"
		else
			unexplained="$unexplained $id"
			printf '%s\n' "$report"
		fi
	done
done
if [ -n "$unexplained" ]; then
	echo "not explained in $explained:$unexplained" >&2
	exit 1
fi
