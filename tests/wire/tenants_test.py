"""Names that are not what they seem, before stock Prosody and stock ejabberd: domains that older
software reads as another one, and a tenant that claims to be somebody famous."""

import unittest

import common
from lab import gate as lab_gate
from lab.scene import SERVERS, Scene
from script import Dialogue, ScriptedServer, attribute, client_context, message, proven
from stage import GATE

# A-label, U-label, and what nameprep (RFC 3491) makes of it.
FOLDING = (
    ("xn--fa-hia.example", "fa\u00df.example", "fass.example"),
    ("xn--nxasmm1c.example", "\u03b2\u03cc\u03bb\u03bf\u03c2.example",
     "\u03b2\u03cc\u03bb\u03bf\u03c3.example"),
    ("xn--10cl1a0b660p.example", "\u0dc1\u0dca\u200d\u0dbb\u0dd3.example",
     "\u0dc1\u0dca\u0dbb\u0dd3.example"),
)
ZURICH, ZURICH_A = "z\u00fcrich.example", "xn--zrich-kva.example"
# Backend: its address, an ASCII tenant, an IDN tenant (as its file names it, A-label, U-label).
BACKENDS = {
    "prosody": ("10.99.0.12", "shire.example",
                ("xn--bcher-kva.example", "xn--bcher-kva.example", "b\u00fccher.example")),
    "ejabberd": ("10.99.0.23", "rivendell.example",
                 ("k\u00f6ln.example", "xn--kln-sna.example", "k\u00f6ln.example")),
}
# The impostors: on one backend each; the neighbour that must not be fooled is on the other one.
IMPOSTORS = {"prosody": "bank.example", "ejabberd": "mint.example"}
OTHER = {"prosody": "rivendell.example", "ejabberd": "shire.example"}
# A tenant whose public DNS is elsewhere, too, but which holds a certificate for its domain.
GUILD = "guild.example"
# Tenants whose public DNS is here: one that vouches for itself, one that asks for more.
MORIA, LORIEN = "moria.example", "lorien.example"
PING = "<iq type='get' id='{}' from='{}' to='{}'><ping xmlns='urn:xmpp:ping'/></iq>"


class Tenants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scene = scene = Scene("tenants", common.BINARY, backends=(), peers=())
        cls.addClassCleanup(scene.close)
        for kind in BACKENDS:
            cls.add_backend(kind)
        scene.gate.tenant(GUILD, "10.99.0.12:5269", scene.ca.issue(GUILD))
        for domain in (MORIA, LORIEN):
            scene.names.peer(domain, lab_gate.PUBLIC, starttls=5269)
        scene.gate.tenant(MORIA, "10.99.0.12:5269", scene.ca.issue(MORIA, signed_by="self"))
        scene.gate.tenant(LORIEN, "10.99.0.23:5269", scene.ca.issue(LORIEN),
                          policy={"inbound": "trusted"})
        cls.servers = {}
        for domain in (ZURICH_A, "rohan.example", "fass.example", GUILD, *IMPOSTORS.values(),
                       *(name for name, _, _ in FOLDING)):
            cls.add_peer(domain)
        scene.start()
        cls.gate = scene.gate
        cls.users = {domain: scene.client(domain) for domain in scene.of}

    @classmethod
    def add_backend(cls, kind):
        """Its own domains; and, as any customer could ask for, one that is somebody else's."""
        scene, (address, ascii_name, (file_name, a_label, u_label)) = cls.scene, BACKENDS[kind]
        module, server = SERVERS[kind]
        host = scene.net.host(kind, address)
        impostors = [IMPOSTORS[kind]]
        more = [GUILD, MORIA] if kind == "prosody" else [LORIEN]
        domains = [ascii_name, *impostors, *more]
        words = ([*domains, u_label],) if kind == "prosody" else (host, [*domains, u_label])
        # pylint: disable-next=protected-access
        scene.add(server(host, module.backend_config(*words), domains, lab_gate.EGRESS), domains)
        floors = {"inbound": "verified", "outbound": "verified"}
        for name, file in ((ascii_name, ascii_name), (a_label, file_name)):
            scene.names.peer(name, lab_gate.PUBLIC, starttls=5269, direct=5269)
            scene.gate.tenant(file, f"{address}:5269", scene.ca.issue(name), policy=floors)
        scene.gate.tenant(impostors[0], f"{address}:5269",
                          scene.ca.issue(impostors[0], signed_by="self"), policy=floors)

    @classmethod
    def add_peer(cls, domain):
        scene, port = cls.scene, 5300 + len(cls.servers)
        scene.names.peer(domain, scene.test.address, starttls=port)
        server = ScriptedServer(scene.test, domain, scene.ca.issue(domain), port,
                                ca=scene.ca.root, gate=GATE)
        cls.addClassCleanup(server.stop)
        cls.servers[domain] = server

    def setUp(self):
        self.mark = self.gate.mark()

    def identity(self, domain):
        return self.servers[domain].identity

    def proven(self, from_, to, who=None, direct=False):
        return proven(self.scene.test.connect(GATE), from_, to, self.identity(who or from_), direct)

    def arrives(self, tenant, ident, seconds=10):
        return self.users[tenant].wait(lambda one: one.get("id") == ident, seconds, ident)

    # Names that fold

    def each_fold(self, test):
        """test(tenant, name, A-label) for every name in both forms, before both backends; then
        neither the backend's user nor its log may know of any."""
        for kind, (_, tenant, _) in BACKENDS.items():
            for a_label, u_label, _ in FOLDING:
                for name in (a_label, u_label):
                    with self.subTest(backend=kind, name=name):
                        self.mark = self.gate.mark()
                        test(tenant, name, a_label)
            log = self.scene.of[tenant].log_text()
            for _, u_label, folded in FOLDING:
                for name in (u_label, folded):
                    self.assertFalse(self.users[tenant].messages(name))
                    self.assertNotIn(name, log)

    def refused(self, peer, reason="FG-M07"):
        self.assertRegex(peer.expect_closed(5), "<stream:error><improper-addressing ")
        self.assertTrue([event for name in ("refused", "stream-down") for event in
                         self.gate.events(name, self.mark, reason=reason)])

    def test_a_domain_that_folds_in_a_header(self):
        """ADR-5, C14: whatever certificate it has; with STARTTLS and with direct TLS."""
        def one(tenant, name, a_label):
            with Dialogue(self.scene.test.connect(GATE)) as peer:
                peer.header(name, tenant, answered=False)
                self.refused(peer)
            self.mark = self.gate.mark()
            with Dialogue(self.scene.test.connect(GATE)) as peer:
                peer.tls(client_context(self.identity(a_label)), tenant)
                peer.header(name, tenant, answered=False)
                self.refused(peer)
        self.each_fold(one)

    def test_a_domain_that_folds_as_a_further_sender(self):
        """ADR-5, DB-11: it is no pair, and what comes from it ends the stream."""
        def one(tenant, name, a_label):
            with self.proven("rohan.example", tenant) as peer:
                peer.send(f"<db:result from='{name}' to='{tenant}'>0123456789</db:result>")
                peer.send(message(f"a@{name}", f"frodo@{tenant}", "x"))
                said = peer.expect_closed(5)
                self.assertNotIn("valid'", said.rpartition("<stream:features>")[2])
                self.assertIn("improper-addressing", said)
            self.assertFalse(self.servers[a_label].questions)
        self.each_fold(one)

    def test_a_domain_that_folds_in_a_stanza(self):
        """ADR-5: as sender and as target, on a stream that is proven."""
        def one(tenant, name, _):
            for from_, to in ((f"a@{name}", f"frodo@{tenant}"), ("a@rohan.example", f"a@{name}")):
                self.mark = self.gate.mark()
                with self.proven("rohan.example", tenant) as peer:
                    peer.send(message(from_, to, "x"))
                    self.refused(peer)
        self.each_fold(one)

    def test_what_folds_cannot_be_reached_by_a_backend(self):
        """ADR-5: Prosody means the other domain by it, in all it sends. ejabberd dials the other
        domain and then writes this one: it goes to neither."""
        a_label, name, folded = FOLDING[0]
        for kind, (_, tenant, _) in BACKENDS.items():
            with self.subTest(backend=kind):
                ident = f"to fold {kind}"
                self.users[tenant].message(f"a@{name}", "x", ident)
                if kind == "prosody":
                    stanza = self.answer(self.servers[folded], ident)
                    self.assertEqual(attribute(stanza, "to"), f"a@{folded}")
                else:
                    stray = self.gate.wait_event("stray", since=self.mark, tenant=tenant)
                    self.assertEqual(stray["as"], "FG-M07")
                    self.assertFalse([one for one in self.servers[folded].stanzas if ident in one])
                self.assertFalse(self.servers[a_label].stanzas)

    # Names that do not

    def test_an_idn_peer_in_whatever_form_reaches_the_backend_in_one(self):
        """ADR-5, ID-5: the U-label, in header and stanza."""
        for kind, (_, tenant, _) in BACKENDS.items():
            for form in (ZURICH, ZURICH_A, "Z\u00dcRICH.example", "XN--ZRICH-KVA.Example"):
                with self.subTest(backend=kind, form=form):
                    with self.proven(form, tenant, ZURICH_A) as peer:
                        for number, again in enumerate((form, ZURICH, ZURICH_A)):
                            ident = f"{form} {number}"
                            peer.send(message(f"ueli@{again}", self.users[tenant].full, "x", ident))
                            self.assertEqual(self.arrives(tenant, ident).get("from"),
                                             f"ueli@{ZURICH}")
                    self.gate.wait_event("stream-up", since=self.mark, leg="B-IN",
                                         **{"from": ZURICH, "to": tenant})

    def test_an_idn_peer_is_answered_and_asked_about_in_its_own_form(self):
        """DB-5, ID-5: its key was made under these letters."""
        other = self.scene.ca.issue(ZURICH_A, signed_by="self")
        for form in (ZURICH, ZURICH_A):
            with self.subTest(form=form):
                server = self.servers[ZURICH_A]
                server.questions.clear()
                with Dialogue(self.scene.test.connect(GATE)) as peer:
                    peer.header(form, "shire.example")
                    peer.starttls("shire.example", other)
                    peer.header(form, "shire.example")
                    peer.features()
                    peer.send(f"<db:result from='{form}' to='shire.example'>its key</db:result>")
                    answer = peer.expect("<db:result[^>]*>").group(0)
                    self.assertEqual((attribute(answer, "to"), attribute(answer, "type")),
                                     (form, "valid"))
                self.assertEqual([one[:2] for one in server.questions],
                                 [("shire.example", form)])

    def test_an_idn_tenant_in_whatever_form_is_one(self):
        """ADR-5, SNI-1: the backend answers only for the domain that it knows, the U-label."""
        remote = self.servers["rohan.example"]
        for kind, (_, _, (_, a_label, u_label)) in BACKENDS.items():
            for number, form in enumerate((a_label, u_label, u_label.upper())):
                with self.subTest(backend=kind, form=form):
                    with self.proven("rohan.example", form) as peer:
                        shown = peer.sock.getpeercert(True)
                        self.assertIn(a_label.encode(), shown)
                        for again in (a_label, u_label):
                            ident = f"{kind}{number}{again == a_label}"
                            peer.send(PING.format(ident, "king@rohan.example", again))
                            answer = self.answer(remote, ident)
                            self.assertEqual((attribute(answer, "from"), attribute(answer, "type")),
                                             (u_label, "result"))

    def answer(self, server, ident):
        with server.arrived:
            found = server.arrived.wait_for(lambda: [
                one for one in server.stanzas if attribute(one, "id") == ident], 10)
        self.assertTrue(found, f"no answer to {ident}: {self.gate.tail(5)}")
        return found[0]

    def test_an_idn_peer_is_reached_by_either_form(self):
        """ID-5, SNI-1: a user may write either; DNS and certificate know the A-label."""
        remote = self.servers[ZURICH_A]
        for kind, (_, tenant, _) in BACKENDS.items():
            for form in (ZURICH, ZURICH_A):
                with self.subTest(backend=kind, form=form):
                    ident = f"{kind}-{form == ZURICH}"
                    self.users[tenant].message(f"ueli@{form}", "gr\u00fcezi", ident)
                    self.assertEqual(attribute(self.answer(remote, ident), "to"),
                                     f"ueli@{ZURICH}")

    # Somebody famous

    def no_message(self, domain, ident):
        self.assertFalse([one for one in self.users[domain].messages() if one.get("id") == ident
                          and one.get("type") != "error"])

    def test_a_neighbour_is_not_fooled_by_a_tenant_that_claims_a_famous_domain(self):
        """ADR-8: being a tenant proves nothing to another tenant."""
        for kind, bank in IMPOSTORS.items():
            with self.subTest(impostor=kind):
                ident, neighbour = f"fooling {bank}", OTHER[kind]
                self.users[bank].message(self.users[neighbour].full, "your account", ident)
                error = self.arrives(bank, ident, 30)
                self.assertEqual(error.get("type"), "error")
                refused = self.gate.wait_event("refused", since=self.mark, leg="B-OUT",
                                               **{"from": bank, "to": neighbour})
                self.assertEqual(refused["reason"], "FG-M08")
                self.no_message(neighbour, ident)

    def test_the_neighbour_reaches_the_famous_one_itself(self):
        """ADR-8: public DNS says where it is."""
        for kind, bank in IMPOSTORS.items():
            with self.subTest(impostor=kind):
                ident = f"from {OTHER[kind]} to {bank}"
                self.users[OTHER[kind]].message(self.users[bank].full, "my account", ident)
                self.answer(self.servers[bank], ident)
                self.no_message(bank, ident)

    def test_the_famous_one_reaches_the_neighbour(self):
        """ADR-8: a tenant's claim does not keep the owner out; from the first connection on, on
        every worker, with STARTTLS and with direct TLS, by certificate and by dialback."""
        for kind, bank in IMPOSTORS.items():
            neighbour = OTHER[kind]
            for number in range(8):
                with self.subTest(impostor=kind, number=number):
                    ident = f"true {bank} {number}"
                    with self.proven(bank, neighbour, direct=number % 2 == 0) as peer:
                        peer.send(message(f"teller@{bank}", self.users[neighbour].full, "x", ident))
                        self.arrives(neighbour, ident)

    def test_a_certificate_is_a_proof_inside_as_it_is_outside(self):
        """ADR-8: whoever holds one for the domain is believed, wherever its DNS points."""
        user = self.users[GUILD]
        user.message(self.users["rivendell.example"].full, "by the book", "guild")
        self.arrives("rivendell.example", "guild")
        up = self.gate.wait_event("stream-up", leg="INSIDE", **{"from": GUILD})
        self.assertEqual((up["proof"], up["trust"]), ("certificate", "trusted"))

    def test_public_dns_is_a_weaker_proof(self):
        """ADR-8: as it would be outside: secure, which a neighbour may find too little."""
        user = self.users[MORIA]
        user.message(self.users["rivendell.example"].full, "mellon", "by dns")
        self.arrives("rivendell.example", "by dns")
        up = self.gate.wait_event("stream-up", leg="INSIDE", **{"from": MORIA})
        self.assertEqual((up["proof"], up["trust"]), ("delegation", "secure"))
        user.message(self.users[LORIEN].full, "mellon", "too weak")
        self.assertEqual(self.arrives(MORIA, "too weak", 30).get("type"), "error")
        self.gate.wait_event("refused", since=self.mark, leg="B-OUT", reason="FG-M01",
                             **{"from": MORIA, "to": LORIEN})
        self.no_message(LORIEN, "too weak")


if __name__ == "__main__":
    unittest.main(verbosity=2)
