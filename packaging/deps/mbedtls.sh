#!/bin/sh
# Builds mbedTLS 3.6 LTS, static, with our own configuration, from the source package of Debian
# stable: Debian 12's own 2.28 is end of life and has no TLS 1.3.
#
#   packaging/deps/mbedtls.sh DEST      DEST/mbedtls/{include,lib}
#
# apt fetches and checks the package against the Debian archive keyring, in a state directory of
# its own: the system's apt sources are neither used nor changed. Nothing is done when the build
# is there and this script and the configuration have not changed since.
set -eu

dest=${1:?usage: mbedtls.sh DEST}
here=$(cd "$(dirname "$0")" && pwd)
config=$here/fedgate_mbedtls_config.h
patch=$here/mbedtls-pss.patch
suite=trixie
series=3.6
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

stamp=$(cat "$0" "$config" "$patch" | sha256sum | cut -d' ' -f1)
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
if [ -f "$dest/mbedtls/stamp" ] && [ "$(cat "$dest/mbedtls/stamp")" = "$stamp" ] &&
	[ -f "$dest/mbedtls/lib/libmbedtls.a" ]; then
	touch "$dest/mbedtls/lib/libmbedtls.a"
	exit 0
fi

say() { echo "mbedtls: $*"; }
die() { echo "mbedtls: $*" >&2; exit 1; }
for tool in apt-get dpkg-source patch ar "${CC:-gcc}"; do
	command -v "$tool" >/dev/null || die "$tool is missing: run 'make deps' first"
done
[ -f "$keyring" ] || die "$keyring is missing (package debian-archive-keyring)"

# The mirrors that this machine already uses for Debian.
mirror_of() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -E "/$1/?\$" | sort -u | head -n 1 || true
}
main=$(mirror_of debian)
security=$(mirror_of debian-security)
[ -n "$main" ] || die "apt knows no mirror of Debian here: see to its sources, then 'apt-get update'"
[ -n "$security" ] || say "warning: apt knows no mirror of debian-security: updates will be missed"

work=$(mktemp -d "$dest/mbedtls.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/src"
cat >"$work/apt/sources.list" <<EOF
deb-src [signed-by=$keyring] $main $suite main
${security:+deb-src [signed-by=$keyring] $security $suite-security main}
EOF
apt_here() {
	apt-get -q -o Dir::State="$work/apt" -o Dir::Cache="$work/apt/cache" \
		-o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" "$@"
}

say "fetching the source package of Debian $suite"
apt_here update >"$work/log" 2>&1 || { cat "$work/log" >&2; die "apt could not read the package lists"; }
(cd "$work/src" && apt_here source --download-only mbedtls) >"$work/log" 2>&1 ||
	{ cat "$work/log" >&2; die "apt could not fetch or verify the source package"; }
(cd "$work/src" && dpkg-source -x ./*.dsc tree) >"$work/log" 2>&1 ||
	{ cat "$work/log" >&2; die "the source package could not be unpacked"; }
tree=$work/src/tree
patch -s -d "$tree" -p1 <"$patch" || die "the patch does not fit: is its fault mended upstream?"

version=$(sed -n 's/^#define MBEDTLS_VERSION_STRING  *"\(.*\)"/\1/p' \
	"$tree/include/mbedtls/build_info.h")
case $version in
"$series".*) ;;
*) die "found mbedTLS $version, but this project needs $series.x" ;;
esac

say "building $version"
flags="-O2 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
	-I$here -I$tree/include -I$tree/library -DMBEDTLS_CONFIG_FILE=\"fedgate_mbedtls_config.h\""
mkdir -p "$work/obj"
# shellcheck disable=SC2086 # the flags are words
printf '%s\n' "$tree"/library/*.c |
	xargs -P "$(nproc)" -I{} sh -c '"${CC:-gcc}" "$@" -w -c -o "'"$work"'/obj/$(basename {} .c).o" {}' sh $flags

out=$work/out
mkdir -p "$out/lib" "$out/include"
cp -r "$tree/include/mbedtls" "$tree/include/psa" "$out/include/"
# The library's own headers: proxy/net/tls_inside.c needs a few of them.
mkdir -p "$out/include/library"
cp "$tree"/library/*.h "$out/include/library/"
cp "$config" "$out/include/"
pick() { for f in "$@"; do [ -f "$work/obj/$f.o" ] && echo "$work/obj/$f.o"; done; }
names() { (cd "$work/obj" && for f in $1; do [ -f "$f" ] && basename "$f" .o; done); }
# shellcheck disable=SC2046
{
	ar rcs "$out/lib/libmbedtls.a" $(pick $(names 'ssl_*.o mps_*.o debug.o net_sockets.o'))
	ar rcs "$out/lib/libmbedx509.a" $(pick $(names 'x509*.o pkcs7.o'))
	rm -f "$work"/obj/ssl_*.o "$work"/obj/mps_*.o "$work"/obj/debug.o "$work"/obj/net_sockets.o \
		"$work"/obj/x509*.o "$work"/obj/pkcs7.o
	ar rcs "$out/lib/libmbedcrypto.a" "$work"/obj/*.o
}
echo "$stamp" >"$out/stamp"
echo "$version" >"$out/version"
rm -rf "$dest/mbedtls"
mv "$out" "$dest/mbedtls"
say "$version is ready"
