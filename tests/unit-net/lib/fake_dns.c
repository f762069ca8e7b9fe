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
} asked[200];
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

static void ask(const char *name, enum fake_type type, struct ticket ticket, int tag)
{
	struct pending *p = MEM_NEW(struct pending);
	uint64_t delay = 1;
	p->answer = (struct answer){.ticket = ticket,
		.tag = tag,
		.kind = type == FAKE_SRV || type == FAKE_SRV_DIRECT ? ASK_SRV : ASK_ADDR,
		.dns = {.ticket = ticket, .tag = tag, .status = RESOLVE_NONE}};
	for (size_t i = 0; i < table_len; i++) {
		if (table[i].type != type || strcmp(table[i].name, name) != 0)
			continue;
		delay = table[i].delay_ms ? table[i].delay_ms : 1;
		p->answer.dns.status = table[i].status;
		for (const char *at = table[i].data; at; at = strchr(at, ',')) {
			at += strspn(at, ", ");
			if (type == FAKE_SRV || type == FAKE_SRV_DIRECT)
				add_srv(&p->answer.dns, at);
			else
				add_address(&p->answer.dns, at);
		}
	}
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
