"""DANE against other people's software: stock Prosody and ejabberd, real signed zones (knot).

Prosody 0.12 with `use_dane` dials a tenant that no authority vouches for, and believes the TLSA
record of its target. The other way round, fedgate believes theirs.
"""

import concurrent.futures
import functools
import os
import unittest

import common
from lab import gate as lab_gate
from lab import ejabberd, prosody
from lab.client import Client
from script import message
from stage import Stage

# Another Debian's servers (packaging/deps/backports.sh): there, Prosody is 13.
ROOT = os.environ.get("LAB_BACKENDS_ROOT")
SHIRE, BUCKLAND = "shire.example", "buckland.example"
GONDOR, GONDOR_ADDRESS = "gondor.example", "10.99.0.60"
ROHAN, MORDOR = "rohan.example", "mordor.example"


class Peer:
    """One real server in the world with one user, and the test's client of it."""

    def __init__(self, stage, domain, address, config, kind=prosody.Prosody):
        self.stage, self.domain = stage, domain
        self.host = stage.net.host(domain.partition(".")[0], address)
        stage.names.peer(domain, address, starttls=5269)
        self.server = kind(self.host, config(self.host), [domain], lab_gate.NAMES, ROOT)
        self.client = None

    def start(self):
        self.server.start()
        self.server.wait()
        self.server.register("user")
        self.client = Client(self.stage.world, self.host.address, "user", self.domain)

    def bounce(self, ident):
        """What the user is told about a message of theirs that came back."""
        back = self.client.wait(lambda one: one.get("id") == ident and one.get("type") == "error",
                                20, "the bounce")
        return " ".join("".join(back.itertext()).split())


def believing(domain, stage, trust):
    """Configures a Prosody that believes TLSA records, and else those whom `trust` vouches for."""
    def config(host):
        return prosody.peer_config(host, [domain], stage.identity(domain), trust, root=ROOT,
                                   extra=prosody.USE_DANE.format(anchor=stage.names.anchor))
    return config


def arrived(stage, ident, seconds=15):
    """Whether a message reached the tenant's backend."""
    canary = stage.canary
    with canary.arrived:
        return canary.arrived.wait_for(lambda: any(ident in one for one in canary.stanzas), seconds)


class ProsodyBelievesOurTlsa(unittest.TestCase):
    """Prosody's trust store does not know who issued the tenant's certificate: nobody did."""

    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("dane-out", common.BINARY)
        cls.addClassCleanup(stage.close)
        cls.mine, other = (stage.ca.issue(SHIRE, signed_by="self") for _ in range(2))
        stage.tenant(SHIRE, identity=cls.mine)
        stage.tenant("bree.example", identity=stage.ca.issue("bree.example", signed_by="self"))
        stage.tenant("dale.example", identity=stage.ca.issue("dale.example", signed_by="self"))
        host = stage.ca.issue("gate.example", signed_by="self")
        stage.tenant("erebor.example", identity=host)
        stage.tenant(BUCKLAND, proof="dane")
        stage.names.tlsa("xmpp.erebor.example", 5269, 3, 1, 1, host.chain)
        stage.names.tlsa(f"xmpp.{SHIRE}", 5269, 3, 1, 1, cls.mine.chain)
        stage.names.tlsa("xmpp.bree.example", 5269, 3, 1, 1, other.chain)
        cls.peer = Peer(stage, GONDOR, GONDOR_ADDRESS,
                        believing(GONDOR, stage, stage.other_ca.root))
        stage.start()
        stage.gate.publish_tlsa(stage.names, BUCKLAND)
        stage.names.commit()
        cls.peer.start()

    def test_a_tenant_without_a_certificate_is_accepted_by_the_hosts_tlsa(self):
        """DANE-6: `proof = dane`; the record is the one that `fedgate records` prints."""
        ident = self.peer.client.message(f"merry@{BUCKLAND}", "by DANE", "dane-host-key")
        self.assertTrue(arrived(self.stage, ident), self.peer.server.log_text()[-3000:])

    def test_a_tenant_is_accepted_by_its_targets_tlsa_alone(self):
        ident = self.peer.client.message(f"frodo@{SHIRE}", "by DANE", "dane-good")
        self.assertTrue(arrived(self.stage, ident), self.peer.server.log_text()[-3000:])
        self.assertIn("Enabling DANE with 1 TLSA records", self.peer.server.log_text())

    def test_a_tlsa_of_another_key_makes_prosody_refuse(self):
        ident = self.peer.client.message("bill@bree.example", "by DANE", "dane-wrong")
        self.assertTrue(self.peer.bounce(ident))
        self.assertFalse(arrived(self.stage, ident, 0))

    def test_prosody_wants_the_tenants_name_in_the_certificate_too(self):
        """RFC 7671, 5.1 says that names are not to be looked at; Prosody 0.12 does."""
        ident = self.peer.client.message("thorin@erebor.example", "by DANE", "dane-host")
        self.assertIn("not valid for this name", self.peer.bounce(ident))

    def test_without_a_tlsa_record_prosody_refuses_too(self):
        ident = self.peer.client.message("bard@dale.example", "by DANE", "dane-none")
        self.assertTrue(self.peer.bounce(ident))
        self.assertFalse(arrived(self.stage, ident, 0))

    def test_the_server_is_the_one_that_was_meant(self):
        wanted = "13." if ROOT else "0.12."
        self.assertIn(f"Prosody version {wanted}", self.peer.server.log_text())


class WeBelieveTheirTlsa(unittest.TestCase):
    """Nobody vouches for the peers but the zones of their targets, and the tenant wants proof."""

    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("dane-theirs", common.BINARY)
        cls.addClassCleanup(stage.close)
        stage.tenant(SHIRE, policy={"inbound": "trusted", "outbound": "trusted"})
        cls.peers = {}
        for module, kind, domain, address in (
                (prosody, prosody.Prosody, GONDOR, GONDOR_ADDRESS),
                (prosody, prosody.Prosody, MORDOR, "10.99.0.66"),
                (ejabberd, ejabberd.Ejabberd, ROHAN, "10.99.0.61")):
            mine, other = (stage.ca.issue(domain, signed_by="self") for _ in range(2))
            cls.peers[domain] = Peer(stage, domain, address, functools.partial(
                module.peer_config, domains=[domain], identity=mine, trust=stage.ca.root,
                root=ROOT), kind)
            stage.names.tlsa(f"xmpp.{domain}", 5269, 3, 1, 1,
                             (other if domain == MORDOR else mine).chain)
        stage.start()
        with concurrent.futures.ThreadPoolExecutor(len(cls.peers)) as pool:
            for job in [pool.submit(peer.start) for peer in cls.peers.values()]:
                job.result()

    def up(self, leg, peer):
        names = {"from": SHIRE, "to": peer} if leg == "W-OUT" else {"from": peer, "to": SHIRE}
        return self.stage.gate.wait_event("stream-up", leg=leg, **names)

    def test_real_servers_are_trusted_by_their_tlsa_when_they_dial_us(self):
        """DANE-5"""
        for peer in (GONDOR, ROHAN):
            with self.subTest(peer):
                ident = self.peers[peer].client.message(f"frodo@{SHIRE}", "hello", f"in-{peer}")
                self.assertTrue(arrived(self.stage, ident))
                self.assertEqual("trusted", self.up("W-IN", peer)["trust"])

    def test_real_servers_are_trusted_by_their_tlsa_when_we_dial_them(self):
        """DANE-3"""
        for peer in (GONDOR, ROHAN):
            with self.subTest(peer):
                link = self.stage.canary.dial(SHIRE, peer)
                self.addCleanup(link.close)
                link.expect("<db:result[^>]*type='valid'")
                link.send(message(f"frodo@{SHIRE}", f"user@{peer}", "well met", f"out-{peer}"))
                self.peers[peer].client.wait(lambda one, ident=f"out-{peer}":
                                             one.get("id") == ident)
                self.assertEqual("trusted", self.up("W-OUT", peer)["trust"])

    def test_a_tlsa_of_another_key_is_refused_both_ways(self):
        """DANE-1"""
        ident = self.peers[MORDOR].client.message(f"frodo@{SHIRE}", "hello", "in-mordor")
        self.assertTrue(self.peers[MORDOR].bounce(ident))
        self.assertFalse(arrived(self.stage, ident, 0))
        told = self.stage.gate.wait_event("refused", leg="W-IN", **{"from": MORDOR})
        self.assertEqual("FG-D12", told["reason"])
        link = self.stage.canary.dial(SHIRE, MORDOR)
        self.addCleanup(link.close)
        self.assertIn("FG-D12", link.expect("<stream:error>.*</stream:error>", 20).group(0))


if __name__ == "__main__":
    unittest.main()
