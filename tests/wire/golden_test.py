"""Who federates with whom, and how well: XEP-0238, every type of server with every other.

The types (XEP-0238 2): 1 XMPP 0.9 and dialback, no certificate; 2 and 3 take TLS or leave it, self-
signed and CA-issued; 4 and 5 require TLS, self-signed and CA-issued; 6 requires a certificate that
proves the domain, and knows no dialback. fedgate plays each of them, as who dials and as who
answers, against a scripted peer of each; and stock Prosody and ejabberd play 4, 5 and 6.

V, E and T are the XEP's words for verified, secure and trusted; U: they do not federate. A stream
is worth what the weaker of its two proofs is worth: the level of a cell is the lower one of what
fedgate noted about the peer and what the peer saw of fedgate.

CELLS is the specification. Where the XEP's summary and its own flows disagree, the flows count
(2 to 3 and 3 to 3 in clear: V; 2 to 5: E; 3 to 5: T). "clear" is the XEP's world, in which types
1 to 3 do not attempt STARTTLS among themselves. In "tried" both sides do what RFC 7590 3.1 asks
for and attempt it where it is offered: V becomes E, or T between two certificates of the CA.

What fedgate cannot play. It always has a certificate and always speaks XMPP 1.0, so as type 1 it
is a type 2 that keeps quiet about TLS (limits.attempt_starttls = no). Version 1.0 changes no cell:
the features that a peer sends back for it lead to dialback in clear, as without them. The
certificate changes two when it dials, 1 to 4 and 1 to 5: what a peer requires it does. They are E,
in NOT_PURE. As type 1 with TLS tried it is type 2, in every cell."""

import ssl
import unittest

import common
from lab import gate as lab_gate
from lab.scene import SERVERS, Scene
from script import (FEATURE_EXTERNAL, TLS, Closed, Dialogue, ScriptedServer, attribute,
                    client_context, message)
from stage import GATE, Stage

TYPES = range(1, 7)
CA_ISSUED, TLS_REQUIRED = (3, 5, 6), (4, 5, 6)
POLICY = {1: "verified", 2: "verified", 3: "verified", 4: "secure", 5: "secure", 6: "trusted"}
LEVEL_OF = {"verified": "V", "secure": "E", "trusted": "T"}

# from to: clear, tried; the reason in the log when fedgate dials and when it answers.
CELLS = {
    (1, 1): "V V", (1, 2): "V V", (1, 3): "V V",
    (1, 4): "U U FG-S20 FG-S04", (1, 5): "U U FG-S20 FG-S04", (1, 6): "U U FG-S25 FG-S04",
    (2, 1): "V V", (2, 2): "V E", (2, 3): "V E", (2, 4): "E E", (2, 5): "E E",
    (2, 6): "U U FG-S25 FG-C04",
    (3, 1): "V V", (3, 2): "V E", (3, 3): "V T", (3, 4): "E E", (3, 5): "T T", (3, 6): "T T",
    (4, 1): "U U FG-S04 FG-S20", (4, 2): "E E", (4, 3): "E E", (4, 4): "E E", (4, 5): "E E",
    (4, 6): "U U FG-S25 FG-C04",
    (5, 1): "U U FG-S04 FG-S20", (5, 2): "E E", (5, 3): "T T", (5, 4): "E E", (5, 5): "T T",
    (5, 6): "T T",
    (6, 1): "U U FG-S04 FG-S20", (6, 2): "U U FG-C04 FG-T01", (6, 3): "T T",
    (6, 4): "U U FG-C04 FG-T01", (6, 5): "T T", (6, 6): "T T",
}
NOT_PURE = {(1, 4, "dials", "clear"): "E", (1, 5, "dials", "clear"): "E"}
# Stock servers judge a certificate behind the handshake: dialled they say so, dialling they may be
# gone before their word is.
STOCK_REASONS = {
    (4, 6, "dials"): [{"FG-S20"}], (4, 6, "answers"): [{"FG-C04"}],
    (6, 4, "dials"): [{"FG-C04"}], (6, 4, "answers"): [set(), {"FG-S20"}],
}


def expected(init, recv, role, mode):
    """(level, reason in fedgate's log when it is U)."""
    other = NOT_PURE.get((init, recv, role, mode))
    if other:
        return other, None
    # With TLS tried, fedgate as type 1 is type 2.
    if mode == "tried" and role == "dials" and init == 1:
        init = 2
    if mode == "tried" and role == "answers" and recv == 1:
        recv = 2
    words = CELLS[init, recv].split()
    level = words[mode == "tried"]
    return level, words[2 + (role == "answers")] if level == "U" else None


def own_making(certificate):
    """Whether a certificate, as Python shows it, vouches for itself."""
    return certificate["issuer"] == certificate["subject"]


class TypedServer(ScriptedServer):
    """A peer of one type that is dialled."""

    def __init__(self, stage, domain, kind, identity, port, trust):
        self.kind = kind
        tls = "off" if kind == 1 else "required" if kind in TLS_REQUIRED else "offered"
        super().__init__(stage.world, domain, identity, port, tls, None if kind == 1 else "1.0",
                         dialback="off" if kind == 6 else "verify", ca=trust, gate=GATE)

    def _features(self, secured, certificate, authenticated):
        text = super()._features(secured, None, authenticated)
        # Types 2 and 4 have no authority to look at a certificate with: dialback (XEP-0238 8.4).
        if (certificate and not own_making(certificate) and self.kind in CA_ISSUED
                and not authenticated):
            text += FEATURE_EXTERNAL
        return text

    def ask_gate(self, tenant, ours, stream_id, key):
        """Asks in the manner of this type: version, TLS where the gate offers it."""
        with Dialogue(self.host.connect(self.gate)) as ask:
            ask.header(ours, tenant, version=self.version)
            if self.version and "starttls" in ask.features():
                ask.send(f"<starttls xmlns='{TLS}'/>")
                ask.expect("<proceed[^>]*>")
                ask.tls(client_context(self.identity), tenant)
                ask.header(ours, tenant)
                ask.features()
            ask.send(f"<db:verify from='{ours}' to='{tenant}' id='{stream_id}'>{key}</db:verify>")
            return attribute(ask.expect(r"<db:verify[^>]*>").group(0), "type")

    def saw(self):
        """What fedgate has proven to this server."""
        if self.proofs[-1][0] == "EXTERNAL":
            return "T"
        return "E" if any(isinstance(link.sock, ssl.SSLSocket) for link in self.links) else "V"


class Dialler:
    """A peer of one type that dials fedgate; `saw`: what fedgate has proven to it, U: nothing."""

    def __init__(self, stage, domain, kind, identity, tries):
        self.stage, self.domain, self.kind, self.identity = stage, domain, kind, identity
        self.wants_tls = kind in TLS_REQUIRED or (kind != 1 and tries)
        self.saw = "U"

    def reach(self, tenant, stanza):
        """As far as it comes."""
        here = len(self.stage.canary.stanzas)
        with self.stage.connect() as peer:
            try:
                if self.prove(peer, tenant):
                    peer.send(stanza)
                    self.stage.canary.wait_for(here + 1, 5)
            except (Closed, ssl.SSLError):
                self.saw = "U"

    def prove(self, peer, tenant):
        version = None if self.kind == 1 else "1.0"
        peer.header(self.domain, tenant, version=version)
        features = peer.features() if version else ""
        self.saw = "V"
        if "starttls" in features and (self.wants_tls or "required" in features):
            features = self.secure(peer, tenant)
        elif self.kind in TLS_REQUIRED:
            peer.send("<stream:error><policy-violation "
                      "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
            peer.end()
            peer.expect_closed(5)
            self.saw = "U"
            return False
        if "EXTERNAL" in features and peer.external(self.domain) == "success":
            peer.header(self.domain, tenant)
            peer.features()
            return True
        if self.kind == 6:
            self.saw = "U"
            return False
        peer.send(f"<db:result from='{self.domain}' to='{tenant}'>its key</db:result>")
        valid = "'valid'" in peer.expect("<db:result[^>]*>").group(0)
        self.saw = self.saw if valid else "U"
        return valid

    def secure(self, peer, tenant):
        context = client_context(self.identity)
        if self.kind == 6:
            context = ssl.create_default_context(cafile=str(self.stage.ca.root))
            context.load_cert_chain(self.identity.chain, self.identity.key)
        peer.send(f"<starttls xmlns='{TLS}'/>")
        peer.expect("<proceed[^>]*>")
        peer.tls(context, tenant)
        self.saw = "T" if self.by_authority(tenant) else "E"
        peer.header(self.domain, tenant)
        return peer.features()

    @staticmethod
    def by_authority(tenant):
        return int(tenant[1]) in CA_ISSUED


class Scripted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("golden", common.BINARY)
        cls.addClassCleanup(stage.close)
        own = {kind: stage.identity(f"t{kind}.example", signed_by="intermediate"
                                    if kind in CA_ISSUED else "self") for kind in TYPES}
        for kind in TYPES:
            floor = POLICY[kind]
            stage.tenant(f"t{kind}.example", identity=own[kind],
                         policy={"inbound": floor, "outbound": floor})
        # Python cannot be told to look at a certificate and not to judge it: those that vouch for
        # themselves are let through the handshake, and seen for what they are behind it.
        trust = stage.net.dir / "trust.pem"
        trust.write_bytes(b"".join(path.read_bytes() for path in (
            stage.ca.root, *(own[kind].chain for kind in TYPES if kind not in CA_ISSUED))))
        cls.peers = {}
        for cell in cls.all_cells():
            cls.add_peer(trust, *cell)
        stage.gate.set("limits", attempt_starttls="no")
        stage.start()

    @staticmethod
    def all_cells():
        return [(init, recv, role, mode) for init, recv in CELLS
                for role in ("dials", "answers") for mode in ("clear", "tried")]

    @classmethod
    def add_peer(cls, trust, init, recv, role, mode):
        """A peer of its own for every cell: nothing is left over from another one's attempt."""
        kind = recv if role == "dials" else init
        domain = f"p{init}{recv}-{role}-{mode}.example"
        identity = cls.stage.ca.issue(domain, signed_by="intermediate" if kind in CA_ISSUED
                                      else "self")
        port = 6000 + len(cls.peers)
        cls.stage.names.peer(domain, cls.stage.world.address, starttls=port)
        cls.peers[init, recv, role, mode] = cls.stage.keep(
            TypedServer(cls.stage, domain, kind, identity, port, trust))

    def attempt(self, starttls):
        self.stage.gate.set("limits", attempt_starttls=starttls)
        self.stage.gate.reload()

    def test_the_matrix(self):
        """fedgate's side of "clear": who dials attempts nothing; who answers offers TLS, if it has
        any, and leaves it to the other side."""
        quiet, ready = [], []
        for cell in self.all_cells():
            clear = cell[3] == "clear" and (cell[2] == "dials" or cell[1] == 1)
            (quiet if clear else ready).append(cell)
        for cell in quiet:
            self.check(*cell)
        self.attempt("yes")
        for cell in ready:
            self.check(*cell)
        self.assertEqual(len(quiet) + len(ready), 144)

    def test_what_a_peer_refuses_one_tenant_costs_its_neighbours_nothing(self):
        """M-1, ST-17: a breaker of the pair, on whichever worker it is."""
        server = self.peers[4, 6, "dials", "clear"]
        for _ in range(6):
            self.assertEqual(self.dial_answer("t4.example", server), "U")
        self.assertNotEqual(self.dial_answer("t5.example", server), "U")

    def dial_answer(self, tenant, server):
        with self.stage.canary.dial(tenant, server.domain) as backend:
            found = backend.expect("<stream:error>.*?</stream:error>|<db:result[^>]*>").group(0)
            return "U" if "stream:error" in found else found

    def check(self, init, recv, role, mode):
        with self.subTest(f"{init} {recv} {role} {mode}"):
            self.mark = self.stage.gate.mark()
            one = self.dials if role == "dials" else self.answers
            level, reason = expected(init, recv, role, mode)
            self.assertEqual(one(init, recv, mode), level)
            if reason:
                self.assertIn(reason, self.reasons())

    def reasons(self):
        events = [event for name in ("refused", "stream-failed")
                  for event in self.stage.gate.events(name, self.mark)]
        return [event["reason"] for event in events]

    def noted(self, leg):
        """What fedgate says that the peer has proven to it."""
        up = self.stage.gate.wait_event("stream-up", 2, self.mark, leg=leg)
        self.assertEqual(up["start"], "plain" if up["trust"] == "verified" else "starttls")
        return LEVEL_OF[up["trust"]]

    def dials(self, init, recv, mode):
        """fedgate is the initiator: its backend, the canary, sends a message to the peer."""
        server, tenant = self.peers[init, recv, "dials", mode], f"t{init}.example"
        with self.stage.canary.dial(tenant, server.domain) as backend:
            answer = backend.expect("<stream:error>.*?</stream:error>|<db:result[^>]*>").group(0)
            if "stream:error" in answer:
                self.assertFalse(server.stanzas)
                return "U"
            backend.send(message(f"frodo@{tenant}", f"a@{server.domain}", "well met", "out"))
            self.assertIn("well met", server.wait_for(1, 5)[0])
        return min(self.noted("W-OUT"), server.saw(), key="UVET".index)

    def answers(self, init, recv, mode):
        """fedgate is the receiver: a message of the peer reaches the backend, or no byte does."""
        server, tenant = self.peers[init, recv, "answers", mode], f"t{recv}.example"
        before = self.stage.canary.bytes
        dialler = Dialler(self.stage, server.domain, init, server.identity, mode == "tried")
        dialler.reach(tenant, message(f"a@{server.domain}", f"frodo@{tenant}", "well met", "in"))
        if dialler.saw == "U":
            self.stage.gate.wait_event("refused", 5, self.mark)
            self.assertEqual(self.stage.canary.bytes, before)
            return "U"
        self.assertIn(server.domain, self.stage.canary.stanzas[-1])
        return min(self.noted("W-IN"), dialler.saw, key="UVET".index)


class Real(unittest.TestCase):
    """The same cells, where the peer is a stock server that can be configured to be the type."""

    @classmethod
    def setUpClass(cls):
        cls.scene = scene = Scene("golden-real", common.BINARY, backends=(), peers=())
        cls.addClassCleanup(scene.close)
        tenants = [f"t{kind}.example" for kind in TLS_REQUIRED]
        scene.backend("prosody", tenants, "10.99.0.12")
        for kind, tenant in zip(TLS_REQUIRED, tenants):
            floor = POLICY[kind]
            scene.gate.tenant(tenant, "10.99.0.12:5269", cls.identity(kind, tenant),
                              policy={"inbound": floor, "outbound": floor})
        cls.peers = {}
        for software, first in (("prosody", 50), ("ejabberd", 60)):
            for kind in TLS_REQUIRED:
                cls.add_peer(software, kind, f"10.99.0.{first + kind}")
        scene.start()
        cls.gate = scene.gate
        cls.users = {domain: scene.client(domain) for domain in scene.of}

    @classmethod
    def identity(cls, kind, domain):
        return cls.scene.ca.issue(domain, signed_by="intermediate" if kind in CA_ISSUED
                                  else "self")

    @classmethod
    def add_peer(cls, software, kind, address):
        """Type 4 knows no authority at all; 5 asks for no certificate but uses a good one; 6
        demands it and has no dialback."""
        scene, domain = cls.scene, f"{software}{kind}.example"
        module, server = SERVERS[software]
        host = scene.net.host(f"{software}{kind}", address)
        trust = scene.ca.root if kind in CA_ISSUED else scene.unknown_ca.root
        config = module.peer_config(host, [domain], cls.identity(kind, domain), trust,
                                    "external" if kind == 6 else "dialback")
        scene.names.peer(domain, address, starttls=5269)
        # pylint: disable-next=protected-access
        scene.add(server(host, config, [domain], lab_gate.NAMES), [domain])
        cls.peers[software, kind] = domain

    def test_cells_with_stock_servers(self):
        for (software, kind), peer in self.peers.items():
            for ours in TLS_REQUIRED:
                for role in ("dials", "answers"):
                    self.check(software, kind, peer, ours, role)

    def check(self, software, kind, peer, ours, role):
        tenant = f"t{ours}.example"
        init, recv = (ours, kind) if role == "dials" else (kind, ours)
        with self.subTest(f"{init} {recv} {role} {software}"):
            sender, target = (tenant, peer) if role == "dials" else (peer, tenant)
            level, _ = expected(init, recv, role, "tried")
            mark, ident = self.gate.mark(), f"{sender} {target}"
            self.users[sender].message(self.users[target].full, "well met", ident)
            if level == "U":
                self.refused(sender, target, ident, mark)
                self.assertIn(self.reasons(mark), STOCK_REASONS[init, recv, role])
                return
            self.users[target].wait(lambda one: one.get("id") == ident, 10, "the message")
            up = self.gate.wait_event("stream-up", leg="W-OUT" if role == "dials" else "W-IN",
                                      **{"from": sender, "to": target})
            shown = "T" if ours in CA_ISSUED else "E"
            self.assertEqual(min(LEVEL_OF[up["trust"]], shown, key="UVET".index), level, up)

    def refused(self, sender, target, ident, mark):
        """The sender is told, and the receiver's user never sees it."""
        answer = self.users[sender].wait(lambda one: one.get("id") == ident, 15, "an error")
        self.assertEqual(answer.get("type"), "error")
        self.assertFalse([one for one in self.users[target].messages()
                          if one.get("id") == ident and one.get("type") != "error"])
        self.assertFalse(self.gate.events("stream-up", mark, **{"from": sender, "to": target}))

    def reasons(self, mark):
        return {event["reason"] for name in ("refused", "stream-failed")
                for event in self.gate.events(name, mark)}


if __name__ == "__main__":
    unittest.main(verbosity=2)
