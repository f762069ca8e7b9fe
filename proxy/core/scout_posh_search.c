/* The way to one domain's POSH document, walked with the fetcher.
 *
 * Happy path: posh_search_start asks the fetcher for the first place; trust/posh_walk.h says what
 * each answer means, which is judged as strictly as if a stranger had written it, for one has
 * (POSH-9). Failure modes: every one ends the search with its reason. Who frees: the search frees
 * itself when it has told its end; posh_search_cancel frees it with the fetch. */
#include "core/scout_posh_inside.h"

#include "base/buf.h"
#include "base/mem.h"
#include "trust/posh_walk.h"

#include <string.h>

struct posh_search {
	const struct posh_search_world *world; /* borrowed: it outlives its searches */
	struct fetch *fetch;                   /* the hop under way */
	posh_search_done done;
	void *arg;
	uint64_t due_ms;
	struct posh_walk way;
	struct posh_found found;
};

static void end(struct posh_search *s)
{
	s->found.e = err_make(s->way.e.code);
	s->found.document = s->way.document;
	s->done(s->arg, &s->found);
	mem_free(s);
}

/* For people: the place that is asked now. */
static void note_place(struct posh_search *s)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	posh_url_write(&s->way.at, &text);
	struct slice url = slice_sub(buf_peek(&text), 0, sizeof s->found.url - 1);
	memcpy(s->found.url, url.ptr, url.len);
	s->found.url[url.len] = '\0';
	buf_fini(&text);
}

static void on_answer(void *arg, const struct fetch_answer *answer);

static void go(struct posh_search *s)
{
	uint64_t now = uv_now(s->world->loop);
	note_place(s);
	const struct posh_url *at = &s->way.at;
	struct fetch_request r = {.host = at->host, .port = at->port, .target = at->target};
	r.timeout_ms =
		s->due_ms > now ? s->due_ms - now : 1; /* POSH-2: one deadline for all hops */
	s->fetch = fetch_start(s->world->fetcher, &r, on_answer, s);
}

static void on_answer(void *arg, const struct fetch_answer *answer)
{
	struct posh_search *s = arg;
	s->fetch = NULL;
	enum posh_step step = err_is(answer->e) ? posh_walk_failed(&s->way, answer->e)
						: posh_walk_answer(&s->way, answer->status,
							  answer->location, answer->body);
	if (step == POSH_GO && !s->world->looks_up(s->world->arg, &s->way.at.host))
		step = posh_walk_refuse(&s->way);
	if (step == POSH_GO)
		go(s);
	else
		end(s);
}

struct posh_search *posh_search_start(const struct posh_search_world *world,
	const struct domain *domain, uint64_t timeout_ms, posh_search_done done, void *arg)
{
	struct posh_search *s = MEM_NEW(struct posh_search);
	s->world = world;
	s->done = done;
	s->arg = arg;
	s->due_ms = uv_now(world->loop) + timeout_ms;
	posh_walk_begin(&s->way, domain, "xmpp-server");
	go(s);
	return s;
}

void posh_search_cancel(struct posh_search *s)
{
	if (s->fetch)
		fetch_cancel(s->fetch);
	mem_free(s);
}
