/* Happy path: a question is asked, the loop turns until its answer is there. Failure modes are the
 * resolver's and the fetcher's own, each with its deadline. Who frees: lookup_free closes both and
 * turns the loop until it is empty. */
#include "cmd/lookup.h"

#include "base/mem.h"
#include "net/address.h"
#include "tenants/load.h"
#include "tenants/value.h"

#include <string.h>

enum { DNS_MS = 5000, PAGE_MS = 10000, OWN_TAG = -1, CA_MAX = 16 * 1024 * 1024 };

struct lookup {
	uv_loop_t loop;
	const struct gate *gate; /* borrowed */
	struct resolver *resolver;
	struct fetcher *fetcher;
	struct resolve_answer answer;
	struct tlsa_set tlsa;
	struct lookup_page page;
	struct buf body;
	bool done;
};

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

struct lookup *lookup_new(const struct gate *gate, struct err *e)
{
	struct lookup *l = MEM_NEW(struct lookup);
	const struct resolve_config config = {.forward = gate->dns_forward,
		.trust_anchor = gate->dns_trust_anchor,
		.timeout_ms = DNS_MS,
		.max_pending = 16,
		.whole_ttl = true};
	l->gate = gate;
	buf_init(&l->body, POSH_DOCUMENT_MAX + 1);
	uv_loop_init(&l->loop);
	l->resolver = resolver_new(&l->loop, &config, on_resolved, l, e);
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

bool lookup_has_caa(struct lookup *l, const struct domain *name)
{
	struct domain at = *name;
	for (;;) {
		l->done = false;
		resolve_caa(l->resolver, &at, (struct ticket){0}, OWN_TAG);
		turn_until_done(l);
		const char *dot = strchr(at.name, '.');
		if (l->answer.status == RESOLVE_DATA)
			return true;
		if (!dot || err_is(domain_parse(slice_str(dot + 1), &at)))
			return false;
	}
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
