/* When a stream's proof is found out anew, and what happens when it cannot be (ID-10, DANE-9,
 * POSH-6; P15). Pure: the wall clock is an argument.
 *
 * A certificate or a document ends when it says (RFC 7711 6), and so does the stream that rests on
 * it. So that none ends for want of looking, a document is looked for again in the last quarter of
 * the time it was believed for, an hour before its end at most, with growing pauses while it is
 * good. What is found to be gone, to say no, or to be bogus ends the stream at once.
 *
 * DNS records have no end that a standing stream would have to mind: RFC 7671 has no rule for such
 * streams, and looking again (DANE-9) is our own. So when their time comes and no answer does
 * (a name server that is silent or fails), the stream goes on for RENEWAL_GRACE_S, once: else
 * whoever can make a zone's servers silent for a moment would cut all streams of that domain. */
#ifndef FEDGATE_CORE_RENEWAL_H
#define FEDGATE_CORE_RENEWAL_H

#include "trust/policy.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	RENEWAL_FIRST_S = 30,
	RENEWAL_MOST_S = 600,
	RENEWAL_GRACE_S = 3600,
	RENEWAL_EARLY_PART = 4,
	RENEWAL_EARLY_MOST_S = 3600,
	/* Records of DNS are looked at again after their TTL, but not more often than this
	 * (DANE-9). */
	RENEWAL_DNS_LEAST_S = 3600,
};

/* What was proven. */
struct renewal_proof {
	enum proof_kind by;
	int64_t until; /* how long `by` holds; 0: for ever */
	int64_t again; /* when it has to be judged again, for whatever reason; 0: never */
};

struct renewal {
	enum proof_kind by;
	int64_t until;
	int64_t due;      /* when to judge again; 0: never */
	int64_t early;    /* from when on a next document is looked for; 0: there will be none */
	int64_t since;    /* of the first attempt in vain; 0: there was none */
	unsigned pause_s; /* before the next one */
};

void renewal_proven(struct renewal *r, const struct renewal_proof *p, int64_t now);
bool renewal_is_due(const struct renewal *r, int64_t now);
/* The proof has ended: there is nothing to rest on while another is looked for. */
bool renewal_is_over(const struct renewal *r, int64_t now);
/* It could not be found out. False: and it is not to be believed any longer. */
bool renewal_put_off(struct renewal *r, int64_t now);
/* After that: seconds that it is still believed for. */
int64_t renewal_left(const struct renewal *r, int64_t now);
/* When one begins to look for the document after one that is believed from now until then. */
int64_t renewal_early(int64_t until, int64_t now);
/* Until when what rests on DNS records of this TTL holds. */
int64_t renewal_of_dns(uint32_t ttl, int64_t now);

#endif
