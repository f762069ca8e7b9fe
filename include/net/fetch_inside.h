/* What the files of the fetcher share: fetch.c (places, addresses, life), fetch_curl.c (libcurl on
 * the loop), fetch_answer.c (what a server may send), fetch_tls.c (whom it has to be). */
#ifndef FEDGATE_NET_FETCH_INSIDE_H
#define FEDGATE_NET_FETCH_INSIDE_H

#include "base/buf.h"
#include "net/fetch.h"

enum {
	FETCH_ADDR_MAX = 4, /* of a host and family: more are not tried */
	FETCH_HEADER_BYTES = 8192,
	FETCH_HEADER_LINES = 64,
	FETCH_INFORMATIONAL = 5, /* 1xx responses */
};

enum fetch_state { FETCH_WAITING, FETCH_RESOLVING, FETCH_REQUESTING, FETCH_OVER };

/* What has come so far. Pure: bytes in, verdict out. */
struct fetch_response {
	struct buf body;
	long status;
	size_t header_bytes, header_lines, informational, locations;
	bool headers_over; /* of the final response: what comes now are trailers */
	bool enough;       /* all that is of interest is there: no more is read */
	struct err refused;
	char location[FETCH_LOCATION_MAX + 1];
	char type[80];
};

void fetch_response_init(struct fetch_response *r, size_t max_bytes);
void fetch_response_fini(struct fetch_response *r);
/* One line, with its end. False: stop, see `enough` and `refused`. */
bool fetch_response_header(struct fetch_response *r, struct slice line);
bool fetch_response_body(struct fetch_response *r, struct slice bytes);

struct fetch {
	struct fetch *next, *prev; /* in one of the fetcher's lists */
	struct fetcher *fetcher;   /* borrowed; NULL when it is over */
	enum fetch_state state;
	struct domain host;
	uint16_t port;
	char *target; /* owned */
	fetch_done done;
	void *arg;
	uint64_t since_ms; /* in this list */
	struct err verdict;

	int tags[2]; /* of the look-ups for IPv4 and IPv6; 0: answered */
	enum resolve_status dns[2];
	struct sockaddr_storage addrs[2][FETCH_ADDR_MAX]; /* allowed, with the port */
	size_t addr_count[2], blocked;
	size_t attempt; /* which of each family is tried */

	struct fetch_response response;
	struct fetch_transfer *transfer; /* owned; NULL unless REQUESTING */
	char address[64];
	uv_timer_t deadline;
	uv_timer_t timer; /* RESOLVING: for the other family; REQUESTING: libcurl's */
	unsigned handles; /* open or closing */
};

struct fetch_trust;

struct fetcher {
	uv_loop_t *loop;
	struct fetch_config config;
	struct fetch_trust *trust;
	struct fetch running, waiting, refused; /* heads of rings, the oldest first */
	unsigned running_count, waiting_count;
	int next_tag;
	uv_timer_t turn; /* of places */
	bool closing;
};

/* The end, from anywhere but inside libcurl: tells, and lets go. */
void fetch_finish(struct fetch *x, struct err e);
/* A handle of the fetch has closed; the last one frees it. */
void fetch_handle_closed(struct fetch *x);

/* libcurl: true when it can be used; once for each fetcher. */
bool fetch_curl_init(void);
void fetch_curl_fini(void);
/* Begins the request, to x->addrs. False: libcurl refuses. */
bool fetch_curl_start(struct fetch *x);
void fetch_curl_stop(struct fetch *x); /* the connection is gone with it; twice is fine */

/* NULL: not one certificate in it. */
struct fetch_trust *fetch_trust_new(struct slice authorities_pem);
void fetch_trust_free(struct fetch_trust *t);
/* Before a handshake: an SSL_CTX of OpenSSL shall take nobody but this host. */
bool fetch_trust_apply(struct fetch_trust *t, void *ssl_ctx, const char *host);

#endif
