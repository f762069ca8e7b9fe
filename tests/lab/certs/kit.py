"""What the cases are made with: authorities, leaves that are good but for one fact, files."""
import base64
import os
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from der import *

NOW = at("2026-03-01 12:00:00")
BEGIN, END = at("2026-01-01 00:00:00"), at("2026-04-01 00:00:00")
CA_BEGIN, CA_END = at("2020-01-01 00:00:00"), at("2040-01-01 00:00:00")
SHIRE, IDN, IDN_A = "shire.example", "müller.example", "xn--mller-kva.example"
PUBLIC, OTHERS, COMMUNITY = "public", "public+others", "community"

rows = []
chains = {}  # by title, DER


def ec_key(curve=ec.SECP256R1):
    return ec.generate_private_key(curve())


def rsa_key(size, e=65537):
    return rsa.generate_private_key(e, size)


LEAF_KEY = ec_key()


class Authority:
    """A CA's name and key, and the certificate that its own issuer made for it."""

    def __init__(self, title, issuer=None, key=None, pathlen=None, extensions=None, more=(), **how):
        self.name, self.key = name(O="Corpus", CN=title), key or ec_key()
        issuer = issuer or self
        if extensions is None:
            extensions = [basic(True, pathlen), usage("certs", "crls")]
        self.public = how.pop("public", None) or spki(self.key)
        self.issuer = issuer
        self.cert = certificate(
            self.name, self.public, issuer.name, issuer.key, how.pop("begin", CA_BEGIN),
            how.pop("end", CA_END), extensions + list(more), **how)


ROOT = Authority("Root")
SUB = Authority("Issuing", ROOT, pathlen=0)


def leaf(names, by=SUB, key=None, public=None, begin=BEGIN, end=END, subject=name(),
         purposes=eku("server"), usages=usage("sign"), ca=basic(False), more=(), **how):
    """A good leaf but for what the arguments say. names: GeneralNames, or a whole extension."""
    exts = [e for e in (ca, usages, purposes) if e]
    if isinstance(names, bytes):
        exts.append(names)
    elif names:
        exts.append(san(*names))
    return certificate(subject, public or spki(key or LEAF_KEY), by.name, by.key, begin, end,
                       exts + list(more), **how)


def pem(der):
    text = base64.encodebytes(der).decode()
    return "-----BEGIN CERTIFICATE-----\n" + text + "-----END CERTIFICATE-----\n"


def write(path, text):
    with open(os.path.join(sys.argv[1], path), "w") as f:
        f.write(text)


def case(title, chain, want="ERR_OK", domain=SHIRE, rules=PUBLIC, anchors="root", now=NOW,
         key=LEAF_KEY):
    """key: None where nobody can sign a handshake with this leaf."""
    assert title not in chains, title
    chains[title] = chain
    write(title + ".pem", "".join(pem(c) for c in chain))
    if key:
        write(title + ".key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode())
    rows.append((title, domain, anchors, rules, str(now), want, "tls" if key else "-"))


def named(title, names, want="ERR_OK", **how):
    case(title, [leaf(names, subject=how.pop("subject", name()), more=how.pop("more", ())),
                 SUB.cert], want, **how)
