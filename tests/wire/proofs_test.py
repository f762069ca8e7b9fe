"""Who a peer is, by every proof that its domain can publish: DNSSEC with TLSA records, POSH
documents, in both directions. Signed and broken zones, a web server, peers with any certificate."""

import base64
import hashlib
import time
import unittest

import common
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from script import attribute, header, message
from stage import Stage

ZONES = {"insecure.example": "unsigned", "bogus.example": "bogus"}
RESULT = "<db:result from='{}' to='{}'>0123456789abcdef</db:result>"
AGAIN = "10.99.0.63"


def fingerprint(identity):
    leaf = x509.load_pem_x509_certificate(identity.chain.read_bytes())
    der = leaf.public_bytes(serialization.Encoding.DER)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def document(*identities, expires=86400):
    return {"fingerprints": [{"sha-256": fingerprint(one)} for one in identities],
            "expires": expires}


def pin(identity):
    leaf = x509.load_pem_x509_certificate(identity.chain.read_bytes())
    spki = leaf.public_key().public_bytes(serialization.Encoding.DER,
                                          serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256/" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


def second_of(stage, identity):
    """The intermediate of a chain, alone in a file."""
    text = identity.chain.read_text(encoding="ascii").split("-----BEGIN")
    path = stage.net.dir / f"issuer-{identity.chain.stem}.pem"
    path.write_text("-----BEGIN" + text[2], encoding="ascii")
    return path


class World:
    """Domains of all kinds; a peer of each listens in the world, and its identity may dial too."""

    def __init__(self, label):
        self.stage = stage = Stage(label, common.BINARY, zones=ZONES)
        self.web = stage.web()
        self.ports = iter(range(5400, 5500))
        self.servers, self.who = {}, {}
        stage.tenant("shire.example")
        stage.tenant("strict.example", policy={"inbound": "trusted", "outbound": "trusted"})
        self.stranger = stage.other_ca.issue("elsewhere.example")

    def domain(self, name, identity, host=None, port=None, tls="required"):
        """A domain with a server; its SRV record leads to xmpp.NAME, or to `host`."""
        port = port or next(self.ports)
        self.who[name] = identity
        self.servers[name] = self.stage.server(name, port=port, identity=identity, announce=False,
                                               tls=tls)
        self.stage.names.peer(name, self.stage.world.address, starttls=port, host=host)
        return port

    def tlsa(self, name, port, usage, selector, mtype, file, host=None):
        self.stage.names.tlsa(host or f"xmpp.{name}", port, usage, selector, mtype, file)

    def site(self, name, what=None):
        self.web.site(name)
        if what is not None:
            self.web.posh(name, what)

    def start(self):
        if self.web.sites:
            self.web.start()
        self.stage.start()


def make(label):
    """The domains that both directions know. Each differs from its neighbours in one fact."""
    w = World(label)
    stage, ca, other = w.stage, w.stage.ca, w.stage.other_ca
    mine = {name: other.issue("somebody.example", signed_by="self") for name in
            ("ee", "expired", "mismatch", "lost", "usage1", "posh")}

    w.tlsa("ee.example", w.domain("ee.example", mine["ee"]), 3, 1, 1, mine["ee"].chain)
    expired = other.issue("somebody.example", signed_by="self", days=-1)
    w.tlsa("expired.example", w.domain("expired.example", expired), 3, 0, 2, expired.chain)
    # Usage 2: the issuer is the anchor, and the name counts (RFC 7671 5.2.3).
    for name, names in (("ta.example", ["ta.example"]), ("ta-host.example", ["xmpp.ta-host.example"]),
                        ("ta-wrong.example", ["elsewhere.example"])):
        identity = other.issue(*names)
        w.tlsa(name, w.domain(name, identity), 2, 0, 1, second_of(stage, identity))
    # The authorities are fine with it, the records are another's.
    w.tlsa("mismatch.example", w.domain("mismatch.example", ca.issue("mismatch.example")), 3, 1, 1,
           mine["ee"].chain)
    # Records that say nothing are none.
    port = w.domain("unusable.example", ca.issue("unusable.example"))
    stage.names.set(f"_{port}._tcp.xmpp.unusable.example", "TLSA", "255 1 1 " + 32 * "ab")
    # The same records without a signature, or behind a broken one.
    port = w.domain("insecure.example", ca.issue("insecure.example"))
    w.tlsa("insecure.example", port, 3, 1, 1, mine["ee"].chain)
    w.domain("bogus.example", ca.issue("bogus.example"))
    w.domain("bogus-host.example", ca.issue("bogus-host.example"), host="xmpp.bogus.example")
    port = w.domain("bogus-tlsa.example", ca.issue("bogus-tlsa.example"))
    stage.names.set(f"_{port}._tcp.xmpp.bogus-tlsa.example", "CNAME", "t.bogus.example.")
    stage.names.set("t.bogus.example", "TLSA", "3 1 1 " + 32 * "ab")
    # POSH: the certificate names the hosting service.
    hosted = ca.issue("hosting.example")
    w.domain("posh.example", hosted)
    w.site("posh.example", document(hosted))
    w.domain("posh-over.example", over := other.issue("hosting.example", days=-1))
    w.site("posh-over.example", document(over))
    w.domain("posh-other.example", hosted)
    w.site("posh-other.example", document(w.stranger))
    w.domain("posh-none.example", hosted)
    w.site("posh-none.example")
    w.domain("posh-broken.example", hosted)
    w.site("posh-broken.example", "{")
    # An authority vouches for it, the document does not.
    w.domain("posh-pkix.example", ca.issue("posh-pkix.example"))
    w.site("posh-pkix.example", document(w.stranger))
    # POSH says yes, DANE says no.
    w.tlsa("posh-dane.example", w.domain("posh-dane.example", hosted), 3, 1, 1, mine["ee"].chain)
    w.site("posh-dane.example", document(hosted))
    # Nothing but an authority.
    w.domain("plain.example", ca.issue("plain.example"))
    w.domain("nothing.example", mine["lost"])
    return w


class Outbound(unittest.TestCase):
    """We dial (protocol sheet 12, 14.2)."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = make("proofs-out")
        cls.stage = stage = w.stage
        cls.addClassCleanup(stage.close)
        # The certificate names the target alone.
        w.domain("target.example", stage.ca.issue("xmpp.hoster.example"), host="xmpp.hoster.example")
        # DANE-4: TLSA records where no SRV record leads.
        w.domain("no-srv.example", stage.ca.issue("no-srv.example"), port=5269)
        stage.names.set("_xmpp-server._tcp.no-srv.example", "SRV")
        stage.names.set("no-srv.example", "A", stage.world.address)
        stage.names.tlsa("no-srv.example", 5269, 3, 1, 1, w.stranger.chain)
        # DANE-1: the first target does not match, the second one does.
        good = stage.other_ca.issue("somebody.example", signed_by="self")
        first = w.domain("second.example", w.stranger)
        cls.first = [w.servers["second.example"], stage.server(
            "second.example", stage.net.host("again", AGAIN), first, announce=False,
            identity=w.stranger)]
        second = w.domain("second.example", good)
        stage.names.set("xmpp.second.example", "A", stage.world.address, AGAIN)
        stage.names.set("two.second.example", "A", stage.world.address)
        stage.names.set("_xmpp-server._tcp.second.example", "SRV",
                        f"1 0 {first} xmpp.second.example.", f"2 0 {second} two.second.example.")
        stage.names.tlsa("xmpp.second.example", first, 3, 1, 1, good.chain)
        stage.names.tlsa("two.second.example", second, 3, 1, 1, good.chain)
        # DANE-7: the records are found at the end of the alias.
        port = w.domain("alias.example", good, host="xmpp.alias.example")
        stage.names.set("xmpp.alias.example", "A")
        stage.names.set("xmpp.alias.example", "CNAME", "end.hoster.example.")
        stage.names.set("end.hoster.example", "A", stage.world.address)
        stage.names.tlsa("end.hoster.example", port, 3, 1, 1, good.chain)
        w.tlsa("no-tls.example", w.domain("no-tls.example", good, tls="off"), 3, 1, 1, good.chain)
        w.domain("no-tls-plain.example", good, tls="off")
        # DNA-2: two domains at one place, by one certificate.
        twins = stage.ca.issue("twin.example", "other-twin.example")
        cls.twin_port = w.domain("twin.example", twins)
        stage.names.peer("other-twin.example", stage.world.address, starttls=cls.twin_port)
        w.domain("no-tls-pin.example", good, tls="off")
        stage.tenant("lax.example", policy={"inbound": "verified", "outbound": "verified",
                                            "pins": f"no-tls-pin.example={pin(good)}"})
        w.start()
        cls.gate, cls.canary = stage.gate, stage.canary

    # domain, tenant, what the log says of it: stream-up with these, or the reason of the failure
    ROWS = [
        ("ee.example", "strict.example", {"by": "dane", "dane": "match 3 1 1", "dnssec": "secure",
                                          "trust": "trusted"}),
        ("ee.example", "shire.example", {"by": "dane", "trust": "trusted"}),
        ("expired.example", "strict.example", {"by": "dane", "dane": "match 3 0 2"}),
        ("ta.example", "strict.example", {"by": "dane", "dane": "match 2 0 1"}),
        ("ta-host.example", "strict.example", {"by": "dane", "dane": "match 2 0 1"}),
        ("ta-wrong.example", "shire.example", "FG-D12"),
        ("mismatch.example", "shire.example", "FG-D12"),
        ("mismatch.example", "strict.example", "FG-D12"),
        ("mismatch.example", "lax.example", "FG-D12"),
        ("second.example", "strict.example", {"by": "dane"}),
        ("alias.example", "strict.example", {"by": "dane", "dane": "match 3 1 1"}),
        # Where there are usable records there has to be TLS, offered or not (RFC 7673 3.4).
        ("no-tls.example", "lax.example", {"by": "dane", "start": "starttls"}),
        ("no-tls-plain.example", "lax.example", {"by": "dns", "start": "plain", "trust": "verified"}),
        # So it is where a key is written down: whoever strips TLS must not get around it (C27).
        ("no-tls-pin.example", "lax.example", {"by": "pin", "start": "starttls"}),
        ("unusable.example", "strict.example", {"by": "pkix", "dane": "unusable"}),
        ("insecure.example", "strict.example", {"by": "pkix", "dane": "insecure",
                                                "dnssec": "insecure"}),
        ("no-srv.example", "strict.example", {"by": "pkix", "dane": "insecure"}),
        ("target.example", "strict.example", {"by": "pkix", "dnssec": "secure", "dane": "none"}),
        ("bogus.example", "lax.example", "FG-D05"),
        ("bogus-host.example", "lax.example", "FG-D05"),
        ("bogus-tlsa.example", "lax.example", "FG-D13"),
        ("posh.example", "strict.example",
         {"by": "posh", "posh": "https://posh.example/.well-known/posh/xmpp-server.json",
          "trust": "trusted", "evidence": "dane:FG-D10 pkix:FG-C05"}),
        ("posh-over.example", "strict.example", "FG-C02"),
        ("posh-other.example", "strict.example", "FG-P12"),
        ("posh-none.example", "strict.example", "FG-C05"),
        ("posh-broken.example", "strict.example", "FG-C05"),
        ("posh-pkix.example", "strict.example", {"by": "pkix"}),
        ("posh-dane.example", "strict.example", "FG-D12"),
        ("plain.example", "strict.example", {"by": "pkix", "dane": "none", "tls": "TLSv1.3"}),
        ("nothing.example", "shire.example", {"by": "dns", "trust": "secure"}),
        ("nothing.example", "strict.example", "FG-C04"),
    ]

    def outcome(self, tenant, peer, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for event in ("stream-up", "stream-failed"):
                found = self.gate.events(event, leg="W-OUT", **{"from": tenant, "to": peer})
                if found:
                    return found[0]
            time.sleep(0.05)
        raise AssertionError(f"nothing came of {tenant} -> {peer}")

    def test_every_row_of_the_tree(self):
        """DANE-1, DANE-3, DANE-4, DANE-7, DANE-10, POSH-4, POSH-5, P20, D01, D03, D04."""
        links = [self.canary.dial(tenant, peer) for peer, tenant, _ in self.ROWS]
        for peer, tenant, wanted in self.ROWS:
            with self.subTest(peer=peer, tenant=tenant):
                came = self.outcome(tenant, peer)
                if isinstance(wanted, str):
                    self.assertEqual((came["event"], came["reason"]), ("stream-failed", wanted))
                else:
                    self.assertEqual(came["event"], "stream-up", came)
                    self.assertEqual({key: came.get(key) for key in wanted}, wanted)
        for link in links:
            link.close()
        with self.subTest("where the records cannot be had, nobody connects (RFC 7673 3)"):
            for name in ("bogus", "bogus-host", "bogus-tlsa"):
                self.assertEqual(self.world.servers[f"{name}.example"].links, [])
        with self.subTest("and where they do not match, nothing is said, and nowhere else either"):
            self.assertEqual(sum(len(server.links) for server in self.first), 1)
            for name in ("mismatch", "posh-dane", "ta-wrong"):
                self.assertEqual(self.world.servers[f"{name}.example"].proofs, [])

    def test_a_stream_to_one_domain_is_not_used_for_another_at_the_same_place(self):
        """DNA-2: RFC 7712 4.4.2 would allow it."""
        server = self.world.servers["twin.example"]
        with self.canary.dial("shire.example", "twin.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            self.outcome("shire.example", "twin.example")
            link.send(message("frodo@shire.example", "a@twin.example", "x"))
            server.wait_for(1)
            with self.canary.dial("shire.example", "other-twin.example"):
                self.outcome("shire.example", "other-twin.example")
        self.assertEqual([attribute(one, "to") for one in server.headers if
                          attribute(one, "to") == "other-twin.example"][:1],
                         ["other-twin.example"])
        self.assertGreater(len(server.links), 1)
        self.assertEqual(len(server.stanzas), 1)

    def test_the_log_tells_which_certificate_it_was(self):
        """DNA-4."""
        with self.canary.dial("shire.example", "plain.example") as link:
            link.expect("<db:result[^>]*type='valid'")
            up = self.outcome("shire.example", "plain.example")
        der = base64.b64decode(fingerprint(self.world.who["plain.example"]))
        self.assertEqual(up["leaf"], der[:8].hex())


class Inbound(unittest.TestCase):
    """They dial (protocol sheet 14.3)."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = make("proofs-in")
        cls.stage = stage = w.stage
        cls.addClassCleanup(stage.close)
        # DANE-5: the records of any target will do.
        one, two = (stage.other_ca.issue("somebody.example", signed_by="self") for _ in range(2))
        w.who["two.example"] = two
        stage.names.peer("two.example", stage.world.address, starttls=5500, direct=5501)
        stage.names.tlsa("xmpp.two.example", 5500, 3, 1, 1, one.chain)
        stage.names.tlsa("xmpp.two.example", 5501, 3, 1, 1, two.chain)
        # The certificate names the target alone: that is enough where we dial, and not here.
        w.domain("target.example", stage.ca.issue("xmpp.hoster.example"), host="xmpp.hoster.example")
        cls.crowd = [f"crowd{n}.example" for n in range(4)]
        for domain in cls.crowd:
            w.site(domain, document(w.stranger))
        pinned = stage.other_ca.issue("somebody.example", signed_by="self")
        w.who["pinned.example"] = pinned
        key = x509.load_pem_x509_certificate(pinned.chain.read_bytes()).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
        stage.gate.set("limits", questions_per_minute=600)
        stage.tenant("careful.example", policy={
            "inbound": "trusted",
            "pins": f"pinned.example=sha256/{pin} plain.example=sha256/{pin}"})
        w.start()
        cls.gate, cls.canary = stage.gate, stage.canary

    # domain, tenant: EXTERNAL is offered, and then the log says this; "dialback": it is not; or the
    # stream is refused for the reason
    ROWS = [
        ("ee.example", "strict.example", {"by": "dane", "dane": "match 3 1 1", "dnssec": "secure"}),
        ("expired.example", "strict.example", {"by": "dane", "dane": "match 3 0 2"}),
        ("ta.example", "strict.example", {"by": "dane", "dane": "match 2 0 1"}),
        ("ta-wrong.example", "shire.example", "FG-D12"),
        ("two.example", "strict.example", {"by": "dane"}),
        ("mismatch.example", "strict.example", "FG-D12"),
        ("mismatch.example", "shire.example", "FG-D12"),
        ("unusable.example", "strict.example", {"by": "pkix", "dane": "unusable"}),
        ("insecure.example", "strict.example", {"by": "pkix", "dane": "insecure"}),
        ("bogus.example", "shire.example", "FG-D05"),
        ("bogus-tlsa.example", "shire.example", "FG-D05"),
        ("posh.example", "strict.example",
         {"by": "posh", "posh": "https://posh.example/.well-known/posh/xmpp-server.json"}),
        ("posh.example", "shire.example", {"by": "posh", "trust": "trusted"}),
        ("posh-over.example", "strict.example", "FG-C02"),
        ("posh-over.example", "shire.example", "dialback"),
        ("posh-other.example", "strict.example", "FG-P12"),
        ("posh-other.example", "shire.example", "dialback"),
        ("posh-none.example", "shire.example", "dialback"),
        ("posh-broken.example", "shire.example", "dialback"),
        ("posh-pkix.example", "strict.example", {"by": "pkix"}),
        ("posh-dane.example", "shire.example", "FG-D12"),
        ("plain.example", "strict.example", {"by": "pkix", "dane": "none"}),
        ("target.example", "shire.example", "dialback"),
        ("target.example", "strict.example", "FG-C05"),
        ("nothing.example", "shire.example", "dialback"),
        ("nothing.example", "strict.example", "FG-C04"),
        ("pinned.example", "careful.example", {"by": "pin"}),
        ("plain.example", "careful.example", "FG-C13"),
    ]

    def check(self, domain, tenant, wanted):
        mark = self.gate.mark()
        with self.stage.secured(domain, tenant, self.world.who[domain]) as peer:
            if isinstance(wanted, str) and wanted != "dialback":
                self.assertIn("<not-authorized" if wanted[3] != "D" or wanted == "FG-D12"
                              else "<remote-connection-failed", said := peer.expect_closed(12))
                self.assertIn(wanted, said)
                self.assertEqual(self.gate.wait_event(
                    "refused", 5, mark, **{"from": domain, "to": tenant})["reason"], wanted)
                return
            features = peer.features(12)
            self.assertEqual("EXTERNAL" in features, wanted != "dialback", features)
            self.assertIn("dialback", features)
            if wanted == "dialback":
                return
            self.assertEqual(peer.external(domain), "success")
            peer.header(domain, tenant)
            up = self.gate.wait_event("stream-up", 5, mark, leg="W-IN", **{"from": domain})
            self.assertEqual({key: up.get(key) for key in wanted}, wanted)
            leaf = base64.b64decode(fingerprint(self.world.who[domain]))[:8].hex()
            self.assertEqual((up["leaf"], up["tls"], up["trust"]), (leaf, "TLSv1.3", "trusted"))

    def test_every_row_of_the_table(self):
        """DANE-1, DANE-3, DANE-5, DANE-10, DNA-4, EXT-2, POSH-4, POSH-5; P20, C27, D01, D03,
        D04."""
        before = self.canary.bytes
        for domain, tenant, wanted in self.ROWS:
            with self.subTest(domain=domain, tenant=tenant):
                self.check(domain, tenant, wanted)
        self.assertEqual(self.canary.bytes, before)

    def test_without_a_certificate_nothing_is_looked_up(self):
        """DANE-5: the records speak of certificates; dialback decides, whatever they are."""
        with self.stage.connect() as peer:
            peer.header("mismatch.example", "shire.example")
            peer.starttls("shire.example")
            peer.header("mismatch.example", "shire.example")
            self.assertNotIn("EXTERNAL", peer.features())
            with self.subTest("but the server that is asked is not the domain's (DANE-1)"):
                peer.send(RESULT.format("mismatch.example", "shire.example"))
                answer = peer.expect("<db:result.*?</db:result>", 12).group(0)
                self.assertIn("remote-connection-failed", answer)
                self.gate.wait_event("stream-failed", 5, leg="W-VERIFY", to="mismatch.example",
                                     reason="FG-D12")
                self.assertEqual(self.world.servers["mismatch.example"].questions, [])
        before = len(self.world.web.requests("posh.example"))
        with self.stage.connect() as peer:
            peer.header("posh.example", "shire.example")
            peer.starttls("shire.example")
            peer.header("posh.example", "shire.example")
            self.assertNotIn("EXTERNAL", peer.features())
        self.assertEqual(len(self.world.web.requests("posh.example")), before)

    def further(self, domain, wanted):
        """A second pair on a stream that another domain has proven by the same certificate."""
        with self.stage.proven("hosting.example", "shire.example",
                               identity=self.world.who["posh.example"]) as peer:
            mark = self.gate.mark()
            peer.send(RESULT.format(domain, "shire.example"))
            answer = peer.expect("<db:result[^>]*>", 12).group(0)
            self.assertEqual(attribute(answer, "type"), wanted)
            return self.gate.events(since=mark)

    def test_a_further_domain_is_accepted_for_what_it_publishes_about_the_streams_certificate(self):
        """DNA-1, DB-12: no question is asked of anybody."""
        asked = len(self.world.servers["posh.example"].links)
        events = self.further("posh.example", "valid")
        up = next(one for one in events if one["event"] == "stream-up")
        self.assertEqual((up["proof"], up["by"]), ("certificate", "posh"))
        self.assertEqual(len(self.world.servers["posh.example"].links), asked)

    def test_a_further_domain_with_records_that_do_not_match_is_refused(self):
        """DANE-1: nor is its server asked by dialback."""
        asked = len(self.world.servers["posh-dane.example"].links)
        events = self.further("posh-dane.example", "error")
        self.assertIn("FG-D12", [one.get("reason") for one in events])
        self.assertEqual(len(self.world.servers["posh-dane.example"].links), asked)

    def test_a_further_domain_that_publishes_nothing_is_asked_for(self):
        """DNA-1: by a connection of its own and db:verify, which its server answers."""
        events = self.further("nothing.example", "valid")
        up = next(one for one in events if one["event"] == "stream-up" and one["leg"] == "W-IN")
        self.assertEqual((up["proof"], up["by"], up["trust"]), ("dialback", "dialback", "secure"))

    def test_many_streams_of_a_domain_cost_one_fetch(self):
        """P17: on all workers together."""
        peers = [(domain, self.stage.connect()) for domain in self.crowd for _ in range(6)]
        for domain, peer in peers:
            peer.header(domain, "shire.example")
            peer.starttls("shire.example", self.world.stranger)
            peer.send(f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
                      f"xmlns:stream='http://etherx.jabber.org/streams' from='{domain}' "
                      f"to='shire.example' version='1.0'>")
        for domain, peer in peers:
            self.assertIn("EXTERNAL", peer.features(12), domain)
            peer.close()
        for domain in self.crowd:
            self.assertEqual(len(self.world.web.requests(domain)), 1)

    def test_a_message_of_a_peer_known_by_posh_arrives(self):
        seen = len(self.canary.stanzas)
        with self.stage.proven("posh.example", "strict.example",
                               identity=self.world.who["posh.example"]) as peer:
            peer.send(message("a@posh.example", "frodo@strict.example", "x"))
            self.canary.wait_for(seen + 1)


class Share(unittest.TestCase):
    """P18: what a stranger can make us look up. One question a minute is three look-ups."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = World("proofs-share")
        cls.stage = stage = w.stage
        cls.addClassCleanup(stage.close)
        cls.others = ["10.99.0.61", "10.99.0.62"]
        cls.peers = [stage.net.host(f"other{n}", one) for n, one in enumerate(cls.others)]
        stage.gate.set("limits", questions_per_minute=1)
        cls.flood = [f"flood{n}.example" for n in range(9)]
        cls.many = [f"many{n}.example" for n in range(9)]
        for domain in cls.flood + cls.many:
            w.site(domain, document(w.stranger))
        stage.names.peer("veto.example", stage.world.address, starttls=5269)
        stage.names.tlsa("xmpp.veto.example", 5269, 3, 1, 1, w.stranger.chain)
        w.start()
        cls.gate = stage.gate

    def features(self, domain, identity, host):
        with self.stage.connect(host) as peer:
            peer.header(domain, "shire.example")
            peer.starttls("shire.example", identity)
            peer.header(domain, "shire.example")
            return peer.features(12)

    def test_who_claims_many_names_in_vain_has_few_looked_up(self):
        wrong = self.stage.other_ca.issue("somebody.example", signed_by="self")
        for domain in self.flood:
            self.assertNotIn("EXTERNAL", self.features(domain, wrong, self.peers[0]))
        fetched = sum(bool(self.world.web.requests(domain)) for domain in self.flood)
        self.assertEqual(fetched, 3)
        with self.subTest("the log says why"):
            mark = self.gate.mark()
            with self.stage.connect(self.peers[0]) as peer:
                peer.header(self.flood[8], "strict.example")
                peer.starttls("strict.example", wrong)
                peer.send(header(self.flood[8], "strict.example"))
                peer.expect_closed(5)
            refused = self.gate.wait_event("refused", 5, mark, **{"from": self.flood[8]})
            self.assertIn("posh:FG-R05", refused["evidence"])
        with self.subTest("and none of the others is asked for by dialback"):
            with self.stage.connect(self.peers[0]) as peer:
                peer.header(self.flood[8], "shire.example")
                peer.starttls("shire.example", wrong)
                peer.header(self.flood[8], "shire.example")
                peer.features(12)
                peer.send(RESULT.format(self.flood[8], "shire.example"))
                self.assertIn("resource-constraint",
                              peer.expect("<db:result.*?</db:result>").group(0))
        with self.subTest("but a veto is looked for where an authority vouches (DANE-1)"):
            with self.stage.connect(self.peers[0]) as peer:
                peer.header("veto.example", "shire.example")
                peer.starttls("shire.example", self.stage.identity("veto.example"))
                peer.send(header("veto.example", "shire.example"))
                self.assertIn("FG-D12", peer.expect_closed(12))
        with self.subTest("while a neighbour of his is looked up"):
            self.assertIn("EXTERNAL",
                          self.features(self.flood[8], self.world.stranger, self.peers[1]))

    def test_who_claims_many_names_that_are_true_is_looked_up(self):
        for domain in self.many:
            self.assertIn("EXTERNAL", self.features(domain, self.world.stranger, self.stage.world))


if __name__ == "__main__":
    unittest.main(verbosity=2)
