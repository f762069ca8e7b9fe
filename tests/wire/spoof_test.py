"""No stanza reaches a backend unless its exact (from, to) pair was proven on that very stream.

Every case: the canary backend gets no byte, the peer gets the right answer and the connection ends
within 5 s, and one log line says why, with the code the peer was told."""

import base64
import unittest

import common
from script import SASL, STREAMS, TLS, Closed, ScriptedServer, header, message
from stage import Stage

EVIL = message("king@rohan.example", "frodo@shire.example", "let me in", "evil")
RESULT = "<db:result from='{}' to='{}'>0123456789abcdef</db:result>"


class Spoofing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage("spoof", common.BINARY)
        cls.addClassCleanup(cls.stage.close)
        secure = {"inbound": "secure", "outbound": "secure"}
        cls.stage.tenant("shire.example", policy=secure,
                         tenant={"domains": "conference.shire.example"},
                         identity=cls.stage.ca.issue("shire.example", "conference.shire.example"))
        cls.stage.tenant("bree.example", policy=secure)
        cls.stage.tenant("trusting.example", policy={"inbound": "trusted", "outbound": "trusted"})
        cls.stage.tenant("claimed.example", policy=secure)
        cls.stage.server("claimed.example", port=5312)
        # Before anybody asks: a validating resolver learns from signed denials what is not there.
        for domain, port in (("slow.example", 5310), ("evil.example", 5311)):
            cls.stage.names.peer(domain, cls.stage.world.address, starttls=port)
        cls.stage.start()

    def setUp(self):
        self.bytes, self.mark = self.stage.canary.bytes, self.stage.gate.mark()
        self.gate, self.canary = self.stage.gate, self.stage.canary

    def refused(self, peer, condition, reason):
        """The peer is told, is gone, the log says the same, and nothing reached the backend."""
        said = peer.expect_closed(5)
        if condition:
            self.assertRegex(said, rf"<stream:error><{condition} ")
            self.assertIn(f"[{reason}]", said)
        down = self.gate.wait_event(since=self.mark, event="refused", reason=reason)
        self.assertEqual(down["leg"], "W-IN")
        self.assert_no_byte()

    def assert_no_byte(self):
        self.assertEqual(self.canary.bytes, self.bytes, self.canary.stanzas[-2:])

    # Before anything is proven

    def test_a_stanza_before_the_header_of_tls(self):
        """ST-7, S14."""
        with self.stage.connect() as peer:
            peer.header("rohan.example", "shire.example")
            peer.features()
            peer.send(EVIL)
            self.refused(peer, "not-authorized", "FG-S11")

    def test_a_stanza_after_tls_and_before_sasl(self):
        """ST-7, S14: a good certificate is no licence."""
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            peer.send(EVIL)
            self.refused(peer, "not-authorized", "FG-S11")

    def test_a_stanza_pipelined_behind_auth(self):
        """S18: it belongs to no stream that is proven."""
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            peer.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>" + EVIL)
            said = peer.expect_closed(5)
            self.assertIn("<stream:error>", said)
            self.gate.wait_event("refused", since=self.mark, leg="W-IN")
            self.assert_no_byte()

    def test_a_stanza_while_dialback_is_pending(self):
        """DB-4, ST-7."""
        server = self.stage.server("slow.example", port=5310, announce=False,
                                   knows=lambda *_: None)
        with self.stage.secured("slow.example", "shire.example",
                                self.stage.identity("other.example")) as peer:
            peer.features()
            peer.send(RESULT.format("slow.example", "shire.example"))
            peer.send(message("a@slow.example", "frodo@shire.example", "now?"))
            self.refused(peer, "not-authorized", "FG-S11")
        server.stop()

    # Names that do not fit together

    def test_the_server_name_of_one_tenant_and_the_stream_of_another(self):
        """SNI-4, S08: both with STARTTLS and with direct TLS."""
        with self.stage.connect() as peer:
            peer.header("rohan.example", "shire.example")
            peer.starttls("bree.example", self.stage.identity("rohan.example"))
            peer.header("rohan.example", "shire.example", answered=False)
            self.refused(peer, "policy-violation", "FG-S16")
        self.setUp()
        with self.stage.direct("bree.example", self.stage.identity("rohan.example")) as peer:
            peer.header("rohan.example", "shire.example", answered=False)
            self.refused(peer, "policy-violation", "FG-S16")

    def test_another_tenant_after_tls(self):
        """SNI-4, S09: `to` is fixed by the first header."""
        with self.stage.connect() as peer:
            peer.header("rohan.example", "shire.example")
            peer.starttls("shire.example", self.stage.identity("rohan.example"))
            peer.header("rohan.example", "bree.example", answered=False)
            self.refused(peer, "policy-violation", "FG-S16")

    def test_another_tenant_after_sasl(self):
        """SNI-5, W-11."""
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            self.assertEqual(peer.external("rohan.example"), "success")
            peer.header("rohan.example", "bree.example", answered=False)
            self.refused(peer, "policy-violation", "FG-S16")

    def test_another_sender_after_sasl(self):
        """SNI-5, EXT-4: what was proven is this `from`."""
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            self.assertEqual(peer.external("rohan.example"), "success")
            peer.header("gondor.example", "shire.example", answered=False)
            self.refused(peer, "policy-violation", "FG-S16")

    def test_the_sender_before_tls_does_not_count(self):
        """TLS-2, C05: only the header behind TLS does; there it is another domain's certificate."""
        with self.stage.connect() as peer:
            peer.header("rohan.example", "trusting.example")
            peer.starttls("trusting.example", self.stage.identity("rohan.example"))
            peer.header("gondor.example", "trusting.example")
            self.refused(peer, "not-authorized", "FG-C05")

    def test_a_certificate_of_another_domain_offers_no_external(self):
        """EXT-2: and trying all the same fails."""
        with self.stage.secured("gondor.example", "shire.example",
                                self.stage.identity("rohan.example")) as peer:
            self.assertNotIn("EXTERNAL", peer.features())
            self.assertEqual(peer.external("gondor.example"), "failure")
            self.assertEqual(peer.external("rohan.example"), "failure")
            self.refused(peer, "policy-violation", "FG-S18")

    def test_an_authzid_of_another_domain(self):
        """EXT-3, S15."""
        for word in ("gondor.example", "king@rohan.example", "rohan.example/x", "rohan.example\0"):
            with self.subTest(authzid=word):
                with self.stage.secured("rohan.example", "shire.example") as peer:
                    peer.features()
                    self.assertEqual(peer.external(word), "failure")
                    self.assertIn("invalid-authzid", peer.all_said)
        self.assert_no_byte()

    def test_authzids_that_are_not_base64(self):
        """EXT-3, S15: strict, and two failures end it."""
        bad = ("====", "a", "!!", base64.b64encode(b"rohan.example").decode() + "\n", " =",
               "cm9oYW4uZXhhbXBsZQ")
        for word in bad:
            with self.subTest(word=word):
                with self.stage.secured("rohan.example", "shire.example") as peer:
                    peer.features()
                    auth = f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{word}</auth>"
                    peer.send(auth)
                    peer.expect("<failure")
                    peer.send(auth)
                    self.assertIn("policy-violation", peer.expect_closed(5))
        self.assert_no_byte()

    # After one pair is proven

    def once_proven(self, stanza, condition, reason):
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(stanza)
            said = peer.expect_closed(5)
            self.assertRegex(said, rf"<stream:error><{condition} ")
            self.gate.wait_event("stream-down", since=self.mark, reason=reason, leg="W-IN")
            self.assert_no_byte()

    def test_a_sender_that_was_not_proven(self):
        """ADR-2, M03: another domain, a sub-domain, a parent, a look-alike."""
        for sender in ("a@gondor.example", "a@muc.rohan.example", "a@example", "a@r\u043ehan.example",
                       "shire.example", "a@shire.example", "a@xn--rohan-4o3a.example"):
            with self.subTest(sender=sender):
                self.setUp()
                self.once_proven(message(sender, "frodo@shire.example", "x"),
                                 "(invalid-from|improper-addressing)",
                                 "FG-S09" if sender != "a@xn--rohan-4o3a.example" else "FG-M06")

    def test_a_target_that_was_not_proven(self):
        """ADR-3, ADR-4, M02: another tenant of the same backend, a further domain, a stranger."""
        for target in ("butterbur@bree.example", "room@conference.shire.example",
                       "a@gondor.example", "shire.example.bree.example"):
            with self.subTest(target=target):
                self.setUp()
                self.once_proven(message("king@rohan.example", target, "x"), "host-unknown",
                                 "FG-S10")

    def test_addresses_that_are_missing_or_wrong(self):
        """ADR-1, M03, X30."""
        for stanza in ("<message to='frodo@shire.example'/>", "<message from='a@rohan.example'/>",
                       "<message from='' to='frodo@shire.example'/>",
                       "<message from='@rohan.example' to='frodo@shire.example'/>",
                       "<message from='a@rohan.example/' to='frodo@shire.example'/>",
                       "<message xmlns:x='urn:x' x:from='a@rohan.example' to='f@shire.example'/>"):
            with self.subTest(stanza=stanza):
                self.setUp()
                self.once_proven(stanza, "improper-addressing", "FG-S08")

    def test_two_senders_in_one_stanza(self):
        """X19, M03: not well-formed."""
        self.once_proven("<message from='a@rohan.example' from='b@gondor.example' "
                         "to='frodo@shire.example'/>", "not-well-formed", "FG-X05")

    def test_a_sender_hidden_in_references_is_read_as_what_it_is(self):
        """ADR-2: judged after decoding, like the backend's parser will."""
        self.once_proven("<message from='a@g&#111;ndor.example' to='frodo@shire.example'/>",
                         "invalid-from", "FG-S09")

    def test_a_second_target_by_dialback(self):
        """DB-11, BE-2: refused, and the first pair goes on."""
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(RESULT.format("rohan.example", "bree.example"))
            self.assertIn("item-not-found", peer.expect("<db:result.*?</db:result>").group(0))
            peer.send(EVIL)
            self.canary.wait_for(len(self.canary.stanzas) or 1)
            peer.send(message("king@rohan.example", "butterbur@bree.example", "x"))
            self.assertIn("host-unknown", peer.expect_closed(5))
        self.assertFalse([one for one in self.canary.stanzas if "bree.example" in one])

    def test_a_second_sender_by_dialback_needs_a_proof_of_its_own(self):
        """EXT-4, DB-12: the certificate proves one; the other must be asked for, and is not known."""
        with self.stage.proven("rohan.example", "shire.example") as peer:
            peer.send(RESULT.format("nowhere.example", "shire.example"))
            self.assertIn("remote-server-not-found",
                          peer.expect("<db:result.*?</db:result>").group(0))
            peer.send(message("a@nowhere.example", "frodo@shire.example", "x"))
            self.assertIn("invalid-from", peer.expect_closed(5))
        self.assert_no_byte()

    def test_our_own_domains_from_outside(self):
        """M-4, ADR-8, 8.2 step 0: as header, and as a further pair."""
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            peer.external("rohan.example")
            peer.header("rohan.example", "shire.example")
            peer.features()
            peer.send(RESULT.format("bree.example", "shire.example"))
            self.assertIn("forbidden", peer.expect("<db:result.*?</db:result>").group(0))
        try:  # at the header where its DNS is known already, else behind TLS
            with self.stage.secured("bree.example", "shire.example") as peer:
                said = peer.expect_closed(5)
        except Closed as closed:
            said = closed.text
        self.assertIn("not-authorized", said)
        self.gate.wait_event("refused", since=self.mark, reason="FG-S26")
        self.assert_no_byte()

    def test_the_owner_of_a_domain_that_a_tenant_only_claims(self):
        """ADR-8: DNS points elsewhere, so the name is its owner's; also for who comes first, when
        nothing is known yet, and who uses dialback."""
        for kind, identity in (("certificate", None),
                               ("dialback", self.stage.other_ca.issue("claimed.example"))):
            with self.subTest(kind=kind), self.stage.secured(
                    "claimed.example", "shire.example", identity) as peer:
                features = peer.features()
                self.assertEqual("EXTERNAL" in features, kind == "certificate")
                peer.send(RESULT.format("claimed.example", "shire.example"))
                peer.expect("<db:result[^>]*type='valid'")

    # Dialback that nobody asked for

    def test_answers_nobody_asked_for(self):
        """DB-1, B01, B02, the vulnerability class of 2012: dropped and counted, no pair."""
        answers = [f"<db:{name} from='{from_}' to='{to}' id='x' type='{kind}'>k</db:{name}>"
                   for name in ("result", "verify") for kind in ("valid", "invalid", "error")
                   for from_, to in (("rohan.example", "shire.example"),
                                     ("shire.example", "rohan.example"))]
        for answer in answers:
            with self.subTest(answer=answer):
                with self.stage.secured("rohan.example", "shire.example",
                                        self.stage.identity("other.example")) as peer:
                    peer.features()
                    peer.send(answer + EVIL)
                    self.assertIn("not-authorized", peer.expect_closed(5))
        self.assertTrue(self.gate.events("ignored", self.mark, reason="FG-B02"))
        self.assert_no_byte()

    def test_a_key_that_the_peer_made_up(self):
        """B04, BE-1: we vouch for our own keys alone, of this stream, towards the world."""
        with self.stage.secured("rohan.example", "shire.example") as peer:
            peer.features()
            for stream_id in (peer.stream_id, "x", ""):
                peer.send(f"<db:verify from='rohan.example' to='shire.example' id='{stream_id}'>"
                          f"{64 * '0'}</db:verify>")
                if stream_id:
                    self.assertIn("type='invalid'", peer.expect("<db:verify[^>]*>").group(0))
            peer.send("<db:verify from='rohan.example' to='nobody.example' id='x'>k</db:verify>")
            self.assertIn("item-not-found", peer.expect("<db:verify.*?</db:verify>").group(0))
        self.assert_no_byte()

    # Tricks in the header

    def test_tricks_in_the_header(self):
        """ST-1..ST-3: what looks like an attribute inside a value is a value."""
        base = f"xmlns='jabber:server' xmlns:stream='{STREAMS}' version='1.0'"
        tricks = [f"<stream:stream {base} to='shire.example' id=\" from='rohan.example'\">",
                  f"<stream:stream {base} to='shire.example' xml:lang=\"' from='rohan.example\">",
                  f"<stream:stream {base} to='shire.example' xmlns:from='rohan.example' "
                  "from:from='rohan.example'>"]
        for trick in tricks:
            with self.subTest(trick=trick):
                with self.stage.connect() as peer:
                    peer.header("rohan.example", "shire.example")
                    peer.starttls("shire.example", self.stage.identity("rohan.example"))
                    peer.send(trick)
                    answer = peer.expect_header()
                    self.assertNotIn("rohan.example", answer)
                    self.assertNotIn("EXTERNAL", peer.features())
                    peer.send(EVIL)
                    self.assertIn("not-authorized", peer.expect_closed(5))
        self.assert_no_byte()

    def test_a_header_whose_names_are_no_domains(self):
        """X30, C15: users, resources, ports, spaces, addresses."""
        for name in ("king@rohan.example", "rohan.example/x", "rohan.example:5269", "ro han",
                     "10.99.0.50", "[::1]", "rohan..example", "-rohan.example", "a" * 300):
            with self.subTest(name=name):
                self.setUp()
                with self.stage.connect() as peer:
                    peer.header(name, "shire.example", answered=False)
                    self.assertIn("improper-addressing", peer.expect_closed(5))
        self.assert_no_byte()

    def test_an_unknown_target_is_not_echoed(self):
        """ST-2, ST-6."""
        with self.stage.connect() as peer:
            peer.header("rohan.example", "attacker-chosen.example", answered=False)
            said = peer.expect_closed(5)
            self.assertIn("host-unknown", said)
            self.assertNotIn("attacker-chosen", said)
            self.assertIn("from='gate.example'", said)

    # STARTTLS injection, both roles

    def test_bytes_behind_starttls_are_never_parsed(self):
        """TLS-1, CVE-2011-0411: in the same segment."""
        for evil in (EVIL, header("rohan.example", "shire.example"), " ", "\x16\x03\x01"):
            with self.subTest(evil=evil[:20]):
                self.setUp()
                with self.stage.connect() as peer:
                    peer.header("rohan.example", "shire.example")
                    peer.features()
                    peer.send(f"<starttls xmlns='{TLS}'/>" + evil)
                    try:
                        peer.expect_closed(5)
                    except Closed:
                        pass
                    self.gate.wait_event("refused", since=self.mark, reason="FG-S13")
        self.assert_no_byte()

    def test_bytes_between_proceed_and_the_handshake_break_it(self):
        """S02: they are TLS bytes, and none at that."""
        with self.stage.connect() as peer:
            peer.header("rohan.example", "shire.example")
            peer.features()
            peer.send(f"<starttls xmlns='{TLS}'/>")
            peer.expect("<proceed[^>]*>")
            peer.send(EVIL)
            peer.expect_closed(5)
            self.gate.wait_event("refused", since=self.mark, reason="FG-T01")
        self.assert_no_byte()

    def test_bytes_behind_proceed_are_never_parsed(self):
        """TLS-1, S03: where we dial, an answer injected behind <proceed/> ends the attempt."""
        injecting = Injecting(self.stage.world, "evil.example", self.stage.identity("evil.example"),
                              5311)
        self.addCleanup(injecting.stop)
        with self.canary.dial("shire.example", "evil.example") as backend:
            answer = backend.expect("<(stream:error>.*?</stream:error>|db:result[^>]*>)").group(0)
            backend.send(message("frodo@shire.example", "a@evil.example", "secret"))
        self.gate.wait_event("stream-failed", since=self.mark, reason="FG-S13")
        self.assertFalse(injecting.stanzas)
        self.assertNotIn("invalid", answer)


class Injecting(ScriptedServer):
    """Sends what belongs behind TLS in the segment of its <proceed/>."""

    def __init__(self, host, domain, identity, port):
        super().__init__(host, domain, identity, port)

    def serve(self, link):
        link.expect_header()
        link.send(header(self.domain, "shire.example", "id1")
                  + f"<stream:features><starttls xmlns='{TLS}'><required/></starttls>"
                  "</stream:features>")
        link.expect("<starttls[^>]*>")
        link.send(f"<proceed xmlns='{TLS}'/>" + header(self.domain, "shire.example", "id2")
                  + "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/>"
                  "</stream:features><db:result from='evil.example' to='shire.example' "
                  "type='valid'/>")
        self.stanzas += [one for one in [link.expect_closed(10)] if "<message" in one]


if __name__ == "__main__":
    unittest.main(verbosity=2)
