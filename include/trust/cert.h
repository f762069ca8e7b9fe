/* What a certificate says, and whether its chain leads to a CA of a set. Pure: `now` is an
 * argument, files are read by the caller. mbedTLS x509 lives in this module only. */
#ifndef FEDGATE_TRUST_CERT_H
#define FEDGATE_TRUST_CERT_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum {
	CERT_NAMES_MAX = 200,
	CERT_CHAIN_MAX = 8,
	CERT_CHAIN_MAX_BYTES = 100000,
	CERT_PATH_MAX = CERT_CHAIN_MAX + 3,
};

enum cert_name_kind { CERT_NAME_DNS, CERT_NAME_SRV, CERT_NAME_XMPP };

struct cert_name {
	enum cert_name_kind kind;
	struct slice value; /* bytes of the certificate, not checked, not NUL-terminated */
};

/* Borrowed from the DER it was read from. */
struct cert_facts {
	int64_t not_before, not_after; /* seconds since 1970 UTC */
	struct cert_name names[CERT_NAMES_MAX];
	size_t name_count;
	bool names_cut; /* there were more: no identity may be taken from it */
	bool is_ca;     /* basicConstraints CA:TRUE */
	bool has_eku, eku_server, eku_client, eku_any;
	bool has_key_usage, ku_digital_signature;
	bool weak_key;            /* RSA under 2048 bits (P-2); for proofs that need no chain */
	unsigned char sha256[32]; /* of the certificate */
	unsigned char spki_sha256[32]; /* of its SubjectPublicKeyInfo */
};

/* ERR_CERT_PARSE, or ERR_CERT_UNSUPPORTED for a key, signature or critical extension of a kind
 * that is not known here (Ed25519, P-192, MD5); then the facts are all zero. */
struct err cert_read(struct slice der, struct cert_facts *out);

/* A set of trust anchors: immutable, counted. */
struct cert_set;
/* PEM bundle (copied); certificates that cannot be parsed are skipped and counted in *skipped (may
 * be NULL). ERR_CERT_PARSE with NULL when none could be read. */
struct cert_set *cert_set_new(struct slice pem, size_t *skipped, struct err *e);
struct cert_set *cert_set_hold(struct cert_set *s);
void cert_set_release(struct cert_set *s); /* NULL is fine */
size_t cert_set_count(const struct cert_set *s);
/* A set of one, from DER (copied): for an anchor that something else vouches for. */
struct cert_set *cert_set_of(struct slice der, struct err *e);

/* Which rules a chain is judged by (protocol sheet ID-7, ID-9). */
struct cert_rules {
	bool require_eku;       /* public CA sets: an EKU extension must be there */
	bool allow_other_names; /* SRV-ID and XmppAddr count */
};

/* Path validation by RFC 5280 at `now` against the set: signatures, dates, CA flags, path length,
 * key strengths (RSA >= 2048, P-256/384/521, SHA-2), purpose serverAuth in *both* directions
 * (ID-7; clientAuth is never demanded, W-1) and of every issuer that states purposes, a CA
 * certificate as leaf refused (ID-8), and our own check of every issuer's name constraints against
 * all names below it (mbedTLS ignores them), dNSName constraints applied to SRV-ID and XmppAddr
 * domains as well. Anchors' dates are not part of the trust in them (RFC 5280 6.1.1 d).
 * Returns ERR_OK or ERR_CERT_NONE, _EXPIRED, _NOT_YET, _UNTRUSTED, _PURPOSE, _WEAK, _CONSTRAINT,
 * _CHAIN, _PARSE, _UNSUPPORTED. `facts` is filled whenever the leaf could be read, else zeroed. The
 * verified path's earliest notAfter goes to *not_after (may be NULL; 0 with an error). */
struct err cert_judge(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, int64_t now, struct cert_facts *facts, int64_t *not_after);

/* The path that was verified: leaf first, the anchor last. Slices are borrowed from the chain, the
 * anchor's from the set. */
struct cert_path {
	size_t count; /* 0 with an error */
	struct slice certs[CERT_PATH_MAX];
	int64_t not_after;
};
/* The same as cert_judge(), with the path. */
struct err cert_judge_path(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, int64_t now, struct cert_facts *facts,
	struct cert_path *path);

/* The SubjectPublicKeyInfo in a certificate, borrowed from it; false when it cannot be read. */
bool cert_spki(struct slice der, struct slice *spki);

#endif
