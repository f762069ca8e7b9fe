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
        stage.canary.domains.update((real.SHIRE, BREE))
        cls.peer = real.Peer(stage, real.GONDOR, real.GONDOR_ADDRESS,
                             real.believing(real.GONDOR, stage, stage.other_ca.root))
        stage.start()
        cls.peer.start()

    def dial(self, tenant):
        link = self.stage.canary.dial(tenant, real.GONDOR)
        self.addCleanup(link.close)
        return link

    def test_a_tenant_is_accepted_by_its_targets_tlsa_alone(self):
        link = self.dial(real.SHIRE)
        link.expect("<db:result[^>]*type='valid'")
        link.send(message(f"frodo@{real.SHIRE}", f"user@{real.GONDOR}", "well met", "dane-in"))
        self.peer.client.wait(lambda one: one.get("id") == "dane-in")
        said = self.peer.server.log_text()
        self.assertRegex(said, "DANE-EE SPKI SHA2-256 [0-9a-f]{64} matches")
        self.assertIn(f"Accepting SASL EXTERNAL identity from {real.SHIRE}", said)

    def test_a_tlsa_of_another_key_makes_prosody_refuse(self):
        self.dial(BREE).expect("remote-connection-failed")
        self.assertEqual([], self.peer.client.messages(BREE))

    def test_the_server_is_prosody_13(self):
        self.assertIn("Prosody version 13.", self.peer.server.log_text())


if __name__ == "__main__":
    unittest.main()
