/* Happy path: a question goes to libunbound's thread (ub_resolve_async), its pipe becomes readable,
 * ub_process calls on_result, the answer is read and given to the owner. Failure modes: libunbound
 * refuses the question or too many are open (RESOLVE_FAILED, told from the timer), the deadline
 * passes (RESOLVE_TIMEOUT, the question is cancelled). Who frees: a question is freed when it was
 * told; resolver_free cancels all, and the handles free the resolver in their close callback.
 *
 * Threads, because libunbound's event interface wants a libevent loop of its own: the thread only
 * resolves, every callback runs here, from ub_process. */
#include "net/resolve.h"

#include "base/mem.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unbound.h>
#include <unistd.h>

enum { TICK_MS = 250, CLASS_IN = 1, RCODE_NXDOMAIN = 3 };
enum {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_AAAA = 28,
	TYPE_SRV = 33,
	TYPE_DNSKEY = 48,
	TYPE_TLSA = 52,
	TYPE_CAA = 257
};

struct question {
	struct question *next, **prev;
	struct resolver *resolver;
	struct ticket ticket;
	int tag, type, async_id;
	uint64_t due_ms;
	bool failed; /* told as RESOLVE_FAILED at the next tick */
};

struct resolver {
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t tick;
	struct ub_ctx *ctx;
	resolve_done done;
	void *arg;
	uint64_t timeout_ms;
	unsigned pending, max_pending;
	struct question *questions;
	int closing; /* handles still to close */
};

/* ---- answers ---- */

static void forget(struct question *q)
{
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	q->resolver->pending--;
	mem_free(q);
}

static void tell(struct question *q, struct resolve_answer *a)
{
	struct resolver *r = q->resolver;
	a->ticket = q->ticket;
	a->tag = q->tag;
	forget(q);
	r->done(r->arg, a);
}

static void tell_status(struct question *q, enum resolve_status status)
{
	struct resolve_answer *a = MEM_NEW(struct resolve_answer);
	a->status = status;
	tell(q, a);
	mem_free(a);
}

/* A name in wire form, uncompressed as libunbound gives it, as text. The root is "". */
static bool read_name(const unsigned char *p, size_t len, char *out, size_t size)
{
	size_t n = 0;
	while (len && *p) {
		size_t label = *p++;
		len--;
		if (label > 63 || label > len || n + label + 2 > size || memchr(p, '.', label))
			return false; /* a dot inside a label would make another name of it */
		if (n)
			out[n++] = '.';
		memcpy(out + n, p, label);
		n += label;
		p += label;
		len -= label;
	}
	out[n] = '\0';
	return len == 1 && memchr(out, '\0', n + 1) == out + n;
}

static bool read_srv(const unsigned char *p, size_t len, struct resolve_srv *out)
{
	char name[256];
	if (len < 7 || !read_name(p + 6, len - 6, name, sizeof name))
		return false;
	*out = (struct resolve_srv){
		.priority = (uint16_t)(p[0] << 8 | p[1]),
		.weight = (uint16_t)(p[2] << 8 | p[3]),
		.port = (uint16_t)(p[4] << 8 | p[5]),
		.no_service = !*name,
	};
	/* Port 0 is no port; a target that is no host name cannot be dialled. */
	return out->no_service ||
	       (out->port && !err_is(domain_parse(slice_str(name), &out->target)));
}

static void add_srv(struct resolve_answer *a, const unsigned char *p, size_t len)
{
	struct resolve_srv srv;
	if (!read_srv(p, len, &srv))
		return;
	if (a->srv_count == RESOLVE_SRV_MAX)
		a->srv_dropped++;
	else
		a->srv[a->srv_count++] = srv;
}

/* Of a server that has no host's name nobody could ask anything. */
static void add_server(struct resolve_answer *a, const unsigned char *p, size_t len)
{
	char name[256];
	struct resolve_srv server = {.port = 53};
	if (!read_name(p, len, name, sizeof name) ||
		err_is(domain_parse(slice_str(name), &server.target)))
		return;
	if (a->srv_count == RESOLVE_SRV_MAX)
		a->srv_dropped++;
	else
		a->srv[a->srv_count++] = server;
}

static void add_address(struct resolve_answer *a, int type, const unsigned char *p, size_t len)
{
	if (a->addr_count == RESOLVE_ADDR_MAX)
		return;
	struct sockaddr_storage *sa = &a->addr[a->addr_count];
	if (type == TYPE_A && len == 4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, p, 4);
	} else if (type == TYPE_AAAA && len == 16) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, p, 16);
	} else {
		return;
	}
	a->addr_count++;
}

/* libunbound writes the answer anew, with an EDNS record of its own; what has no room any more is
 * left out, and what is left looks like "there are none" (DNS-3). */
static bool is_cut(const struct ub_result *result)
{
	const unsigned char *header = result->answer_packet;
	return header && result->answer_len >= 12 && header[2] & 0x02; /* RFC 1035 4.1.1: TC */
}

static enum resolve_status status_of(int failed, const struct ub_result *result)
{
	if (failed || !result)
		return RESOLVE_FAILED;
	if (result->bogus)
		return RESOLVE_BOGUS;
	if (is_cut(result))
		return RESOLVE_FAILED;
	if (result->havedata)
		return RESOLVE_DATA;
	return result->rcode == 0 || result->rcode == RCODE_NXDOMAIN ? RESOLVE_NONE
								     : RESOLVE_FAILED;
}

static void add_raw(struct resolve_raw *raw, const unsigned char *p, size_t len)
{
	if (raw->count == RESOLVE_RAW_MAX)
		raw->dropped++;
	else
		raw->rdata[raw->count++] = slice_of(p, len);
}

/* Of these the answer holds the RDATA. */
static bool is_raw(int type)
{
	return type == TYPE_TLSA || type == TYPE_CAA;
}

/* raw: for TLSA and CAA; it borrows from the result. */
static void read_records(
	int type, const struct ub_result *result, struct resolve_answer *a, struct resolve_raw *raw)
{
	for (int i = 0; result->data[i]; i++) {
		const unsigned char *p = (const unsigned char *)result->data[i];
		size_t len = (size_t)result->len[i];
		if (type == TYPE_SRV)
			add_srv(a, p, len);
		else if (type == TYPE_NS)
			add_server(a, p, len);
		else if (is_raw(type))
			add_raw(raw, p, len);
		else
			add_address(a, type, p, len);
	}
}

/* The end of the chain of CNAMEs, absolute and with odd bytes escaped: then it is no host's name
 * and stays unset, but an alias all the same. */
static void read_alias(const struct ub_result *result, struct resolve_answer *a)
{
	struct slice to = slice_str(result->canonname), from = slice_str(result->qname);
	if (!to.len || slice_ieq(to, from))
		return;
	a->aliased = true;
	(void)domain_parse(to, &a->canonical);
}

static void read_result(
	int type, const struct ub_result *result, struct resolve_answer *a, struct resolve_raw *raw)
{
	/* What DNSSEC vouches for is data, or that there is none. */
	a->secure = result->secure && (a->status == RESOLVE_DATA || a->status == RESOLVE_NONE);
	a->nxdomain = result->nxdomain;
	a->ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0;
	if (type == TYPE_A || type == TYPE_AAAA)
		read_alias(result, a);
	if (a->status == RESOLVE_DATA && type != TYPE_DNSKEY)
		read_records(type, result, a, raw);
}

static void on_result(void *arg, int failed, struct ub_result *result)
{
	struct question *q = arg;
	struct resolve_answer *a = MEM_NEW(struct resolve_answer);
	struct resolve_raw raw = {.count = 0};
	a->status = status_of(failed, result);
	if (is_raw(q->type))
		a->raw = &raw;
	if (result)
		read_result(q->type, result, a, &raw);
	tell(q, a);
	mem_free(a);
	ub_resolve_free(result);
}

struct err resolve_error(enum resolve_status status)
{
	switch (status) {
	case RESOLVE_FAILED:
		return err_make(ERR_DNS_FAILED);
	case RESOLVE_TIMEOUT:
		return err_make(ERR_DNS_TIMEOUT);
	case RESOLVE_BOGUS:
		return err_make(ERR_DNS_BOGUS);
	case RESOLVE_DATA:
	case RESOLVE_NONE:
		break;
	}
	return err_ok();
}

/* ---- the loop ---- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct resolver *r = poll->data;
	(void)status;
	(void)events;
	(void)ub_process(r->ctx);
}

static void on_tick(uv_timer_t *timer)
{
	struct resolver *r = timer->data;
	uint64_t now = uv_now(r->loop);
	/* An owner may free the resolver when it is told: then all questions are gone. */
	for (struct question *q = r->questions, *next; q && !r->closing; q = next) {
		next = q->next;
		if (q->failed) {
			tell_status(q, RESOLVE_FAILED);
		} else if (now >= q->due_ms) {
			(void)ub_cancel(r->ctx, q->async_id);
			tell_status(q, RESOLVE_TIMEOUT);
		}
	}
	if (!r->questions && !r->closing)
		uv_timer_stop(&r->tick);
}

static void ask(struct resolver *r, const char *name, int type, struct ticket ticket, int tag)
{
	struct question *q = MEM_NEW(struct question);
	*q = (struct question){.next = r->questions,
		.prev = &r->questions,
		.resolver = r,
		.ticket = ticket,
		.tag = tag,
		.type = type,
		.due_ms = uv_now(r->loop) + r->timeout_ms};
	if (q->next)
		q->next->prev = &q->next;
	r->questions = q;
	q->failed = r->pending++ >= r->max_pending ||
		    ub_resolve_async(r->ctx, name, type, CLASS_IN, q, on_result, &q->async_id) != 0;
	/* Told in a later turn, also when it failed: never from inside the call. */
	if (!uv_is_active((uv_handle_t *)&r->tick) || q->failed)
		uv_timer_start(&r->tick, on_tick, q->failed ? 0 : TICK_MS, TICK_MS);
}

enum { FULL_NAME_MAX = 512 };

void resolve_srv(struct resolver *r, const char *service, const struct domain *name,
	struct ticket ticket, int tag)
{
	char full[FULL_NAME_MAX];
	snprintf(full, sizeof full, "%s.%s.", service, name->name);
	ask(r, full, TYPE_SRV, ticket, tag);
}

void resolve_addr(
	struct resolver *r, const struct domain *name, int family, struct ticket ticket, int tag)
{
	char full[FULL_NAME_MAX];
	snprintf(full, sizeof full, "%s.", name->name);
	ask(r, full, family == AF_INET ? TYPE_A : TYPE_AAAA, ticket, tag);
}

void resolve_tlsa(
	struct resolver *r, const struct domain *base, uint16_t port, struct ticket ticket, int tag)
{
	char full[FULL_NAME_MAX];
	snprintf(full, sizeof full, "_%u._tcp.%s.", port, base->name);
	ask(r, full, TYPE_TLSA, ticket, tag);
}

void resolve_caa(struct resolver *r, const struct domain *name, struct ticket ticket, int tag)
{
	char full[FULL_NAME_MAX];
	snprintf(full, sizeof full, "%s.", name->name);
	ask(r, full, TYPE_CAA, ticket, tag);
}

void resolve_ns(struct resolver *r, const struct domain *name, struct ticket ticket, int tag)
{
	char full[FULL_NAME_MAX];
	snprintf(full, sizeof full, "%s.", name->name);
	ask(r, full, TYPE_NS, ticket, tag);
}

void resolve_root(struct resolver *r, struct ticket ticket, int tag)
{
	ask(r, ".", TYPE_DNSKEY, ticket, tag);
}

/* One of the names that libunbound knows (RFC 6761 6.3). */
void resolve_pulse(struct resolver *r, struct ticket ticket, int tag)
{
	ask(r, "localhost.", TYPE_A, ticket, tag);
}

/* ---- life ---- */

/* As a library unbound keeps 16 questions on the way and lets the others wait: sixteen domains that
 * never answer would be enough to stop all of them (O5). */
static int allow_parallel(struct ub_ctx *ctx, unsigned max_pending)
{
	char number[16];
	snprintf(number, sizeof number, "%u", max_pending + 64);
	int failed = ub_ctx_set_option(ctx, "outgoing-range:", number);
	return failed ? failed : ub_ctx_set_option(ctx, "num-queries-per-thread:", number);
}

static int configure(struct ub_ctx *ctx, const struct resolve_config *c)
{
	static const struct {
		const char *option, *value;
	} options[] = {
		{"cache-min-ttl:", "30"}, /* DNS-7 */
		{"cache-max-ttl:", "3600"},
		{"cache-max-negative-ttl:", "300"},
		/* A name that fails validation is asked for again soon, but not at once. */
		{"val-bogus-ttl:", "30"},
		{"harden-glue:", "yes"},
		{"harden-dnssec-stripped:", "yes"}, /* D01: no signatures is bogus, not insecure */
		{"harden-below-nxdomain:", "yes"},  /* RFC 8020 */
		{"harden-short-bufsize:", "yes"},
		{"harden-large-queries:", "yes"},
		{"unwanted-reply-threshold:", "10000000"}, /* a flood of forged replies */
		{"do-not-query-localhost:", "no"}, /* the configured resolver may be on loopback */
		{"outgoing-num-tcp:", "32"},
		{"msg-cache-size:", "4m"},
		{"rrset-cache-size:", "8m"},
	};
	int failed = ub_ctx_async(ctx, 1);
	if (!failed)
		failed = allow_parallel(ctx, c->max_pending);
	for (size_t i = 0; !failed && i < sizeof options / sizeof *options; i++)
		failed = ub_ctx_set_option(ctx, options[i].option, options[i].value);
	if (!failed && c->whole_ttl)
		failed = ub_ctx_set_option(ctx, "cache-max-ttl:", "604800");
	/* libunbound reads it at the first question, and then says no more than that it failed. */
	if (!failed && c->trust_anchor && access(c->trust_anchor, R_OK) != 0)
		failed = UB_READFILE;
	if (!failed && c->trust_anchor)
		failed = ub_ctx_add_ta_file(ctx, c->trust_anchor);
	if (!failed && c->forward)
		return ub_ctx_set_fwd(ctx, c->forward);
	return failed ? failed : ub_ctx_resolvconf(ctx, NULL);
}

struct resolver *resolver_new(uv_loop_t *loop, const struct resolve_config *config,
	resolve_done done, void *arg, struct err *e)
{
	struct ub_ctx *ctx = ub_ctx_create();
	int failed = ctx ? configure(ctx, config) : UB_NOMEM;
	if (failed) {
		if (ctx)
			ub_ctx_delete(ctx);
		*e = err_native(ERR_DNS_FAILED, failed);
		return NULL;
	}
	struct resolver *r = MEM_NEW(struct resolver);
	r->loop = loop;
	r->ctx = ctx;
	r->done = done;
	r->arg = arg;
	r->timeout_ms = config->timeout_ms;
	r->max_pending = config->max_pending;
	uv_poll_init(loop, &r->poll, ub_fd(ctx));
	uv_timer_init(loop, &r->tick);
	r->poll.data = r->tick.data = r;
	uv_poll_start(&r->poll, UV_READABLE, on_readable);
	uv_unref((uv_handle_t *)&r->poll);
	*e = err_ok();
	return r;
}

static void on_closed(uv_handle_t *handle)
{
	struct resolver *r = handle->data;
	if (--r->closing)
		return;
	ub_ctx_delete(r->ctx);
	mem_free(r);
}

void resolver_free(struct resolver *r)
{
	while (r->questions) {
		struct question *q = r->questions;
		if (!q->failed)
			(void)ub_cancel(r->ctx, q->async_id);
		forget(q);
	}
	r->closing = 2;
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->tick, on_closed);
}
