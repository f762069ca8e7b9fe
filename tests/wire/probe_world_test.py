"""`fedgate probe` and the rest of the world: strangers' domains, name servers that do not agree,
resolvers that remember or do not answer, and tenants of ours as those who ask."""

import base64
import hashlib
import json
import unittest

import common
import dns.message
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lab import gate as lab_gate
from lab.evildns import EvilDns, fail
from lab.nameserver import tlsa_record
from probing import Probing
from stage import PEER, WEB, Stage

HOST = lab_gate.HOST_NAME + "."
OURS, FRIEND, DANE, SPLIT = "shire.example", "bree.example", "moria.example", "split.example"
DALE, ROHAN, EREBOR = "dale.example", "rohan.example", "erebor.example"
EVIL, NS2 = "10.99.0.54", "ns2.example"
SRV = f"_xmpp-server._tcp.{SPLIT}"
WAIT = ("ON-05", SRV)


def remembering():
    """A server that gives its first answer for ever."""
    first = {}

    def answering(query, ask):
        question = (query.question[0].name, query.question[0].rdtype)
        if question not in first:
            first[question] = ask().to_wire()
        answer = dns.message.from_wire(first[question])
        answer.id = query.id
        return answer
    return answering


def pin_of(identity):
    leaf = x509.load_pem_x509_certificate(identity.chain.read_bytes())
    spki = leaf.public_key().public_bytes(serialization.Encoding.DER,
                                          serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256/" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


class ProbeWorld(Probing, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("probe-world", common.BINARY, workers=1,
                                  zones={SPLIT: "unsigned"})
        cls.addClassCleanup(stage.close)
        cls.rohan = stage.other_ca.issue(ROHAN)
        stage.tenant(OURS, policy={"pins": f"{DALE}={pin_of(cls.rohan)}"})
        stage.tenant(FRIEND, policy={"ca_file": stage.other_ca.root,
                                     "pins": f"{ROHAN}={pin_of(cls.rohan)}"})
        stage.tenant(DANE, proof="dane")
        names = stage.names
        for service in ("xmpp-server", "xmpps-server"):
            names.set(f"_{service}._tcp.{SPLIT}", "SRV", f"0 0 5269 {HOST}")
        stage.gate.tenant(SPLIT, "10.99.0.12:5269", stage.identity(SPLIT))
        names.set(HOST, "A", lab_gate.PUBLIC)
        names.set(lab_gate.DANE_NAME, "A", lab_gate.PUBLIC)
        cls.evil = EvilDns(stage.net.host("evil-dns", EVIL), lab_gate.NAMES)
        cls.addClassCleanup(cls.evil.stop)
        names.set(NS2, "A", EVIL)
        stage.server(DALE, port=5331)
        stage.server(ROHAN, port=5330, identity=cls.rohan)
        cls.erebor = stage.server(EREBOR, port=5332, ca=None, external=False)
        cls.web = stage.web()
        cls.web.site(DALE)
        stage.start()
        cls.web.start()
        stage.gate.publish_tlsa(names, DANE)
        names.commit()

    def setUp(self):
        self.addCleanup(self.evil.clear)

    def via(self, resolver):
        """Another resolver for the probe alone: the daemon is not told."""
        self.stage.gate.set("dns", forward=resolver)
        self.addCleanup(self.stage.gate.set, "dns", forward=lab_gate.NAMES)

    def found(self, domain, *words):
        """Of what a tenant must see to, that is: without advice."""
        return [(one["id"], one["sentence"]) for one in self.probe(domain, *words)["findings"]
                if one["weight"] == "problem"]

    def check_problems(self, domain, expected, *words):
        found = self.found(domain, *words)
        self.assertEqual([one for one, _ in found], [one for one, _ in expected], found)
        for (_, sentence), (_, text) in zip(found, expected):
            self.assertIn(text, sentence)

    # Name servers

    def test_name_servers_that_do_not_agree_are_named(self):
        """ON-07, whichever of the two has what is right."""
        good = f"0 0 5269 {HOST}"
        with self.records((SPLIT, "NS", [f"{NS2}."])):
            self.check_problems(SPLIT, [])
            self.evil.rule(SRV, remembering(), "SRV")
            for then, other in ((good, "9 9 5269 names.example."),
                                ("9 9 5269 names.example.", good)):
                with self.subTest(now=other):
                    self.evil.clear()
                    self.evil.rule(SRV, remembering(), "SRV")
                    with self.records((SRV, "SRV", [then])):
                        self.found(SPLIT)  # the second server sees it, and keeps it
                    with self.records((SRV, "SRV", [other])):
                        self.check_problems(SPLIT, [("ON-07", SRV)])

    def test_a_resolver_that_remembers_is_waited_for(self):
        """ON-05, and not the fault that was there before; one that is new is named beside."""
        good, old = f"0 0 5269 {HOST}", "0 0 5269 names.example."
        self.via(EVIL)
        for before, now, expected in (([old], [good], [WAIT]), ([], [good], [WAIT]),
                                      ([good], [good], []),
                                      ([good], [old], [("ON-02", "names.example"), WAIT])):
            with self.subTest(before=before, now=now):
                self.evil.clear()
                self.evil.rule(SRV, remembering(), "SRV")
                with self.records((SRV, "SRV", before)):
                    self.found(SPLIT)
                with self.records((SRV, "SRV", now)):
                    self.assertEqual(sorted(one for one, _ in self.found(SPLIT)),
                                     sorted(one for one, _ in expected))

    def test_the_hosts_zone_is_asked_for_its_keys_likewise(self):
        """ON-05 of a TLSA record: the resolver has not seen it yet."""
        tlsa = f"_5269._tcp.{lab_gate.DANE_NAME}"
        self.check_problems(DANE, [])
        self.evil.rule(tlsa, remembering(), "TLSA")
        self.via(EVIL)
        with self.records((tlsa, "TLSA", [tlsa_record(self.rohan.chain)])):
            self.check_problems(DANE, [("ON-28", tlsa)])
        self.assertEqual([one for one, _ in self.found(DANE)], ["ON-05"])

    def test_a_name_server_that_is_silent_is_no_finding(self):
        """From here it may be a firewall."""
        with self.records((SPLIT, "NS", [f"{NS2}."])):
            self.evil.rule(".", fail())
            self.check_problems(SPLIT, [])

    def test_dns_that_fails_is_not_taken_for_dns_that_says_no(self):
        """DNS-3: nothing is missing, nobody is called."""
        self.via(EVIL)
        srv = f"_xmpp-server._tcp.{DALE}"
        self.evil.rule(srv, fail())
        found = self.probe(DALE, status=1)
        self.assertEqual([one["id"] for one in found["findings"]], ["ON-37"])
        self.assertFalse([step for step in found["steps"] if step["topic"] == "tcp"])

    def test_a_resolver_that_does_not_answer_is_no_word_on_the_domain(self):
        self.via(EVIL)
        self.evil.rule(".", fail())
        done = self.stage.gate.command("probe", DALE)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn("the resolver does not answer", done.stderr)

    # Strangers

    def test_a_stranger_who_is_proven_is_green(self):
        self.check_green(DALE, "pkix")
        self.check_green(DALE, "pkix", "--inbound")

    def test_a_stranger_whose_certificate_proves_nothing_is_told_why(self):
        found = self.probe(ROHAN, status=1)
        self.assertEqual([one["id"] for one in found["findings"]], ["ON-32"])
        self.assertTrue(found["levels"]["secure"]["reached"])
        self.assertFalse(found["levels"]["trusted"]["reached"])

    def test_a_domain_that_says_it_has_no_service_is_believed(self):
        """RFC 6120 3.2.1: and not called at its direct TLS records either."""
        with self.records((f"_xmpp-server._tcp.{DALE}", "SRV", ["0 0 0 ."]),
                          (f"_xmpps-server._tcp.{DALE}", "SRV", [f"0 0 5331 xmpp.{DALE}."])):
            found = self.probe(DALE, status=1)
        self.assertEqual([one["id"] for one in found["findings"]], ["ON-38"])
        self.assertFalse([step for step in found["steps"] if step["topic"] == "tcp"])

    def test_a_special_name_is_not_asked_for(self):
        for name in ("localhost", "hidden.onion"):
            with self.subTest(name):
                self.assertEqual([one for one, _ in self.findings(name)], ["ON-37"])

    def test_one_address_of_several_is_enough(self):
        """What does not answer is a step that is bad; only when all are silent it is found."""
        host = f"xmpp.{DALE}"
        for addresses, expected in (([PEER, WEB], ["ON-21"]), ([WEB], ["ON-31"]),
                                    ([WEB, lab_gate.NAMES], ["ON-31"])):
            with self.subTest(addresses), self.records((host, "A", addresses)):
                found = self.probe(DALE)
                self.assertEqual([one["id"] for one in found["findings"]], expected)
                bad = [one for one in found["steps"] if (one["topic"], one["mark"]) == ("tcp", "bad")]
                self.assertEqual(len(bad), len([one for one in addresses if one != PEER]))

    def test_an_address_family_that_we_lack_is_not_the_domains_fault(self):
        with self.records((f"xmpp.{DALE}", "AAAA", ["2001:db8::1", "fd00::1"])):
            self.check_green(DALE, "pkix")

    def test_more_targets_than_anybody_tries_are_bounded(self):
        """The second half has no address: the others are tried, and the loss is told."""
        srv = f"_xmpp-server._tcp.{DALE}"
        many = [f"9 0 {port} names.example." for port in range(6000, 6040)]
        with self.records((srv, "SRV", [f"1 0 5331 xmpp.{DALE}.", *many])):
            found = self.probe(DALE)
        said = [one["text"] for one in found["steps"] if "left out" in one["text"]]
        self.assertEqual(len(said), 1)
        self.assertEqual({one["id"] for one in found["findings"]}, {"ON-31"})

    def test_what_a_strangers_web_site_says_to_everybody_is_no_document(self):
        for line, expected in (("location / { return 200 '<html>front page</html>'; }", []),
                               ("location / { return 302 http://dale.example/login; }", []),
                               ("location / { return 200 '{\"fingerprints\": 7}'; }", ["ON-15"])):
            with self.subTest(line):
                self.web.lines(DALE, line)
                self.web.reload()
                self.assertEqual([one for one, _ in self.findings(DALE)], expected)
        self.web.lines(DALE)
        self.web.reload()

    def test_words_of_strangers_are_valid_json(self):
        """Bytes that are no UTF-8, in a redirect."""
        self.web.lines(DALE, "location / { return 302 'https://dale.example/\xfc\x1b[2J'; }")
        self.web.reload()
        done = self.stage.gate.command("probe", DALE, "--json")
        self.assertNotIn("\x1b", done.stdout)
        self.assertEqual(json.loads(done.stdout)["fine"], True)
        self.web.lines(DALE)
        self.web.reload()

    # The way in

    def test_who_is_called_looks_at_the_records_of_all_targets(self):
        """DANE-5: also at those of a target that cannot be reached, and not at what it cannot use."""
        host, other = f"xmpp.{ROHAN}", "backup.example"
        right = tlsa_record(self.rohan.chain)
        both = (f"_xmpp-server._tcp.{ROHAN}", "SRV",
                [f"0 0 5330 {host}.", f"9 0 5330 {other}."])
        rows = [
            ("of the server", {host: right}, True, True),
            ("of another target", {other: right}, False, True),
            ("of neither", {host: tlsa_record(self.stage.identity(DALE).chain)}, False, False),
            ("of a usage for the way out", {host: tlsa_record(self.rohan.chain, usage=1)},
             False, False),
        ]
        for title, tlsa, outwards, inwards in rows:
            changed = [(f"_5330._tcp.{name}", "TLSA", [value]) for name, value in tlsa.items()]
            with self.subTest(title), self.records(both, *changed):
                for words, expected in (((), outwards), (("--inbound",), inwards)):
                    trusted = self.probe(ROHAN, *words)["levels"]["trusted"]
                    self.assertEqual(trusted["reached"], expected, (words, trusted))
                    if expected:
                        self.assertEqual(trusted["by"], "dane")

    # As one of ours

    def said_as(self, domain, name):
        found = self.probe(domain, "--as", name)
        return found, [(one["mark"], one["text"]) for one in found["steps"]
                       if one["topic"] == "as"]

    def test_a_tenant_of_ours_can_be_who_asks(self):
        """EXTERNAL with the tenant's own certificate; dialback with the gate's own secret, which
        the running gate answers for."""
        for domain, tenant, by in ((DALE, FRIEND, "external"), (EREBOR, DANE, "dialback")):
            with self.subTest(tenant):
                found, said = self.said_as(domain, tenant)
                self.assertEqual(said, [("fine", f"{tenant} is believed, by {by}")])
                self.assertEqual(found["findings"][0]["id"], "ON-21")
        self.assertTrue(self.erebor.proofs)

    def test_the_tenants_authorities_and_pins_count_for_who_asks_as_the_tenant(self):
        """As in the daemon: what the tenant's file adds is added, and a pin forbids."""
        for domain, tenant, trusted in ((ROHAN, FRIEND, True), (ROHAN, OURS, False),
                                        (DALE, FRIEND, True), (DALE, OURS, False)):
            with self.subTest(domain, tenant=tenant):
                found, _ = self.said_as(domain, tenant)
                self.assertEqual(found["levels"]["trusted"]["reached"], trusted)
                self.assertEqual([one["id"] for one in found["findings"]],
                                 ["ON-21" if trusted else "ON-32"])
        self.assertFalse(self.said_as(DALE, OURS)[0]["levels"]["verified"]["reached"])

    def test_who_is_no_tenant_cannot_be_who_asks(self):
        refused = self.stage.gate.command("probe", DALE, "--as", "gondor.example")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("is no tenant of this gate", refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
