#!/usr/bin/python3
"""The certificate corpus: make_corpus.py DIRECTORY

Writes chains (NAME.pem, leaf first, and NAME.key where the leaf has a private half), sets of
authorities (set-NAME.pem) and cases.tsv: name, domain, set, rules, time, expected verdict, whether
it can be shown in a TLS handshake; and prints.tsv (dane.py). A verdict is a symbol of base/err.h;
ERR_CERT_NAME says that the chain is fine but names another domain. Each case differs from a good
one in one fact."""
import os
import sys

import dane
import limits
import names
import paths
from kit import Authority, ROOT, pem, rows, write

GROUPS = [names.dns_ids, names.common_names, names.other_kinds, names.wildcards, names.srv_ids,
          names.xmpp_addresses, names.lying_lengths, names.counts, paths.purposes, paths.dates,
          paths.sets, paths.chains, paths.costly_chains, paths.keys, paths.unknown_extensions,
          limits.name_constraints, dane.prints]


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    write("set-root.pem", pem(ROOT.cert))
    write("set-community.pem", pem(Authority("Community root").cert))
    for group in GROUPS:
        group()
    write("cases.tsv", "".join("\t".join(row) + "\n" for row in rows))


main()
