"""A POSH tenant's whole life: onboarded with no key of the customer's anywhere on the gate,
believed by strict peers and by a second gate, given a new certificate without a refused stream,
gone.
"""

import json
import re
import threading
import time
import unittest

import common
import posh_verifier
from cryptography.hazmat.primitives import serialization
from lab import gate as lab_gate
from lab.gate import Gate
from lab.web import POSH_PATH
from script import Closed, ScriptedBackend, message
from stage import Stage
from strict import Refused, StrictServer, strict_dial, verifier

SHIRE, ROHAN, BREE = "shire.example", "rohan.example", "bree.example"
DALE = "dale.example"  # its customer has a static file for a document
SECOND = ("10.99.0.4", "10.99.0.5")  # another host's gate: public, egress
SECOND_BACKEND = "10.99.0.14"
POLICY = {"inbound": "trusted", "outbound": "trusted"}
EXPIRES, COPY_EXPIRES = 300, 2  # of the gate's documents; of the copy that DALE's customer keeps
PEM = re.compile(b"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S)


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def private_keys(directory):
    """{file: public half} of every private key below a directory."""
    found = {}
    for path in sorted(one for one in directory.rglob("*") if one.is_file()):
        for text in PEM.findall(path.read_bytes()):
            found[path] = public(serialization.load_pem_private_key(text, None))
    return found


class Life(unittest.TestCase):
    """The customer has a web site and a zone; the host has a gate and its own web certificate."""

    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("posh-life", common.BINARY)
        cls.addClassCleanup(stage.close)
        cls.gate = stage.gate
        cls.gate.publish(stage.web_ca.issue(lab_gate.HOST_NAME), expires=EXPIRES)
        stage.names.set(lab_gate.HOST_NAME, "A", lab_gate.PUBLIC)
        cls.web = stage.web()
        for domain in (SHIRE, DALE):
            stage.tenant(domain, proof="posh", policy=POLICY)
            cls.web.site(domain)
        cls.second_gate()
        cls.posh = verifier(stage)
        cls.rohan = stage.keep(StrictServer(stage.world, ROHAN, cls.posh,
                                            identity=stage.identity(ROHAN)))
        stage.names.peer(ROHAN, stage.world.address, starttls=5269)
        stage.start()
        cls.other.start()
        cls.web.lines(SHIRE, *cls.gate.nginx_lines(SHIRE, cls.web.trust))
        cls.web.start()

    @classmethod
    def second_gate(cls):
        """Another host, whose own tenant is proven by an authority, and who wants proof."""
        stage = cls.stage
        cls.other = Gate(stage.net.host("second", *SECOND), common.BINARY, stage.ca.root,
                         stage.names.anchor, web_ca=stage.web_ca.root)
        cls.other_backend = stage.keep(ScriptedBackend(
            stage.net.host("bree", SECOND_BACKEND), [BREE], (SECOND[1], 5275)))
        cls.other.tenant(BREE, f"{SECOND_BACKEND}:5269", stage.identity(BREE), policy=POLICY)
        stage.names.peer(BREE, SECOND[0], starttls=5269)

    def arrived(self, where, ident, seconds=15):
        with where.arrived:
            self.assertTrue(where.arrived.wait_for(
                lambda: any(ident in one for one in where.stanzas), seconds), ident)

    def both_ways_with_rohan(self, ident):
        peer = strict_dial(self.stage, self.posh, ROHAN, SHIRE)
        self.addCleanup(peer.close)
        peer.send(message(f"eowyn@{ROHAN}", f"frodo@{SHIRE}", "hello", f"in-{ident}"))
        self.arrived(self.stage.canary, f"in-{ident}")
        self.from_shire(ROHAN, f"out-{ident}")
        self.arrived(self.rohan, f"out-{ident}")
        self.assertTrue(all(verdict.accepted for _, verdict in self.rohan.verdicts))

    def from_shire(self, peer, ident):
        self.from_tenant(SHIRE, peer, ident)

    def from_tenant(self, tenant, peer, ident):
        link = self.stage.canary.dial(tenant, peer)
        self.addCleanup(link.close)
        link.expect("<db:result[^>]*type='valid'")
        link.send(message(f"frodo@{tenant}", f"user@{peer}", "well met", ident))

    def test_1_onboarding_brings_no_key_of_the_customers_to_the_gate(self):
        """POSH-12: what is there is the host's publisher's, and one made for this tenant alone."""
        keys = private_keys(self.gate.dir)
        site = serialization.load_pem_private_key(
            self.web.sites[SHIRE]["identity"].key.read_bytes(), None)
        self.assertNotIn(public(site), keys.values())
        made = self.gate.dir / "state/tenants"
        others = {path for path in keys if made not in path.parents}
        self.assertEqual({self.gate.dir / "tls/publish.key"}, others)
        self.assertTrue(len(keys) > len(others))
        text = (self.gate.dir / f"tenants.d/{SHIRE}.ini").read_text(encoding="utf-8")
        self.assertNotIn("key", text)

    def test_2_the_customers_url_shows_what_the_gate_says(self):
        """POSH-11: no redirect, by the lines that the host handed out."""
        said = json.loads(self.gate.command("posh", SHIRE, check=True).stdout)
        found = self.posh.fetch(SHIRE)
        self.assertEqual(said["fingerprints"], found.descriptors)
        self.assertEqual([f"https://{SHIRE}{POSH_PATH}"], found.urls)

    def test_3_strict_peers_believe_it_both_ways(self):
        self.both_ways_with_rohan("young")

    def test_4_a_second_gate_believes_it_both_ways(self):
        self.from_shire(BREE, "to-bree")
        self.arrived(self.other_backend, "to-bree")
        link = self.other_backend.dial(BREE, SHIRE)
        self.addCleanup(link.close)
        link.expect("<db:result[^>]*type='valid'")
        link.send(message(f"bill@{BREE}", f"frodo@{SHIRE}", "hello", "from-bree"))
        self.arrived(self.stage.canary, "from-bree")
        for direction in ("inbound", "outbound"):
            decision = next(one for one in self.other.explain(BREE, SHIRE, 5)
                            if one["direction"] == direction)
            self.assertEqual(("accepted", "trusted", "posh"),
                             (decision["outcome"], decision["level"], decision["proof"]))

    def rotate(self, domain):
        return json.loads(self.gate.command("rotate", domain, "--json").stdout)

    def rotate_after(self, domain, seconds):
        """So long it is to be seen, and no longer is it kept by whom has seen the copy: the rest
        of the gate's own patience, which goes by what its publisher promises, is written off."""
        self.assertEqual(("none", "seen"), tuple(self.rotate(domain)[key]
                                                 for key in ("step", "sight")))
        time.sleep(seconds)
        path = self.gate.dir / f"state/tenants/{domain}/rollover.json"
        state = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**state, "counted_s": state["counted_s"] + EXPIRES}),
                        encoding="utf-8")
        return self.rotate(domain)["step"]

    def copy_document(self, domain):
        """The customer copies what the host prints; his copy may not be kept for as long."""
        said = json.loads(self.gate.command("posh", domain, check=True).stdout)
        self.web.posh(domain, {**said, "expires": COPY_EXPIRES})
        return said["fingerprints"]

    def dial_again_and_again(self, domain, stopped, heard):
        """A strict peer that keeps documents for as long as they say, and certificates' hashes."""
        posh = verifier(self.stage)
        while not stopped.is_set():
            try:
                with strict_dial(self.stage, posh, ROHAN, domain) as peer:
                    heard.append(posh_verifier.descriptor(peer.sock.getpeercert(True), "sha-256"))
            except (Refused, Closed, OSError, AssertionError) as error:
                heard.append(repr(error))
            time.sleep(0.1)

    def test_5_a_new_certificate_costs_no_stream(self):
        """POSH-11: a peer that caches for `expires` never sees what it does not know."""
        stopped, heard = threading.Event(), []
        first = self.copy_document(DALE)
        thread = threading.Thread(target=self.dial_again_and_again, args=(DALE, stopped, heard))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stopped.set)
        time.sleep(0.5)
        self.assertEqual("staged", self.rotate(DALE)["step"])
        self.assertEqual(("none", "missing"), tuple(self.rotate(DALE)[key]
                                                    for key in ("step", "sight")))
        both = self.copy_document(DALE)
        self.assertEqual(first, both[1:])
        self.assertEqual("switched", self.rotate_after(DALE, COPY_EXPIRES + 0.5))
        self.assertEqual("retired", self.rotate_after(DALE, COPY_EXPIRES + 0.5))
        self.assertEqual(both[:1], self.copy_document(DALE))
        time.sleep(COPY_EXPIRES + 0.5)
        stopped.set()
        thread.join()
        self.assertEqual([], [one for one in heard if isinstance(one, str)])
        self.assertGreater(len(heard), 20)
        shown = [one["sha-256"] for one in heard]
        self.assertEqual([first[0]["sha-256"], both[0]["sha-256"]], list(dict.fromkeys(shown)))
        self.from_tenant(DALE, ROHAN, "out-rotated")
        self.arrived(self.rohan, "out-rotated")
        self.assertEqual([True], [verdict.accepted for who, verdict in self.rohan.verdicts
                                  if who == DALE][-1:])

    def test_9_when_it_leaves_nothing_of_it_is_served(self):
        (self.gate.dir / "tenants.d/.confirm-removal").write_text("1\n", encoding="ascii")
        self.gate.remove_tenant(SHIRE)
        self.assertEqual((1, "fine"), tuple(self.gate.reload()[key] for key in
                                            ("removed", "outcome")))
        with self.assertRaises((Closed, OSError)):
            strict_dial(self.stage, verifier(self.stage), ROHAN, SHIRE)
        self.assertIn("404", verifier(self.stage).check(SHIRE, b"").why)


if __name__ == "__main__":
    unittest.main()
