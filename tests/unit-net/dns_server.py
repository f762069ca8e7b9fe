#!/usr/bin/python3
"""A DNS server for the resolver's test: knotd with a plain and a signed zone, and in front of it a
relay that misbehaves for some names. Prints "PORT ANCHOR WRONG-ANCHOR", ends when stdin closes.

  *.servfail.example   SERVFAIL          *.refused.example   REFUSED
  *.slow.example       no answer         *.garbage.example   bytes that are no answer
  many.example         1900 SRV and 3000 A records
  to-the-brim.example  SRV records that fill a message to the brim
  bogus.signed.example an answer whose data does not fit its signature
  stripped.signed.example, *.stripped.signed.example: the answer without its signatures
  expired.signed.example: signed with the zone's key, until a year ago
  late-N.example       A 192.0.2.N, after 0.7 s
  noedns.example, noedns.signed.example: FORMERR to questions with EDNS
  record-BYTES.example TLSA with so many bytes
  .                    a key, without a signature
  count-K.NAME         A 10.0.HI.LO: how often NAME was asked for
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import dns.dnssec
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.serialization import load_pem_private_key

YEAR = 365 * 86400
KEY = {}

ZONE = """$ORIGIN example.
$TTL 600
@ SOA ns hostmaster 1 3600 600 86400 86400
@ NS ns
ns A 127.0.0.1
signed NS ns
_xmpp-server._tcp.full SRV 5 10 5269 x.full
_xmpp-server._tcp.full SRV 10 65535 5270 Y.Full
_xmpps-server._tcp.full SRV 1 0 5223 x.full
x.full A 192.0.2.1
x.full A 192.0.2.2
x.full AAAA 2001:db8::1
_xmpp-server._tcp.dot SRV 0 0 0 .
_xmpp-server._tcp.alias SRV 1 1 5269 c.alias
c.alias CNAME d.alias
d.alias CNAME x.full
_xmpp-server._tcp.srvalias CNAME _xmpp-server._tcp.full
nodata TXT "nothing else"
_xmpp-server._tcp.odd SRV 1 1 0 x.full
_xmpp-server._tcp.odd SRV 1 2 5269 bad\\032name
_xmpp-server._tcp.odd SRV 1 3 5269 nul\\000byte
_xmpp-server._tcp.odd SRV 1 4 5269 dot\\.in.label
_xmpp-server._tcp.odd SRV 1 5 5269 x.full
_xmpp-server._tcp.odd SRV 1 6 5269 192.0.2.1.
_xmpp-server._tcp.onlyodd SRV 1 1 0 x.full
short 1 A 192.0.2.3
zero 0 A 192.0.2.4
long 1000000 A 192.0.2.5
_5269._tcp.x.full TLSA 3 1 1 {hash}
chain CNAME tosigned
tosigned CNAME www.signed
odd CNAME an\\.odd.full
an\\.odd.full A 192.0.2.8
private A 127.0.0.1
noedns A 192.0.2.11
loop1 CNAME loop2
loop2 CNAME loop1
""".replace("{hash}", 32 * "ab")
SIGNED = """$ORIGIN signed.example.
$TTL 600
@ SOA ns.example. hostmaster.example. 1 3600 600 86400 86400
@ NS ns.example.
www A 192.0.2.6
bogus A 192.0.2.7
_xmpp-server._tcp SRV 1 1 5269 www
_5269._tcp.www TLSA 3 1 1 {hash}
_5269._tcp.www TLSA 2 0 1 {hash}
_5270._tcp.www TLSA 255 9 9 00
alias CNAME alias2
alias2 CNAME www
outside CNAME x.full.example.
stripped A 192.0.2.9
_5269._tcp.stripped TLSA 3 1 1 {hash}
expired A 192.0.2.10
noedns A 192.0.2.12
""".replace("{hash}", 32 * "ab") + "".join(
    "_5271._tcp.www TLSA 3 1 1 %064x\n" % n for n in range(40))
CONF = """server:
    listen: 127.0.0.1@{port}
    rundir: "{dir}"
    user: {user}
database:
    storage: "{dir}"
log:
  - target: stderr
    any: error
policy:
  - id: lab
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
  - domain: example.
    file: "{dir}/example.zone"
  - domain: signed.example.
    file: "{dir}/signed.zone"
    dnssec-signing: on
    dnssec-policy: lab
    zonefile-sync: -1
    journal-content: none
"""
counts, lock = {}, threading.Lock()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_knot(directory):
    port = free_port()
    for name, text in (("example.zone", ZONE), ("signed.zone", SIGNED)):
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(text)
    conf = os.path.join(directory, "knot.conf")
    user = "root" if os.getuid() == 0 else str(os.getuid())
    with open(conf, "w", encoding="ascii") as f:
        f.write(CONF.format(port=port, dir=directory, user=user))
    child = subprocess.Popen(["/usr/sbin/knotd", "-c", conf], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=sys.stderr)
    return child, port


def wait_for_keys(port):
    question = dns.message.make_query("signed.example.", "DNSKEY", want_dnssec=True)
    for _ in range(200):
        try:
            reply = dns.query.tcp(question, "127.0.0.1", port=port, timeout=1)
            if len(reply.answer) == 2:
                return reply.answer[0]
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("knotd does not answer")


def brim(query):
    """65,529 bytes: who adds an EDNS record of his own has no room for the rest."""
    question, host = query.question[0], dns.name.from_text("xmpp.rohan.example.").to_wire()
    asked = question.name.to_wire() + struct.pack("!HH", question.rdtype, 1)
    each = 18 + len(host)
    count = (65535 - 12 - len(asked)) // each
    head = query.id.to_bytes(2, "big") + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0)
    return head + asked + b"".join(
        b"\xc0\x0c" + struct.pack("!HHIHHHH", 33, 1, 600, 6 + len(host), n // 64, 1, n % 64 + 1)
        + host for n in range(count))


def load_key(directory, keys):
    """The key that knotd made for its zone, to sign with other dates than it would."""
    folder = os.path.join(directory, "keys", "keys")
    name = next(one for one in os.listdir(folder) if one.endswith(".pem"))
    with open(os.path.join(folder, name), "rb") as f:
        KEY.update(private=load_pem_private_key(f.read(), None), dnskey=keys[0])


def expired(query):
    reply = dns.message.make_response(query)
    rrset = dns.rrset.from_text("expired.signed.example.", 600, "IN", "A", "192.0.2.10")
    then = time.time() - YEAR
    signature = dns.dnssec.sign(rrset, KEY["private"], dns.name.from_text("signed.example."),
                                KEY["dnskey"], inception=then - YEAR, expiration=then)
    reply.answer += [rrset, dns.rrset.from_rdata(rrset.name, 600, signature)]
    return reply


def stripped(reply):
    for section in (reply.answer, reply.authority):
        section[:] = [one for one in section
                      if one.rdtype not in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC,
                                            dns.rdatatype.NSEC3)]
    return reply


def write_anchors(directory, keys):
    right, wrong = os.path.join(directory, "anchor"), os.path.join(directory, "wrong")
    other = str(keys[0])
    at = other.rindex(" ") + 3
    other = other[:at] + ("A" if other[at] != "A" else "B") + other[at + 1:]
    with open(right, "w", encoding="ascii") as f:
        f.write("signed.example. 600 IN DNSKEY %s\n" % keys[0])
    with open(wrong, "w", encoding="ascii") as f:
        f.write("signed.example. 600 IN DNSKEY %s\n" % other)
    return right, wrong


def many(query, kind, udp):
    reply = dns.message.make_response(query)
    if udp:
        reply.flags |= dns.flags.TC
        return reply
    name = query.question[0].name.to_text()
    if kind == dns.rdatatype.SRV:
        data = ["%d 1 5269 t%d.example." % (i, i) for i in range(1900)]
    else:
        data = ["192.0.%d.%d" % (i // 256, i % 256) for i in range(3000)]
    reply.answer.append(dns.rrset.from_text(name, 600, "IN", dns.rdatatype.to_text(kind), *data))
    return reply


def scripted(query, udp):
    """The reply for a name that misbehaves, as bytes; b"" for none; None: ask knotd."""
    name = query.question[0].name.to_text().lower()
    kind = query.question[0].rdtype
    reply = dns.message.make_response(query)
    if name.endswith("slow.example."):
        return b""
    if name.endswith("garbage.example."):
        return query.to_wire()[:2] + b"\x84\x00\xff\xff\xff\xff\xff\xff\xff\xff garbage"
    if name.endswith(("servfail.example.", "refused.example.")):
        reply.set_rcode(dns.rcode.SERVFAIL if "servfail" in name else dns.rcode.REFUSED)
        return reply.to_wire()
    if name.startswith("noedns.") and query.edns >= 0:
        reply.use_edns(False)
        reply.set_rcode(dns.rcode.FORMERR)
        return reply.to_wire()
    if name.endswith("many.example."):
        return many(query, kind, udp).to_wire(max_size=65535)
    if name.endswith("to-the-brim.example.") and kind == dns.rdatatype.SRV:
        reply.flags |= dns.flags.TC
        return reply.to_wire() if udp else brim(query)
    if name.startswith("late-") and kind == dns.rdatatype.A:
        time.sleep(0.7)
        reply.answer.append(dns.rrset.from_text(name, 600, "IN", "A",
                                                "192.0.2." + name[5:].split(".")[0]))
        return reply.to_wire()
    if name == "." and kind == dns.rdatatype.DNSKEY:
        reply.answer.append(dns.rrset.from_rdata(".", 600, KEY["dnskey"]))
        return reply.to_wire()
    if name == "expired.signed.example." and kind == dns.rdatatype.A:
        return expired(query).to_wire()
    if name.startswith("_5269._tcp.record-"):
        size = int(name.split("-")[1].split(".")[0])
        if udp:
            reply.flags |= dns.flags.TC
        else:
            reply.answer.append(dns.rrset.from_text(name, 600, "IN", "TLSA",
                                                    "3 1 0 " + size * "ab"))
        return reply.to_wire(max_size=65535)
    if name.startswith("count-"):
        with lock:
            n = counts.get(name.split(".", 1)[1], 0)
        reply.answer.append(dns.rrset.from_text(name, 600, "IN", "A", "10.0.%d.%d" % divmod(n, 256)))
        return reply.to_wire()
    return None


def answer(wire, port, udp):
    query = dns.message.from_wire(wire)
    name = query.question[0].name.to_text().lower()
    with lock:
        counts[name] = counts.get(name, 0) + 1
    out = scripted(query, udp)
    if out is not None:
        return out
    ask = dns.query.udp if udp else dns.query.tcp
    reply = ask(query, "127.0.0.1", port=port, timeout=2)
    if name.endswith("stripped.signed.example."):
        reply = stripped(reply)
    out = reply.to_wire(max_size=65535)
    if name == "bogus.signed.example.":
        out = out.replace(b"\xc0\x00\x02\x07", b"\xc0\x00\x02\x66")
    return out


def serve_udp(sock, port):
    while True:
        wire, peer = sock.recvfrom(4096)
        threading.Thread(target=reply_udp, args=(sock, wire, peer, port), daemon=True).start()


def reply_udp(sock, wire, peer, port):
    out = answer(wire, port, True)
    if out:
        sock.sendto(out, peer)


def serve_tcp(listener, port):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=talk_tcp, args=(conn, port), daemon=True).start()


def talk_tcp(conn, port):
    with conn, conn.makefile("rb") as stream:
        while True:
            head = stream.read(2)
            if len(head) < 2:
                return
            out = answer(stream.read(struct.unpack("!H", head)[0]), port, False)
            if out:
                conn.sendall(struct.pack("!H", len(out)) + out)


def bind_both():
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            continue
        tcp.listen(50)
        return udp, tcp
    raise SystemExit("no port is free")


def main():
    directory = tempfile.mkdtemp(prefix="fedgate-dns-")
    child = None
    try:
        child, port = start_knot(directory)
        keys = wait_for_keys(port)
        load_key(directory, keys)
        anchors = write_anchors(directory, keys)
        udp, tcp = bind_both()
        threading.Thread(target=serve_udp, args=(udp, port), daemon=True).start()
        threading.Thread(target=serve_tcp, args=(tcp, port), daemon=True).start()
        print(udp.getsockname()[1], *anchors, flush=True)
        sys.stdin.read()
    finally:
        if child:
            child.terminate()
            child.wait()
        shutil.rmtree(directory)


main()
