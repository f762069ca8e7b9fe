"""A gate with very many tenants, and two processes (load.py): their backend and their peers.

    with Crowd("scale", BINARY, tenants=1000, pairs=500) as crowd:
        crowd.start()
        crowd.connect()
        crowd.begin(per_second=2)
        ...
        crowd.end()
        crowd.check()
"""

import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

from cryptography.hazmat.primitives.asymmetric import ec

import make_tenants
from lab import gate as lab_gate
from stage import BACKEND, EGRESS, GATE, PEER, Stage

HERE = pathlib.Path(__file__).resolve().parent
SUFFIX = "tenants.example"
PORTS = (5300, 5301)  # of the peers: STARTTLS, direct TLS
KEYS = 10


def tenant_name(number):
    return f"t{number:06}.{SUFFIX}"


class Player:
    """One process of load.py."""

    def __init__(self, host, role, plan):
        self.socket_path = str(host.dir / f"{role}.sock")
        plan = {"role": role, "control": self.socket_path, **plan}
        path = host.file(f"{role}.json", json.dumps(plan))
        self.process = host.popen([sys.executable, "-B", HERE / "load.py", path])
        self.sock = self.lines = None

    def attach(self, seconds=20):
        end = time.monotonic() + seconds
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            try:
                self.sock.connect(self.socket_path)
                break
            except OSError as error:
                self.sock.close()
                if not self.process.running() or time.monotonic() > end:
                    raise TimeoutError(self.process.output()[-2000:]) from error
                time.sleep(0.05)
        self.lines = self.sock.makefile("rb")

    def ask(self, word, seconds=90, **more):
        self.sock.settimeout(seconds)
        self.sock.sendall(json.dumps({"do": word, **more}).encode() + b"\n")
        answer = self.lines.readline()
        if not answer:
            raise ConnectionError(self.process.output()[-2000:])
        return json.loads(answer)

    def close(self):
        if self.sock:
            self.lines.close()
            self.sock.close()


class Crowd:
    """`tenants` files are made; the first `pairs` of the tenants have one peer each. `own`: how
    many get a certificate that names them, all by default."""

    def __init__(self, label, binary, tenants, pairs, workers=2, own=None):
        self.stage = Stage(label, binary, workers)
        self.gate, self.net = self.stage.gate, self.stage.net
        self.stage.canary.stop()
        self.tenants = tenants
        self.pairs = [(f"p{number}.example", tenant_name(number)) for number in range(pairs)]
        self.players = []
        try:
            self._make_files(tenants if own is None else own)
            self._make_players()
        except BaseException:
            self.close()
            raise
        self.gate.set("gate", max_per_address=100000)
        self.gate.set("limits", connections_per_second=1000)
        self.gate.set("log", level="info")

    def _make_files(self, own):
        directory = self.gate.dir
        subprocess.run([HERE / "make_tenants.py", directory, str(self.tenants), "--suffix", SUFFIX,
                        "--backend", f"{BACKEND}:5269", "--keys", str(KEYS),
                        "--own", str(own)], check=True)
        self.authority = make_tenants.Authority(90, directory / "ca.pem", directory / "ca.key")
        self.keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(KEYS)]

    def sign(self, key_number, *names):
        """A certificate of the crowd's authority as PEM."""
        return self.authority.sign(self.keys[key_number], list(names))

    def _make_players(self):
        keys = [str(self.stage.world.file(f"tls/{number}.key", make_tenants.pem_of(key)))
                for number, key in enumerate(self.keys)]
        identities = {}
        for number, (peer, tenant) in enumerate(self.pairs):
            chain = self.stage.world.file(f"tls/{peer}.pem", self.sign(number % KEYS, peer))
            identities[peer] = {"chain": str(chain), "key": keys[number % KEYS]}
            direct = number % 2
            self.stage.names.peer(peer, PEER, starttls=None if direct else PORTS[0],
                                  direct=PORTS[1] if direct else None, host="crowd.example")
            self.stage.names.peer(tenant, lab_gate.PUBLIC, starttls=5269, host="gate.example")
        self.world = Player(self.stage.world, "world", {
            "pairs": self.pairs, "identities": identities, "ca": str(self.gate.dir / "ca.pem"),
            "gate": GATE, "listen": (PEER, *PORTS)})
        self.backend = Player(self.stage.backend_host, "backend", {
            "pairs": self.pairs, "gate": EGRESS, "listen": (BACKEND, 5269)})
        self.players = [self.world, self.backend]

    # Life

    def start(self):
        self.stage.start()
        for player in self.players:
            player.attach()

    def both(self, word, seconds=90, **more):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(player.ask, word, seconds, **more) for player in self.players]
            return [job.result() for job in jobs]

    def connect(self):
        """Every pair in both directions, proven; what failed."""
        return [failed for report in self.both("connect") for failed in report["failed"]]

    def begin(self, per_second, size=200):
        """Traffic, so many messages a second in each flow."""
        self.both("start", per_second=per_second, size=size)

    def end(self, seconds=15):
        """No more traffic; returns the reports when what was sent has come."""
        self.both("stop")
        until = time.monotonic() + seconds
        while True:
            world, backend = self.both("report")
            if world["sent"] == backend["received"] and backend["sent"] == world["received"]:
                break
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        return world, backend

    def latencies(self):
        """(in, out) in milliseconds, since the last call."""
        world, backend = self.both("latencies")
        return backend, world

    def close(self):
        for player in self.players:
            player.close()
        self.stage.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What the gate costs

    def processes(self):
        """{name: pid} of the gate."""
        found = {"supervisor": self.gate.process.pid}
        for role in ("worker", "steer", "scout", "publisher"):
            found.update({f"{role} {number}": pid
                          for number, pid in self.gate.children(role).items()})
        return found

    def pss_kib(self):
        return {name: pss(pid) for name, pid in self.processes().items()}

    def descriptors(self):
        return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in self.processes().items()}

    def cpu_s(self):
        return sum(_cpu(pid) for pid in self.processes().values())


def pss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no Pss in /proc/{pid}/smaps_rollup")


def _cpu(pid):
    field = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(field[11]) + int(field[12])) / os.sysconf("SC_CLK_TCK")
