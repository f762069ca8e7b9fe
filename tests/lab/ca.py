"""A small certificate authority: a root, an intermediate under it, and whatever leaves one asks.

    ca = CA(directory)
    good = ca.issue("shire.example", "conference.shire.example")    good.chain, good.key: files
    ca.issue("shire.example", key="rsa"), ca.issue(..., days=-1), ca.issue(..., signed_by="self")

`ca.root` is the file to trust; `CA(directory, "Another")` makes one that nobody trusts.
"""

import dataclasses
import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

DAY = datetime.timedelta(days=1)
XMPP_ADDR = ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SRV_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.7")
PURPOSES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclasses.dataclass
class Identity:
    """A certificate chain and its key, as PEM files; `both` has key and chain in one."""
    chain: pathlib.Path
    key: pathlib.Path
    both: pathlib.Path

    def der(self):
        """The leaf."""
        leaf = x509.load_pem_x509_certificate(self.chain.read_bytes())
        return leaf.public_bytes(serialization.Encoding.DER)


def _make_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _utf8(tag, text):
    """One DER string; the names used here are shorter than 128 bytes."""
    raw = text.encode()
    assert len(raw) < 128
    return bytes([tag, len(raw)]) + raw


def _alternative(name):
    """"shire.example", "srv:_xmpp-server.shire.example", "xmpp:shire.example" or an address."""
    kind, _, rest = name.partition(":")
    if kind == "srv":
        return x509.OtherName(SRV_NAME, _utf8(0x16, rest))
    if kind == "xmpp":
        return x509.OtherName(XMPP_ADDR, _utf8(0x0C, rest))
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class CA:
    """The authority; its files stand in `directory`."""

    def __init__(self, directory, name="Lab"):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self._count = 0
        root_key, self._key = _make_key("p256"), _make_key("p256")
        root_name, self._issuer = _name(f"{name} Root"), _name(f"{name} Intermediate")
        root = self._authority(root_name, root_key, root_name, root_key, 1)
        self._intermediate = self._authority(self._issuer, self._key, root_name, root_key, 0)
        self.root = self.dir / "root.pem"
        self.root.write_bytes(_pem(root))

    @staticmethod
    def _base(subject, key, issuer, start, end):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(start).not_valid_after(end))

    def _authority(self, subject, key, issuer, issuer_key, below):
        now = datetime.datetime.utcnow()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._base(subject, key, issuer, now - DAY, now + 3650 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(True, below), True)
        builder = builder.add_extension(usage, True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
        return builder.sign(issuer_key, hashes.SHA256())

    def issue(self, *names, key="p256", days=90, purposes=("server", "client"),
              signed_by="intermediate", cn=None):
        """A leaf for `names`; days < 0: already expired; signed_by="self": proves nothing."""
        self._count += 1
        leaf_key = _make_key(key)
        now = datetime.datetime.utcnow()
        start = now - (DAY if days > 0 else 100 * DAY)
        subject = _name((cn or names[0])[:64])
        alone = signed_by == "self"
        issuer, issuer_key = (subject, leaf_key) if alone else (self._issuer, self._key)
        builder = self._base(subject, leaf_key, issuer, start, now + days * DAY)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in names]), False)
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(
            x509.KeyUsage(True, False, key == "rsa", False, False, False, False, False, False),
            True)
        if purposes:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([PURPOSES[one] for one in purposes]), False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
        leaf = builder.sign(issuer_key, hashes.SHA256())
        chain = _pem(leaf) + (b"" if alone else _pem(self._intermediate))
        return self._write(f"{self._count}-{names[0].replace('*', 'any')}", chain,
                           _key_pem(leaf_key))

    def _write(self, stem, chain, key):
        identity = Identity(*(self.dir / f"{stem}.{end}" for end in ("chain.pem", "key", "pem")))
        identity.chain.write_bytes(chain)
        for path, content in ((identity.key, key), (identity.both, key + chain)):
            path.touch(0o600)
            path.write_bytes(content)
        return identity
