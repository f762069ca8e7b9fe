"""Which certificate a stranger gets to see, and when none: server names, ALPN, both kinds of keys,
and whoever is at the wrong door."""

import ssl
import time
import unittest

import common
from lab import gate as lab_gate
from script import STREAMS, Closed, client_context
from stage import Stage

ONE, TWO, UNKNOWN, HOST = "shire.example", "bree.example", "nobody.example", "gate.example"
NO_NAME, NO_PROTOCOL = "unrecognized name", "no application protocol"  # alerts 112 and 120

# server name, stream `to`: what comes of it with STARTTLS and with direct TLS. A tenant: its
# certificate is shown and the stream goes on; else the alert, or the reason in the log.
MATRIX = (
    (None, ONE, ONE, NO_NAME),
    (None, TWO, TWO, NO_NAME),
    (None, UNKNOWN, "FG-S06", NO_NAME),
    (ONE, ONE, ONE, ONE),
    (ONE, TWO, "FG-S16", "FG-S16"),
    (ONE, UNKNOWN, "FG-S06", "FG-S06"),
    (UNKNOWN, ONE, NO_NAME, NO_NAME),
    (UNKNOWN, TWO, NO_NAME, NO_NAME),
    (UNKNOWN, UNKNOWN, "FG-S06", NO_NAME),
    # The name of the host itself (SNI-3): peers take it from the SRV record. It shows what `to`
    # asks for, and nothing where there is no `to` yet.
    (HOST, ONE, ONE, NO_NAME),
    (HOST, TWO, TWO, NO_NAME),
    (HOST, UNKNOWN, "FG-S06", NO_NAME),
    # Letters' case means nothing, a part of a name is none, and neither is an address.
    (ONE.upper(), ONE, ONE, ONE),
    ("x." + ONE, ONE, NO_NAME, NO_NAME),
    ("example", ONE, NO_NAME, NO_NAME),
)
# Who is there: the reason in the log, what they say.
STRANGERS = {
    "HTTP": ("FG-X10", b"GET / HTTP/1.1\r\nHost: shire.example\r\n\r\n"),
    "HTTP, a form that holds a stream": ("FG-X10", b"POST / HTTP/1.1\r\n\r\n<stream:stream>"),
    "SSH": ("FG-X10", b"SSH-2.0-OpenSSH_9.2\r\n"),
    "SMTP": ("FG-X10", b"EHLO mail.example\r\n"),
    "DNS": ("FG-X03", b"\0\x1d\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\0\0\1\0\1"),
    "PROXY protocol (M18)": ("FG-X10", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n<?xml "),
    "another XML": ("FG-S01", b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>"),
    "an empty root": ("FG-S01", b"<?xml version='1.0'?><x/>"),
    "an empty stream": ("FG-S01", f"<stream:stream xmlns:stream='{STREAMS}'/>".encode()),
    "SSLv2": ("FG-X10", b"\x80\x2e\x01\0\2\0\x15\0\0\0\x10"),
    "zeroes": ("FG-X03", bytes(64)),
}


def words_of(error):
    """The alert behind an error, in the library's words."""
    return next((words for words in (NO_NAME, NO_PROTOCOL) if words in str(error)), str(error))


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("sni", common.BINARY)
        cls.addClassCleanup(stage.close)
        cls.shown = {}
        for domain in (ONE, TWO):
            rsa = stage.identity(domain, key="rsa")
            stage.tenant(domain, second=rsa)
            for identity in (stage.identity(domain), rsa):
                pem = identity.chain.read_text(encoding="ascii").split("-----END")[0]
                der = ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----\n")
                cls.shown[der] = domain, "rsa" if identity is rsa else "ecdsa"
        stage.start()
        cls.mine = stage.identity("rohan.example")

    def setUp(self):
        self.bytes, self.mark = self.stage.canary.bytes, self.stage.gate.mark()

    def tearDown(self):
        self.assertEqual(self.stage.canary.bytes, self.bytes)

    def dial(self, direct, name, to, **more):
        """The peer behind its header, and what was shown."""
        peer = self.stage.connect()
        self.addCleanup(peer.close)
        if not direct:
            peer.header("rohan.example", to)
            peer.starttls(name, self.mine, **more)
        else:
            peer.tls(client_context(self.mine, **more), name)
        shown = self.shown[peer.sock.getpeercert(True)]
        peer.header("rohan.example", to)
        return peer, shown

    def comes_of(self, direct, name, to):
        try:
            peer, shown = self.dial(direct, name, to)
            peer.features()
            return shown[0]
        except ssl.SSLError as error:
            return words_of(error)
        except Closed:
            return self.stage.gate.wait_event("refused", since=self.mark)["reason"]

    def test_the_matrix_of_server_names(self):
        """SNI-3, SNI-4, S08, S11, S13; RFC 6066 3, RFC 9325 3.7."""
        for name, to, starttls, direct in MATRIX:
            for is_direct, expected in ((False, starttls), (True, direct)):
                with self.subTest(name=name, to=to, direct=is_direct):
                    self.setUp()
                    self.assertEqual(self.comes_of(is_direct, name, to), expected)
                    if expected == NO_NAME:
                        reason = "FG-T03" if name else "FG-T02"
                        self.stage.gate.wait_event("refused", since=self.mark, reason=reason)

    def test_alpn(self):
        """SNI-6, T10, T11: nothing is as good as ours; what does not hold ours is refused."""
        for offered, chosen in ((None, None), (["xmpp-server"], "xmpp-server"),
                                (["h2", "xmpp-server"], "xmpp-server"), (["h2"], NO_PROTOCOL),
                                (["http/1.1", "ftp", "imap"], NO_PROTOCOL),
                                (["xmpp-client"], NO_PROTOCOL), (["xmpp-serve"], NO_PROTOCOL)):
            with self.subTest(offered=offered):
                self.setUp()
                try:
                    peer, _ = self.dial(True, ONE, ONE, alpn=offered)
                    self.assertEqual(peer.sock.selected_alpn_protocol(), chosen)
                except ssl.SSLError as error:
                    self.assertEqual(words_of(error), chosen)
                    self.stage.gate.wait_event("refused", since=self.mark, reason="FG-T04")

    def test_a_clients_stream_on_the_servers_protocol(self):
        """SNI-6, ST-5."""
        peer = self.stage.direct(ONE, self.mine, alpn=["xmpp-server"])
        self.addCleanup(peer.close)
        peer.send(f"<stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' to='{ONE}' "
                  "version='1.0'>")
        self.assertIn("invalid-namespace", peer.expect_closed(5))

    def test_ecdsa_and_rsa_side_by_side(self):
        """TLS 1.2 says by its suites which key it can judge, TLS 1.3 by its signatures."""
        for words, kind in ((["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "rsa"),
                            (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ecdsa"),
                            (["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"], "rsa"),
                            (["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256:"
                              "rsa_pss_rsae_sha256"], "ecdsa"), ([], "ecdsa")):
            for start in ([], ["-starttls", "xmpp-server", "-xmpphost", TWO]):
                with self.subTest(words=words, start=start):
                    done = self.stage.world.run(
                        ["openssl", "s_client", "-connect", f"{lab_gate.PUBLIC}:5269",
                         "-servername", TWO, *words, *start], check=False, seconds=10)
                    pem = done.stdout[done.stdout.index("-----BEGIN"):].split("-----END")[0]
                    der = ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----\n")
                    self.assertEqual(self.shown[der], (TWO, kind))

    def test_whoever_is_at_the_wrong_door(self):
        """X32, M18: told nothing but a stream error, gone within a second, and logged as such; in
        clear and inside TLS."""
        for what, (reason, opening) in STRANGERS.items():
            for secured in (False, True):
                with self.subTest(what=what, secured=secured):
                    self.setUp()
                    peer = self.stage.direct(ONE) if secured else self.stage.connect()
                    began = time.monotonic()
                    peer.send(opening)
                    said = peer.expect_closed(5)
                    peer.close()
                    self.assertLess(time.monotonic() - began, 1)
                    self.assertRegex(said, r"^<\?xml[^>]*><stream:stream [^>]*from='gate\.example'"
                                     r"[^>]*><stream:error>.*</stream:error></stream:stream>$")
                    self.stage.gate.wait_event("refused", since=self.mark, reason=reason)


if __name__ == "__main__":
    unittest.main(verbosity=2)
