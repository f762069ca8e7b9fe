#!/usr/bin/python3
"""Makes a configuration with many tenants, each with a certificate file and a key file of its own.

    make_tenants.py DIRECTORY COUNT [options]

DIRECTORY gets fedgate.ini, tenants.d/NAME.ini, certs/NAME.pem and keys/NAME.key, and ca.pem with
ca.key. The certificates name their own tenant and are all different; the keys behind them are
shared by many, because making them is what takes time.
"""
import argparse
import datetime
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PURPOSES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
GATE = """[gate]
listen = 127.0.0.1:5269
user = nobody
ca_file = ca.pem
"""

TENANT = """; {domain}
[tenant]
domain = {domain}
domains = conference.{domain}
backend = {backend}

[tls]
certificate = ../certs/{domain}.pem
key = ../keys/{domain}.key
"""


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write(path, data, mode=0o644):
    """Quickly, and never for a moment with wider permissions than `mode`."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    os.write(fd, data)
    os.close(fd)


class Authority:
    """Signs certificates; one of its own making, or one from files."""

    def __init__(self, days, cert=None, key=None):
        now = datetime.datetime.utcnow()
        self.start = now - datetime.timedelta(days=1)
        self.end = now + datetime.timedelta(days=days)
        if cert:
            self.cert = x509.load_pem_x509_certificate(pathlib.Path(cert).read_bytes())
            self.key = serialization.load_pem_private_key(pathlib.Path(key).read_bytes(), None)
            return
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Many Tenants Root")])
        self.cert = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def pem(self):
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def sign(self, key, names):
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(self.cert.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .add_extension(x509.ExtendedKeyUsage(PURPOSES), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("directory", type=pathlib.Path)
    p.add_argument("count", type=int)
    p.add_argument("--suffix", default="tenants.example", help="domains are tNUMBER.SUFFIX")
    p.add_argument("--first", type=int, default=0, help="number of the first tenant")
    p.add_argument("--backend", default="127.0.0.1:5280", help="of every tenant")
    p.add_argument("--days", type=int, default=90, help="how long the certificates last")
    p.add_argument("--keys", type=int, default=50, help="how many different keys to make")
    p.add_argument("--own", type=int, default=None,
                   help="how many of them get a certificate that names them; the others a copy")
    p.add_argument("--ca", nargs=2, metavar=("CERT", "KEY"), help="sign with this authority")
    return p.parse_args()


def main():
    args = parse_arguments()
    authority = Authority(args.days, *(args.ca or ()))
    for name in ("tenants.d", "certs", "keys"):
        (args.directory / name).mkdir(parents=True, exist_ok=True)
    base = str(args.directory)
    write(base + "/ca.pem", authority.pem())
    write(base + "/ca.key", pem_of(authority.key), 0o600)
    if not (args.directory / "fedgate.ini").exists():
        write(base + "/fedgate.ini", GATE.encode())
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(min(args.keys, args.count))]
    texts = [pem_of(k) for k in keys]
    for n in range(args.first, args.first + args.count):
        domain = f"t{n:06}.{args.suffix}"
        if args.own is None or n - args.first < args.own:
            key = n % len(keys)
            chain = authority.sign(keys[key], [domain, "conference." + domain])
        tenant = TENANT.format(domain=domain, backend=args.backend)
        write(f"{base}/certs/{domain}.pem", chain)
        write(f"{base}/keys/{domain}.key", texts[key], 0o600)
        write(f"{base}/tenants.d/{domain}.ini", tenant.encode())


if __name__ == "__main__":
    main()
