/* What a peer fetches from a domain's web server, hop by hop (RFC 7711 3; POSH-1, -2). */
#include "cmd/probe_inside.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { HOPS_MAX = 5 };

/* One search: the first address and up to five redirects, for the document or for what it refers
 * to. */
struct walk {
	struct probe *p;
	struct posh_url url;
	const struct lookup_page *page;
};

static void url_text(const struct posh_url *url, char *out, size_t size)
{
	struct buf b;
	buf_init(&b, BUF_UNLIMITED);
	posh_url_write(url, &b);
	snprintf(out, size, "%s", buf_cstr(&b));
	buf_fini(&b);
}

static struct err say_page_failed(struct walk *w, const char *url, struct err e)
{
	probe_say(w->p->report, SAY_BAD, "posh", e, "%s: %s", url, err_row(e.code)->sentence);
	return e;
}

static bool redirects(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Follows until there is a page that is no redirect. */
static struct err follow(struct walk *w, bool *redirected)
{
	char url[sizeof w->p->posh.url];
	for (int hop = 0; hop <= HOPS_MAX; hop++) {
		url_text(&w->url, url, sizeof url);
		w->page = lookup_page(w->p->lookup, &w->url);
		if (err_is(w->page->e))
			return say_page_failed(w, url, w->page->e);
		if (!redirects(w->page->status))
			break;
		probe_say(w->p->report, SAY_NONE, "posh", err_ok(), "%s -> %ld %s", url,
			w->page->status, w->page->location);
		*redirected = true;
		struct posh_url next, base = w->url;
		struct err e = posh_url_parse(slice_str(w->page->location), &base, &next);
		if (err_is(e) || hop == HOPS_MAX)
			return say_page_failed(w, url, err_make(ERR_POSH_REDIRECT));
		w->url = next;
	}
	if (w->page->status == 200)
		return err_ok();
	struct err none = err_make(
		w->page->status == 404 || w->page->status == 410 ? ERR_POSH_NONE : ERR_POSH_FETCH);
	probe_say(w->p->report, SAY_NONE, "posh", none, "%s -> %ld", url, w->page->status);
	return none;
}

static struct err read_document(struct walk *w)
{
	char url[sizeof w->p->posh.url];
	struct posh_document *d = &w->p->posh.document;
	struct err e = posh_parse(w->page->body, d);
	url_text(&w->url, url, sizeof url);
	if (err_is(e))
		return say_page_failed(w, url, e);
	if (d->kind == POSH_REFERENCE)
		probe_say(w->p->report, SAY_NONE, "posh", err_ok(), "%s refers to %s", url, d->url);
	else
		probe_say(w->p->report, SAY_FINE, "posh", err_ok(),
			"%s -> 200, %zu fingerprints, expires in %u s", url, d->count,
			d->expires_s);
	return err_ok();
}

static struct err search(struct walk *w, bool *redirected)
{
	struct posh_document *d = &w->p->posh.document;
	struct err e = follow(w, redirected);
	if (!err_is(e))
		e = read_document(w);
	if (err_is(e) || d->kind == POSH_FINGERPRINTS)
		return e;
	*redirected = true; /* to those who do not follow references it is the same */
	e = posh_url_parse(slice_str(d->url), NULL, &w->url);
	if (!err_is(e))
		e = follow(w, redirected);
	if (!err_is(e))
		e = read_document(w);
	if (!err_is(e) && d->kind == POSH_REFERENCE)
		e = say_page_failed(w, d->url, err_make(ERR_POSH_REFERENCE));
	return e;
}

/* ---- what is wrong with it ---- */

static bool is_about_the_document(struct err e)
{
	return e.code == ERR_POSH_PARSE || e.code == ERR_POSH_EXPIRES || e.code == ERR_POSH_WEAK ||
	       e.code == ERR_POSH_SIZE || e.code == ERR_POSH_REFERENCE ||
	       e.code == ERR_POSH_REDIRECT;
}

static void find_failure(struct probe *p, struct err e, const struct walk *w)
{
	char status[16];
	const char *where = p->posh.url;
	snprintf(status, sizeof status, "%ld", w->page ? w->page->status : 0);
	switch (e.code) {
	case ERR_POSH_NONE:
		probe_find(p->report, FIND_POSH_MISSING, p->domain.name, where, status, NULL);
		break;
	case ERR_POSH_TLS:
		probe_find(p->report, FIND_WEB_CERTIFICATE, p->domain.name, where, NULL, NULL);
		break;
	case ERR_POSH_BLOCKED:
		probe_find(p->report, FIND_PRIVATE_ADDRESS, p->domain.name, w->url.host.name,
			"its web server's address", NULL);
		break;
	case ERR_POSH_EXPIRES:
		probe_find(p->report, FIND_POSH_EXPIRES, p->domain.name, where, NULL, NULL);
		break;
	default:
		if (is_about_the_document(e))
			probe_find(p->report, FIND_POSH_NO_JSON, p->domain.name, where,
				err_row(e.code)->sentence, NULL);
		else if (w->page && w->page->status)
			probe_find(
				p->report, FIND_POSH_MISSING, p->domain.name, where, status, NULL);
		else
			probe_find(p->report, FIND_UNREACHABLE, p->domain.name, where,
				err_row(e.code)->sentence, "443");
		break;
	}
}

static void find_in_document(struct probe *p)
{
	struct slice leaf = buf_peek(&p->now.der), next = buf_peek(&p->next.der);
	int64_t now = (int64_t)time(NULL);
	if (p->now.known &&
		posh_judge(&p->posh.document, &leaf, 1, now, NULL).code == ERR_POSH_MISMATCH)
		probe_find(p->report, FIND_POSH_OTHER_CERTIFICATE, p->domain.name, p->posh.url,
			NULL, NULL);
	if (p->next.known &&
		posh_judge(&p->posh.document, &next, 1, now, NULL).code == ERR_POSH_MISMATCH)
		probe_find(p->report, FIND_NEXT_MISSING, p->domain.name, p->posh.url, NULL, NULL);
}

void probe_web(struct probe *p)
{
	struct walk w = {.p = p};
	bool redirected = false, needed = p->own && p->own->proof == TENANT_POSH;
	posh_url_of(&p->domain, "xmpp-server", &w.url);
	url_text(&w.url, p->posh.url, sizeof p->posh.url);
	p->posh.e = search(&w, &redirected);
	/* Who has no POSH has no fault in it. */
	if (err_is(p->posh.e) && (needed || is_about_the_document(p->posh.e)))
		find_failure(p, p->posh.e, &w);
	if (!err_is(p->posh.e) && redirected)
		probe_find(p->report, FIND_POSH_REDIRECT, p->domain.name, p->posh.url,
			"a redirect or a reference", NULL);
	if (!err_is(p->posh.e) && needed)
		find_in_document(p);
}
