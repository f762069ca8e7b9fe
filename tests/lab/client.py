"""A small XMPP client, enough to count: what was sent, what came, when, and in which order.

    frodo = Client(host, backend.host.address, "frodo", "shire.example")
    frodo.message("elrond@rivendell.example", "hello", "m1")
    got = elrond.wait(lambda stanza: stanza.get("id") == "m1")
"""

import base64
import itertools
import socket
import ssl
import threading
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from lab.net import LabError
from lab.server import PASSWORD

CLIENT = "{jabber:client}"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"


class Client:
    """One logged-in session. `stanzas` holds (time, element) of all that came, oldest first."""

    def __init__(self, host, server, name, domain, password=PASSWORD, port=5222, tls=False,
                 resource="lab", seconds=10):
        self.jid, self.domain = f"{name}@{domain}", domain
        self.full = f"{self.jid}/{resource}"
        self.stanzas, self.closed = [], None
        self._arrived = threading.Condition()
        self._ids = itertools.count(1)
        self._parser = self._root = None
        self._depth = 0
        self._sock = host.connect((server, port), seconds)
        if tls:
            context = ssl._create_unverified_context()  # pylint: disable=protected-access
            self._sock = context.wrap_socket(self._sock, server_hostname=domain)
        self._sock.settimeout(None)
        self._new_parser()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._login(name, password, resource, seconds)
        except LabError:
            self.close()
            raise

    # Reading

    def _new_parser(self):
        self._parser, self._depth, self._root = ET.XMLPullParser(("start", "end")), 0, None

    def _read(self):
        why = "closed by the server"
        try:
            while data := self._sock.recv(65536):
                self._feed(data)
        except (OSError, ET.ParseError, ValueError) as error:
            why = str(error)
        self._sock.close()
        with self._arrived:
            self.closed = self.closed or why
            self._arrived.notify_all()

    def _feed(self, data):
        self._parser.feed(data)
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "start" and self._depth == 1:
                self._root = element
            elif event == "end" and self._depth == 1:
                self._take(element)

    def _take(self, element):
        if element.tag == f"{{{SASL}}}success":
            self._new_parser()
        elif self._root is not None:
            self._root.clear()
        with self._arrived:
            self.stanzas.append((time.time(), element))
            self._arrived.notify_all()

    def wait(self, wanted, seconds=10, what="the answer"):
        """The first stanza, already here or still to come, for which wanted(element) is true."""
        seen, end = 0, time.monotonic() + seconds
        with self._arrived:
            while True:
                for _, element in self.stanzas[seen:]:
                    if wanted(element):
                        return element
                seen = len(self.stanzas)
                left = end - time.monotonic()
                if self.closed or left <= 0:
                    raise LabError(f"{self.jid}: {what} did not come"
                                   + (f" ({self.closed})" if self.closed else ""))
                self._arrived.wait(left)

    def messages(self, sender=None):
        """All messages that came, in order; `sender`: a bare JID or a domain."""
        with self._arrived:
            found = [one for _, one in self.stanzas if one.tag == CLIENT + "message"]
        return [one for one in found if sender is None or
                sender in (one.get("from", "").partition("/")[0],
                           one.get("from", "").partition("/")[0].rpartition("@")[2])]

    # Writing

    def send(self, text):
        self._sock.sendall(text.encode())

    def message(self, to, body, ident=None, kind="chat"):
        ident = ident or f"m{next(self._ids)}"
        self.send(f"<message to={quoteattr(to)} id={quoteattr(ident)} type='{kind}'>"
                  f"<body>{escape(body)}</body></message>")
        return ident

    def query(self, to, payload, kind="get", seconds=10):
        """Sends an iq and returns its answer, whether result or error."""
        ident = f"q{next(self._ids)}"
        target = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{ident}'{target}>{payload}</iq>")
        return self.wait(lambda one: one.tag == CLIENT + "iq" and one.get("id") == ident
                         and one.get("type") in ("result", "error"), seconds, f"answer to {ident}")

    def ping(self, to, seconds=10):
        return self.query(to, "<ping xmlns='urn:xmpp:ping'/>", seconds=seconds)

    def close(self):
        self.closed = self.closed or "closed by us"
        try:
            self.send("</stream:stream>")
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # Logging in

    def _open(self, count, seconds):
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
                  "xmlns:stream='http://etherx.jabber.org/streams' "
                  f"to={quoteattr(self.domain)}>")
        features = "{http://etherx.jabber.org/streams}features"
        self.wait(lambda _: len([one for _, one in self.stanzas if one.tag == features]) == count,
                  seconds, "stream features")

    def _login(self, name, password, resource, seconds):
        self._open(1, seconds)
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
        answer = self.wait(lambda one: one.tag in (f"{{{SASL}}}success", f"{{{SASL}}}failure"),
                           seconds, "SASL answer")
        if answer.tag.endswith("failure"):
            raise LabError(f"{self.jid}: login refused: {ET.tostring(answer).decode()}")
        self._open(2, seconds)
        bound = self.query(None, f"<bind xmlns='{BIND}'><resource>{escape(resource)}</resource>"
                                 "</bind>", "set", seconds)
        self.full = bound.findtext(f".//{{{BIND}}}jid", self.full)
        self.query(None, "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", "set", seconds)
        self.send("<presence/>")
