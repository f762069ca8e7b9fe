/* Saint-Andre's ladder: how well a domain is proven. An attribute of a pair on a stream (M-3). */
#ifndef FEDGATE_TRUST_LEVEL_H
#define FEDGATE_TRUST_LEVEL_H

enum level {
	LEVEL_NONE,
	LEVEL_VERIFIED, /* dialback */
	LEVEL_SECURE,   /* dialback, and TLS */
	LEVEL_TRUSTED,  /* TLS with a certificate that is bound to the domain */
};
extern const char *const level_words[]; /* by level, NULL at the end */
const char *level_name(enum level l);   /* "none", "verified", ... */

#endif
