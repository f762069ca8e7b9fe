/* What the two halves of the DNS responder's process share: questions and answers (steer.c), and
 * DNS over TCP (steer_tcp.c). One loop, one thread. */
#ifndef FEDGATE_CORE_STEER_INSIDE_H
#define FEDGATE_CORE_STEER_INSIDE_H

#include "base/buf.h"
#include "core/channel.h"
#include "core/steer_table.h"
#include "core/timers.h"
#include "net/resolve.h"

enum {
	STEER_QUERY_MAX = 4096,       /* bytes of one query; over TCP more is closed */
	STEER_CONNECTIONS_MAX = 64,   /* beyond it the one that was silent longest is closed */
	STEER_IDLE_MS = 5000,         /* between two whole queries, and for taking an answer */
	STEER_LOOKUP_QUERY_MAX = 512, /* a query to be looked up is kept that long */
	STEER_LOOKUPS_MAX = 128,      /* under way; beyond it SERVFAIL */
};

struct steer_conn;
struct steer_udp;
struct steer_listener;

/* Who asked, and how the answer gets there. */
struct steer_asker {
	struct steer_conn *conn; /* NULL: a datagram */
	int udp_fd;
	struct sockaddr_storage from, local; /* local: where it was sent to; unset when unknown */
};

struct steer_lookup {
	bool busy;
	uint32_t gen;
	struct steer_asker asker;
	size_t len;
	char query[STEER_LOOKUP_QUERY_MAX];
};

struct steer {
	uv_loop_t *loop;
	struct gate *gate; /* owned */
	struct channel *channel;
	struct timers *timers;
	struct steer_table table;
	struct resolver *resolver; /* NULL: other names are refused */
	struct steer_lookup lookups[STEER_LOOKUPS_MAX];
	struct steer_udp *udps; /* owned */
	size_t udp_count;
	struct steer_listener *listeners; /* owned */
	size_t listener_count;
	struct steer_conn *conns; /* the one that was active last stands first */
	size_t conn_count;
	struct buf reply; /* of the query in hand */
	uint64_t strangers, next_report_ms;
	char read_buffer[STEER_QUERY_MAX];
};

/* Whether this source is answered at all ([egress] dns_allow); others are counted and logged. */
bool steer_allows(struct steer *s, const struct sockaddr_storage *from);

enum steer_step {
	STEER_REPLY, /* s->reply holds it */
	STEER_LATER, /* steer_conn_reply() or a datagram, unless steer_forget() comes first */
	STEER_NOTHING,
};
enum steer_step steer_query(struct steer *s, struct slice query, const struct steer_asker *asker);
/* The connection is gone: its lookups have nobody to tell. */
void steer_forget(struct steer *s, const struct steer_conn *conn);

/* ---- steer_tcp.c ---- */

void steer_listen(struct steer *s, const int *fds, size_t count); /* listening sockets */
/* s->reply is the answer that was to come later. */
void steer_conn_reply(struct steer_conn *conn);
void steer_close_all(struct steer *s); /* listeners and connections */

#endif
