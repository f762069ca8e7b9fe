"""The scout: whatever happens to the process that asks DNS and the web, and whatever zones and
workers do to it, streams stand, and what was asked is answered."""

import ctypes
import os
import pathlib
import re
import signal
import socket
import time
import unittest

import common
from faults_test import Flow, numbers
from lab import evildns
from script import message
from stage import Stage
from supervisor_test import CHANNEL, PIDFD_GETFD, PIDFD_OPEN

PROC = pathlib.Path("/proc")
EVIL = "10.99.0.54"
VALID = "<db:result[^>]*type='valid'"


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def held_by(pid):
    """What the process has open, by descriptor."""
    found = {}
    for one in (PROC / str(pid) / "fd").iterdir():
        try:
            found[int(one.name)] = os.readlink(one)
        except OSError:
            continue  # closed meanwhile
    return found


def sockets(pid, kind):
    """Lines of /proc/PID/net/KIND that belong to the process itself."""
    inodes = {name[8:-1] for name in held_by(pid).values() if name.startswith("socket:[")}
    lines = (PROC / str(pid) / "net" / kind).read_text().splitlines()[1:]
    return [line for line in lines if line.split()[9] in inodes]


def line_of(pid):
    """A duplicate of a process's line: the one socket of its kind beside the channel."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    try:
        for fd, name in held_by(pid).items():
            if fd == CHANNEL or not name.startswith("socket:["):
                continue
            sock = socket.socket(fileno=libc.syscall(PIDFD_GETFD, pidfd, fd, 0))
            if (sock.family, sock.type & ~socket.SOCK_NONBLOCK) == (
                    socket.AF_UNIX, socket.SOCK_SEQPACKET):
                return sock
            sock.close()
    finally:
        os.close(pidfd)
    raise AssertionError(f"process {pid} has no line")


class Scout(unittest.TestCase):
    ZONES = {"loose.example": "unsigned", "broken.example": "bogus"}

    def setUp(self):
        self.stage = stage = Stage("scout", common.BINARY, zones=self.ZONES)
        self.addCleanup(stage.close)
        stage.gate.set("log", level="info")
        stage.gate.set("dns", forward=EVIL)
        self.evil = evildns.EvilDns(stage.net.host("evil", EVIL), stage.names.host.address)
        self.addCleanup(self.evil.stop)
        self.gate, self.canary = stage.gate, stage.canary

    def begin(self, *peers):
        self.stage.tenant("shire.example")
        self.servers = {domain: self.stage.server(domain, port=5300 + number)
                        for number, domain in enumerate(peers)}
        self.stage.start()
        self.mark = self.gate.mark()

    def scout(self):
        return self.gate.children("scout")[0]

    def dial(self, peer):
        link = self.canary.dial("shire.example", peer)
        self.addCleanup(link.close)
        link.expect(VALID)
        return link

    def delivers(self, peer, link, flow, seconds=10):
        """One message goes out, and is there in time."""
        link.send(message("frodo@shire.example/x", f"a@{peer}", "x", f"{flow}-0"))
        end = time.monotonic() + seconds
        while not numbers(self.servers[peer].stanzas, flow):
            self.assertLess(time.monotonic(), end, f"{flow} did not arrive")
            time.sleep(0.02)

    def asked(self, name, kind="SRV", times=1, seconds=5):
        """Waits until the name server has been asked so often."""
        end = time.monotonic() + seconds
        while len([one for one in self.evil.questions(name) if one[1] == kind]) < times:
            self.assertLess(time.monotonic(), end, f"{name} was not asked for {times} times")
            time.sleep(0.02)

    # Processes

    def test_neither_the_scout_nor_a_worker_has_rights_and_only_the_scout_asks_dns(self):
        self.begin("rohan.example")
        self.evil.rule("slow.example", evildns.silent)
        self.delivers("rohan.example", self.dial("rohan.example"), "one")
        slow = self.canary.dial("shire.example", "slow.example")
        self.addCleanup(slow.close)
        self.asked("_xmpp-server._tcp.slow.example")
        workers = self.gate.children().values()
        self.assertEqual(len(workers), 2)
        for pid in (self.scout(), *workers):
            status = status_of(pid)
            self.assertNotIn("0", status["Uid"].split())
            self.assertEqual(int(status["CapPrm"], 16) | int(status["CapEff"], 16), 0)
            self.assertEqual(status["NoNewPrivs"], "1")
        for pid in workers:  # while a question is open
            self.assertEqual(sockets(pid, "udp") + sockets(pid, "udp6"), [])
        self.assertNotEqual(sockets(self.scout(), "udp"), [])
        listening = [line for kind in ("tcp", "tcp6") for line in sockets(self.scout(), kind)
                     if line.split()[3] == "0A"]
        self.assertEqual(listening, [])
        files = [name for name in held_by(self.scout()).values()
                 if name.startswith("/") and not name.endswith("/dev/null")]
        self.assertEqual([name for name in files if not name.endswith("fedgate.log")], [])

    # A scout that dies

    def test_a_scout_that_is_killed_costs_no_stream_and_no_stanza(self):
        peers = [f"p{number}.example" for number in range(16)]
        self.begin(*peers, "late.example")
        links, used = [], set()
        for peer in peers:  # the kernel chooses the worker: until both have something to lose
            if len(links) >= 4 and used == {0, 1}:
                break
            links.append(self.dial(peer))
            used = {event["n"] for event in self.gate.events("stream-up", self.mark, leg="W-OUT")}
        self.assertEqual(used, {0, 1})
        flows = [Flow(link, f"f{number}", "frodo@shire.example/x", f"a@{peers[number]}",
                      count=1500, per_second=500) for number, link in enumerate(links)]
        for _ in range(3):
            pid = self.gate.kill_worker(0, role="scout")
            self.gate.wait_event("scout-up", since=self.mark)
            time.sleep(0.3)
        for number, (flow, peer) in enumerate(zip(flows, peers)):
            flow.join(30)
            server, end = self.servers[peer], time.monotonic() + 10
            while len(numbers(server.stanzas, f"f{number}")) < flow.sent:
                self.assertLess(time.monotonic(), end, "a stanza is missing")
                time.sleep(0.05)
            self.assertEqual(numbers(server.stanzas, f"f{number}"), list(range(flow.count)))
        self.assertEqual(self.gate.events("stream-down", self.mark), [])
        self.assertEqual(len(self.gate.events("child-lost", self.mark)), 3)
        self.assertNotEqual(self.scout(), pid)
        self.delivers("late.example", self.dial("late.example"), "late")

    def test_what_was_open_when_the_scout_died_is_answered_by_the_next(self):
        self.begin("gondor.example", "dale.example")
        for peer in ("gondor.example", "dale.example"):
            self.evil.rule(f"_xmpp-server._tcp.{peer}", evildns.silent)
        links = {peer: self.canary.dial("shire.example", peer) for peer in self.servers}
        for peer, link in links.items():
            self.addCleanup(link.close)
            self.asked(f"_xmpp-server._tcp.{peer}")
        self.evil.clear()
        began = time.monotonic()
        self.gate.kill_worker(0, role="scout")
        for peer, link in links.items():
            link.expect(VALID)
            self.delivers(peer, link, "open")
        self.assertLess(time.monotonic() - began, 5)  # not after a deadline and a second try
        self.gate.wait_event("scout-line", since=self.mark)
        self.assertEqual(self.gate.events("not-asked", self.mark), [])

    def test_a_scout_that_stands_still_fails_questions_in_time_and_nothing_else(self):
        """D08: whatever it is that keeps it busy."""
        self.begin("rohan.example", "gondor.example")
        rohan = self.dial("rohan.example")
        self.delivers("rohan.example", rohan, "before")
        os.kill(self.scout(), signal.SIGSTOP)
        gondor = self.dial("gondor.example")  # after the hold: then it is lazy
        gondor.send(message("frodo@shire.example/x", "a@gondor.example", "x", "still-0"))
        began = time.monotonic()
        self.delivers("rohan.example", rohan, "meanwhile", 2)
        while not numbers(self.canary.stanzas, "still", errors=True):
            self.assertLess(time.monotonic() - began, 12)
            time.sleep(0.05)
        os.kill(self.scout(), signal.SIGCONT)
        time.sleep(1.1)  # a domain that failed is not tried again at once
        self.assertEqual(self.gate.events("child-lost", self.mark), [])
        self.servers["late.example"] = self.stage.server("late.example", port=5400)
        self.stage.names.commit()
        self.delivers("late.example", self.dial("late.example"), "after")

    # Sides that lie to each other

    def test_a_worker_that_talks_nonsense_loses_its_line_and_gets_another(self):
        self.begin("rohan.example", "gondor.example", "dale.example", "bree.example")
        pid = self.scout()
        for number, worker in self.gate.children().items():
            with line_of(worker) as line:
                line.send(b"nonsense")
            self.gate.wait_event("scout-line", since=self.mark, worker=number)
        for peer in self.servers:
            self.delivers(peer, self.dial(peer), "after")
        self.assertEqual(self.gate.events("child-lost", self.mark), [])
        self.assertEqual(self.scout(), pid)

    # Zones that lie

    def test_evil_zones_get_the_right_class_of_answer_in_bounded_time_and_memory(self):
        """D01, D07, D10, D12; SRV with 10,000 records."""
        rows = (  # what the message claims, and what the reason is
            ("bogus.broken.example", None, "FG-D05"),
            ("stripped.example", evildns.strip, "FG-D05"),
            ("forged.example", evildns.forge("0 0 5269 evil.example."), "FG-D05"),
            ("bare.example", evildns.forge("0 0 5269 evil.example.", strip_signatures=True),
             "FG-D05"),
            # Many: without signatures; where none are due; as many as a message holds, which the
            # resolver cannot pass on; fewer than its header says.
            ("many.example", evildns.many_srv(1600, "xmpp.rohan.example."), "FG-D05"),
            ("many.loose.example", evildns.many_srv(1600, "xmpp.rohan.example."), "FG-N01"),
            ("more.loose.example", evildns.many_srv(10000, "xmpp.rohan.example."), "FG-D03"),
            ("claim.loose.example", evildns.many_srv(1000, "xmpp.rohan.example.", 10000), "FG-D03"),
            ("refused.loose.example", evildns.fail("REFUSED"), "FG-D03"),
            ("failed.loose.example", evildns.fail("SERVFAIL"), "FG-D03"),
            ("silent.loose.example", evildns.silent, "FG-D0[34]"),
            ("nobody.example", None, "FG-D01"),
            ("nobody.loose.example", None, "FG-D01"),
        )
        self.stage.names.peer("stripped.example", "10.99.0.50", starttls=5300)
        for name, rule, _ in rows:
            if rule:
                self.evil.rule(name, rule, "SRV")
        self.begin("rohan.example")
        rohan = self.dial("rohan.example")
        before = int(status_of(self.scout())["VmRSS"].split()[0])
        links, began = {}, time.monotonic()
        for name, _, _ in rows:
            links[name] = self.canary.dial("shire.example", name)
            self.addCleanup(links[name].close)
        self.delivers("rohan.example", rohan, "beside", 2)
        for name, _, reason in rows:
            with self.subTest(domain=name):
                self.assertRegex(self.reason_of(links[name], name), f"^{reason}$")
        self.assertLess(time.monotonic() - began, 8)
        if not common.SANITIZED:
            self.assertLess(int(status_of(self.scout())["VmRSS"].split()[0]) - before, 16384)
        self.assertEqual(self.gate.events("child-lost", self.mark), [])

    def reason_of(self, link, domain):
        """Why the domain could not be reached: told at once, or after the hold to a stanza."""
        said = link.expect(rf"{VALID}|\[FG-\w+\]").group()
        if "valid" in said:
            link.send(message("frodo@shire.example/x", f"a@{domain}", "x", "evil-0"))
            end = time.monotonic() + 8
            while not (bounces := [one for one in self.canary.stanzas if f"a@{domain}" in one]):
                self.assertLess(time.monotonic(), end, "neither delivered nor answered")
                time.sleep(0.02)
            said = bounces[0]
        return re.search(r"FG-\w+", said).group()

    def test_a_root_that_is_not_the_anchors_is_told_once_and_loudly(self):
        self.evil.rule(".", evildns.strip)
        self.begin("rohan.example")
        event = self.gate.wait_event("dns-root")
        self.assertEqual((event["reason"], event["blame"], event["level"]),
                         ("FG-D14", "operator", "error"))
        self.assertIn("[dns] forward", event["advice"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
