/* Happy path: a question is asked, the loop turns until its answer is there. Failure modes are the
 * resolver's and the fetcher's own, each with its deadline. Who frees: lookup_free closes both and
 * turns the loop until it is empty. */
#include "cmd/lookup.h"

#include "base/mem.h"
#include "net/address.h"
#include "tenants/load.h"
#include "tenants/value.h"

#include <string.h>

enum { DNS_MS = 5000, SERVER_MS = 3000, PAGE_MS = 10000, OWN_TAG = -1, CA_MAX = 16 * 1024 * 1024 };

struct lookup {
	uv_loop_t loop;
	const struct gate *gate; /* borrowed */
	struct resolver *resolver;
	struct fetcher *fetcher;
	struct resolve_answer answer;
	struct tlsa_set tlsa;
	struct lookup_caa *caa; /* borrowed, while CAA records are asked for */
	struct lookup_page page;
	struct buf body;
	bool done;
};

/* RFC 8659 4.1: flags, the tag's length, tag, value. 4.2: the issuer's name ends with a semicolon.
 */
static void add_caa(struct slice rdata, struct lookup_caa *out)
{
	const unsigned char *p = (const unsigned char *)rdata.ptr;
	if (rdata.len < 2 || (size_t)p[1] + 2 > rdata.len)
		return;
	struct slice tag = slice_sub(rdata, 2, 2 + (size_t)p[1]);
	struct slice rest = slice_sub(rdata, 2 + (size_t)p[1], rdata.len);
	bool issue = slice_ieq(tag, SLICE_LIT("issue"));
	bool known = issue || slice_ieq(tag, SLICE_LIT("issuewild")) ||
		     slice_ieq(tag, SLICE_LIT("iodef"));
	out->limits |= issue || (!known && p[0] & 0x80);
	if (!issue || out->count == sizeof out->issuers / sizeof *out->issuers)
		return;
	rest = slice_sub(rest, 0, slice_find(rest, ';'));
	struct slice word = value_next_word(&rest);
	struct domain issuer;
	if (word.len && !err_is(domain_parse(word, &issuer)))
		memcpy(out->issuers[out->count++], issuer.name, sizeof issuer.name);
}

static void on_resolved(void *arg, const struct resolve_answer *answer)
{
	struct lookup *l = arg;
	if (answer->tag != OWN_TAG) {
		fetcher_resolved(l->fetcher, answer->tag, answer);
		return;
	}
	l->answer = *answer;
	l->answer.raw = NULL;
	l->tlsa = (struct tlsa_set){0};
	for (size_t i = 0; answer->raw && l->caa && i < answer->raw->count; i++)
		add_caa(answer->raw->rdata[i], l->caa);
	for (size_t i = 0; answer->raw && i < answer->raw->count; i++)
		tlsa_add(&l->tlsa, answer->raw->rdata[i]);
	tlsa_settle(&l->tlsa);
	l->done = true;
}

bool lookup_allowed(const struct lookup *l, const struct sockaddr_storage *addr)
{
	return address_is_public(addr) || network_list_has(&l->gate->allow_private, addr);
}

static bool is_allowed(void *arg, const struct sockaddr_storage *addr)
{
	return lookup_allowed(arg, addr);
}

static void on_name(void *arg, const struct domain *name, int family, int tag)
{
	struct lookup *l = arg;
	resolve_addr(l->resolver, name, family, (struct ticket){0}, tag);
}

static struct err start_fetcher(struct lookup *l)
{
	struct buf pem;
	struct file_id id;
	buf_init(&pem, CA_MAX);
	struct err e = l->gate->web_ca_file ? file_read(l->gate->web_ca_file, CA_MAX, &pem, &id)
					    : err_make(ERR_FILE);
	const struct fetch_config config = {.authorities_pem = buf_peek(&pem),
		.timeout_ms = PAGE_MS,
		.max_bytes = POSH_DOCUMENT_MAX,
		.max_running = 1,
		.max_waiting = 1,
		.allowed = is_allowed,
		.resolve = on_name,
		.arg = l};
	if (!err_is(e))
		l->fetcher = fetcher_new(&l->loop, &config, &e);
	buf_fini(&pem);
	return e;
}

static struct lookup *begin(
	const struct gate *gate, const struct resolve_config *config, struct err *e)
{
	struct lookup *l = MEM_NEW(struct lookup);
	l->gate = gate;
	buf_init(&l->body, POSH_DOCUMENT_MAX + 1);
	uv_loop_init(&l->loop);
	l->resolver = resolver_new(&l->loop, config, on_resolved, l, e);
	return l;
}

struct lookup *lookup_at(const struct gate *gate, const struct sockaddr_storage *server)
{
	char address[ADDRESS_TEXT_MAX];
	const struct resolve_config config = {
		.forward = address, .timeout_ms = SERVER_MS, .max_pending = 16, .whole_ttl = true};
	struct err e;
	if (uv_ip_name((const struct sockaddr *)server, address, sizeof address) != 0)
		return NULL;
	struct lookup *l = begin(gate, &config, &e);
	if (l->resolver)
		return l;
	lookup_free(l);
	return NULL;
}

struct lookup *lookup_new(const struct gate *gate, struct err *e)
{
	const struct resolve_config config = {.forward = gate->dns_forward,
		.trust_anchor = gate->dns_trust_anchor,
		.timeout_ms = DNS_MS,
		.max_pending = 16,
		.whole_ttl = true};
	struct lookup *l = begin(gate, &config, e);
	if (l->resolver)
		*e = start_fetcher(l);
	if (!err_is(*e))
		return l;
	lookup_free(l);
	return NULL;
}

void lookup_free(struct lookup *l)
{
	if (l->fetcher)
		fetcher_free(l->fetcher);
	if (l->resolver)
		resolver_free(l->resolver);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	uv_loop_close(&l->loop);
	buf_fini(&l->body);
	mem_free(l);
}

/* The resolver's handle does not keep the loop alive, its timer does while a question is open. */
static void turn_until_done(struct lookup *l)
{
	while (!l->done)
		uv_run(&l->loop, UV_RUN_ONCE);
}

const struct resolve_answer *lookup_srv(
	struct lookup *l, const char *service, const struct domain *name)
{
	l->done = false;
	resolve_srv(l->resolver, service, name, (struct ticket){0}, OWN_TAG);
	turn_until_done(l);
	return &l->answer;
}

const struct resolve_answer *lookup_addr(struct lookup *l, const struct domain *name, int family)
{
	l->done = false;
	resolve_addr(l->resolver, name, family, (struct ticket){0}, OWN_TAG);
	turn_until_done(l);
	return &l->answer;
}

const struct resolve_answer *lookup_tlsa(
	struct lookup *l, const struct domain *base, uint16_t port, struct tlsa_set *out)
{
	l->done = false;
	resolve_tlsa(l->resolver, base, port, (struct ticket){0}, OWN_TAG);
	turn_until_done(l);
	*out = l->tlsa;
	return &l->answer;
}

const struct resolve_answer *lookup_root(struct lookup *l)
{
	l->done = false;
	resolve_root(l->resolver, (struct ticket){0}, OWN_TAG);
	turn_until_done(l);
	return &l->answer;
}

/* Up by one label; false: there is nothing above. */
static bool climb(struct domain *at)
{
	const struct domain below = *at;
	const char *dot = strchr(below.name, '.');
	return dot && !err_is(domain_parse(slice_str(dot + 1), at));
}

bool lookup_zone(struct lookup *l, const struct domain *name, struct lookup_zone *out)
{
	struct domain at = *name;
	do {
		l->done = false;
		resolve_ns(l->resolver, &at, (struct ticket){0}, OWN_TAG);
		turn_until_done(l);
		if (l->answer.status != RESOLVE_DATA && l->answer.status != RESOLVE_NONE)
			return false;
	} while (l->answer.status != RESOLVE_DATA && climb(&at));
	*out = (struct lookup_zone){.apex = at};
	for (size_t i = 0; i < l->answer.srv_count && out->count < LOOKUP_SERVERS_MAX; i++)
		out->servers[out->count++] = l->answer.srv[i].target;
	return out->count > 0;
}

void lookup_caa(struct lookup *l, const struct domain *name, struct lookup_caa *out)
{
	*out = (struct lookup_caa){.at = *name};
	l->caa = out;
	do {
		l->done = false;
		resolve_caa(l->resolver, &out->at, (struct ticket){0}, OWN_TAG);
		turn_until_done(l);
	} while (l->answer.status == RESOLVE_NONE && climb(&out->at));
	out->status = l->answer.status;
	l->caa = NULL;
}

static void on_page(void *arg, const struct fetch_answer *answer)
{
	struct lookup *l = arg;
	l->page = (struct lookup_page){.e = answer->e, .status = answer->status};
	memcpy(l->page.location, answer->location, sizeof l->page.location);
	memcpy(l->page.type, answer->type, sizeof l->page.type);
	memcpy(l->page.address, answer->address, sizeof l->page.address);
	buf_clear(&l->body);
	if (!err_is(answer->e))
		l->page.e = buf_append(&l->body, answer->body);
	l->page.body = buf_peek(&l->body);
	l->done = true;
}

const struct lookup_page *lookup_page(struct lookup *l, const struct posh_url *url)
{
	const struct fetch_request request = {
		.host = url->host, .port = url->port, .target = url->target};
	l->done = false;
	(void)fetch_start(l->fetcher, &request, on_page, l);
	turn_until_done(l);
	return &l->page;
}
