"""Tenants that no authority vouches for: what they show to the world, and what they prove to each
other, which is what they prove to the world (ADR-8, POSH-12, DANE-6, EXT-5)."""

import ssl
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


def key_of(certificate):
    """Of a certificate in DER or of a PEM file."""
    read = (x509.load_der_x509_certificate(certificate) if isinstance(certificate, bytes) else
            x509.load_pem_x509_certificate(certificate.read_bytes()))
    return read.public_key().public_bytes(serialization.Encoding.DER,
                                          serialization.PublicFormat.SubjectPublicKeyInfo)


class Neighbours(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Each worker makes the certificates of DANE tenants itself; one is enough here.
        cls.stage = stage = Stage("neighbours", common.BINARY, workers=1)
        cls.addClassCleanup(stage.close)
        cls.gate, cls.canary = stage.gate, stage.canary
        cls.web = stage.web()
        # Everybody is delegated to the gate; what differs is what they publish.
        for domain in ("posh.example", "other.example", "mute.example"):
            stage.tenant(domain, proof="posh", policy=STRICT)
        for domain in ("dane.example", "dane-too.example"):
            stage.tenant(domain, proof="dane", policy=STRICT)
        stage.tenant("plain.example", policy=STRICT)
        stage.tenant("wrong.example", policy=STRICT)
        # DANE-6: its target's records name the host's key, which is not its own.
        stage.tenant("misplaced.example", proof="posh", policy=STRICT)
        stage.names.peer("misplaced.example", lab_gate.PUBLIC, starttls=5269, direct=5269,
                         host=lab_gate.DANE_NAME)
        stage.names.tlsa("xmpp.wrong.example", 5269, 3, 1, 1,
                         stage.other_ca.issue("wrong.example").chain)
        for domain in ("posh.example", "other.example", "mute.example"):
            cls.web.site(domain)
        cls.remote = stage.server("remote.example", port=5330)
        stage.start()
        state = cls.gate.dir / "state"
        cls.shown = {domain: state / "tenants" / domain / "current.pem"
                     for domain in ("posh.example", "other.example", "mute.example")}
        cls.shown["dane.example"] = cls.shown["dane-too.example"] = state / "host" / "current.pem"
        cls.web.posh("posh.example", document(Shown(cls.shown["posh.example"])))
        cls.web.posh("other.example", document(Shown(cls.shown["mute.example"])))
        cls.web.start()
        stage.names.tlsa(lab_gate.DANE_NAME, 5269, 3, 1, 1, cls.shown["dane.example"])
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
        for from_, to, wanted in self.ROWS:
            with self.subTest(sender=from_, target=to):
                self.assertIn(wanted, self.answer(from_, to))
        wanted = [f"{from_}-{to}" for from_, to, outcome in self.ROWS if outcome == "valid"]
        stanzas = self.canary.wait_for(len(wanted))
        self.assertEqual(sorted(attribute(one, "id") for one in stanzas), sorted(wanted))

    def seen_by_who_dials(self, domain):
        with self.stage.connect() as peer:
            peer.header("remote.example", domain)
            peer.starttls(domain)
            return peer.sock.getpeercert(binary_form=True)

    def test_each_posh_tenant_shows_a_certificate_of_its_own_to_whoever_dials(self):
        """POSH-12, EXT-5; DANE-6: the host's key is shown for all DANE tenants."""
        seen = {domain: self.seen_by_who_dials(domain) for domain in self.shown}
        for domain, chain in self.shown.items():
            self.assertEqual(key_of(seen[domain]), key_of(chain), domain)
        self.assertEqual(len({key_of(one) for one in seen.values()}), 4)

    def test_and_to_whom_it_dials(self):
        """POSH-12, EXT-5: the same one in both roles."""
        for number, domain in enumerate(("posh.example", "dane.example")):
            with self.subTest(domain):
                mine = self.seen_by_who_dials(domain)
                # OpenSSL verifies what clients show: it has to know this one.
                known = self.stage.net.dir / f"known-{number}.pem"
                known.write_text(ssl.DER_cert_to_PEM_cert(mine), encoding="ascii")
                server = self.stage.server(f"sees-{domain}", port=5331 + number, ca=known)
                self.stage.names.commit()
                with self.canary.dial(domain, server.domain) as link:
                    link.expect("<db:result[^>]*type='valid'", 15)
                    self.gate.wait_event("stream-up", 10, leg="W-OUT", to=server.domain)
                    self.assertEqual(server.links[0].sock.getpeercert(binary_form=True), mine)
                self.assertEqual(server.proofs[:1], [("EXTERNAL", domain)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
