/* TLSA records and what they say about a certificate chain. RFC 6698 with RFC 7671 (usages, digest
 * agility, names, expiry) and RFC 7673 (SRV); protocol sheet 12, DANE-1..10. Pure: whether DNSSEC
 * vouches for the records is the caller's knowledge; records that are not secure never come here.
 */
#ifndef FEDGATE_TRUST_TLSA_H
#define FEDGATE_TRUST_TLSA_H

#include "base/domain.h"
#include "trust/cert.h"

enum { TLSA_RECORDS_MAX = 32, TLSA_DATA_MAX = 64, TLSA_RDATA_MAX = 16384 };

/* mtype 0 (the whole certificate or key) is kept as its SHA-256, so that a record is small; the
 * authority of a `2 0 0` must therefore be in the chain like that of any other (RFC 7671 5.2.2). */
struct tlsa_record {
	uint8_t usage, selector, mtype;
	uint8_t len;
	unsigned char data[TLSA_DATA_MAX];
};

/* The records of one (target, port). */
struct tlsa_set {
	size_t count; /* usable ones, those of a weaker digest already left out (RFC 7671 9) */
	struct tlsa_record records[TLSA_RECORDS_MAX];
	size_t unusable; /* unknown values, wrong lengths, over a maximum (DANE-2) */
};

/* Adds a record's RDATA; one that cannot be used is counted, never an error. */
void tlsa_add(struct tlsa_set *set, struct slice rdata);
/* After the last tlsa_add: of each (usage, selector) only the strongest digest stays. */
void tlsa_settle(struct tlsa_set *set);

struct tlsa_question {
	const struct slice *chain; /* DER, leaf first, as the other side sent it */
	size_t count;
	/* Usages 0, 1 and 2: one of them must be named by the leaf ({R, TLSA base domain}; unset
	 * ones are skipped). */
	struct domain names[2];
	const struct cert_set *sets[2]; /* usages 0 and 1: PKIX must hold under one of them */
	struct cert_rules rules[2];
	bool only_3_and_2; /* inbound: records of other usages cannot be used (DANE-5) */
	int64_t now;
};

struct tlsa_match {
	/* ERR_OK: one record matches, with all that its usage asks for.
	 * ERR_DANE_NONE: the set is empty. ERR_DANE_UNUSABLE: nothing in it can be used.
	 * ERR_DANE_MISMATCH: records, and none of them matches. ERR_CERT_NONE: no chain. */
	struct err e;
	struct tlsa_record record; /* the one that matched */
	int64_t not_after;  /* of the path, usages 0 to 2; 0: the records' TTL is the limit */
	struct err nearest; /* with a mismatch: what kept a record that fits from counting (a name,
			       a date; an ERR_CERT_ code), or ERR_OK */
};

struct tlsa_match tlsa_judge(const struct tlsa_set *set, const struct tlsa_question *q);

/* Whether this very record is in the set. */
bool tlsa_set_has(const struct tlsa_set *set, const struct tlsa_record *r);
/* All of it, as a zone file has it. */
enum { TLSA_TEXT_MAX = 3 * 4 + 2 * TLSA_DATA_MAX + 1 };
void tlsa_write(const struct tlsa_record *r, char out[TLSA_TEXT_MAX]);
/* "3 1 1" and the like; "3 1 1 ab12...": with the first bytes of the data. */
void tlsa_describe(const struct tlsa_record *r, char *out, size_t size);
/* A record to publish: `3 1 1` of a leaf (RFC 7671 5.1). False: the leaf cannot be read. */
bool tlsa_of_leaf(struct slice leaf_der, struct tlsa_record *out);

#endif
