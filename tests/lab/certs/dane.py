"""What TLSA records and POSH documents say of certificates of the corpus, by another library than
ours: prints.tsv holds chain, place in it, certificate or key, SHA-256, SHA-384, SHA-512."""
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kit import chains, write

CHAINS = ["dns", "dns-other", "srv", "self-signed", "unknown-root", "chain-with-the-root",
          "chain-with-strangers", "chain-of-three", "chain-of-8", "no-intermediate",
          "eku-none", "eku-client-only", "path-length-violated", "issuer-expired",
          "issuer-ends-first", "constraint-permitted-other", "key-rsa-1024", "key-rsa-2048",
          "leaf-is-a-ca", "chain-of-9"]


def lines_of(title, place, der):
    key = x509.load_der_x509_certificate(der).public_key()
    for what, data in (("certificate", der), ("key", key.public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo))):
        digests = [hashlib.new(kind, data).hexdigest() for kind in ("sha256", "sha384", "sha512")]
        yield "\t".join([title, str(place), what] + digests) + "\n"


def prints():
    write("prints.tsv", "".join(line for title in CHAINS
                                for place, der in enumerate(chains[title])
                                for line in lines_of(title, place, der)))
