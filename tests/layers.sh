#!/bin/sh
# Checks every #include of proxy/, tenants/ and include/ against the table of layers in
# proxy/README.md: which layer sees which, and which file may use which library. At the end it
# plants bad includes in a copy and checks that they are found.
#
#   tests/layers.sh          the tree and the planted faults
#   tests/layers.sh --tree DIR   only a tree
set -eu
cd "$(dirname "$0")/.."

# What any file may use: C without clock, signals, locale, threads and long jumps.
c='assert ctype errno float inttypes limits math stdalign stdarg stdatomic stdbool stddef stdint
	stdio stdlib stdnoreturn string strings'
# What the word POSIX stands for in the table.
posix='arpa/* dirent.h fcntl.h getopt.h grp.h linux/* net/if.h netinet/* poll.h pthread.h pwd.h sched.h
	signal.h sys/* time.h unistd.h'
c=$(echo $c)
posix=$(echo $posix)

# check TREE: prints what is wrong; fails when anything is.
check() {
	(
		cd "$1"
		sed -n '/^| layer /,/^$/p' proxy/README.md | sed 's/^/TABLE /'
		grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.[ch]' proxy tenants include
	) | awk -v c="$c" -v posix="$posix" '
	function trim(s) { gsub(/^[ \t`]+|[ \t`]+$/, "", s); return s }
	# Does the header meet one of the words, where a star at the end stands for anything?
	function meets(header, words,    n, w, i, stem) {
		n = split(words, w, /[ \t]+/)
		for (i = 1; i <= n; i++) {
			if (w[i] == "POSIX" && meets(header, posix)) return 1
			stem = w[i]
			if (sub(/\*$/, "", stem) ? index(header, stem) == 1 : header == stem) return 1
		}
		return 0
	}
	# Cells hold `headers: files`, separated by semicolons; no files means any file.
	function allowed(layer, header, file,    n, part, i, half) {
		n = split(libraries[layer], part, /;/)
		for (i = 1; i <= n; i++) {
			split(part[i] ":", half, /:/)
			if (meets(header, trim(half[1])) &&
				(trim(half[2]) == "" || meets(file, trim(half[2])))) return 1
		}
		return 0
	}
	function layer_of(path,    w) {
		split(path, w, "/")
		if (w[1] == "tenants") return "tenants"
		return w[3] == "" ? "main" : w[2]
	}
	function bad(what) { print place ": " what; faults++ }
	/^TABLE / {
		split(substr($0, 7), cell, /\|/)
		name = trim(cell[2])
		sub(/^proxy\//, "", name); sub(/\/$/, "", name)
		if (name != "layer" && name !~ /^-+$/ && name != "") {
			sees[name] = " " trim(cell[3]) " "
			gsub(/[,`]/, " ", sees[name])
			gsub(/`/, "", cell[4])
			libraries[name] = cell[4]
			rows++
		}
		next
	}
	{
		split($0, at, ":"); path = at[1]; place = at[1] ":" at[2]
		header = $0; sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*$/, "", header)
		quoted = $0 ~ /include[ \t]*"/
		layer = layer_of(path)
		file = path; sub(/^.*\//, "", file); sub(/\.[ch]$/, "", file)
		split(header, w, "/"); other = w[2] == "" ? "" : w[1]
		seen++
		if (!(layer in sees)) bad("layer `" layer "` is not in the table of proxy/README.md")
		else if (quoted && other in sees) {
			if (other != layer && index(sees[layer], " " other " ") == 0)
				bad(layer " may not see " other " (" header ")")
			else if (other != layer && header ~ /_inside\.h$/ && !allowed(layer, header, file))
				bad(header " is for files of its own layer")
		} else if (header ~ /\.h$/ && index(" " c " ", " " substr(header, 1, length(header) - 2) " ")) {
		} else if (!allowed(layer, header, file))
			bad("no row allows <" header "> in " file " of layer " layer)
	}
	END {
		if (rows < 8 || seen < 100) { print "the table or the includes were not found"; exit 2 }
		exit faults > 0
	}'
}

if [ "${1:-}" = --tree ]; then
	check "$2"
	exit
fi

check . || { echo "layers: see the table in proxy/README.md"; exit 1; }

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# must_find FILE LINE: a copy of the tree with this line in this file must not pass.
must_find() {
	rm -rf "$copy/tree"
	mkdir "$copy/tree"
	cp -r proxy tenants include "$copy/tree"
	echo "$2" >>"$copy/tree/$1"
	if check "$copy/tree" >"$copy/said"; then
		echo "layers: $2 in $1 was not found: this check is broken"
		exit 1
	fi
	grep -q "^$1:" "$copy/said" || { echo "layers: $1 was not named"; cat "$copy/said"; exit 1; }
}
must_find proxy/net/tls.c '#include "xmpp/scan.h"'
must_find proxy/xmpp/scan.c '#include "net/tls.h"'
must_find include/trust/cert.h '#include "core/worker.h"'
must_find tenants/load.c '#include "xmpp/scan.h"'
must_find proxy/xmpp/scan.c '#include <libxml/parser.h>'
must_find proxy/xmpp/scan.c '#include <time.h>'
must_find proxy/trust/identity.c '#include <mbedtls/ssl.h>'
must_find proxy/core/worker.c '#include <mbedtls/ssl.h>'
must_find proxy/core/worker.c '# include <unbound.h>'
must_find proxy/core/link.c '#include "net/tls_inside.h"'
echo "layers: every include is allowed, ten planted faults were found"
