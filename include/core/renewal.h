/* When a stream's proof is found out anew, and for how long a proof that cannot be renewed just now
 * is still believed (ID-10, DANE-9, POSH-6; P15). Pure: the wall clock is an argument.
 *
 * A proof that is found to be gone ends its stream at once; what passes, a web server or a name
 * server that does not answer, is tried again with growing pauses for RENEWAL_GRACE_S. */
#ifndef FEDGATE_CORE_RENEWAL_H
#define FEDGATE_CORE_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RENEWAL_FIRST_S = 30,
	RENEWAL_MOST_S = 600,
	RENEWAL_GRACE_S = 3600,
	/* Records of DNS are looked at again after their TTL, but not more often than this
	 * (DANE-9). */
	RENEWAL_DNS_LEAST_S = 3600,
};

struct renewal {
	int64_t due;      /* when to judge again; 0: never */
	int64_t since;    /* of the first attempt in vain; 0: there was none */
	unsigned pause_s; /* before the next one */
};

/* It was proven; until: for how long, 0 for ever. */
void renewal_proven(struct renewal *r, int64_t until);
bool renewal_is_due(const struct renewal *r, int64_t now);
/* It could not be found out. False: that has been so for too long. */
bool renewal_put_off(struct renewal *r, int64_t now);
/* Until when what rests on DNS records of this TTL holds. */
int64_t renewal_of_dns(uint32_t ttl, int64_t now);

#endif
