"""DANE against Prosody 13, which looks up the TLSA records of whoever dials it
(mod_s2s_auth_dane_in). It is in bookworm-backports: make test-backports, make test-all.
"""

import unittest

import common
import dane_real_test as real
from script import message
from stage import Stage

BREE = "bree.example"


class ProsodyBelievesOurClientCertificate(unittest.TestCase):
    """Nobody vouches for the tenants but the zones of their targets."""

    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("dane-in", common.BINARY)
        cls.addClassCleanup(stage.close)
        for domain in (real.SHIRE, BREE):
            mine, other = (stage.ca.issue(domain, signed_by="self") for _ in range(2))
            stage.tenant(domain, identity=mine)
            stage.names.tlsa(f"xmpp.{domain}", 5269, 3, 1, 1,
                             (other if domain == BREE else mine).chain)
        stage.tenant(real.BUCKLAND, proof="dane")
        cls.peer = real.Peer(stage, real.GONDOR, real.GONDOR_ADDRESS,
                             real.believing(real.GONDOR, stage, stage.other_ca.root))
        stage.start()
        stage.gate.publish_tlsa(stage.names, real.BUCKLAND)
        stage.names.commit()
        cls.peer.start()

    def dial(self, tenant):
        link = self.stage.canary.dial(tenant, real.GONDOR)
        self.addCleanup(link.close)
        return link

    def is_accepted(self, tenant):
        link = self.dial(tenant)
        link.expect("<db:result[^>]*type='valid'")
        link.send(message(f"frodo@{tenant}", f"user@{real.GONDOR}", "well met", f"by-{tenant}"))
        self.peer.client.wait(lambda one: one.get("id") == f"by-{tenant}")
        said = self.peer.server.log_text()
        self.assertRegex(said, "DANE-EE SPKI SHA2-256 [0-9a-f]{64} matches")
        self.assertIn(f"Accepting SASL EXTERNAL identity from {tenant}", said)

    def test_a_tenant_is_accepted_by_its_targets_tlsa_alone(self):
        self.is_accepted(real.SHIRE)

    def test_a_tenant_without_a_certificate_is_accepted_by_the_hosts_tlsa(self):
        """DANE-6: `proof = dane`; the record is the one that `fedgate records` prints."""
        self.is_accepted(real.BUCKLAND)

    def test_a_tlsa_of_another_key_makes_prosody_refuse(self):
        self.dial(BREE).expect("remote-connection-failed")
        self.assertEqual([], self.peer.client.messages(BREE))

    def test_the_server_is_prosody_13(self):
        self.assertIn("Prosody version 13.", self.peer.server.log_text())


if __name__ == "__main__":
    unittest.main()
