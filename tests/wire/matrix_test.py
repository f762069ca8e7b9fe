"""The main job on real servers: stock Prosody and ejabberd behind the gate, strict Prosody and
ejabberd in the world, both directions, both kinds of TLS, both kinds of proof; tenant to tenant
over every pair of backends; the two halves of a backend's dialback on different workers."""

import itertools
import unittest

import common
from lab import gate as lab_gate
from lab.net import LabError
from lab.scene import BACKENDS, MORE_BACKENDS, PEERS, Scene
from script import message, proven

NOWHERE = "10.99.0.200"  # nobody is there
AFAR = [f"far{number}.example" for number in range(16)]  # domains that say they are


def cells():
    """(backend kind, tenant, peer kind, peer, proof, start) for every pair of domains."""
    for (backend, (_, tenants)), ((peer, auth), (_, domains)) in itertools.product(
            BACKENDS.items(), PEERS.items()):
        for tenant, domain in itertools.product(tenants, domains):
            start = "direct" if domain == domains[1] else "starttls"
            yield backend, tenant, peer, domain, auth, start


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene("matrix", common.BINARY, backends=(BACKENDS, MORE_BACKENDS))
        cls.addClassCleanup(cls.scene.close)
        for name in AFAR:
            cls.scene.names.peer(name, NOWHERE, starttls=5269)
        cls.scene.start()
        cls.gate = cls.scene.gate
        cls.clients = {domain: cls.scene.client(domain) for domain in cls.scene.of}

    def say(self, sender, receiver, ident):
        """One message must arrive, once."""
        self.clients[sender].message(self.clients[receiver].full, "well met", ident)
        try:
            self.clients[receiver].wait(lambda one: one.get("id") == ident, 10, "the message")
        except LabError as error:
            self.fail(f"{sender} to {receiver}: {error}\n" + "\n".join(self.gate.tail(10)))

    def check_up(self, leg, from_, to, auth, start):
        up = self.gate.wait_event("stream-up", leg=leg, **{"from": from_, "to": to})
        proof, level = (("external", "trusted") if auth == "external" else ("dialback", "secure"))
        self.assertEqual((up["proof"], up["trust"], up["start"]), (proof, level, start), up)
        self.assertEqual(up["tls"], "TLSv1.3")

    def test_1_every_peer_reaches_every_tenant_and_back(self):
        for backend, tenant, peer, domain, auth, start in cells():
            with self.subTest(backend=backend, peer=peer, direction="in", tls=start, proof=auth,
                              tenant=tenant):
                self.say(domain, tenant, f"in {domain} {tenant}")
                # A peer chooses its start by the tenant's SRV records.
                offered = "direct" if tenant in (BACKENDS[backend][1][1],) else "starttls"
                self.check_up("W-IN", domain, tenant, auth, offered)
            with self.subTest(backend=backend, peer=peer, direction="out", tls=start, proof=auth,
                              tenant=tenant):
                self.say(tenant, domain, f"out {tenant} {domain}")
                self.check_up("W-OUT", tenant, domain, auth, start)

    def test_2_every_tenant_reaches_every_other_inside_the_gate(self):
        """ADR-8: by the tenant's own proof, never over the public port."""
        tables = [table for group in (BACKENDS, MORE_BACKENDS) for table in group.values()]
        first = [domains[0] for _, domains in tables]
        for sender, receiver in itertools.permutations(first, 2):
            with self.subTest(sender=sender, receiver=receiver):
                self.say(sender, receiver, f"inside {sender} {receiver}")
                up = self.gate.wait_event("stream-up", leg="INSIDE",
                                          **{"from": sender, "to": receiver})
                self.assertEqual((up["proof"], up["trust"]), ("certificate", "trusted"))
                self.assertFalse(self.gate.events("stream-up", leg="W-IN", **{
                    "from": sender, "to": receiver}))

    def test_3_both_halves_of_a_backends_dialback_on_different_workers(self):
        """BE-4 across workers: whoever answers the db:verify need not have asked for it."""
        for backend, (_, tenants) in BACKENDS.items():
            with self.subTest(backend=backend):
                apart, together = self.halves(tenants)
                self.assertGreater(apart, 0, "B-IN and B-OUT never were on different workers")
                self.assertGreater(together, 0, "B-IN and B-OUT never were on one worker")

    def halves(self, tenants, since=0):
        """How many B-INs of these tenants were verified on another worker, and on the same."""
        asked = {}
        for event in self.gate.events("key-checked", since, leg="B-OUT", outcome="valid"):
            asked.setdefault((event["peer"], event["tenant"]), set()).add(event["n"])
        found = [event["n"] in asked.get((event["from"], event["to"]), ())
                 for event in self.gate.events("stream-up", since, leg="B-IN")
                 if event["to"] in tenants]
        return found.count(False), found.count(True)

    def test_4_inbound_comes_through_while_the_remote_cannot_be_dialled(self):
        """BE-4, BE-5: Prosody asks about a peer's key only behind its own db:result, which waits
        for a connection that cannot be made; on any pair of workers."""
        for backend, (_, tenants) in BACKENDS.items():
            mark, tenant = self.gate.mark(), tenants[0]
            with self.subTest(backend=backend):
                for name in AFAR:
                    self.from_afar(name, tenant)
                apart, together = self.halves(tenants, mark)
                self.assertGreater(apart, 0)
                self.assertEqual(apart + together, len(AFAR))

    def from_afar(self, name, tenant):
        identity = self.scene.ca.issue(name)
        sock = self.scene.test.connect((lab_gate.PUBLIC, 5269))
        user = self.clients[tenant]
        with proven(sock, name, tenant, identity) as peer:
            ident = f"far {name} {tenant}"
            peer.send(message(f"somebody@{name}", user.full, "can you hear me", ident))
            user.wait(lambda one: one.get("id") == ident, 6, f"the message from {name}")

    def test_5_every_message_came_once_and_nothing_was_refused(self):
        for domain, client in self.clients.items():
            idents = [one.get("id") for one in client.messages() if one.get("type") != "error"]
            self.assertEqual(len(idents), len(set(idents)), domain)
        self.assertFalse(self.gate.events("refused"))
        self.assertEqual(self.gate.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
