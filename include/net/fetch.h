/* Outgoing HTTPS for documents that strangers name (POSH-1, -2, -9; attack catalogue P01..P08,
 * P16..P19). libcurl on the loop, in the scout alone.
 *
 * One call is one request and one answer: redirects are told, never followed, so that the caller
 * checks every hop. The host is resolved by our own resolver, the addresses are filtered, and it is
 * the checked address that is connected to (P02). HTTPS, TLS 1.2 or newer, the server's certificate
 * judged against the web's authorities; no proxy, no cookies, no credentials, no compression, a
 * fixed User-Agent. Requests share nothing: each has a connection, a TLS session and a name cache
 * of its own.
 *
 * A server that hangs costs a place, and places are few. As soon as somebody waits for one,
 * those that have taken longer than `patience_ms` may hold a quarter of them; of more, the longest
 * is given up. Who has waited longer than `patience_ms` lets newer ones pass: under a flood of
 * hanging servers somebody is always served in time, where a strict queue would serve nobody. */
#ifndef FEDGATE_NET_FETCH_H
#define FEDGATE_NET_FETCH_H

#include "net/resolve.h"

struct fetch_request {
	struct domain host;
	uint16_t port;
	const char *target;  /* path and query; copied */
	uint64_t timeout_ms; /* waiting for a place included; 0: as configured */
};

enum { FETCH_LOCATION_MAX = 2048 };

struct fetch_answer {
	/* ERR_OK: a response, complete when it is a 200. Else ERR_POSH_FETCH, _TIMEOUT, _TLS,
	 * _SIZE, _BLOCKED, or _BUSY: there was no place in time, or it was needed by others.
	 * ERR_DNS_NONE: the host has no address; other failures of DNS: ERR_DNS_FAILED, _TIMEOUT,
	 * _BOGUS. */
	struct err e;
	long status;       /* HTTP */
	struct slice body; /* of a 200, else empty; borrowed, for the length of the call */
	/* As sent; "" when there is none, more than one, or it is too long. */
	char location[FETCH_LOCATION_MAX + 1];
	char type[80];    /* Content-Type, cut */
	char address[64]; /* that was connected to, for people */
};

typedef void (*fetch_done)(void *arg, const struct fetch_answer *answer);

struct fetch_config {
	struct slice authorities_pem; /* of the web; copied */
	uint64_t timeout_ms;          /* one request, addresses and waiting included */
	uint64_t patience_ms;         /* see above */
	unsigned drip_s;              /* seconds under 100 bytes a second; 0: no such limit */
	size_t max_bytes;             /* of the body */
	unsigned max_running;         /* at once; beyond it requests wait */
	unsigned max_waiting;         /* beyond it who waits longest gets ERR_POSH_BUSY */
	/* Whether an address may be connected to, asked of every one of them. */
	bool (*allowed)(void *arg, const struct sockaddr_storage *addr);
	/* Starts a look-up; fetcher_resolved() gives the answer, later, with the same tag. */
	void (*resolve)(void *arg, const struct domain *name, int family, int tag);
	void *arg;
};

struct fetcher;
struct fetch;

/* NULL with *e set: no authority can be read (ERR_FILE), or libcurl does not start. */
struct fetcher *fetcher_new(uv_loop_t *loop, const struct fetch_config *config, struct err *e);
/* No answers come any more; the loop has to turn until the handles are closed. */
void fetcher_free(struct fetcher *f);
/* A tag that is not known (any more) is fine. */
void fetcher_resolved(struct fetcher *f, int tag, const struct resolve_answer *answer);
/* done is called exactly once, never from inside, unless fetch_cancel comes first. */
struct fetch *fetch_start(
	struct fetcher *f, const struct fetch_request *request, fetch_done done, void *arg);
void fetch_cancel(struct fetch *x);
size_t fetcher_running(const struct fetcher *f);

#endif
