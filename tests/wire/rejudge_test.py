"""After a reload only what the configuration says now may go on: pairs, backends, neighbours and
floors of before are looked at again on the streams that stand, and on those half made."""

import threading
import time
import unittest

import common
from script import ScriptedBackend, header, message
from stage import BACKEND, EGRESS, GATE, Stage

RESULT = "<db:result from='{}' to='{}'>0123456789abcdef</db:result>"


class Reload(unittest.TestCase):
    def setUp(self):
        self.stage = Stage("reload", common.BINARY)
        self.addCleanup(self.stage.close)
        self.gate, self.canary = self.stage.gate, self.stage.canary
        self.other = self.stage.keep(
            ScriptedBackend(self.stage.backend_host, [], EGRESS, port=5270))

    def reload(self, outcome="fine"):
        self.assertEqual(self.gate.reload()["outcome"], outcome)
        time.sleep(0.3)  # the workers have it

    def shire(self, backend=None, **sections):
        names = ("shire.example", "conference.shire.example")
        self.stage.tenant("shire.example", backend, self.stage.identity(names[0]), **sections)

    # Domains

    def both_domains(self):
        self.shire(tenant={"domains": "conference.shire.example"})
        self.stage.server("rohan.example", port=5300)
        self.stage.start()

    def conference_moves(self):
        """Another customer has the name now, on a server of its own."""
        self.shire()
        self.stage.tenant("conference.shire.example", f"{BACKEND}:5270")
        self.reload()

    def test_a_further_domain_is_taken_away_from_a_peers_stream(self):
        """ADR-4: its pair was proven to a tenant that has it no more."""
        self.both_domains()
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(RESULT.format("rohan.example", "conference.shire.example"))
            peer.expect("<db:result[^>]*type='valid'")
            peer.send(message("a@rohan.example", "room@conference.shire.example", "x", "before"))
            self.canary.wait_for(1)
            self.conference_moves()
            peer.send(message("a@rohan.example", "room@conference.shire.example", "x", "after"))
            self.assertIn("host-gone", peer.expect_closed(5))
        time.sleep(0.5)
        self.assertEqual(len(self.canary.stanzas), 1, self.canary.stanzas)

    def test_a_further_domain_is_taken_away_from_a_backends_stream(self):
        """20.6, 3: the backend of before must not speak for it."""
        self.both_domains()
        remote = self.stage.listeners[-1]
        with self.canary.dial("shire.example", "rohan.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            key = ("conference.shire.example", "rohan.example", link.stream_id)
            self.canary.keys[key] = "0123456789abcdef"
            link.send(RESULT.format(*key[:2]))
            link.expect("<db:result[^>]*type='valid'")
            link.send(message("room@conference.shire.example", "a@rohan.example", "x", "before"))
            remote.wait_for(1)
            self.conference_moves()
            link.send(message("room@conference.shire.example", "a@rohan.example", "x", "after"))
            self.assertIn("host-gone", link.expect_closed(5))
        time.sleep(0.5)
        self.assertEqual(len(remote.stanzas), 1, remote.stanzas)

    # Backends

    def test_what_comes_in_goes_to_the_backend_of_now(self):
        self.shire()
        self.stage.start()
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(message("a@rohan.example", "frodo@shire.example", "x", "before"))
            self.canary.wait_for(1)
            self.shire(f"{BACKEND}:5270")
            self.reload()
            peer.send(message("a@rohan.example", "frodo@shire.example", "x", "after"))
            self.assertIn("after", self.other.wait_for(1)[0])
        self.assertEqual(len(self.canary.stanzas), 1)

    def test_the_backend_of_before_is_no_backend(self):
        """BE-11: its key was checked where the tenant no longer is."""
        self.shire()
        remote = self.stage.server("rohan.example", port=5300)
        self.stage.start()
        with self.canary.dial("shire.example", "rohan.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            self.shire(f"{BACKEND}:5270")
            self.reload()
            self.assertIn("FG-M05", link.expect_closed(5))
        self.assertEqual(remote.stanzas, [])

    def test_a_reload_that_changes_nothing_leaves_every_stream_alone(self):
        self.shire()
        self.stage.start()
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(message("a@rohan.example", "frodo@shire.example", "x", "one"))
            self.canary.wait_for(1)
            self.stage.tenant("bree.example")
            self.reload()
            peer.send(message("a@rohan.example", "frodo@shire.example", "x", "two"))
            self.canary.wait_for(2)
        self.assertEqual(len(self.canary.peers), 1, "one stream carried both")

    # Neighbours (ADR-8)

    def neighbours(self):
        self.shire()
        self.stage.tenant("bree.example", f"{BACKEND}:5270")
        self.stage.start()
        link = self.canary.dial("shire.example", "bree.example")
        link.expect("<db:result[^>]*type='valid'")
        link.send(message("frodo@shire.example", "b@bree.example", "x", "before"))
        self.other.wait_for(1)
        return link

    def test_a_neighbour_that_moves_is_followed(self):
        with self.neighbours() as link:
            third = self.stage.keep(
                ScriptedBackend(self.stage.backend_host, [], EGRESS, port=5271))
            self.stage.tenant("bree.example", f"{BACKEND}:5271")
            self.reload()
            link.send(message("frodo@shire.example", "b@bree.example", "x", "after"))
            self.assertIn("after", third.wait_for(1)[0])
        self.assertEqual(len(self.other.stanzas), 1)

    def test_a_neighbour_that_is_removed_gets_nothing_more(self):
        with self.neighbours() as link:
            self.gate.remove_tenant("bree.example")
            self.reload()
            link.send(message("frodo@shire.example", "b@bree.example", "x", "after"))
            self.assertIn("host-gone", link.expect_closed(5))
        time.sleep(0.5)
        self.assertEqual(len(self.other.stanzas), 1, self.other.stanzas)

    def test_a_sender_that_proves_less_than_before_is_judged_again(self):
        """Its new certificate is worth nothing to the neighbour, whose floor is trusted."""
        self.shire()
        self.stage.tenant("bree.example", f"{BACKEND}:5270", policy={"inbound": "trusted"})
        self.stage.start()
        with self.canary.dial("shire.example", "bree.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            self.stage.tenant("shire.example",
                              identity=self.stage.other_ca.issue("shire.example"))
            self.reload()
            self.assertIn("FG-M01", link.expect_closed(5))

    def test_a_peer_that_becomes_a_neighbour_is_found_inside(self):
        """The backend's stream is older than the move: it ends, and the next one goes inside."""
        self.shire()
        self.stage.names.peer("moria.example", GATE[0], starttls=5269, direct=5269)
        self.stage.start()
        self.stage.names.stop()
        with self.canary.dial("shire.example", "moria.example") as link:
            link.expect("<db:result[^>]*type='valid'")  # after the hold: DNS does not answer
            self.gate.wait_event("stream-failed", 10, leg="W-OUT")
            self.stage.names.start()
            self.stage.tenant("moria.example", f"{BACKEND}:5270")
            self.reload()
            time.sleep(1.5)  # the breaker
            link.send(message("frodo@shire.example", "a@moria.example", "x", "bounced"))
            self.assertNotIn("stream:error", link.expect_closed(5))
        self.assertIn("type='error'", self.canary.wait_for(1)[0])
        with self.canary.dial("shire.example", "moria.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            link.send(message("frodo@shire.example", "a@moria.example", "x", "after"))
            self.assertIn("after", self.other.wait_for(1)[0])

    def test_a_tenant_that_comes_to_claim_a_peers_name_does_not_end_its_stream(self):
        """ADR-8: its DNS is elsewhere, so it stays its owner's; also by dialback, which is not
        asked for again and not measured by what a certificate would have to show."""
        self.shire()
        self.stage.server("moria.example", port=5312)
        self.stage.start()
        with self.stage.secured("moria.example", "shire.example",
                                self.stage.other_ca.issue("moria.example")) as peer:
            self.assertNotIn("EXTERNAL", peer.features())
            peer.send(RESULT.format("moria.example", "shire.example"))
            peer.expect("<db:result[^>]*type='valid'")
            self.gate.tenant("moria.example", f"{BACKEND}:5270",
                             self.stage.identity("moria.example"))
            self.shire(policy={"other_names": "yes"})
            self.reload()
            time.sleep(1)  # DNS has answered
            peer.send(message("a@moria.example", "frodo@shire.example", "x", "after"))
            self.assertIn("after", self.canary.wait_for(1)[0])

    # Floors

    def test_the_floor_rises_while_a_dialback_question_is_open(self):
        """M-3: what counts is the floor at the moment the pair becomes valid."""
        hold, asked = threading.Event(), threading.Event()

        def knows(*_):
            asked.set()
            hold.wait(10)
            return "valid"

        self.addCleanup(hold.set)
        self.shire(policy={"inbound": "secure"})
        self.stage.server("slow.example", port=5310, knows=knows)
        self.stage.start()
        with self.stage.secured("slow.example", "shire.example",
                                self.stage.other_ca.issue("slow.example")) as peer:
            peer.features()
            peer.send(RESULT.format("slow.example", "shire.example"))
            self.assertTrue(asked.wait(10))
            self.shire(policy={"inbound": "trusted"})
            self.reload()
            hold.set()
            answer = peer.expect("<db:result[^>]*>").group(0)
            self.assertNotIn("valid", answer)
            peer.send(message("a@slow.example", "frodo@shire.example", "x", "evil"))
            peer.expect_closed(5)
        self.assertEqual(self.canary.bytes, 0)

    def test_the_floor_rises_while_a_stream_out_is_being_made(self):
        """Protocol sheet 21, 6: checked when the stream becomes ready, not at its features."""
        self.shire(policy={"outbound": "verified"})
        remote = self.stage.server("old.example", port=5311, tls="off", dialback="silent")
        self.stage.start()
        with self.canary.dial("shire.example", "old.example") as link:
            end = time.monotonic() + 5
            while not remote.headers and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(0.3)
            self.shire(policy={"outbound": "secure"})
            self.reload()
            link.expect("<db:result[^>]*type='valid'")  # after the hold
            link.send(message("frodo@shire.example", "a@old.example", "x", "after"))
            remote.links[-1].send(
                "<db:result from='old.example' to='shire.example' type='valid'/>")
            time.sleep(1.5)
        self.assertEqual(remote.stanzas, [])

    def test_an_authority_is_withdrawn_between_the_offer_of_external_and_its_use(self):
        """The offer was made under the authorities of before."""
        self.shire(policy={"inbound": "trusted"})
        self.stage.start()
        with self.stage.secured("rohan.example", "shire.example") as peer:
            self.assertIn("EXTERNAL", peer.features())
            (self.gate.dir / "ca.pem").write_bytes(self.stage.other_ca.root.read_bytes())
            self.shire(policy={"inbound": "trusted", "outbound": "trusted"})
            self.reload()
            self.assertEqual(peer.external("rohan.example"), "success")
            peer.send(header("rohan.example", "shire.example"))
            peer.send(message("a@rohan.example", "frodo@shire.example", "x", "evil"))
            peer.expect_closed(5)
        self.assertEqual(self.canary.bytes, 0)

    def test_dane_is_switched_on_between_the_offer_of_external_and_its_use(self):
        """DANE-1: what is not known yet is not taken for harmless."""
        self.shire()
        self.stage.server("rohan.example", port=5300)
        self.stage.names.tlsa("xmpp.rohan.example", 5300, 3, 1, 1,
                              self.stage.other_ca.issue("rohan.example").chain)
        self.gate.set("proofs", dane="no")
        self.stage.start()
        with self.stage.secured("rohan.example", "shire.example") as peer:
            self.assertIn("EXTERNAL", peer.features())
            self.gate.set("proofs", dane="yes")
            self.reload()
            self.assertEqual(peer.external("rohan.example"), "success")
            peer.send(header("rohan.example", "shire.example"))
            peer.send(message("a@rohan.example", "frodo@shire.example", "x", "evil"))
            peer.expect_closed(5)
        self.assertEqual(self.canary.bytes, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
