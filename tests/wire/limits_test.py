"""What a peer may take of time, memory and attention; and that its neighbours do not notice."""

import os
import pathlib
import socket
import ssl
import statistics
import threading
import time
import unittest

import common
from script import STREAMS, TLS, Closed, client_context, header, message
from stage import GATE, Stage

DEADLINE, LIMIT = 5, 10000  # limits.negotiation_seconds and .stanza_bytes, as low as they go
PAGE = os.sysconf("SC_PAGE_SIZE")
# Connects so often and says nothing, until its input ends.
IDLERS = """
import resource, socket, sys
count = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 50, count + 50))
held = []
for _ in range(count):
    held.append(socket.create_connection((sys.argv[2], int(sys.argv[3])), 10))
print("all", flush=True)
left = [sock for sock in held]
for sock in left:
    sock.settimeout(30)
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
print("none", flush=True)
"""


def cpu_of(pids):
    """Seconds that these processes have computed."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
               for pid in pids) / 1e9


def memory_of(pids):
    """Bytes that these processes have resident."""
    return PAGE * sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
                      for pid in pids)


def descriptors_of(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


class Neighbour(threading.Thread):
    """A message every 10 ms from another peer to another tenant, each timed (O5)."""

    def __init__(self, stage):
        super().__init__(daemon=True)
        self.canary, self.peer = stage.canary, stage.proven("dale.example", "bree.example")
        self.times, self.lost, self.stopped = [], 0, False

    def run(self):
        number = 0
        while not self.stopped:
            number += 1
            ident, began = f"ping-{number}", time.monotonic()
            self.peer.send(message("a@dale.example", "b@bree.example", "x", ident))
            with self.canary.arrived:
                arrived = self.canary.arrived.wait_for(
                    lambda: self.canary.stanzas and ident in self.canary.stanzas[-1], 5)
            self.times.append(time.monotonic() - began)
            self.lost += not arrived
            time.sleep(0.01)

    def p99(self):
        return statistics.quantiles(self.times, n=100)[-1]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.join(6)
        self.peer.close()


class Limits(unittest.TestCase):
    @classmethod
    def make(cls, label, low_descriptors=None):
        stage = Stage(label, common.BINARY)
        stage.gate.set("limits", negotiation_seconds=DEADLINE, stanza_bytes=LIMIT,
                       connections_per_second=1000)
        stage.gate.set("gate", max_per_address=5000)
        stage.gate.set("log", level="info")
        for domain in ("shire.example", "bree.example"):
            stage.tenant(domain)
        if low_descriptors:
            path = stage.net.dir / "few"
            path.write_text(f'#!/bin/sh\nulimit -n {low_descriptors}\nexec {common.BINARY} "$@"\n',
                            encoding="ascii")
            path.chmod(0o755)
            stage.gate.binary = path
        return stage

    @classmethod
    def setUpClass(cls):
        cls.stage = cls.make("limits")
        cls.addClassCleanup(cls.stage.close)
        cls.stage.start()
        cls.workers = list(cls.stage.gate.children().values())

    def setUp(self):
        self.gate, self.canary = self.stage.gate, self.stage.canary
        self.bytes, self.mark = self.canary.bytes, self.gate.mark()

    def reasons(self, *names):
        return [event["reason"] for name in names for event in self.gate.events(name, self.mark)]

    # Time

    def openings(self):
        """Ways to begin and go no further: what the log calls it in the end."""
        def dribble(peer, data):
            def run():
                try:
                    for byte in data:
                        peer.send(bytes([byte]))
                        time.sleep(0.4)
                except OSError:
                    pass
            threading.Thread(target=run, daemon=True).start()

        def proceed(peer):
            peer.header("rohan.example", "shire.example")
            peer.features()
            peer.send(f"<starttls xmlns='{TLS}'/>")
            peer.expect("<proceed[^>]*>")

        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)
        yield "no byte", lambda peer: None, "FG-S19"
        yield "a ClientHello byte by byte (T17)", lambda peer: dribble(peer, hello), "FG-T06"
        yield "a header byte by byte", lambda peer: dribble(
            peer, header("rohan.example", "shire.example").encode()), "FG-S19"
        yield "white space", lambda peer: dribble(peer, b" " * 40), "FG-S19"
        yield "a header alone", lambda peer: peer.header("rohan.example", "shire.example"), "FG-S19"
        yield "STARTTLS and no hello", proceed, "FG-T06"
        yield "TLS and no header (T30)", lambda peer: peer.tls(
            client_context(), "shire.example"), "FG-S19"
        yield "TLS and no proof", lambda peer: (peer.tls(client_context(), "shire.example"),
                                                peer.header("rohan.example", "shire.example")), \
            "FG-S19"

    def test_whoever_does_not_come_to_the_point_is_gone_at_the_deadline(self):
        """TLS-6, T17, T30, R01: one deadline from connect to proof, which nothing prolongs."""
        began, waiting = time.monotonic(), []
        for what, begin, reason in self.openings():
            peer = self.stage.connect()
            begin(peer)
            waiting.append((what, peer, reason))
        time.sleep(max(0, began + DEADLINE - 1 - time.monotonic()))
        for what, peer, _ in waiting:
            with self.subTest(too_early=what):
                self.assertTrue(self.is_open(peer))
        for what, peer, reason in waiting:
            with self.subTest(what=what):
                peer.expect_closed(DEADLINE + 3)
                self.assertLess(time.monotonic() - began, DEADLINE + 2)
                self.gate.wait_event("refused", since=self.mark, reason=reason)
                peer.close()
        found = sorted(self.reasons("refused"))
        self.assertEqual(found, sorted(reason for _, _, reason in waiting))
        self.assertEqual(self.canary.bytes, self.bytes)

    @staticmethod
    def is_open(peer):
        try:
            while True:
                peer.receive(0.001)
        except TimeoutError:
            return True
        except Closed:
            return False

    def test_two_thousand_that_say_nothing(self):
        """R01, O4, O5: their descriptors come back, a neighbour does not notice."""
        crowd = self.stage.net.hosts.get("crowd") or self.stage.net.host("crowd", "10.99.0.80")
        with Neighbour(self.stage) as quiet:
            time.sleep(1)
        before = descriptors_of(self.workers), memory_of(self.workers)
        with Neighbour(self.stage) as neighbour:
            idlers = crowd.popen(["/usr/bin/python3", "-c", IDLERS, "2000", *map(str, GATE)])
            self.wait_output(idlers, "all", 20)
            most = self.wait_descriptors(before[0] + 1500, 5)
            memory = memory_of(self.workers) - before[1]
            self.wait_output(idlers, "none", DEADLINE + 10)
            time.sleep(0.3)
        self.assertGreater(most - before[0], 1500)
        self.assertLess(descriptors_of(self.workers), before[0] + 10)
        self.assertLess(memory, 2000 * 20000)
        self.assertEqual(neighbour.lost, 0)
        self.assertLess(neighbour.p99(), max(0.05, 3 * quiet.p99()))

    def wait_output(self, process, word, seconds):
        """Until the process has said it."""
        end = time.monotonic() + seconds
        while word not in process.output().split() and time.monotonic() < end:
            time.sleep(0.02)
        self.assertIn(word, process.output().split())

    def wait_descriptors(self, least, seconds):
        """Until the workers have so many: the kernel connects before they accept."""
        end = time.monotonic() + seconds
        while descriptors_of(self.workers) < least and time.monotonic() < end:
            time.sleep(0.02)
        return descriptors_of(self.workers)

    def test_one_address_has_its_share(self):
        """R01: on each worker; the next connection is closed at once, another address is served."""
        greedy = self.stage.net.host("greedy", "10.99.0.81")
        self.gate.set("gate", max_per_address=20)
        self.gate.reload()
        held = [self.stage.connect(greedy) for _ in range(80)]
        try:
            self.gate.wait_event("refused", since=self.mark, reason="FG-R04")
            time.sleep(0.5)
            self.assertLessEqual(sum(self.is_open(peer) for peer in held), 40)
            self.stage.proven("rohan.example", "shire.example").close()
        finally:
            for peer in held:
                peer.close()
            self.gate.set("gate", max_per_address=5000)
            self.gate.reload()

    # Descriptors

    def test_no_descriptors_left(self):
        """R02: accepting pauses, nothing spins, what stands goes on, and afterwards all is well."""
        with self.make("few", low_descriptors=64) as stage:
            stage.start()
            workers = list(stage.gate.children().values())
            crowd = stage.net.host("crowd", "10.99.0.80")
            with Neighbour(stage) as neighbour:
                time.sleep(0.2)
                idlers = crowd.popen(["/usr/bin/python3", "-c", IDLERS, "100", *map(str, GATE)])
                event = stage.gate.wait_event("accept", 5)
                self.assertEqual((event["reason"], event["native"]), ("FG-R04", 24))
                began = cpu_of(workers)
                time.sleep(2)
                spent = cpu_of(workers) - began
                self.assertLess(descriptors_of(workers), 2 * 64 + 1)
                deadline = time.monotonic() + 3 * DEADLINE
                while "none" not in idlers.output() and time.monotonic() < deadline:
                    time.sleep(0.1)
            self.assertEqual(neighbour.lost, 0)
            self.assertLess(spent, 0.6)  # of four processor seconds; most of it the neighbour's
            for _ in range(4):
                stage.proven("rohan.example", "shire.example").close()

    # Sizes

    def proven(self):
        peer = self.stage.proven("rohan.example", "shire.example")
        self.addCleanup(peer.close)
        return peer

    @staticmethod
    def stanza(size, ident, whole=True):
        """A message of exactly so many bytes, or the first so many of one."""
        head = (f"<message from='a@rohan.example' to='frodo@shire.example' id='{ident}'><body>")
        tail = "</body></message>" if whole else ""
        return head + "x" * (size - len(head) - len(tail)) + tail

    def test_a_stanza_around_the_limit(self):
        """X25, ST-16: the limit itself is fine; one byte more ends it, before its end is there."""
        peer = self.proven()
        self.assertIn(f"<max-bytes>{LIMIT}</max-bytes>", peer.all_said)  # LIM-2
        for number, size in enumerate((LIMIT - 1, LIMIT)):
            here = len(self.canary.stanzas)
            peer.send(self.stanza(size, f"size-{number}"))
            self.assertEqual(len(self.canary.wait_for(here + 1)[-1]), size)
        for whole in (True, False):
            peer, here = self.proven(), len(self.canary.stanzas)
            peer.send(self.stanza(LIMIT + 1, "over", whole))
            self.assertIn("<policy-violation", peer.expect_closed(5))
            self.assertIn("FG-X09", self.reasons("stream-down"))
            self.assertEqual(len(self.canary.stanzas), here)

    def flood(self, peer, chunk, most):
        """How much of an endless thing could be sent before the end, and how the memory grew."""
        before, most_memory, sent = memory_of(self.workers), 0, 0
        try:
            while sent < most:
                peer.sock.settimeout(5)
                peer.send(chunk)
                sent += len(chunk)
                most_memory = max(most_memory, memory_of(self.workers) - before)
        except (OSError, ssl.SSLError):
            pass
        return sent, most_memory

    def test_a_stanza_without_an_end(self):
        """X26: at line rate; closed at the limit, the memory does not follow."""
        peer = self.proven()
        peer.send(self.stanza(100, "endless", whole=False))
        sent, grown = self.flood(peer, b"x" * 65536, 1 << 28)
        self.assertLess(sent, 1 << 24)  # what the kernels in between hold
        self.assertLess(grown, 4 << 20)
        self.assertIn("FG-X09", self.reasons("stream-down"))

    def test_headers_without_measure(self):
        """X28, X22, X23: one of 1 MB, one of 10 000 attributes, one of 10 000 namespaces; in clear
        and in TLS."""
        start = f"<stream:stream xmlns='jabber:server' xmlns:stream='{STREAMS}' "
        for what, tail, reason in (
                ("language", "xml:lang='" + "e" * (1 << 20) + "'>", ("FG-X08", "FG-X09")),
                ("attributes", " ".join(f"a{i}='x'" for i in range(10000)) + ">",
                 ("FG-X07", "FG-X08", "FG-X09")),
                ("namespaces", " ".join(f"xmlns:n{i}='u{i}'" for i in range(10000)) + ">",
                 ("FG-X07", "FG-X08", "FG-X09"))):
            for secured in (False, True):
                with self.subTest(what=what, secured=secured):
                    self.setUp()
                    peer = self.stage.direct("shire.example") if secured else self.stage.connect()
                    self.addCleanup(peer.close)
                    began = cpu_of(self.workers)
                    try:
                        peer.send(start + tail)
                        said = peer.expect_closed(5)
                        self.assertIn("policy-violation", said)
                    except OSError:
                        pass  # gone while we were still talking
                    event = self.gate.wait_event("refused", since=self.mark)
                    self.assertIn(event["reason"], reason)
                    self.assertLess(cpu_of(self.workers) - began, 0.05)  # O4

    def test_white_space_without_end(self):
        """X33, LV-1: between stanzas it is taken and goes nowhere."""
        peer, here = self.proven(), len(self.canary.stanzas)
        peer.send(self.stanza(200, "before"))
        self.canary.wait_for(here + 1)
        before, began = self.canary.bytes, cpu_of(self.workers)
        sent, grown = self.flood(peer, b" \n\t " * 16384, 16 << 20)
        self.assertEqual(sent, 16 << 20)
        peer.send(self.stanza(200, "behind"))
        self.canary.wait_for(here + 2)
        self.assertEqual(self.canary.bytes - before, 200)
        self.assertLess(grown, 4 << 20)
        self.assertLess(cpu_of(self.workers) - began, 0.05 * 16 * 16)  # O4: 50 ms for 64 KiB

    def test_records_of_one_byte(self):
        """T16: what they cost grows with their number, no faster, and not with what is held."""
        spent = {}
        for count in (16384, 65536, 131072):
            with self.subTest(count=count):
                peer, here = self.proven(), len(self.canary.stanzas)
                began = cpu_of(self.workers)
                for _ in range(count // 8192):
                    for byte in self.stanza(8192, "tiny").encode():
                        peer.sock.send(bytes((byte,)))
                self.canary.wait_for(here + count // 8192, 20)
                spent[count] = cpu_of(self.workers) - began
        self.assertLess(spent[131072], 131072 * 5e-6)
        self.assertLess(spent[131072], 3 * spent[65536] + 0.1)

    def test_an_end_that_nobody_announced(self):
        """T19, P-5: half a stanza and FIN without close_notify: nothing of it arrives."""
        peer, here = self.proven(), len(self.canary.stanzas)
        peer.send(self.stanza(200, "whole") + self.stanza(200, "half", whole=False))
        self.canary.wait_for(here + 1)
        before = self.canary.bytes
        peer.sock.shutdown(socket.SHUT_RDWR)  # Python says nothing in TLS here
        self.gate.wait_event("stream-down", since=self.mark, reason="FG-T05")
        time.sleep(0.2)
        self.assertEqual((len(self.canary.stanzas), self.canary.bytes), (here + 1, before))


if __name__ == "__main__":
    unittest.main(verbosity=2)
