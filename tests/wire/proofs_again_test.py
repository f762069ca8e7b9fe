"""What proved a stream is found out anew: when it has run out, and when a reload may have changed
what counts. What still holds costs nothing, what is gone ends the stream properly, and what cannot
be found out just now is waited for (ID-10, DANE-9, POSH-6, P15, C03, C28)."""

import contextlib
import time
import unittest

import common
from lab.web import POSH_PATH
from proofs_test import World, document
from script import header, message

SECONDS = 5  # that a certificate here is valid for


class Again(unittest.TestCase):
    """The same four peers in both directions, each resting on another proof."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = World("proofs-again")
        cls.stage = stage = w.stage
        cls.addClassCleanup(stage.close)
        self_signed = [stage.other_ca.issue("somebody.example", signed_by="self") for _ in range(5)]
        gone, down, moved, stays, cls.other = self_signed
        w.domain("gone.example", gone)
        w.site("gone.example", document(gone))
        w.domain("down.example", down)
        w.site("down.example", document(down))
        cls.moved_port = w.domain("moved.example", moved)
        w.tlsa("moved.example", cls.moved_port, 3, 1, 1, moved.chain)
        # DANE-7, in both directions: the records are those of the name behind an alias.
        port = w.domain("stays.example", stays)
        stage.names.set("xmpp.stays.example", "A")
        stage.names.set("xmpp.stays.example", "CNAME", "end.hoster.example.")
        stage.names.set("end.hoster.example", "A", stage.world.address)
        w.tlsa("stays.example", port, 3, 1, 1, stays.chain, host="end.hoster.example")
        # An authority vouches for it, and so does its document.
        saved = stage.ca.issue("saved.example")
        w.domain("saved.example", saved)
        w.site("saved.example", document(saved))
        # For those who come when the authorities are others.
        written = stage.other_ca.issue("somebody.example", signed_by="self")
        w.domain("written.example", written)
        w.site("written.example", document(written))
        contrary = stage.other_ca.issue("contrary.example")
        w.tlsa("contrary.example", w.domain("contrary.example", contrary), 3, 1, 1, cls.other.chain)
        w.start()
        cls.gate, cls.canary = stage.gate, stage.canary

    DOMAINS = {"gone": "posh", "down": "posh", "moved": "dane", "stays": "dane", "saved": "pkix"}

    def open_all(self, stack):
        """Streams in both directions; by name."""
        peers, links = {}, {}
        for name, by in self.DOMAINS.items():
            domain = f"{name}.example"
            peers[name] = stack.enter_context(self.stage.proven(
                domain, "strict.example", identity=self.world.who[domain]))
            links[name] = stack.enter_context(self.canary.dial("strict.example", domain))
            links[name].expect("<db:result[^>]*type='valid'")
            for event in ({"leg": "W-IN", "from": domain}, {"leg": "W-OUT", "to": domain}):
                self.assertEqual(self.gate.wait_event("stream-up", 5, **event)["by"], by, event)
        return peers, links

    def change_the_world(self):
        w, stage = self.world, self.stage
        w.web.posh("gone.example", document(self.other))
        w.web.error("down.example", POSH_PATH, 503)
        w.web.reload()
        stage.names.tlsa("xmpp.moved.example", self.moved_port, 3, 1, 1, self.other.chain)
        stage.names.commit()
        (self.gate.dir / "ca.pem").write_bytes(stage.other_ca.root.read_bytes())
        # Nothing is remembered, and everything is judged by what is so now.
        mark = self.gate.mark()
        self.gate.kill_worker(0, role="scout")
        self.gate.wait_event("scout-up", since=mark)
        stage.tenant("strict.example", policy={"inbound": "trusted", "outbound": "trusted",
                                               "other_names": "yes"})
        self.gate.reload()

    def test_proofs_are_found_out_anew(self):
        """DANE-7, DANE-9, POSH-6; P15: by a reload, for nobody waits an hour here."""
        with contextlib.ExitStack() as stack:
            peers, links = self.open_all(stack)
            mark = self.gate.mark()
            self.change_the_world()
            for name, reason, said in (("gone", "FG-M10", "<reset"),
                                       ("moved", "FG-D12", "<not-authorized")):
                with self.subTest("what is gone is over", peer=name):
                    self.assertIn(said, words := peers[name].expect_closed(12))
                    self.assertIn(reason, words)
                    self.assertEqual(self.gate.wait_event(
                        "stream-down", 5, mark, leg="W-IN", **{"from": f"{name}.example"})
                        ["reason"], reason)
                    self.assertEqual(self.gate.wait_event(
                        "stream-closing", 12, mark, leg="W-OUT", to=f"{name}.example")["reason"],
                        reason)
            with self.subTest("what cannot be found out is waited for, and said"):
                for leg in ("W-IN", "W-OUT"):
                    put_off = self.gate.wait_event("proof-renewal", 12, mark, leg=leg,
                                                   peer="down.example")
                    self.assertEqual((put_off["by"], put_off["again_s"]), ("posh", 30))
                    self.assertIn("posh:FG-P02", put_off["evidence"])
            for name in ("down", "stays", "saved"):
                with self.subTest("what holds goes on", peer=name):
                    seen = len(self.canary.stanzas)
                    peers[name].send(message(f"a@{name}.example", "frodo@strict.example", "x"))
                    self.canary.wait_for(seen + 1)
                    server = self.world.servers[f"{name}.example"]
                    links[name].send(message("frodo@strict.example", f"a@{name}.example", "x"))
                    server.wait_for(1)
                    self.assertEqual(len(server.links), 1, "on the same stream")
                    self.assertEqual(self.gate.events("stream-down", mark, leg="W-OUT",
                                                      to=f"{name}.example"), [])

    def switch(self, **proofs):
        self.gate.set("proofs", **proofs)
        mark = self.gate.mark()
        self.gate.reload()
        return mark

    def test_what_is_switched_off_or_on_counts_for_standing_streams(self):
        """M-3: [proofs] dane and posh, by a reload that changes no tenant."""
        (self.gate.dir / "ca.pem").write_bytes(self.stage.other_ca.root.read_bytes())
        self.switch(dane="yes")
        # What is switched, the domain whose stream ends with that, and why.
        for switch, name, reason in (({"dane": "no"}, "stays.example", "FG-M10"),
                                     ({"dane": "yes"}, "contrary.example", "FG-D12"),
                                     ({"posh": "no"}, "written.example", "FG-M10")):
            with self.subTest(**switch), self.canary.dial("strict.example", name) as link:
                link.expect("<db:result[^>]*type='valid'", 10)
                self.gate.wait_event("stream-up", 5, leg="W-OUT", to=name)
                mark = self.switch(**switch)
                self.assertEqual(self.gate.wait_event(
                    "stream-closing", 8, mark, leg="W-OUT", to=name)["reason"], reason)


class Expiry(unittest.TestCase):
    """C03: certificates that end while their streams stand."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = World("proofs-expiry")
        cls.stage = stage = w.stage
        cls.addClassCleanup(stage.close)
        short = {"days": SECONDS / 86400}
        w.start()
        # They are made when everything else is up.
        identities = {"pkix.example": stage.ca.issue("pkix.example", **short),
                      "dane.example": stage.other_ca.issue("x.example", signed_by="self", **short)}
        cls.ends = time.time() + SECONDS
        ports = {name: w.domain(name, identity) for name, identity in identities.items()}
        w.tlsa("dane.example", ports["dane.example"], 3, 1, 1, identities["dane.example"].chain)
        stage.names.commit()
        cls.gate, cls.canary = stage.gate, stage.canary

    def test_dates_end_a_stream_that_rests_on_them_and_no_other(self):
        """ID-10, DANE-9; RFC 6120 13.7.2.3, RFC 7671 5.1."""
        with contextlib.ExitStack() as stack:
            peers, links = {}, {}
            for name, identity in self.world.who.items():
                peers[name] = stack.enter_context(
                    self.stage.proven(name, "shire.example", identity=identity))
                links[name] = stack.enter_context(self.canary.dial("shire.example", name))
                links[name].expect("<db:result[^>]*type='valid'")
                self.gate.wait_event("stream-up", 5, leg="W-OUT", to=name)
            mark = self.gate.mark()
            self.assertLess(time.time(), self.ends, "too slow to see anything")
            closed = peers["pkix.example"].expect_closed(SECONDS + 5)
            self.assertGreater(time.time(), self.ends - 1)
            self.assertIn("<reset", closed)
            self.assertIn("FG-C11", closed)
            down = self.gate.wait_event("stream-closing", 5, mark, leg="W-OUT", to="pkix.example")
            self.assertEqual(down["reason"], "FG-C11")
            # The records know no dates.
            seen = len(self.canary.stanzas)
            peers["dane.example"].send(message("a@dane.example", "frodo@shire.example", "x"))
            self.canary.wait_for(seen + 1)
            links["dane.example"].send(message("frodo@shire.example", "a@dane.example", "x"))
            server = self.world.servers["dane.example"]
            server.wait_for(1)
            self.assertEqual(len(server.links), 1)
            # Nor does anybody come with it again whom the authority alone vouches for.
            with self.stage.connect() as peer:
                peer.header("pkix.example", "strict.example")
                peer.starttls("strict.example", self.world.who["pkix.example"])
                peer.send(header("pkix.example", "strict.example"))
                self.assertIn("FG-C02", peer.expect_closed())


if __name__ == "__main__":
    unittest.main(verbosity=2)
