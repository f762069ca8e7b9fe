"""A chain as Let's Encrypt has them: a P-256 leaf under a P-384 intermediate under a P-384 root."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PURPOSES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Steps:
    """Root and intermediate; `root` is the PEM to trust."""

    def __init__(self):
        now = datetime.datetime.utcnow()
        self._from, self._until = now - datetime.timedelta(1), now + datetime.timedelta(90)
        root_key, self._key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
        root = self._authority("Steps Root", root_key, "Steps Root", root_key, None)
        self._intermediate = self._authority("Steps E1", self._key, "Steps Root", root_key, 0)
        self.root = _pem(root)

    def _base(self, subject, key, issuer):
        return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(self._from).not_valid_after(self._until))

    def _authority(self, name, key, issuer, issuer_key, below):
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._base(name, key, issuer)
        builder = builder.add_extension(x509.BasicConstraints(True, below), True)
        return builder.add_extension(usage, True).sign(issuer_key, hashes.SHA384())

    def chain(self, key, names):
        """PEM of a leaf for this key, and of the intermediate."""
        builder = self._base(names[0], key, "Steps E1")
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(PURPOSES), False)
        return _pem(builder.sign(self._key, hashes.SHA384())) + _pem(self._intermediate)
