"""A whole Debian machine to try an installation on: this one, seen through an overlay.

    machine = Machine(host, lent=[source_tree])
    machine.shell("make install", cwd=source_tree)
    (machine.root / "etc/hosts").read_text()

What is written there, to /etc or /usr/local, is gone at the end; the machine underneath is never
changed. private_mounts() comes first: then all mounts go with the process that made them.
"""

import ctypes
import pathlib
import subprocess

from lab.net import LabError

CLONE_NEWNS = 0x00020000
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
# Starts what the unit file, or the package's own unit, would start. Waits as systemd does.
SYSTEMCTL = """\
#!/bin/bash
# Stands in for systemd, which does not run in a test.
set -eu
name=${*: -1}
log=/var/log/test-$name.log
pid=/run/test-$name.pid
unit=/usr/local/lib/systemd/system/fedgate.service
start() {
	setsid --fork bash -c 'echo $$ >"$0"; exec "$@"' "$pid" "$@" </dev/null >>"$log" 2>&1
}
stop() {
	[ -e "$pid" ] || return 0
	kill "$(cat "$pid")"
	while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.05; done
}
ready() { grep -c '"event":"ready"' "$log" || true; }
start_fedgate() {
	touch "$log"
	local before command
	before=$(ready)
	read -ra command < <(sed -n 's/^ExecStart=//p' "$unit")
	start "${command[@]}"
	for _ in $(seq 150); do
		[ "$(ready)" = "$before" ] || exit 0
		sleep 0.1
	done
	exit 1
}
case "$*" in
daemon-reload) ;;
"enable --now fedgate") start_fedgate ;;
"restart fedgate") stop && start_fedgate ;;
"reload fedgate") eval "$(sed -n 's/^ExecReload=//p' "$unit")" ;;
"restart prosody")
	stop
	install -d -o prosody /run/prosody
	start setpriv --reuid=prosody --regid=prosody --init-groups prosody -F ;;
"restart ejabberd")
	export HOME=/var/lib/ejabberd
	install -d -o ejabberd /run/ejabberd
	start setpriv --reuid=ejabberd --regid=ejabberd --init-groups ejabberdctl foreground ;;
"reload nginx")
	mapfile -t old < <(ps -o pid= --ppid "$(cat /run/nginx.pid)")
	nginx -s reload
	for worker in "${old[@]}"; do
		while kill -0 "$worker" 2>/dev/null; do sleep 0.05; done
	done ;;
"enable nftables") ;;
*) echo "systemctl $*: not in this test"; exit 1 ;;
esac
"""


def private_mounts():
    """Before any thread is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise LabError("a machine needs root, and the right to mount")
    _mount("--make-rprivate", "/")


def _mount(*words):
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"mount {' '.join(map(str, words))}: {done.stderr.strip()}")


class Machine:
    """The overlay, entered in the network of a host of the lab."""

    def __init__(self, host, resolv, lent=()):
        self.host = host
        layer = host.directory("layer")
        _mount("-t", "tmpfs", "tmpfs", layer)
        self.root = layer / "root"
        for name in ("root", "upper", "work"):
            (layer / name).mkdir()
        _mount("-t", "overlay", "overlay", "-o",
               f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work", self.root)
        _mount("-t", "proc", "proc", self.root / "proc")
        _mount("--rbind", "/dev", self.root / "dev")
        for name in ("tmp", "run"):
            _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", self.root / name)
        for path in lent:
            inside = self.root / str(path).lstrip("/")
            inside.mkdir(parents=True, exist_ok=True)
            _mount("--bind", path, inside)
        self.write("/etc/resolv.conf", f"nameserver {resolv}\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        self.write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text, mode=0o644):
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # it may be a link into /run
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def shell(self, script, cwd="/", seconds=120):
        """What the script prints; a command that fails ends it and the test."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.host.namespace}", "chroot", self.root, "bash",
             "-euc", f"cd {cwd}\n{script}"], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=seconds, env=ENVIRONMENT, check=False)
        if done.returncode != 0:
            raise LabError(f"{script}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def log(self, name):
        path = self.path(f"/var/log/test-{name}.log")
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def close(self):
        """Takes the mounts away, from under what may still run."""
        subprocess.run(["umount", "--recursive", "--lazy", self.root.parent], check=False)
