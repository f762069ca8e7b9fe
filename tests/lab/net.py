"""A switch and hosts on it, each a network namespace with its own address.

    with Net("test") as net:
        gate = net.host("gate", "10.99.0.3", "10.99.0.2")
        server = gate.popen(["prosody", "-F"], user="prosody", resolv="10.99.0.53")
        sock = gate.connect(("10.99.0.12", 5269))

A process started by popen() sees, in a mount namespace of its own, its own /etc/resolv.conf,
/etc/hosts and whatever files `binds` lays over others. Names carry the owner's process id and
start time; what a killed owner left is swept away when the next Net is made.
"""

import ctypes
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

PREFIX = "fedgate"
NETNS = pathlib.Path("/run/netns")
HOME = pathlib.Path("/tmp")  # not TMPDIR: every server's own user must reach it
CLONE_NEWNET = 0x40000000
HOSTS = "127.0.0.1 localhost\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
# $1.. are pairs "file, what it covers", then -- and the command.
COVER = 'set -e; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec "$@"'
# The same with / changed: $1 the new root, $2 the lab's directory, visible in it under its name.
CHROOT = ('set -e; root=$1; dir=$2; shift 2; mount -t proc proc "$root/proc"; '
          'mount --rbind /dev "$root/dev"; mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"; '
          'mkdir -p "$root$dir"; '
          'mount --bind "$dir" "$root$dir"; while [ "$1" != -- ]; do '
          'mount --bind "$1" "$root$2"; shift 2; done; shift; exec chroot "$root" "$@"')
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab cannot do what was asked; the text says what to do about it."""


def _ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LabError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _start_time(pid):
    """When the process was started, in ticks since boot; None when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def user_ids(user, root=None):
    """Number and group of a user, as the passwd file under `root` has them."""
    for line in pathlib.Path(root or "/", "etc/passwd").read_text(encoding="utf-8").splitlines():
        field = line.split(":")
        if field[0] == user:
            return int(field[2]), int(field[3])
    raise LabError(f"no user {user}: run packaging/deps/packages.sh lab")


def _check_rights():
    if not shutil.which("ip"):
        raise LabError("the program `ip` is missing: run packaging/deps/packages.sh lab")
    tried = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True,
                           text=True, check=False)
    if os.geteuid() != 0 or tried.returncode != 0:
        raise LabError("the lab makes network namespaces, which is not permitted here: run it as "
                       "root (in a container: with --privileged). " + tried.stderr.strip())


def _kill_all(namespaces, number):
    for name in namespaces:
        for pid in _ip("netns", "pids", name, check=False).split():
            try:
                os.kill(int(pid), number)
            except ProcessLookupError:
                pass


def _remove(tag):
    """Ends every process in the namespaces of one Net and removes them; returns what stayed."""
    mine = [path.name for path in NETNS.glob(f"{tag}.*")]
    for _ in range(100):
        _kill_all(mine, signal.SIGKILL)
        if not any(_ip("netns", "pids", name, check=False).split() for name in mine):
            for name in mine:
                _ip("netns", "del", name, check=False)
            mine = [name for name in mine if (NETNS / name).exists()]
        if not mine:
            break
        time.sleep(0.02)
    return mine


def sweep(also_kept=False):
    """Removes what owners that no longer live have left; returns their tags."""
    tags = {".".join(path.name.split(".")[:4]) for path in NETNS.glob(f"{PREFIX}.*")}
    tags |= {path.name for path in HOME.glob(f"{PREFIX}.*.*.*")}
    gone = []
    for tag in sorted(tags):
        parts = tag.split(".")
        if len(parts) != 4 or _start_time(parts[2]) == parts[3]:
            continue
        if (HOME / tag / "kept").exists() and not also_kept:
            continue
        _remove(tag)
        shutil.rmtree(HOME / tag, ignore_errors=True)
        gone.append(tag)
    return gone


class Process:
    """A program running in a host, its output in a file."""

    def __init__(self, popen, log):
        self.popen, self.log = popen, pathlib.Path(log)
        self.pid = popen.pid

    def running(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def send(self, number):
        if self.running():
            os.kill(self.pid, number)

    def stop(self, seconds=10, group=False):
        """SIGTERM, then SIGKILL to its whole group; returns the exit status."""
        if group and self._group_lives():
            os.killpg(self.pid, signal.SIGTERM)
        else:
            self.send(signal.SIGTERM)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not (self._group_lives() if group else self.running()):
                return self.popen.wait(1)
            time.sleep(0.01)
        return self.kill()

    def _group_lives(self):
        self.running()  # takes the leader's exit status: a zombie would count as alive
        try:
            os.killpg(self.pid, 0)
            return True
        except ProcessLookupError:
            return False

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.popen.wait(10)


class Host:
    """One machine of the lab; made by Net.host()."""

    def __init__(self, net, name, addresses):
        self.net, self.name, self.addresses = net, name, addresses
        self.address = addresses[0]
        self.namespace = f"{net.tag}.{name}"
        self.dir = net.dir / name
        self.dir.mkdir(mode=0o755)
        self.runtime = self.directory("run")
        self._files = 0
        _ip("netns", "add", self.namespace)
        port = f"p{len(net.hosts)}"
        _ip("link", "add", "eth0", "netns", self.namespace, "type", "veth",
            "peer", "name", port, "netns", net.switch)
        _ip("-n", net.switch, "link", "set", port, "master", "br0", "up")
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        _ip("-n", self.namespace, "link", "set", "eth0", "up")
        for address in addresses:
            length = "64" if ":" in address else "24"
            extra = ["nodad"] if ":" in address else []
            _ip("-n", self.namespace, "addr", "add", f"{address}/{length}", "dev", "eth0", *extra)

    def file(self, name, text, user=None, mode=0o644, root=None):
        """Writes a file into the host's directory, for `user` alone when the mode says so."""
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        if user:
            os.chown(path, *user_ids(user, root))
        return path

    def directory(self, name, user=None, root=None):
        path = self.dir / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        if user:
            os.chown(path, *user_ids(user, root))
        return path

    def _covers(self, resolv, hosts, binds, root):
        """What is laid over the machine's files. /run is the host's own: no socket of the
        machine's services (a caching resolver, for one) is in reach."""
        self._files += 1
        lines = "".join(f"nameserver {one}\n" for one in (resolv or "").split())
        files = {"/etc/resolv.conf": lines + "options timeout:2 attempts:2\n",
                 "/etc/hosts": HOSTS + (hosts or ""), "/etc/nsswitch.conf": NSSWITCH}
        words = [str(self.runtime), "/run"]
        for target, text in files.items():
            real = os.path.realpath(target)
            if not root and real.startswith("/run/"):
                self.file(f"run/{real[5:]}", text)
            elif os.path.exists((str(root) if root else "") + target):
                name = f"etc/{self._files}-{os.path.basename(target)}"
                words += [str(self.file(name, text)), target]
        for source, target in binds:
            words += [str(source), str(target)]
        return words + ["--"]

    def command(self, argv, user=None, resolv=None, hosts=None, binds=(), root=None):
        """The words that run argv here: as `user`, with these name servers ("A B") and lines
        of /etc/hosts, with `binds` (file, what it covers), optionally with another root."""
        words = ["nsenter", f"--net={NETNS / self.namespace}",
                 "unshare", "--mount", "/bin/sh", "-c"]
        if root:
            words += [CHROOT, "sh", str(root), str(self.net.dir)]
        else:
            words += [COVER, "sh"]
        words += self._covers(resolv, hosts, binds, root)
        if user:
            number, group = user_ids(user, root)
            words += ["setpriv", f"--reuid={number}", f"--regid={group}", "--init-groups"]
        return words + [str(word) for word in argv]

    def _environment(self, env):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8", "HOME": str(self.dir), **(env or {})}

    def popen(self, argv, env=None, log=None, **where):
        """Starts a program; `where` as for command(). Returns a Process."""
        log = pathlib.Path(log or self.dir / f"{os.path.basename(str(argv[0]))}.out")
        with open(log, "ab") as out:
            process = Process(subprocess.Popen(  # pylint: disable=consider-using-with
                self.command(argv, **where), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self._environment(env), cwd="/", start_new_session=True), log)
        self.net.processes.append(process)
        return process

    def run(self, argv, env=None, stdin="", seconds=30, check=True, **where):
        """Runs a program to its end and returns the CompletedProcess (text)."""
        done = subprocess.run(self.command(argv, **where), input=stdin, capture_output=True,
                              text=True, env=self._environment(env), cwd="/", timeout=seconds,
                              check=False)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(map(str, argv))} ended with "
                           f"{done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done

    def inside(self, function):
        """Calls function() in a thread that has entered this host's network namespace; a
        socket it makes stays a socket of this host, whoever uses it later."""
        box = {}

        def enter():
            handle = os.open(NETNS / self.namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(handle, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {self.namespace}")
                box["answer"] = function()
            except BaseException as error:  # pylint: disable=broad-except
                box["error"] = error
            finally:
                os.close(handle)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if "error" in box:
            raise box["error"]
        return box["answer"]

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        return self.inside(lambda: socket.socket(family, kind))

    def connect(self, address, seconds=5, source=None):
        sock = self.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        sock.settimeout(seconds)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock

    def listen(self, address, backlog=128):
        sock = self.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(backlog)
        return sock

    def wait_for_port(self, port, process=None, seconds=30, address=None):
        """Waits until something listens; says what the process wrote when it died instead."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.connect((address or self.address, port), 1).close()
                return
            except OSError:
                pass
            if process and not process.running():
                raise LabError(f"{self.name}: ended before it listened on {port}:\n"
                               + process.output()[-2000:])
            if time.monotonic() > end:
                raise LabError(f"{self.name}: nobody listens on port {port} after {seconds} s"
                               + (f"; see {process.log}" if process else ""))
            time.sleep(0.05)

    def cut(self, down=True):
        """Pulls the cable out (or puts it back)."""
        _ip("-n", self.namespace, "link", "set", "eth0", "down" if down else "up")


class Net:
    """The switch and what hangs on it. `dir` holds the files of all hosts."""

    def __init__(self, label):
        _check_rights()
        sweep()
        label, owner = f"{label.replace('.', '-')}-{next(_numbers)}", os.getpid()
        self.tag = f"{PREFIX}.{label}.{owner}.{_start_time(owner)}"
        self.hosts, self.processes = {}, []
        self.dir = HOME / self.tag
        self.dir.mkdir(mode=0o755)
        self.dir.chmod(0o755)
        self.switch = f"{self.tag}.switch"
        try:
            _ip("netns", "add", self.switch)
            _ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
            _ip("-n", self.switch, "link", "set", "br0", "up")
        except LabError:
            self.close()
            raise

    def host(self, name, *addresses):
        self.hosts[name] = Host(self, name, addresses)
        return self.hosts[name]

    def keep(self):
        """What runs survives this process, until `python3 -m lab.net down`."""
        (self.dir / "kept").touch()

    def save(self, target, wanted=("*.log", "*.out", "*.err")):
        """Copies the logs of all hosts to `target`/HOST/."""
        for name, host in self.hosts.items():
            for path in sorted(one for mask in wanted for one in host.dir.rglob(mask)):
                place = pathlib.Path(target) / name / path.relative_to(host.dir).name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)

    def close(self):
        """Ends everything at once (who wants a clean stop has asked for it) and leaves nothing."""
        left = _remove(self.tag)
        for process in self.processes:
            process.popen.wait(5)
        shutil.rmtree(self.dir, ignore_errors=True)
        if left:
            raise LabError(f"namespaces that cannot be removed: {' '.join(left)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    if sys.argv[1:] != ["down"]:
        sys.exit("usage: python3 -m lab.net down      ends what `keep` left running")
    for ended in sweep(also_kept=True):
        print("removed", ended)
