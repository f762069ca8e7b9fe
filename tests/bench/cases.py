"""What is measured: one row per case, and what the job contains."""

import dataclasses

PROXIES = ("haproxy", "nginx", "hitch")
RECEIVERS = ("prosody", "ejabberd")
HANDSHAKE = ("proxies: accept, handshake, dial the backend, one byte there and back, close; "
             "fedgate: accept, direct TLS by SNI, stream header, answer and features, close; it dials "
             "a backend only for the first stanza")
JUDGED = HANDSHAKE + "; the client's certificate is judged: by fedgate also its names"
ROUND = ("proxies: one record in, one out; fedgate: one framed, checked, repaired stanza from the "
         "peer to the backend, one from the backend to the peer, on four connections")
BULK = ("proxies: 16 KiB records of anything; fedgate: stanzas of 16 KiB, framed, checked, "
        "repaired")
OPENING = ("TCP, stream header, STARTTLS, TLS 1.3 with both certificates, header, EXTERNAL, "
           "header, features, close")
RELAY = ("receivers: a stanza over s2s to a client's plain connection; fedgate: over s2s to the "
         "backend's plain connection; 64 on their way; the clock starts after the handshakes")


@dataclasses.dataclass
class Case:
    """`rate`: about how many units a proxy or receiver does in a second; `goals`: least ratio to a
    peer, or to the "best" of them; `quote`: median, or best where figures have two heights."""

    name: str
    title: str
    job: str
    rate: int
    contains: str
    peers: tuple = PROXIES
    goals: dict = dataclasses.field(default_factory=dict)
    unit: str = "us"
    quote: str = "median"
    options: dict = dataclasses.field(default_factory=dict)


def _handshake(name, title, rate, contains, goal=None, **options):
    return Case(name, title, "handshake", rate, contains, goals={"best": goal} if goal else {},
                options={"at_once": 16, **options})


CASES = [
    _handshake("full-13", "TLS 1.3, full, P-256", 1500, HANDSHAKE, 1.3),
    _handshake("full-12", "TLS 1.2, full, P-256", 1500, HANDSHAKE, tls=12),
    _handshake("mutual", "TLS 1.3, mutual, one authority (P-256)", 700, JUDGED, 2.5,
               identity="one-ca"),
    _handshake("mutual-12", "TLS 1.2, mutual, one authority (P-256)", 700, JUDGED,
               identity="one-ca", tls=12),
    _handshake("mutual-p384", "TLS 1.3, mutual, P-384 chain, seen before", 400, JUDGED, 4.0,
               identity="steps"),
    _handshake("rsa", "TLS 1.3, full, RSA-2048", 1000, HANDSHAKE, server_identity="rsa"),
    Case("round-500", "round trip of 500 B", "roundtrip", 25000, ROUND, goals={"best": 1.0},
         options={"at_once": 16, "size": 500}),
    Case("round-2000", "round trip of 2,000 B", "roundtrip", 20000, ROUND,
         options={"at_once": 16, "size": 2000}),
    Case("bulk-up", "bulk, from the peer to the backend", "up", 20000, BULK, unit="us/16 KiB",
         quote="best", goals={"best": 0.7},
         options={"at_once": 4, "size": 16384, "identity": "one-ca"}),
    Case("bulk-down", "bulk, from the backend to the peer", "down", 20000, BULK,
         unit="us/16 KiB", quote="best", goals={"best": 0.7},
         options={"at_once": 4, "size": 16384}),
    Case("idle-1000", "memory of an idle connection, 1,000 of them", "idle", 0,
         "PSS; a client certificate was shown; proxies hold a connection to the backend, too",
         unit="KiB", goals={"haproxy": 1 / 0.6}, options={"count": 1000, "identity": "one-ca"}),
    Case("idle-4000", "memory of an idle connection, 4,000 of them", "idle", 0,
         "PSS; a client certificate was shown; proxies hold a connection to the backend, too",
         unit="KiB", goals={"haproxy": 1 / 0.6}, options={"count": 4000, "identity": "one-ca"}),
    Case("opening", "s2s stream, opened by STARTTLS and EXTERNAL", "handshake", 400, OPENING,
         peers=RECEIVERS, goals={"ejabberd": 1 / 0.35, "prosody": 1 / 0.25},
         options={"at_once": 8, "starttls": 1, "external": 1, "identity": "one-ca"}),
    Case("relay", "relayed s2s stanza of 787 B", "up", 10000, RELAY, peers=RECEIVERS,
         goals={"ejabberd": 1 / 0.25},
         options={"at_once": 1, "size": 787, "window": 64, "identity": "one-ca"}),
]
TENANT_COUNTS = (10, 10000, 100000)
PAIR_COUNTS = (10, 100, 1000)
GROWTH = ("tenants", "pairs")
NAMES = [case.name for case in CASES] + list(GROWTH)


def chosen(words):
    """The names that BENCH_CASES means: all that begin with one of its words."""
    words = [word for word in words.replace(",", " ").split() if word]
    if not words:
        return list(NAMES)
    unknown = [word for word in words if not any(name.startswith(word) for name in NAMES)]
    if unknown:
        raise ValueError(f"no case {' '.join(unknown)}; there are: {' '.join(NAMES)}")
    return [name for name in NAMES if any(name.startswith(word) for word in words)]
