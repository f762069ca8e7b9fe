"""`fedgate rotate`: from a certificate to the next while a web server and a signed zone show what the
world may remember. Days are shortened by writing into the state how much has passed."""

import base64
import hashlib
import json
import time
import unittest

import common
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from lab import gate as lab_gate
from lab.nameserver import tlsa_record
from stage import Stage

POSH, DANE, OTHER_DANE, OWN, LONELY = ("shire.example", "moria.example", "lorien.example",
                                       "gondor.example", "bree.example")
TARGET = lab_gate.DANE_NAME
DAY = 86400
WAIT_S = 10


def der(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(
        serialization.Encoding.DER)


def key_of(certificate):
    """DANE tenants show the host's key, each in a certificate that names it."""
    return x509.load_der_x509_certificate(certificate).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Rotate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("rotate", common.BINARY, workers=1)
        cls.addClassCleanup(stage.close)
        for domain in (POSH, LONELY):
            stage.tenant(domain, proof="posh")
        for domain in (DANE, OTHER_DANE):
            stage.tenant(domain, proof="dane")
        cls.own, cls.own_next = stage.ca.issue(OWN), stage.ca.issue(OWN)
        stage.tenant(OWN, identity=cls.own,
                     tls={"next_certificate": cls.own_next.chain, "next_key": cls.own_next.key})
        cls.web = stage.web()
        cls.web.site(POSH)
        cls.web.site(OWN)
        stage.start()
        cls.web.start()
        cls.gate = stage.gate

    # What is there

    def directory(self, domain=None):
        state = self.gate.dir / "state"
        return state / "tenants" / domain if domain else state / "host"

    def shown(self, domain):
        """The certificate that a peer gets, by TLS from the first byte."""
        peer = self.stage.direct(domain)
        try:
            return peer.sock.getpeercert(binary_form=True)
        finally:
            peer.sock.close()

    def wait_until_shown(self, domain, wanted, of=lambda certificate: certificate):
        """No handshake on the way may fail, nor show anything but the two certificates; `of`: the
        part of them that counts."""
        before, end = of(self.shown(domain)), time.monotonic() + WAIT_S
        while (now := of(self.shown(domain))) != of(wanted):
            self.assertEqual(now, before)
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def document(self, domain):
        done = self.gate.command("posh", domain)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def listed(self, document):
        return [base64.b64decode(one["sha-256"]) for one in document["fingerprints"]]

    # What is done

    def rotate(self, name, *words, status=None):
        words = ("--host", *words) if name == "--host" else (name, *words)
        done = self.gate.command("rotate", *words, "--json")
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def expect(self, name, status, stage, sight=None, step="none", *words):
        told = self.rotate(name, *words, status=status)
        want = {"stage": stage, "step": step, "sight": sight or told["sight"]}
        self.assertEqual({key: told[key] for key in want}, want, told)
        return told

    def pass_time(self, directory, seconds):
        path = directory / "rollover.json"
        state = json.loads(path.read_text())
        state["counted_s"] += seconds
        path.write_text(json.dumps(state))

    def publish(self, domain, document=None):
        self.web.posh(domain, document or self.document(domain))

    def publish_records(self, *certificates):
        self.stage.names.set(f"_5269._tcp.{TARGET}", "TLSA",
                             *(tlsa_record(path) for path in certificates))
        self.stage.names.commit()

    # Lives

    def test_a_posh_tenant_lives_through_a_whole_rollover(self):
        """POSH-11: next is shown for longer than `expires`, then used; previous as long again."""
        mine = self.directory(POSH)
        first = der(mine / "current.pem")
        self.publish(POSH)
        self.assertEqual(self.shown(POSH), first)
        told = self.expect(POSH, 0, "staged", "missing", "staged")
        self.assertTrue(told["reloaded"])
        following = der(mine / "next.pem")
        self.expect(POSH, 1, "staged", "missing")
        said = self.gate.command("rotate", POSH).stdout
        self.assertIn(f"LACKS it  https://{POSH}/.well-known/posh/xmpp-server.json", said)
        self.assertIn("The customer must act", said)
        self.assertIn("not before", said)
        document = self.document(POSH)
        self.assertEqual(self.listed(document), [hashlib.sha256(one).digest()
                                                 for one in (following, first)])
        self.publish(POSH, document)
        told = self.expect(POSH, 1, "staged", "seen")
        self.assertEqual(told["needed_s"], document["expires"])
        self.pass_time(mine, document["expires"] - 60)
        self.expect(POSH, 1, "staged", "seen")
        self.assertEqual(self.shown(POSH), first)
        self.pass_time(mine, 61)
        told = self.expect(POSH, 0, "switched", "seen", "switched")
        self.assertTrue(told["reloaded"])
        self.wait_until_shown(POSH, following)
        self.assertEqual(self.listed(self.document(POSH)), [hashlib.sha256(one).digest()
                                                            for one in (following, first)])
        self.expect(POSH, 1, "switched", "seen")
        self.pass_time(mine, document["expires"] + 1)
        self.expect(POSH, 0, "idle", "seen", "retired")
        self.assertEqual(self.listed(self.document(POSH)), [hashlib.sha256(following).digest()])
        self.assertEqual(sorted(path.name for path in mine.iterdir() if not path.is_symlink()),
                         ["2", "rollover.json", "rotate.lock"])
        self.expect(POSH, 0, "idle", None, "none", "--continue")
        self.assertEqual(self.shown(POSH), following)

    def test_the_hosts_key_is_changed_for_all_dane_tenants_at_once(self):
        """DANE-8: the record is there for two TTLs before the key is used."""
        host = self.directory()
        first = der(host / "current.pem")
        self.publish_records(host / "current.pem")
        self.expect("--host", 0, "staged", "missing", "staged")
        following = der(host / "next.pem")
        said = self.gate.command("rotate", "--host").stdout
        self.assertIn("The host must act", said)
        self.assertIn("TLSA " + tlsa_record(host / "next.pem"), said)
        self.publish_records(host / "current.pem", host / "next.pem")
        told = self.expect("--host", 1, "staged", "seen")
        self.assertEqual(told["needed_s"], 2 * 3600)
        self.pass_time(host, 7190)
        self.assertLessEqual(self.expect("--host", 1, "staged", "seen")["counted_s"], 7200)
        self.pass_time(host, 11)
        self.expect("--host", 0, "switched", "seen", "switched")
        for domain in (DANE, OTHER_DANE):
            self.wait_until_shown(domain, following, key_of)
        self.expect("--host", 1, "switched", "seen")
        self.pass_time(host, 7201)
        self.expect("--host", 0, "idle", "seen", "retired")
        self.assertNotEqual(key_of(first), key_of(following))

    def test_a_copy_that_goes_missing_begins_the_wait_anew(self):
        self.stage.tenant("buckland.example", proof="posh")
        self.web.site("buckland.example")
        self.stage.names.commit()
        self.gate.reload()
        self.web.reload()
        mine, domain = self.directory("buckland.example"), "buckland.example"
        self.publish(domain)
        old = self.document(domain)
        self.expect(domain, 0, "staged", "missing", "staged")
        self.publish(domain)
        for spoil, sight in ((lambda: self.publish(domain, old), "missing"),
                             (lambda: self.publish(domain, b"<html>no</html>"), "missing"),
                             (lambda: self.publish(domain, {**self.document(domain),
                                                            "expires": 0}), "missing"),
                             (lambda: self.web.posh(domain, None), "missing")):
            self.publish(domain)
            self.expect(domain, 1, "staged", "seen")
            self.pass_time(mine, DAY - 10)
            spoil()
            self.assertEqual(self.expect(domain, 1, "staged", sight)["counted_s"], 0)
        self.publish(domain)
        self.assertEqual(self.expect(domain, 1, "staged", "seen")["counted_s"], 0)
        # What cannot be looked at costs nothing, and lets nothing pass.
        self.pass_time(mine, 2 * DAY)
        self.web.error(domain, "/.well-known/posh/xmpp-server.json", 503)
        self.web.reload()
        self.assertGreater(self.expect(domain, 1, "staged", "unknown")["counted_s"], DAY)
        self.web.lines(domain)
        self.web.reload()
        # Who asks only for the status changes nothing.
        self.assertTrue(self.rotate(domain, "--status", status=0)["due"])
        self.expect(domain, 0, "switched", "seen", "switched")

    def test_whenever_it_is_killed_it_goes_on(self):
        """F05: at every moment one whole pair is in use, and the same next one is waited for."""
        mine = self.directory(LONELY)
        binary = [self.gate.binary, "rotate", LONELY, "--config", self.gate.dir / "fedgate.ini"]
        first = der(mine / "current.pem")
        staged = None
        for delay in range(0, 24):
            process = self.gate.host.popen(binary, log=self.gate.dir / "killed.log")
            time.sleep(delay / 400)
            process.kill()
            self.assertEqual(der(mine / "current.pem"), first)
            if (mine / "next.pem").exists():
                staged = staged or der(mine / "next.pem")
                self.assertEqual(der(mine / "next.pem"), staged)
        told = self.rotate(LONELY)
        self.assertEqual(told["stage"], "staged")
        self.assertEqual(der(mine / "next.pem"), staged or der(mine / "next.pem"))
        self.assertEqual(self.shown(LONELY), first)

    def test_two_at_once_do_not_meet(self):
        self.rotate(LONELY)
        process = self.gate.host.popen(["flock", self.directory(LONELY) / "rotate.lock", "sleep",
                                        "20"])
        try:
            time.sleep(0.3)
            done = self.gate.command("rotate", LONELY)
            self.assertEqual(done.returncode, 3)
            self.assertIn("another `fedgate rotate` is at work", done.stderr)
        finally:
            process.kill()

    def test_a_tenants_own_next_certificate_is_only_advised_on(self):
        """The operator exchanges the files: the gate says when."""
        self.assertTrue(self.expect(OWN, 0, "staged", "nobody")["due"])  # nothing is published
        self.publish(OWN, {"fingerprints": [self.fingerprint(self.own.chain)], "expires": 7200})
        self.expect(OWN, 1, "staged", "missing")
        self.publish(OWN)
        self.expect(OWN, 1, "staged", "seen")
        self.pass_time(self.directory(OWN), DAY + 1)
        told = self.expect(OWN, 0, "staged", "seen")
        self.assertTrue(told["due"])
        self.assertEqual(self.shown(OWN), x509.load_pem_x509_certificate(
            self.own.chain.read_bytes()).public_bytes(serialization.Encoding.DER))
        self.stage.tenant(OWN, identity=self.own_next,
                          tls={"next_certificate": self.own.chain, "next_key": self.own.key})
        self.expect(OWN, 1, "switched", "seen")
        self.pass_time(self.directory(OWN), DAY + 1)
        self.assertTrue(self.expect(OWN, 0, "switched", "seen")["due"])
        self.assertIn("safe now to remove", self.gate.command("rotate", OWN).stdout)

    def fingerprint(self, path):
        return {"sha-256": base64.b64encode(hashlib.sha256(x509.load_pem_x509_certificate(
            path.read_bytes()).public_bytes(serialization.Encoding.DER)).digest()).decode()}

    def test_what_cannot_be_rotated_is_said(self):
        rows = (((DANE,), 1, "fedgate rotate --host"), ((), 2, "usage: fedgate rotate"),
                ((POSH, "--host"), 2, "usage: fedgate rotate"),
                (("mordor.example",), 1, "is no tenant's domain"))
        for words, status, text in rows:
            done = self.gate.command("rotate", *words)
            self.assertEqual((done.returncode, text in done.stderr), (status, True), done)
        state = self.directory(LONELY) / "rollover.json"
        self.rotate(LONELY)
        kept = state.read_text()
        self.addCleanup(state.write_text, kept)
        state.write_text(json.dumps({**json.loads(kept), "version": 2}))
        self.assertIn("newer fedgate", self.rotate(LONELY, status=3))
        for broken in ("", "{", "[]", json.dumps({**json.loads(kept), "counted_s": -1})):
            state.write_text(broken)
            self.assertEqual(self.rotate(LONELY)["counted_s"], 0)


if __name__ == "__main__":
    unittest.main()
