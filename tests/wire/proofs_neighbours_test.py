"""Tenants without a certificate of their own domain: what they show to the world, and what they prove
to each other, which is what they prove to the world (ADR-8, POSH-12, DANE-6, EXT-5)."""

import time
import unittest

import common
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lab import gate as lab_gate
from proofs_test import document
from script import attribute, message
from stage import Stage

STRICT = {"inbound": "trusted", "outbound": "trusted"}


class Shown:
    """Where document() looks for a certificate."""

    def __init__(self, chain):
        self.chain = chain


def der_of(chain):
    leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    return leaf.public_bytes(serialization.Encoding.DER)


def key_of(certificate):
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Neighbours(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("neighbours", common.BINARY)
        cls.addClassCleanup(stage.close)
        cls.gate, cls.canary = stage.gate, stage.canary
        cls.web = stage.web()
        # Everybody is delegated to the gate; what differs is what they publish.
        for domain in ("posh.example", "other.example", "mute.example"):
            stage.tenant(domain, proof="posh", policy=STRICT)
            # DANE-6: not the target whose records name the host's key, which is not theirs.
            stage.names.peer(domain, lab_gate.PUBLIC, starttls=5269, direct=5269)
        stage.tenant("dane.example", proof="dane", policy=STRICT)
        stage.tenant("plain.example", policy=STRICT)
        stage.tenant("wrong.example", policy=STRICT)
        # DANE-6: its target's records are the host's, its certificate is its own.
        stage.tenant("misplaced.example", proof="posh", policy=STRICT)
        stage.names.tlsa("xmpp.wrong.example", 5269, 3, 1, 1,
                         stage.other_ca.issue("wrong.example").chain)
        for domain in ("posh.example", "other.example", "mute.example"):
            cls.web.site(domain)
        cls.remote = stage.server("remote.example", port=5330)
        stage.start()
        state = cls.gate.dir / "state"
        cls.shown = {domain: state / "tenants" / domain / "current.pem"
                     for domain in ("posh.example", "other.example", "mute.example")}
        cls.host = state / "host" / "current.pem"
        cls.web.posh("posh.example", document(Shown(cls.shown["posh.example"])))
        cls.web.posh("other.example", document(Shown(cls.shown["mute.example"])))
        cls.web.start()
        for target in (lab_gate.HOST_NAME, lab_gate.DANE_NAME):
            stage.names.tlsa(target, 5269, 3, 1, 1, cls.host)
        stage.names.commit()

    def answer(self, from_, to):
        with self.canary.dial(from_, to) as link:
            found = link.expect("<db:result[^>]*type='valid'|</stream:error>", 15).group(0)
            if found.startswith("<db"):
                link.send(message(f"a@{from_}", f"b@{to}", "x", f"{from_}-{to}"))
                return "valid"
            return link.all_said

    # sender, target (all floors are trusted): valid, or the reason
    ROWS = [
        ("posh.example", "plain.example", "valid"),
        ("plain.example", "posh.example", "valid"),
        ("dane.example", "posh.example", "valid"),
        ("mute.example", "plain.example", "FG-M01"),
        ("plain.example", "mute.example", "FG-M01"),
        ("other.example", "plain.example", "FG-M01"),
        ("wrong.example", "plain.example", "FG-M08"),
        ("misplaced.example", "plain.example", "FG-M08"),
    ]

    def test_tenants_prove_to_each_other_what_they_prove_to_the_world(self):
        """ADR-8: POSH-4, DANE-1 hold inside too."""
        seen = len(self.canary.stanzas)
        for from_, to, wanted in self.ROWS:
            with self.subTest(sender=from_, target=to):
                self.assertIn(wanted, self.answer(from_, to))
        wanted = [f"{from_}-{to}" for from_, to, outcome in self.ROWS if outcome == "valid"]
        stanzas = self.canary.wait_for(seen + len(wanted))[seen:]
        self.assertEqual(sorted(attribute(one, "id") for one in stanzas), sorted(wanted))

    def test_a_proof_that_ends_ends_the_way_inside(self):
        """M-3, ID-10: as it does for streams that leave the gate; what has not ended goes on."""
        seconds = 5
        identity = self.stage.ca.issue("short.example", days=seconds / 86400)
        ends = time.time() + seconds
        self.stage.tenant("short.example", policy=STRICT, identity=identity)
        self.stage.names.commit()
        self.gate.reload()
        with self.canary.dial("short.example", "posh.example") as link, \
                self.canary.dial("posh.example", "short.example") as back, \
                self.canary.dial("posh.example", "plain.example") as other:
            for one in (link, back, other):
                one.expect("<db:result[^>]*type='valid'", 10)
            self.assertLess(time.time(), ends, "too slow to see anything")
            for one in (link, back):
                closed = one.expect_closed(seconds + 6)
                self.assertGreater(time.time(), ends - 1)
                self.assertIn("FG-C11", closed)
            seen = len(self.canary.stanzas)
            other.send(message("a@posh.example", "b@plain.example", "x", "still-here"))
            self.canary.wait_for(seen + 1)

    def seen_by_who_dials(self, domain):
        with self.stage.connect() as peer:
            peer.header("remote.example", domain)
            peer.starttls(domain)
            return peer.sock.getpeercert(binary_form=True)

    def test_each_posh_tenant_shows_a_certificate_of_its_own_to_whoever_dials(self):
        """POSH-12, EXT-5."""
        seen = {domain: self.seen_by_who_dials(domain) for domain in self.shown}
        for domain, chain in self.shown.items():
            self.assertEqual(seen[domain], der_of(chain), domain)
        self.assertEqual(len(set(seen.values())), 3)

    def test_a_dane_tenant_shows_the_hosts_key_under_its_own_name(self):
        """DANE-6: for all DANE tenants; some look for the domain's name even so."""
        seen = x509.load_der_x509_certificate(self.seen_by_who_dials("dane.example"))
        self.assertEqual(key_of(seen), key_of(x509.load_pem_x509_certificate(
            self.host.read_bytes())))
        names = seen.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["dane.example"])

    def test_and_to_whom_it_dials(self):
        """POSH-12, EXT-5: the same one in both roles."""
        for domain in ("posh.example", "other.example"):
            with self.subTest(domain):
                mine = der_of(self.shown[domain])
                # OpenSSL verifies what clients show: it has to know this one.
                (self.stage.net.dir / "known.pem").write_bytes(self.shown[domain].read_bytes())
                server = self.stage.server(f"sees-{domain}", port=5331 + len(self.remotes),
                                           ca=self.stage.net.dir / "known.pem")
                self.remotes.append(server)
                self.stage.names.commit()
                with self.canary.dial(domain, server.domain) as link:
                    link.expect("<db:result[^>]*type='valid'", 15)
                    self.gate.wait_event("stream-up", 10, leg="W-OUT", to=server.domain)
                    self.assertEqual(server.links[0].sock.getpeercert(binary_form=True), mine)
                self.assertEqual(server.proofs[:1], [("EXTERNAL", domain)])

    remotes = []


if __name__ == "__main__":
    unittest.main(verbosity=2)
