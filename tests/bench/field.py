"""Where the benchmark takes place: a host of the lab with fedgate and the TLS proxies on it, hosts
with Prosody and ejabberd, and the load generator, which runs in the host of whoever is measured, so
that all traffic goes over loopback.

    with Field(binary, loadgen) as field:
        proxy = field.proxies()["haproxy"]
        field.load(proxy, "proxy", "handshake", count=400, at_once=16)
"""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import time

from cryptography.hazmat.primitives.asymmetric import ec, rsa

import pki
from lab import gate as lab_gate
from lab.ejabberd import Ejabberd
from lab.ejabberd import peer_config as ejabberd_config
from lab.nameserver import NameServer
from lab.net import LabError, Net
from lab.prosody import Prosody
from lab.prosody import peer_config as prosody_config
from make_tenants import Authority, pem_of

HERE = pathlib.Path(__file__).resolve().parent
BACKEND, WORLD = "10.99.0.12:5269", "10.99.0.50:5270"
PLAIN = "127.0.0.1:9000"  # the backend of the proxies
SERVER_CPU, LOAD_CPU = "0", "1"
PEERS, TENANTS = "p%ld.peers.example", "t%06ld.tenants.example"
RSA_TENANT, XMPP_DOMAIN = "rsa.example", "server.example"
PAIRS = 1000


def descendants(pid):
    """The process and all below it."""
    found = [pid]
    for one in found:
        try:
            text = pathlib.Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii")
        except OSError:
            continue
        found += [int(word) for word in text.split()]
    return found


def pss_kib(pids):
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total


class Failed(Exception):
    """The load generator did not get through; the text is what it said."""


class Server:
    """Somebody under test: the host it is on, its process, what the load must know, and how to
    start it anew."""

    def __init__(self, name, target, host, process, again, **options):
        self.name, self.target, self.host, self.process = name, target, host, process
        self.again, self.options = again, options

    def pids(self):
        return descendants(self.process.pid)

    def stop(self):
        self.process.stop(group=True)


class Field:
    """Made once for a run of the benchmark."""

    def __init__(self, binary, loadgen, label="bench", pairs=PAIRS):
        self.binary, self.loadgen = pathlib.Path(binary).resolve(), pathlib.Path(loadgen).resolve()
        self.net = Net(label)
        try:
            self.box = self.net.host("box", lab_gate.PUBLIC, lab_gate.EGRESS)
            for address in (BACKEND, WORLD):
                self.box.run(["ip", "addr", "add", f"{address.split(':')[0]}/24", "dev", "eth0"])
            self.names = NameServer(self.net.host("names", lab_gate.NAMES))
            self._make_identities()
            self._make_gate(pairs)
        except BaseException:
            self.close()
            raise

    def _make_identities(self):
        self.flat = Authority(90)
        steps = pki.Steps()
        self.trust = self.box.file("tls/trust.pem", self.flat.pem() + steps.root)
        names = ["p0.peers.example", "*.peers.example"]
        key = ec.generate_private_key(ec.SECP256R1())
        rsa_key = rsa.generate_private_key(65537, 2048)
        self.identities = {
            "server": self._identity("server", key, self.flat.sign(key, ["server.example"])),
            "rsa": self._identity("rsa", rsa_key, self.flat.sign(rsa_key, [RSA_TENANT])),
            "one-ca": self._identity("one-ca", key, self.flat.sign(key, names)),
            "steps": self._identity("steps", key, steps.chain(key, names))}

    def _identity(self, name, key, chain):
        text = {"chain": chain, "key": pem_of(key), "both": pem_of(key) + chain}
        files = {end: self.box.file(f"tls/{name}.{end}", one) for end, one in text.items()}
        return type("Identity", (), files)

    def _make_gate(self, pairs):
        self.gate = lab_gate.Gate(self.box, self.binary, self.trust, workers=1)
        self.gate.set("gate", max_per_address=1000000, max_connections=100000)
        self.gate.set("limits", connections_per_second=1000, idle_seconds=3600)
        self.gate.set("log", level="warn")
        for number in range(pairs):
            self.names.peer(f"p{number}.peers.example", WORLD.split(":")[0], direct=5270,
                            host="world.example")
        self.names.start()

    # Who is measured

    def fedgate(self, tenants):
        """The gate, started anew with the tenants of this directory (see tenants_of)."""
        directory = tenants_of(tenants, self.box.dir)
        self.gate.tenant(RSA_TENANT, BACKEND, self.identities["rsa"])
        name = f"{RSA_TENANT}.ini"
        shutil.copyfile(self.gate.dir / "tenants.d" / name, directory / "tenants.d" / name)
        shutil.copyfile(self.trust, self.gate.dir / "ca.pem")
        self.gate.set("gate", tenants=directory / "tenants.d")
        self.gate.write()
        process = self.box.popen(["taskset", "-c", SERVER_CPU, self.binary, "serve", "--config",
                                  self.gate.dir / "fedgate.ini"], log=self.gate.log)
        self.box.wait_for_port(5269, process)
        return Server("fedgate", "gate", self.box, process, lambda: self.fedgate(tenants),
                      server=f"{lab_gate.PUBLIC}:5269",
                      egress=f"{lab_gate.EGRESS}:5275", backend=BACKEND, world=WORLD,
                      tenants=TENANTS, tenant_count=tenants)

    def proxies(self, wanted=("haproxy", "nginx", "hitch")):
        """Those TLS proxies that are installed, running; by their names."""
        found = {}
        for number, (name, words) in enumerate(PROXY_WORDS.items(), 1):
            if name not in wanted or not shutil.which(name):
                continue
            ports = {"port": 7000 + number, "rsa_port": 7100 + number}
            config = self._proxy_config(name, ports)
            argv = ["taskset", "-c", SERVER_CPU, name, *words, config]
            process = self.box.popen(argv, log=self.box.dir / f"{name}.out")
            self.box.wait_for_port(ports["rsa_port"], process, address="127.0.0.1")
            again = functools.partial(self._proxy, name)
            found[name] = Server(name, "proxy", self.box, process, again, backend=PLAIN,
                                 server=f"127.0.0.1:{ports['port']}",
                                 rsa=f"127.0.0.1:{ports['rsa_port']}")
        return found

    def _proxy(self, name):
        return self.proxies((name,))[name]

    def _proxy_config(self, name, ports):
        text = (HERE / "configs" / f"{name}.conf").read_text(encoding="utf-8")
        words = {"dir": self.box.dir, "trust": self.trust, "backend": PLAIN, **ports}
        for stem in ("server", "rsa"):
            for end in ("chain", "key", "both"):
                words[f"{stem}_{end}"] = getattr(self.identities[stem], end)
        for word, value in words.items():
            text = text.replace("@" + word + "@", str(value))
        return self.box.file(f"{name}.conf", text)

    def xmpp_servers(self, wanted=("prosody", "ejabberd")):
        """Strict servers with the account r0, as receivers; by their names."""
        found = {}
        kinds = {"prosody": (Prosody, prosody_config, "10.99.0.20"),
                 "ejabberd": (Ejabberd, ejabberd_config, "10.99.0.21")}
        for name, (kind, config, address) in kinds.items():
            if name not in wanted:
                continue
            host = self.net.host(name, address)
            made = kind(host, config(host, [XMPP_DOMAIN], self.identities["server"], self.trust),
                        [XMPP_DOMAIN], lab_gate.NAMES)
            quieten(made)
            made.start()
            made.wait()
            made.register("r0", password="secret")
            for pid in descendants(made.process.pid):
                subprocess.run(["taskset", "-a", "-p", "-c", SERVER_CPU, str(pid)],
                               stdout=subprocess.DEVNULL, check=False)
            found[name] = Server(name, "server", host, made.process, None, server=f"{address}:5269",
                                 c2s=f"{address}:5222", tenants=XMPP_DOMAIN)
        return found

    # The load

    def _argv(self, server, job, identity=None, server_identity="server", **options):
        options = {"peers": PEERS, **server.options, **options}
        rsa_address = options.pop("rsa", None)
        if server_identity == "rsa" and rsa_address:
            options["server"] = rsa_address
        elif server_identity == "rsa":
            options["tenants"] = RSA_TENANT
        if server.target == "gate" and job in ("roundtrip", "down") and not identity:
            identity = "one-ca"
        if identity:
            options["chain"] = self.identities[identity].chain
            options["key"] = self.identities[identity].key
        options["pids"] = ",".join(map(str, server.pids()))
        return ["taskset", "-c", LOAD_CPU, self.loadgen, server.target, job,
                *(f"{key}={value}" for key, value in options.items())]

    def load(self, server, job, seconds=60, **options):
        """One run of the load generator; what it measured, as a dictionary."""
        done = server.host.run(self._argv(server, job, **options), seconds=seconds, check=False)
        try:
            result = json.loads(done.stdout)
        except ValueError:
            result = {"good": False}
        if not result["good"]:
            raise Failed(f"{server.name} {job} {options}: {result} {done.stderr[-1500:]}")
        return result

    def idle(self, server, count, **options):
        """PSS in KiB that each of so many idle connections costs a server that has served nobody
        before: otherwise what the heap has kept would hide it. Returns it and the new server."""
        server.stop()
        server = server.again()
        self.load(server, "handshake", count=1, **options)
        time.sleep(0.3)
        before = pss_kib(server.pids())
        argv = self._argv(server, "idle", count=count, at_once=32, **options)
        with subprocess.Popen(server.host.command(argv), stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
            line = load.stdout.readline()
            time.sleep(0.3)
            after = pss_kib(server.pids())
            errors = load.communicate("\n")[1]
        if not line or not json.loads(line)["good"]:
            raise Failed(f"{server.name} idle {count}: {line} {errors[-1500:]}")
        return (after - before) / count, server

    def close(self):
        self.net.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


PROXY_WORDS = {"haproxy": ("-db", "-f"), "nginx": ("-c",), "hitch": ("--config",)}


def quieten(server):
    """No debug log: what it costs is not the server's job."""
    text = server.config.read_text(encoding="utf-8")
    for loud, quiet in (("log = { debug =", "log = { warn ="),
                        ("loglevel: info", "loglevel: warning")):
        text = text.replace(loud, quiet)
    server.configure(text)


def tenants_of(count, scratch):
    """A directory with so many tenants, made once: a hundred thousand take a minute."""
    kept = HERE.parents[1] / "build/bench/tenants"
    directory = (kept if count > 1000 else pathlib.Path(scratch) / "tenants") / str(count)
    if (directory / "made").exists():
        if time.time() - (directory / "made").stat().st_mtime < 30 * 86400:
            return directory
        shutil.rmtree(directory)
    shutil.rmtree(directory, ignore_errors=True)
    make = HERE.parent / "lib/make_tenants.py"
    done = subprocess.run(["/usr/bin/python3", "-B", make, directory, str(count), "--backend",
                           BACKEND], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(done.stderr)
    (directory / "made").touch()
    os.sync()
    return directory
