#!/bin/sh
# Installs, with apt, the Debian packages that the Makefile needs and that are missing.
#
#   packaging/deps/packages.sh build|test|lab|bench|backports|all     any number of these words
#   packaging/deps/packages.sh --list build|test|lab|...        only prints what they stand for
#
# A service which such a package brings along is neither started nor left enabled; services that
# were here before are not touched. Nothing is done, and no right is needed, when all is there.
set -eu

build='gcc libc6-dev make pkg-config binutils patch dpkg-dev debian-archive-keyring ca-certificates
	libuv1-dev libxml2-dev libidn2-dev libidn-dev libldns-dev libunbound-dev libinih-dev
	libjansson-dev libcurl4-openssl-dev libssl-dev dns-root-data'
test='clang libclang-rt-14-dev clang-format-14 clang-tidy cppcheck libcmocka-dev libexpat1-dev
	python3 python3-dnspython python3-cryptography openssl gnutls-bin sslscan
	systemd python3-seccomp valgrind'
lab='prosody lua-unbound ejabberd knot knot-dnsutils nginx-light curl openssl iproute2 nftables procps
	util-linux python3 python3-cryptography python3-dnspython python3-openssl libunbound8'
bench='haproxy nginx-light libnginx-mod-stream hitch'
backports='debootstrap debian-archive-keyring'

policy=/usr/sbin/policy-rc.d
mark='made by packaging/deps/packages.sh of fedgate'
self=$0

say() { echo "packages: $*"; }
die() { echo "packages: $*" >&2; exit 1; }

# words_of SET...: the packages the words stand for, one a line, each once.
words_of() {
	for set in "$@"; do
		case $set in
		build) echo "$build" ;;
		test) echo "$test" ;;
		lab) echo "$lab" ;;
		backports) echo "$backports" ;;
		bench) echo "$bench" ;;
		all) echo "$build $test $lab" ;;
		*) die "unknown word '$set': build, test, lab, bench, backports or all" ;;
		esac
	done | tr -s ' \t' '\n' | grep . | sort -u
}

# missing_of: of the names on standard input, those that are not installed.
missing_of() {
	names=$(cat)
	# shellcheck disable=SC2016,SC2086 # a dpkg format; the names are words
	dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $names 2>/dev/null |
		sed -n 's/^.i  *//p' | sort -u >"$scratch/installed"
	echo "$names" | grep -vxFf "$scratch/installed" || true
}

# All units and init scripts of this machine, by their names.
services() {
	find /lib/systemd/system /usr/lib/systemd/system /etc/systemd/system /etc/init.d \
		-maxdepth 1 \( -name '*.service' -o -name '*.socket' -o -name '*.timer' -o \
		-path '/etc/init.d/*' \) 2>/dev/null | sed 's,.*/,,' | sort -u
}

# While apt runs, a policy in front of the machine's own one refuses to start what was not here.
policy_put() {
	services >"$scratch/services"
	[ ! -e "$policy" ] || mv "$policy" "$policy.fedgate"
	cat >"$scratch/policy" <<-POLICY
		#!/bin/sh
		# $mark; the machine's own, if any, waits in $policy.fedgate
		for word in "\$@"; do
			case \$word in -*) continue ;; esac
			[ ! -f "$scratch/services" ] ||
				grep -qxF -e "\$word" -e "\$word.service" "$scratch/services" || exit 101
			break
		done
		[ ! -x "$policy.fedgate" ] || exec "$policy.fedgate" "\$@"
	POLICY
	install -m 755 "$scratch/policy" "$policy"
}

# Also run at the start: an earlier run may have been killed.
policy_restore() {
	if [ -f "$policy" ] && grep -qF "$mark" "$policy"; then
		rm -f "$policy"
	fi
	if [ -e "$policy.fedgate" ] && [ ! -e "$policy" ]; then
		mv "$policy.fedgate" "$policy"
	fi
}

disable_new_services() {
	services | grep -vxFf "$scratch/services" | while read -r name; do
		case $name in
		*@.service | *@.socket) ;;
		*.service | *.socket | *.timer)
			systemctl disable "$name" || # no systemctl here: do what it does
				find /etc/systemd/system -type l -name "$name" -delete ;;
		*) update-rc.d "$name" disable || true ;;
		esac
	done >"$scratch/disabled" 2>&1
}

# apt itself waits for dpkg's lock, but not for the one of the package lists.
update() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		if apt-get -q update >"$scratch/log" 2>&1; then return 0; fi
		grep -q 'Could not get lock' "$scratch/log" || break
		sleep 5
	done
	return 1
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o DPkg::Lock::Timeout=600 install "$@" >"$scratch/log" 2>&1
}

install_all() {
	say "installing:" "$@"
	policy_put
	if ! apt_install "$@"; then
		say "again, with fresh package lists"
		update || { cat "$scratch/log" >&2; die "apt could not read the package lists"; }
		apt_install "$@" || { cat "$scratch/log" >&2; die "apt could not install them"; }
	fi
	disable_new_services
	say "done; no service was started"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
[ $# -gt 0 ] || die "usage: packages.sh [--list] build|test|lab|bench|backports|all"
if [ "$1" = --list ]; then
	shift
	words_of "$@"
	exit 0
fi
command -v dpkg-query >/dev/null || die "this needs Debian 12 or a relative of it (dpkg, apt)"
words_of "$@" >"$scratch/wanted"
missing=$(missing_of <"$scratch/wanted")
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	# shellcheck disable=SC2116,SC2086 # one line of what is one a line
	command -v sudo >/dev/null || die "not root and no sudo; as root, first:" \
		"apt-get install $(echo $missing)"
	say "needs root for apt: sudo $self $*"
	rm -rf "$scratch"
	exec sudo "$self" "$@"
fi
exec 9>/run/fedgate-packages.lock
flock 9
policy_restore
trap 'policy_restore; rm -rf "$scratch"' EXIT
missing=$(missing_of <"$scratch/wanted") # while waiting, another run may have installed them
[ -n "$missing" ] || exit 0
# shellcheck disable=SC2086 # package names are words
install_all $missing
