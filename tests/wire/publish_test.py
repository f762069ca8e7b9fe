"""The publisher: POSH documents of the tenants under the host's name, as clients of other people's
making see them, and as a customer's web server passes them on."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import common
from lab import gate as lab_gate
from lab.web import POSH_PATH
from posh_verifier import Verifier
from stage import Stage, WEB

HOST, EXPIRES = "gate.example", 3600
WEB_SITE = (lab_gate.PUBLIC, 443)
POSH, CERTIFIED, DANE = "shire.example", "gondor.example", "moria.example"
FURTHER, IDN = "conference.shire.example", "xn--bcher-kva.example"
# No more than a customer must write: nginx's own default is no SNI, HTTP/1.0 and no check.
BARE = ("location = /.well-known/posh/xmpp-server.json {{ "
        "proxy_pass https://gate.example/posh/{}/xmpp-server.json; }}")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def path_of(domain, service="xmpp-server"):
    return f"/posh/{domain}/{service}.json"


def der_of(identity):
    certificate = x509.load_pem_x509_certificate(identity.chain.read_bytes())
    return certificate.public_bytes(serialization.Encoding.DER)


def prints_of(*identities):
    """What a document says of these certificates."""
    hashes = (("sha-256", hashlib.sha256), ("sha-512", hashlib.sha512))
    return [{name: base64.b64encode(how(der_of(one)).digest()).decode() for name, how in hashes}
            for one in identities]


def secret_of(identity):
    key = serialization.load_pem_private_key(identity.key.read_bytes(), None)
    return key.private_numbers().private_value.to_bytes(32, "big")


def memory_holds(pid, *needles):
    """Which of the needles stand in the process's memory."""
    found = set()
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in place.split("-"))
            if end - start > 1 << 28:
                continue  # a sanitizer's shadow
            try:
                memory.seek(start)
                text = memory.read(end - start)
            except OSError:
                continue
            found |= {one for one in needles if one in text}
    return found


class Publish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage("publish", common.BINARY, workers=1)
        cls.addClassCleanup(stage.close)
        cls.shown = {POSH: stage.ca.issue(POSH, signed_by="self"),
                     CERTIFIED: stage.identity(CERTIFIED)}
        cls.second = stage.ca.issue(CERTIFIED, key="rsa")
        cls.host = stage.ca.issue(HOST, signed_by="self")
        cls.provide("host", current=cls.host)
        cls.provide(f"tenants/{POSH}", current=cls.shown[POSH])
        stage.tenant(POSH, proof="posh", tenant={"domains": FURTHER})
        stage.tenant(IDN, proof="posh")
        stage.tenant(DANE, proof="dane")
        cls.certified()
        stage.names.set(HOST, "A", lab_gate.PUBLIC)
        cls.site = stage.web_ca.issue(HOST)
        stage.gate.publish(cls.site, expires=EXPIRES)
        cls.customer = stage.web()
        for domain in (POSH, FURTHER):
            cls.customer.site(domain)
        stage.start()
        cls.gate = stage.gate

    @classmethod
    def certified(cls):
        cls.stage.tenant(CERTIFIED)
        cls.stage.gate.tenant(CERTIFIED, "10.99.0.12:5269", cls.shown[CERTIFIED], cls.second)

    @classmethod
    def provide(cls, place, **identities):
        """What the gate's state holds: what a tenant shows now, next, and before; each pair in a
        directory of its own, and links to them."""
        home = cls.stage.gate.dir / "state" / place
        home.mkdir(parents=True, exist_ok=True)

        def link(name, target):
            fresh = home / ".fresh"
            fresh.symlink_to(target)
            fresh.rename(home / name)

        for name in {"next", "previous"} - identities.keys():
            for one in (name, f"{name}.pem", f"{name}.key"):
                (home / one).unlink(missing_ok=True)
        for name, identity in identities.items():
            pair = home / identity.chain.stem
            pair.mkdir(exist_ok=True)
            shutil.copyfile(identity.chain, pair / "certificate.pem")
            shutil.copyfile(identity.key, pair / "key.pem")
            (pair / "key.pem").chmod(0o600)
            link(name, pair.name)
            link(f"{name}.pem", f"{name}/certificate.pem")
            link(f"{name}.key", f"{name}/key.pem")

    def setUp(self):
        self.mark = self.gate.mark()

    # Clients

    def tls(self, name=HOST, source=None, seconds=5, alpn=None):
        """A connection that believes the lab's web CA and nobody else."""
        context = ssl.create_default_context(cafile=self.stage.web_ca.root)
        context.check_hostname = name is not None
        if alpn:
            context.set_alpn_protocols(alpn)
        sock = self.stage.world.connect(WEB_SITE, seconds, source)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return context.wrap_socket(sock, server_hostname=name)
        except BaseException:
            sock.close()
            raise

    def client(self, **how):
        connection = http.client.HTTPSConnection(HOST)
        connection.sock = self.tls(**how)
        self.addCleanup(connection.close)
        return connection

    def get(self, path, method="GET", **how):
        client = self.client(**how)
        client.request(method, path)
        answer = client.getresponse()
        return answer, answer.read()

    def document(self, domain, service="xmpp-server"):
        answer, body = self.get(path_of(domain, service))
        self.assertEqual(answer.status, 200)
        return json.loads(body)

    def publisher(self):
        return self.gate.children("publisher")[0]

    # What is served

    def test_curl_reads_a_document(self):
        """POSH-11; P24: what the strictest readers ask for: 200, no redirect, `expires`, padding."""
        done = self.stage.world.run(
            ["curl", "-sSi", "--fail", "--cacert", self.stage.web_ca.root, "--resolve",
             f"{HOST}:443:{lab_gate.PUBLIC}", f"https://{HOST}{path_of(POSH)}"])
        head, _, body = done.stdout.partition("\n\n")
        lines = head.replace("\r", "").splitlines()
        self.assertEqual(lines[0], "HTTP/1.1 200 OK")
        fields = {name.lower(): value for name, value in
                  (line.split(": ", 1) for line in lines[1:])}
        self.assertRegex(fields.pop("date"), "^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} "
                                             "[0-9:]{8} GMT$")
        self.assertEqual(int(fields.pop("content-length")), len(body))
        self.assertEqual(fields, {
            "content-type": "application/json", "cache-control": "max-age=300",
            "x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'"})
        self.assertEqual(json.loads(body), {"fingerprints": prints_of(self.shown[POSH]),
                                            "expires": EXPIRES})

    def test_one_connection_serves_many_requests(self):
        client = self.client()
        for method in ("GET", "HEAD", "GET"):
            client.request(method, path_of(POSH))
            answer = client.getresponse()
            body = answer.read()
            self.assertEqual((answer.status, answer.will_close), (200, False))
            self.assertEqual(len(body), 0 if method == "HEAD"
                             else int(answer.headers["Content-Length"]))

    def test_every_domain_has_one_path_for_each_service(self):
        """P21: no other spelling of it, and nothing of those who are proven otherwise."""
        for path, status in (
                (path_of(POSH), 200), (path_of(POSH, "xmpp-client"), 200),
                (path_of(FURTHER), 200), (path_of(IDN), 200), (path_of(CERTIFIED), 200),
                (path_of(DANE), 404), (path_of("mordor.example"), 404), (path_of(HOST), 404),
                (path_of("SHIRE.example"), 404), (path_of(POSH + "."), 404),
                (path_of("b%C3%BCcher.example"), 404), (path_of("shire%2Eexample"), 404),
                (path_of("a." + POSH), 404), (path_of("example"), 404), (path_of(""), 404),
                (path_of(POSH, "xmpp"), 404), (path_of(POSH) + "?a", 404),
                ("/" + path_of(POSH), 404), (path_of("../posh/" + POSH), 404),
                (path_of("%2e%2e/posh/" + POSH), 404), (f"/posh/{POSH}", 404),
                (f"/posh/{POSH}/", 404), ("/posh/", 404), ("/", 404), (POSH_PATH, 404)):
            with self.subTest(path):
                self.assertEqual(self.get(path)[0].status, status)

    def test_a_further_domain_has_the_document_of_its_tenant(self):
        self.assertEqual(self.document(FURTHER), self.document(POSH))
        self.assertEqual(self.document(POSH, "xmpp-client"), self.document(POSH))

    def test_what_the_gate_has_made_is_what_it_shows_and_publishes(self):
        """POSH-12: IDN's certificate is nobody's but the gate's."""
        with self.stage.direct(IDN) as peer:
            shown = peer.sock.getpeercert(binary_form=True)
        self.assertEqual(self.document(IDN)["fingerprints"][0]["sha-256"],
                         base64.b64encode(hashlib.sha256(shown).digest()).decode())

    def test_a_tenant_with_two_certificates_names_both(self):
        self.assertEqual(self.document(CERTIFIED)["fingerprints"],
                         prints_of(self.shown[CERTIFIED], self.second))

    def test_a_refusal_is_logged_with_its_reason(self):
        self.get("/secret?x")
        refused = self.gate.wait_event("web-refused", since=self.mark, status=404)
        self.assertEqual((refused["reason"], refused["from"].rsplit(":", 1)[0], refused["target"]),
                         ("FG-H06", self.stage.world.address, "/secret?x"))

    # Names

    def test_another_name_than_the_hosts_gets_no_handshake_and_none_at_all_does(self):
        """P21; RFC 6066 3: the certificate is the host's whatever is asked."""
        with self.assertRaisesRegex(ssl.SSLError, "(?i)unrecognized.name"):
            self.tls(name=POSH)
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.tls(alpn=["h2"])
        with self.tls(name=None, alpn=["h2", "http/1.1"]) as sock:
            self.assertEqual(sock.selected_alpn_protocol(), "http/1.1")
            names = dict(sock.getpeercert())["subjectAltName"]
            self.assertEqual(names, (("DNS", HOST),))

    def test_a_tenant_is_no_host(self):
        client = self.client()
        client.putrequest("GET", path_of(POSH), skip_host=True)
        client.putheader("Host", POSH)
        client.endheaders()
        self.assertEqual(client.getresponse().status, 421)

    # A customer's web server

    def printed_lines(self):
        """What `fedgate records` tells the customer to write, by domain."""
        printed = json.loads(self.gate.command("records", POSH, "--format", "json").stdout)
        blocks = printed["web_servers"]["nginx"].split("# in the server block of ")[1:]
        trust = str(self.customer.trust)
        return {block.splitlines()[0]: block.replace(AUTHORITIES, trust).splitlines()[1:]
                for block in blocks}

    def test_a_customers_web_server_passes_the_document_on(self):
        """POSH-11: under the customer's own certificate, with no key of it anywhere on the gate;
        and a verifier of other hands believes it."""
        self.customer.start()
        self.addCleanup(self.customer.stop)
        printed = self.printed_lines()
        self.assertEqual(printed.keys(), {POSH, FURTHER})
        for lines in (printed, {one: [BARE.format(one)] for one in printed}):
            for domain in printed:
                self.customer.lines(domain, *lines[domain])
            self.customer.reload()
            for domain in printed:
                with self.subTest(domain):
                    verifier = Verifier(lambda host, port: self.stage.world.connect((WEB, port)),
                                        self.stage.web_ca.root)
                    verdict = verifier.check(domain, der_of(self.shown[POSH]))
                    self.assertTrue(verdict.accepted, verdict.why)
                    self.assertEqual(verdict.material.expires, EXPIRES)
                    self.assertFalse(verifier.check(domain, der_of(self.host)).accepted)

    # Time

    def test_a_rollover_is_published_newest_first(self):
        """POSH-11, RFC 7711 3.1: next, current, previous; each certificate once."""
        now, old = self.shown[POSH], self.stage.ca.issue(POSH, signed_by="self")
        new = self.stage.ca.issue(POSH, signed_by="self")
        self.addCleanup(self.gate.reload)
        self.addCleanup(self.provide, f"tenants/{POSH}", current=now)
        for files, expected in (
                ({"next": new, "current": now}, (new, now)),
                ({"next": new, "current": now, "previous": old}, (new, now, old)),
                ({"next": new, "current": new, "previous": now}, (new, now)),
                ({"current": new, "previous": now}, (new, now)),
                ({"current": now}, (now,))):
            self.provide(f"tenants/{POSH}", **files)
            self.gate.reload()
            self.wait_for(prints_of(*expected))

    def wait_for(self, fingerprints, domain=POSH, seconds=5):
        """The publisher takes a new configuration a moment after the supervisor did."""
        end = time.monotonic() + seconds
        while self.document(domain)["fingerprints"] != fingerprints:
            self.assertLess(time.monotonic(), end, self.document(domain))
            time.sleep(0.03)

    def wait_for_status(self, path, status, seconds=5):
        end = time.monotonic() + seconds
        while self.get(path)[0].status != status:
            self.assertLess(time.monotonic(), end, f"{path}: never {status}")
            time.sleep(0.03)

    def test_who_leaves_is_gone_and_who_comes_is_there(self):
        path = path_of("bree.example")
        self.assertEqual(self.get(path)[0].status, 404)
        self.stage.tenant("bree.example")
        self.gate.reload()
        self.wait_for_status(path, 200)
        self.gate.remove_tenant("bree.example")
        self.gate.reload()
        self.wait_for_status(path, 404)

    def test_a_renewed_web_certificate_serves_the_next_handshake(self):
        def serial(sock):
            return int(sock.getpeercert()["serialNumber"], 16)
        before = self.client()
        old, new = serial(before.sock), self.stage.web_ca.issue(HOST)
        self.gate.publish(new, EXPIRES)
        self.gate.reload()
        end = time.monotonic() + 5
        while serial(self.client().sock) == old:
            self.assertLess(time.monotonic(), end, "the old one is still shown")
            time.sleep(0.03)
        before.request("GET", path_of(POSH))
        self.assertEqual(before.getresponse().status, 200)
        (self.gate.dir / "tls" / "publish.pem").write_text("nothing", encoding="ascii")
        self.gate.reload()
        self.gate.wait_event("web-credential", since=self.mark)
        self.assertEqual(self.get(path_of(POSH))[0].status, 200, "what was fine is not in use")
        self.gate.publish(new, EXPIRES)
        self.gate.reload()

    # Attackers

    def test_slow_and_garbled_clients_are_not_felt_by_others(self):
        """P22"""
        held = []
        self.addCleanup(lambda: [one.close() for one in held])
        for number in range(60):
            sock = self.stage.world.connect(WEB_SITE)
            held.append(sock)
            if number % 3 == 1:
                sock.send(b"\x16\x03\x01\x02\x00\x01")
            elif number % 3 == 2:
                sock.send(os.urandom(300))
        for _ in range(15):
            held.append(self.tls())
            held[-1].send(f"GET {path_of(POSH)} HTTP/1.1\r\nHost:".encode())
        for _ in range(5):
            began = time.monotonic()
            answer, _ = self.get(path_of(POSH))
            self.assertEqual(answer.status, 200)
            self.assertLess(time.monotonic() - began, 1)

    # The process

    def test_the_publisher_holds_no_key_of_a_tenant(self):
        """POSH-12, M16: neither in an open file nor in its memory; a worker, to compare, does."""
        for domain in (POSH, CERTIFIED):
            self.assertTrue(self.document(domain))
            with self.stage.direct(domain):
                pass  # the worker has used the key
        pid = self.publisher()
        names = [os.readlink(one) for one in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        # No file but the log, and nothing to read by a name.
        files = [name for name in names
                 if not re.match(r"(socket|anon_inode|pipe):|.*/dev/null$", name)]
        self.assertEqual(set(files), {str(self.gate.log)})
        keys = {name: secret_of(self.shown[name]) for name in (POSH, CERTIFIED)}
        secrets = [form for key in keys.values() for form in (key, key[::-1])]
        self.assertEqual(memory_holds(pid, *secrets), set())
        worker = self.gate.children()[0]
        self.assertEqual(len(memory_holds(worker, *secrets)), 2, "this would find nothing at all")
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        self.assertRegex(status, r"CapEff:\s0+\n")
        self.assertNotRegex(status, r"Uid:\s0")

    def test_a_certificate_in_one_file_with_its_key_is_not_published(self):
        """The publisher must not see the key; the log says what to do."""
        domain = "rohan.example"
        identity = self.stage.identity(domain)
        self.stage.tenant(domain, identity=identity)
        file = self.gate.dir / "tls" / f"{domain}.pem"
        shutil.copyfile(identity.both, file)
        file.chmod(0o600)
        self.addCleanup(self.gate.reload)
        self.addCleanup(self.gate.remove_tenant, domain)
        self.gate.reload()
        self.wait_for_status(path_of(domain), 503)
        said = self.gate.wait_event("document", since=self.mark, tenant=domain)
        self.assertIn("keep them in two files", said["todo"])
        self.assertEqual(memory_holds(self.publisher(), secret_of(identity)), set())

    def test_a_publisher_that_dies_is_started_again(self):
        pid = self.gate.kill_worker(0, role="publisher")
        self.gate.wait_event("child-lost", since=self.mark, child="publisher",
                             signal=signal.SIGKILL)
        self.gate.wait_event("publisher-up", since=self.mark)
        self.assertNotEqual(self.publisher(), pid)
        self.assertEqual(self.get(path_of(POSH))[0].status, 200)


class Off(unittest.TestCase):
    def test_without_an_address_there_is_no_publisher(self):
        with Stage("publish-off", common.BINARY, workers=1) as stage:
            stage.tenant(CERTIFIED)
            stage.start()
            self.assertEqual(stage.gate.children("publisher"), {})
            with self.assertRaises((ConnectionRefusedError, socket.timeout)):
                stage.world.connect(WEB_SITE, 1)


if __name__ == "__main__":
    unittest.main()
