"""What Prosody and ejabberd have in common in the lab."""

import pathlib
import shutil
import string
import subprocess

from lab.net import LabError

CONFIGS = pathlib.Path(__file__).parent / "configs"
PASSWORD = "secret"


def fill(name, **values):
    """A file of configs/ with its ${...} filled in."""
    text = (CONFIGS / name).read_text(encoding="utf-8")
    return string.Template(text).substitute(values)


def edit(text, changes, origin):
    """Replaces each key of `changes`, which must occur exactly once, by its value."""
    for old, new in changes.items():
        if text.count(old) != 1:
            raise LabError(f"{origin} is not the stock file: {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    return text


def stock_file(path, root=None):
    """The text of a package's configuration file, or None when somebody has changed it."""
    where = pathlib.Path(str(root or "") + path)
    words = (["chroot", str(root)] if root else []) + ["dpkg-query", "-W", "-f", "${Conffiles}\n"]
    package = path.split("/")[2]
    listed = subprocess.run(words + [package], capture_output=True, text=True, check=False).stdout
    sums = [line.split()[1] for line in listed.splitlines() if line.split()[:1] == [path]]
    if sums:
        real = subprocess.run(["md5sum", where], capture_output=True, text=True, check=False)
        if real.stdout.split()[:1] != sums:
            return None
    return where.read_text(encoding="utf-8") if where.exists() else None


class Server:
    """One server in a host, from a configuration that stands at the package's usual paths."""

    user = program = config_path = ""

    def __init__(self, host, config, domains, resolv, root=None):
        self.host, self.domains, self.resolv, self.root = host, domains, resolv, root
        self.process = None
        self.config = host.file(f"{self.user}.config", "", self.user, root=root)
        self.configure(config)
        self.data = host.directory("data", self.user, root=root)
        self.logs = host.directory("logs", self.user, root=root)
        host.directory(f"run/{self.user}", self.user, root=root)
        self.binds = [(self.config, self.config_path), (self.data, f"/var/lib/{self.user}"),
                      (self.logs, f"/var/log/{self.user}")]
        self.log = self.logs / f"{self.user}.log"

    def configure(self, config):
        """Another configuration (a text, or the path of a file), from the next start on."""
        if isinstance(config, pathlib.Path):
            config = config.read_text(encoding="utf-8")
        self.config.write_text(config, encoding="utf-8")

    def _where(self):
        return {"user": self.user, "resolv": self.resolv, "binds": self.binds, "root": self.root}

    def wait(self, seconds=60):
        """Returns when clients and servers can connect."""
        for port in (5222, 5269):
            self.host.wait_for_port(port, self.process, seconds)

    def kill(self):
        self.process.kill()

    def log_text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @staticmethod
    def credentials(host, identity, user, root=None):
        """Copies of chain, key and both that this user may read; as a dictionary of paths."""
        return {name: host.file(f"tls/{name}.pem", getattr(identity, name).read_bytes(), user,
                                0o600, root=root) for name in ("chain", "key", "both")}

    @staticmethod
    def trust(host, path):
        """A copy of the CA file which everybody may read."""
        return shutil.copyfile(path, host.directory("tls") / "trust.pem")
