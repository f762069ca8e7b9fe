#!/bin/sh
# The part of `make install` that is not copying: directories, the example configuration, the user.
#
#   packaging/install.sh DESTDIR CONFDIR            what is there already is left as it is
#   packaging/install.sh --remove DESTDIR CONFDIR   configuration, secrets and the user stay
#
# With a DESTDIR nothing of this machine is touched: no user, no systemd.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

reload_systemd() {
	if [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
		systemctl daemon-reload
	fi
}

make_user() {
	if getent passwd fedgate >/dev/null; then
		return
	elif command -v systemd-sysusers >/dev/null; then
		systemd-sysusers "$here/systemd/sysusers.conf"
	elif command -v adduser >/dev/null; then
		adduser --quiet --system --group --no-create-home --home /nonexistent fedgate
	else
		useradd --system --user-group --no-create-home --home-dir /nonexistent \
			--shell /usr/sbin/nologin fedgate
	fi
}

if [ "${1:-}" = --remove ]; then
	destdir=$2
	confdir=$2$3
	reload_systemd
	if [ -d "$confdir" ]; then
		echo "left in place: $confdir, $destdir/var/lib/fedgate, the user fedgate"
	fi
	exit 0
fi

destdir=$1
confdir=$1$2
install -d -m 755 "$confdir" "$confdir/tenants.d"
# Keys are the supervisor's alone.
[ -d "$confdir/tls" ] || install -d -m 700 "$confdir/tls"
if [ ! -e "$confdir/fedgate.ini" ]; then
	install -m 644 "$here/config/fedgate.ini" "$confdir/fedgate.ini"
fi
if [ -z "$destdir" ]; then
	make_user
	# As the unit's StateDirectory= would; a start without systemd needs it too.
	[ -d /var/lib/fedgate ] || install -d -m 700 /var/lib/fedgate
	reload_systemd
fi
echo "next: one file per customer in $2/tenants.d, then \`fedgate check\`; see README.md"
