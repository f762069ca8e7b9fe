#!/usr/bin/python3
"""The certificate corpus: make_corpus.py DIRECTORY

Writes chains (NAME.pem, leaf first, and NAME.key where the leaf has a private half), sets of
authorities (set-NAME.pem) and cases.tsv: name, domain, set, rules, time, expected verdict, whether
it can be shown in a TLS handshake. A verdict is a symbol of base/err.h; ERR_CERT_NAME says that
the chain is fine but names another domain. Each case differs from a good one in one fact."""
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

out = sys.argv[1]
rows = []


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
DEFAULTS = object()


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
    with open(os.path.join(out, path), "w") as f:
        f.write(text)


def case(title, chain, want="ERR_OK", domain=SHIRE, rules=PUBLIC, anchors="root", now=NOW,
         key=LEAF_KEY):
    """key: None where nobody can sign a handshake with this leaf."""
    assert title not in [r[0] for r in rows], title
    write(title + ".pem", "".join(pem(c) for c in chain))
    if key:
        write(title + ".key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode())
    rows.append((title, domain, anchors, rules, str(now), want, "tls" if key else "-"))


def named(title, names, want="ERR_OK", **how):
    case(title, [leaf(names, subject=how.pop("subject", name()), more=how.pop("more", ())),
                 SUB.cert], want, **how)


NO = "ERR_CERT_NAME"


def dns_ids():
    named("dns", [dns(SHIRE)])
    named("dns-upper-case", [dns("SHIRE.Example")])
    named("dns-trailing-dot", [dns(SHIRE + ".")])
    named("dns-third-of-three", [dns("a.example"), dns("b.example"), dns(SHIRE)])
    named("dns-other", [dns("mordor.example")], NO)
    named("dns-below", [dns("hobbit.shire.example")], NO)
    named("dns-above", [dns("example")], NO)
    named("dns-same-tail", [dns("evilshire.example")], NO)
    named("dns-same-head", [dns("shire.example.evil.example")], NO)
    named("dns-nul-behind", [dns(SHIRE + "\0.evil.example")], NO)
    named("dns-nul-before", [dns("evil.example\0." + SHIRE)], NO)
    named("dns-nul-end", [dns(SHIRE + "\0")], NO)
    named("dns-space", [dns(SHIRE + " ")], NO)
    named("dns-leading-dot", [dns("." + SHIRE)], NO)
    named("dns-two-trailing-dots", [dns(SHIRE + "..")], NO)
    named("dns-empty", [dns("")], NO)
    named("dns-too-long", [dns("a" * 300 + "." + SHIRE)], NO)
    named("dns-a-label", [dns(IDN_A)], domain=IDN)
    named("dns-a-label-upper-case", [dns(IDN_A.upper())], domain=IDN)
    named("dns-u-label-utf8", [dns(IDN)], NO, domain=IDN)
    named("dns-u-label-latin1", [dns(IDN.encode("latin-1"))], NO, domain=IDN)
    named("dns-localpart", [dns("gandalf@" + SHIRE)], NO)
    named("dns-constructed", [tlv(0xA2, SHIRE.encode())], NO)


def common_names():
    named("cn-only", [], NO, subject=name(CN=SHIRE))
    named("cn-right-san-wrong", [dns("mordor.example")], NO, subject=name(CN=SHIRE))
    named("cn-wrong-san-right", [dns(SHIRE)], subject=name(CN="mordor.example"))
    named("cn-nul", [], NO, subject=name(CN=SHIRE + "\0.evil.example"))
    named("ou-looks-like-cn", [dns("mordor.example")], NO, subject=name(OU="CN=shire.example,"))
    named("no-subject-critical-san", san(dns(SHIRE), critical=True))


def other_kinds():
    named("ip-only", [ip(bytes([192, 0, 2, 1]))], NO)
    named("uri-only", [uri("xmpp:" + SHIRE)], NO)
    named("mail-only", [mail("gandalf@" + SHIRE)], NO)
    named("mail-is-domain", [mail(SHIRE)], NO)
    named("directory-only", [directory(name(CN=SHIRE))], NO)
    named("other-name-unknown", [other("1.3.6.1.4.1.311.20.2.3", tlv(0x0C, SHIRE.encode()))], NO,
          rules=OTHERS)
    named("all-kinds-dns-last", [ip(bytes(4)), uri("xmpp:a"), mail("a@b"), dns(SHIRE)])


def wildcards():
    below = "hobbit." + SHIRE
    named("wildcard", [dns("*." + SHIRE)], domain=below)
    named("wildcard-upper-case", [dns("*.SHIRE.EXAMPLE")], domain=below)
    named("wildcard-a-label-below", [dns("*." + SHIRE)], domain="müller." + SHIRE)
    named("wildcard-not-the-parent", [dns("*." + SHIRE)], NO)
    named("wildcard-not-two-labels", [dns("*." + SHIRE)], NO, domain="a.b." + SHIRE)
    for pattern in ("h*", "*t", "ho*it", "**", "xn--*", "*.*"):
        title = "wildcard-" + pattern.replace("*", "star").replace(".", "-dot-")
        named(title, [dns(pattern + "." + SHIRE)], NO,
              domain=("xn--mller-kva." if pattern == "xn--*" else "hobbit.") + SHIRE)
    named("wildcard-inside", [dns("hobbit.*.example")], NO, domain=below)
    named("wildcard-at-the-end", [dns("hobbit.shire.*")], NO, domain=below)
    named("wildcard-alone", [dns("*")], NO, domain="localhost")
    named("wildcard-top-level", [dns("*.example")], NO)


def srv_ids():
    good = "_xmpp-server." + SHIRE
    named("srv", [srv(good)], rules=OTHERS)
    named("srv-community", [srv(good)], rules=COMMUNITY)
    named("srv-not-allowed-for-the-set", [srv(good)], NO)
    named("srv-upper-case", [srv("_XMPP-Server.SHIRE.example")], rules=OTHERS)
    named("srv-client", [srv("_xmpp-client." + SHIRE)], NO, rules=OTHERS)
    named("srv-imap", [srv("_imap." + SHIRE)], NO, rules=OTHERS)
    named("srv-imap-with-dns", [srv("_imap." + SHIRE), dns(SHIRE)], rules=OTHERS)
    named("srv-no-underscore", [srv("xmpp-server." + SHIRE)], NO, rules=OTHERS)
    named("srv-with-proto", [srv("_xmpp-server._tcp." + SHIRE)], NO, rules=OTHERS)
    named("srv-bare-domain", [srv(SHIRE)], NO, rules=OTHERS)
    named("srv-other-domain", [srv("_xmpp-server.mordor.example")], NO, rules=OTHERS)
    named("srv-wildcard", [srv("_xmpp-server.*." + SHIRE)], NO, rules=OTHERS,
          domain="hobbit." + SHIRE)
    named("srv-utf8string", [srv(good, tag=0x0C)], NO, rules=OTHERS)
    named("srv-nul", [srv(good + "\0.evil.example")], NO, rules=OTHERS)
    named("srv-in-dns", [dns(good)], NO, rules=OTHERS)


def xmpp_addresses():
    named("xmpp", [xmpp(SHIRE)], rules=OTHERS)
    named("xmpp-not-allowed-for-the-set", [xmpp(SHIRE)], NO)
    named("xmpp-u-label", [xmpp(IDN)], rules=OTHERS, domain=IDN)
    named("xmpp-upper-case", [xmpp("SHIRE.example")], rules=OTHERS)
    named("xmpp-other", [xmpp("mordor.example")], NO, rules=OTHERS)
    named("xmpp-localpart", [xmpp("gandalf@" + SHIRE)], NO, rules=OTHERS)
    named("xmpp-empty-localpart", [xmpp("@" + SHIRE)], NO, rules=OTHERS)
    named("xmpp-resource", [xmpp(SHIRE + "/bag-end")], NO, rules=OTHERS)
    named("xmpp-ia5string", [xmpp(SHIRE, tag=0x16)], NO, rules=OTHERS)
    named("xmpp-bad-utf8", [xmpp(b"shire\xff.example")], NO, rules=OTHERS)
    named("xmpp-overlong-utf8", [xmpp(b"shire\xc0\xaeexample")], NO, rules=OTHERS)
    named("xmpp-nul", [xmpp(SHIRE + "\0.evil.example")], NO, rules=OTHERS)
    named("xmpp-wildcard", [xmpp("*." + SHIRE)], NO, rules=OTHERS, domain="hobbit." + SHIRE)
    text = SHIRE.encode()
    named("xmpp-length-beyond", [other(XMPP_ADDR, b"\x0c\x7f" + text)], NO, rules=OTHERS)
    named("xmpp-length-short", [other(XMPP_ADDR, b"\x0c\x05" + text)], NO, rules=OTHERS)
    named("xmpp-length-indefinite", [other(XMPP_ADDR, b"\x0c\x80" + text)], NO, rules=OTHERS)
    named("xmpp-no-value", [tlv(0xA0, oid(XMPP_ADDR))], NO, rules=OTHERS)
    named("xmpp-two-values", [other(XMPP_ADDR, tlv(0x0C, text), tlv(0x0C, text))], NO, rules=OTHERS)


def lying_lengths():
    case("san-outer-length-beyond", [leaf(extension("2.5.29.17", b"\x30\x7f" + dns(SHIRE))),
                                     SUB.cert], "ERR_CERT_PARSE", key=None)
    case("san-inner-length-beyond", [leaf(extension("2.5.29.17", seq(b"\x82\x7f" + b"shire"))),
                                     SUB.cert], "ERR_CERT_PARSE", key=None)
    case("san-twice", [leaf(san(dns("a.example")), more=[san(dns(SHIRE))]), SUB.cert],
         "ERR_CERT_PARSE", key=None)
    good = leaf([dns(SHIRE)])
    case("cut-short", [good[:-20], SUB.cert], "ERR_CERT_PARSE", key=None)
    case("garbage", [b"shire.example", SUB.cert], "ERR_CERT_PARSE", key=None)
    case("inner-and-outer-algorithm-differ", [good.replace(
        oid("1.2.840.10045.4.3.2"), oid("1.2.840.10045.4.3.3"), 1), SUB.cert], "ERR_CERT_PARSE",
        key=None)


def counts():
    many = [dns("h%d.example" % i) for i in range(199)]
    named("names-200", many + [dns(SHIRE)])
    named("names-201", [dns(SHIRE)] + many + [dns("one-more.example")], NO)
    named("names-10000", [dns(SHIRE)] + [dns("h%d.example" % i) for i in range(3000)], NO, key=None)


def purposes():
    purpose = "ERR_CERT_PURPOSE"

    def one(title, want, rules=PUBLIC, **how):
        case(title, [leaf([dns(SHIRE)], **how), SUB.cert], want, rules=rules)

    one("eku-server-only", "ERR_OK", purposes=eku("server"))
    one("eku-both", "ERR_OK", purposes=eku("server", "client"))
    one("eku-any", "ERR_OK", purposes=eku("any"))
    one("eku-client-only", purpose, purposes=eku("client"))
    one("eku-client-only-community", purpose, COMMUNITY, purposes=eku("client"))
    one("eku-code", purpose, purposes=eku("code"))
    one("eku-mail", purpose, purposes=eku("mail"))
    one("eku-none", purpose, purposes=None)
    one("eku-none-community", "ERR_OK", COMMUNITY, purposes=None)
    one("usage-none", "ERR_OK", usages=None)
    one("usage-encipher-only", purpose, usages=usage("encipher"))
    one("usage-agree-only", purpose, usages=usage("agree"))
    one("leaf-is-a-ca", purpose, ca=basic(True), usages=usage("sign", "certs"))
    one("leaf-is-a-ca-community", purpose, COMMUNITY, ca=basic(True))
    one("basic-none", "ERR_OK", ca=None)
    for what, want in (("mail", purpose), ("client", purpose), ("server", "ERR_OK"),
                       ("any", "ERR_OK")):
        sub = Authority("Sub for " + what, ROOT, more=[eku(what)])
        case("issuer-eku-" + what, [leaf([dns(SHIRE)], sub), sub.cert], want)


def dates():
    expired, not_yet = "ERR_CERT_EXPIRED", "ERR_CERT_NOT_YET"
    good = [leaf([dns(SHIRE)]), SUB.cert]
    case("date-first-second", good, now=BEGIN)
    case("date-before-first-second", good, not_yet, now=BEGIN - 1)
    case("date-last-second", good, now=END)
    case("date-after-last-second", good, expired, now=END + 1)
    case("date-from-2050", [leaf([dns(SHIRE)], end=at("2051-01-01 00:00:00")), SUB.cert])
    case("date-1950s", [leaf([dns(SHIRE)], begin=b"500101000000Z"), SUB.cert])
    case("date-month-13", [leaf([dns(SHIRE)], begin=b"251301000000Z"), SUB.cert],
         "ERR_CERT_PARSE", key=None)
    case("date-end-before-begin", [leaf([dns(SHIRE)], begin=END, end=BEGIN), SUB.cert], expired)
    old = Authority("Renewed", ROOT, end=BEGIN)
    case("issuer-expired", [leaf([dns(SHIRE)], old), old.cert], expired)
    fresh = Authority("Renewed", ROOT, key=old.key)
    mine = leaf([dns(SHIRE)], old)
    case("issuer-expired-then-renewed", [mine, old.cert, fresh.cert])
    case("issuer-renewed-then-expired", [mine, fresh.cert, old.cert])
    future = Authority("Future", ROOT, begin=CA_END - 1)
    case("issuer-not-yet", [leaf([dns(SHIRE)], future), future.cert], not_yet)
    aged = Authority("Aged root", begin=CA_BEGIN, end=BEGIN)
    write("set-aged.pem", pem(aged.cert))
    # RFC 5280 6.1.1 (d): an anchor is a name and a key, its dates are not part of the input.
    case("anchor-expired", [leaf([dns(SHIRE)], aged)], anchors="aged")


def sets():
    no = "ERR_CERT_UNTRUSTED"
    good = leaf([dns(SHIRE)])
    stranger = Authority("Stranger")
    case("unknown-root", [leaf([dns(SHIRE)], stranger), stranger.cert], no)
    twin = Authority("Root")
    case("root-of-the-same-name", [leaf([dns(SHIRE)], twin), twin.cert], no)
    case("other-set", [good, SUB.cert], no, anchors="community")
    alone = certificate(name(CN="alone"), spki(LEAF_KEY), name(CN="alone"), LEAF_KEY, BEGIN, END,
                        [eku("server"), san(dns(SHIRE))])
    case("self-signed", [alone], no)
    write("set-alone.pem", pem(alone))
    case("self-signed-in-the-set", [alone], anchors="alone", rules=COMMUNITY)
    write("set-issuing.pem", pem(SUB.cert))
    case("anchor-is-an-intermediate", [good], anchors="issuing")
    case("root-as-leaf", [ROOT.cert], "ERR_CERT_PURPOSE", key=None)
    write("set-noisy.pem", "some text\n" + pem(b"\x30\x03\x02\x01\x00") + "and more\n"
          + pem(ROOT.cert))
    case("anchor-behind-an-unreadable-one", [good, SUB.cert], anchors="noisy")
    case("no-intermediate", [good], no)
    flipped = bytearray(good)
    flipped[-1] ^= 1
    case("signature-broken", [bytes(flipped), SUB.cert], no)


def chains():
    no, chain = "ERR_CERT_UNTRUSTED", "ERR_CERT_CHAIN"
    good = leaf([dns(SHIRE)])
    mid = Authority("Middle", ROOT)
    low = Authority("Low", mid)
    deep = leaf([dns(SHIRE)], low)
    case("chain-of-three", [deep, low.cert, mid.cert])
    case("chain-out-of-order", [deep, mid.cert, low.cert], no)
    case("chain-with-the-root", [good, SUB.cert, ROOT.cert])
    case("chain-with-strangers", [good, SUB.cert, mid.cert, low.cert])
    case("chain-with-duplicates", [good, SUB.cert, SUB.cert, SUB.cert, ROOT.cert])
    case("chain-leaf-twice", [good, good, SUB.cert])
    case("chain-with-garbage", [good, b"\x30\x82", SUB.cert], key=None)
    line = [ROOT]
    for i in range(8):
        line.append(Authority("Line %d" % i, line[-1]))
    certs = [a.cert for a in line[1:]]
    case("chain-of-8", [leaf([dns(SHIRE)], line[7])] + certs[6::-1])
    case("chain-of-9", [leaf([dns(SHIRE)], line[8])] + certs[::-1], chain)
    case("chain-of-100", [good] + [SUB.cert] * 99, chain, key=None)
    bulk = leaf([dns(SHIRE)], more=[extension("1.3.6.1.4.1.99999.1", bytes(99000))])
    case("chain-over-100-kb", [bulk, SUB.cert, SUB.cert, SUB.cert], chain, key=None)
    a, b = Authority("Loop A"), Authority("Loop B")
    a_by_b = Authority("Loop A", b, key=a.key)
    b_by_a = Authority("Loop B", a, key=b.key)
    case("chain-is-a-loop", [leaf([dns(SHIRE)], a), a_by_b.cert, b_by_a.cert, a_by_b.cert,
                             b_by_a.cert], no)
    for title, exts in (("ca-false", [basic(False), usage("certs")]), ("basic-none", []),
                        ("no-cert-sign", [basic(True), usage("sign", "crls")])):
        bad = Authority("Bad " + title, ROOT, extensions=exts)
        case("issuer-" + title, [leaf([dns(SHIRE)], bad), bad.cert], no)
    ancient = Authority("Version 1", ROOT, extensions=[], version=1)
    case("issuer-version-1", [leaf([dns(SHIRE)], ancient), ancient.cert], no)
    end = Authority("End of path", ROOT, pathlen=0)
    more = Authority("Behind the end", end)
    case("path-length-violated", [leaf([dns(SHIRE)], more), more.cert, end.cert], no)
    case("path-length-kept", [leaf([dns(SHIRE)], end), end.cert])


def costly_chains():
    """What a stranger can make us compute, at most (C20, T24)."""
    line = [ROOT]
    for i in range(7):
        line.append(Authority("Slow %d" % i, line[-1], key=ec_key(ec.SECP521R1)))
    case("costly-p521", [leaf([dns(SHIRE)], line[7])] + [a.cert for a in line[:0:-1]])
    forged = {"forged": b"\0" + b"\x55" * 1023}
    line = [ROOT]
    for i in range(7):
        line.append(Authority("Huge %d" % i, line[-1], **forged,
                              public=rsa_spki(2**8191 + 2**(1001 + i) + 1, 2**31 + 1)))
    case("costly-rsa-8192", [leaf([dns(SHIRE)], line[7], **forged)] + [a.cert for a in line[:0:-1]],
         "ERR_CERT_UNTRUSTED", key=None)


def explicit_p256(key):
    """The same curve by its numbers instead of its name (RFC 5480 2.1.1 forbids it)."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    g = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    curve = seq(octets((p - 3).to_bytes(32, "big")), octets(b.to_bytes(32, "big")))
    params = seq(integer(1), seq(oid("1.2.840.10045.1.1"), integer(p)), curve, octets(g),
                 integer(n), integer(1))
    return seq(seq(oid("1.2.840.10045.2.1"), params), bits(point))


def keys():
    weak, unsupported = "ERR_CERT_WEAK", "ERR_CERT_UNSUPPORTED"
    modulus = 2**2047 + 2**1001 + 12345

    def one(title, want="ERR_OK", key=None, public=None):
        case(title, [leaf([dns(SHIRE)], key=key, public=public), SUB.cert], want, key=key)

    one("key-rsa-2048", key=rsa_key(2048))
    one("key-rsa-2047", weak, public=rsa_spki(2**2046 + 2**1001 + 1, 65537))
    one("key-rsa-1024", weak, key=rsa_key(1024))
    one("key-rsa-512", weak, public=rsa_spki(2**511 + 2**101 + 1, 65537))
    one("key-rsa-8192", public=rsa_spki(2**8191 + 2**1001 + 1, 65537))
    one("key-rsa-16384", "ERR_CERT_PARSE", public=rsa_spki(2**16383 + 2**1001 + 1, 65537))
    one("key-rsa-e-1", "ERR_CERT_PARSE", public=rsa_spki(modulus, 1))
    one("key-rsa-e-even", "ERR_CERT_PARSE", public=rsa_spki(modulus, 65536))
    one("key-rsa-e-3", public=rsa_spki(modulus, 3))
    one("key-rsa-e-huge", weak, public=rsa_spki(modulus, 2**2000 + 1))
    one("key-p384", key=ec_key(ec.SECP384R1))
    one("key-p521", key=ec_key(ec.SECP521R1))
    one("key-p192", unsupported, public=spki(ec_key(ec.SECP192R1)))
    one("key-secp256k1", unsupported, public=spki(ec_key(ec.SECP256K1)))
    one("key-explicit-curve", "ERR_CERT_PARSE", public=explicit_p256(LEAF_KEY))
    one("key-ed25519", unsupported, public=spki(ed25519.Ed25519PrivateKey.generate()))
    rsa_root = Authority("RSA root", key=rsa_key(2048), digest="sha1")
    write("set-rsa.pem", pem(rsa_root.cert))

    def by_rsa(title, want="ERR_OK", **how):
        case(title, [leaf([dns(SHIRE)], rsa_root, **how)], want, anchors="rsa",
             key=LEAF_KEY if want == "ERR_OK" else None)

    by_rsa("signature-rsa")
    by_rsa("signature-rsa-pss", pss=True)
    by_rsa("signature-rsa-sha1", weak, digest="sha1")
    by_rsa("signature-rsa-md5", unsupported, digest="md5")
    case("signature-ecdsa-sha1", [leaf([dns(SHIRE)], digest="sha1"), SUB.cert], weak)
    case("signature-ecdsa-sha224", [leaf([dns(SHIRE)], digest="sha224"), SUB.cert], weak)
    for title, key, how in (("rsa-1024", rsa_key(1024), {}), ("sha1", ec_key(), {"digest": "sha1"})):
        sub = Authority("Weak " + title, ROOT, key=key, **how)
        case("issuer-" + title, [leaf([dns(SHIRE)], sub), sub.cert], weak)
    small = Authority("Small root", key=rsa_key(1024))
    write("set-small.pem", pem(small.cert))
    case("anchor-rsa-1024", [leaf([dns(SHIRE)], small)], weak, anchors="small")
    sub = Authority("Edwards", ROOT, key=ed25519.Ed25519PrivateKey.generate())
    case("issuer-ed25519", [leaf([dns(SHIRE)], sub), sub.cert], "ERR_CERT_UNSUPPORTED")


def unknown_extensions():
    unknown = "1.3.6.1.4.1.99999.7"
    named("extension-unknown", [dns(SHIRE)], more=[extension(unknown, b"\x05\0")])
    named("extension-unknown-critical", [dns(SHIRE)], "ERR_CERT_UNSUPPORTED",
          more=[extension(unknown, b"\x05\0", critical=True)])
    sub = Authority("Unknown critical", ROOT, more=[extension(unknown, b"\x05\0", critical=True)])
    case("issuer-extension-unknown-critical", [leaf([dns(SHIRE)], sub), sub.cert],
         "ERR_CERT_UNSUPPORTED")


def name_constraints():
    no = "ERR_CERT_CONSTRAINT"
    count = 0

    def one(title, names, want="ERR_OK", critical=True, rules=OTHERS, domain=SHIRE, subject=name(),
            **trees):
        nonlocal count
        count += 1
        sub = Authority("Constrained %d" % count, ROOT,
                        more=[constraints(critical=critical, **trees)])
        case("constraint-" + title, [leaf(names, sub, subject=subject), sub.cert], want,
             rules=rules, domain=domain)

    mine, theirs = [dns(SHIRE)], [dns("mordor.example")]
    one("permitted-us", mine, permitted=mine)
    one("permitted-us-not-critical", mine, permitted=mine, critical=False)
    one("permitted-other", mine, no, permitted=theirs)
    one("permitted-other-not-critical", mine, no, permitted=theirs, critical=False)
    one("permitted-one-of-two", mine, permitted=theirs + mine)
    one("permitted-parent", mine, permitted=[dns("example")])
    one("permitted-parent-upper-case", mine, permitted=[dns("EXAMPLE")])
    one("permitted-parent-leading-dot", mine, permitted=[dns(".example")])
    one("permitted-only-below", mine, no, permitted=[dns("." + SHIRE)])
    one("permitted-same-tail", [dns("evilshire.example")], no, permitted=mine,
        domain="evilshire.example")
    one("permitted-second-name-outside", mine + theirs, no, permitted=mine)
    one("permitted-everything", mine, permitted=[dns("")])
    one("excluded-us", mine, no, excluded=mine)
    one("excluded-us-not-critical", mine, no, excluded=mine, critical=False)
    one("excluded-other", mine, excluded=theirs)
    one("excluded-parent", mine, no, excluded=[dns("example")])
    one("excluded-parent-leading-dot", mine, no, excluded=[dns(".example")])
    one("excluded-within-permitted", mine, no, permitted=[dns("example")], excluded=mine)
    one("excluded-everything", mine, no, excluded=[dns("")])
    one("excluded-trailing-dot-in-name", [dns(SHIRE + ".")], no, excluded=mine)
    one("excluded-trailing-dot-in-base", mine, no, excluded=[dns(SHIRE + ".")])
    wild, below = [dns("*." + SHIRE)], "hobbit." + SHIRE
    one("wildcard-permitted", wild, permitted=mine, domain=below)
    one("wildcard-permitted-leading-dot", wild, permitted=[dns("." + SHIRE)], domain=below)
    one("wildcard-wider-than-permitted", wild, no, permitted=[dns(below)], domain=below)
    one("wildcard-covers-excluded", wild, no, excluded=[dns(below)], domain=below)
    one("wildcard-above-excluded", wild, excluded=[dns("a." + below)], domain=below)
    one("wildcard-excluded-leading-dot", wild, no, excluded=[dns("." + SHIRE)], domain=below)
    one("wildcard-beside-excluded", wild, excluded=[dns("hobbit.mordor.example")], domain=below)
    service = [srv("_xmpp-server." + SHIRE)]
    one("srv-permitted", service, permitted=mine)
    one("srv-permitted-other", service, no, permitted=theirs)
    one("srv-permitted-other-not-critical", service, no, permitted=theirs, critical=False)
    one("srv-excluded", service, no, excluded=mine)
    one("srv-excluded-trailing-dot", [srv("_xmpp-server." + SHIRE + ".")], no, excluded=mine)
    address = [xmpp(SHIRE)]
    one("xmpp-permitted", address, permitted=mine)
    one("xmpp-permitted-other", address, no, permitted=theirs)
    one("xmpp-excluded", address, no, excluded=mine)
    one("xmpp-excluded-trailing-dot", [xmpp(SHIRE + ".")], no, excluded=mine)
    one("xmpp-excluded-a-label", [xmpp(IDN)], no, excluded=[dns(IDN_A)], domain=IDN)
    one("xmpp-excluded-wide-dot", [xmpp("shire\u3002example")], no, excluded=mine)
    one("xmpp-permitted-a-label", [xmpp(IDN)], permitted=[dns(IDN_A)], domain=IDN)
    everywhere = [ip(bytes(8)), ip(bytes(32))]
    one("excluded-all-addresses", mine, excluded=everywhere)
    one("excluded-all-addresses-and-has-one", mine + [ip(bytes([192, 0, 2, 1]))], no,
        excluded=everywhere)
    one("permitted-addresses-only", mine, permitted=[ip(bytes(8))])
    one("permitted-uri-and-has-one", mine + [uri("https://shire.example/")], no,
        permitted=[uri("shire.example")])
    one("permitted-directory", mine, permitted=[directory(name(O="Corpus"))],
        subject=name(O="Corpus", CN="x"))
    one("permitted-directory-other", mine, no, permitted=[directory(name(O="Mordor"))],
        subject=name(O="Corpus", CN="x"))
    one("permitted-directory-no-subject", mine, permitted=[directory(name(O="Mordor"))])
    one("excluded-directory", mine, no, excluded=[directory(name(O="Corpus"))],
        subject=name(O="Corpus", CN="x"))
    one("srv-form-and-has-one", service, no, permitted=[srv("_xmpp-server." + SHIRE)])
    one("srv-form-and-has-none", mine, permitted=[srv("_xmpp-server." + SHIRE)])
    one("unreadable", mine, no, permitted=[b"\x82\x7f"])
    one("with-maximum", mine, no, permitted=[dns(SHIRE) + tlv(0x81, b"\x05")])
    one("with-minimum", mine, no, permitted=[dns(SHIRE) + tlv(0x80, b"\x01")])
    upper = Authority("Upper", ROOT, more=[constraints(permitted=theirs)])
    lower = Authority("Lower", upper, more=[constraints(permitted=mine)])
    case("constraint-of-the-upper-issuer", [leaf(mine, lower), lower.cert, upper.cert], no)
    walled = Authority("Walled root", more=[constraints(permitted=mine)])
    write("set-walled.pem", pem(walled.cert))
    case("constraint-of-the-anchor-permits", [leaf(mine, walled)], anchors="walled")
    case("constraint-of-the-anchor-refuses", [leaf(theirs, walled)], no, anchors="walled",
         domain="mordor.example")
    own = leaf(mine, more=[constraints(permitted=theirs)])
    case("constraint-in-the-leaf-itself", [own, SUB.cert])


def main():
    os.makedirs(out, exist_ok=True)
    write("set-root.pem", pem(ROOT.cert))
    write("set-community.pem", pem(Authority("Community root").cert))
    for group in (dns_ids, common_names, other_kinds, wildcards, srv_ids, xmpp_addresses,
                  lying_lengths, counts, purposes, dates, sets, chains, costly_chains, keys, unknown_extensions,
                  name_constraints):
        group()
    write("cases.tsv", "".join("\t".join(row) + "\n" for row in rows))


main()
