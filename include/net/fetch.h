/* Outgoing HTTPS for documents that strangers name (POSH-1, -2, -9; attack catalogue P01..P08,
 * P16..P19). libcurl on the loop, in the scout alone.
 *
 * One call is one request and one answer: redirects are told, never followed, so that the caller
 * checks every hop. The host is resolved by our own resolver, the addresses are filtered, and it is
 * the checked address that is connected to (P02). HTTPS, TLS 1.2 or newer, the server's certificate
 * judged against the web's authorities; no proxy, no cookies, no credentials, no compression, a
 * fixed User-Agent. */
#ifndef FEDGATE_NET_FETCH_H
#define FEDGATE_NET_FETCH_H

#include "net/resolve.h"

struct fetch_request {
	struct domain host;
	uint16_t port;
	const char *target; /* path and query; copied */
};

enum { FETCH_LOCATION_MAX = 2048 };

struct fetch_answer {
	struct err e; /* ERR_OK: a complete response; else ERR_POSH_FETCH, _TIMEOUT, _TLS, _SIZE,
			 _BLOCKED, _BUSY */
	long status;  /* HTTP */
	struct slice body;                     /* borrowed, for the length of the call */
	char location[FETCH_LOCATION_MAX + 1]; /* of a 3xx, as sent; "" when none or too long */
	char type[80];                         /* Content-Type, cut */
	char address[64];                      /* that was connected to, for people */
};

typedef void (*fetch_done)(void *arg, const struct fetch_answer *answer);

struct fetch_config {
	struct slice authorities_pem; /* of the web; copied */
	uint64_t timeout_ms;          /* one request, addresses included */
	size_t max_bytes;             /* of the body */
	unsigned max_running;         /* at once; beyond it requests wait */
	unsigned max_waiting;         /* beyond it ERR_POSH_BUSY */
	/* Whether an address may be connected to, asked of every one of them. */
	bool (*allowed)(void *arg, const struct sockaddr_storage *addr);
	/* Starts a look-up; fetcher_resolved() gives the answer, with the same tag. */
	void (*resolve)(void *arg, const struct domain *name, int family, int tag);
	void *arg;
};

struct fetcher;
struct fetch;

struct fetcher *fetcher_new(uv_loop_t *loop, const struct fetch_config *config, struct err *e);
void fetcher_free(struct fetcher *f); /* no answers come any more */
void fetcher_resolved(struct fetcher *f, int tag, const struct resolve_answer *answer);
/* done is called exactly once, never from inside, unless fetch_cancel comes first. */
struct fetch *fetch_start(
	struct fetcher *f, const struct fetch_request *request, fetch_done done, void *arg);
void fetch_cancel(struct fetch *x);
size_t fetcher_running(const struct fetcher *f);

#endif
