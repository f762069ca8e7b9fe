#!/usr/bin/python3
"""The egress firewall that `fedgate backend-config` prints, on real packets (BE-S3).

Two network namespaces of this test's own, a backend's and the world's, are joined by one cable. A
process with the backend's user dials about, first without the firewall (it must get through, or the
test would prove nothing), then with it; the world counts packets. Then a stock ejabberd and a stock
Prosody, set up by the printed lines alone, lose the steering DNS in the middle of their work.

Run as root: tests/wire/firewall_test.py [-v]. FEDGATE names the binary (default build/fedgate).
"""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

FEDGATE = os.path.abspath(os.environ.get("FEDGATE", "build/fedgate"))
TAG = "fgsteer%d" % os.getpid()
BACKEND, WORLD = TAG + "b", TAG + "w"
CABLE_B, CABLE_W = "fgb%d" % os.getpid(), "fgw%d" % os.getpid()
B4, W4, DB4 = "192.0.2.1", "192.0.2.2", "192.0.2.9"
B6, W6 = "fd00:1::1", "fd00:1::2"
EGRESS, STEER, LISTENER = 5275, 5353, 15269
SPARE_UID = 64321  # plays the backend where no user "prosody" exists


# ---- helpers that run inside a namespace: this file with a first argument of "play" ----


def play_dns(address, port, view):
    """Answers as the gate's responder ("steer") or as the world's resolver ("world") does."""
    import dns.flags
    import dns.message
    import dns.rcode
    import dns.rdatatype
    import dns.rrset

    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, int(port)))
    while True:
        wire, peer = server.recvfrom(4096)
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query, recursion_available=True)
        name, kind = query.question[0].name, query.question[0].rdtype
        text = name.to_text().lower()
        answer = None
        if view == "steer" and text.startswith("_xmpp-server._tcp."):
            answer = ("SRV", "0 0 %d egress.fedgate.example." % EGRESS)
        elif view == "steer" and text == "egress.fedgate.example.":
            answer = ("A", "127.0.0.1")
        elif view == "world" and text.endswith("mordor.example.") and text[0] != "_":
            answer = ("A", W4)
        if answer and dns.rdatatype.from_text(answer[0]) == kind:
            reply.answer.append(dns.rrset.from_text(name, 5, "IN", *answer))
        elif not answer:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        server.sendto(reply.to_wire(), peer)


def play_listen(log, *places):
    """Accepts on every ADDRESS,PORT; notes what comes first on each connection in a file."""
    import selectors

    selector = selectors.DefaultSelector()
    for place in places:
        address, port = place.rsplit(",", 1)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.create_server((address, int(port)), family=family)
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ, place)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                data = key.fileobj.recv(4096)
                note(log, {"got": data.decode("utf-8", "replace")})
                if not data:
                    selector.unregister(key.fileobj)
                continue
            peer, address = key.fileobj.accept()
            note(log, {"at": key.data, "from": address[0]})
            peer.setblocking(True)
            selector.register(peer, selectors.EVENT_READ, None)


def play_echo(address, tcp_port, udp_port):
    """What strangers may ask of a backend: a line back by TCP and by UDP."""
    import threading

    def datagrams():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((address, int(udp_port)))
        while True:
            data, peer = server.recvfrom(100)
            server.sendto(data, peer)

    threading.Thread(target=datagrams, daemon=True).start()
    server = socket.create_server((address, int(tcp_port)))
    while True:
        peer, _ = server.accept()
        peer.sendall(peer.recv(100))
        peer.close()


def play_dial(kind, address, port):
    """Prints how dialling went: "open", or the error's name. UDP: "sent" or the error's name."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    udp = kind == "udp"
    s = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    s.settimeout(3)
    try:
        s.connect((address, int(port)))
        if not udp:
            s.sendall(b"hello")
            print("open")
            return
        s.send(b"hello")
        time.sleep(0.05)
        s.send(b"again")  # an ICMP error comes back with the second
        print("sent")
    except OSError as e:
        print(type(e).__name__ if not isinstance(e, socket.timeout) else "timeout")


def play_hold(address, port):
    """Keeps a connection; sends a line for every line of its own input."""
    s = socket.create_connection((address, int(port)))
    s.sendall(b"before\n")
    print("open", flush=True)
    for line in sys.stdin:
        try:
            s.sendall(line.encode())
        except OSError as e:
            print(type(e).__name__, flush=True)


def note(log, entry):
    with open(log, "a") as f:
        f.write(json.dumps(entry) + "\n")


# ---- helpers of the test ----


def run(*words, check=True, text=None):
    done = subprocess.run(words, input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise AssertionError("%s: %d: %s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


def inside(namespace, *words):
    return ("ip", "netns", "exec", namespace) + words


def play(what, *words):
    return (sys.executable, os.path.abspath(__file__), "play", what) + tuple(map(str, words))


def as_user(uid, *words):
    return ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups") + words


def wait_for(what, condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited %d s for %s" % (seconds, what))


def user_id(name):
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


class Net:
    """The two namespaces, what runs in them, and the counters."""

    def __init__(self):
        self.children = []
        self.dir = tempfile.mkdtemp(prefix="fedgate-firewall-")
        os.chmod(self.dir, 0o755)
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        for ns in (BACKEND, WORLD):
            run("ip", "netns", "add", ns)
            run(*inside(ns, "ip", "link", "set", "lo", "up"))
        run("ip", "link", "add", CABLE_B, "netns", BACKEND, "type", "veth", "peer", "name", CABLE_W,
            "netns", WORLD)
        for ns, link, addresses in ((BACKEND, CABLE_B, (B4, B6)), (WORLD, CABLE_W, (W4, W6, DB4))):
            for a in addresses:
                bits = "/64" if ":" in a else "/24"
                flags = ("nodad",) if ":" in a else ()
                run(*inside(ns, "ip", "addr", "add", a + bits, "dev", link, *flags))
            run(*inside(ns, "ip", "link", "set", link, "up"))
        run(*inside(BACKEND, "ip", "route", "add", "default", "via", W4))
        run(*inside(WORLD, "nft", "-f", "-"), text="""
            table inet seen {
                counter from_backend {
                }
                chain entry {
                    type filter hook prerouting priority -300;
                    iifname "%s" meta l4proto { tcp, udp } counter name from_backend
                }
            }""" % CABLE_W)

    def close(self):
        for child in self.children:
            self.end(child)
        for ns in (BACKEND, WORLD):
            # Daemons of what was started here (epmd) live in the namespace alone.
            for pid in run("ip", "netns", "pids", ns, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, namespace, *words, **more):
        child = subprocess.Popen(inside(namespace, *words), **more)
        self.children.append(child)
        return child

    def end(self, child):
        if child.poll() is None:
            child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream:
                stream.close()

    def listen(self, namespace, name, *places):
        log = os.path.join(self.dir, name)
        open(log, "w").close()
        child = self.start(namespace, *play("listen", log, *places))
        ports = [p.rsplit(",", 1)[1] for p in places]
        wait_for("listeners", lambda: all(
            ":%s " % p in run(*inside(namespace, "ss", "-Hltn")) for p in ports))
        child.log = log
        return child

    def dns(self, namespace, address, port, view):
        child = self.start(namespace, *play("dns", address, port, view))
        wait_for("DNS", lambda: ":%s " % port in run(*inside(namespace, "ss", "-Hlun")))
        return child

    def heard(self, listener):
        with open(listener.log) as f:
            return [json.loads(line) for line in f]

    def counter(self, namespace, table, name):
        text = run(*inside(namespace, "nft", "list", "counter", "inet", table, name))
        return int(re.search(r"packets (\d+)", text).group(1))

    def world_packets(self):
        return self.counter(WORLD, "seen", "from_backend")

    def dial(self, uid, kind, address, port):
        """(what came of it, how long it took, packets the world saw)"""
        before, begin = self.world_packets(), time.monotonic()
        said = run(*inside(BACKEND, *as_user(uid, *play("dial", kind, address, port)))).strip()
        return said, time.monotonic() - begin, self.world_packets() - before


def write_config(directory):
    os.mkdir(os.path.join(directory, "tenants.d"))
    path = os.path.join(directory, "fedgate.ini")
    with open(path, "w") as f:
        f.write("[egress]\nlisten = 127.0.0.1:%d\ndns_listen = 127.0.0.1:%d\n"
                "names = db.hosting.example=%s\n" % (EGRESS, STEER, DB4))
    return path


def part(net, kind, name):
    path = os.path.join(net.dir, "fedgate.ini")
    if not os.path.exists(path):
        write_config(net.dir)
    return subprocess.run([FEDGATE, "backend-config", kind, "--config", path, "--part", name],
                          check=True, text=True, stdout=subprocess.PIPE).stdout


def load_firewall(net, kind, uid):
    rules = part(net, kind, "firewall")
    if user_id(kind) != uid:  # the user is not on this machine: its number stands in
        rules = rules.replace('skuid "%s"' % kind, "skuid %d" % uid)
    run(*inside(BACKEND, "nft", "-f", "-"), text=rules)


def drop_firewall(net, kind):
    run(*inside(BACKEND, "nft", "delete", "table", "inet", "fedgate_" + kind), check=False)


@unittest.skipIf(os.geteuid() != 0, "namespaces need root")
class Firewall(unittest.TestCase):
    """A process of the backend's user, and the printed ruleset."""

    # Past the gate: outside, or in s2s over loopback.
    OUTSIDE = [("tcp", W4, 5269), ("tcp", W4, 5270), ("tcp", W4, 443), ("tcp", W4, 15000),
               ("tcp", W6, 5269), ("udp", W4, 53), ("udp", W6, 53), ("udp", W4, 5269)]
    LOOPBACK = [("tcp", B4, 5269), ("tcp", "127.0.0.1", 5269), ("tcp", "::1", 5269),
                ("tcp", "127.0.0.1", LISTENER)]
    ALLOWED = [("tcp", "127.0.0.1", EGRESS), ("tcp", "127.0.0.1", STEER),
               ("tcp", "127.0.0.1", 5432), ("tcp", DB4, 5432)]

    @classmethod
    def setUpClass(cls):
        cls.uid = user_id("prosody") or SPARE_UID
        cls.net = Net()
        cls.addClassCleanup(cls.net.close)
        cls.net.listen(WORLD, "world", *("%s,%d" % (a, p) for a, p in (
            ("0.0.0.0", 443), ("0.0.0.0", 15000), ("0.0.0.0", 5432), ("0.0.0.0", 5269),
            ("::", 5269), ("0.0.0.0", 5270))))
        cls.net.listen(BACKEND, "here", "0.0.0.0,5269", "::,5269", *("127.0.0.1,%d" % p for p in (
            EGRESS, STEER, LISTENER, 5432)))
        cls.net.start(BACKEND, *as_user(cls.uid, *play("echo", "0.0.0.0", 5222, 3478)))
        wait_for("echo", lambda: ":3478 " in run(*inside(BACKEND, "ss", "-Hlun")))

    def tearDown(self):
        drop_firewall(self.net, "prosody")

    def test_1_without_it_everything_gets_through(self):
        for kind, address, port in self.OUTSIDE:
            said, _, packets = self.net.dial(self.uid, kind, address, port)
            self.assertGreater(packets, 0, (kind, address, port))
            if kind == "tcp":
                self.assertEqual(said, "open", (address, port))
        for kind, address, port in self.LOOPBACK + self.ALLOWED:
            self.assertEqual(self.net.dial(self.uid, kind, address, port)[0], "open",
                             (address, port))

    def test_2_with_it_no_packet_passes_the_gate_and_dialling_fails_at_once(self):
        load_firewall(self.net, "prosody", self.uid)
        counted = 0
        for kind, address, port in self.OUTSIDE + self.LOOPBACK:
            said, seconds, packets = self.net.dial(self.uid, kind, address, port)
            self.assertEqual(packets, 0, (kind, address, port))
            self.assertNotIn(said, ("open", "sent", "timeout"), (kind, address, port))
            self.assertLess(seconds, 2, (kind, address, port))
            now = self.net.counter(BACKEND, "fedgate_prosody", "past_gate")
            self.assertGreater(now, counted, (kind, address, port))
            counted = now

    def test_3_with_it_the_way_to_the_gate_and_what_is_configured_stay_open(self):
        load_firewall(self.net, "prosody", self.uid)
        for kind, address, port in self.ALLOWED:
            self.assertEqual(self.net.dial(self.uid, kind, address, port)[0], "open",
                             (address, port))
        self.assertGreater(self.net.counter(BACKEND, "fedgate_prosody", "to_gate"), 0)
        self.assertEqual(self.net.counter(BACKEND, "fedgate_prosody", "past_gate"), 0)

    def test_4_with_it_strangers_get_their_answers(self):
        load_firewall(self.net, "prosody", self.uid)
        ask = ("import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_%s); s.settimeout(3);"
               "s.connect(('%s', %d)); s.sendall(b'mellon'); print(s.recv(100).decode())")
        for kind, port in (("STREAM", 5222), ("DGRAM", 3478)):
            said = run(*inside(WORLD, sys.executable, "-c", ask % (kind, B4, port)), check=False)
            self.assertEqual(said.strip(), "mellon", (kind, port))

    def test_5_with_it_other_users_dial_as_before(self):
        load_firewall(self.net, "prosody", self.uid)
        for uid in (0, SPARE_UID + 1):  # the gate is one of them
            self.assertEqual(self.net.dial(uid, "tcp", W4, 5269)[0], "open", uid)
            self.assertEqual(self.net.dial(uid, "tcp", B4, 5269)[0], "open", uid)

    def test_6_a_connection_from_before_it_says_nothing_more_and_is_reset(self):
        holder = self.net.start(BACKEND, *as_user(self.uid, *play("hold", W4, 443)),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(holder.stdout.readline(), "open\n")
        load_firewall(self.net, "prosody", self.uid)
        before = self.net.world_packets()
        for word in ("after\n", "again\n"):  # the second finds the connection gone
            holder.stdin.write(word)
            holder.stdin.flush()
            time.sleep(0.3)
        self.assertEqual(self.net.world_packets(), before)
        holder.stdin.close()
        self.assertIn(holder.stdout.read(), ("BrokenPipeError\n", "ConnectionResetError\n"))

    def test_7_loading_it_again_replaces_it(self):
        for _ in range(2):
            load_firewall(self.net, "prosody", self.uid)
        text = run(*inside(BACKEND, "nft", "list", "table", "inet", "fedgate_prosody"))
        self.assertEqual(text.count("meta skuid"), 1)


class StockServer:
    """A server as Debian installs it, changed as backend-config says and in nothing else."""

    kind = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("namespaces need root")
        if user_id(cls.kind) is None or not shutil.which(cls.program):
            raise unittest.SkipTest("package %s is not installed" % cls.kind)
        cls.net = Net()
        cls.addClassCleanup(cls.net.close)
        cls.binds = {}
        for place in cls.places:
            cls.binds[place] = cls.copy_of(place)
        cls.write("/etc/resolv.conf", "nameserver %s\n" % W4)
        cls.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n" + cls.hosts())
        cls.set_up_server()
        cls.net.dns(WORLD, W4, 53, "world")
        cls.world = cls.net.listen(WORLD, "world", "0.0.0.0,5269")
        cls.gate = cls.net.listen(BACKEND, "gate", "127.0.0.1,%d" % EGRESS)
        cls.steer = cls.net.dns(BACKEND, "127.0.0.1", STEER, "steer")
        cls.output = open(os.path.join(cls.net.dir, "output"), "w+")
        cls.addClassCleanup(cls.output.close)
        cls.server = cls.net.start(BACKEND, *cls.in_private(*cls.command), stdout=cls.output,
                                   stderr=subprocess.STDOUT)
        wait_for("%s to listen" % cls.kind, cls.is_listening, 60)

    @classmethod
    def is_listening(cls):
        return "127.0.0.1:%d " % LISTENER in run(*inside(BACKEND, "ss", "-Hltn"))

    @classmethod
    def hosts(cls):
        return ""

    @classmethod
    def copy_of(cls, place):
        """Configuration is copied, state begins empty; the owner stays."""
        copy = os.path.join(cls.net.dir, place.strip("/").replace("/", "-"))
        if place.startswith("/etc/"):
            run("cp", "-a", place, copy)
            return copy
        own = os.path.join(copy, cls.kind) if place == "/run" else copy
        os.makedirs(own)
        os.chmod(copy, 0o755)
        os.chown(own, user_id(cls.kind), pwd.getpwnam(cls.kind).pw_gid)
        return copy

    @classmethod
    def write(cls, place, text):
        path = os.path.join(cls.net.dir, place.strip("/").replace("/", "-"))
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)
        cls.binds[place] = path

    @classmethod
    def write_into(cls, directory, name, text):
        path = os.path.join(cls.binds[directory], name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)

    @classmethod
    def in_private(cls, *words):
        """Words run as the server's user, in a mount namespace where the copies are in place."""
        mounts = "; ".join("mount --bind %s %s" % (c, p) for p, c in cls.binds.items())
        return ("sh", "-ec", mounts + '; exec su -s /bin/sh %s -c "$0"' % cls.kind,
                " ".join(words))

    def tell(self, *words):
        return run(*inside(BACKEND, *self.in_private(*words)), check=False)

    def headers(self, listener):
        return [e["got"] for e in self.net.heard(listener) if "got" in e and "stream" in e["got"]]

    def test_the_server_keeps_to_the_gate_also_when_the_steering_dies(self):
        load_firewall(self.net, self.kind, user_id(self.kind))
        before = self.net.world_packets()
        self.send_to("one.mordor.example")
        wait_for("a stream at the gate", lambda: any(
            "one.mordor.example" in h for h in self.headers(self.gate)))
        self.assertEqual(self.net.world_packets(), before)

        self.net.end(self.steer)
        streams = len(self.headers(self.gate))
        self.send_to("two.mordor.example")
        time.sleep(self.patience)
        self.assertEqual(self.net.world_packets(), before)
        self.assertEqual(self.headers(self.world), [])
        self.assertEqual(len(self.headers(self.gate)), streams)
        tried = self.net.counter(BACKEND, "fedgate_" + self.kind, "past_gate")

        if self.falls_back:
            self.assertGreater(tried, 0)
            self.dials_past_the_gate("three.mordor.example")

    def dials_past_the_gate(self, domain):
        """Without the firewall, so that the tests above prove something."""
        drop_firewall(self.net, self.kind)
        self.send_to(domain)
        wait_for("the server to dial past the gate", lambda: any(
            domain in h for h in self.headers(self.world)))


class Ejabberd(StockServer, unittest.TestCase):
    kind, program = "ejabberd", "ejabberdctl"
    places = ("/etc/ejabberd", "/var/lib/ejabberd", "/var/log/ejabberd", "/run")
    command = ("ejabberdctl", "foreground")
    patience = 9  # seconds: two DNS timeouts of three, and the fallback
    falls_back = True  # to the system's A and AAAA of the domain itself

    @classmethod
    def hosts(cls):
        return part(cls.net, "ejabberd", "hosts")

    @classmethod
    def set_up_server(cls):
        directory = "/etc/ejabberd"
        path = os.path.join(cls.binds[directory], "ejabberd.yml")
        with open(path) as f:
            stock = f.read()
        stock, taken = re.subn(r"(?m)^s2s_use_starttls:.*\n", "", stock)
        assert taken == 1
        stock, taken = re.subn(r"(?m)^  -\n    port: 5269\n(    .*\n)*", "", stock)
        assert taken == 1
        assert "mod_s2s_dialback: {}" in stock
        with open(path, "w") as f:
            f.write(stock + "\ninclude_config_file: /etc/ejabberd/fedgate.yml\n")
        lines = part(cls.net, "ejabberd", "config")
        cls.write_into(directory, "fedgate.yml", 'hosts:\n  - "shire.example"\n' + lines)
        cls.write_into(directory, "inetrc", part(cls.net, "ejabberd", "resolver"))

    def send_to(self, domain):
        time.sleep(1.1)  # s2s_max_retry_delay
        self.tell("ejabberdctl", "send_message", "chat", "frodo@shire.example",
                  "sauron@" + domain, "s", "b")


class Prosody(StockServer, unittest.TestCase):
    kind, program = "prosody", "prosodyctl"
    places = ("/etc/prosody", "/var/lib/prosody", "/var/log/prosody", "/run")
    command = ("prosody", "-F")
    patience = 4
    falls_back = False  # its libunbound asks nobody else

    @classmethod
    def set_up_server(cls):
        directory = "/etc/prosody"
        path = os.path.join(cls.binds[directory], "prosody.cfg.lua")
        with open(path) as f:
            stock = f.read()
        stock, put = re.subn(r"(?m)^VirtualHost ", 'Include "fedgate.cfg.lua"\nVirtualHost ', stock,
                             count=1)
        assert put == 1
        with open(path, "w") as f:
            f.write(stock + '\nVirtualHost "shire.example"\n')
        cls.write_into(directory, "fedgate.cfg.lua", part(cls.net, "prosody", "config"))

    def test_prosody_finds_nothing_wrong_with_the_lines(self):
        said = self.tell("prosodyctl", "check", "config")
        self.assertIn("All checks passed", said)

    def send_to(self, domain):
        self.net.start(BACKEND, *self.in_private(
            "prosodyctl", "shell", "xmpp", "ping", "shire.example", domain),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class ProsodyWithoutSteering(Prosody):
    """The line that steers was forgotten: Prosody asks the system's resolver."""

    @classmethod
    def set_up_server(cls):
        super().set_up_server()
        path = os.path.join(cls.binds["/etc/prosody"], "fedgate.cfg.lua")
        with open(path) as f:
            lines, taken = re.subn(r"(?m)^unbound = .*\n", "", f.read())
        assert taken == 1
        with open(path, "w") as f:
            f.write(lines)

    def test_the_server_keeps_to_the_gate_also_when_the_steering_dies(self):
        load_firewall(self.net, self.kind, user_id(self.kind))
        before = self.net.world_packets()
        self.send_to("one.mordor.example")
        time.sleep(self.patience)
        self.assertEqual(self.net.world_packets(), before)
        self.assertGreater(self.net.counter(BACKEND, "fedgate_prosody", "past_gate"), 0)
        self.dials_past_the_gate("two.mordor.example")


if __name__ == "__main__":
    if sys.argv[1:2] == ["play"]:
        globals()["play_" + sys.argv[2]](*sys.argv[3:])
    else:
        unittest.main()
