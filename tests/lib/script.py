"""Scripted XMPP servers for what a real one cannot be made to do: wrong, hostile or old ones.

    with Dialogue(host.connect(GATE)) as peer:
        peer.header("rohan.example", "shire.example")
        peer.starttls(name="shire.example", identity=identity)
        peer.header("rohan.example", "shire.example")
        peer.expect("EXTERNAL")
        peer.external("rohan.example")

A Dialogue is one connection, spoken by hand. A ScriptedServer is a peer that is dialled, with a
type of its own: which version, which TLS, which proofs. A ScriptedBackend stands where a tenant's
own server would, counts every byte and answers dialback.
"""

import base64
import re
import socket
import ssl
import struct
import threading
import time
import uuid
from xml.sax.saxutils import quoteattr

STREAMS = "http://etherx.jabber.org/streams"
DIALBACK = "jabber:server:dialback"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
FEATURE_DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
FEATURE_EXTERNAL = f"<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
ELEMENT = re.compile(r"<(?P<name>[\w:.-]+)(?P<attrs>[^>]*?)(?:/>|>(?P<body>.*?)</(?P=name)>)", re.S)


class Closed(Exception):
    """The other side closed; `text` is all it said before."""

    def __init__(self, text):
        super().__init__("the connection is closed; it had said: " + text[-800:])
        self.text = text


def header(from_, to, stream_id=None, version="1.0", lang="en", extra="", dialback=True):
    """A stream header; None leaves an attribute out."""
    extra = (f" xmlns:db='{DIALBACK}'" if dialback else "") + extra
    given = (("from", from_), ("to", to), ("id", stream_id), ("version", version),
             ("xml:lang", lang))
    attrs = "".join(f" {name}={quoteattr(value)}" for name, value in given if value is not None)
    return (f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='{STREAMS}'"
            f"{attrs}{extra}>")


def attribute(text, name):
    """The value of an attribute in a tag's text, or None."""
    found = re.search(rf"\s{name}=(['\"])(.*?)\1", text, re.S)
    return found.group(2) if found else None


def message(from_, to, body, stanza_id=None):
    return (f"<message from={quoteattr(from_)} to={quoteattr(to)} type='chat' "
            f"id={quoteattr(stanza_id or uuid.uuid4().hex)}><body>{body}</body></message>")


def client_context(identity=None, alpn=None, lowest=ssl.TLSVersion.TLSv1_2, highest=None):
    """TLS for whoever dials; the other side's certificate is recorded, not judged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = lowest
    if highest:
        context.maximum_version = highest
    if identity:
        context.load_cert_chain(identity.chain, identity.key)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def server_context(identity, ask_certificate_of=None, alpn=None):
    """TLS for whoever is dialled; `ask_certificate_of`: a CA file to ask clients' of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.chain, identity.key)
    if ask_certificate_of:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(ask_certificate_of)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Dialogue:
    """One connection, either end of it."""

    def __init__(self, sock, seconds=10):
        self.sock, self.seconds = sock, seconds
        self.sock.settimeout(seconds)
        self.said = ""      # what the other side said and nobody has consumed
        self.all_said = ""  # everything it ever said
        self.stream_id = None
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closed = True
        try:
            self.sock.close()
        except OSError:
            pass

    def abort(self):
        """Ends it by RST."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.shutdown(socket.SHUT_RD)  # whoever waits in recv() lets go of it
        except OSError:
            pass
        self.close()

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())

    def receive(self, seconds=None):
        """Takes what there is; raises Closed at the end."""
        self.sock.settimeout(self.seconds if seconds is None else max(seconds, 0.001))
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError) as error:
            if isinstance(error, (ssl.SSLWantReadError, socket.timeout)):
                raise TimeoutError from error
            data = b""
        if not data:
            raise Closed(self.all_said)
        text = data.decode("utf-8", "replace")
        self.said += text
        self.all_said += text

    def expect(self, pattern, seconds=None):
        """Waits for the pattern and consumes up to its end; the match."""
        end = time.monotonic() + (self.seconds if seconds is None else seconds)
        while True:
            found = re.search(pattern, self.said, re.S)
            if found:
                self.said = self.said[found.end():]
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {pattern!r} came, but: {self.said[-800:]!r}")
            try:
                self.receive(left)
            except TimeoutError:
                pass

    def expect_closed(self, seconds=10):
        """Waits for the end of the connection; all that was said."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                try:
                    self.receive(end - time.monotonic())
                except TimeoutError:
                    pass
        except Closed as closed:
            return closed.text
        raise TimeoutError(f"the connection is still open; it said: {self.all_said[-800:]!r}")

    def silent(self, seconds=0.5):
        """True when nothing at all comes for a while."""
        try:
            self.receive(seconds)
        except TimeoutError:
            return not self.said
        except Closed:
            return False
        return False

    # Streams

    def header(self, from_, to, answered=True, **more):
        """Sends a header and, unless told not to, waits for the answer's."""
        self.send(header(from_, to, **more))
        return self.expect_header() if answered else None

    def expect_header(self, seconds=None):
        tag = self.expect(r"<stream:stream[^>]*>", seconds).group(0)
        self.stream_id = attribute(tag, "id")
        return tag

    def features(self, seconds=None):
        return self.expect(r"<stream:features\s*/>|<stream:features.*?</stream:features>",
                           seconds).group(0)

    def tls(self, context, name=None, server=False):
        """The handshake, from the next byte on."""
        self.sock.settimeout(self.seconds)
        self.sock = context.wrap_socket(self.sock, server_side=server,
                                        server_hostname=None if server else name)
        self.said = ""

    def starttls(self, name, identity=None, **more):
        """Features, <starttls/>, <proceed/>, handshake."""
        self.features()
        self.send(f"<starttls xmlns='{TLS}'/>")
        self.expect(r"<proceed[^>]*>")
        self.tls(client_context(identity, **more), name)

    def external(self, domain):
        """SASL EXTERNAL to its end, the new header not sent yet."""
        word = base64.b64encode(domain.encode()).decode() if domain else "="
        self.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{word}</auth>")
        return self.expect(r"<(success|failure)\b.*?>").group(1)

    def end(self):
        self.send("</stream:stream>")


def proven(sock, from_, to, identity, direct=False):
    """A Dialogue that has proven (from_, to) by certificate and EXTERNAL."""
    peer = Dialogue(sock)
    if direct:
        peer.tls(client_context(identity, alpn=["xmpp-server"]), to)
    else:
        peer.header(from_, to)
        peer.starttls(to, identity)
    peer.header(from_, to)
    features = peer.features()
    if "EXTERNAL" not in features:
        raise AssertionError("EXTERNAL was not offered: " + features)
    if peer.external(from_) != "success":
        raise AssertionError("EXTERNAL failed: " + peer.all_said[-400:])
    peer.header(from_, to)
    peer.features()
    return peer


class Elements:
    """Cuts a stream that scripts speak into top-level elements: enough for what servers send."""

    def __init__(self, dialogue):
        self.dialogue = dialogue

    def next(self, seconds=30):
        """(name, attributes' text, body, whole) of the next element; None at the end tag."""
        end = time.monotonic() + seconds
        while True:
            text = self.dialogue.said.lstrip()
            if text.startswith("</stream:stream"):
                return None
            found = ELEMENT.match(text)
            if found:
                self.dialogue.said = text[found.end():]
                return found["name"], found["attrs"], found["body"] or "", found.group(0)
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no element came, but: " + text[:400])
            try:
                self.dialogue.receive(left)
            except TimeoutError:
                pass


class Listener:
    """Accepts on a host's address and serves every connection in a thread of its own."""

    def __init__(self, host, port, address=None):
        self.host, self.port = host, port
        self.address = address or host.address
        self.links, self.errors = [], []
        self.listen()

    def listen(self):
        """Accepts connections (again)."""
        self.sock, self.stopped = self.host.listen((self.address, self.port)), False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while not self.stopped:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            link = Dialogue(sock, 600)
            self.links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        try:
            self.serve(link)
        except (Closed, TimeoutError, OSError) as error:
            self.errors.append(error)
        finally:
            link.close()

    def serve(self, link):
        raise NotImplementedError

    def stop(self, abort=False):
        """Listens no more and closes what is open; `abort`: as a killed process's machine does
        that has unread bytes (RST)."""
        self.stopped = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        for link in self.links:
            link.abort() if abort else link.close()
        self.thread.join(5)


class ScriptedServer(Listener):
    """A peer that the gate dials: it takes stanzas and answers dialback questions.

    version: "1.0" or None (before XMPP 1.0); tls: "off", "offered", "required" or "direct";
    external: offer it to whoever showed a certificate; dialback: "verify" asks the gate back,
    "valid", "invalid", "error", "silent" answer without asking, "off" does not offer it;
    knows: what it says to db:verify about keys, a function (from, to, id, key) -> type.
    """

    def __init__(self, host, domain, identity=None, port=5269, tls="required", version="1.0",
                 external=True, dialback="verify", ca=None, gate=None, knows=None, address=None):
        self.domain, self.identity, self.tls_mode, self.version = domain, identity, tls, version
        self.offer_external, self.dialback, self.ca, self.gate = external, dialback, ca, gate
        self.knows = knows or (lambda *_: "valid")
        self.stanzas, self.proofs, self.questions, self.headers = [], [], [], []
        self.arrived = threading.Condition()
        super().__init__(host, port, address)

    def serve(self, link):
        secured = self.tls_mode == "direct"
        if secured:
            link.tls(self.context(["xmpp-server"]), server=True)
        authenticated = None
        while True:
            tag = link.expect_header()
            self.headers.append(tag)
            link.stream_id = uuid.uuid4().hex
            link.send(header(self.domain, attribute(tag, "from"), link.stream_id, self.version,
                             dialback=self.dialback != "off"))
            certificate = secured and self.shown(link, attribute(tag, "from"))
            if self.version:
                link.send(f"<stream:features>{self._features(secured, certificate, authenticated)}"
                          "</stream:features>")
            step = self._negotiate(link, tag, secured)
            if step == "tls":
                link.tls(self.context(), server=True)
                secured = True
            elif step == "external":
                authenticated = attribute(tag, "from")
                self._note("EXTERNAL", authenticated)
            else:
                return

    def context(self, alpn=None):
        return server_context(self.identity, self.ca, alpn)

    @staticmethod
    def shown(link, _):
        """What the other side's certificate is worth: EXTERNAL is offered, or not."""
        return link.sock.getpeercert()

    def _features(self, secured, certificate, authenticated):
        parts = []
        if not secured and self.tls_mode in ("offered", "required"):
            need = "<required/>" if self.tls_mode == "required" else ""
            parts.append(f"<starttls xmlns='{TLS}'>{need}</starttls>")
            if need:
                return "".join(parts)
        if secured and certificate and self.offer_external and not authenticated:
            parts.append(FEATURE_EXTERNAL)
        if self.dialback != "off":
            parts.append(FEATURE_DIALBACK)
        return "".join(parts)

    def _note(self, proof, domain):
        with self.arrived:
            self.proofs.append((proof, domain))
            self.arrived.notify_all()

    def _negotiate(self, link, tag, secured):
        elements = Elements(link)
        while True:
            element = elements.next(600)
            if element is None:
                link.end()
                return "end"
            name, attrs, body, whole = element
            if name == "starttls":
                link.send(f"<proceed xmlns='{TLS}'/>")
                return "tls"
            if name == "auth":
                link.send(f"<success xmlns='{SASL}'/>")
                return "external"
            if name == "db:result":
                self._answer_result(link, attrs, body)
            elif name == "db:verify":
                self._answer_verify(link, attrs, body)
            elif name in ("message", "presence", "iq"):
                with self.arrived:
                    self.stanzas.append(whole)
                    self.arrived.notify_all()

    def _answer_result(self, link, attrs, key):
        from_, to = attribute(attrs, "from"), attribute(attrs, "to")
        kind = self.dialback
        if kind == "silent":
            return
        if kind == "verify":
            kind = self.ask_gate(from_, to, link.stream_id, key)
        self._note(f"dialback {kind}", from_)
        if kind == "error":
            link.send(f"<db:result from='{to}' to='{from_}' type='error'><error type='cancel'>"
                      "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                      "</error></db:result>")
        else:
            link.send(f"<db:result from='{to}' to='{from_}' type='{kind}'/>")

    def _answer_verify(self, link, attrs, key):
        from_, to, stream_id = (attribute(attrs, one) for one in ("from", "to", "id"))
        self.questions.append((from_, to, stream_id, key))
        kind = self.knows(from_, to, stream_id, key)
        if kind:
            link.send(f"<db:verify from='{to}' to='{from_}' id='{stream_id}' type='{kind}'/>")

    def ask_gate(self, tenant, ours, stream_id, key):
        """Asks the gate, as authoritative for the tenant, whether it made this key."""
        with Dialogue(self.host.connect(self.gate)) as ask:
            ask.header(ours, tenant)
            if "starttls" in ask.all_said or self.tls_mode != "off":
                ask.starttls(tenant, self.identity)
                ask.header(ours, tenant)
            ask.features()
            ask.send(f"<db:verify from='{ours}' to='{tenant}' id='{stream_id}'>{key}</db:verify>")
            return attribute(ask.expect(r"<db:verify[^>]*>").group(0), "type")

    def wait_for(self, count, seconds=15):
        """The stanzas, once there are so many."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.stanzas) >= count, seconds):
                raise TimeoutError(f"{len(self.stanzas)} stanzas of {count} came; "
                                   f"proofs {self.proofs}, errors {self.errors}")
            return list(self.stanzas)


class ScriptedBackend(Listener):
    """A tenant's own server, as the gate sees it: it answers dialback in both directions and keeps
    every byte that reached it. `trusting`: says valid to every peer the gate brings."""

    def __init__(self, host, domains, egress, port=5269, trusting=True, address=None):
        self.domains, self.egress, self.trusting = set(domains), egress, trusting
        self.stanzas, self.bytes, self.peers = [], 0, []
        self.keys = {}  # (from, to, id of the gate's header) -> our key
        self.arrived = threading.Condition()
        super().__init__(host, port, address)

    def serve(self, link):
        tag = link.expect_header()
        peer, tenant = attribute(tag, "from"), attribute(tag, "to")
        self.bytes += len(tag)
        link.stream_id = uuid.uuid4().hex
        link.send(header(tenant, peer, link.stream_id)
                  + f"<stream:features>{FEATURE_DIALBACK}</stream:features>")
        elements = Elements(link)
        while True:
            element = elements.next(600)
            if element is None:
                link.end()
                return
            name, attrs, body, whole = element
            self.bytes += len(whole)
            if name == "db:result":
                kind = "valid" if self.trusting else self.ask(peer, tenant, link.stream_id, body)
                self.peers.append((peer, tenant, kind))
                link.send(f"<db:result from='{tenant}' to='{peer}' type='{kind}'/>")
            elif name == "db:verify":
                self._answer_verify(link, attrs, body)
            else:
                with self.arrived:
                    self.stanzas.append(whole)
                    self.arrived.notify_all()

    def _answer_verify(self, link, attrs, key):
        from_, to, stream_id = (attribute(attrs, one) for one in ("from", "to", "id"))
        kind = "valid" if self.keys.get((to, from_, stream_id)) == key else "invalid"
        link.send(f"<db:verify from='{to}' to='{from_}' id='{stream_id}' type='{kind}'/>")

    def ask(self, peer, tenant, stream_id, key):
        """What Prosody and ejabberd do: asks "the peer", that is egress, whether the key is its."""
        with Dialogue(self.host.connect(self.egress)) as link:
            link.header(tenant, peer)
            link.features()
            link.send(f"<db:verify from='{tenant}' to='{peer}' id='{stream_id}'>{key}</db:verify>")
            return attribute(link.expect(r"<db:verify[^>]*>").group(0), "type")

    def dial(self, tenant, peer, proven_key=True):
        """A stream of ours towards `peer`, on egress, its dialback request sent."""
        link = Dialogue(self.host.connect(self.egress), 70)
        link.header(tenant, peer)
        link.features()
        key = uuid.uuid4().hex
        if proven_key:
            self.keys[(tenant, peer, link.stream_id)] = key
        link.send(f"<db:result from='{tenant}' to='{peer}'>{key}</db:result>")
        return link

    def wait_for(self, count, seconds=15):
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.stanzas) >= count, seconds):
                raise TimeoutError(f"{len(self.stanzas)} stanzas of {count} came; {self.errors}")
            return list(self.stanzas)
