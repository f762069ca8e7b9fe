"""The lab's names: Knot DNS, authoritative for a signed root and a signed `example.`.

    names = NameServer(net.host("names", "10.99.0.53"))
    names.peer("gondor.example", "10.99.0.50", starttls=5269, direct=5270)
    names.start()                      # names.anchor: the trust anchor file for libunbound
    names.set("gondor.example", "A", "10.99.0.77"); names.commit()
    names.tlsa("xmpp.gondor.example", 5269, 3, 1, 1, identity.chain)
    names.lines["example."] = text                    # of a zone file, as they are

It answers everything (the root is its own), so a resolver that forwards to it learns of every
other name that there is none. Further zones: "unsigned" (a delegation without DS) and "bogus"
(a DS that no key of the zone matches).
"""

import hashlib
import pathlib
import shutil
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lab.net import LabError

CONFIG = """\
server:
    rundir: "{dir}/run"
    listen: [ {listen} ]
    user: knot:knot
    tcp-workers: 1
    udp-workers: 1
    background-workers: 1
control:
    listen: "{dir}/run/knot.sock"
database:
    storage: "{dir}/db"
    journal-db-max-size: 16M
    kasp-db-max-size: 16M
    timer-db-max-size: 1M
log:
  - target: stdout
    server: info
    zone: info
    control: warning
policy:
  - id: lab
    manual: on
    nsec3: off
template:
  - id: default
    storage: "{dir}/zones"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
"""
UNKNOWN_KEY = "DS 1 13 2 " + 32 * "ab"


MATCHING = {0: lambda der: der, 1: lambda der: hashlib.sha256(der).digest(),
            2: lambda der: hashlib.sha512(der).digest()}


def _absolute(name):
    return name if name.endswith(".") else name + "."


def tlsa_record(certificate, usage=3, selector=1, mtype=1):
    """The text of a TLSA record (RFC 6698, 2.1) for the first certificate of a PEM file."""
    leaf = x509.load_pem_x509_certificate(pathlib.Path(certificate).read_bytes())
    der = (leaf.public_bytes(serialization.Encoding.DER) if selector == 0 else
           leaf.public_key().public_bytes(serialization.Encoding.DER,
                                          serialization.PublicFormat.SubjectPublicKeyInfo))
    return f"{usage} {selector} {mtype} {MATCHING[mtype](der).hex()}"


class NameServer:
    """One Knot server; `zones` maps further zones to "signed", "unsigned" or "bogus"."""

    def __init__(self, host, zones=None, ttl=5):
        self.host, self.ttl, self.process = host, ttl, None
        self.zones = {".": "signed", "example.": "signed",
                      **{_absolute(zone): how for zone, how in (zones or {}).items()}}
        self.records, self.lines = {}, {}
        self._serial = 0
        self.dir = host.directory("knot", user="knot")
        for part in ("run", "db", "zones"):
            host.directory(f"knot/{part}", user="knot")
        self.config = self._write_config()
        self._ds = {zone: self._make_key(zone) for zone, how in self.zones.items()
                    if how != "unsigned"}
        self.anchor = host.file("root.anchor", self._ds["."])

    def _write_config(self):
        text = CONFIG.format(dir=self.dir, listen=", ".join(
            f'"{address}@53"' for address in self.host.addresses))
        for zone, how in self.zones.items():
            text += f'  - domain: "{zone}"\n    file: "{self._file_name(zone)}"\n'
            if how != "unsigned":
                text += "    dnssec-signing: on\n    dnssec-policy: lab\n"
        return self.host.file("knot.conf", text)

    def _make_key(self, zone):
        """A single signing key; returns the DS line for it."""
        tool = ["keymgr", "-c", self.config, zone]
        for words in (["generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes"], ["ds"]):
            done = self.host.run(tool + words, user="knot")
        return next(line for line in done.stdout.splitlines() if " 13 2 " in line) + "\n"

    @staticmethod
    def _file_name(zone):
        return f"{zone.rstrip('.') or 'root'}.zone"

    def _zone_of(self, name):
        return max((zone for zone in self.zones
                    if zone == "." or ("." + name).endswith("." + zone)), key=len)

    # Records

    def set(self, name, kind, *values):
        """Replaces all records of this name and type; without values: removes them."""
        key = (_absolute(name), kind.upper())
        self.records.pop(key, None)
        if values:
            self.records[key] = list(values)

    def clear(self, name):
        """Removes all records at `name` and at the service names under it."""
        name = _absolute(name)
        for key in [one for one in self.records if one[0] == name or (
                one[0].startswith("_") and one[0].endswith("." + name))]:
            del self.records[key]

    def peer(self, domain, address, starttls=None, direct=None, host=None):
        """SRV records to a host of this address, for STARTTLS and direct TLS ports."""
        host = host or f"xmpp.{domain}"
        self.set(host, "AAAA" if ":" in address else "A", address)
        for service, port in (("xmpp-server", starttls), ("xmpps-server", direct)):
            self.set(f"_{service}._tcp.{domain}", "SRV",
                     *([f"0 0 {port} {_absolute(host)}"] if port else []))

    def tlsa(self, target, port, usage, selector, mtype, certificate, more=False):
        """The TLSA record of a target's port, for a PEM file; `more`: beside those it has."""
        name = f"_{port}._tcp.{_absolute(target)}"
        others = self.records.get((name, "TLSA"), []) if more else []
        self.set(name, "TLSA", *others, tlsa_record(certificate, usage, selector, mtype))

    def _parent_lines(self, zone):
        """What the parent says about its delegations."""
        for child, how in self.zones.items():
            if child in (".", zone) or self._zone_of(child.partition(".")[2] or ".") != zone:
                continue
            yield f"{child} {self.ttl} NS ns.example."
            if how == "signed":
                yield self._ds[child]
            elif how == "bogus":
                yield f"{child} {self.ttl} {UNKNOWN_KEY}"

    def _zone_text(self, zone):
        lines = [f"{zone} {self.ttl} SOA ns.example. admin.example. {self._serial} 60 60 600 1",
                 f"{zone} {self.ttl} NS ns.example."]
        if zone == "example.":
            lines.append(f"ns.example. {self.ttl} A {self.host.address}")
        lines += self._parent_lines(zone)
        for (name, kind), values in sorted(self.records.items()):
            if self._zone_of(name) == zone:
                lines += [f"{name} {self.ttl} {kind} {value}" for value in values]
        return "\n".join(lines) + "\n" + self.lines.get(zone, "")

    def write(self):
        self._serial += 1
        for zone in self.zones:
            self.host.file(f"knot/zones/{self._file_name(zone)}", self._zone_text(zone),
                           user="knot")

    # The server

    def _control(self, *words):
        return self.host.run(["knotc", "-c", self.config, *words])

    def commit(self):
        """Writes the zones and has the running server take them; returns when it has."""
        self.write()
        if self.process and self.process.running():
            self._control("-b", "zone-reload")

    def start(self):
        self.write()
        shutil.rmtree(self.dir / "db/journal", ignore_errors=True)  # the zone files are the truth
        self.process = self.host.popen(["knotd", "-c", self.config], log=self.host.dir / "knot.log")
        self._wait_until_signed()

    def _wait_until_signed(self, seconds=10):
        self.host.wait_for_port(53, self.process, seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                done = self._control("zone-status", "+serial")
            except (LabError, subprocess.TimeoutExpired):
                done = None
            if done and "serial: -" not in done.stdout and "serial: none" not in done.stdout:
                return
            time.sleep(0.05)
        raise LabError(f"the name server does not serve its zones; see {self.process.log}")

    def stop(self):
        if self.process:
            self.process.stop()

    def restart(self):
        self.stop()
        self.start()
