#include "trust/posh_walk.h"

#include "base/map.h"

#include <string.h>

static enum posh_step end(struct posh_walk *w, struct err e)
{
	w->e = e;
	memset(&w->document, 0, sizeof w->document);
	return POSH_END;
}

static enum posh_step end_with(struct posh_walk *w, enum err_code code)
{
	return end(w, err_make(code));
}

/* Has it been here before? P04: a loop ends at once, not after five rounds. Who makes two places
 * look alike ends his own way. */
static bool been_here(struct posh_walk *w)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	posh_url_write(&w->at, &text);
	uint64_t hash = siphash(0, 0, buf_peek(&text));
	buf_fini(&text);
	for (size_t i = 0; i < w->seen_count; i++) {
		if (w->seen[i] == hash)
			return true;
	}
	w->seen[w->seen_count++] = hash;
	return false;
}

void posh_walk_begin(struct posh_walk *w, const struct domain *d, const char *service)
{
	memset(w, 0, sizeof *w);
	w->expires_s = UINT32_MAX;
	posh_url_of(d, service, &w->at);
	(void)been_here(w);
}

static enum posh_step go_on(struct posh_walk *w, struct slice url, const struct posh_url *base)
{
	struct posh_url next;
	if (err_is(posh_url_parse(url, base, &next)))
		return end_with(w, ERR_POSH_REDIRECT);
	w->at = next;
	return been_here(w) ? end_with(w, ERR_POSH_REDIRECT) : POSH_GO;
}

static enum posh_step redirected(struct posh_walk *w, const char *location)
{
	if (w->redirects == POSH_REDIRECTS_MAX)
		return end_with(w, ERR_POSH_REDIRECT); /* POSH-2 */
	w->redirects++;
	return go_on(w, slice_str(location), &w->at);
}

static enum posh_step read_document(struct posh_walk *w, struct slice body)
{
	struct posh_document *d = &w->document;
	struct err e = posh_parse(body, d);
	if (err_is(e))
		return end(w, e);
	if (d->expires_s > w->longest_s)
		w->longest_s = d->expires_s;
	if (d->expires_s > w->expires_s)
		d->expires_s = w->expires_s;
	w->expires_s = d->expires_s;
	if (d->kind == POSH_FINGERPRINTS)
		return POSH_FOUND;
	if (w->referred)
		return end_with(w, ERR_POSH_REFERENCE); /* RFC 7711 3.2, P12 */
	w->referred = true;
	return go_on(w, slice_str(d->url), NULL);
}

enum posh_step posh_walk_answer(
	struct posh_walk *w, long status, const char *location, struct slice body)
{
	switch (status) {
	case 200:
		return read_document(w, body);
	case 301: /* POSH-2: none of them is remembered */
	case 302:
	case 303:
	case 307:
	case 308:
		return redirected(w, location);
	case 404:
	case 410:
		/* POSH-3: a domain without a document has none; one whose reference leads nowhere
		 * has a fault. */
		return w->referred ? end(w, err_native(ERR_POSH_FETCH, (int)status))
				   : end_with(w, ERR_POSH_NONE);
	default:
		return end(w, err_native(ERR_POSH_FETCH, (int)status));
	}
}

enum posh_step posh_walk_failed(struct posh_walk *w, struct err e)
{
	if (e.code != ERR_DNS_NONE)
		return end(w, e);
	return end_with(w, w->seen_count == 1 ? ERR_POSH_NONE : ERR_POSH_FETCH);
}

enum posh_step posh_walk_refuse(struct posh_walk *w)
{
	return end_with(w, ERR_POSH_REDIRECT);
}
