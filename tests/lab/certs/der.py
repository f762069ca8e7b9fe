"""Certificates written byte by byte (RFC 5280 4.1), so that wrong ones can be made as easily as
right ones: no library refuses anything here. Keys and signatures are python3-cryptography's."""
import calendar
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 128:
        return bytes([tag, n]) + body
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + body


def seq(*parts):
    return tlv(0x30, *parts)


def integer(n):
    return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def oid(dotted):
    first, second, *rest = (int(x) for x in dotted.split("."))
    out = b""
    for n in [40 * first + second] + rest:
        group = bytes([n & 0x7F])
        while n > 0x7F:
            n >>= 7
            group = bytes([0x80 | n & 0x7F]) + group
        out += group
    return tlv(0x06, out)


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\0")


def bits(raw, unused=0):
    return tlv(0x03, bytes([unused]), raw)


def octets(raw):
    return tlv(0x04, raw)


def stamp(t):
    """UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5)."""
    if isinstance(t, bytes):
        return tlv(0x17, t)
    tm = time.gmtime(t)
    if tm.tm_year < 2050:
        return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", tm).encode())
    return tlv(0x18, time.strftime("%Y%m%d%H%M%SZ", tm).encode())


def at(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def name(**attributes):
    """A Name; name() is the empty one."""
    oids = {"CN": "2.5.4.3", "OU": "2.5.4.11", "O": "2.5.4.10"}
    return seq(*(tlv(0x31, seq(oid(oids[k]), tlv(0x0C, v.encode()))) for k, v in attributes.items()))


# ---- general names (RFC 5280 4.2.1.6) ----

def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def dns(text):
    return tlv(0x82, raw(text))


def uri(text):
    return tlv(0x86, raw(text))


def mail(text):
    return tlv(0x81, raw(text))


def ip(packed):
    return tlv(0x87, packed)


def directory(der_name):
    return tlv(0xA4, der_name)


def other(type_id, *value):
    return tlv(0xA0, oid(type_id), tlv(0xA0, *value))


XMPP_ADDR = "1.3.6.1.5.5.7.8.5"
DNS_SRV = "1.3.6.1.5.5.7.8.7"


def xmpp(text, tag=0x0C):
    return other(XMPP_ADDR, tlv(tag, raw(text)))


def srv(text, tag=0x16):
    return other(DNS_SRV, tlv(tag, raw(text)))


# ---- extensions (RFC 5280 4.2.1) ----

def extension(dotted, value, critical=False):
    return seq(oid(dotted), boolean(True) if critical else b"", octets(value))


def san(*names, critical=False):
    return extension("2.5.29.17", seq(*names), critical)


def eku(*purposes):
    ids = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2",
           "code": "1.3.6.1.5.5.7.3.3", "mail": "1.3.6.1.5.5.7.3.4", "any": "2.5.29.37.0"}
    return extension("2.5.29.37", seq(*(oid(ids[p]) for p in purposes)))


KEY_USAGES = ["sign", "commit", "encipher", "data", "agree", "certs", "crls"]


def usage(*which):
    value = sum(0x80 >> KEY_USAGES.index(w) for w in which)
    unused = 7 - max(KEY_USAGES.index(w) for w in which)
    return extension("2.5.29.15", bits(bytes([value]), unused), True)


def basic(ca, pathlen=None):
    parts = [boolean(True)] if ca else []
    if pathlen is not None:
        parts.append(integer(pathlen))
    return extension("2.5.29.19", seq(*parts), True)


def constraints(permitted=(), excluded=(), critical=True):
    parts = []
    if permitted:
        parts.append(tlv(0xA0, *(seq(base) for base in permitted)))
    if excluded:
        parts.append(tlv(0xA1, *(seq(base) for base in excluded)))
    return extension("2.5.29.30", seq(*parts), critical)


# ---- keys and certificates ----

def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def rsa_spki(modulus, exponent):
    """An RSA public key that nobody has the private half of."""
    return seq(seq(oid("1.2.840.113549.1.1.1"), tlv(0x05)),
               bits(seq(integer(modulus), integer(exponent))))


SIGNATURES = {  # (kind of key, hash): AlgorithmIdentifier
    ("ec", "sha1"): seq(oid("1.2.840.10045.4.1")),
    ("ec", "sha224"): seq(oid("1.2.840.10045.4.3.1")),
    ("ec", "sha256"): seq(oid("1.2.840.10045.4.3.2")),
    ("ec", "sha384"): seq(oid("1.2.840.10045.4.3.3")),
    ("rsa", "md5"): seq(oid("1.2.840.113549.1.1.4"), tlv(0x05)),
    ("rsa", "sha1"): seq(oid("1.2.840.113549.1.1.5"), tlv(0x05)),
    ("rsa", "sha256"): seq(oid("1.2.840.113549.1.1.11"), tlv(0x05)),
    ("pss", "sha256"): seq(oid("1.2.840.113549.1.1.10"), seq(
        tlv(0xA0, seq(oid("2.16.840.1.101.3.4.2.1"), tlv(0x05))),
        tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"), seq(oid("2.16.840.1.101.3.4.2.1"), tlv(0x05)))),
        tlv(0xA2, integer(32)))),
    ("ed", None): seq(oid("1.3.101.112")),
}
HASHES = {"md5": hashes.MD5, "sha1": hashes.SHA1, "sha224": hashes.SHA224,
          "sha256": hashes.SHA256, "sha384": hashes.SHA384}


def signer_of(key, digest, pss):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return SIGNATURES["ed", None], lambda tbs: key.sign(tbs)
    h = HASHES[digest]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return SIGNATURES["ec", digest], lambda tbs: key.sign(tbs, ec.ECDSA(h))
    if pss:
        pad = padding.PSS(padding.MGF1(h), 32)
        return SIGNATURES["pss", digest], lambda tbs: key.sign(tbs, pad, h)
    assert isinstance(key, rsa.RSAPrivateKey)
    return SIGNATURES["rsa", digest], lambda tbs: key.sign(tbs, padding.PKCS1v15(), h)


serial = 0


def certificate(subject, public, issuer, issuer_key, begin, end, extensions, digest="sha256",
                pss=False, version=3, forged=None):
    """public: a SubjectPublicKeyInfo; subject and issuer: Names; forged: what to say instead of an
    RSA signature."""
    global serial
    serial += 1
    if forged:
        algorithm, signer = SIGNATURES["rsa", digest], lambda tbs: forged
    else:
        algorithm, signer = signer_of(issuer_key, digest, pss)
    tbs = seq(tlv(0xA0, integer(version - 1)) if version > 1 else b"", integer(serial), algorithm,
              issuer, seq(stamp(begin), stamp(end)), subject, public,
              tlv(0xA3, seq(*extensions)) if extensions else b"")
    return seq(tbs, algorithm, bits(signer(tbs)))
