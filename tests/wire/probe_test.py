"""`fedgate probe` at the domains of tenants: what `fedgate records` prints makes it green once it is
published, and of each single item that is missing or spoiled it says exactly that. One tenant for
each proof, real zones, a real web server, and one whose web server passes the gate's document on."""

import contextlib
import json
import re
import unittest

import common
from lab import gate as lab_gate
from lab.ca import CA
from lab.nameserver import tlsa_record
from lab.web import POSH_PATH
from probing import Probing
from script import ScriptedBackend, attribute, header
from stage import BACKEND, EGRESS, Stage

HOST, DANE_HOST = lab_gate.HOST_NAME + ".", lab_gate.DANE_NAME + "."
CERTIFICATE, POSH, DANE, PASSED_ON = ("shire.example", "lorien.example", "moria.example",
                                      "rivendell.example")
ROOMS = {one: f"rooms.{one}" for one in (CERTIFICATE, POSH, DANE)}
PROOFS = ((CERTIFICATE, "pkix"), (POSH, "posh"), (DANE, "dane"), (PASSED_ON, "posh"))
BROKEN, BREE = "mordor.example", "bree.example"
CLIENTS, AUTHORITY = "im.example", "authority.example"
CLIENT_PATH = "/.well-known/posh/xmpp-client.json"
NOWHERE = "10.99.0.200"
# What a missing item is called: those that nobody needs to be believed are advised.
MISSING = {"SRV": "ON-01", "TLSA": "ON-27", "CAA": "ON-30", "document": "ON-13",
           ("SRV", "optional"): "ON-39", ("CAA", "optional"): "ON-30",
           ("document", "optional"): "ON-40"}


class Choosy(ScriptedBackend):
    """A server that was not told of the domain."""

    def serve(self, link):
        tag = link.expect_header()
        link.send(header(attribute(tag, "to"), attribute(tag, "from"), "1") +
                  "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                  "</stream:error></stream:stream>")
        link.end()


class Probe(Probing, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("probe", common.BINARY, zones={BROKEN: "bogus"})
        cls.addClassCleanup(stage.close)
        rooms = {domain: {"domains": ROOMS[domain]} for domain in ROOMS}
        stage.tenant(CERTIFICATE, identity=stage.ca.issue(CERTIFICATE, ROOMS[CERTIFICATE]),
                     tenant=rooms[CERTIFICATE])
        for domain, proof in ((POSH, "posh"), (DANE, "dane"), (PASSED_ON, "posh")):
            stage.tenant(domain, proof=proof, tenant=rooms.get(domain, {}))
        for domain in (BROKEN, BREE):
            stage.tenant(domain)
        for host in (HOST, DANE_HOST):
            stage.names.set(host, "A", lab_gate.PUBLIC)
        stage.keep(Choosy(stage.backend_host, [], EGRESS, port=5271))
        stage.gate.publish(stage.web_ca.issue(lab_gate.HOST_NAME))
        cls.web = stage.web()
        for domain in (CERTIFICATE, POSH, ROOMS[CERTIFICATE], ROOMS[POSH], PASSED_ON, BREE):
            cls.web.site(domain)
        stage.start()
        cls.web.lines(PASSED_ON, *stage.gate.nginx_lines(PASSED_ON, cls.web.trust))
        cls.web.start()
        cls.published = {domain: cls.publish(domain) for domain in (*ROOMS, PASSED_ON)}
        cls.document = cls.published[POSH]["document"]

    @classmethod
    def publish(cls, domain):
        """Loads what `fedgate records` says into the zone and the web server; the certificates are
        there once the gate has started."""
        names = cls.stage.names
        done = cls.stage.gate.command("records", domain, "--ca", AUTHORITY, "--clients", CLIENTS,
                                      "--format", "json", check=True)
        published = json.loads(done.stdout)
        by_name = {}
        for record in published["records"]:
            by_name.setdefault((record["name"], record["type"]), []).append(record["value"])
        for record, values in by_name.items():
            names.set(*record, *values)
        for page in published["documents"]:
            cls.web.posh(page["domain"], published["document"], page["service"])
        names.commit()
        return published

    # Green

    def test_what_is_published_well_is_green(self):
        for domain, by in (*PROOFS, *((ROOMS[one], by) for one, by in PROOFS if one in ROOMS)):
            for words in ((), ("--inbound",)):
                with self.subTest(domain, words=words):
                    self.check_green(domain, by, *words)

    def test_a_person_reads_the_same(self):
        done = self.stage.gate.command("probe", POSH)
        self.assertEqual(done.returncode, 0, done.stdout)
        for text in ("posh: proves the domain", "ON-21 good", "trusted   yes: posh"):
            self.assertIn(text, done.stdout)

    def test_the_lines_for_a_zone_can_be_loaded_as_they_are(self):
        """Of a fresh zone nothing else is needed: `records --format zone`."""
        names = self.stage.names
        for domain, by in PROOFS[:3]:
            done = self.stage.gate.command("records", domain, "--ca", AUTHORITY, "--clients",
                                           CLIENTS, "--format", "zone", check=True)
            taken = {(one["name"], one["type"]) for one in self.published[domain]["records"]}
            with self.subTest(domain), self.records(*((*one, []) for one in taken)):
                self.assertIn("ON-01", [one for one, _ in self.findings(domain)])
                names.lines["example."] = done.stdout
                names.commit()
                try:
                    self.check_green(domain, by)
                finally:
                    del names.lines["example."]

    # Each single item

    def check_item(self, domain, kind, optional, name, value=None):
        """One finding, which names the item and, where it is needed, shows what to publish."""
        found = [one for one in self.probe(domain)["findings"] if one["id"] != "ON-21"]
        expected = MISSING[(kind, "optional") if optional else kind]
        self.assertEqual([one["id"] for one in found], [expected], found)
        self.assertIn(name.rstrip("."), found[0]["sentence"])
        self.assertEqual(found[0]["weight"], "advice" if optional else "problem")
        if value and not optional:
            self.assertIn(f"{name} 3600 IN {kind} {value}", found[0]["fix"])

    def domain_of(self, tenant, record):
        """Whom the record is about: records of the host are about the tenant."""
        owner = re.sub(r"^(_[a-z0-9-]+\.)*", "", record["name"]).rstrip(".")
        return owner if owner in (tenant, ROOMS.get(tenant)) else tenant

    def test_every_item_of_records_is_named_when_it_is_missing(self):
        """Whatever `records` lists for a tenant of each kind: ON-01, ON-27, ON-30, ON-39."""
        seen = set()
        for tenant in ROOMS:
            for record in self.published[tenant]["records"]:
                with self.subTest(tenant, record=record["name"], value=record["value"]):
                    with self.records((record["name"], record["type"], [])):
                        self.check_item(self.domain_of(tenant, record), record["type"],
                                        record["optional"], record["name"], record["value"])
                seen.add((tenant, record["type"]))
        self.assertEqual(seen, {(tenant, kind) for tenant in ROOMS for kind in ("SRV", "CAA")} |
                         {(DANE, "TLSA")})

    def test_every_document_of_records_is_named_when_it_is_missing(self):
        """POSH-10: each domain has its own; ON-13, ON-40."""
        count = 0
        for tenant in ROOMS:
            for page in self.published[tenant]["documents"]:
                count += 1
                with self.subTest(page["url"]):
                    with self.document_as(None, page["domain"], page["service"], tenant):
                        self.check_item(page["domain"], "document", page["optional"], page["url"])
        self.assertEqual(count, 6)  # server and client of two tenants, and their further domains

    @contextlib.contextmanager
    def document_as(self, content, domain=POSH, service="xmpp-server", tenant=POSH):
        self.web.posh(domain, content, service)
        try:
            yield
        finally:
            self.web.posh(domain, self.published[tenant]["document"], service)

    @contextlib.contextmanager
    def web_lines(self, domain, *lines):
        before = self.web.sites[domain]["lines"]
        self.web.lines(domain, *lines)
        self.web.reload()
        try:
            yield
        finally:
            self.web.lines(domain, *before)
            self.web.reload()

    def test_the_lines_of_the_web_server_are_named_when_they_are_missing_or_lead_elsewhere(self):
        self.web.posh(PASSED_ON, None)  # what is passed on stands in no file
        self.web.posh(PASSED_ON, None, "xmpp-client")
        self.check_green(PASSED_ON, "posh")
        lines = self.web.sites[PASSED_ON]["lines"]
        wrong = [one.replace("/posh/", "/elsewhere/") for one in lines]
        rows = [("none at all", [], "404"),
                ("a path that the publisher does not know", wrong, "404")]
        for title, those, text in rows:
            with self.subTest(title), self.web_lines(PASSED_ON, *those):
                self.check_found(PASSED_ON, [("ON-13", text), ("ON-40", CLIENT_PATH)])

    # While certificates change

    def test_the_next_document_is_missed_until_it_is_published(self):
        """POSH-11: `fedgate rotate` has made it; the gate that was not told publishes the old."""
        done = self.stage.gate.command("rotate", PASSED_ON, "--no-reload")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.check_found(PASSED_ON, [("ON-33", POSH_PATH), ("ON-33", CLIENT_PATH)])
        self.assertEqual(self.stage.gate.reload()["outcome"], "fine")
        self.check_green(PASSED_ON, "posh")

    def test_the_next_key_is_missed_until_it_is_announced(self):
        """DANE-8: each of the two by itself, and then the old one."""
        tlsa = f"_5269._tcp.{DANE_HOST}"
        done = self.stage.gate.command("rotate", "--host", "--no-reload")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.check_found(DANE, [("ON-29", tlsa[:-1])])
        self.published[DANE] = self.publish(DANE)
        self.addCleanup(self.start_host_anew, tlsa)
        self.check_green(DANE, "dane")
        both = self.stage.names.records[tlsa, "TLSA"]
        self.assertEqual(len(both), 2)
        for number, expected in ((0, "ON-28"), (1, "ON-29")):
            with self.subTest(expected), self.records((tlsa, "TLSA", [both[1 - number]])):
                found = self.probe(DANE)["findings"]
                self.assertEqual([one["id"] for one in found if one["weight"] != "good"],
                                 [expected])
                self.assertIn(both[number], found[0]["fix"])

    def start_host_anew(self, tlsa):
        home = self.stage.gate.dir / "state/host"
        for name in ("next", "next.pem", "next.key"):
            (home / name).unlink(missing_ok=True)
        self.stage.names.set(tlsa, "TLSA")
        self.published[DANE] = self.publish(DANE)

    # One thing spoiled

    def test_each_record_that_is_wrong_is_named(self):
        """ON-02, ON-04, ON-06, ON-10, ON-28; a dot alone is no server (RFC 6120 3.2.1)."""
        tlsa = f"_5269._tcp.{DANE_HOST}"
        srv = f"_xmpp-server._tcp.{CERTIFICATE}."
        good = self.stage.names.records[srv, "SRV"][0]
        other = tlsa_record(self.stage.identity(BREE).chain)
        rows = [
            (CERTIFICATE, srv, "SRV", ["0 5 5269 names.example."], [("ON-02", "names.example")]),
            (CERTIFICATE, srv, "SRV", ["0 0 0 ."], [("ON-02", "a dot alone")]),
            (CERTIFICATE, srv, "SRV", [f"0 5 5222 {HOST}"], [("ON-04", "5222")]),
            (CERTIFICATE, srv, "SRV", [good, "9 5 5269 names.example."],
             [("ON-06", "names.example")]),
            (CERTIFICATE, CERTIFICATE, "CAA", ['0 issue ";"'], [("ON-10", "every authority")]),
            (POSH, POSH, "CAA", ['0 issue ""', '0 iodef "mailto:a@b.example"'],
             [("ON-10", "every authority")]),
            (CERTIFICATE, CERTIFICATE, "CAA", ['128 tbs "unknown"'],
             [("ON-10", "every authority")]),
            (CERTIFICATE, CERTIFICATE, "CAA", ['0 iodef "mailto:a@b.example"'], []),
            (CERTIFICATE, CERTIFICATE, "CAA", ['0 issue ";"', '0 issue "a.example; x=y"'], []),
            (ROOMS[CERTIFICATE], CERTIFICATE, "CAA", ['0 issue ";"'], [("ON-10", CERTIFICATE)]),
            (DANE, DANE, "CAA", ['0 issue ";"'], []),
            (DANE, tlsa, "TLSA", [other], [("ON-28", tlsa[:-1])]),
            (DANE, tlsa, "TLSA", [other, *self.stage.names.records[tlsa, "TLSA"]], []),
        ]
        for domain, name, kind, values, expected in rows:
            with self.subTest(name, values=values), self.records((name, kind, values)):
                self.check_found(domain, expected)

    def test_a_domain_that_was_added_twice_is_noticed(self):
        srv = f"_xmpp-server._tcp.{CERTIFICATE}"
        twice = f"{srv}.{CERTIFICATE}"
        with self.records((srv, "SRV", []), (twice, "SRV", [f"5 0 5269 {HOST}"])):
            self.check_found(CERTIFICATE, [("ON-03", twice)])

    def test_an_alias_as_target_is_noticed(self):
        srv = f"_xmpp-server._tcp.{CERTIFICATE}"
        with self.records((srv, "SRV", ["0 5 5269 alias.example."]),
                          ("alias.example", "CNAME", [HOST])):
            self.check_found(CERTIFICATE, [("ON-02", "alias.example"), ("ON-09", "alias.example")])

    def test_a_host_without_an_address_is_named_once(self):
        with self.records((DANE_HOST, "A", [])):
            self.check_found(DANE, [("ON-31", DANE_HOST[:-1])])

    def test_a_broken_signature_is_the_dns_providers_business(self):
        """D01: and nothing is called."""
        found = self.probe(BROKEN, status=1)
        self.assertEqual([one["id"] for one in found["findings"] if one["weight"] == "problem"],
                         ["ON-08"])
        self.assertFalse([step for step in found["steps"] if step["topic"] == "tcp"])
        self.assertFalse(found["levels"]["verified"]["reached"])

    def test_each_way_in_which_a_document_is_wrong_is_told_apart(self):
        """ON-15, ON-16, ON-19; of a tenant with a certificate as well."""
        other = {"fingerprints": [{"sha-256": "A" * 43 + "="}], "expires": 86400}
        rows = [
            ("a page of the web site", "<html>hello</html>", [("ON-15", POSH_PATH)]),
            ("of another certificate", other, [("ON-16", POSH_PATH)]),
            ("without expires", {"fingerprints": self.document["fingerprints"]},
             [("ON-19", POSH_PATH)]),
            ("expires at once", {**self.document, "expires": 0}, [("ON-19", POSH_PATH)]),
        ]
        for domain in (POSH, CERTIFICATE):
            for title, content, expected in rows:
                with self.subTest(title, domain=domain):
                    with self.document_as(content, domain, tenant=domain):
                        self.check_found(domain, expected)

    def test_a_redirect_is_advised_against(self):
        self.web.file(POSH, "/elsewhere.json", self.document)
        with self.web_lines(POSH, f"location = {POSH_PATH} {{ return 302 "
                                  f"https://{POSH}/elsewhere.json; }}"):
            self.check_found(POSH, [("ON-14", POSH_PATH)])

    def test_the_web_sites_own_certificate_is_looked_at(self):
        good = self.web.sites[POSH]["identity"]

        def show(identity):
            self.web.certificate(POSH, identity)
            self.web.reload()
        self.addCleanup(show, good)
        show(self.stage.web_ca.issue("other.example"))
        self.check_found(POSH, [("ON-17", POSH_PATH), ("ON-40", CLIENT_PATH)])

    def test_a_web_site_in_a_private_network_is_noticed(self):
        with self.records((POSH, "A", ["192.168.7.7"])):
            self.check_found(POSH, [("ON-18", POSH), ("ON-40", CLIENT_PATH)])

    # The host's side

    def change_bree(self, identity=None, backend=f"{BACKEND}:5269"):
        self.stage.gate.tenant(BREE, backend, identity or self.stage.identity(BREE))
        self.assertEqual(self.stage.gate.reload()["outcome"], "fine")
        self.published[BREE] = self.publish(BREE)

    def test_a_backend_that_is_down_or_does_not_know_the_domain_is_the_hosts_business(self):
        self.change_bree(backend=f"{NOWHERE}:5269")
        self.check_found(BREE, [("ON-22", NOWHERE)])
        self.change_bree(backend=f"{BACKEND}:5271")
        self.check_found(BREE, [("ON-23", BREE)])

    def test_a_certificate_that_ends_soon_is_told_of_in_days(self):
        for days, expected in ((30.5, []), (29.5, [("ON-41", "29 more days,")]),
                               (1.5, [("ON-41", "1 more day,")])):
            with self.subTest(days):
                self.change_bree(self.stage.ca.issue(BREE, days=days))
                self.check_found(BREE, expected)

    def test_an_authority_that_may_not_renew_is_named(self):
        """ON-10: as far as the certificate tells who it was."""
        known = CA(self.stage.net.dir / "known", "Let's Encrypt Lab")
        self.change_bree(known.issue(BREE))
        self.check_found(BREE, [("ON-10", "letsencrypt.org")])
        with self.records((BREE, "CAA", ['0 issue "letsencrypt.org"'])):
            self.check_found(BREE, [])

    def test_a_certificate_that_nobody_has_reloaded_is_no_mystery(self):
        """The file is right and published, what is shown is not: something must be said."""
        self.change_bree()
        self.stage.gate.tenant(BREE, f"{BACKEND}:5269", self.stage.other_ca.issue(BREE))
        self.stage.gate.reload()
        self.findings(BREE)  # it is read when it is first shown
        self.stage.gate.tenant(BREE, f"{BACKEND}:5269", self.stage.identity(BREE))
        self.publish(BREE)
        self.assertEqual([one for one, _ in self.findings(BREE)], ["ON-32"])
        self.stage.gate.reload()

    def test_bad_usage_is_said_so(self):
        for words in ((), ("a", "b"), ("--as",), ("--frobnicate",), ("no..domain",)):
            with self.subTest(words):
                self.assertEqual(self.stage.gate.command("probe", *words).returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
