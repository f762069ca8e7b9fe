"""Name constraints (ID-9; C19)."""
from kit import *


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
    one("srv-permitted-only-below", service, no, permitted=[dns("." + SHIRE)])
    one("srv-excluded-only-below", service, excluded=[dns("." + SHIRE)])
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
    one("more-names-than-judged", mine + [ip(bytes(4))] * 250, no, permitted=mine)
    before = Authority("Rolled over", ROOT,
                       more=[constraints(permitted=[directory(name(O="Shire"))])])
    after = Authority("Rolled over", before)
    case("constraint-not-on-self-issued-authorities",
         [leaf(mine, after, subject=name(O="Shire", CN="x")), after.cert, before.cert])
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
