"""README.md's "Delegate a domain without giving away a key", followed to the letter: by a host, on an
overlay of this machine, and by a customer with nginx on another; zones are signed, strangers strict.
"""

import json
import pathlib
import re
import shutil
import types
import unittest

import common

common.LOGS.mkdir(parents=True, exist_ok=True)

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from lab import prosody  # noqa: E402
from lab.ca import CA  # noqa: E402
from lab.client import Client  # noqa: E402
from lab.nameserver import NameServer  # noqa: E402
from lab.net import Net  # noqa: E402
from machine import Machine, private_mounts  # noqa: E402
from script import Closed  # noqa: E402
from strict import strict_dial, verifier  # noqa: E402
import readme  # noqa: E402

NAMES, GATE, CUSTOMER = "10.99.0.53", "10.99.0.3", "10.99.0.80"
WORLD, PEER = "10.99.0.50", "10.99.0.60"
HOST_NAME, DANE_NAME = "xmpp.hosting.example.net", "dane.hosting.example.net"
POSH, DANE = "moria.example", "lorien.example"
GONDOR, ROHAN = "gondor.example", "rohan.example"
LABORATORY = "\n[dns]\nallow_private = 10.99.0.0/24\n"
DOCUMENT = f"https://{POSH}/.well-known/posh/xmpp-server.json"
DAY = 86400
HOME = "/root/delegated"  # where commands are typed
SITE = f"""\
server {{
	listen 443 ssl;
	server_name {POSH} www.{POSH};
	root /var/www/html;
	ssl_certificate /etc/ssl/site.pem;
	ssl_certificate_key /etc/ssl/private/site.key;
}}
"""
PEM = re.compile(b"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S)
RECORD = re.compile(r"(\S+) \d+ IN (\S+) (.*)")


def setUpModule():
    private_mounts()


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def public_halves(directory):
    """Of every private key below a directory."""
    return {public(serialization.load_pem_private_key(text, None))
            for path in directory.rglob("*") if path.is_file() and not path.is_symlink()
            for text in PEM.findall(path.read_bytes())}


class Delegate(unittest.TestCase):
    """The host's machine, the customer's, and a world of strangers. Tests go by their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.net = net = Net("delegate")
        cls.addClassCleanup(net.close)
        cls.ca, cls.web_ca = CA(net.dir / "ca"), CA(net.dir / "web-ca", "Web")
        cls.names = NameServer(net.host("names", NAMES))
        cls.host = cls.machine("gate", GATE, [common.ROOT])
        cls.customer = cls.machine("customer", CUSTOMER)
        cls.addClassCleanup(cls.keep_logs)
        cls.stage = types.SimpleNamespace(
            world=net.host("world", WORLD), names=cls.names, web_ca=cls.web_ca,
            identity=cls.ca.issue)
        for name in (HOST_NAME, DANE_NAME):
            cls.names.set(name, "A", GATE)
        cls.names.set(POSH, "A", CUSTOMER)
        cls.start_gondor()
        cls.start_site()
        cls.host_stands()

    @classmethod
    def machine(cls, name, address, lent=()):
        machine = Machine(cls.net.host(name, address), NAMES, lent)
        cls.addClassCleanup(machine.close)
        bundle = machine.path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + "".join(
            pathlib.Path(ca.root).read_text() for ca in (cls.ca, cls.web_ca)))
        machine.path(HOME).mkdir()
        machine.write("/usr/share/dns/root.key", cls.names.anchor.read_text())
        return machine

    @classmethod
    def keep_logs(cls):
        target = common.LOGS / "readme-delegate"
        target.mkdir(parents=True, exist_ok=True)
        for name in ("fedgate", "prosody"):
            (target / f"{name}.log").write_text(cls.host.log(name))

    @classmethod
    def start_gondor(cls):
        """A stock server that believes TLSA records, and no authority that vouches for us."""
        host = cls.net.host("gondor", PEER)
        cls.names.peer(GONDOR, PEER, starttls=5269)
        stranger = CA(cls.net.dir / "stranger", "Nobody Knows")
        cls.gondor = prosody.Prosody(host, prosody.peer_config(
            host, [GONDOR], cls.ca.issue(GONDOR), stranger.root,
            extra=prosody.USE_DANE.format(anchor=cls.names.anchor)), [GONDOR], NAMES)
        cls.names.start()
        cls.gondor.start()

    @classmethod
    def start_site(cls):
        """What the customer has before anything is delegated: a web site."""
        cls.site = cls.web_ca.issue(POSH)
        cls.customer.write("/etc/ssl/site.pem", cls.site.chain.read_text())
        cls.customer.write("/etc/ssl/private/site.key", cls.site.key.read_text())
        cls.customer.write(f"/etc/nginx/sites-available/{POSH}", SITE)
        cls.customer.shell(
            f"ln -s ../sites-available/{POSH} /etc/nginx/sites-enabled; nginx")

    @classmethod
    def host_stands(cls):
        """Steps 1 to 4, of which another test has the details; nobody is served yet."""
        cls.host.shell(readme.commands("install"), cwd=common.ROOT, seconds=600)
        own = cls.host.path("/etc/fedgate/fedgate.ini")
        own.write_text(own.read_text() + LABORATORY)
        cls.host.shell(readme.commands("prosody").partition("cat >")[0])
        cls.host.shell(readme.commands("start").replace("nft -f", ": nft -f"))

    def shell(self, machine, part):
        return machine.shell(readme.commands(part), cwd=HOME)

    def zone(self, domain, who):
        """Somebody copies the records of a sheet into the zone."""
        said = self.host.shell(f"fedgate records {domain} --format zone --for {who}")
        found = {}
        for line in said.splitlines():
            if match := RECORD.fullmatch(line):
                found.setdefault(match.group(1, 2), []).append(match[3])
        for (name, kind), values in found.items():
            self.names.set(name, kind, *values)
        self.names.commit()
        return set(found)

    def probe(self, domain):
        """Whether and how `trusted` is reached, and which problems there are."""
        said = json.loads(self.host.shell(f"fedgate probe {domain} --json || true"))
        return said["levels"]["trusted"], {one["id"] for one in said["findings"]
                                            if one["weight"] == "problem"}

    def dial(self, posh):
        peer = strict_dial(self.stage, posh, ROHAN, POSH, (GATE, 5269))
        shown = peer.sock.getpeercert(True)
        peer.close()
        return shown

    def check_is_fine(self, said, *warnings):
        """`fedgate check` says no more than this, and that the gate is in a laboratory."""
        found = [line for line in said.splitlines() if line.startswith(("warning", "fault"))]
        for line, part in zip(sorted(found), ("allow_private", *warnings)):
            self.assertIn(part, line)
        self.assertEqual(len(found), 1 + len(warnings), said)
        self.assertIn(": no faults, ", said)

    # In the order of the chapter

    def test_1_the_host_prepares_and_writes_the_tenants(self):
        identity = self.web_ca.issue(HOST_NAME)
        shutil.copyfile(identity.chain, self.host.path(f"{HOME}/fullchain.pem"))
        shutil.copyfile(identity.key, self.host.path(f"{HOME}/privkey.pem"))
        self.check_is_fine(self.shell(self.host, "host"))
        for path, text in readme.files("delegate").items():
            self.host.write(path, text)
        said = self.shell(self.host, "delegate")
        self.check_is_fine(said, *2 * ["it is made at the next start or reload"])
        self.assertIn("fine; tenants served: 2\n", said)
        self.shell(self.host, "sheets")
        for domain, part in ((POSH, "location = "), (DANE, "SRV")):
            self.assertIn(part, self.host.path(f"{HOME}/{domain}.txt").read_text())

    def test_2_before_anything_is_published_the_probe_says_so(self):
        self.assertIn("ON-01", self.probe(POSH)[1])
        level, problems = self.probe(DANE)
        self.assertFalse(level["reached"])
        self.assertEqual(problems, {"ON-01"})

    def test_3_the_customers_publish(self):
        self.assertEqual({kind for _, kind in self.zone(POSH, "customer")}, {"SRV"})
        self.assertEqual({kind for _, kind in self.zone(DANE, "customer")}, {"SRV"})
        self.assertEqual(self.zone(DANE, "host"), {(f"_5269._tcp.{DANE_NAME}.", "TLSA")})
        name = f"{POSH}.nginx"
        self.assertIn("ON-13", self.probe(POSH)[1])
        self.customer.write(f"{HOME}/{name}", self.host.path(f"{HOME}/{name}").read_text())
        self.shell(self.customer, "customer")
        said = json.loads(self.shell(self.customer, "seen"))
        self.assertEqual(len(said["fingerprints"]), 1)

    def test_4_the_probe_is_green(self):
        self.shell(self.host, "probe")  # it would fail
        for domain, by in ((POSH, "posh"), (DANE, "dane")):
            self.assertEqual(self.probe(domain), ({"reached": True, "by": by}, set()))

    def test_5_a_strict_stranger_believes_the_document(self):
        posh = verifier(self.stage)
        self.dial(posh)
        self.assertEqual(posh.fetched, [DOCUMENT])

    def test_6_prosody_believes_the_tlsa_record(self):
        self.gondor.wait()
        self.gondor.register("boromir")
        boromir = Client(self.stage.world, PEER, "boromir", GONDOR)
        self.addCleanup(boromir.close)
        boromir.message(f"haldir@{DANE}", "hello", "by-dane")
        self.assertRegex(self.wait_for(r'"event":"stream-up".*'), rf'"from":"{GONDOR}"')
        said = self.host.shell(f"fedgate explain {DANE} {GONDOR} --json")
        decision = next(one for one in json.loads(said)["decisions"]
                        if one["direction"] == "inbound")
        self.assertEqual("accepted", decision["outcome"])
        self.assertIn("Enabling DANE with 1 TLSA records", self.gondor.log_text())

    def wait_for(self, pattern):
        """The line of the gate's log about a stranger's stream to the DANE tenant."""
        return self.host.shell(
            f"for _ in $(seq 100); do grep -E '\"leg\":\"W-IN\".*\"to\":\"{DANE}\"|"
            f"\"to\":\"{DANE}\".*\"leg\":\"W-IN\"' /var/log/test-fedgate.log | "
            f"grep -oE '{pattern}' && exit; sleep 0.1; done; exit 1")

    def test_7_no_key_of_the_customers_is_with_the_host(self):
        mine = public(serialization.load_pem_private_key(self.site.key.read_bytes(), None))
        theirs = set()
        for part in ("/etc/fedgate", "/var/lib/fedgate", HOME):
            theirs |= public_halves(self.host.path(part))
        self.assertGreaterEqual(len(theirs), 3)  # the publisher's, the tenant's, the DANE tenants'
        self.assertNotIn(mine, theirs)
        customers = self.customer.path(HOME), self.customer.path("/etc/nginx")
        self.assertEqual(set().union(*map(public_halves, customers)), set())

    def test_8_the_certificate_is_exchanged_and_nobody_notices(self):
        posh = verifier(self.stage)
        first = self.dial(posh)  # remembers the document of before
        self.assertIn("shows it at once", self.shell(self.host, "rotate"))
        self.assertEqual(len(json.loads(self.shell(self.customer, "seen"))["fingerprints"]), 2)
        self.assertEqual(self.dial(posh), first)
        state = self.host.path(f"/var/lib/fedgate/tenants/{POSH}/rollover.json")
        line = next(one.text for one in readme.blocks() if "--continue" in one.text)
        again = line.split(None, 6)[6].strip() + " || true"
        self.assertIn("not before", self.host.shell(again))
        fresh = verifier(self.stage)
        self.assertEqual(self.dial(fresh), first)
        for step in ("in use from now on", "the rollover is done"):
            told = json.loads(state.read_text())
            state.write_text(json.dumps({**told, "counted_s": told["counted_s"] + DAY + 60}))
            self.assertIn(step, self.host.shell(again))
        self.assertNotEqual(self.dial(fresh), first)
        self.assertEqual(self.probe(POSH), ({"reached": True, "by": "posh"}, set()))

    def test_9_a_customer_leaves(self):
        self.host.path(f"/etc/fedgate/tenants.d/{POSH}.ini").unlink()
        self.host.shell("systemctl reload fedgate")
        with self.assertRaises(Closed):
            self.dial(verifier(self.stage))
        self.assertTrue(self.host.path(f"/var/lib/fedgate/tenants/{POSH}").is_dir())
        self.assertEqual(self.probe(DANE), ({"reached": True, "by": "dane"}, set()))


if __name__ == "__main__":
    unittest.main()
