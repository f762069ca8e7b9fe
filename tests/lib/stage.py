"""A gate with scripted servers around it: up in half a second, for what real servers cannot play.

    with Stage("spoof", BINARY) as stage:
        stage.tenant("shire.example")           # behind the canary, a ScriptedBackend
        stage.tenant("bree.example", proof="posh")
        stage.start()
        peer = stage.proven("rohan.example", "shire.example")
"""

from lab import gate as lab_gate
from lab.ca import CA
from lab.nameserver import NameServer
from lab.net import Net
from lab.web import Web
from script import Dialogue, ScriptedBackend, ScriptedServer, client_context, proven

GATE = (lab_gate.PUBLIC, 5269)
EGRESS = (lab_gate.EGRESS, 5275)
BACKEND, PEER, WEB = "10.99.0.12", "10.99.0.50", "10.99.0.80"

TARGETS = {"posh": lab_gate.HOST_NAME, "dane": lab_gate.DANE_NAME}


class Stage:
    """Made first, then changed as the test likes, then started."""

    def __init__(self, label, binary, workers=2, zones=None):
        self.net = Net(label)
        try:
            self.ca = CA(self.net.dir / "ca")
            self.other_ca = CA(self.net.dir / "other-ca", "Nobody Knows")
            self.names = NameServer(self.net.host("names", lab_gate.NAMES), zones)
            self.web_ca = CA(self.net.dir / "web-ca", "Web")
            self.gate = lab_gate.Gate(self.net.host("gate", lab_gate.PUBLIC, lab_gate.EGRESS),
                                      binary, self.ca.root, self.names.anchor, workers,
                                      web_ca=self.web_ca.root)
            self.backend_host = self.net.host("backend", BACKEND)
            self.world = self.net.host("world", PEER)
        except BaseException:
            self.net.close()
            raise
        self.listeners, self.identities = [], {}
        self.canary = self.keep(ScriptedBackend(self.backend_host, [], EGRESS))

    def keep(self, listener):
        self.listeners.append(listener)
        return listener

    def identity(self, domain, **how):
        """One certificate of the lab's CA per domain, made once."""
        if how:
            return self.ca.issue(domain, **how)
        if domain not in self.identities:
            self.identities[domain] = self.ca.issue(domain)
        return self.identities[domain]

    def tenant(self, domain, backend=None, identity=None, proof=None, **sections):
        """A tenant behind the canary (or another backend's address), delegated to the gate; one
        with a `proof` of its own (posh, dane) has a name of the gate's as its target."""
        host = TARGETS.get(proof)
        self.names.peer(domain, lab_gate.PUBLIC, starttls=5269, direct=5269, host=host)
        if not proof:
            identity = identity or self.identity(domain)
        self.gate.tenant(domain, backend or f"{BACKEND}:5269", identity, proof=proof, **sections)

    def server(self, domain, host=None, port=5269, announce=True, **how):
        """A scripted peer that the gate can dial."""
        host = host or self.world
        how.setdefault("identity", self.identity(domain))
        how.setdefault("ca", self.ca.root)
        if announce:
            direct = how.get("tls") == "direct"
            self.names.peer(domain, host.address, starttls=None if direct else port,
                            direct=port if direct else None)
        return self.keep(ScriptedServer(host, domain, port=port, gate=GATE, **how))

    def web(self, address=WEB):
        """A customer's web server that the lab's web CA vouches for; not started."""
        return Web(self.net.host("web", address), self.web_ca, self.names)

    def start(self):
        self.names.start()
        self.gate.start()

    def connect(self, host=None, source=None):
        """A connection to the gate's public port, nothing said yet."""
        return Dialogue((host or self.world).connect(GATE, source=source))

    def direct(self, name, identity=None, **more):
        """A connection with TLS up and no stream yet."""
        peer = self.connect()
        peer.tls(client_context(identity, **more), name)
        return peer

    def secured(self, from_, to, identity=None):
        """A connection after STARTTLS, the header behind it sent and answered."""
        peer = self.connect()
        peer.header(from_, to)
        peer.starttls(to, identity or self.identity(from_))
        peer.header(from_, to)
        return peer

    def proven(self, from_, to, direct=False, identity=None):
        return proven(self.world.connect(GATE), from_, to, identity or self.identity(from_), direct)

    def close(self):
        for listener in self.listeners:
            listener.stop()
        self.net.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
