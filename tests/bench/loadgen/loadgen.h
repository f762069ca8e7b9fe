/* The load of `make bench`: one process, one thread, epoll, TLS by OpenSSL.
 *
 * It plays everybody around the server under test: those who connect to it, the backends behind it,
 * and for fedgate also the server that the gate dials out to. What is measured is the processor
 * time of the server's processes between the moment when all connections stand (for handshakes:
 * before the first) and the moment when the last unit of work is done. */
#ifndef FEDGATE_BENCH_LOADGEN_H
#define FEDGATE_BENCH_LOADGEN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum job { JOB_HANDSHAKE, JOB_ROUNDTRIP, JOB_UP, JOB_DOWN, JOB_IDLE };
/* Who is under test: a TLS proxy before a plain backend, fedgate, or an XMPP server. */
enum target { TARGET_PROXY, TARGET_GATE, TARGET_SERVER };

struct bytes {
	char *at;
	size_t start, end, size;
};

struct link;

/* One role in a conversation. Each function returns 0, or -1 to give the connection up. */
struct part {
	const char *name;
	int (*up)(struct link *l);    /* the connection, and its TLS, stand */
	int (*input)(struct link *l); /* something was added to l->in */
	int (*more)(struct link *l);  /* l->pumping, and all was sent */
};

struct link {
	const struct part *part;
	SSL *tls;
	int fd, state;
	uint32_t armed;
	bool used, is_up, pumping, plain_first, finished;
	long number;   /* of the pair it belongs to */
	uint64_t seen; /* bytes of the answer that is awaited */
	struct bytes in, out;
};

struct plan {
	enum job job;
	enum target target;
	const char *server, *backend, *egress, *world, *c2s; /* ADDRESS:PORT */
	const char *peer_format, *tenant_format;             /* with one %ld, or none */
	const char *chain, *key, *groups;
	long count, at_once, size, window, tenants, stride;
	int tls_version;
	bool starttls, external, resume;
	int pids[256];
	size_t pid_count;
};

struct tally {
	long started, ready, wanted, sent, done, failed, idle;
	bool going;
};

extern struct plan plan;
extern struct tally tally;

/* link.c: bytes in and out */
struct link *link_dial(const struct part *part, const char *where, bool tls, long number);
void link_listen(const struct part *part, const char *where, bool tls);
void link_begin_tls(struct link *l);
void link_put(struct link *l, const char *data, size_t length);
void link_say(struct link *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool link_has(const struct link *l, const char *text);
void link_forget(struct link *l);
void link_touch(struct link *l);
void link_close(struct link *l);
void link_make_contexts(void);
/* Waits for events once; false when nothing happened for twenty seconds. */
bool link_turn(void);
void link_each(void (*call)(struct link *l));

/* parts: what is said */
extern const struct part part_tunnel, part_served, part_peer, part_client, part_backend,
	part_caller, part_world;
void xmpp_start(struct link *l);
void tunnel_start(struct link *l);
void xmpp_make_filler(void);

/* main.c */
void work_ready(struct link *l);    /* this connection is as far as the job wants it */
void work_done(long units);         /* so many units were done */
void work_finished(struct link *l); /* a handshake, or a connection that shall idle, is complete */

#endif
