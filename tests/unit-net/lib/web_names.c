#include "web_names.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { PENDING_MAX = 2048 };

struct pending {
	uv_timer_t timer;
	struct resolve_answer answer;
	int tag;
	size_t place;
};

static struct {
	uv_loop_t *loop;
	const struct web_name *names;
	size_t count;
	void (*told)(void *to, int tag, const struct resolve_answer *answer);
	void *to;
	struct pending *pending[PENDING_MAX];
	unsigned asked[64][2]; /* by line and family */
} the;

/* libcurl looks names up by this, when it looks them up. Nobody may: the test's program stands
 * before libc. */
unsigned web_names_own_resolver;

int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)out;
	web_names_own_resolver++;
	return EAI_FAIL;
}

void web_names_use(uv_loop_t *loop, const struct web_name *names, size_t count,
	void (*told)(void *to, int tag, const struct resolve_answer *answer))
{
	memset(&the, 0, sizeof the);
	assert(count <= sizeof the.asked / sizeof *the.asked);
	the.loop = loop;
	the.names = names;
	the.count = count;
	the.told = told;
}

void web_names_to(void *to)
{
	the.to = to;
}

static void on_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

static void let_go(struct pending *p)
{
	the.pending[p->place] = NULL;
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
	struct pending *p = timer->data;
	let_go(p);
	the.told(the.to, p->tag, &p->answer);
}

void web_names_end(void)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		if (the.pending[i])
			let_go(the.pending[i]);
	}
}

static void add_addresses(struct resolve_answer *a, int family, const char *text)
{
	char one[64];
	int used = 0;
	for (; sscanf(text, "%63s%n", one, &used) == 1; text += used) {
		struct sockaddr_storage *sa = &a->addr[a->addr_count];
		void *at = family == AF_INET ? (void *)&((struct sockaddr_in *)sa)->sin_addr
					     : (void *)&((struct sockaddr_in6 *)sa)->sin6_addr;
		sa->ss_family = (sa_family_t)family;
		if (inet_pton(family, one, at) == 1)
			a->addr_count++;
	}
}

static const struct web_name *line_of(const struct domain *name)
{
	for (size_t i = 0; i < the.count; i++) {
		if (strcmp(the.names[i].host, name->name) == 0 ||
			strcmp(the.names[i].host, "*") == 0)
			return &the.names[i];
	}
	return NULL;
}

static void fill(struct resolve_answer *a, const struct web_name *line, int family)
{
	bool again = the.asked[line - the.names][family == AF_INET6]++;
	a->status = line->status;
	if (line->status == RESOLVE_DATA)
		add_addresses(a, family, again && line->then ? line->then : line->addresses);
	if (line->status == RESOLVE_DATA && !a->addr_count)
		a->status = RESOLVE_NONE;
}

void web_names_resolve(void *arg, const struct domain *name, int family, int tag)
{
	const struct web_name *line = line_of(name);
	struct pending *p = MEM_NEW(struct pending);
	uint64_t delay_ms = 0;
	(void)arg;
	while (the.pending[p->place])
		p->place++;
	assert(p->place < PENDING_MAX);
	the.pending[p->place] = p;
	p->tag = tag;
	p->answer.tag = tag;
	p->answer.status = RESOLVE_NONE;
	if (line) {
		fill(&p->answer, line, family);
		delay_ms = family == AF_INET6 ? line->delay6_ms : line->delay_ms;
	}
	uv_timer_init(the.loop, &p->timer);
	p->timer.data = p;
	uv_timer_start(&p->timer, on_timer, delay_ms, 0);
}

bool web_names_allowed(void *arg, const struct sockaddr_storage *addr)
{
	(void)arg;
	if (addr->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)addr)->sin6_addr);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
	return ntohl(v4->sin_addr.s_addr) >> 8 == 0x7f0001;
}
