#!/bin/sh
# Makes a private root with Prosody and ejabberd of bookworm-backports, for the tests that need
# them newer than this machine's. The machine's own packages and apt sources stay as they are.
#
#   packaging/deps/backports.sh DEST      DEST/usr/bin/prosody, DEST/usr/sbin/ejabberdctl, ...
#
# Needs root and debootstrap (packages.sh backports). Nothing is done when DEST was made by this
# very script; remove DEST to have it made afresh.
set -eu

dest=${1:?usage: backports.sh DEST}
suite=bookworm
packages='prosody lua-unbound ejabberd'
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "backports: $*"; }
die() { echo "backports: $*" >&2; exit 1; }

stamp=$(sha256sum <"$0" | cut -d' ' -f1)
if [ -f "$dest/.stamp" ] && [ "$(cat "$dest/.stamp")" = "$stamp" ]; then
	exit 0
fi
[ "$(id -u)" = 0 ] || die "needs root, to make a root of its own"
command -v debootstrap >/dev/null || die "debootstrap is missing: run packaging/deps/packages.sh backports"

# The mirror this machine already uses for Debian, else the one debootstrap knows.
# shellcheck disable=SC2016 # a format of apt's
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
	grep -E '/debian/?$' | sort -u | head -n 1 || true)

mkdir -p "$(dirname "$dest")"
root=$(mktemp -d "$dest.XXXXXX")
chmod 755 "$root"
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

quietly() {
	"$@" >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; rm -f "$root.log"; die "failed: $1 $2"; }
	rm -f "$root.log"
}

in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

say "making a root of Debian $suite (about a minute)"
quietly debootstrap --variant=minbase --keyring="$keyring" "$suite" "$root" ${mirror:+"$mirror"}
mirror=$(sed -n "s/^deb \([^ ]*\) $suite .*/\1/p" "$root/etc/apt/sources.list" | head -n 1)
echo "deb [signed-by=$keyring] $mirror $suite-backports main" >"$root/etc/apt/sources.list.d/backports.list"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# What apt needs to reach the mirror; the lab lays its own files over these two later.
cp /etc/hosts /etc/resolv.conf "$root/etc/"
for file in /etc/apt/apt.conf.d/*prox*; do
	[ ! -f "$file" ] || cp "$file" "$root/etc/apt/apt.conf.d/"
done
quietly in_root apt-get -q update
# shellcheck disable=SC2086 # package names are words
quietly in_root apt-get -q -y --no-install-recommends -t "$suite-backports" install $packages
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
echo "$stamp" >"$root/.stamp"
rm -rf --one-file-system "$dest"
mv "$root" "$dest"
# shellcheck disable=SC2016 # a format of dpkg's
say "ready: $(chroot "$dest" dpkg-query -W -f '${Package} ${Version}  ' prosody ejabberd)"
