"""The whole stage: names, CA, fedgate, two backends with their tenants, strict peers.

    with Scene("demo", "build/fedgate") as scene:
        scene.start()
        frodo, boromir = scene.client("shire.example"), scene.client("gondor.example")
        frodo.message(boromir.full, "hello")

Every server has two domains, so that both kinds of TLS are in use at once: the first is
announced (SRV) for STARTTLS alone, the second for direct TLS alone.
"""

import concurrent.futures
import os

from lab.ca import CA
from lab.client import Client
from lab import ejabberd, gate, prosody
from lab.nameserver import NameServer
from lab.net import Net

SERVERS = {"prosody": (prosody, prosody.Prosody), "ejabberd": (ejabberd, ejabberd.Ejabberd)}
BACKENDS = {
    "prosody": ("10.99.0.12", ("shire.example", "buckland.example")),
    "ejabberd": ("10.99.0.23", ("rivendell.example", "lorien.example")),
}
# A second server of each kind: tenant to tenant over every pair of backends.
MORE_BACKENDS = {
    "prosody": ("10.99.0.14", ("bree.example", "archet.example")),
    "ejabberd": ("10.99.0.25", ("mirkwood.example", "havens.example")),
}
PEERS = {
    ("prosody", "external"): ("10.99.0.50", ("gondor.example", "osgiliath.example")),
    ("ejabberd", "external"): ("10.99.0.51", ("rohan.example", "edoras.example")),
    ("prosody", "dialback"): ("10.99.0.60", ("dale.example", "esgaroth.example")),
    ("ejabberd", "dialback"): ("10.99.0.61", ("erebor.example", "ironhills.example")),
}
USERS = {"shire.example": "frodo", "rivendell.example": "elrond", "gondor.example": "boromir",
         "rohan.example": "eowyn", "lorien.example": "galadriel", "dale.example": "bard"}
NOBODY = "somebody"


class Scene:
    """Made first, then changed as the test likes, then started."""

    def __init__(self, label, binary, workers=2, backends=(BACKENDS,), peers=None, stock=True,
                 root=None, policy=None, proofs=None):
        """`peers`: which keys of PEERS, all by default. `root`: another Debian for the
        backends (packaging/deps/backports.sh), by default what LAB_BACKENDS_ROOT names.
        `policy`: keys of each tenant's [policy]. `proofs`: which of the tenants are proven by
        posh or by dane, as {domain: proof}; the others have certificates."""
        self.net, self.proofs = Net(label), proofs or {}
        try:
            self._build(binary, workers, backends, PEERS if peers is None else peers, stock,
                        root or os.environ.get("LAB_BACKENDS_ROOT"),
                        policy or {"inbound": "verified", "outbound": "verified"})
        except BaseException:
            self.net.close()
            raise

    def _build(self, binary, workers, backends, peers, stock, root, policy):
        self.ca = CA(self.net.dir / "ca")
        self.unknown_ca = CA(self.net.dir / "unknown-ca", "Nobody Knows")
        self.names = NameServer(self.net.host("names", gate.NAMES))
        self.web_ca = CA(self.net.dir / "web-ca", "Web")
        self.gate = gate.Gate(self.net.host("gate", gate.PUBLIC, gate.EGRESS), binary,
                              self.ca.root, self.names.anchor, workers, web_ca=self.web_ca.root)
        self.test = self.net.host("test", "10.99.0.90")
        self.servers, self.of = [], {}
        for table in backends:
            for kind, (address, domains) in table.items():
                self.backend(kind, domains, address, stock=stock, root=root, policy=policy)
        for kind, auth in peers:
            address, domains = PEERS[kind, auth]
            self.peer(kind, domains, address, auth)

    def add(self, server, domains):
        self.servers.append(server)
        self.of.update({domain: server for domain in domains})
        return server

    def announce(self, domains, address, starttls=5269, direct=5269):
        """SRV records: of the first domain for STARTTLS, of the others for direct TLS."""
        for number, domain in enumerate(domains):
            self.names.peer(domain, address, starttls=None if number else starttls,
                            direct=direct if number else None)

    def backend(self, kind, domains, address, stock=True, root=None, policy=None):
        """A stock server behind the gate, its domains tenants of it."""
        module, server = SERVERS[kind]
        host = self.net.host(f"{domains[0].partition('.')[0]}", address)
        words = (domains,) if kind == "prosody" else (host, domains)
        config = module.backend_config(*words, stock=stock, root=root)
        self.announce([one for one in domains if one not in self.proofs], gate.PUBLIC)
        for domain in domains:
            self.tenant(self.gate, domain, f"{address}:5269", policy)
        return self.add(server(host, config, domains, gate.EGRESS, root), domains)

    def tenant(self, front, domain, backend, policy=None):
        """A tenant of this gate, with certificates or the proof that was asked for."""
        proof = self.proofs.get(domain)
        if not proof:
            front.tenant(domain, backend, self.ca.issue(domain), self.ca.issue(domain, key="rsa"),
                         policy=policy or {})
            return
        target = front.name if proof == "posh" else f"dane.{front.name}"
        self.names.peer(domain, front.host.address, starttls=5269, direct=5269, host=target)
        front.tenant(domain, backend, proof=proof, policy=policy or {})

    def peer(self, kind, domains, address, auth="external", identity=None, root=None, trust=None,
             **how):
        """A strict server out in the world. `auth` "dialback": it shows a certificate of its
        own making and knows no authority that could vouch for others. `how`: tls12, extra,
        as for lab.prosody.peer_config."""
        module, server = SERVERS[kind]
        host = self.net.host(f"{domains[0].partition('.')[0]}", address)
        alone = auth == "dialback"
        identity = identity or self.ca.issue(*domains, signed_by="self" if alone else
                                             "intermediate")
        trust = trust or (self.unknown_ca.root if alone else self.ca.root)
        config = module.peer_config(host, domains, identity, trust, auth, root, **how)
        self.announce(domains, address, 5269, 5270)
        return self.add(server(host, config, domains, gate.NAMES, root), domains)

    @staticmethod
    def bring_up(server):
        """Starts one server more, to the point where its users can log in."""
        server.start()
        server.wait()
        for domain in server.domains:
            server.register(USERS.get(domain, NOBODY), domain)

    def start(self, with_gate=True):
        """All at once; returns when every server answers and every user is registered."""
        self.names.start()
        with concurrent.futures.ThreadPoolExecutor(len(self.servers) + 1) as pool:
            jobs = [pool.submit(self.bring_up, server) for server in self.servers]
            if with_gate:
                jobs.append(pool.submit(self.gate.start))
            for job in jobs:
                job.result()

    def client(self, domain, resource="lab"):
        """The domain's user, logged in at the server itself, past the gate."""
        server = self.of[domain]
        return Client(self.test, server.host.address, USERS.get(domain, NOBODY), domain,
                      resource=resource)

    def close(self):
        self.net.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
