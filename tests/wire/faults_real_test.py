"""Nothing is lost in silence, on real servers: stock Prosody and ejabberd behind the gate and in
the world, real users talking. Whatever is killed mid-conversation, nothing comes twice, the order
is kept, and what does not come is answered with an error or was in flight at the cut.

A server that is killed takes with it what it had taken and not yet given to its user; no gate can
know of that. So what is missing must be one run of numbers at the cut, and no more than the gate
counted in flight and its servers were sent in the last moment.
"""

import threading
import time
import unittest

import common
from lab import gate as lab_gate
from lab import resolver
from lab.client import CLIENT
from lab.net import LabError
from lab.scene import Scene

PEERS = (("prosody", "external"), ("ejabberd", "external"))
# Each kind of backend with the other kind of peer.
TALKS = (("shire.example", "rohan.example"), ("rivendell.example", "gondor.example"))
# Pairs of domains of the same servers that have not met yet, for each test; those of "dns" have
# never been looked up either.
FRESH = {"dns": (("shire.example", "osgiliath.example"), ("rivendell.example", "edoras.example")),
         "steer": (("buckland.example", "gondor.example"), ("lorien.example", "rohan.example"))}
PER_SECOND, SECONDS = 50, 6
MOMENT = PER_SECOND  # what a server may hold: a second's worth
BOUNCED_S = 60


class Flow(threading.Thread):
    """A user's numbered messages to another user, at a steady rate."""

    def __init__(self, sender, receiver, name, seconds=SECONDS):
        super().__init__(daemon=True)
        self.sender, self.to, self.flow = sender, receiver, name
        self.count, self.sent = int(PER_SECOND * seconds), 0
        self.start()

    def run(self):
        for number in range(self.count):
            try:
                self.sender.message(self.to, "x" * 100, f"{self.flow}/{number}")
            except OSError:
                return  # the sender's own server is gone
            self.sent += 1
            time.sleep(1 / PER_SECOND)

    def half(self):
        while self.sent < self.count / 2 and self.is_alive():
            time.sleep(0.005)


class Real(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene("faults-real", common.BINARY, peers=PEERS)
        cls.addClassCleanup(cls.scene.close)
        cls.gate = cls.scene.gate
        cls.scene.start()
        cls.users = {}  # domain -> all logins of its user, the last one is current
        for domain in cls.scene.of:
            cls.log_in(domain)

    @classmethod
    def log_in(cls, domain, seconds=30):
        """As a user does whose server went away."""
        end = time.monotonic() + seconds
        while True:
            try:
                cls.users.setdefault(domain, []).append(cls.scene.client(domain))
                return
            except (OSError, LabError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def user(self, domain):
        return self.users[domain][-1]

    def numbers(self, domain, flow, errors=False, stored=False):
        """The numbers of a flow's messages, or of its errors, that came to this domain's user.
        `stored`: those that the server kept for a user who was not there, and gave out when it
        liked (a restarted ejabberd: behind newer ones)."""
        found = []
        for login in self.users[domain]:
            for _, stanza in list(login.stanzas):
                name, _, number = (stanza.get("id") or "").partition("/")
                if stored != (stanza.find("{urn:xmpp:delay}delay") is not None):
                    continue
                if (stanza.tag == CLIENT + "message" and name == flow
                        and (stanza.get("type") == "error") == errors):
                    found.append(int(number))
        return found

    # A conversation in all four directions

    def talk(self, label):
        """{(from, to): Flow}: both pairs, both ways, in full swing."""
        self.mark = self.gate.mark()
        self.flows = {}
        for tenant, peer in TALKS:
            self.greet(tenant, peer, label)
            for one, other in ((tenant, peer), (peer, tenant)):
                self.flows[one, other] = Flow(self.user(one), self.user(other).full,
                                              f"{label}-{one}")
        for flow in self.flows.values():
            flow.half()

    def greet(self, one, other, label, seconds=60):
        """Messages come through both ways; each end may need some time after a fault."""
        for sender, receiver in ((one, other), (other, one)):
            end, number = time.monotonic() + seconds, 0
            while True:
                ident = f"greet {label} {sender} {number}"
                self.user(sender).message(self.user(receiver).full, "hello", ident)
                try:
                    self.user(receiver).wait(lambda got, i=ident: got.get("id") == i, 2)
                    break
                except LabError:
                    number += 1
                    if time.monotonic() > end:
                        self.fail(f"{sender} to {receiver}: nothing comes through again\n"
                                  + "\n".join(self.gate.tail(15)))

    def recovered(self, label):
        for tenant, peer in TALKS:
            self.greet(tenant, peer, label)

    def account(self, pair):
        """(delivered, bounced, missing) of a flow; once each and in order."""
        flow = self.flows[pair]
        delivered = self.numbers(pair[1], flow.flow)
        bounced = self.numbers(pair[0], flow.flow, errors=True)
        self.assertEqual(delivered, sorted(delivered), f"{pair}: out of order")
        delivered = sorted(delivered + self.numbers(pair[1], flow.flow, stored=True))
        self.assertEqual(len(delivered), len(set(delivered)), f"{pair}: twice")
        self.assertEqual(len(bounced), len(set(bounced)), f"{pair}: answered twice")
        self.assertFalse(set(delivered) & set(bounced), f"{pair}: delivered and answered")
        missing = sorted(set(range(flow.sent)) - set(delivered) - set(bounced))
        return delivered, bounced, missing

    def settle(self, pairs, allowed, seconds=BOUNCED_S):
        """Waits until no more than `allowed` are missing in each of these flows; (all, missing)."""
        end = time.monotonic() + seconds
        for pair in pairs:
            self.flows[pair].join(60)
            while len(self.account(pair)[2]) > allowed(pair) and time.monotonic() < end:
                time.sleep(0.1)
        time.sleep(0.5)
        for pair in pairs:
            missing = self.account(pair)[2]
            self.assertLessEqual(len(missing), allowed(pair), f"{pair} lost in silence: {missing}")

    def whole(self, *pairs):
        """Every message of these flows came."""
        self.settle(pairs, lambda _: 0, 15)
        for pair in pairs:
            self.assertEqual(self.account(pair)[0], list(range(self.flows[pair].count)), pair)

    def in_flight(self, pair):
        return sum(event["stanzas"] for event in self.gate.events(
            "in-flight", self.mark, **{"from": pair[0], "to": pair[1]}))

    def one_run(self, pair):
        """What is missing is one stretch, right behind the last that came before the cut."""
        missing = self.account(pair)[2]
        if missing:
            self.assertEqual(missing, list(range(missing[0], missing[-1] + 1)), pair)

    def prefix(self, pair):
        """The sender's own server was killed: what came is a beginning without gaps."""
        delivered = self.account(pair)[0]
        self.assertEqual(delivered, list(range(len(delivered))), pair)
        self.assertGreater(len(delivered), PER_SECOND)

    def text_of_bounce(self, pair):
        flow = self.flows[pair].flow
        for login in self.users[pair[0]]:
            for _, stanza in login.stanzas:
                if stanza.get("type") == "error" and (stanza.get("id") or "").startswith(flow):
                    return " ".join("".join(stanza.itertext()).split())
        return None

    def kill_server(self, domain):
        server = self.scene.of[domain]
        server.kill()
        return server

    def start_server(self, server):
        server.start()
        server.wait()
        for domain in server.domains:
            self.log_in(domain)

    # The faults

    def kill_and_restart(self, label, pair, down_s):
        """Kills the server of pair[1] mid-conversation; returns when all runs again."""
        self.talk(label)
        server = self.kill_server(pair[1])
        began = time.monotonic()
        self.flows[pair].join(30)
        time.sleep(max(0.0, down_s - (time.monotonic() - began)))
        self.start_server(server)
        allowed = lambda one: self.in_flight(one) + MOMENT  # noqa: E731
        self.settle([pair], allowed)
        self.one_run(pair)
        self.prefix(pair[::-1])
        other = next(one for one in TALKS if not set(one) & set(pair))
        self.whole(other, other[::-1])
        self.recovered(label + " again")

    def test_1_the_real_remote_is_killed_and_comes_back(self):
        for tenant, peer in TALKS:
            with self.subTest(killed=peer):
                label = f"remote {peer}"
                self.kill_and_restart(label, (tenant, peer), 12)
                bounced = self.account((tenant, peer))[1]
                self.assertGreater(len(bounced), PER_SECOND, "nobody was told")
                self.assertRegex(self.text_of_bounce((tenant, peer)), r"\[FG-N0\d\]")

    def test_2_the_real_backend_is_killed_and_comes_back(self):
        """What comes meanwhile waits for it, in order."""
        for tenant, peer in TALKS:
            with self.subTest(killed=tenant):
                self.kill_and_restart(f"backend {tenant}", (peer, tenant), 3)

    def at(self, pair):
        """On which worker a flow's streams are."""
        leg = {"leg": "W-OUT"} if pair in TALKS else {"leg": "W-IN"}
        found = self.gate.events("stream-up", **leg, **{"from": pair[0], "to": pair[1]})
        return found[-1]["n"]

    def test_3_a_worker_is_killed(self):
        self.talk("worker")
        at = {pair: self.at(pair) for pair in self.flows}
        victim = at[TALKS[0]]
        self.gate.kill_worker(victim)
        lost = self.gate.wait_event("child-lost", since=self.mark, number=victim)
        self.gate.wait_event("worker-up", since=self.mark, n=victim)
        hit = [pair for pair in self.flows if at[pair] == victim]
        self.settle(hit, lambda _: lost["queued_stanzas"] + lost["unacked_stanzas"] + MOMENT)
        for pair in hit:
            self.one_run(pair)
        self.whole(*(pair for pair in self.flows if pair not in hit))
        self.recovered("worker again")

    def test_4_dns_dies_and_comes_back(self):
        """What stands goes on; a new pair's user is told why; later it works."""
        self.talk("dns")
        self.scene.names.stop()
        self.addCleanup(self.start_names)
        told = {}
        for sender, receiver in FRESH["dns"]:
            began = time.monotonic()
            self.user(sender).message(self.user(receiver).full, "hello", f"dns {sender}")
            told[sender] = self.user(sender).wait(
                lambda one, s=sender: one.get("id") == f"dns {s}", BOUNCED_S)
            self.assertLess(time.monotonic() - began, BOUNCED_S)
            self.assertEqual(told[sender].get("type"), "error")
            self.assertRegex("".join(told[sender].itertext()), r"DNS lookup .*\[FG-D0[34]\]")
        self.whole(*self.flows)
        self.start_names()
        for sender, receiver in FRESH["dns"]:
            self.greet(sender, receiver, "dns again")

    def start_names(self):
        if not self.scene.names.process.running():
            self.scene.names.start()

    def test_5_the_steering_dns_is_killed_and_is_back_within_a_second(self):
        self.talk("steer")
        pid = self.gate.children("steer")[0]
        began = time.monotonic()
        self.gate.kill_worker(0, role="steer")
        for sender, receiver in FRESH["steer"]:
            backend = self.scene.of[sender].host
            while not self.steered(backend, receiver):
                self.assertLess(time.monotonic() - began, 5)
        took = time.monotonic() - began
        self.assertNotEqual(self.gate.children("steer")[0], pid)
        self.assertLess(took, 1)
        self.gate.wait_event("child-lost", since=self.mark, child="steer")
        self.whole(*self.flows)
        for sender, receiver in FRESH["steer"]:
            self.greet(sender, receiver, "steered")

    @staticmethod
    def steered(host, domain):
        answer = resolver.ask(host, lab_gate.EGRESS, f"_xmpp-server._tcp.{domain}", resolver.SRV)
        return bool(answer.data)

    def test_6_nothing_came_twice_in_all_that_time_and_the_gate_stops(self):
        for domain, logins in self.users.items():
            idents = [stanza.get("id") for login in logins for stanza in login.messages()
                      if stanza.get("type") != "error"]
            self.assertEqual(len(idents), len(set(idents)), domain)
        self.assertEqual(self.gate.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
