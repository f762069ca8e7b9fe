#include "core/scout_wire.h"

#include "trust/digest.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

enum { QUESTION = 'Q', ANSWER = 'A', SECURE = 1, NXDOMAIN = 2, ALIASED = 4, KNOWN_FLAGS = 7 };
enum { NO_SERVICE = 1 };
enum { HAS_256 = 1, HAS_384 = 2, HAS_512 = 4 };
enum { USAGE_MOST = 3, SELECTOR_MOST = 1, MTYPE_MOST = 2, MTYPE_512 = 2 };

static const char *const services[] = {
	"_xmpp-server._tcp", "_xmpps-server._tcp", "_xmpp-client._tcp", "_xmpps-client._tcp"};
enum { SERVICES = sizeof services / sizeof *services };

const char *scout_service(uint16_t which)
{
	return which < SERVICES ? services[which] : NULL;
}

uint16_t scout_service_number(const char *service)
{
	uint16_t n = 0;
	while (n < SERVICES && strcmp(services[n], service) != 0)
		n++;
	assert(n < SERVICES);
	return n;
}

/* ---- writing ---- */

static void put(struct buf *out, uint64_t number, size_t bytes)
{
	unsigned char b[8];
	for (size_t i = bytes; i-- > 0; number >>= 8)
		b[i] = (unsigned char)number;
	(void)buf_append(out, slice_of(b, bytes));
}

/* At most 255 bytes. */
static void put_short(struct buf *out, struct slice s)
{
	put(out, s.len, 1);
	(void)buf_append(out, s);
}

static void put_srv(const struct resolve_answer *a, struct buf *out)
{
	put(out, a->srv_dropped > UINT32_MAX ? UINT32_MAX : a->srv_dropped, 4);
	put(out, a->srv_count, 1);
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		put(out, r->priority, 2);
		put(out, r->weight, 2);
		put(out, r->port, 2);
		put(out, r->no_service ? NO_SERVICE : 0, 1);
		put_short(out, r->no_service ? SLICE_NONE : domain_slice(&r->target));
	}
}

static void put_addresses(const struct resolve_answer *a, struct buf *out)
{
	put_short(out, domain_slice(&a->canonical));
	put(out, a->addr_count, 1);
	for (size_t i = 0; i < a->addr_count; i++) {
		const struct sockaddr_storage *sa = &a->addr[i];
		if (sa->ss_family == AF_INET)
			put_short(out, slice_of(&((const struct sockaddr_in *)sa)->sin_addr, 4));
		else
			put_short(out, slice_of(&((const struct sockaddr_in6 *)sa)->sin6_addr, 16));
	}
}

static void put_tlsa(const struct tlsa_set *t, struct buf *out)
{
	put(out, t->unusable > UINT32_MAX ? UINT32_MAX : t->unusable, 4);
	put(out, t->count, 1);
	for (size_t i = 0; i < t->count; i++) {
		const struct tlsa_record *r = &t->records[i];
		put(out, r->usage, 1);
		put(out, r->selector, 1);
		put(out, r->mtype, 1);
		put_short(out, slice_of(r->data, r->len));
	}
}

static void put_dns(const struct resolve_answer *a, struct buf *out)
{
	put(out, a->status, 1);
	put(out,
		(a->secure ? SECURE : 0U) | (a->nxdomain ? NXDOMAIN : 0U) |
			(a->aliased ? ALIASED : 0U),
		1);
	put(out, a->ttl, 4);
}

static void put_print(const struct posh_print *p, struct buf *out)
{
	put(out,
		(p->has_256 ? HAS_256 : 0U) | (p->has_384 ? HAS_384 : 0U) |
			(p->has_512 ? HAS_512 : 0U),
		1);
	if (p->has_256)
		(void)buf_append(out, slice_of(p->sha256, sizeof p->sha256));
	if (p->has_384)
		(void)buf_append(out, slice_of(p->sha384, sizeof p->sha384));
	if (p->has_512)
		(void)buf_append(out, slice_of(p->sha512, sizeof p->sha512));
}

static void put_posh(const struct posh_found *f, struct buf *out)
{
	put(out, (uint64_t)f->e.code, 2);
	put(out, (uint32_t)f->e.native, 4);
	put(out, (uint64_t)f->not_after, 8);
	put_short(out, slice_of(f->url, strnlen(f->url, sizeof f->url - 1)));
	put(out, f->document.expires_s, 4);
	put(out, f->document.weak > UINT16_MAX ? UINT16_MAX : f->document.weak, 2);
	put(out, f->document.count, 1);
	for (size_t i = 0; i < f->document.count; i++)
		put_print(&f->document.prints[i], out);
}

void scout_question_write(const struct scout_question *q, struct buf *out)
{
	put(out, QUESTION, 1);
	put(out, q->kind, 1);
	put(out, q->serial, 4);
	put(out, q->which, 2);
	put_short(out, domain_slice(&q->name));
}

void scout_answer_write(uint32_t serial, const struct answer *a, struct buf *out)
{
	put(out, ANSWER, 1);
	put(out, a->kind, 1);
	put(out, serial, 4);
	if (a->kind == ASK_POSH) {
		put_posh(&a->posh, out);
		return;
	}
	put_dns(&a->dns, out);
	if (a->kind == ASK_SRV)
		put_srv(&a->dns, out);
	else if (a->kind == ASK_ADDR)
		put_addresses(&a->dns, out);
	else
		put_tlsa(&a->tlsa, out);
}

/* ---- reading ---- */

/* What is left of a message; `bad` once anything did not fit, and then all else reads as 0. */
struct reader {
	struct slice rest;
	bool bad;
};

static struct slice get_bytes(struct reader *r, size_t n)
{
	if (r->bad || r->rest.len < n) {
		r->bad = true;
		return SLICE_NONE;
	}
	struct slice got = slice_sub(r->rest, 0, n);
	r->rest = slice_sub(r->rest, n, r->rest.len);
	return got;
}

static uint64_t get(struct reader *r, size_t bytes)
{
	struct slice s = get_bytes(r, bytes);
	uint64_t number = 0;
	for (size_t i = 0; i < s.len; i++)
		number = number << 8 | (unsigned char)s.ptr[i];
	return number;
}

/* A number that may be `most` at most. */
static uint64_t get_upto(struct reader *r, size_t bytes, uint64_t most)
{
	uint64_t number = get(r, bytes);
	if (number <= most)
		return number;
	r->bad = true;
	return 0;
}

static struct slice get_short(struct reader *r)
{
	return get_bytes(r, (size_t)get(r, 1));
}

/* Empty: no name, where there may be none. */
static void get_name(struct reader *r, bool may_be_empty, struct domain *out)
{
	struct slice text = get_short(r);
	*out = (struct domain){0};
	if (r->bad || (may_be_empty && !text.len))
		return;
	if (err_is(domain_parse(text, out)) || !slice_eq(domain_slice(out), text))
		r->bad = true;
}

static void get_srv(struct reader *r, struct resolve_answer *a)
{
	a->srv_dropped = (size_t)get(r, 4);
	a->srv_count = (size_t)get_upto(r, 1, RESOLVE_SRV_MAX);
	for (size_t i = 0; i < a->srv_count && !r->bad; i++) {
		struct resolve_srv *s = &a->srv[i];
		s->priority = (uint16_t)get(r, 2);
		s->weight = (uint16_t)get(r, 2);
		s->port = (uint16_t)get(r, 2);
		s->no_service = get_upto(r, 1, NO_SERVICE) != 0;
		get_name(r, s->no_service, &s->target);
		if ((s->no_service && s->target.len) || (!s->no_service && !s->port))
			r->bad = true;
	}
}

static void get_address(struct reader *r, struct sockaddr_storage *sa)
{
	struct slice bytes = get_short(r);
	if (bytes.len == 4) {
		sa->ss_family = AF_INET;
		memcpy(&((struct sockaddr_in *)sa)->sin_addr, bytes.ptr, 4);
	} else if (bytes.len == 16) {
		sa->ss_family = AF_INET6;
		memcpy(&((struct sockaddr_in6 *)sa)->sin6_addr, bytes.ptr, 16);
	} else {
		r->bad = true;
	}
}

static void get_addresses(struct reader *r, struct resolve_answer *a)
{
	get_name(r, true, &a->canonical);
	a->addr_count = (size_t)get_upto(r, 1, RESOLVE_ADDR_MAX);
	for (size_t i = 0; i < a->addr_count && !r->bad; i++)
		get_address(r, &a->addr[i]);
}

/* Whoever judges by a record looks up what its numbers name: only those of usable ones pass. */
static void get_record(struct reader *r, struct tlsa_record *out)
{
	out->usage = (uint8_t)get_upto(r, 1, USAGE_MOST);
	out->selector = (uint8_t)get_upto(r, 1, SELECTOR_MOST);
	out->mtype = (uint8_t)get_upto(r, 1, MTYPE_MOST);
	struct slice data = get_short(r);
	if (r->bad || data.len != (out->mtype == MTYPE_512 ? DIGEST_512 : DIGEST_256)) {
		r->bad = true;
		return;
	}
	out->len = (uint8_t)data.len;
	memcpy(out->data, data.ptr, data.len);
}

static void get_tlsa(struct reader *r, struct tlsa_set *t)
{
	t->unusable = (size_t)get(r, 4);
	t->count = (size_t)get_upto(r, 1, TLSA_RECORDS_MAX);
	for (size_t i = 0; i < t->count && !r->bad; i++)
		get_record(r, &t->records[i]);
}

static void get_dns(struct reader *r, struct resolve_answer *a)
{
	a->status = (enum resolve_status)get_upto(r, 1, RESOLVE_BOGUS);
	uint64_t flags = get_upto(r, 1, KNOWN_FLAGS);
	a->secure = flags & SECURE;
	a->nxdomain = flags & NXDOMAIN;
	a->aliased = flags & ALIASED;
	a->ttl = (uint32_t)get(r, 4);
	if (a->secure && a->status != RESOLVE_DATA && a->status != RESOLVE_NONE)
		r->bad = true;
}

static bool get_hash(struct reader *r, bool there, unsigned char *out, size_t len)
{
	struct slice hash = there ? get_bytes(r, len) : SLICE_NONE;
	if (hash.len)
		memcpy(out, hash.ptr, hash.len);
	return there;
}

static void get_print(struct reader *r, struct posh_print *p)
{
	uint64_t has = get_upto(r, 1, HAS_256 | HAS_384 | HAS_512);
	p->has_256 = get_hash(r, has & HAS_256, p->sha256, sizeof p->sha256);
	p->has_384 = get_hash(r, has & HAS_384, p->sha384, sizeof p->sha384);
	p->has_512 = get_hash(r, has & HAS_512, p->sha512, sizeof p->sha512);
	if (!has)
		r->bad = true;
}

static void get_posh(struct reader *r, struct posh_found *f)
{
	f->e.code = (enum err_code)get_upto(r, 2, ERR_COUNT - 1);
	f->e.native = (int)(int32_t)get(r, 4);
	f->not_after = (int64_t)get(r, 8);
	struct slice url = get_short(r);
	if (url.len)
		memcpy(f->url, url.ptr, url.len); /* 255 at most: there is room for the NUL */
	f->document.kind = POSH_FINGERPRINTS;
	f->document.expires_s = (uint32_t)get(r, 4);
	f->document.weak = (size_t)get(r, 2);
	f->document.count = (size_t)get_upto(r, 1, POSH_PRINTS_MAX);
	for (size_t i = 0; i < f->document.count && !r->bad; i++)
		get_print(r, &f->document.prints[i]);
	if (!err_is(f->e) && !f->document.count)
		r->bad = true; /* a document that was found lists somebody */
}

static bool is_complete(const struct reader *r)
{
	return !r->bad && r->rest.len == 0;
}

static bool which_is_fine(const struct scout_question *q)
{
	switch (q->kind) {
	case ASK_SRV:
		return scout_service(q->which) != NULL;
	case ASK_ADDR:
		return q->which == 4 || q->which == 6;
	case ASK_TLSA:
		return q->which != 0;
	case ASK_POSH:
		break;
	}
	return q->which == 0;
}

bool scout_question_read(struct slice message, struct scout_question *out)
{
	struct reader r = {.rest = message};
	*out = (struct scout_question){0};
	if (get(&r, 1) != QUESTION)
		return false;
	out->kind = (enum ask_kind)get_upto(&r, 1, ASK_POSH);
	out->serial = (uint32_t)get(&r, 4);
	out->which = (uint16_t)get(&r, 2);
	get_name(&r, false, &out->name);
	return is_complete(&r) && which_is_fine(out);
}

bool scout_answer_read(struct slice message, uint32_t *serial, struct answer *out)
{
	struct reader r = {.rest = message};
	memset(out, 0, sizeof *out);
	if (get(&r, 1) != ANSWER)
		return false;
	out->kind = (enum ask_kind)get_upto(&r, 1, ASK_POSH);
	*serial = (uint32_t)get(&r, 4);
	if (out->kind == ASK_POSH) {
		get_posh(&r, &out->posh);
		return is_complete(&r);
	}
	get_dns(&r, &out->dns);
	if (out->kind == ASK_SRV)
		get_srv(&r, &out->dns);
	else if (out->kind == ASK_ADDR)
		get_addresses(&r, &out->dns);
	else
		get_tlsa(&r, &out->tlsa);
	if (!out->dns.secure && (out->tlsa.count || out->tlsa.unusable))
		return false; /* records that nobody vouches for say nothing (RFC 6698 4.1) */
	return is_complete(&r);
}
