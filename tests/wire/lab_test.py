"""The lab's name server, its liars and its web servers do what they say; fedgate has no part."""

import json
import socket
import ssl
import time
import unittest

from lab import evildns, evilweb, resolver
from lab.ca import CA
from lab.evildns import EvilDns
from lab.evilweb import EvilWeb
from lab.nameserver import NameServer
from lab.net import LabError, Net
from lab.web import POSH_PATH, Web

NAMES, EVIL, WEB, EVIL_WEB, TEST = (f"10.99.0.{n}" for n in (53, 54, 80, 81, 90))


def get(host, address, name, ca, path=POSH_PATH, seconds=5, most=100000):
    """What an HTTPS server sends, as bytes; its certificate is checked."""
    context = ssl.create_default_context(cafile=str(ca.root))
    with host.connect((address, 443), seconds) as sock:
        with context.wrap_socket(sock, server_hostname=name) as link:
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
                         .encode())
            data = b""
            while len(data) < most and (piece := link.recv(65536)):
                data += piece
            return data


class Names(unittest.TestCase):
    """TLSA records in signed zones, and a forwarder that spoils what it carries."""

    @classmethod
    def setUpClass(cls):
        cls.net = net = Net("names")
        cls.addClassCleanup(net.close)
        cls.ca = CA(net.dir / "ca")
        cls.identity = cls.ca.issue("xmpp.rohan.example")
        cls.names = names = NameServer(net.host("names", NAMES),
                                       {"loose": "unsigned", "broken": "bogus"})
        names.peer("rohan.example", "10.99.0.50", starttls=5269)
        names.peer("rohan.loose", "10.99.0.50", starttls=5269)
        names.peer("rohan.broken", "10.99.0.50", starttls=5269)
        for zone in ("example", "loose", "broken"):
            names.tlsa(f"xmpp.rohan.{zone}", 5269, 3, 1, 1, cls.identity.chain)
        names.start()
        cls.evil = EvilDns(net.host("evil", EVIL), NAMES)
        cls.addClassCleanup(cls.evil.stop)
        cls.test = net.host("test", TEST)

    def setUp(self):
        self.evil.clear()

    def ask(self, name, kind=resolver.TLSA, server=EVIL):
        return resolver.ask(self.test, server, name, kind, self.names.anchor)

    def test_a_tlsa_record_is_secure_insecure_or_bogus_as_its_zone_is(self):
        for zone, wanted in (("example", (True, False)), ("loose", (False, False)),
                             ("broken", (False, True))):
            for server in (NAMES, EVIL):
                with self.subTest(zone=zone, server=server):
                    answer = self.ask(f"_5269._tcp.xmpp.rohan.{zone}", server=server)
                    self.assertEqual((answer.secure, answer.bogus), wanted)

    def test_a_tlsa_record_holds_what_openssl_computes(self):
        for selector, mtype, words in (
                (1, 1, "-pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256"),
                (1, 2, "-pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha512"),
                (0, 1, "-outform DER | openssl dgst -sha256")):
            with self.subTest(selector=selector, mtype=mtype):
                self.names.tlsa("xmpp.rohan.example", 5270, 3, selector, mtype,
                                self.identity.chain)
                self.names.commit()
                said = self.test.run(["sh", "-c",
                                      f"openssl x509 -in {self.identity.chain} {words}"])
                answer = self.ask("_5270._tcp.xmpp.rohan.example", server=NAMES)
                self.assertEqual([(bytes([3, selector, mtype]) + bytes.fromhex(
                    said.stdout.split()[-1])).hex()], [one.hex() for one in answer.data])

    def test_a_stripped_signature_makes_a_signed_zone_bogus(self):
        self.evil.rule("rohan.example", evildns.strip)
        answer = self.ask("_xmpp-server._tcp.rohan.example", resolver.SRV)
        self.assertEqual((answer.secure, answer.bogus), (False, True))

    def test_a_forged_address_is_bogus_in_a_signed_zone_and_passes_in_another(self):
        self.evil.rule(".", evildns.forge("10.99.0.66"), "A")
        self.assertTrue(self.ask("xmpp.rohan.example", resolver.A).bogus)
        loose = self.ask("xmpp.rohan.loose", resolver.A)
        self.assertEqual((loose.bogus, loose.addresses()), (False, ["10.99.0.66"]))

    def test_an_alternating_address_is_another_one_each_time(self):
        self.evil.rule("web.loose", evildns.alternate("10.99.0.80", "127.0.0.1"), "A")
        seen = [self.ask("web.loose", resolver.A).addresses() for _ in range(3)]
        self.assertEqual(seen, [["10.99.0.80"], ["127.0.0.1"], ["10.99.0.80"]])

    def test_ten_thousand_srv_records_are_as_many_as_a_message_holds(self):
        self.evil.rule("rohan.loose", evildns.many_srv(10000, claimed=10000), "SRV")
        with self.assertRaises(EOFError):
            self.raw("_xmpp-server._tcp.rohan.loose", most=600)
        data = self.raw("_xmpp-server._tcp.rohan.loose")
        self.assertEqual(10000, int.from_bytes(data[6:8], "big"))
        self.assertGreater(len(data), 65000)

    def raw(self, name, most=70000):
        """The answer over TCP, as bytes."""
        question = b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"
        query = b"\0\1\1\0\0\1\0\0\0\0\0\0" + question + b"\0\x21\0\1"
        with self.test.connect((EVIL, 53)) as sock:
            sock.sendall(len(query).to_bytes(2, "big") + query)
            stream = sock.makefile("rb")
            length = int.from_bytes(stream.read(2), "big")
            if length > most:
                raise EOFError
            return stream.read(length)

    def test_silence_delay_and_failure_are_what_they_are_called(self):
        self.evil.rule("rohan.loose", evildns.delay(0.7))
        self.evil.rule("failing.loose", evildns.fail("SERVFAIL"))
        begin = time.monotonic()
        self.assertEqual(["10.99.0.50"], self.ask("xmpp.rohan.loose", resolver.A).addresses())
        self.assertGreater(time.monotonic() - begin, 0.7)
        self.assertEqual(2, self.ask("failing.loose", resolver.A).rcode)
        self.evil.rule("silent.loose", evildns.silent)
        sock = self.test.socket(kind=socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.settimeout(0.5)
        sock.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\6silent\5loose\0\0\1\0\1", (EVIL, 53))
        with self.assertRaises(TimeoutError):
            sock.recv(512)
        self.assertIn(("silent.loose.", "A"), self.evil.questions("loose"))


class Webs(unittest.TestCase):
    """nginx as customers run it, and a server that no customer would run."""

    @classmethod
    def setUpClass(cls):
        cls.net = net = Net("webs")
        cls.addClassCleanup(net.close)
        cls.ca = CA(net.dir / "web-ca", "Web")
        cls.names = NameServer(net.host("names", NAMES))
        cls.web = web = Web(net.host("web", WEB), cls.ca, cls.names)
        for domain in ("shire.example", "bree.example", "dale.example"):
            web.site(domain)
        web.posh("shire.example", {"fingerprints": [], "expires": 60})
        cls.names.start()
        web.start()
        cls.evil = EvilWeb(net.host("evil", EVIL_WEB), cls.ca.issue("evil.example"))
        cls.addClassCleanup(cls.evil.stop)
        cls.test = net.host("test", TEST)

    def get(self, name, path=POSH_PATH, **how):
        return get(self.test, WEB, name, self.ca, path, **how)

    def evil_get(self, path, **how):
        return get(self.test, EVIL_WEB, "evil.example", self.ca, path, **how)

    def test_a_document_is_served_as_json_under_the_domains_certificate(self):
        answer = self.get("shire.example")
        self.assertIn(b"HTTP/1.1 200 OK", answer)
        self.assertIn(b"Content-Type: application/json", answer)
        self.assertEqual({"fingerprints": [], "expires": 60},
                         json.loads(answer.partition(b"\r\n\r\n")[2]))
        asked = self.web.requests("shire.example")
        self.assertEqual([("shire.example", POSH_PATH, 200)],
                         [(one["host"], one["path"], one["status"]) for one in asked])

    def test_lines_redirects_and_errors_take_effect_with_a_reload(self):
        self.web.lines("bree.example", "location = /proxied {",
                       "\tproxy_pass https://shire.example" + POSH_PATH + ";",
                       "\tproxy_ssl_server_name on;", "\tproxy_ssl_verify on;", "}")
        self.web.redirect("bree.example", "/away", "https://shire.example/")
        self.web.error("bree.example", "/broken", 503)
        self.web.reload()
        self.assertIn(b'"expires": 60', self.get("bree.example", "/proxied"))
        self.assertIn(b"302", self.get("bree.example", "/away").partition(b"\r\n")[0])
        self.assertIn(b"503", self.get("bree.example", "/broken").partition(b"\r\n")[0])

    def test_a_wrong_line_is_told(self):
        self.web.lines("dale.example", "no such line;")
        self.addCleanup(self.web.lines, "dale.example")
        with self.assertRaisesRegex(LabError, "no such line|unknown directive"):
            self.web.reload()

    def test_the_evil_server_floods_drips_hangs_and_circles(self):
        self.evil.at("evil.example", evilweb.flood(10 ** 9, chunked=True), "/flood")
        self.evil.at("evil.example", evilweb.drip(b"slowly", 0.05), "/drip")
        self.evil.at("evil.example", evilweb.circle)
        self.evil.at("evil.example", evilweb.hang, "/hang")
        self.assertGreaterEqual(len(self.evil_get("/flood", most=1000000)), 1000000)
        begin = time.monotonic()
        self.assertTrue(self.evil_get("/drip").endswith(b"slowly"))
        self.assertGreater(time.monotonic() - begin, 0.25)
        self.assertIn(b"Location: https://evil.example/ax\r\n", self.evil_get("/a"))
        with self.assertRaises(TimeoutError):
            self.evil_get("/hang", seconds=0.3)
        self.assertEqual(["/flood", "/drip", "/a", "/hang"],
                         [one.path for one in self.evil.asked("evil.example")])


if __name__ == "__main__":
    unittest.main()
