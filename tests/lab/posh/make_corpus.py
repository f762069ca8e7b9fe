#!/usr/bin/python3
"""POSH documents with the verdict of the second verifier (tests/lib/posh_verifier.py):
make_corpus.py DIRECTORY

Writes leafs (leaf-NAME.der) and cases.tsv: name, leaf, time, verdict, expires, rule, document in
base64. A verdict is bad (no document), reference, match, no-match, expired or bad-certificate. A
rule is the one by which fedgate refuses what RFC 7711 leaves open: then it must say bad, whatever
the second verifier said."""

import base64
import ipaddress
import json
import pathlib
import random
import re
import sys
import urllib.parse

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "lib")]

import posh_verifier as posh  # noqa: E402
from lab.ca import CA, DAY  # noqa: E402

SEED, RANDOM_TREES, RANDOM_BYTES = 7711, 300, 300
MOST_BYTES, MOST_DESCRIPTORS, MOST_DEPTH, MOST_URL = 65536, 32, 4, 2048
URI_TEXT = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*\Z")


# ---- what fedgate refuses beyond the RFC ----

class Real(float):
    """A number that was written with a fraction or an exponent."""


def nodes(tree, depth=1):
    """Every value and every name below, each with the depth it stands at."""
    yield tree, depth
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield name, depth
            yield from nodes(value, depth + 1)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value, depth + 1)


def odd_value(value, depth):
    """POSH-8: too deep, a text that is none in C or in UTF-8, a number out of range."""
    if isinstance(value, (dict, list)):
        return depth > MOST_DEPTH
    if isinstance(value, str):
        return "\0" in value or any(0xD800 <= ord(one) < 0xE000 for one in value)
    if isinstance(value, Real):
        return value in (float("inf"), float("-inf"))
    return isinstance(value, int) and not -2 ** 63 <= value < 2 ** 63


def odd_print(descriptor):
    """POSH-7: a strong hash that is none, of the right length."""
    for name, made in posh.HASHES.items():
        if name in descriptor:
            raw = posh.decode(descriptor[name])
            if raw is None or len(raw) != made().digest_size:
                return True
    return False


def odd_url(url):
    """POSH-9: more than https, a host name, a port that is nobody's service, a path."""
    parts = urllib.parse.urlsplit(url)
    try:
        ipaddress.ip_address(parts.hostname)
        return True
    except ValueError:
        pass
    port = parts.port or 443
    return ("@" in parts.netloc or (port != 443 and port < 1024) or not URI_TEXT.match(url)
            or "_" in parts.hostname or len(parts.hostname) > 253)


def stricter(body):
    """The rule by which fedgate refuses what the second verifier could read, or None."""
    if len(body) > MOST_BYTES:
        return "POSH-2"
    try:
        if "\0" in body.decode() or body.startswith(b"\xef\xbb\xbf"):
            return "POSH-8"
    except UnicodeDecodeError:
        return "POSH-8"
    tree = json.loads(body, parse_float=Real)
    expires = tree["expires"]
    if any(odd_value(*one) for one in nodes(tree)):
        return "POSH-8"
    if isinstance(expires, Real) or expires > 2 ** 31:
        return "POSH-8"
    if "url" in tree:
        if len(tree["url"]) > MOST_URL:
            return "POSH-2"
        return "POSH-9" if odd_url(tree["url"]) else None
    prints = tree["fingerprints"]
    if len(prints) > MOST_DESCRIPTORS:
        return "POSH-2"
    if any(odd_print(one) for one in prints) or not any(posh.HASHES.keys() & one for one in prints):
        return "POSH-7"
    return None


# ---- documents ----

def text_of(tree):
    return json.dumps(tree).encode()


def prints_of(leafs):
    """Lists of descriptors, each with something to say for itself."""
    mine, other = (leafs[name][0] for name in ("mine", "other"))
    both, wrong = posh.descriptor(mine), posh.descriptor(other)
    strong, bare = both["sha-256"], both["sha-256"].rstrip("=")
    yield "one", [both]
    yield "other", [wrong]
    yield "other-first", [wrong, both]
    yield "mixed", [{"sha-256": both["sha-256"], "sha-512": wrong["sha-512"]}]
    yield "mixed-384", [{**both, **posh.descriptor(other, "sha-384")}]
    for name in posh.HASHES:
        yield name, [posh.descriptor(mine, name)]
    yield "weak-beside", [{**both, "sha-1": "AAAA", "md5": "x y"}]
    yield "weak-alone", [{"sha-1": base64.b64encode(20 * b"x").decode()}]
    yield "weak-first", [{"md5": "AAAA"}, both]
    yield "upper-case", [{"SHA-256": strong}]
    yield "empty-descriptor", [{}]
    yield "empty-first", [{}, both]
    yield "none", []
    yield "expired", [posh.descriptor(leafs["old"][0])]
    yield "junk", [posh.descriptor(leafs["junk"][0])]
    for count in (31, 32, 33):
        yield f"many-{count}", (count - 1) * [wrong] + [both]
    for name, text in (("bare", bare), ("half-padded", bare + "=="),
                       ("url-safe", "-_" + strong[2:]),
                       ("space", strong[:9] + " " + strong[9:]), ("line", strong + "\n"),
                       ("short", strong[4:]), ("long", "AAAA" + strong), ("empty", ""),
                       ("padding-bits", strong[:42] + chr(ord(strong[42]) + 1) + "="),
                       ("hex", posh.HASHES["sha-256"](mine).hexdigest()), ("bar", "=" + strong),
                       ("nul", strong + "\0"), ("umlaut", "ä" + strong[1:])):
        yield f"text-{name}", [{"sha-256": text}]
        yield f"text-{name}-first", [{"sha-256": text}, both]
    for name, value in (("number", 7), ("null", None), ("list", [strong]), ("true", True)):
        yield f"kind-{name}", [{"sha-256": value}]
        yield f"descriptor-{name}", [value, both]


URLS = ("https://a.example/x", "https://a.example", "https://a.example/", "https://a.example/?q=1",
        "https://a.example:443/x", "https://a.example:8443/x", "https://a.example:1024/x",
        "https://a.example:1023/x", "https://a.example:25/x", "https://a.example:0/x",
        "https://a.example:65536/x", "https://a.example:/x", "https://a.example:x/",
        "https://user@a.example/x", "https://user:word@a.example/x", "https://10.0.0.1/x",
        "https://[::1]/x", "https://127.0.0.1:8443/", "https://a.example/x#part",
        "https://a.example/x y", "https://a.example/\u00e4", "https://a.example/%2e%2e/x",
        "https://a.example/%zz", "https:///x", "https:/x", "https:x", "//a.example/x", "/x", "x",
        "", "http://a.example/x", "HTTPS://A.EXAMPLE/x", "httpss://a.example/", "ftp://a.example/",
        "file:///etc/passwd", "https://a.example/\r\nHost: b.example", " https://a.example/",
        "https://a.example\\@b.example/", "https://a_b.example/x", "https://a.example./x",
        "https://a.example/" + 2030 * "x", "https://a.example/" + 2031 * "x",
        "https://a.example/" + 60000 * "x")
EXPIRES = ("0", "1", "60", "86400", "604800", "-1", "-0", "0.0", "1.0", "1.5", "6e1", "6E1", "0e0",
           "2147483647", "2147483648", "2147483649", "9223372036854775807", "9223372036854775808",
           "1e999", "-1e999", "NaN", "Infinity", "01", "+1", "1.", ".5", "0x10", "true", "null",
           '"60"', "[60]", "{}", "", " 60 ", "\t60\r\n", 400 * "9")


def frames(good):
    """Whole texts around a good descriptor, not all of them JSON."""
    inside = json.dumps(good)
    plain = f'{{"fingerprints":[{inside}],"expires":60}}'
    yield "plain", plain
    for number, value in enumerate(EXPIRES):
        yield f"expires-{number}", f'{{"fingerprints":[{inside}],"expires":{value}}}'
        yield f"url-expires-{number}", f'{{"url":"https://a.example/","expires":{value}}}'
    for number, url in enumerate(URLS):
        yield f"url-{number}", json.dumps({"url": url, "expires": 60})
        yield f"url-raw-{number}", json.dumps({"url": url, "expires": 60}, ensure_ascii=False)
    for name, text in (
            ("no-expires", f'{{"fingerprints":[{inside}]}}'), ("no-prints", '{"expires":60}'),
            ("both", plain[:-1] + ',"url":"https://a.example/"}'),
            ("url-null", plain[:-1] + ',"url":null}'),
            ("url-only-null", '{"url":null,"expires":6}'),
            ("prints-null", '{"fingerprints":null,"expires":60}'),
            ("prints-object", f'{{"fingerprints":{inside},"expires":60}}'),
            ("unknown", plain[:-1] + ',"comment":"hello","n":[1,2.5,null,true]}'),
            ("twice", plain[:-1] + ',"expires":60}'),
            ("twice-unknown", plain[:-1] + ',"a":1,"a":1}'),
            ("twice-escaped", plain[:-1] + ',"\\u0065xpires":60}'),
            ("twice-deep", plain[:-1] + ',"a":[{"b":1,"b":2}]}'),
            ("escaped", plain.replace('"expires"', '"\\u0065xpires"')),
            ("case", plain.replace("expires", "Expires")),
            ("trailing-comma", plain[:-1] + ",}"), ("trailing", plain + "x"),
            ("second", plain + plain),
            ("spaces", f" \t\r\n{plain} \n"), ("formfeed", "\f" + plain), ("bom", "\ufeff" + plain),
            ("comment", "/* */" + plain), ("quotes", plain.replace('"', "'")),
            ("array", f"[{plain}]"), ("text", '"fingerprints"'), ("number", "60"), ("null", "null"),
            ("nothing", ""), ("blank", "   "), ("cut", plain[:-1]),
            ("nul-escape", plain[:-1] + ',"a":"\\u0000"}'),
            ("nul-name", plain[:-1] + ',"\\u0000":1}'),
            ("surrogate", plain[:-1] + ',"a":"\\ud800"}'),
            ("pair", plain[:-1] + ',"a":"\\ud83d\\ude00"}'),
            ("control", plain[:-1] + ',"a":"\x01"}'), ("delete", plain[:-1] + ',"a":"\x7f"}'),
            ("huge-number", plain[:-1] + ',"a":123456789012345678901234567890}'),
            ("huge-real", plain[:-1] + ',"a":1e400}'), ("tiny-real", plain[:-1] + ',"a":1e-400}'),
            ("bad-escape", plain[:-1] + ',"a":"\\x41"}'), ("empty-name", plain[:-1] + ',"":1}')):
        yield name, text
    for depth in (2, 3, 4, 5, 50, 3000):
        yield f"depth-{depth}", plain[:-1] + ',"a":' + (depth - 1) * "[" + (depth - 1) * "]" + "}"
    for size in (MOST_BYTES - 1, MOST_BYTES, MOST_BYTES + 1):
        yield f"size-{size}", plain + (size - len(plain)) * " "


def encoded(good):
    """Bytes that are another encoding's, or none's."""
    plain = text_of({"fingerprints": [good], "expires": 60})
    for name in ("utf-16", "utf-16-be", "utf-32", "utf-32-le"):
        yield name, plain.decode().encode(name)
    for name, piece in (("latin", b"\xe4"), ("overlong", b"\xc0\xaf"), ("half", b"\xe2\x82"),
                        ("surrogates", b"\xed\xa0\x80"), ("beyond", b"\xf4\x90\x80\x80"),
                        ("right", b"\xe2\x82\xac"), ("nul", b"\0")):
        yield f"bytes-{name}", plain[:-1] + b',"a":"' + piece + b'"}'
    yield "nul-behind", plain + b"\0"


def random_tree(dice, leafs):
    """A document out of right and wrong parts."""
    lists = [one for _, one in prints_of(leafs)]
    tree = {}
    if dice.random() < 0.9:
        tree["fingerprints"] = dice.choice(lists)
    if dice.random() < 0.15:
        tree["url"] = dice.choice(URLS + (None, 7))
    if dice.random() < 0.95:
        tree["expires"] = dice.choice((1, 60, 86400, 604800, 0, -1, 1.5, 2 ** 31, 2 ** 32, "1"))
    if dice.random() < 0.2:
        name = dice.choice(("comment", "fingerprint", "ur", "x\0"))
        tree[name] = dice.choice(([], {}, [[[]]], "y"))
    order = list(tree)
    dice.shuffle(order)
    return {name: tree[name] for name in order}


def spoiled(dice, body):
    """The text with a few bytes changed, left out or doubled."""
    data = bytearray(body)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data))
        kind = dice.randrange(4)
        if kind == 0:
            data[at] = dice.choice(b'{}[]",:0e-+. \\\x00\xff=A')
        elif kind == 1:
            del data[at:at + dice.randint(1, 4)]
        elif kind == 2:
            data[at:at] = data[at:at + dice.randint(1, 20)]
        else:
            data[at] ^= 1 << dice.randrange(8)
        if not data:
            break
    return bytes(data)


def documents(leafs):
    """(name, bytes) of all of them."""
    dice, good = random.Random(SEED), posh.descriptor(leafs["mine"][0])
    for name, prints in prints_of(leafs):
        yield f"prints-{name}", text_of({"fingerprints": prints, "expires": 604800})
    for name, text in frames(good):
        yield name, text.encode()
    yield from encoded(good)
    pool = [text_of({"fingerprints": prints, "expires": 60}) for _, prints in prints_of(leafs)]
    for number in range(RANDOM_TREES):
        yield f"tree-{number}", text_of(random_tree(dice, leafs))
    for number in range(RANDOM_BYTES):
        yield f"bytes-{number}", spoiled(dice, dice.choice(pool))


# ---- verdicts ----

def verdict(body, der, now):
    """(verdict, expires) of the second verifier."""
    try:
        found = posh.parse(body)
    except posh.BadDocument:
        return "bad", 0
    if isinstance(found, posh.Reference):
        return "reference", found.expires
    return posh.judge(found.descriptors, der, now).reason, found.expires


def row(name, leaf, body, der, now):
    said, expires = verdict(body, der, now)
    rule = None if said == "bad" else stricter(body)
    return "\t".join((name, leaf, str(now), said, str(min(expires, 2 ** 63)), rule or "-",
                      base64.b64encode(body).decode() or "-")) + "\n"


def make_leafs(directory):
    """Name -> (DER, the times of interest)."""
    authority, found = CA(directory / "ca"), {}
    for name, days in (("mine", 90), ("other", 90), ("old", -1)):
        der = authority.issue("host.example", days=days, signed_by="self").der()
        leaf = posh.x509.load_der_x509_certificate(der)
        begin, end = (int((one - posh.datetime.datetime(1970, 1, 1)).total_seconds())
                      for one in (leaf.not_valid_before, leaf.not_valid_after))
        found[name] = der, begin, end
    found["junk"] = b"\x30\x03\x02\x01\x00", 0, 2 * int(DAY.total_seconds())
    return found


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    leafs = make_leafs(directory)
    rows = []
    _, begin, end = leafs["mine"]
    for name, body in documents(leafs):
        for leaf in ("mine", "other", "old", "junk") if name.startswith("prints-") else ("mine",):
            rows.append(row(f"{name}/{leaf}", leaf, body, leafs[leaf][0], end - 1))
        if name in ("prints-one", "prints-other-first"):
            for now in (begin - 1, begin, begin + 1, end, end + 1):
                rows.append(row(f"{name}/at-{now - begin}", "mine", body, leafs["mine"][0], now))
    for name, (der, _, _) in leafs.items():
        (directory / f"leaf-{name}.der").write_bytes(der)
    (directory / "cases.tsv").write_text("".join(rows), encoding="ascii")


if __name__ == "__main__":
    main()
