/* POSH documents: RFC 7711 sections 3 and 6, RFC 7712 5.2; protocol sheet 13, POSH-2, -4..-8, -10,
 * -11. Pure: text in, fingerprints out. Nothing is fetched here. */
#ifndef FEDGATE_TRUST_POSH_H
#define FEDGATE_TRUST_POSH_H

#include "base/buf.h"
#include "base/domain.h"
#include "trust/cert.h"

enum {
	POSH_DOCUMENT_MAX = 64 * 1024, /* bytes */
	POSH_PRINTS_MAX = 32,
	POSH_URL_MAX = 2048,
	POSH_EXPIRES_MOST_S = 86400, /* ours, for what a document may ask (POSH-6) */
	POSH_EXPIRES_LEAST_S = 60,
};

/* One certificate: all the strong hashes that its descriptor names. */
struct posh_print {
	bool has_256, has_384, has_512;
	unsigned char sha256[32], sha384[48], sha512[64];
};

enum posh_kind { POSH_FINGERPRINTS, POSH_REFERENCE };

struct posh_document {
	enum posh_kind kind;
	uint32_t expires_s; /* as written, not yet bounded */
	size_t count;       /* FINGERPRINTS: usable ones */
	struct posh_print prints[POSH_PRINTS_MAX];
	size_t weak;                /* descriptors without a strong hash: left out (POSH-7) */
	char url[POSH_URL_MAX + 1]; /* REFERENCE; not yet checked */
};

/* ERR_POSH_PARSE, _EXPIRES, _WEAK (every descriptor is), _SIZE (text, descriptors, url); then `out`
 * is all zero. Duplicate keys, both `url` and `fingerprints`, a strong hash that is none, bytes
 * that are no UTF-8, depth over 4, trailing data: ERR_POSH_PARSE (POSH-7, POSH-8). */
struct err posh_parse(struct slice json, struct posh_document *out);
/* Seconds that a document may be kept for: the lowest of `expires` along the way, bounded (POSH-6,
 * RFC 7711 6). */
uint32_t posh_lifetime(uint32_t expires_s);

/* Does a certificate match a descriptor (RFC 7711 3.3, POSH-7)? And is it within its dates (RFC
 * 7711 6, POSH-5)? ERR_OK, ERR_POSH_MISMATCH, ERR_CERT_EXPIRED, ERR_CERT_NOT_YET, ERR_CERT_NONE,
 * ERR_CERT_PARSE, _UNSUPPORTED, _WEAK. Names and chain are of no interest. *not_after gets the
 * leaf's, 0 with an error (may be NULL). */
struct err posh_judge(const struct posh_document *d, const struct slice *chain, size_t count,
	int64_t now, int64_t *not_after);

/* Where a document may be. */
struct posh_url {
	struct domain host;
	uint16_t port;
	char target[POSH_URL_MAX + 1]; /* path and query, as sent in the request line */
};
/* https://DOMAIN/.well-known/posh/SERVICE.json; service: "xmpp-server", "xmpp-client". */
void posh_url_of(const struct domain *d, const char *service, struct posh_url *out);
/* A redirect's or a reference's (POSH-2, POSH-9): https alone, no user part, a host name and no
 * address, port 443 or at least 1024, no fragment kept; what RFC 3986 does not allow in a URL is
 * refused. base: for a relative Location, else NULL; may be `out`.
 * ERR_POSH_REDIRECT. */
struct err posh_url_parse(struct slice text, const struct posh_url *base, struct posh_url *out);
void posh_url_write(const struct posh_url *u, struct buf *out);

/* Writes a fingerprints document (POSH-11): leafs newest first, sha-256 and sha-512 of each. `out`
 * must have room. */
void posh_write(const struct slice *leafs, size_t count, uint32_t expires_s, struct buf *out);
void posh_write_reference(struct slice url, uint32_t expires_s, struct buf *out);

#endif
