/* Web servers that do what they please: HTTPS by OpenSSL, a thread for each connection, raw bytes
 * for answers. For tests that run in a network of their own (own_network.h). */
#ifndef FEDGATE_TESTS_WEB_H
#define FEDGATE_TESTS_WEB_H

#include "certs.h"

enum { WEB_PORT = 443 };

struct web_site {
	const char *address;               /* of loopback */
	unsigned port;                     /* 0: 443 */
	const struct made *shows, *issuer; /* shows NULL: takes connections and says nothing */
	int version;                       /* the only one of TLS; 0: any */
	const char *ciphers, *groups;      /* the only ones, as OpenSSL writes them */
	bool full;                         /* does not even take connections; at most one is */
	bool asks_cert;                    /* wants to see a certificate of the client */
};

enum web_manner {
	WEB_SEND,  /* and close as one should */
	WEB_EOF,   /* and close without a word of TLS */
	WEB_RESET, /* and break the connection */
	WEB_HANG,  /* and wait */
	WEB_DRIP,  /* one byte each 20 ms */
};

/* An answer: text, then `unit` so many times. */
struct web_page {
	const char *host, *path; /* path NULL: any */
	const char *text;
	enum web_manner manner;
	const char *unit; /* NULL: 16 KiB of blanks */
	unsigned times;
	unsigned wait_ms; /* before the first byte */
};

#define WEB_DOCUMENT "/.well-known/posh/xmpp-server.json"
#define WEB_OK       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

/* Hosts and paths that are not in the table get a 404. */
void web_start(const struct web_site *sites, size_t site_count);
void web_pages(const struct web_page *pages, size_t count); /* borrowed; counts from 0 again */
void web_stop(void);

unsigned web_asked(const char *host);          /* requests so far */
unsigned web_connections(const char *address); /* since the start */
unsigned web_most_at_once(void);               /* requests in their wait_ms, since web_pages */
const char *web_request(void);                 /* the last one, as it came */

#endif
