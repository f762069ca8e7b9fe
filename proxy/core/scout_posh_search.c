/* The way to one domain's POSH document.
 *
 *   GO -> answer: 200 with fingerprints           -> found
 *                 200 with a reference, once       -> GO, from there
 *                 301, 302, 303, 307, 308, 5 times -> GO, to there
 *                 404, 410                         -> there is none
 *                 anything else                    -> a failure that passes (POSH-3)
 *
 * Happy path: posh_search_start asks the fetcher for the first place, each answer either ends the
 * search or names the next place, which is read and judged as strictly as if a stranger had written
 * it, for one has (POSH-9). Failure modes: every one ends the search with its reason. Who frees:
 * the search frees itself when it has told its end; posh_search_cancel frees it with the fetch. */
#include "core/scout_posh_inside.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

struct posh_search {
	const struct posh_search_world *world; /* borrowed: it outlives its searches */
	struct fetch *fetch;                   /* the hop under way */
	posh_search_done done;
	void *arg;
	uint64_t due_ms;
	struct posh_url at;
	unsigned redirects;
	bool referred;                /* a reference document has been followed */
	uint32_t expires_s;           /* the lowest so far (RFC 7711 6) */
	uint64_t seen[POSH_HOPS_MAX]; /* places, hashed */
	size_t seen_count;
	struct posh_found found;
};

static void end(struct posh_search *s, enum err_code code)
{
	s->found.e = err_make(code);
	if (code != ERR_OK)
		memset(&s->found.document, 0, sizeof s->found.document);
	s->done(s->arg, &s->found);
	mem_free(s);
}

/* Has the search been here before? P04: a loop ends at once, not after five rounds. */
static bool been_here(struct posh_search *s)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	posh_url_write(&s->at, &text);
	struct slice url = buf_peek(&text);
	uint64_t hash = siphash(s->world->seed, 0, url);
	size_t n = url.len < sizeof s->found.url ? url.len : sizeof s->found.url - 1;
	memcpy(s->found.url, url.ptr, n);
	s->found.url[n] = '\0';
	buf_fini(&text);
	for (size_t i = 0; i < s->seen_count; i++) {
		if (s->seen[i] == hash)
			return true;
	}
	s->seen[s->seen_count++] = hash;
	return false;
}

static void on_answer(void *arg, const struct fetch_answer *answer);

/* Where s->at is. */
static void go(struct posh_search *s)
{
	uint64_t now = uv_now(s->world->loop);
	struct fetch_request r = {.host = s->at.host, .port = s->at.port, .target = s->at.target};
	r.timeout_ms =
		s->due_ms > now ? s->due_ms - now : 1; /* POSH-2: one deadline for all hops */
	s->fetch = fetch_start(s->world->fetcher, &r, on_answer, s);
}

static void go_on(struct posh_search *s, struct slice url, const struct posh_url *base)
{
	if (err_is(posh_url_parse(url, base, &s->at)) ||
		!s->world->looks_up(s->world->arg, &s->at.host) || been_here(s))
		end(s, ERR_POSH_REDIRECT);
	else
		go(s);
}

static void redirected(struct posh_search *s, const char *location)
{
	if (s->redirects++ == POSH_REDIRECTS_MAX)
		end(s, ERR_POSH_REDIRECT); /* POSH-2 */
	else
		go_on(s, slice_str(location), &s->at);
}

static void read_document(struct posh_search *s, struct slice body)
{
	struct posh_document *d = &s->found.document;
	struct err e = posh_parse(body, d);
	if (err_is(e)) {
		end(s, e.code);
		return;
	}
	if (d->expires_s > s->expires_s)
		d->expires_s = s->expires_s;
	s->expires_s = d->expires_s;
	if (d->kind == POSH_FINGERPRINTS) {
		end(s, ERR_OK);
	} else if (s->referred) {
		end(s, ERR_POSH_REFERENCE); /* RFC 7711 3.2, P12 */
	} else {
		s->referred = true;
		go_on(s, slice_str(d->url), NULL);
	}
}

/* POSH-3: a domain without a document has none; one whose reference leads nowhere has a fault. */
static void not_there(struct posh_search *s)
{
	end(s, s->referred ? ERR_POSH_FETCH : ERR_POSH_NONE);
}

static void failed(struct posh_search *s, enum err_code code)
{
	if (code != ERR_DNS_NONE)
		end(s, code);
	else if (s->seen_count == 1)
		end(s, ERR_POSH_NONE); /* no web server, no document */
	else
		end(s, ERR_POSH_FETCH);
}

static void on_answer(void *arg, const struct fetch_answer *answer)
{
	struct posh_search *s = arg;
	s->fetch = NULL;
	if (err_is(answer->e)) {
		failed(s, answer->e.code);
		return;
	}
	switch (answer->status) {
	case 200:
		read_document(s, answer->body);
		break;
	case 301: /* POSH-2: none of them is remembered */
	case 302:
	case 303:
	case 307:
	case 308:
		redirected(s, answer->location);
		break;
	case 404:
	case 410:
		not_there(s);
		break;
	default:
		end(s, ERR_POSH_FETCH);
	}
}

struct posh_search *posh_search_start(const struct posh_search_world *world,
	const struct domain *domain, uint64_t timeout_ms, posh_search_done done, void *arg)
{
	struct posh_search *s = MEM_NEW(struct posh_search);
	s->world = world;
	s->done = done;
	s->arg = arg;
	s->due_ms = uv_now(world->loop) + timeout_ms;
	s->expires_s = UINT32_MAX;
	posh_url_of(domain, "xmpp-server", &s->at);
	(void)been_here(s);
	go(s);
	return s;
}

void posh_search_cancel(struct posh_search *s)
{
	if (s->fetch)
		fetch_cancel(s->fetch);
	mem_free(s);
}
