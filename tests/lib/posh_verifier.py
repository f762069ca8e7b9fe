"""A POSH client in Python, written from RFC 7711 and RFC 7712 (5.2) alone.

It exists to have a second opinion: who wrote it had not seen fedgate's own verifier. It is not
other people's software. Where the RFC leaves room, the choice is said at the line.

    posh = Verifier(connect=lambda host, port: net_host.connect((addresses[host], port)),
                    ca_file="web-ca.pem")
    verdict = posh.check("shire.example", der)      # fetches, or uses what it has cached
    verdict.accepted, verdict.reason, verdict.material.expires

parse() and judge() are pure; Verifier does the fetching and the caching.
"""

import base64
import binascii
import dataclasses
import datetime
import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.parse

from cryptography import x509

# Names as IANA's registry of textual names of hash functions spells them. md5 and sha-1 are in it
# too, but no client ought to count on them any more.
HASHES = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10  # RFC 7711, 10
MOST_BYTES = 1 << 20
LONGEST_S = 30 * 86400  # 6: not indefinitely, whatever `expires` says
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")


class BadDocument(Exception):
    """It is neither a fingerprints document nor a reference document."""


class NoMaterial(Exception):
    """Nothing could be fetched that may be used; the text says why."""


@dataclasses.dataclass
class Fingerprints:
    """3.1: for each certificate a dictionary, from the name of a hash to its text."""
    descriptors: list
    expires: int


@dataclasses.dataclass
class Reference:
    """3.2"""
    url: str
    expires: int


@dataclasses.dataclass
class Material:
    """What was fetched for a domain: descriptors, for how long, and by which way."""
    descriptors: list
    expires: int
    urls: list


@dataclasses.dataclass
class Verdict:
    """accepted: the certificate is the domain's; reason: one of match, no-match, expired,
    bad-certificate, no-material."""
    accepted: bool
    reason: str
    material: Material = None
    why: str = ""


# Documents

def _unique(pairs):
    """RFC 7159, 4: what a name that comes twice means is anybody's guess; so it means nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadDocument("a member comes twice")
    return found


def _no_constant(word):
    raise BadDocument(f"{word} is no JSON")


def _expires(document):
    """3.1, 3.2: a JSON number that is a non-negative integer; how it is written does not matter."""
    if "expires" not in document:
        raise BadDocument("there is no `expires`")
    value = document["expires"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise BadDocument(f"`expires` is {value!r}")
    if value < 0:
        raise BadDocument("`expires` is negative")
    if value == 0:
        raise BadDocument("`expires` is 0: it is invalid by its own word")
    return int(value)


def _descriptors(value):
    if not isinstance(value, list) or not value:
        raise BadDocument("`fingerprints` is no array with at least one descriptor")
    for one in value:
        if not isinstance(one, dict):
            raise BadDocument("a descriptor is no object")
        if not all(isinstance(text, str) for text in one.values()):
            raise BadDocument("a fingerprint is no text")
    return value


def parse(body):
    """Fingerprints or Reference; BadDocument when it is neither."""
    try:
        document = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadDocument(f"no JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadDocument("not an object")
    if "fingerprints" in document and "url" in document:  # 3.1: MUST NOT
        raise BadDocument("both `fingerprints` and `url`")
    try:
        if "fingerprints" in document:
            return Fingerprints(_descriptors(document["fingerprints"]), _expires(document))
        if "url" in document:
            return Reference(_https(document["url"]), _expires(document))
    except OverflowError as error:
        raise BadDocument(str(error)) from error
    raise BadDocument("neither `fingerprints` nor `url`")


def _https(url):
    """3.2, 10: an HTTPS URI; the same for redirects."""
    try:
        parts = urllib.parse.urlsplit(url) if isinstance(url, str) else None
        fit = parts and parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        fit = False
    if not fit:
        raise BadDocument(f"{url!r} is no HTTPS URI")
    return url


# Certificates

def decode(text):
    """Base64 of RFC 4648, 4, with its padding bits zero; None when it is not. The padding itself
    may be missing: it is, in an example of 3.1."""
    if not BASE64.match(text):
        return None
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    if text not in (bare, padded):
        return None
    try:
        raw = base64.b64decode(padded, validate=True)
    except binascii.Error:
        return None
    return raw if base64.b64encode(raw).decode() == padded else None


def fits(descriptor, der):
    """3.3. A descriptor is about one certificate: each hash in it that we know must fit."""
    known = [name for name in descriptor if name in HASHES]
    return bool(known) and all(decode(descriptor[name]) == HASHES[name](der).digest()
                               for name in known)


def judge(descriptors, der, now=None):
    """Is this certificate (DER) one of those that the descriptors stand for?"""
    if not any(fits(one, der) for one in descriptors):
        return Verdict(False, "no-match")
    try:
        leaf = x509.load_der_x509_certificate(der)
        begin, end = leaf.not_valid_before, leaf.not_valid_after
    except ValueError as error:
        return Verdict(False, "bad-certificate", why=str(error))
    moment = datetime.datetime.utcfromtimestamp(time.time() if now is None else now)
    if not begin <= moment <= end:  # 6, RFC 5280: an expired certificate is not valid
        return Verdict(False, "expired")
    return Verdict(True, "match")


def descriptor(der, *hashes):
    """What a domain writes into its document for a certificate."""
    return {name: base64.b64encode(HASHES[name](der).digest()).decode()
            for name in hashes or ("sha-256", "sha-512")}


def document(*ders, expires=86400):
    return {"fingerprints": [descriptor(der) for der in ders], "expires": expires}


# Fetching

class _Connection(http.client.HTTPSConnection):
    """HTTPS over a connection that somebody else opens, the server's name checked (RFC 2818)."""

    def __init__(self, host, port, open_, context):
        super().__init__(host, port, context=context)
        self._open, self._checked = open_, context

    def connect(self):
        self.sock = self._checked.wrap_socket(self._open(self.host, self.port),
                                              server_hostname=self.host)


class Verifier:
    """`connect(host, port)` opens a TCP connection; `clock` tells the time in seconds."""

    def __init__(self, connect, ca_file, service="xmpp-server", clock=time.time):
        self.connect, self.service, self.clock = connect, service, clock
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._cache = {}
        self.fetched = []  # the URLs of all requests, oldest first

    def _get(self, url):
        """Status, Location and body of one request."""
        parts = urllib.parse.urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.fetched.append(url)
        link = _Connection(parts.hostname, parts.port or 443, self.connect, self._context)
        try:
            link.request("GET", path, headers={"Accept": "application/json"})
            answer = link.getresponse()
            body = answer.read(MOST_BYTES + 1)
            return answer.status, answer.getheader("Location"), body
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoMaterial(f"{url}: {error!r}") from error
        finally:
            link.close()

    def _document(self, url, way):
        """Follows redirects from `url` on; `way` collects every URL of the whole operation."""
        for _ in range(MOST_REDIRECTS + 1):
            way.append(url)
            status, location, body = self._get(url)
            if status not in REDIRECTS:
                break
            if not location:
                raise NoMaterial(f"{url}: a redirect to nowhere")
            url = _https(urllib.parse.urljoin(url, location))
        else:
            raise NoMaterial(f"{url}: more than {MOST_REDIRECTS} redirects")
        if not 200 <= status < 300:
            raise NoMaterial(f"{url}: status {status}")
        if len(body) > MOST_BYTES:
            raise NoMaterial(f"{url}: too long")
        return parse(body)

    def fetch(self, domain):
        """3: the whole operation; BadDocument or NoMaterial when it yields nothing."""
        way = []
        found = self._document(f"https://{domain}/.well-known/posh/{self.service}.json", way)
        expires = found.expires
        if isinstance(found, Reference):
            found = self._document(found.url, way)
            if isinstance(found, Reference):  # 3.2: MUST NOT itself be a reference document
                raise BadDocument("a reference to a reference")
            expires = min(expires, found.expires)  # 6: the lower of both
        return Material(found.descriptors, expires, way)

    def material(self, domain):
        """From the cache while it is fresh (6), else fetched."""
        fresh_until, kept = self._cache.get(domain, (0, None))
        if self.clock() < fresh_until:
            return kept
        self._cache.pop(domain, None)
        begin = self.clock()
        found = self.fetch(domain)
        self._cache[domain] = (begin + min(found.expires, LONGEST_S), found)
        return found

    def check(self, domain, der):
        """The verdict on a certificate that somebody shows for `domain`."""
        try:
            found = self.material(domain)
        except (BadDocument, NoMaterial) as error:
            return Verdict(False, "no-material", why=str(error))
        verdict = judge(found.descriptors, der, self.clock())
        verdict.material = found
        return verdict
