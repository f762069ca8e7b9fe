/* A small HTTPS server for documents that are read by strangers: our TLS (net/tls.h), strict
 * HTTP/1.1 (base/httphead.h), fixed answers (net/httpanswer.h). It knows one host name, and asks
 * its owner for the documents.
 *
 * TLS: ALPN http/1.1 alone; a client without ALPN is served. The server name must be the host's
 * (RFC 6066 3: else a fatal alert). A client without SNI is served all the same: there is one
 * certificate, so none can be taken for another's; RFC 9525 leaves the judgement to the client; and
 * web servers that fetch on a customer's behalf often send none. The Host field decides then.
 *
 * HTTP: GET and HEAD of exact paths, without query. In this order: malformed 400, too long 431,
 * version 505, a body 413, no or no valid Host 400, another Host 421, another method 405, unknown
 * path 404. The absolute form of a target, which RFC 9112 3.2.2 wants accepted, is an unknown path:
 * only those send it who take us for a proxy. After a refusal for its form nothing more is read
 * from a connection.
 *
 * Limits (P22): connections in all (beyond it the one that got no answer for the longest time is
 * closed), at once and per second from one address, bytes of a request's head, time from accepting
 * to the first request and from an answer to the next one, requests on one connection. */
#ifndef FEDGATE_NET_HTTPSERVE_H
#define FEDGATE_NET_HTTPSERVE_H

#include "base/domain.h"
#include "keys/credential.h"

#include <sys/socket.h>
#include <uv.h>

struct httpserve;

struct httpserve_document {
	struct slice json; /* borrowed until the next call */
	unsigned max_age_s;
};

/* One per request, and one per connection that ended for another reason than its client's wish. */
struct httpserve_note {
	struct err why;      /* ERR_OK: served */
	unsigned status;     /* 0: nothing was answered */
	struct slice target; /* as it was asked for */
	const struct sockaddr_storage *from;
};

struct httpserve_events {
	/* What the next handshake shows, borrowed for the call; NULL: *why. */
	struct credential *(*credential)(void *arg, struct err *why);
	/* ERR_HTTP_PATH: there is no such document; another error: it cannot be had now. */
	struct err (*document)(void *arg, struct slice path, struct httpserve_document *out);
	void (*note)(void *arg, const struct httpserve_note *note);
};

struct httpserve_settings {
	struct domain host; /* not set: every request is for another host */
	unsigned connections, per_address, per_second;
	unsigned request_ms; /* from accepting to the first whole request; for taking an answer */
	unsigned idle_ms;    /* from an answer to the next whole request */
};

struct httpserve *httpserve_new(uv_loop_t *loop, const struct httpserve_events *events, void *arg);
void httpserve_configure(struct httpserve *h, const struct httpserve_settings *settings);
/* A bound, listening socket; ours from here on. */
struct err httpserve_listen(struct httpserve *h, int fd);
/* Frees it when the loop has closed everything; no more events come. */
void httpserve_close(struct httpserve *h);

#endif
