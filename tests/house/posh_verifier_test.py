"""The second POSH verifier (tests/lib/posh_verifier.py): RFC 7711's own examples and its MUSTs."""

import base64
import hashlib
import json
import pathlib
import re
import shutil
import socket
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import posh_verifier as posh  # noqa: E402  pylint: disable=wrong-import-position
from lab.ca import CA  # noqa: E402  pylint: disable=wrong-import-position
from lab.evilweb import EvilWeb, circle, document, redirect  # noqa: E402

# RFC 7711, 3.1 and 3.2; the RFC says that white space was added, also inside of the texts.
FINGERPRINTS = """{
  "fingerprints": [
    {
      "sha-256": "4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ=",
      "sha-512": "25N+1hB2Vo42l9lSGqw+n3BKFhDHsyork8ou+D9B43TXeJ
                  1J81mdQEDqm39oR/EHkPBDDG1y5+AG94Kec0xVqA=="
    }
  ],
  "expires": 604800
}"""
ALTERNATE = """{
  "fingerprints": [
    {
      "sha-256": "4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ",
      "sha-512": "25N+1hB2Vo42l9lSGqw+n3BKFhDHsyork8ou+D9B43TXe
                  J1J81mdQEDqm39oR/EHkPBDDG1y5+AG94Kec0xVqA=="
    },
    {
      "sha-256": "otyLADSKjRDjVpj8X7/hmCAD5C7Qe+PedcmYV7cUncE=",
      "sha-512": "MbBD+ausTGJisEXKSynROWrMfHP2xvBnmI79Pr/KXnDyLN
                  +13Jof8/Uq9fj5HZG8Rk1E2fclcivpGdijUsvHRg=="
    }
  ],
  "expires": 806400
}"""
REFERENCE = """{
  "url":"https://hosting.example.net/.well-known/posh/spice.json",
  "expires":86400
}"""
FIRST_SHA256 = bytes.fromhex("e3f9a081d955c7c037a6f1c0596e6c0fea89c8cb541e0891b8f8d50b8f0dd174")
GOOD = '{"fingerprints":[{"sha-256":"4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ="}],"expires":%s}'
BAD_DOCUMENTS = {
    "nothing": b"",
    "an array": b"[]",
    "cut off": FINGERPRINTS[:-2].encode(),
    "no expires": b'{"fingerprints":[{"sha-256":"AA=="}]}',
    "a text as expires": (GOOD % '"60"').encode(),
    "a negative expires": (GOOD % "-1").encode(),
    "a fraction as expires": (GOOD % "1.5").encode(),
    "true as expires": (GOOD % "true").encode(),
    "NaN as expires": (GOOD % "NaN").encode(),
    "infinity by exponent": (GOOD % "1e999").encode(),
    "expires 0": (GOOD % "0").encode(),
    "expires -0.0": (GOOD % "-0.0").encode(),
    "no descriptor": b'{"fingerprints":[],"expires":60}',
    "fingerprints as an object": b'{"fingerprints":{"sha-256":"AA=="},"expires":60}',
    "a descriptor that is a text": b'{"fingerprints":["AA=="],"expires":60}',
    "a fingerprint that is a number": b'{"fingerprints":[{"sha-256":1}],"expires":60}',
    "url and fingerprints": b'{"fingerprints":[{"sha-256":"AA=="}],"url":"https://a.example/",'
                            b'"expires":60}',
    "a member twice": b'{"fingerprints":[{"sha-256":"AA=="}],"expires":60,"expires":61}',
    "a hash twice": b'{"fingerprints":[{"sha-256":"AA==","sha-256":"AA=="}],"expires":60}',
    "http": b'{"url":"http://a.example/","expires":60}',
    "no host": b'{"url":"https:///posh.json","expires":60}',
    "a url that is a number": b'{"url":7,"expires":60}',
    "a reference with expires 0": b'{"url":"https://a.example/","expires":0}',
    "deep": 100000 * b"[",
}


def whole(text):
    """Without the line breaks that the RFC put into its texts."""
    return re.sub(r"\n *(?=[A-Za-z0-9+/=]+\")", "", text)


class Documents(unittest.TestCase):
    """3.1, 3.2 and 6, without a network."""

    def test_the_examples_of_the_rfc_are_read(self):
        first = posh.parse(whole(FINGERPRINTS))
        self.assertEqual((1, 604800), (len(first.descriptors), first.expires))
        self.assertEqual(FIRST_SHA256, posh.decode(first.descriptors[0]["sha-256"]))
        self.assertEqual(64, len(posh.decode(first.descriptors[0]["sha-512"])))
        both = posh.parse(whole(ALTERNATE))
        self.assertEqual((2, 806400), (len(both.descriptors), both.expires))
        self.assertEqual(FIRST_SHA256, posh.decode(both.descriptors[0]["sha-256"]))
        self.assertEqual(first.descriptors[0]["sha-512"], both.descriptors[0]["sha-512"])
        there = posh.parse(REFERENCE)
        self.assertEqual(("https://hosting.example.net/.well-known/posh/spice.json", 86400),
                         (there.url, there.expires))

    def test_what_is_neither_kind_of_document_is_refused(self):
        for name, body in BAD_DOCUMENTS.items():
            with self.subTest(name), self.assertRaises(posh.BadDocument):
                posh.parse(body)

    def test_an_integer_is_one_however_it_is_written(self):
        for text, value in (("60", 60), ("6e1", 60), ("60.0", 60), ("1", 1)):
            self.assertEqual(value, posh.parse(GOOD % text).expires)

    def test_base64_has_its_padding_bits_zero(self):
        for text, wanted in (("AA==", b"\0"), ("AA", b"\0"), ("AB==", None), ("AA=", None),
                             ("A A=", None), ("A", None), ("_-==", None), ("AA==\n", None)):
            self.assertEqual(wanted, posh.decode(text), repr(text))


class Judging(unittest.TestCase):
    """3.3"""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="posh-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.ca = CA(cls.home)
        cls.mine, cls.other, cls.old = (
            cls.ca.issue("a.example", days=days, signed_by="self").der()
            for days in (90, 90, -1))

    def verdict(self, *descriptors, der=None):
        found = posh.judge(descriptors, der or self.mine)
        return found.accepted, found.reason

    def test_any_of_the_descriptors_will_do(self):
        mine, other = posh.descriptor(self.mine), posh.descriptor(self.other)
        self.assertEqual((True, "match"), self.verdict(mine))
        self.assertEqual((True, "match"), self.verdict(other, mine))
        self.assertEqual((False, "no-match"), self.verdict(other))

    def test_each_known_hash_of_a_descriptor_must_fit(self):
        mine, other = posh.descriptor(self.mine), posh.descriptor(self.other)
        self.assertEqual((False, "no-match"), self.verdict(
            {"sha-256": mine["sha-256"], "sha-512": other["sha-512"]}))
        self.assertEqual((True, "match"), self.verdict(
            {"sha-256": mine["sha-256"], "sha-1": "AAAA"}))
        weak = base64.b64encode(hashlib.sha1(self.mine).digest()).decode()
        self.assertEqual((False, "no-match"), self.verdict({"sha-1": weak}))
        self.assertEqual((False, "no-match"), self.verdict({}))

    def test_an_expired_certificate_is_refused_under_a_matching_fingerprint(self):
        self.assertEqual((False, "expired"),
                         self.verdict(posh.descriptor(self.old), der=self.old))

    def test_what_is_no_certificate_is_refused_under_a_matching_fingerprint(self):
        self.assertEqual((False, "bad-certificate"),
                         self.verdict(posh.descriptor(b"junk"), der=b"junk"))


class Loopback:
    """Stands for a host of the lab: the server below needs no namespace."""

    address = "127.0.0.1"

    @staticmethod
    def listen(address, backlog):
        return socket.create_server(address, backlog=backlog)


class Fetching(unittest.TestCase):
    """3, 3.2, 6, 10: over HTTPS, on this machine's loopback."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="posh-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        ca = CA(cls.home)
        cls.root, cls.der = ca.root, ca.issue("a.example", signed_by="self").der()
        cls.server = EvilWeb(Loopback, ca.issue("a.example", "b.example"), port=0)
        cls.addClassCleanup(cls.server.stop)
        cls.port = cls.server.port
        cls.path = "/.well-known/posh/xmpp-server.json"

    def setUp(self):
        self.server.forget()
        self.now = time.time()
        self.posh = posh.Verifier(lambda *_: socket.create_connection(("127.0.0.1", self.port), 5),
                                  self.root, clock=lambda: self.now)

    def serve(self, body, domain="a.example", path=None):
        self.server.at(domain, document(body), path or self.path)

    def check(self, domain="a.example"):
        return self.posh.check(domain, self.der)

    def test_a_document_at_the_domain_is_enough(self):
        self.serve(posh.document(self.der))
        self.assertEqual((True, "match"), (self.check().accepted, self.check().reason))

    def test_a_reference_is_followed_once_and_the_lower_expires_counts(self):
        for reference, fingerprints in ((100, 7), (7, 100)):
            self.setUp()
            self.serve({"url": "https://b.example/there", "expires": reference})
            self.serve(posh.document(self.der, expires=fingerprints), "b.example", "/there")
            verdict = self.check()
            self.assertEqual((True, 7), (verdict.accepted, verdict.material.expires))
            self.assertEqual([f"https://a.example{self.path}", "https://b.example/there"],
                             verdict.material.urls)
        self.serve({"url": "https://a.example/again", "expires": 9}, "b.example", "/there")
        self.now += 8
        self.assertIn("reference to a reference", self.check().why)

    def test_results_are_kept_for_expires_and_then_fetched_anew(self):
        self.serve(posh.document(self.der, expires=2))
        start = self.now
        for moment, fetches in ((0, 1), (1.9, 1), (2.1, 2)):
            self.now = start + moment
            self.assertTrue(self.check().accepted)
            self.assertEqual(fetches, len(self.posh.fetched))

    def test_ten_redirects_are_followed_and_not_eleven(self):
        for number in range(11):
            self.server.at("b.example", redirect(f"/{number + 1}"), f"/{number}")
        self.server.at("a.example", redirect("https://b.example/1"), self.path)
        self.serve(posh.document(self.der), "b.example", "/10")
        self.assertTrue(self.check().accepted)
        self.server.at("a.example", redirect("https://b.example/0"), self.path)
        self.now += 10 ** 6
        self.assertIn("more than 10", self.check().why)

    def test_a_circle_ends(self):
        self.server.at("a.example", circle)
        self.assertEqual("no-material", self.check().reason)
        self.assertEqual(11, len(self.posh.fetched))

    def test_a_redirect_to_http_is_not_followed(self):
        self.server.at("a.example", redirect("http://b.example/"), self.path)
        self.assertIn("no HTTPS URI", self.check().why)
        self.assertEqual(1, len(self.posh.fetched))

    def test_nothing_found_and_a_wrong_name_are_no_material(self):
        self.assertIn("404", self.check().why)
        self.assertIn("certificate", self.check("c.example").why.lower())

    def test_the_document_says_what_the_rfc_calls_it(self):
        made = json.loads(json.dumps(posh.document(self.der, expires=5)))
        self.assertEqual({"fingerprints", "expires"}, set(made))
        self.assertEqual(hashlib.sha256(self.der).digest(),
                         posh.decode(made["fingerprints"][0]["sha-256"]))


if __name__ == "__main__":
    unittest.main()
