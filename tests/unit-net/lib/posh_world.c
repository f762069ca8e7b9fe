#include "posh_world.h"

#include <assert.h>
#include <string.h>

struct posh_world posh_world;

/* As gate_looks_up() where no private networks are allowed. */
static bool looks_up(void *arg, const struct domain *name)
{
	(void)arg;
	return domain_scope(name) == DOMAIN_PUBLIC;
}

static int64_t now(void *arg)
{
	(void)arg;
	return posh_world.now;
}

static void on_done(void *arg, uint64_t cookie, const struct posh_found *found)
{
	struct posh_answer *a = &posh_world.answers[cookie];
	(void)arg;
	assert(cookie < posh_world.asked);
	a->told++;
	a->at_ms = uv_now(posh_world.w->w.loop);
	a->found = *found;
	posh_world.told++;
	if (posh_world.on_told)
		posh_world.on_told(cookie);
}

static void told(void *to, int tag, const struct resolve_answer *answer)
{
	if (posh_world.posh)
		scout_posh_resolved(to, tag, answer);
}

int posh_world_set_up(void **state)
{
	(void)state;
	memset(&posh_world, 0, sizeof posh_world);
	posh_world.w = fake_worker_new();
	posh_world.now = 1800000000;
	posh_world.config = (struct scout_posh_config){.authorities_pem = web_world_authorities(),
		.max_running = 200,
		.timeout_ms = 4000,
		.looks_up = looks_up,
		.allowed = web_names_allowed,
		.resolve = web_names_resolve,
		.now = now,
		.done = on_done};
	return 0;
}

int posh_world_tear_down(void **state)
{
	(void)state;
	web_names_end();
	scout_posh_free(posh_world.posh);
	fake_worker_free(posh_world.w);
	return 0;
}

void posh_world_open(const struct web_name *names, size_t count)
{
	struct err e;
	web_names_use(posh_world.w->w.loop, names, count, told);
	posh_world.posh = scout_posh_new(posh_world.w->w.loop, &posh_world.config, &e);
	assert(posh_world.posh);
	web_names_to(posh_world.posh);
}

size_t posh_world_ask(const char *host)
{
	struct domain d;
	struct err e = domain_parse(slice_str(host), &d);
	size_t number = posh_world.asked++;
	assert(!err_is(e) && number < POSH_ANSWERS_MAX);
	(void)e;
	scout_posh_ask(posh_world.posh, &d, number);
	assert(!posh_world.answers[number].told); /* never from inside */
	return number;
}

static bool all_told(void *unused)
{
	(void)unused;
	return posh_world.told >= posh_world.asked;
}

static bool one_told(void *arg)
{
	const struct posh_answer *a = arg;
	return a->told > 0;
}

bool posh_world_wait(uint64_t max_ms)
{
	return fake_worker_run(posh_world.w, all_told, NULL, max_ms);
}

bool posh_world_wait_for(size_t answer, uint64_t max_ms)
{
	return fake_worker_run(posh_world.w, one_told, &posh_world.answers[answer], max_ms);
}

const struct posh_found *posh_world_answer(const char *host)
{
	size_t number = posh_world_ask(host);
	bool there = posh_world_wait_for(number, 5000);
	assert(there);
	(void)there;
	return &posh_world.answers[number].found;
}
