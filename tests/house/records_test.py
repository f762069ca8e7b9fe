"""`fedgate records` and `fedgate posh`: what they print, other people's software takes as it is."""

import base64
import datetime
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import dns.rdatatype
import dns.zone
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GATE = ROOT / os.environ.get("FEDGATE", "build/fedgate")
HOST = "xmpp.hosting.example"
WAIT_S = 15


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def make_pair(stem, name, seconds=86400 * 30):
    """A certificate and its key beside each other, by other people's code."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(seconds=seconds))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256()))
    stem.with_suffix(".pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    stem.with_suffix(".key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    stem.with_suffix(".key").chmod(0o600)


def make_slot(directory, name):
    """As the gate keeps what follows and what was before."""
    directory.mkdir()
    make_pair(directory / "certificate", name)
    (directory / "certificate.key").rename(directory / "key.pem")


def certificate(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def spki_sha256(path):
    return hashlib.sha256(certificate(path).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def fingerprint(path):
    der = certificate(path).public_bytes(serialization.Encoding.DER)
    return {"sha-256": base64.b64encode(hashlib.sha256(der).digest()).decode(),
            "sha-512": base64.b64encode(hashlib.sha512(der).digest()).decode()}


@unittest.skipIf(os.geteuid() != 0, "needs root: the gate's own files are root's")
class Published(unittest.TestCase):
    """A host with one tenant of every kind; the gate was started once and has made its keys."""

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="fedgate-records-"))
        cls.addClassCleanup(shutil.rmtree, cls.home)
        for part in ("tenants.d", "db"):
            (cls.home / part).mkdir()
        for stem, name in (("gondor", "gondor.example"), ("gondor-next", "gondor.example"),
                           ("web", HOST)):
            make_pair(cls.home / stem, name)
        cls.tenant("shire.example", "domains = conference.shire.example\nproof = posh\n")
        cls.tenant("moria.example", "proof = dane\n")
        cls.tenant("gondor.example", f"[tls]\ncertificate = {cls.home}/gondor.pem\n"
                                     f"key = {cls.home}/gondor.key\n")
        cls.config()
        cls.start_once()

    @classmethod
    def tenant(cls, domain, more):
        (cls.home / f"tenants.d/{domain}.ini").write_text(
            f"[tenant]\ndomain = {domain}\nbackend = 127.0.0.1:1\n{more}")

    @classmethod
    def config(cls, host_name=f"host_name = {HOST}\n", publish=True):
        cls.port = free_port()
        text = (f"[gate]\nlisten = 127.0.0.1:{cls.port} [::1]:{cls.port}\nworkers = 1\n"
                f"user = nobody\n{host_name}[dns]\ntrust_anchor =\n"
                f"[egress]\nlisten = 127.0.0.1:{free_port()}\ndns_listen =\n")
        if publish:
            port = free_port()
            text += (f"[publish]\nlisten = 127.0.0.1:{port}\n"
                     "certificate = web.pem\nkey = web.key\n")
            cls.publisher = f"https://{HOST}:{port}"
        (cls.home / "fedgate.ini").write_text(text)

    @classmethod
    def start_once(cls):
        gate = subprocess.Popen([GATE, "serve", "--config", cls.home / "fedgate.ini"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + WAIT_S
        wanted = [cls.home / "state/host/current.key",
                  cls.home / "state/tenants/shire.example/current.key"]
        while not all(path.exists() for path in wanted) and time.monotonic() < end:
            time.sleep(0.02)
        gate.terminate()
        said = gate.communicate(timeout=WAIT_S)[1]
        assert all(path.exists() for path in wanted), said

    def run_gate(self, *words, status=0, config=None):
        done = subprocess.run([GATE, *words, "--config", config or self.home / "fedgate.ini"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr if status else done.stdout

    def json_of(self, domain, *words):
        return json.loads(self.run_gate("records", domain, "--format", "json", *words))

    # Zones

    def check_zone(self, origin, lines):
        """Knot's own checker, with all its semantic checks; gives what dnspython reads."""
        head = (f"{origin}. 3600 IN SOA ns.{origin}. admin.{origin}. 1 3600 900 604800 300\n"
                f"{origin}. 3600 IN NS ns.{origin}.\nns.{origin}. 3600 IN A 192.0.2.1\n"
                f"{origin}. 3600 IN A 192.0.2.2\n")
        path = self.home / "zone"
        path.write_text(head + lines)
        (self.home / "knot.conf").write_text(
            f"database:\n    storage: {self.home}/db\n"
            f"zone:\n  - domain: {origin}\n    file: {path}\n    semantic-checks: on\n")
        done = subprocess.run(["knotc", "-c", self.home / "knot.conf", "zone-check", origin],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        zone = dns.zone.from_text(head + lines, origin + ".", relativize=False)
        found = set()
        for name, node in zone.items():
            for rdataset in node:
                if dns.rdatatype.to_text(rdataset.rdtype) not in ("SOA", "NS", "A"):
                    found |= {(str(name), rdataset.ttl, dns.rdatatype.to_text(rdataset.rdtype),
                               rdata.to_text()) for rdata in rdataset}
        return found

    def test_the_customers_zone_loads_as_it_is(self):
        found = self.check_zone("shire.example", self.run_gate(
            "records", "shire.example", "--format", "zone", "--clients", "chat.shire.example",
            "--ca", "letsencrypt.org"))
        server, client = f"{self.port} {HOST}.", "chat.shire.example."
        self.assertEqual(found, {
            ("_xmpps-server._tcp.shire.example.", 3600, "SRV", "5 0 " + server),
            ("_xmpp-server._tcp.shire.example.", 3600, "SRV", "10 0 " + server),
            ("_xmpps-server._tcp.conference.shire.example.", 3600, "SRV", "5 0 " + server),
            ("_xmpp-server._tcp.conference.shire.example.", 3600, "SRV", "10 0 " + server),
            ("_xmpps-client._tcp.shire.example.", 3600, "SRV", "5 0 5223 " + client),
            ("_xmpp-client._tcp.shire.example.", 3600, "SRV", "10 0 5222 " + client),
            ("shire.example.", 3600, "CAA", '0 issue "letsencrypt.org"')})

    def test_the_checker_would_notice(self):
        for line in ("_xmpp-server._tcp.shire.example. 3600 IN SRV 5 0 x host.\n",
                     "elsewhere.example. 3600 IN A 192.0.2.1\n"):
            with self.assertRaises(AssertionError):
                self.check_zone("shire.example", line)

    def test_what_is_not_known_is_a_comment_and_no_guess(self):
        found = self.check_zone("shire.example", self.run_gate(
            "records", "shire.example", "--format", "zone"))
        self.assertEqual({(name, kind) for name, _, kind, _ in found},
                         {(f"_{service}._tcp.{domain}.", "SRV")
                          for service in ("xmpps-server", "xmpp-server")
                          for domain in ("shire.example", "conference.shire.example")})

    def test_the_hosts_zone_lists_the_key_that_dane_tenants_show(self):
        """DANE-6: one key for all of them, by its target and port; no other tenant's."""
        found = self.check_zone("hosting.example", self.run_gate(
            "records", "moria.example", "--format", "zone", "--for", "host"))
        key = spki_sha256(self.home / "state/host/current.pem")
        self.assertEqual(found, {(f"_{self.port}._tcp.{HOST}.", 3600, "TLSA", "3 1 1 " + key)})
        for domain in ("shire.example", "gondor.example"):
            self.assertNotIn("TLSA", self.run_gate("records", domain, "--format", "zone"))

    def test_dane_tenants_may_have_a_target_of_their_own(self):
        """DANE-6"""
        self.addCleanup((self.home / "fedgate.ini").write_text,
                        (self.home / "fedgate.ini").read_text())
        with open(self.home / "fedgate.ini", "a", encoding="utf-8") as file:
            file.write("[host]\nname = dane.hosting.example\n")
        told = self.json_of("moria.example")
        self.assertEqual(told["host"], "dane.hosting.example")
        self.assertEqual({r["name"] for r in told["records"] if r["by"] == "host"},
                         {f"_{self.port}._tcp.dane.hosting.example."})
        self.assertEqual({r["value"].split()[-1] for r in told["records"]
                          if r["type"] == "SRV" and "value" in r}, {"dane.hosting.example."})
        self.assertEqual(self.json_of("shire.example")["host"], HOST)

    def test_the_next_key_stands_beside_the_one_in_use(self):
        """DANE-8: both are there while they change, and the one before until it is forgotten."""
        host = self.home / "state/host"
        for name, number in (("next", "2"), ("previous", "3")):
            make_slot(host / number, HOST)
            (host / name).symlink_to(number)
            self.addCleanup(shutil.rmtree, host / number)
            self.addCleanup((host / name).unlink)
        records = [r["value"] for r in self.json_of("moria.example")["records"]
                   if r["type"] == "TLSA"]
        self.assertEqual(records, ["3 1 1 " + spki_sha256(host / f"{name}.pem")
                                   for name in ("current", "next", "previous")])

    def test_json_says_the_same_as_the_zone(self):
        for domain, origin in (("shire.example", "shire.example"),
                               ("moria.example", "moria.example"),
                               ("gondor.example", "gondor.example")):
            words = ("--ca", "ca.example", "--clients", "c." + domain)
            zone = self.check_zone(origin, self.run_gate(
                "records", domain, "--format", "zone", "--for", "customer", *words))
            told = self.json_of(domain, "--for", "customer", *words)
            self.assertEqual({(r["name"], r["ttl"], r["type"], r["value"])
                              for r in told["records"]}, zone)
            self.assertEqual({r["by"] for r in told["records"]}, {"customer"})

    # Documents

    def test_the_document_lists_the_certificate_that_peers_see(self):
        """POSH-11, POSH-12"""
        own = self.home / "state/tenants/shire.example/current.pem"
        want = {"fingerprints": [fingerprint(own)], "expires": 86400}
        for domain in ("shire.example", "conference.shire.example"):
            for service in ("xmpp-server", "xmpp-client"):
                self.assertEqual(json.loads(self.run_gate("posh", domain, "--service", service)),
                                 want)
        self.assertEqual(self.json_of("shire.example")["document"], want)

    def test_the_newest_certificate_stands_first(self):
        """POSH-11, RFC 7711 3.1"""
        own = self.home / "state/tenants/shire.example"
        for name, number in (("next", "2"), ("previous", "3")):
            make_slot(own / number, "shire.example")
            (own / name).symlink_to(number)
            self.addCleanup(shutil.rmtree, own / number)
            self.addCleanup((own / name).unlink)
        told = json.loads(self.run_gate("posh", "shire.example"))
        self.assertEqual(told["fingerprints"], [fingerprint(own / f"{name}.pem")
                                                for name in ("next", "current", "previous")])

    def test_a_document_is_kept_for_half_of_the_overlap_at_most(self):
        """POSH-11"""
        for seconds, least, most in ((10 * 86400, 86400, 86400), (7200, 3500, 3600),
                                     (100, 300, 300)):
            make_pair(self.home / "short", "bree.example", seconds)
            self.tenant("bree.example", f"[tls]\ncertificate = {self.home}/short.pem\n"
                                        f"key = {self.home}/short.key\n"
                                        f"next_certificate = {self.home}/gondor-next.pem\n"
                                        f"next_key = {self.home}/gondor-next.key\n")
            self.addCleanup((self.home / "tenants.d/bree.example.ini").unlink, missing_ok=True)
            expires = json.loads(self.run_gate("posh", "bree.example"))["expires"]
            self.assertTrue(least <= expires <= most, expires)

    def test_each_domain_has_its_own_place(self):
        """POSH-10"""
        told = self.json_of("shire.example")["documents"]
        self.assertEqual([(d["url"], d["publisher"]) for d in told],
                         [(f"https://{domain}/.well-known/posh/{service}.json",
                           f"{self.publisher}/posh/{domain}/{service}.json")
                          for domain, service in (("shire.example", "xmpp-server"),
                                                  ("shire.example", "xmpp-client"),
                                                  ("conference.shire.example", "xmpp-server"))])

    def test_a_reference_leads_to_the_publisher(self):
        told = json.loads(self.run_gate("posh", "shire.example", "--reference"))
        self.assertEqual(told, {"url": f"{self.publisher}/posh/shire.example/xmpp-server.json",
                                "expires": 86400})

    def test_the_lines_of_one_web_server_can_be_had_alone(self):
        lines = self.json_of("shire.example")["web_servers"]
        self.assertEqual(set(lines), {"nginx", "apache", "caddy"})
        for server, text in lines.items():
            self.assertEqual(self.run_gate("records", "shire.example", "--format", server), text)
        self.assertIn("no web server", self.run_gate("records", "moria.example", "--format",
                                                     "nginx", status=1))

    def test_nginx_takes_the_lines(self):
        lines = self.json_of("gondor.example")["web_servers"]["nginx"]
        self.config(publish=False)
        self.addCleanup(self.config)
        from_file = self.json_of("gondor.example")["web_servers"]["nginx"]
        self.assertIn("proxy_pass", lines)
        self.assertNotIn("proxy_pass", from_file)
        for text in (lines, from_file):
            (self.home / "nginx.conf").write_text(
                f"pid {self.home}/pid;\nevents {{}}\nhttp {{ access_log off; server {{\n"
                f"listen 127.0.0.1:1;\n"
                + text.replace(HOST, "127.0.0.1") + "}}\n")
            done = subprocess.run(["nginx", "-t", "-e", self.home / "error", "-c",
                                   self.home / "nginx.conf"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_table_says_who_does_what(self):
        text = self.run_gate("records", "shire.example")
        for part in ("In the zone of shire.example, by the customer:", "On web servers, by the "
                     "customer:", "https://shire.example/.well-known/posh/xmpp-server.json",
                     "nginx", "apache", "caddy", "proxy_pass", "ProxyPass", "reverse_proxy"):
            self.assertIn(part, text)
        host = self.run_gate("records", "moria.example", "--for", "host")
        self.assertIn(f"In the zone of {HOST}, by the host:", host)
        self.assertNotIn("SRV", host)

    # Refusals

    def test_what_cannot_be_said_is_refused(self):
        rows = ((("records", "bag-end.example"), 1, "is no tenant's domain"),
                (("records", "-"), 2, "there is no option -"),
                (("records", "not a name"), 1, "is not a domain name"),
                (("records",), 2, "usage: fedgate records"),
                (("records", "shire.example", "--format", "xml"), 2, "usage: fedgate records"),
                (("records", "shire.example", "--for", "me"), 2, "usage: fedgate records"),
                (("records", "shire.example", "--ca", "no name"), 2, "usage: fedgate records"),
                (("records", "shire.example", "moria.example"), 2, "one domain at a time"),
                (("records", "shire.example", "--fromat"), 2, "did you mean --format?"),
                (("posh", "shire.example", "--service", "x"), 2, "usage: fedgate posh"),
                (("posh", "bag-end.example"), 1, "is no tenant's domain"))
        for words, status, said in rows:
            self.assertIn(said, self.run_gate(*words, status=status), words)
        self.assertIn("no such file", self.run_gate("posh", "shire.example", status=3,
                                                    config=self.home / "nowhere.ini"))

    def test_what_is_missing_is_named(self):
        self.tenant("bag-end.example", "proof = posh\n")
        self.addCleanup((self.home / "tenants.d/bag-end.example.ini").unlink)
        for verb in ("records", "posh"):
            self.assertIn("next start or reload", self.run_gate(verb, "bag-end.example", status=1))
        self.config(publish=False)
        self.addCleanup(self.config)
        self.assertIn("[publish]", self.run_gate("posh", "shire.example", "--reference", status=1))
        self.config(host_name="", publish=False)
        self.assertIn("host_name", self.run_gate("records", "gondor.example", status=1))


if __name__ == "__main__":
    unittest.main()
