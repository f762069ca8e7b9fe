"""Peers that believe POSH and nothing else, by the second verifier (posh_verifier.py).

    posh = verifier(stage)
    strict_dial(stage, posh, "rohan.example", "shire.example")     # a proven Dialogue
    server = StrictServer(host, "rohan.example", posh, identity=...)   # the gate dials it
    server.verdicts                                 # (who, verdict) of each stream that came

Python's own ssl module never shows a certificate that no authority vouches for: hence pyOpenSSL.
"""

import select
import time

from OpenSSL import SSL, crypto

import posh_verifier
from script import Dialogue, ScriptedServer, client_context
from stage import GATE


class _Link:
    """A TLS connection with the few methods of a socket that a Dialogue needs."""

    def __init__(self, context, sock):
        self._sock, self._tls, self._seconds = sock, SSL.Connection(context, sock), 10
        sock.setblocking(False)
        self._tls.set_accept_state()
        self._patiently(self._tls.do_handshake)

    def _patiently(self, call, *words):
        end = time.monotonic() + self._seconds
        while True:
            try:
                return call(*words)
            except SSL.WantReadError:
                ready = select.select([self._sock], [], [], max(end - time.monotonic(), 0))
            except SSL.WantWriteError:
                ready = select.select([], [self._sock], [], max(end - time.monotonic(), 0))
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:  # whatever it was, it is over
                raise ConnectionError(str(error)) from error
            if not any(ready):
                raise TimeoutError

    def settimeout(self, seconds):
        self._seconds = seconds

    def recv(self, size):
        return self._patiently(self._tls.recv, size)

    def sendall(self, data):
        while data:
            data = data[self._patiently(self._tls.send, data):]

    def getpeercert(self, _=True):
        """DER, or None."""
        shown = self._tls.get_peer_certificate()
        return shown and crypto.dump_certificate(crypto.FILETYPE_ASN1, shown)

    def setsockopt(self, *words):
        self._sock.setsockopt(*words)

    def shutdown(self, how):
        self._sock.shutdown(how)

    def close(self):
        self._sock.close()


class _Context:
    """TLS for whoever is dialled: any certificate may be shown."""

    def __init__(self, identity, alpn):
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.use_certificate_chain_file(str(identity.chain))
        self._context.use_privatekey_file(str(identity.key))
        self._context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        if alpn:
            self._context.set_alpn_select_callback(lambda _, offered: offered[0])

    def wrap_socket(self, sock, **_):
        return _Link(self._context, sock)


class StrictServer(ScriptedServer):
    """EXTERNAL for those whom POSH proves; no dialback."""

    def __init__(self, host, domain, posh, **how):
        self.posh, self.verdicts = posh, []
        super().__init__(host, domain, dialback="off", **how)

    def context(self, alpn=None):
        return _Context(self.identity, alpn)

    def shown(self, link, who):
        der = link.sock.getpeercert()
        verdict = self.posh.check(who, der) if der else posh_verifier.Verdict(False, "none")
        self.verdicts.append((who, verdict))
        return verdict.accepted


def verifier(stage, **how):
    """One that finds web servers by the lab's A records and believes the lab's web CA."""
    def connect(host, port):
        return stage.world.connect((stage.names.records[f"{host}.", "A"][0], port))

    return posh_verifier.Verifier(connect, stage.web_ca.root, **how)


class Refused(Exception):
    """The gate's certificate is not the tenant's."""


def strict_dial(stage, posh, from_, to, gate=GATE):
    """A stream to the gate, proven both ways: the gate by POSH, we by certificate."""
    identity = stage.identity(from_)
    peer = Dialogue(stage.world.connect(gate))
    try:
        peer.header(from_, to)
        peer.features()
        peer.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        peer.expect(r"<proceed[^>]*>")
        peer.tls(client_context(identity), to)
        verdict = posh.check(to, peer.sock.getpeercert(True))
        if not verdict.accepted:
            raise Refused(f"{verdict.reason} {verdict.why}")
        peer.header(from_, to)
        peer.features()
        if peer.external(from_) != "success":
            raise AssertionError("EXTERNAL failed: " + peer.all_said[-400:])
        peer.header(from_, to)
        peer.features()
    except BaseException:
        peer.close()
        raise
    return peer
