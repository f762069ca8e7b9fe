"""The systemd unit: hardened, well-formed, and the gate really lives inside what it leaves it."""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "packaging/systemd/fedgate.service"
GATE = ROOT / os.environ.get("FEDGATE", "build/fedgate")
EXPOSURE_AT_MOST = 25  # tenths; stock servers stand at 80 to 96
WORKER_USER = "nobody"
DEADLINE_S = 20
CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETGID, CAP_SETUID = 2, 5, 6, 7


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Analysis(unittest.TestCase):
    """What systemd-analyze says of the file."""

    def test_the_exposure_of_the_unit_is_low(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                               f"--threshold={EXPOSURE_AT_MOST}", str(UNIT)],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-400:] + done.stderr)

    def test_the_unit_holds_no_mistake(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = pathlib.Path(directory) / "fedgate.service"
            unit.write_text(UNIT.read_text().replace("/usr/local/bin/fedgate", str(GATE)))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)],
                                  capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if "fedgate" in line]
        self.assertEqual((done.returncode, said), (0, []), done.stderr)


@unittest.skipIf(os.geteuid() != 0, "needs root: mount namespace, capabilities, users")
class Confined(unittest.TestCase):
    """The gate with exactly the rights and the file system of its unit."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fedgate-unit-"))
        self.addCleanup(shutil.rmtree, self.home)
        self.state = self.home / "state"
        self.port = free_port()
        self.state.mkdir(mode=0o700)
        (self.home / "tenants.d").mkdir()
        self.configure()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        name = f"@fedgate-unit-{os.getpid()}-{self.port}"
        self.manager.bind("\0" + name[1:])
        self.manager.settimeout(DEADLINE_S)
        self.gate = self.start(name)

    def configure(self):
        (self.home / "fedgate.ini").write_text(
            f"[gate]\nlisten = 127.0.0.1:{self.port}\nworkers = 2\nuser = {WORKER_USER}\n"
            f"secret_file = {self.state}/dialback.secret\nstate_dir = {self.state}\n"
            f"admin_socket = {self.state}/admin.sock\n"
            f"[egress]\nlisten = 127.0.0.1:{free_port()}\ndns_listen =\n"
            "[dns]\ntrust_anchor =\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=shire",
                        "-addext", "subjectAltName=DNS:shire.example", "-keyout",
                        self.home / "shire.key", "-out", self.home / "shire.pem"],
                       check=True, capture_output=True)
        # A customer's key, which neither root's group nor the workers may read.
        os.chown(self.home / "shire.key", pwd.getpwnam("daemon").pw_uid, 0)
        os.chmod(self.home / "shire.key", 0o400)
        (self.home / "tenants.d/shire.example.ini").write_text(
            "[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:1\n"
            f"[tls]\ncertificate = {self.home}/shire.pem\nkey = {self.home}/shire.key\n")
        (self.home / "tenants.d/moria.example.ini").write_text(
            "[tenant]\ndomain = moria.example\nbackend = 127.0.0.1:1\nproof = posh\n")

    def confined(self, verb):
        """The command of ExecStart= or ExecReload=, of this build and with our configuration."""
        return ["unshare", "--mount", "/usr/bin/python3", "-B",
                str(ROOT / "tests/house/confine.py"), str(UNIT), str(self.state), str(GATE), verb,
                "--config", str(self.home / "fedgate.ini")]

    def start(self, notify_name):
        self.log = open(self.home / "log", "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        gate = subprocess.Popen(
            self.confined("serve"), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": notify_name})
        self.addCleanup(self.end, gate)
        return gate

    def end(self, gate):
        if gate.poll() is None:
            gate.kill()
        gate.wait()

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def expect(self, state):
        try:
            got = self.manager.recv(200).decode()
        except TimeoutError:
            self.fail(f"no {state} in {DEADLINE_S} s; the gate said:\n{self.said()}")
        self.assertEqual(got, state, self.said())

    def workers(self):
        children = pathlib.Path(f"/proc/{self.gate.pid}/task/{self.gate.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def handshake(self, domain="shire.example", authority=None):
        """Direct TLS, asking for the tenant: gives the DER that is shown."""
        context = ssl.create_default_context(cafile=authority or self.home / "shire.pem")
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S) as sock:
            with context.wrap_socket(sock, server_hostname=domain) as tls:
                return tls.getpeercert(binary_form=True)

    def test_certificates_are_made_at_a_start_and_at_a_reload(self):
        """With the rights that are left: it owns its state directory and nothing more (POSH-12)."""
        self.expect("READY=1")
        (self.home / "tenants.d/bree.example.ini").write_text(
            "[tenant]\ndomain = bree.example\nbackend = 127.0.0.1:1\nproof = posh\n")
        self.gate.send_signal(signal.SIGHUP)
        self.expect("RELOADING=1")
        self.expect("READY=1")
        self.assertNotIn('"level":"error"', self.said())
        for domain in ("moria.example", "bree.example"):
            directory = self.state / "tenants" / domain
            self.assertEqual(oct((directory / "current.key").stat().st_mode), "0o100600")
            self.assertEqual(self.handshake(domain, directory / "current.pem"),
                             ssl.PEM_cert_to_DER_cert((directory / "current.pem").read_text()))

    def test_its_workers_are_nobody_and_may_nothing(self):
        self.expect("READY=1")
        self.assertEqual(len(self.workers()), 3, self.said())  # and the scout
        uid = pwd.getpwnam(WORKER_USER).pw_uid
        for pid in self.workers():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n", status)
            for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                self.assertIn(f"{kind}:\t{0:016x}\n", status)
            self.assertIn("NoNewPrivs:\t1\n", status)

    def test_the_supervisor_keeps_no_more_than_it_needs(self):
        self.expect("READY=1")
        status = pathlib.Path(f"/proc/{self.gate.pid}/status").read_text()
        needed = sum(1 << number for number in (CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETGID,
                                                CAP_SETUID))
        self.assertIn(f"CapPrm:\t{needed:016x}\n", status)
        self.assertIn(f"CapEff:\t{needed:016x}\n", status)

    def test_it_starts_serves_reloads_and_stops(self):
        self.expect("READY=1")
        self.assertEqual(oct((self.state / "dialback.secret").stat().st_mode), "0o100600")
        self.assertEqual(self.handshake(),
                         ssl.PEM_cert_to_DER_cert((self.home / "shire.pem").read_text()))
        self.assertRegex(UNIT.read_text(), "\nExecReload=/usr/local/bin/fedgate reload --config ")
        done = subprocess.run(self.confined("reload"), capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "fine; tenants served: 2\n"),
                         done.stderr)
        self.expect("RELOADING=1")
        self.expect("READY=1")
        self.assertNotIn('"level":"error"', self.said())
        self.gate.send_signal(signal.SIGTERM)
        self.expect("STOPPING=1")
        self.assertEqual(self.gate.wait(DEADLINE_S), 0, self.said())

    def test_a_killed_worker_is_replaced(self):
        self.expect("READY=1")
        before = self.workers()
        os.kill(before[0], signal.SIGKILL)
        limit = time.monotonic() + DEADLINE_S
        while len(set(self.workers()) - {before[0]}) < 2:
            self.assertLess(time.monotonic(), limit, self.said())
            time.sleep(0.05)
        self.handshake()

    def test_a_worker_that_hangs_does_not_hold_up_the_stop(self):
        self.expect("READY=1")
        os.kill(self.workers()[0], signal.SIGSTOP)
        self.gate.send_signal(signal.SIGTERM)
        self.expect("STOPPING=1")
        self.assertEqual(self.gate.wait(DEADLINE_S), 0, self.said())


if __name__ == "__main__":
    unittest.main()
