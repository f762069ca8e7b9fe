"""Purposes, dates, sets, chains, keys (ID-7, ID-8, P-2; C01, C04, C16..C20, T24, T25)."""
from kit import *


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
    brief = Authority("Brief", ROOT, end=END - 1000)
    case("issuer-ends-first", [leaf([dns(SHIRE)], brief), brief.cert])
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
