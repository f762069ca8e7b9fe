#!/bin/sh
# What is made from the tables of the source stands in the tree as they would make it now.
set -eu
cd "$(dirname "$0")/.."
gate=${FEDGATE:-build/fedgate}
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT

"$gate" reference >"$fresh"
[ -s "$fresh" ] || { echo "generated: \`fedgate reference\` printed nothing"; exit 1; }
diff -u tenants/reference.md "$fresh" || {
	echo "generated: run \`$gate reference >tenants/reference.md\`"
	exit 1
}
echo "generated: tenants/reference.md is as the schema makes it"
