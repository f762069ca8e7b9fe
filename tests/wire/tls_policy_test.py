"""What three strange TLS programs find at the gate's door, with STARTTLS and with direct TLS."""

import re
import socket
import subprocess
import threading
import unittest
import xml.etree.ElementTree as ET

import common
from lab import gate as lab_gate
from script import TLS, Dialogue, Listener
from stage import GATE, Stage

ONE, TWO = "shire.example", "bree.example"
# P-2, RFC 9325 4.2: forward secrecy and AEAD, and nothing else. OpenSSL's names.
SUITES_12 = {f"ECDHE-{key}-{cipher}" for key in ("ECDSA", "RSA") for cipher in
             ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}
SUITES_13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
GROUPS, NO_GROUPS = ("X25519", "P-256", "P-384"), ("P-521", "X448", "ffdhe2048", "ffdhe3072")
# In GnuTLS's words: old versions, RSA key exchange, CBC and CCM.
OLD_WAYS = ("NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT",
            "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
            "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CBC:+AES-128-CCM")
STARTS = {"direct": (), "starttls": ("-starttls", "xmpp-server", "-xmpphost")}


class Usher(Listener):
    """Brings whoever speaks TLS alone to the gate by way of STARTTLS. (sslscan's own writes a line
    end behind <starttls/>, which RFC 6120 5.3.3 forbids and the gate takes for an injection.)"""

    def serve(self, link):
        with Dialogue(self.host.connect(GATE)) as gate:
            gate.header("rohan.example", ONE)
            gate.features()
            gate.send(f"<starttls xmlns='{TLS}'/>")
            gate.expect("<proceed[^>]*>")
            there, back = (threading.Thread(target=self.carry, args=ends, daemon=True)
                           for ends in ((link.sock, gate.sock), (gate.sock, link.sock)))
            there.start(), back.start()
            there.join(), back.join()

    @staticmethod
    def carry(source, target):
        source.settimeout(20)
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("tls-policy", common.BINARY)
        cls.addClassCleanup(stage.close)
        for domain in (ONE, TWO):
            stage.tenant(domain, second=stage.identity(domain, key="rsa"))
        stage.gate.set("limits", connections_per_second=1000)  # scanners are in a hurry
        stage.start()
        usher = stage.keep(Usher(stage.world, 5443))
        cls.doors = {"direct": lab_gate.PUBLIC + ":5269", "starttls": usher.address + ":5443"}

    def openssl(self, start, *words, to=ONE, stdin="", name=ONE):
        """What s_client prints; STARTTLS where asked for."""
        sni = ["-servername", name] if name else ["-noservername"]
        begin = [*STARTS[start], to] if STARTS[start] else []
        done = self.stage.world.run(["openssl", "s_client", "-connect", f"{lab_gate.PUBLIC}:5269",
                                     *sni, *begin, *words], stdin=stdin, check=False, seconds=20)
        return done.stdout + done.stderr

    def assert_up(self, text, suite=None):
        self.assertRegex(text, rf"(?:New|Reused), TLSv1\.[23], Cipher is {suite or '[A-Z]'}")

    def assert_alert(self, text, *numbers):
        found = re.findall(r"SSL alert number (\d+)", text)
        self.assertIn(found[:1], [[str(number)] for number in numbers], text[-1500:])
        self.assertNotRegex(text, "Cipher is [A-Z]{4}")

    # sslscan

    def test_sslscan_finds_exactly_what_policy_says(self):
        """P-1, P-2, TLS-4, CMP-1; T01, T02, T03, T05."""
        for start in STARTS:
            with self.subTest(start=start):
                done = self.stage.world.run(["sslscan", "--xml=-", "--no-colour",
                                             f"--sni-name={ONE}", self.doors[start]], seconds=50)
                found = ET.fromstring(done.stdout[done.stdout.index("<?xml"):]).find("ssltest")
                on = {(one.get("type"), one.get("version")) for one in found.iter("protocol")
                      if one.get("enabled") == "1"}
                self.assertEqual(on, {("tls", "1.2"), ("tls", "1.3")})
                suites = {one.get("cipher") for one in found.iter("cipher")}
                self.assertEqual(suites, SUITES_12 | SUITES_13)
                self.assertEqual(found.find("renegotiation").get("supported"), "0")
                self.assertFalse([one for one in found.iter("compression")
                                  if one.get("supported") != "0"])
                self.assertFalse([one for one in found.iter("heartbleed")
                                  if one.get("vulnerable") != "0"])

    # OpenSSL

    def test_versions_of_old(self):
        """P-1, T01, RFC 8996: protocol_version(70)."""
        for start in STARTS:
            with self.subTest(start=start):
                for version in ("-tls1", "-tls1_1"):
                    text = self.openssl(start, version, "-cipher", "ALL:@SECLEVEL=0")
                    self.assert_alert(text, 70)

    def test_suites_that_are_wanted(self):
        for start in STARTS:
            with self.subTest(start=start):
                for suite in sorted(SUITES_12):
                    self.assert_up(self.openssl(start, "-tls1_2", "-cipher", suite), suite)
                for suite in sorted(SUITES_13):
                    self.assert_up(self.openssl(start, "-tls1_3", "-ciphersuites", suite), suite)

    def test_all_other_suites_together(self):
        """T02: RSA key exchange, DHE, CBC, CCM, ARIA, Camellia, PSK, anonymous, NULL."""
        known = subprocess.run(["openssl", "ciphers", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
                               capture_output=True, text=True, check=True).stdout.strip()
        others = [one for one in known.split(":") if one not in SUITES_12 and one not in SUITES_13]
        self.assertGreater(len(others), 40)
        for start in STARTS:
            with self.subTest(start=start):
                text = self.openssl(start, "-tls1_2", "-cipher", ":".join(others) + ":@SECLEVEL=0")
                self.assert_alert(text, 40)
                text = self.openssl(start, "-tls1_3", "-ciphersuites",
                                    "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256")
                self.assert_alert(text, 40)

    def test_groups(self):
        """P-2."""
        for start in STARTS:
            with self.subTest(start=start):
                for group in GROUPS:
                    self.assert_up(self.openssl(start, "-tls1_3", "-groups", group))
                for group in NO_GROUPS:
                    self.assert_alert(self.openssl(start, "-tls1_3", "-groups", group), 40)

    def test_nothing_is_renegotiated(self):
        """TLS-4, T04: the request is refused, and the connection ends over it."""
        for start in STARTS:
            with self.subTest(start=start):
                text = self.openssl(start, "-tls1_2", stdin="R\n")
                self.assertIn("RENEGOTIATING", text)
                self.assertIn("no renegotiation", text)

    def test_no_session_is_ever_resumed(self):
        """SNI-7, T06, T08, T09: no tickets, no ids, no early data; not even of one tenant alone."""
        for start in STARTS:
            with self.subTest(start=start):
                text = self.openssl(start, "-tls1_2", "-reconnect")
                self.assertGreaterEqual(text.count("New, TLSv1.2"), 1 if start == "starttls" else 6)
                self.assertNotIn("Reused", text)
                text = self.openssl(start, "-tls1_2")
                self.assertNotIn("session ticket", text)
                text = self.openssl(start, "-tls1_3", "-msg", "-ign_eof",
                                    stdin="<?xml version='1.0'?><x>")
                self.assertIn("stream:error", text)  # it went on long enough for a ticket to come
                self.assertNotIn("NewSessionTicket", text)
                self.assertNotIn("Post-Handshake New Session Ticket", text)
                self.assertIn("Early data was not sent", text)

    def test_every_peer_is_asked_for_a_certificate_and_no_authority_is_named(self):
        """TLS-3, T23."""
        for start in STARTS:
            with self.subTest(start=start):
                for version in ("-tls1_2", "-tls1_3"):
                    text = self.openssl(start, version)
                    self.assertIn("No client certificate CA names sent", text)
                    self.assertRegex(text, "Requested Signature Algorithms: [A-Z]")

    def test_a_certificate_that_proves_nothing_does_not_end_the_handshake(self):
        """TLS-3: whether it is any good is said in XMPP."""
        own = self.stage.identity("rohan.example", signed_by="self")
        gone = self.stage.identity("rohan.example", days=-1)
        for start in STARTS:
            with self.subTest(start=start):
                for identity in (own, gone):
                    for version in ("-tls1_2", "-tls1_3"):
                        text = self.openssl(start, version, "-cert", identity.chain,
                                            "-key", identity.key)
                        self.assert_up(text)
                        self.assertNotIn("alert", text)

    def test_alerts(self):
        """SNI-3, SNI-6, T10: unrecognized_name(112), no_application_protocol(120)."""
        self.assert_alert(self.openssl("direct", name="nobody.example"), 112)
        self.assert_alert(self.openssl("direct", name=None), 112)
        self.assert_alert(self.openssl("starttls", name="nobody.example"), 112)
        for start in STARTS:
            with self.subTest(start=start):
                self.assert_alert(self.openssl(start, "-alpn", "h2,http/1.1"), 120)
                self.assertIn("ALPN protocol: xmpp-server",
                              self.openssl(start, "-alpn", "h2,xmpp-server"))

    def test_the_certificate_is_the_tenants(self):
        """SNI-3: by the server name, and with STARTTLS also by `to` alone."""
        for start, name, to, shown in (("direct", ONE, None, ONE), ("direct", TWO, None, TWO),
                                       ("starttls", None, ONE, ONE), ("starttls", None, TWO, TWO),
                                       ("starttls", TWO, TWO, TWO),
                                       ("starttls", "gate.example", TWO, TWO)):
            with self.subTest(start=start, name=name, to=to):
                text = self.openssl(start, name=name, to=to)
                self.assertRegex(text, rf"subject=CN ?= ?{re.escape(shown)}\n")

    def test_small_fragments_and_odd_hellos(self):
        """T14, T27."""
        for start in STARTS:
            with self.subTest(start=start):
                for words in (["-maxfraglen", "512"], ["-max_send_frag", "512"], ["-no_etm"],
                              ["-legacy_server_connect"], ["-fallback_scsv"]):
                    with self.subTest(words=words):
                        self.assert_up(self.openssl(start, *words))

    # GnuTLS

    def gnutls(self, start, *words, stdin=""):
        address, _, port = self.doors[start].partition(":")
        done = self.stage.world.run(
            ["gnutls-cli", "--insecure", f"--sni-hostname={ONE}", f"--port={port}", *words,
             address], stdin=stdin, check=False, seconds=20)
        return done.stdout + done.stderr

    def test_gnutls_agrees(self):
        """P-1, P-2, SNI-6, SNI-7, TLS-4, by another library."""
        for start in STARTS:
            with self.subTest(start=start):
                text = self.gnutls(start, "--alpn=xmpp-server", stdin=" ")
                self.assertRegex(text, r"Description: \(TLS1\.3-X\.509\)-\(ECDHE-")
                self.assertIn("Application protocol: xmpp-server", text)
                for version in ("1.3", "1.2"):
                    only = f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}"
                    text = self.gnutls(start, "--resume", only, stdin=" ")
                    self.assertIn(f"(TLS{version}", text)
                    self.assertIn("trying to resume previous session", text)
                    self.assertNotIn("This is a resumed session", text)
                for refused in OLD_WAYS:
                    text = self.gnutls(start, "--priority=" + refused)
                    self.assertIn("A TLS fatal alert has been received", text, refused)


if __name__ == "__main__":
    unittest.main(verbosity=2)
