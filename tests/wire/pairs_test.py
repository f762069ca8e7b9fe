"""Pairs and their ways, seen from both ends of the gate: what is opened, when, how often, and by
which proof."""

import time
import unittest

import common
from script import Dialogue, ScriptedServer, attribute, message
from stage import EGRESS, Stage

RESULT = "<db:result from='{}' to='{}'>0123456789abcdef</db:result>"
NOWHERE = "10.99.0.200"  # nobody is there


class Limited(ScriptedServer):
    """Announces the smallest limit of XEP-0478 that RFC 6120 allows."""

    def _features(self, secured, certificate, authenticated):
        return super()._features(secured, certificate, authenticated) + (
            "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>")


class Pairs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("pairs", common.BINARY, zones={"hosted.example": "unsigned"})
        cls.addClassCleanup(stage.close)
        stage.tenant("shire.example", tenant={"domains": "conference.shire.example"},
                     identity=stage.ca.issue("shire.example", "conference.shire.example"),
                     policy={"inbound": "secure", "outbound": "secure"})
        stage.tenant("strict.example", policy={"inbound": "trusted", "outbound": "trusted"})
        cls.rohan = stage.server("rohan.example", port=5320)
        cls.limited = stage.keep(Limited(stage.world, "limited.example",
                                         stage.identity("limited.example"), 5321,
                                         ca=stage.ca.root))
        stage.names.peer("limited.example", stage.world.address, starttls=5321)
        # DNS-2: an SRV record whose target does not answer, and an address that would.
        stage.names.peer("fallback.example", NOWHERE, starttls=5322)
        stage.names.set("fallback.example", "A", stage.world.address)
        cls.fallback = stage.server("fallback.example", port=5269, announce=False)
        # DNS-5: the certificate names the SRV record's target alone.
        cls.hosted = stage.server("hosted.example", port=5323, announce=False, dialback="off",
                                  identity=stage.ca.issue("xmpp.hoster.example"))
        stage.names.peer("hosted.example", stage.world.address, starttls=5323,
                         host="xmpp.hoster.example")
        cls.plainly = stage.server("plainly.example", port=5324, external=False,
                                   identity=stage.ca.issue("somebody.example"))
        stage.start()
        cls.gate, cls.canary = stage.gate, stage.canary

    def setUp(self):
        self.mark = self.gate.mark()
        self.links = len(self.canary.links)

    # Towards the backend

    def test_each_pair_of_a_stream_has_a_stream_of_its_own_and_none_before_its_first_stanza(self):
        """BE-2, BE-7, BE-21."""
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(RESULT.format("rohan.example", "conference.shire.example"))
            peer.expect("<db:result[^>]*type='valid'")
            time.sleep(0.5)
            self.assertEqual(len(self.canary.links), self.links, "a B-IN without a stanza")
            seen = len(self.canary.stanzas)
            for to in ("frodo@shire.example", "room@conference.shire.example",
                       "sam@shire.example"):
                peer.send(message("king@rohan.example", to, "x"))
            self.canary.wait_for(seen + 3)
        self.assertEqual(len(self.canary.links), self.links + 2)
        self.assertEqual(sorted(self.canary.peers[-2:]), [
            ("rohan.example", "conference.shire.example", "valid"),
            ("rohan.example", "shire.example", "valid")])

    def test_a_backend_that_closes_an_idle_stream_gets_another(self):
        """BE-19: Prosody closes what was silent for its time."""
        with self.stage.proven("rohan.example", "shire.example") as peer:
            seen = len(self.canary.stanzas)
            peer.send(message("king@rohan.example", "frodo@shire.example", "x"))
            self.canary.wait_for(seen + 1)
            self.canary.links[-1].end()
            self.gate.wait_event("stream-down", since=self.mark, leg="B-IN")
            peer.send(message("king@rohan.example", "frodo@shire.example", "y"))
            self.canary.wait_for(seen + 2)
        self.assertEqual(len(self.canary.links), self.links + 2)

    # From the backend

    def test_every_egress_stream_has_an_id_of_its_own(self):
        """BE-13, ST-3: the backend's key is a function of it."""
        ids = set()
        for _ in range(20):
            with self.canary.dial("shire.example", "rohan.example", proven_key=False) as link:
                self.assertRegex(link.stream_id, "^[0-9a-f]{32}$")
                ids.add(link.stream_id)
        self.assertEqual(len(ids), 20)

    def test_a_stream_that_only_asks_is_short(self):
        """BE-17: answered, and closed properly when it stays."""
        with Dialogue(self.canary.host.connect(EGRESS), 20) as link:
            link.header("shire.example", "rohan.example")
            link.features()
            link.send("<db:verify from='shire.example' to='rohan.example' id='x'>k</db:verify>")
            self.assertEqual(attribute(link.expect("<db:verify[^>]*>").group(0), "type"), "invalid")
            began = time.monotonic()
            said = link.expect_closed(15)
        self.assertLess(time.monotonic() - began, 12)
        self.assertTrue(said.endswith("</stream:stream>"), said[-80:])
        self.assertNotIn("stream:error", said)

    # Proofs

    def test_a_certificate_answers_dialback_at_once(self):
        """DB-12, XEP-0344 2.4: nobody is asked, and only the domain that it names is proven."""
        asked = len(self.rohan.questions)
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            peer.send(RESULT.format("rohan.example", "shire.example"))
            peer.expect("<db:result[^>]*type='valid'")
        up = self.gate.wait_event("stream-up", since=self.mark, leg="W-IN")
        self.assertEqual((up["proof"], up["trust"]), ("certificate", "trusted"))
        self.assertEqual(len(self.rohan.questions), asked)
        with self.stage.secured("rohan.example", "shire.example",
                                self.stage.identity("other.example")) as peer:
            peer.features()
            peer.send(RESULT.format("rohan.example", "shire.example"))
            peer.expect("<db:result[^>]*type='valid'")
        self.assertEqual(len(self.rohan.questions), asked + 1)

    def outcome(self, tenant, peer):
        """"valid", or the text of the stream error, when it is known."""
        with self.canary.dial(tenant, peer) as link:
            answer = link.expect("<db:result[^>]*type='valid'|</stream:error>", 40)
            if answer.group(0).startswith("<db"):
                link.send(message(f"frodo@{tenant}", f"a@{peer}", "x", "lazy"))
                bounce = self.bounce("lazy")
                return bounce or "valid"
            return link.all_said

    def bounce(self, ident, seconds=25):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for stanza in self.canary.stanzas:
                if f"id='{ident}'" in stanza and "type='error'" in stanza:
                    return stanza
            time.sleep(0.1)
        return None

    def test_the_target_of_an_srv_record_is_no_identity(self):
        """DNS-5: without DNSSEC for the delegation's sake, the service's own name must be there."""
        said = self.outcome("strict.example", "hosted.example")
        self.assertIn("FG-C05", said)
        self.assertFalse(self.hosted.stanzas)

    def test_an_srv_record_that_cannot_be_reached_is_not_gone_round(self):
        """DNS-2: no second try at the domain's own address."""
        said = self.outcome("shire.example", "fallback.example")
        self.assertRegex(said, "FG-N0[12]")
        self.assertFalse(self.fallback.links)

    # Limits

    def test_what_a_peer_does_not_take_is_answered_and_not_sent(self):
        """LIM-1, LIM-2: XEP-0478; the stream goes on."""
        with self.canary.dial("shire.example", "limited.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            link.send(message("frodo@shire.example", "a@limited.example", "x" * 11000, "large"))
            link.send(message("frodo@shire.example", "a@limited.example", "x" * 100, "small"))
            self.limited.wait_for(1)
            bounce = self.bounce("large", 5)
        self.assertIsNotNone(bounce)
        self.assertIn("policy-violation", bounce)
        self.assertEqual([attribute(one, "id") for one in self.limited.stanzas], ["small"])

    # Clearness

    def test_who_was_only_reached_by_dns_is_called_so(self):
        """M-5: dialback proves us to them, not them to us: secure at the most, never trusted."""
        server = self.plainly
        with self.canary.dial("shire.example", "plainly.example") as link:
            link.expect("<db:result[^>]*type='valid'", 20)
            link.send(message("frodo@shire.example", "a@plainly.example", "x"))
            server.wait_for(1)
        up = self.gate.wait_event("stream-up", since=self.mark, leg="W-OUT", to="plainly.example")
        self.assertEqual((up["proof"], up["trust"]), ("dialback", "secure"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
