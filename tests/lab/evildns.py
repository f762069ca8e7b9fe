"""A name server that lies: it stands between the gate and the lab's own and spoils what passes.

    evil = EvilDns(net.host("evil-dns", "10.99.0.54"), names.host.address)
    gate.set("dns", forward=evil.host.address)
    evil.rule("shire.example", strip)                 # that name and all below it
    evil.rule("_5269._tcp.xmpp.rohan.example", silent, "TLSA")
    evil.rule("web.rohan.example", alternate("10.99.0.80", "127.0.0.1"), "A")
    evil.questions("shire.example")                   # what was asked, as (name, type)

A rule is a function (query, ask) -> answer; ask() fetches the true answer. None: no answer at all;
bytes: sent as they are. The last rule that fits decides. UDP and TCP, as long as it takes.
"""

import contextlib
import itertools
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

SIGNATURES = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3}
LARGEST = 65535
TTL = 1


# What a rule may do to an answer

def honest(_, ask):
    return ask()


def silent(*_):
    """The question is never answered."""
    return None


def delay(seconds, then=honest):
    def late(query, ask):
        time.sleep(seconds)
        return then(query, ask)
    return late


def fail(code="SERVFAIL"):
    """An answer that holds nothing but this code."""
    def failing(query, _):
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.from_text(code))
        return answer
    return failing


def strip(_, ask):
    """The answer without its signatures and proofs of absence."""
    answer = ask()
    for section in (answer.answer, answer.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype not in SIGNATURES]
    return answer


def forge(*values, strip_signatures=False):
    """Other data under the signatures of the true ones; those can be taken away too."""
    def forging(query, ask):
        answer, question = ask(), query.question[0]
        kept = [] if strip_signatures else [one for one in answer.answer
                                            if one.rdtype == dns.rdatatype.RRSIG]
        answer.answer[:] = [dns.rrset.from_text(question.name, TTL, "IN", question.rdtype,
                                                *values)] + kept
        answer.set_rcode(dns.rcode.NOERROR)
        return answer
    return forging


def _alone(query, rrset):
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    answer.answer.append(rrset)
    return answer


def alternate(*values, ttl=0):
    """Another value each time it is asked (rebinding); unsigned. A value may be a list of them."""
    turn = itertools.cycle([one if isinstance(one, (list, tuple)) else [one] for one in values])

    def alternating(query, _):
        question = query.question[0]
        return _alone(query, dns.rrset.from_text(question.name, ttl, "IN", question.rdtype,
                                                 *next(turn)))
    return alternating


def many_srv(count, target=".", claimed=None):
    """SRV records, as many of them as a message holds (about 3,400 at most); `claimed`: how many
    its header speaks of."""
    def answering(query, _):
        question = query.question[0]
        host = dns.name.from_text(target).to_wire()
        one = b"\xc0\x0c" + struct.pack("!HHIH", 33, 1, TTL, 6 + len(host))
        asked = question.name.to_wire() + struct.pack("!HH", question.rdtype, 1)
        room = min(count, (LARGEST - 12 - len(asked)) // (len(one) + 6 + len(host)))
        head = query.id.to_bytes(2, "big") + struct.pack("!HHHHH", 0x8180, 1, claimed or room, 0, 0)
        return head + asked + b"".join(one + struct.pack("!HHH", n >> 8, n & 255, 1 + n) + host
                                       for n in range(room))
    return answering


class EvilDns:
    """The forwarder. Every question is served by a thread of its own."""

    def __init__(self, host, upstream):
        self.host, self.upstream = host, upstream
        self._rules, self._asked, self._lock = [], [], threading.Lock()
        self._stopped = False
        self._udp = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host.address, 53))
        self._tcp = host.listen((host.address, 53))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    # What the test says and asks

    def rule(self, name, behaviour, *kinds):
        """For this name and those below it; `kinds`: for these types alone."""
        with self._lock:
            self._rules.append((dns.name.from_text(name), behaviour,
                                {dns.rdatatype.from_text(kind) for kind in kinds}))

    def clear(self):
        with self._lock:
            self._rules.clear()

    def questions(self, name="."):
        """(name, type) of what was asked at or below this name, oldest first."""
        top = dns.name.from_text(name)
        with self._lock:
            return [(str(asked), dns.rdatatype.to_text(kind)) for asked, kind in self._asked
                    if asked.is_subdomain(top)]

    def stop(self):
        self._stopped = True
        for sock in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    # Serving

    def _fetch(self, query):
        sock = self.host.connect((self.upstream, 53))
        with sock:
            dns.query.send_tcp(sock, query)
            return dns.query.receive_tcp(sock, time.time() + 5)[0]

    def _answer(self, wire, limit):
        """The answer's bytes; over UDP one that is too long becomes an invitation to TCP."""
        query = dns.message.from_wire(wire)
        name, kind = query.question[0].name, query.question[0].rdtype
        with self._lock:
            self._asked.append((name, kind))
            fit = [behaviour for top, behaviour, kinds in self._rules
                   if name.is_subdomain(top) and (not kinds or kind in kinds)]
        answer = (fit[-1] if fit else honest)(query, lambda: self._fetch(query))
        if answer is None:
            return None
        if not isinstance(answer, bytes):
            answer = answer.to_wire(max_size=LARGEST)
        if len(answer) > (min(query.payload or 512, 1232) if limit else LARGEST):
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC | dns.flags.RA
            return short.to_wire()
        return answer

    def _serve_udp(self):
        while not self._stopped:
            try:
                wire, client = self._udp.recvfrom(LARGEST)
            except OSError:
                return
            threading.Thread(target=self._reply_udp, args=(wire, client), daemon=True).start()

    def _reply_udp(self, wire, client):
        with contextlib.suppress(OSError, dns.exception.DNSException, EOFError):
            answer = self._answer(wire, True)
            if answer:
                self._udp.sendto(answer, client)

    def _serve_tcp(self):
        while not self._stopped:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._reply_tcp, args=(sock,), daemon=True).start()

    def _reply_tcp(self, sock):
        sock.settimeout(60)
        with sock, contextlib.suppress(OSError, dns.exception.DNSException, EOFError):
            stream = sock.makefile("rb")
            while head := stream.read(2):
                answer = self._answer(stream.read(int.from_bytes(head, "big")), False)
                if answer is None:
                    threading.Event().wait(60)
                else:
                    sock.sendall(len(answer).to_bytes(2, "big") + answer)
