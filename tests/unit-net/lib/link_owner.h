/* An owner of a link that writes down what it hears, and obeys elements that ask it to do things in
 * the middle of an event. The far end of the connection is a plain socket in the test's hands. */
#ifndef FEDGATE_TESTS_LINK_OWNER_H
#define FEDGATE_TESTS_LINK_OWNER_H

#include "fake_worker.h"

#include <openssl/ssl.h>

struct owner {
	struct fake_worker *f;
	struct link link;
	int far;
	struct sendq queue;
	char heard[4096]; /* "H E:message / T B:FG-S01 C", without blanks between */
	unsigned elements, rooms;
	struct err why; /* of broken */
	bool closed, starttls_refused, say_goodbye, pump_on_room, settle;
	const char *close_at;     /* the event at which it closes the link: "H", "E", ... */
	struct tls_params params; /* for <starttls/> and sniffing */
};

void owner_open(struct owner *o, struct fake_worker *f, int sndbuf);
void owner_free(struct owner *o); /* closes what is open and waits for `closed` */
void owner_run(struct owner *o, uint64_t ms);
bool owner_hears(struct owner *o, const char *text);  /* waits for it to stand in `heard` */
void owner_send(struct owner *o, struct slice bytes); /* from the far end, all of it */
void owner_send_text(struct owner *o, const char *text);
/* What the far end got by now, and whether the end is there. */
size_t owner_receive(struct owner *o, char *out, size_t room, bool *end);
void owner_reset_far(struct owner *o); /* RST */
/* OpenSSL on the far end; turns the loop until the handshake is over. False: it failed. */
bool owner_handshake(struct owner *o, SSL *ssl);

#endif
