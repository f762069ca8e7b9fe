"""`fedgate probe` at the domains of tenants: everything published is green, and of each single thing
that is missing or spoiled it says exactly that. One tenant for each proof, real zones, a real web
server."""

import json
import unittest

import common
from lab import gate as lab_gate
from lab.nameserver import tlsa_record
from lab.web import POSH_PATH
from script import ScriptedBackend, attribute, header
from stage import BACKEND, EGRESS, Stage

HOST = lab_gate.HOST_NAME + "."
DANE_HOST = "dane.gate.example."
CERTIFICATE, POSH, DANE = "shire.example", "lorien.example", "moria.example"
BROKEN = "mordor.example"
NOWHERE = "10.99.0.200"


class Choosy(ScriptedBackend):
    """A server that was not told of the domain."""

    def serve(self, link):
        tag = link.expect_header()
        link.send(header(attribute(tag, "to"), attribute(tag, "from"), "1") + "<stream:error><host-unknown xmlns='urn:ietf:"
                  "params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        link.end()


class Probe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("probe", common.BINARY, zones={BROKEN: "bogus"})
        cls.addClassCleanup(stage.close)
        stage.tenant(CERTIFICATE)
        for domain, proof in ((POSH, "posh"), (DANE, "dane")):
            stage.tenant(domain, proof=proof)
        stage.tenant(BROKEN)
        stage.gate.set("host", name=DANE_HOST[:-1])
        for host in (HOST, DANE_HOST):
            stage.names.set(host, "A", lab_gate.PUBLIC)
        stage.keep(Choosy(stage.backend_host, [], EGRESS, port=5271))
        cls.web = stage.web()
        cls.web.site(POSH)
        stage.start()
        cls.web.start()
        for domain in (CERTIFICATE, POSH, DANE):
            cls.publish(domain)

    @classmethod
    def publish(cls, domain):
        """Loads what `fedgate records` says into the zone and the web server; the certificates are
        there once the gate has started."""
        names = cls.stage.names
        done = cls.stage.gate.command("records", domain, "--ca", "authority.example", "--format",
                                      "json", check=True)
        published = json.loads(done.stdout)
        by_name = {}
        for record in published["records"]:
            if record.get("value"):
                by_name.setdefault((record["name"], record["type"]), []).append(record["value"])
        for record, values in by_name.items():
            names.set(*record, *values)
        if domain == POSH:
            cls.document = published["document"]
            cls.web.posh(POSH, cls.document)
        names.commit()

    def probe(self, domain, *words, status=None):
        done = self.stage.gate.command("probe", domain, "--json", *words)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout)
        return json.loads(done.stdout)

    def problems(self, found):
        return [(one["id"], one["sentence"]) for one in found["findings"]
                if one["weight"] != "good"]

    # Green

    def test_what_is_published_well_is_green(self):
        for domain, by in ((CERTIFICATE, "pkix"), (POSH, "posh"), (DANE, "dane")):
            for words in ((), ("--inbound",)):
                with self.subTest(domain, words=words):
                    found = self.probe(domain, *words, status=0)
                    self.assertEqual(self.problems(found), [])
                    self.assertEqual(found["levels"]["trusted"], {"reached": True, "by": by})
                    self.assertEqual([one["id"] for one in found["findings"]], ["ON-21"])

    def test_a_person_reads_the_same(self):
        done = self.stage.gate.command("probe", POSH)
        self.assertEqual(done.returncode, 0, done.stdout)
        for text in ("posh: proves the domain", "ON-21 good", "trusted   yes: posh"):
            self.assertIn(text, done.stdout)

    def test_a_tenant_of_ours_can_be_who_asks(self):
        """EXTERNAL, with the tenant's own certificate, towards a stranger."""
        self.stage.server("dale.example", port=5331)
        self.stage.names.commit()
        found = self.probe("dale.example", "--as", CERTIFICATE, status=0)
        said = [(one["mark"], one["text"]) for one in found["steps"] if one["topic"] == "as"]
        self.assertEqual(said, [("fine", f"{CERTIFICATE} is believed, by external")])
        refused = self.stage.gate.command("probe", POSH, "--as", "gondor.example")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("is no tenant of this gate", refused.stderr)

    # One thing spoiled

    def check_spoiled(self, domain, expected, *, spoil, restore):
        spoil()
        self.stage.names.commit()
        try:
            found = self.probe(domain)
            self.assertEqual([(one, text in sentence) for (one, sentence), (_, text) in
                              zip(self.problems(found), expected)],
                             [(one, True) for one, _ in expected], self.problems(found))
            self.assertEqual(len(self.problems(found)), len(expected), self.problems(found))
        finally:
            restore()
            self.stage.names.commit()

    def test_each_record_that_is_missing_or_wrong_is_named(self):
        """ON-01 to ON-09, ON-27, ON-28, ON-30."""
        names, tlsa = self.stage.names, f"_5269._tcp.{DANE_HOST}"
        srv, srvs = f"_xmpp-server._tcp.{CERTIFICATE}", f"_xmpps-server._tcp.{CERTIFICATE}"
        good = names.records[f"{srv}.", "SRV"][0]
        rows = [
            (CERTIFICATE, (srv, "SRV"), [], [("ON-01", srv)]),
            (CERTIFICATE, (srvs, "SRV"), [], [("ON-01", srvs)]),
            (CERTIFICATE, (srv, "SRV"), ["0 5 5269 names.example."],
             [("ON-02", "names.example")]),
            (CERTIFICATE, (srv, "SRV"), [f"0 5 5222 {HOST}"],
             [("ON-04", "5222"), ("ON-31", "5222")]),
            (CERTIFICATE, (srv, "SRV"), [good, "9 5 5269 names.example."],
             [("ON-06", "names.example")]),
            (CERTIFICATE, (CERTIFICATE, "CAA"), [], [("ON-30", CERTIFICATE)]),
            (DANE, (tlsa, "TLSA"), [], [("ON-27", tlsa[:-1])]),
            (DANE, (tlsa, "TLSA"), [tlsa_record(self.stage.identity(CERTIFICATE).chain)],
             [("ON-28", tlsa[:-1])]),
        ]
        for domain, record, values, expected in rows:
            with self.subTest(record, values=values):
                before = names.records.get((record[0].rstrip(".") + ".", record[1]), [])
                self.check_spoiled(domain, expected,
                                   spoil=lambda r=record, v=values: names.set(*r, *v),
                                   restore=lambda r=record, b=before: names.set(*r, *b))

    def test_a_domain_that_was_added_twice_is_noticed(self):
        names, srv = self.stage.names, f"_xmpp-server._tcp.{CERTIFICATE}"

        def move(one, other):
            names.set(one, "SRV")
            names.set(other, "SRV", f"5 0 5269 {HOST}")
        twice = f"{srv}.{CERTIFICATE}"
        self.check_spoiled(CERTIFICATE, [("ON-03", twice)], spoil=lambda: move(srv, twice),
                           restore=lambda: move(twice, srv))

    def test_an_alias_as_target_is_noticed(self):
        names, srv = self.stage.names, f"_xmpp-server._tcp.{CERTIFICATE}"
        names.set("alias.example", "CNAME", HOST)
        names.set("alias.example", "A")
        found_at = [("ON-02", "alias.example"), ("ON-09", "alias.example")]
        self.check_spoiled(CERTIFICATE, found_at,
                           spoil=lambda: names.set(srv, "SRV", "0 5 5269 alias.example."),
                           restore=lambda: names.set(srv, "SRV", f"0 5 5269 {HOST}"))

    def test_a_broken_signature_is_the_dns_providers_business(self):
        """D01: and nothing is called."""
        found = self.probe(BROKEN, status=1)
        self.assertEqual({one for one, _ in self.problems(found)} - {"ON-30"}, {"ON-08"})
        self.assertFalse([step for step in found["steps"] if step["topic"] == "tcp"])
        self.assertFalse(found["levels"]["verified"]["reached"])

    def test_each_way_in_which_a_document_is_wrong_is_told_apart(self):
        """ON-13 to ON-19."""
        web = self.web
        other = {"fingerprints": [{"sha-256": "A" * 43 + "="}], "expires": 86400}
        rows = [
            ("it is not there", None, [("ON-13", "404")]),
            ("a page of the web site", "<html>hello</html>", [("ON-15", POSH_PATH)]),
            ("of another certificate", other, [("ON-16", POSH_PATH)]),
            ("without expires", {"fingerprints": self.document["fingerprints"]},
             [("ON-19", POSH_PATH)]),
            ("expires at once", {**self.document, "expires": 0},
             [("ON-19", POSH_PATH)]),
        ]
        for title, content, expected in rows:
            with self.subTest(title):
                self.check_spoiled(POSH, expected, spoil=lambda c=content: web.posh(POSH, c),
                                   restore=lambda: web.posh(POSH, self.document))

    def test_a_redirect_is_advised_against(self):
        self.web.file(POSH, "/elsewhere.json", self.document)
        self.web.redirect(POSH, POSH_PATH, f"https://{POSH}/elsewhere.json")
        self.web.reload()

        def restore():
            self.web.lines(POSH)
            self.web.reload()
        self.check_spoiled(POSH, [("ON-14", POSH_PATH)], spoil=lambda: None, restore=restore)

    def test_the_web_sites_own_certificate_is_looked_at(self):
        good = self.web.sites[POSH]["identity"]

        def show(identity):
            self.web.certificate(POSH, identity)
            self.web.reload()
        self.check_spoiled(POSH, [("ON-17", POSH_PATH)],
                           spoil=lambda: show(self.stage.web_ca.issue("other.example")),
                           restore=lambda: show(good))

    def test_a_web_site_in_a_private_network_is_noticed(self):
        names = self.stage.names
        self.check_spoiled(POSH, [("ON-18", POSH)],
                           spoil=lambda: names.set(POSH, "A", "192.168.7.7"),
                           restore=lambda: names.set(POSH, "A", self.web.host.address))

    # The host's side

    def test_a_backend_that_is_down_or_does_not_know_the_domain_is_the_hosts_business(self):
        self.stage.gate.tenant("bree.example", f"{NOWHERE}:5269",
                               self.stage.identity("bree.example"))
        self.assertEqual(self.stage.gate.reload()["outcome"], "fine")
        self.publish("bree.example")
        found = self.problems(self.probe("bree.example"))
        self.assertEqual([one for one, _ in found], ["ON-22"], found)
        self.stage.gate.tenant("bree.example", f"{BACKEND}:5271",
                               self.stage.identity("bree.example"))
        self.stage.gate.reload()
        found = self.problems(self.probe("bree.example"))
        self.assertEqual([one for one, _ in found], ["ON-23"], found)

    def test_a_stranger_whose_certificate_proves_nothing_is_told_why(self):
        self.stage.server("rohan.example", port=5330,
                          identity=self.stage.ca.issue("gondor.example"))
        self.stage.names.commit()
        found = self.probe("rohan.example", status=1)
        self.assertEqual([one for one, _ in self.problems(found)], ["ON-32"])
        self.assertTrue(found["levels"]["secure"]["reached"])
        self.assertFalse(found["levels"]["trusted"]["reached"])

    def test_bad_usage_is_said_so(self):
        for words in ((), ("a", "b"), ("--as",), ("--frobnicate",), ("no..domain",)):
            with self.subTest(words):
                self.assertEqual(self.stage.gate.command("probe", *words).returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
