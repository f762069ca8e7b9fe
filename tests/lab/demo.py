"""`make demo`: the main job of the gate, on real servers, in a network of its own.

Stock Prosody carries shire.example, stock ejabberd carries rivendell.example; both speak plaintext
to fedgate alone. Strict servers in the world (TLS required, certificates verified) exchange
messages with them, by STARTTLS and by direct TLS, both ways; one with somebody else's certificate
is refused.

Two tenants have given away no key and have no certificate. bree.example is proven by POSH, on the
customer's own web server (nginx), to a second host that runs fedgate too. mirkwood.example is
proven by DANE, to a stock Prosody that knows no authority. A peer whose POSH document lists another
certificate is refused, and `fedgate explain` says why. KEEP=1 leaves everything running.
"""

import base64
import hashlib
import json
import os
import pathlib
import sys
import time

from lab import prosody
from lab.gate import Gate
from lab.net import LabError
from lab.scene import BACKENDS, PEERS, Scene
from lab.web import Web

OUT = pathlib.Path("build/demo")
STRICT = [key for key in PEERS if key[1] == "external"]
IMPOSTOR = ("mordor.example", "10.99.0.66")
TRUSTED = {"inbound": "trusted", "outbound": "trusted"}
# Who is proven how, and by whom it is looked at.
POSH, DANE = "bree.example", "mirkwood.example"
SECOND = ("fortress.example", ("10.99.0.4", "10.99.0.5"))  # another host's gate ...
SECOND_TENANT = ("erebor.example", "10.99.0.24")           # ... and its tenant, by POSH too
LOOKS_AT_DANE = ("dale.example", "10.99.0.60")
WRONG_POSH = ("isengard.example", "10.99.0.67")
WEB = "10.99.0.80"


def say(text=""):
    print(text, flush=True)


def plan():
    """(sender, receiver, direction) of every message of the demo."""
    tenants = [domains[0] for _, domains in BACKENDS.values()]
    tenants_direct = [domains[1] for _, domains in BACKENDS.values()]
    for key in STRICT:
        starttls, direct = PEERS[key][1]
        for tenant, other in zip(tenants, tenants_direct):
            yield starttls, tenant, "in"
            yield starttls, other, "in"  # the tenant's SRV records ask for direct TLS
            yield tenant, starttls, "out"
            yield tenant, direct, "out"
    yield tenants[0], tenants[1], "inside"
    yield tenants[1], tenants[0], "inside"


def backends():
    """Those of every lab, each with a tenant more that brings no certificate."""
    more = {"prosody": POSH, "ejabberd": DANE}
    return {kind: (address, domains + (more[kind],))
            for kind, (address, domains) in BACKENDS.items()}


class Keyless:
    """The tenants without a certificate, and who looks at them."""

    def __init__(self, scene):
        self.scene = scene
        self.web = Web(scene.net.host("web", WEB), scene.web_ca, scene.names)
        name, addresses = SECOND
        self.second = Gate(scene.net.host("second", *addresses), scene.gate.binary, scene.ca.root,
                           scene.names.anchor, web_ca=scene.web_ca.root)
        self.second.rename(name)
        for front in (scene.gate, self.second):
            front.publish(scene.web_ca.issue(front.name))
            scene.names.set(front.name, "A", front.host.address)
        self._second_backend(*SECOND_TENANT)
        for domain in (POSH, SECOND_TENANT[0], WRONG_POSH[0]):
            self.web.site(domain)
        self._peers()

    def _second_backend(self, domain, address):
        scene, host = self.scene, self.scene.net.host("erebor", address)
        scene.tenant(self.second, domain, f"{address}:5269", TRUSTED)
        scene.add(prosody.Prosody(host, prosody.backend_config([domain]), [domain],
                                  self.second.host.addresses[1]), [domain])

    def _peers(self):
        scene, ca = self.scene, self.scene.ca
        identity = ca.issue(LOOKS_AT_DANE[0], signed_by="self")
        scene.peer("prosody", LOOKS_AT_DANE[:1], LOOKS_AT_DANE[1], identity=identity,
                   trust=scene.unknown_ca.root,
                   extra=prosody.USE_DANE.format(anchor=scene.names.anchor))
        scene.names.tlsa(f"xmpp.{LOOKS_AT_DANE[0]}", 5269, 3, 1, 1, identity.chain)
        shown, listed = (ca.issue(WRONG_POSH[0], signed_by="self") for _ in range(2))
        scene.peer("prosody", WRONG_POSH[:1], WRONG_POSH[1], identity=shown)
        digest = base64.b64encode(hashlib.sha256(listed.der()).digest()).decode()
        self.web.posh(WRONG_POSH[0], {"fingerprints": [{"sha-256": digest}], "expires": 86400})

    def start(self):
        """The gates run by now: what they say is to be published, is."""
        self.second.start()
        self.scene.gate.publish_tlsa(self.scene.names, DANE)
        self.scene.names.commit()
        for front, domain in ((self.scene.gate, POSH), (self.second, SECOND_TENANT[0])):
            self.web.lines(domain, *front.nginx_lines(domain, self.web.trust))
        self.web.start()

    @staticmethod
    def plan():
        yield SECOND_TENANT[0], POSH, "in"
        yield POSH, SECOND_TENANT[0], "out"
        yield LOOKS_AT_DANE[0], DANE, "in"


class Demo:
    def __init__(self, scene):
        self.scene, self.clients, self.rows, self.failed = scene, {}, [], 0

    def client(self, domain):
        if domain not in self.clients:
            self.clients[domain] = self.scene.client(domain)
        return self.clients[domain]

    def exchange(self, sender, receiver, direction):
        """Sends one message and notes how it went."""
        ident, start = f"{sender} to {receiver}", time.monotonic()
        row = {"from": sender, "to": receiver, "direction": direction, "outcome": "delivered"}
        self.client(receiver)
        self.client(sender).message(self.client(receiver).full, "well met", ident)
        try:
            self.client(receiver).wait(lambda one: one.get("id") == ident, 10)
            row["ms"] = round((time.monotonic() - start) * 1000)
            leg = {"in": "W-IN", "out": "W-OUT", "inside": "INSIDE"}[direction]
            up = self.scene.gate.wait_event("stream-up", 5, leg=leg,
                                            **{"from": sender, "to": receiver})
            row.update(proof=up["proof"], trust=up["trust"], start=up.get("start", "inside"),
                       tls=up.get("tls", "-"), by=self.proven_by(sender, receiver, direction))
        except LabError as error:
            self.failed += 1
            row.update(outcome="failed", why=str(error))
        self.rows.append(row)
        self.print_row(row)

    def proven_by(self, sender, receiver, direction):
        """What proved the other side, as the gate remembers it."""
        if direction == "inside":
            return "pkix"
        pair = (receiver, sender) if direction == "in" else (sender, receiver)
        wanted = {"in": "inbound", "out": "outbound"}[direction]
        return next(one["proof"] for one in self.scene.gate.explain(*pair, 5)
                    if one["direction"] == wanted and one["outcome"] == "accepted")

    def looked_at_tlsa(self, peer, tenant):
        """Prosody must have believed the tenant by DANE: it knows no authority."""
        said = self.scene.of[peer].log_text()
        if "Enabling DANE with 1 TLSA records" not in said:
            self.failed += 1
            self.rows[-1].update(outcome="failed", why=f"{peer} did not look at TLSA records")
        say(f"{'':40} {peer}, a stock Prosody, believed {tenant} by the TLSA record of its host")

    def refusal(self, sender, receiver):
        """A peer that proves nothing must be refused, and everybody must be told why."""
        ident = f"from {sender}"
        row = {"from": sender, "to": receiver, "direction": "in", "outcome": "refused"}
        self.client(sender).message(self.client(receiver).full, "let me in", ident)
        try:
            told = self.scene.gate.wait_event("refused", 10, leg="W-IN", **{"from": sender})
            bounce = self.client(sender).wait(lambda one: one.get("type") == "error", 20)
            row.update(reason=told["reason"], why=told["why"], names=told.get("names"),
                       bounce=" ".join("".join(bounce.itertext()).split()))
            if any(one.get("id") == ident for one in self.client(receiver).messages()):
                raise LabError("the impostor's message arrived")
        except LabError as error:
            self.failed += 1
            row.update(outcome="failed", why=str(error))
        self.rows.append(row)
        self.print_row(row)

    def explanation(self, sender, receiver, code):
        """What `fedgate explain` says of a refusal; it must name the reason."""
        words = ("explain", receiver, sender, "--last", "1")
        said = self.scene.gate.command(*words)
        say(f"\n$ fedgate {' '.join(words)}\n{said.stdout}{said.stderr}".rstrip())
        self.rows[-1]["explain"] = said.stdout
        if f"[{code}]" not in said.stdout:
            self.failed += 1
            self.rows[-1].update(outcome="failed", why=f"{code} is not in the explanation")

    @staticmethod
    def print_row(row):
        if row["outcome"] == "delivered":
            say(f"{row['from']:>18} -> {row['to']:18} {row['direction']:7} {row['start']:9}"
                f"{row['tls']:8} {row['by']:12} {row['trust']:8} {row['ms']:5} ms")
        else:
            say(f"{row['from']:>18} -> {row['to']:18} {row['direction']:7} "
                f"{row['outcome'].upper()}: {row.get('reason', '')} {row['why']}")
            if row.get("names"):
                say(f"{'':40} the certificate names: {row['names']}")
            if row.get("bounce"):
                say(f"{'':40} its user was told: {row['bounce']}")


def how_to_look(scene):
    gate = scene.gate
    say("\nEverything is left running, in network namespaces of its own:")
    say(f"  configuration  {gate.dir}/fedgate.ini, {gate.dir}/tenants.d/")
    say(f"  log            tail -f {gate.log}")
    say(f"  reload         kill -HUP {gate.process.pid}")
    for name, host in scene.net.hosts.items():
        say(f"  {name:14} nsenter --net=/run/netns/{host.namespace} bash      files: {host.dir}")
    say("End it with:     make demo-down")


def main():
    keep = os.environ.get("KEEP") == "1"
    OUT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    say("making CAs, a signed DNS zone, three backends, two gates, a web server and five peers ...")
    with Scene("demo", sys.argv[1], peers=STRICT, policy=TRUSTED, backends=(backends(),),
               proofs={POSH: "posh", SECOND_TENANT[0]: "posh", DANE: "dane"}) as scene:
        scene.peer("prosody", IMPOSTOR[:1], IMPOSTOR[1],
                   identity=scene.ca.issue("somebody-else.example"))
        keyless = Keyless(scene)
        scene.start()
        keyless.start()
        say(f"everything is up after {time.monotonic() - began:.1f} s\n")
        demo = Demo(scene)
        show(demo, keyless)
        report = {"seconds": round(time.monotonic() - began, 1), "failed": demo.failed,
                  "rows": demo.rows}
        (OUT / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        scene.net.save(OUT / "logs")
        say(f"\n{len(demo.rows) - demo.failed} of {len(demo.rows)} went as they should, in "
            f"{report['seconds']} s; see {OUT}/report.json and {OUT}/logs/")
        if keep:
            how_to_look(scene)
            scene.net.keep()
            os._exit(1 if demo.failed else 0)
    return 1 if demo.failed else 0


def show(demo, keyless):
    heads = f"{'from':>18}    {'to':18} {'way':7} {'start':9}{'TLS':8} {'proven by':12} level"
    say(heads)
    for sender, receiver, direction in plan():
        demo.exchange(sender, receiver, direction)
    demo.refusal(IMPOSTOR[0], "shire.example")
    say(f"\n{POSH} (POSH) and {DANE} (DANE) gave away no key and have no certificate of their own:")
    say(heads)
    for sender, receiver, direction in keyless.plan():
        demo.exchange(sender, receiver, direction)
    demo.looked_at_tlsa(LOOKS_AT_DANE[0], DANE)
    demo.refusal(WRONG_POSH[0], "shire.example")
    demo.explanation(WRONG_POSH[0], "shire.example", "FG-P12")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as problem:
        sys.exit(f"demo: {problem}")
