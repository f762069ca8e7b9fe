"""Evil web servers and evil zones: each gets the answer of its class, in bounded time, and nobody
is believed who should not be. What they do to the others is measured in evil_heavy.py.
"""

import collections
import concurrent.futures
import json
import time
import unittest

import common
import posh_verifier as posh
from lab import evildns, evilweb
from lab.evildns import EvilDns
from lab.evilweb import EvilWeb
from lab.web import POSH_PATH
from script import Closed, Dialogue, Listener, message
from stage import GATE, PEER, Stage
from strangers import Strangers

SHIRE = "shire.example"
EVIL_DNS, EVIL_WEB, OTHER_WEB, VICTIM = (f"10.99.0.{n}" for n in (54, 81, 82, 70))
SOURCES = [f"10.99.0.{n}" for n in range(100, 160)]
POLICY = {"inbound": "trusted", "outbound": "trusted"}
REBINDING = [f"rebinding{number}.hosted" for number in range(4)]
LONGEST_S = 15  # for the slowest of them, on a busy machine
GIGABYTE = 10 ** 9


def setUpModule():  # pylint: disable=invalid-name
    """Both wait for the slow ones most of the time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(one.play) for one in (Webs, Zones)]:
            job.result()


class Webs(unittest.TestCase):
    """A stranger per web server; each asks to be believed by POSH, all at the same time."""

    @classmethod
    def play(cls):
        cls.stage = stage = Stage("evil-web", common.BINARY, zones={"hosted": "unsigned"})
        unittest.addModuleCleanup(stage.close)
        cls.dns = EvilDns(stage.net.host("evil-dns", EVIL_DNS), stage.names.host.address)
        stage.gate.set("dns", forward=EVIL_DNS)
        stage.tenant(SHIRE, policy=POLICY)
        cls.shown = stage.ca.issue("somebody.example", signed_by="self")
        cls.expired = stage.ca.issue("somebody.example", signed_by="self", days=-1)
        cls.other = stage.ca.issue("somebody.example", signed_by="self")
        cls.rows = {name if "." in name else f"{name}.example": row
                    for name, row in cls.table().items()}
        cls.web = EvilWeb(stage.net.host("evil-web", EVIL_WEB),
                          stage.web_ca.issue(*cls.rows, "more.example", *REBINDING))
        cls.wrong = EvilWeb(stage.net.host("other-web", OTHER_WEB),
                            stage.web_ca.issue("elsewhere.example"))
        cls.inside = EvilWeb(stage.gate.host, stage.web_ca.issue(*REBINDING),
                             address="127.0.0.1")
        for server in (cls.web, cls.wrong, cls.inside):
            unittest.addModuleCleanup(server.stop)
        cls.sources = stage.net.host("strangers", *SOURCES)
        cls.arrange()
        stage.start()
        cls.run_all()

    @classmethod
    def table(cls):
        """name: (behaviour, what the posh step of the decision says, accepted)."""
        good = posh.document(cls.shown.der())
        mine = json.dumps(good["fingerprints"])
        document = evilweb.document

        def refused(behaviour, code):
            return behaviour, code, False

        return {
            "good": (document(good), None, True),
            "century": (document({**good, "expires": 2 ** 31}), None, True),
            "twice-redirected": (evilweb.redirect("https://more.example/good"), None, True),
            "referred": (document({"url": "https://more.example/good", "expires": 60}), None, True),
            "missing": refused(None, "FG-P01"),
            "broken": refused(document("oops", "503 Service Unavailable"), "FG-P02"),
            "cut": refused(evilweb.cut(json.dumps(good).encode(), 30), "FG-P02"),
            "no-http": refused(evilweb.raw(b"220 mail.example ESMTP\r\n"), "FG-P02"),
            "no-web": refused(None, "FG-P02"),
            "hanging": refused(evilweb.hang, "FG-P03"),
            "dripping": refused(evilweb.drip(5000 * b" ", 0.2), "FG-P03"),
            "dripping-headers": refused(evilweb.drip(5000 * b" ", 0.2, headers=False), "FG-P03"),
            "another-certificate": refused(document(good), "FG-P04"),
            "circle": refused(evilweb.circle, "FG-P05"),
            "to-http": refused(evilweb.redirect("http://more.example/good"), "FG-P05"),
            "to-address": refused(evilweb.redirect("https://127.0.0.1/"), "FG-P05"),
            "to-file": refused(evilweb.redirect("file:///etc/passwd"), "FG-P05"),
            "to-private": refused(evilweb.redirect("https://private.example/"), "FG-P06"),
            "refers-to-private": refused(
                document({"url": "https://private.example/", "expires": 60}), "FG-P06"),
            "private": refused(None, "FG-P06"),
            "gigabyte": refused(evilweb.flood(GIGABYTE), "FG-P07"),
            "gigabyte-in-chunks": refused(evilweb.flood(GIGABYTE, chunked=True), "FG-P07"),
            "endless-headers": refused(evilweb.endless_headers, "FG-P07"),
            "prints-twice": refused(document(
                f'{{"fingerprints":{mine},"fingerprints":{mine},"expires":60}}'), "FG-P08"),
            "wrong-type": refused(document('{"fingerprints":{},"expires":60}'), "FG-P08"),
            "both": refused(document({**good, "url": "https://more.example/good"}), "FG-P08"),
            "html": refused(document("<html>it works</html>", kind="text/html"), "FG-P08"),
            "packed": refused(document(b"\x1f\x8b\x08\0", Content_Encoding="gzip"), "FG-P02"),
            "expires-0": refused(document({**good, "expires": 0}), "FG-P09"),
            "expires-text": refused(document({**good, "expires": "60"}), "FG-P09"),
            "reference-to-reference": refused(
                document({"url": "https://more.example/reference", "expires": 60}), "FG-P10"),
            "weak": refused(document({"fingerprints": [{"sha-1": "AAAA"}], "expires": 60}),
                            "FG-P11"),
            "another-key": refused(document(posh.document(cls.other.der())), "FG-P12"),
            "expired": refused(document(posh.document(cls.expired.der())), "FG-C02"),
        }

    @classmethod
    def arrange(cls):
        """Names and behaviours."""
        addresses = {"private.example": "192.168.7.7", "no-web.example": "10.99.0.90",
                     "another-certificate.example": OTHER_WEB}
        good = evilweb.document(posh.document(cls.shown.der()))
        for domain, (behaviour, _, _) in cls.rows.items():
            cls.stage.names.set(domain, "A", addresses.get(domain, EVIL_WEB))
            if behaviour:
                path = POSH_PATH if behaviour is not evilweb.circle else None
                cls.web.at(domain, behaviour, path)
        cls.stage.names.set("more.example", "A", EVIL_WEB)
        cls.stage.names.set("private.example", "A", "192.168.7.7")
        cls.web.at("more.example", good, "/good")
        cls.web.at("more.example", evilweb.document(
            {"url": "https://more.example/good", "expires": 60}), "/reference")
        for number, domain in enumerate(REBINDING):
            addresses = (EVIL_WEB, "127.0.0.1") if number % 2 else ("127.0.0.1", EVIL_WEB)
            cls.dns.rule(domain, evildns.alternate(*addresses), "A")
            cls.web.at(domain, good)

    @classmethod
    def ask(cls, domain, source):
        """What a stranger with a certificate of its own making gets to hear, and how soon."""
        began = time.monotonic()
        identity = cls.expired if domain == "expired.example" else cls.shown
        with Dialogue(cls.sources.connect(GATE, source=source), 30) as peer:
            try:
                peer.header(domain, SHIRE)
                peer.starttls(SHIRE, identity)
                peer.header(domain, SHIRE)
                said = peer.features()
            except Closed as closed:
                said = closed.text
        return said, time.monotonic() - began

    @classmethod
    def run_all(cls):
        with concurrent.futures.ThreadPoolExecutor(len(cls.rows)) as pool:
            jobs = {domain: pool.submit(cls.ask, domain, source)
                    for domain, source in zip(cls.rows, SOURCES)}
            cls.heard = {domain: job.result() for domain, job in jobs.items()}

    def posh_step(self, domain):
        decision = self.stage.gate.explain(SHIRE, domain)[0]
        return next(one for one in decision["steps"] if one["name"] == "posh")

    def test_each_web_server_gets_the_answer_of_its_class(self):
        """POSH-1, POSH-2, POSH-3, POSH-7, POSH-8, POSH-9; P01, P03, P04, P05, P07, P08, P09,
        P11, P12, P19."""
        for domain, (_, code, accepted) in self.rows.items():
            with self.subTest(domain):
                said, took = self.heard[domain]
                self.assertEqual(accepted, "EXTERNAL" in said, said)
                self.assertLess(took, LONGEST_S)
                self.assertEqual(code, self.posh_step(domain)["code"])

    def test_nobody_waits_for_another_ones_web_server(self):
        quick = [took for domain, (_, took) in self.heard.items()
                 if self.rows[domain][1] != "FG-P03"]
        self.assertLess(max(quick), 9)

    def test_a_name_that_changes_its_address_never_leads_to_the_gates_own_loopback(self):
        """POSH-9, P02: what was checked is what is connected to, whichever address it was."""
        for domain, source in zip(REBINDING, SOURCES[len(self.rows):]):
            said, _ = self.ask(domain, source)
            self.assertIn(self.posh_step(domain)["code"], (None, "FG-P06"))
            self.assertEqual(self.posh_step(domain)["code"] is None, "EXTERNAL" in said)
        self.assertEqual(0, self.inside.connections)
        self.assertTrue(any(self.web.asked(domain) for domain in REBINDING))


class Counting(Listener):
    """Somebody whom a zone points at: counts who comes, and shows them out."""

    def serve(self, link):
        pass


class Zones(unittest.TestCase):
    """A tenant's server wants to speak to each of them, all at the same time."""

    # domain: (what happens to the questions, the reason that the tenant's server is told)
    ROWS = {
        "peer.broken": (None, "FG-D05"),
        "stripped.example": (("stripped.example", evildns.strip), "FG-D05"),
        "forged.example": (("xmpp.forged.example", evildns.forge(VICTIM), "A"), "FG-D05"),
        "unsigned.example": (("xmpp.unsigned.example",
                              evildns.forge(VICTIM, strip_signatures=True), "A"), "FG-D05"),
        "mute.example": (("mute.example", evildns.silent), "FG-D03|FG-D04"),
        "failing.example": (("failing.example", evildns.fail("SERVFAIL")), "FG-D03"),
        "tlsa-silent.example": (("tlsa-silent.example", evildns.silent, "TLSA"), "FG-D13"),
        "tlsa-failing.example": (("tlsa-failing.example", evildns.fail("REFUSED"), "TLSA"),
                                 "FG-D13"),
        "tlsa-stripped.example": (("tlsa-stripped.example", evildns.strip, "TLSA"), "FG-D13"),
        "tlsa-forged.example": (("tlsa-forged.example", evildns.forge(
            f"3 1 1 {64 * 'a'}"), "TLSA"), "FG-D13"),
        "many.hosted": (("many.hosted", evildns.many_srv(10000, "victim.hosted."), "SRV"),
                        "FG-N01"),
        "lying.hosted": (("lying.hosted", evildns.many_srv(10000, claimed=10000), "SRV"), "FG-D03"),
        "private.hosted": (("xmpp.private.hosted", evildns.alternate("192.168.7.7"), "A"),
                           "FG-D06"),
        "rebinding.hosted": (("xmpp.rebinding.hosted", evildns.alternate("127.0.0.1", VICTIM),
                              "A"), "FG-D06|FG-N03"),
    }

    @classmethod
    def play(cls):
        cls.stage = stage = Stage("evil-dns", common.BINARY,
                                  zones={"hosted": "unsigned", "broken": "bogus"})
        unittest.addModuleCleanup(stage.close)
        cls.dns = EvilDns(stage.net.host("evil-dns", EVIL_DNS), stage.names.host.address)
        unittest.addModuleCleanup(cls.dns.stop)
        stage.gate.set("dns", forward=EVIL_DNS)
        stage.tenant(SHIRE, policy=POLICY)
        cls.peer = stage.keep(Counting(stage.world, 5269))
        cls.victim = stage.keep(Counting(stage.net.host("victim", VICTIM), 5269))
        cls.inside = stage.keep(Counting(stage.gate.host, 5269, "127.0.0.1"))
        for domain, (rule, _) in cls.ROWS.items():
            stage.names.peer(domain, PEER, starttls=5269)
            stage.names.tlsa(f"xmpp.{domain}", 5269, 3, 1, 1, stage.ca.root)
            if rule:
                cls.dns.rule(*rule)
        stage.names.set("victim.hosted", "A", VICTIM)
        stage.start()
        with concurrent.futures.ThreadPoolExecutor(len(cls.ROWS)) as pool:
            jobs = {domain: pool.submit(cls.dial, domain) for domain in cls.ROWS}
            cls.told = {domain: job.result() for domain, job in jobs.items()}

    @classmethod
    def dial(cls, domain):
        """What the tenant's server is told, and how soon."""
        began = time.monotonic()
        with cls.stage.canary.dial(SHIRE, domain) as link:
            link.expect("</stream:error>|<db:result[^>]*>", 20)
            if "valid" not in link.all_said:
                return link.all_said, time.monotonic() - began
            # It took longer than backends are kept waiting.
            link.send(message(f"frodo@{SHIRE}", f"x@{domain}", "hello"))
            return cls.bounce(domain), time.monotonic() - began

    @classmethod
    def bounce(cls, domain):
        canary = cls.stage.canary
        with canary.arrived:
            canary.arrived.wait_for(lambda: any(domain in one for one in canary.stanzas), 20)
            return next((one for one in canary.stanzas if domain in one), "nothing")

    def test_each_zone_gets_the_reason_of_its_class(self):
        """D01, D04, D05, D07, D10, D12"""
        for domain, (_, code) in self.ROWS.items():
            with self.subTest(domain):
                said, took = self.told[domain]
                self.assertRegex(said, rf"\[({code})\]")
                self.assertLess(took, LONGEST_S)

    def test_no_connection_is_made_where_dnssec_or_tlsa_fail(self):
        """DANE-1, DANE-10, RFC 7673 3.1, 3.2, 3.4: not even to be refused afterwards."""
        self.assertEqual(0, len(self.peer.links))

    def test_ten_thousand_targets_are_eight_connections_at_most(self):
        """DNS-6: what a stranger's zone names is nobody's flood."""
        self.assertLessEqual(len(self.victim.links), 8 + 2)

    def test_the_gates_own_loopback_is_never_reached(self):
        self.assertEqual(0, len(self.inside.links))


class Flood(unittest.TestCase):
    """Many streams at once, from few domains: evil_heavy.py has the same with more of them."""

    STREAMS, DOMAINS, SOURCES, PLACES = 300, 60, 40, 8
    PATIENCE_S = 4

    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("flood", common.BINARY)
        cls.addClassCleanup(stage.close)
        stage.gate.set("proofs", posh_fetches=cls.PLACES)
        stage.tenant(SHIRE, policy=POLICY)
        cls.shown = stage.ca.issue("somebody.example", signed_by="self")
        other = stage.ca.issue("somebody.example", signed_by="self")
        cls.web = EvilWeb(stage.net.host("web", EVIL_WEB),
                          stage.web_ca.issue("*.flood.example", "*.hang.example", "good.example"))
        cls.addClassCleanup(cls.web.stop)
        cls.web.otherwise, cls.web.slow_s = evilweb.document(posh.document(other.der())), 0.15
        cls.web.at("good.example", evilweb.document(posh.document(cls.shown.der())))
        for name in ("*.flood.example", "*.hang.example", "good.example"):
            stage.names.set(name, "A", EVIL_WEB)
        cls.strangers = Strangers(stage.net.host("strangers", *(
            f"10.99.0.{n}" for n in range(100, 100 + cls.SOURCES))), GATE, cls.shown)
        stage.start()

    def test_each_domain_is_fetched_once_however_many_streams_come(self):
        """P17, POSH-6: on all workers together, never more of them at a time than configured."""
        pairs = [(f"d{n % self.DOMAINS}.flood.example", SHIRE) for n in range(self.STREAMS)]
        heard = self.strangers.come(pairs)
        self.assertTrue(all("[FG-" in said for said, _ in heard))
        asked = collections.Counter(one.host for one in self.web.asked()
                                    if one.host.endswith(".flood.example"))
        self.assertEqual({f"d{n}.flood.example": 1 for n in range(self.DOMAINS)}, asked)
        self.assertLessEqual(self.web.most_at_once, self.PLACES)
        self.assertLess(max(took for _, took in heard), 30)
        self.assertEqual(2, len({one["n"] for one in self.stage.gate.events("refused")}))

    def test_domains_that_hang_delay_nobody_else(self):
        """P19: more of them than there are places."""
        for number in range(3 * self.PLACES):
            self.web.at(f"d{number}.hang.example", evilweb.hang)
        pairs = [(f"d{number}.hang.example", SHIRE) for number in range(3 * self.PLACES)]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(self.strangers.come, pairs, self.PATIENCE_S)
            time.sleep(1)
            said, took = self.strangers.come([("good.example", SHIRE)])[0]
            self.assertIn("EXTERNAL", said)
            self.assertLess(took, 8)
            self.check_hanging(slow.result())

    def check_hanging(self, heard):
        """By now they are still waiting, most of them."""
        self.assertFalse(any("EXTERNAL" in said for said, _ in heard))


if __name__ == "__main__":
    unittest.main()
