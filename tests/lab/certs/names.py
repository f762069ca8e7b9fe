"""What a certificate may call itself (ID-1..ID-6; C05..C13, C22)."""
from kit import *

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
