#include "fake_dns.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pending {
	struct pending *next;
	struct timer timer;
	struct answer answer;
};

static struct fake_worker *worker;
static const struct fake_record *table;
static size_t table_len;
static struct pending *all;
static struct {
	char name[DOMAIN_MAX + 1];
	enum fake_type type;
} asked[1000];
static size_t asked_count;
unsigned fake_ports[4];

void fake_dns_use(struct fake_worker *f, const struct fake_record *records, size_t count)
{
	worker = f;
	table = records;
	table_len = count;
	asked_count = 0;
}

unsigned fake_dns_asked(const char *name, enum fake_type type)
{
	unsigned n = 0;
	for (size_t i = 0; i < asked_count; i++)
		n += asked[i].type == type && strcmp(asked[i].name, name) == 0;
	return n;
}

void fake_dns_end(void)
{
	while (all) {
		struct pending *p = all;
		all = p->next;
		timer_stop(worker->w.timers, &p->timer);
		mem_free(p);
	}
}

static void on_time(void *arg)
{
	struct pending *p = arg;
	fake_worker_answer(worker, &p->answer);
}

static void add_srv(struct resolve_answer *a, const char *text)
{
	struct resolve_srv *srv = &a->srv[a->srv_count++];
	char port[8], target[DOMAIN_MAX + 1];
	unsigned priority;
	int n = sscanf(text, "%u %7s %253[^, ]", &priority, port, target);
	assert(n == 3);
	(void)n;
	unsigned number =
		*port == '@' ? fake_ports[port[1] - '0'] : (unsigned)strtoul(port, NULL, 10);
	*srv = (struct resolve_srv){.priority = (uint16_t)priority, .port = (uint16_t)number};
	srv->no_service = strcmp(target, ".") == 0;
	if (!srv->no_service)
		(void)domain_parse(slice_str(target), &srv->target);
}

static void add_address(struct resolve_answer *a, const char *text)
{
	char host[64] = "";
	struct sockaddr_storage *sa = &a->addr[a->addr_count++];
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
	(void)sscanf(text, "%63[^, ]", host);
	bool six = strchr(host, ':') != NULL;
	sa->ss_family = six ? AF_INET6 : AF_INET;
	int ok = inet_pton(
		sa->ss_family, host, six ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr);
	assert(ok == 1);
	(void)ok;
}

static void add_tlsa(struct tlsa_set *set, const char *text)
{
	unsigned char rdata[3 + 64];
	unsigned u, sel, m;
	char hex[130] = "";
	int n = sscanf(text, "%u %u %u %129[0-9a-f]", &u, &sel, &m, hex);
	assert(n == 4);
	(void)n;
	rdata[0] = (unsigned char)u;
	rdata[1] = (unsigned char)sel;
	rdata[2] = (unsigned char)m;
	size_t len = strlen(hex) / 2;
	for (size_t i = 0; i < len; i++) {
		unsigned byte = 0;
		(void)sscanf(hex + 2 * i, "%2x", &byte);
		rdata[3 + i] = (unsigned char)byte;
	}
	tlsa_add(set, slice_of(rdata, 3 + len));
}

static const enum ask_kind kinds[] = {[FAKE_SRV] = ASK_SRV,
	[FAKE_SRV_DIRECT] = ASK_SRV,
	[FAKE_A] = ASK_ADDR,
	[FAKE_AAAA] = ASK_ADDR,
	[FAKE_TLSA] = ASK_TLSA,
	[FAKE_POSH] = ASK_POSH};

static void add_one(struct answer *a, enum fake_type type, const char *text)
{
	if (type == FAKE_SRV || type == FAKE_SRV_DIRECT)
		add_srv(&a->dns, text);
	else if (type == FAKE_TLSA && a->dns.secure)
		add_tlsa(&a->tlsa, text);
	else if (type != FAKE_TLSA)
		add_address(&a->dns, text);
}

/* The words before the data; what is left. */
static const char *take_words(struct resolve_answer *a, const char *data)
{
	char alias[DOMAIN_MAX + 1];
	data = data ? data : "";
	if (strncmp(data, "secure", 6) == 0) {
		a->secure = true;
		data += 6 + strspn(data + 6, " ");
	}
	if (strncmp(data, "ttl=", 4) == 0) {
		a->ttl = (uint32_t)strtoul(data + 4, NULL, 10);
		data += strcspn(data, " ");
		data += strspn(data, " ");
	}
	if (sscanf(data, "alias=%253[^ ]", alias) == 1) {
		a->aliased = true;
		(void)domain_parse(slice_str(alias), &a->canonical);
		data += strcspn(data, " ");
		data += strspn(data, " ");
	}
	return data;
}

static void fill_posh(struct posh_found *f, const struct fake_record *r, const char *data)
{
	f->e = err_make(r->status == RESOLVE_NONE      ? ERR_POSH_NONE
			: r->status == RESOLVE_TIMEOUT ? ERR_POSH_TIMEOUT
						       : ERR_POSH_FETCH);
	if (r->status == RESOLVE_DATA)
		f->e = posh_parse(slice_str(data), &f->document);
	snprintf(f->url, sizeof f->url, "https://%s/", r->name);
}

static void fill(struct answer *a, const struct fake_record *r)
{
	const char *at = take_words(&a->dns, r->data);
	a->dns.status = r->status;
	if (r->type == FAKE_POSH) {
		a->posh.not_after = fake_wall_s + a->dns.ttl;
		fill_posh(&a->posh, r, at);
		return;
	}
	while (*at) {
		add_one(a, r->type, at);
		at += strcspn(at, ",");
		at += strspn(at, ", ");
	}
	tlsa_settle(&a->tlsa);
}

static void ask(const char *name, enum fake_type type, struct ticket ticket, int tag)
{
	struct pending *p = MEM_NEW(struct pending);
	uint64_t delay = 1;
	p->answer = (struct answer){.ticket = ticket,
		.tag = tag,
		.kind = kinds[type],
		.dns = {.ticket = ticket, .tag = tag, .status = RESOLVE_NONE},
		.posh = {.e = err_make(ERR_POSH_NONE), .not_after = fake_wall_s + 300}};
	for (size_t i = 0; i < table_len; i++) {
		if (table[i].type != type || strcmp(table[i].name, name) != 0)
			continue;
		delay = table[i].delay_ms ? table[i].delay_ms : 1;
		fill(&p->answer, &table[i]);
	}
	assert(asked_count < sizeof asked / sizeof *asked);
	snprintf(asked[asked_count].name, sizeof asked->name, "%s", name);
	asked[asked_count++].type = type;
	p->next = all;
	all = p;
	timer_start(worker->w.timers, &p->timer, delay, on_time, p);
}

/* Weak: a test that makes a real asker gets the real ones. */
__attribute__((weak)) void ask_srv(struct asker *a, const char *service, const struct domain *name,
	struct ticket ticket, int tag)
{
	(void)a;
	ask(name->name, strstr(service, "xmpps") ? FAKE_SRV_DIRECT : FAKE_SRV, ticket, tag);
}

__attribute__((weak)) void ask_addr(
	struct asker *a, const struct domain *name, int family, struct ticket ticket, int tag)
{
	(void)a;
	ask(name->name, family == AF_INET ? FAKE_A : FAKE_AAAA, ticket, tag);
}

__attribute__((weak)) void ask_tlsa(
	struct asker *a, const struct domain *base, uint16_t port, struct ticket ticket, int tag)
{
	(void)a;
	(void)port;
	ask(base->name, FAKE_TLSA, ticket, tag);
}

__attribute__((weak)) void ask_posh(
	struct asker *a, const struct domain *domain, struct ticket ticket, int tag)
{
	(void)a;
	ask(domain->name, FAKE_POSH, ticket, tag);
}
