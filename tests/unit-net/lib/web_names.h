/* Names for the fetcher and for the scout: a table in place of DNS, answers in a later turn. Public
 * is what begins with 127.0.1. and the address ::1; all others are as private as 10/8. */
#ifndef FEDGATE_TESTS_WEB_NAMES_H
#define FEDGATE_TESTS_WEB_NAMES_H

#include "net/resolve.h"

struct web_name {
	const char *host; /* "*": all that have no line of their own */
	enum resolve_status status;
	const char *addresses; /* separated by blanks */
	const char *then;      /* what is said from the second time on; NULL: the same */
	uint64_t delay_ms, delay6_ms;
};

/* The table is borrowed. told: fetcher_resolved() or scout_posh_resolved(), with `to`. */
void web_names_use(uv_loop_t *loop, const struct web_name *names, size_t count,
	void (*told)(void *to, int tag, const struct resolve_answer *answer));
void web_names_to(void *to);
void web_names_end(void); /* what is not answered yet never is */
void web_names_resolve(void *arg, const struct domain *name, int family, int tag);
bool web_names_allowed(void *arg, const struct sockaddr_storage *addr);

extern unsigned web_names_own_resolver; /* how often anybody called getaddrinfo() */

#endif
