"""fedgate itself in the lab: its files, its life, its log.

    gate = Gate(net.host("gate", PUBLIC, EGRESS), "build/fedgate", ca.root, names.anchor)
    gate.tenant("shire.example", "10.99.0.12:5269", ca.issue("shire.example"))
    gate.tenant("bree.example", "10.99.0.14:5269", proof="posh")
    gate.start()
    gate.wait_event("stream-up", leg="W-IN", **{"from": "gondor.example"})
    gate.reload(); gate.kill_worker(0); gate.stop()
"""

import json
import os
import pathlib
import shutil
import signal
import time

from lab.net import LabError

PUBLIC, EGRESS = "10.99.0.3", "10.99.0.2"  # of the first one; others have what their host has
NAMES = "10.99.0.53"
NETWORK = "10.99.0.0/24"
HOST_NAME, DANE_NAME = "gate.example", "dane.gate.example"
PUBLISH_PORT = 443


def _ini(sections):
    return "\n".join(f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in
                                                keys.items()) for section, keys in sections.items())


def _children(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text(encoding="ascii").split()]


class Gate:
    """One `fedgate serve`, run as root with unprivileged workers."""

    def __init__(self, host, binary, ca_file, anchor=None, workers=2, user="nobody", web_ca=None):
        self.host, self.binary = host, pathlib.Path(binary).resolve()
        self.name = HOST_NAME
        self.process = None
        self.dir = host.directory("fedgate")
        for part in ("tenants.d", "tls"):
            (self.dir / part).mkdir()
        self.log = self.dir / "fedgate.log"
        shutil.copyfile(ca_file, self.dir / "ca.pem")
        public, egress = host.addresses
        self.settings = {
            "gate": {"listen": f"{public}:5269", "workers": workers, "user": user,
                     "ca_file": "ca.pem", "host_name": HOST_NAME, "state_dir": "state",
                     "admin_socket": self.dir / "admin.sock"},
            "host": {"name": DANE_NAME},
            "log": {"format": "json", "level": "debug"},
            "dns": {"forward": NAMES, "allow_private": NETWORK, "trust_anchor": ""},
            "egress": {"listen": f"{egress}:5275", "dns_listen": f"{egress}:53",
                       "dns_allow": NETWORK, "name": "egress.fedgate.example"}}
        if anchor:
            shutil.copyfile(anchor, self.dir / "root.anchor")
            self.settings["dns"]["trust_anchor"] = "root.anchor"
        if web_ca:
            shutil.copyfile(web_ca, self.dir / "web-ca.pem")
            self.settings["proofs"] = {"web_ca_file": "web-ca.pem"}

    # Files

    def rename(self, name):
        """Another host's name than HOST_NAME, before the first start."""
        self.name = name
        self.set("gate", host_name=name)
        self.set("host", name=f"dane.{name}")

    def set(self, section, **keys):
        """Settings of fedgate.ini; written at the next start or reload."""
        self.settings.setdefault(section, {}).update(keys)

    def _install(self, identity, stem):
        for source, end, mode in ((identity.chain, "pem", 0o644), (identity.key, "key", 0o600)):
            target = self.dir / "tls" / f"{stem}.{end}"
            shutil.copyfile(source, target)
            target.chmod(mode)
        return self.dir / "tls" / f"{stem}.pem", self.dir / "tls" / f"{stem}.key"

    def publish(self, identity, expires=None, port=PUBLISH_PORT):
        """The gate serves its tenants' POSH documents, with this identity for HOST_NAME."""
        certificate, key = self._install(identity, "publish")
        self.set("publish", listen=f"{self.host.address}:{port}", certificate=certificate, key=key)
        if expires:
            self.set("publish", expires=expires)

    def tenant(self, domain, backend, identity=None, second=None, proof=None, **sections):
        """Writes a tenant's file: backend "ADDRESS:PORT"; an identity, a second one of the other
        algorithm, or a `proof` that needs none (posh, dane); further settings as sections:
        tenant={"domains": ...}, policy={...}."""
        text = {"tenant": {"domain": domain, "backend": backend}, "tls": {}, "policy": {}}
        tls = text["tls"]
        if proof:
            text["tenant"]["proof"] = proof
        if identity:
            tls["certificate"], tls["key"] = self._install(identity, domain)
        if second:
            tls["certificate_2"], tls["key_2"] = self._install(second, domain + ".second")
        for section, keys in sections.items():
            text[section].update(keys)
        text = {section: keys for section, keys in text.items() if keys}
        (self.dir / "tenants.d" / f"{domain}.ini").write_text(_ini(text), encoding="utf-8")

    def remove_tenant(self, domain):
        (self.dir / "tenants.d" / f"{domain}.ini").unlink()

    def write(self):
        (self.dir / "fedgate.ini").write_text(_ini(self.settings), encoding="utf-8")

    def command(self, *words, check=False, **how):
        """`fedgate WORDS...` with this configuration; the CompletedProcess."""
        self.write()
        return self.host.run([self.binary, words[0], "--config", self.dir / "fedgate.ini",
                              *words[1:]], check=check, **how)

    def records(self, domain):
        """What `fedgate records` says that is to be published."""
        return json.loads(self.command("records", domain, "--format", "json", check=True).stdout)

    def nginx_lines(self, domain, authorities):
        """The lines for the customer's nginx, word by word but for the file of `authorities`."""
        text = self.records(domain)["web_servers"]["nginx"]
        return text.replace("/etc/ssl/certs/ca-certificates.crt", str(authorities)).splitlines()

    def publish_tlsa(self, names, domain):
        """Puts the host's TLSA records, as `fedgate records` prints them, into the zone."""
        for record in self.records(domain)["records"]:
            if record["type"] == "TLSA" and "value" in record:
                names.set(record["name"], "TLSA", record["value"])

    def explain(self, tenant, peer, last=1):
        """The last decisions about a peer, newest first, as `fedgate explain --json` has them."""
        done = self.command("explain", tenant, peer, "--last", last, "--json")
        return json.loads(done.stdout)["decisions"] if done.stdout else []

    # Life

    def start(self, wait=True, seconds=15, env=None):
        self.write()
        mark = self.mark()
        self.process = self.host.popen([self.binary, "serve", "--config", self.dir / "fedgate.ini"],
                                       log=self.log, env=env)
        if wait:
            self.wait_event("ready", seconds, mark)

    def reload(self, seconds=15):
        """SIGHUP; returns the event that tells how it went."""
        self.write()
        mark = self.mark()
        self.process.send(signal.SIGHUP)
        return self.wait_event("reload", seconds, mark)

    def stop(self, seconds=15):
        return self.process.stop(seconds)

    def kill(self):
        self.process.kill()

    def children(self, role="worker"):
        """The process ids of the workers, by their number."""
        found = {}
        for pid in _children(self.process.pid):
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if role in words:
                found[int(words[words.index(role) + 1])] = pid
        return found

    def kill_worker(self, number, how=signal.SIGKILL, role="worker"):
        pid = self.children(role)[number]
        os.kill(pid, how)
        return pid

    # Log

    def mark(self):
        """Where the log ends now; events() and wait_event() can begin here."""
        return self.log.stat().st_size if self.log.exists() else 0

    def events(self, event=None, since=0, **fields):
        """Log lines as dictionaries, those of this event and with these fields."""
        if not self.log.exists():
            return []
        with open(self.log, "rb") as log:
            log.seek(since)
            lines = log.read().decode(errors="replace").splitlines()
        found = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # half written, or said by a library
            if event in (None, entry.get("event")) and all(
                    entry.get(key) == value for key, value in fields.items()):
                found.append(entry)
        return found

    def wait_event(self, event, seconds=10, since=0, **fields):
        end = time.monotonic() + seconds
        while True:
            alive = self.process.running()
            found = self.events(event, since, **fields)
            if found:
                return found[0]
            if not alive or time.monotonic() > end:
                break
            time.sleep(0.03)
        why = "did not come" + ("" if alive else ", fedgate ended")
        raise LabError(f"fedgate's event {event} {fields or ''} {why}; its log ends with:\n"
                       + "\n".join(self.tail(15)))

    def tail(self, count=20):
        if not self.log.exists():
            return []
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
