"""`make demo`: the main job of the gate, on real servers, in a network of its own.

Stock Prosody carries shire.example, stock ejabberd carries rivendell.example; both speak plaintext
to fedgate alone. Strict servers in the world (TLS required, certificates verified) exchange
messages with them, by STARTTLS and by direct TLS, both ways; one with somebody else's certificate
is refused. KEEP=1 leaves everything running.
"""

import json
import os
import pathlib
import sys
import time

from lab.net import LabError
from lab.scene import BACKENDS, PEERS, Scene

OUT = pathlib.Path("build/demo")
STRICT = [key for key in PEERS if key[1] == "external"]
IMPOSTOR = ("mordor.example", "10.99.0.66")


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
                       tls=up.get("tls", "-"))
        except LabError as error:
            self.failed += 1
            row.update(outcome="failed", why=str(error))
        self.rows.append(row)
        self.print_row(row)

    def refusal(self, sender, receiver):
        """A peer with a wrong certificate must be refused, and everybody must be told why."""
        row = {"from": sender, "to": receiver, "direction": "in", "outcome": "refused"}
        self.client(sender).message(self.client(receiver).full, "let me in", "impostor")
        try:
            told = self.scene.gate.wait_event("refused", 10, leg="W-IN", **{"from": sender})
            bounce = self.client(sender).wait(lambda one: one.get("type") == "error", 20)
            row.update(reason=told["reason"], why=told["why"], names=told.get("names"),
                       bounce=" ".join("".join(bounce.itertext()).split()))
            if any(one.get("id") == "impostor" for one in self.client(receiver).messages()):
                raise LabError("the impostor's message arrived")
        except LabError as error:
            self.failed += 1
            row.update(outcome="failed", why=str(error))
        self.rows.append(row)
        self.print_row(row)

    @staticmethod
    def print_row(row):
        if row["outcome"] == "delivered":
            say(f"{row['from']:>18} -> {row['to']:18} {row['direction']:7} {row['start']:9}"
                f"{row['tls']:8} {row['proof']:12} {row['trust']:8} {row['ms']:5} ms")
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
    say("making a CA, a signed DNS zone, two backends, fedgate and three peers ...")
    with Scene("demo", sys.argv[1], peers=STRICT,
               policy={"inbound": "trusted", "outbound": "trusted"}) as scene:
        scene.peer("prosody", IMPOSTOR[:1], IMPOSTOR[1],
                   identity=scene.ca.issue("somebody-else.example"))
        scene.start()
        say(f"everything is up after {time.monotonic() - began:.1f} s\n")
        say(f"{'from':>18}    {'to':18} {'way':7} {'start':9}{'TLS':8} {'proof':12} level")
        demo = Demo(scene)
        for sender, receiver, direction in plan():
            demo.exchange(sender, receiver, direction)
        demo.refusal(IMPOSTOR[0], "shire.example")
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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as problem:
        sys.exit(f"demo: {problem}")
