/* What a peer fetches from a domain's web server, hop by hop (RFC 7711 3; POSH-1, -2). */
#include "cmd/probe_inside.h"

#include "base/mem.h"
#include "tenants/value.h"
#include "trust/posh_walk.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* One search, and what is said of it. */
struct walk {
	struct probe *p;
	struct posh_found *out;
	bool optional; /* nobody is kept away when the document is missing */
	char where[POSH_URL_MAX + PROBE_TEXT_MAX]; /* the first address */
	const struct lookup_page *page;            /* the last one */
	struct posh_walk way;
};

static void url_text(const struct posh_url *url, char *out, size_t size)
{
	struct buf b;
	buf_init(&b, BUF_UNLIMITED);
	posh_url_write(url, &b);
	snprintf(out, size, "%s", buf_cstr(&b));
	buf_fini(&b);
}

/* What came of the place that was asked. */
static void say_hop(struct walk *w, const char *url, enum posh_step step)
{
	struct probe_report *r = w->p->report;
	const struct posh_document *d = &w->way.document;
	struct err e = w->way.e;
	long status = w->page->status;
	if (step == POSH_FOUND)
		probe_say(r, SAY_FINE, "posh", err_ok(),
			"%s -> 200, %zu fingerprints, expires in %u s", url, d->count,
			d->expires_s);
	else if (step == POSH_GO && status == 200)
		probe_say(r, SAY_NONE, "posh", err_ok(), "%s refers to %s", url, d->url);
	else if (step == POSH_GO)
		probe_say(r, SAY_NONE, "posh", err_ok(), "%s -> %ld %s", url, status,
			w->page->location);
	else if (!err_is(w->page->e) && (e.code == ERR_POSH_NONE || e.code == ERR_POSH_FETCH))
		probe_say(r, SAY_NONE, "posh", e, "%s -> %ld", url, status);
	else
		probe_say(r, SAY_BAD, "posh", e, "%s: %s", url, err_row(e.code)->sentence);
}

static struct err search(struct walk *w)
{
	char url[sizeof w->where];
	enum posh_step step = POSH_GO;
	while (step == POSH_GO) {
		url_text(&w->way.at, url, sizeof url);
		const struct lookup_page *page = w->page = lookup_page(w->p->lookup, &w->way.at);
		step = err_is(page->e) ? posh_walk_failed(&w->way, page->e)
				       : posh_walk_answer(
						 &w->way, page->status, page->location, page->body);
		if (step == POSH_GO && !gate_looks_up(w->p->gate, &w->way.at.host))
			step = posh_walk_refuse(&w->way);
		say_hop(w, url, step);
	}
	w->out->document = w->way.document;
	return w->way.e;
}

/* ---- what is wrong with it ---- */

static bool is_about_the_document(struct err e)
{
	return e.code == ERR_POSH_PARSE || e.code == ERR_POSH_EXPIRES || e.code == ERR_POSH_WEAK ||
	       e.code == ERR_POSH_SIZE || e.code == ERR_POSH_REFERENCE ||
	       e.code == ERR_POSH_REDIRECT;
}

/* Many a site answers everything with a page of its own, or sends everybody to another one. */
static bool is_meant_as_document(const struct walk *w, struct err e)
{
	struct slice body = w->page && !err_is(w->page->e) ? w->page->body : SLICE_NONE;
	struct slice first = value_next_word(&body);
	return e.code != ERR_POSH_REDIRECT && is_about_the_document(e) && first.len &&
	       *first.ptr == '{';
}

static void reason_of(const struct walk *w, struct err e, char *out, size_t size)
{
	if (w->page && !err_is(w->page->e) && w->page->status != 200)
		snprintf(out, size, "%ld", w->page->status);
	else
		snprintf(out, size, "%s", err_row(e.code)->sentence);
}

static void find_not_there(const struct walk *w, struct err e)
{
	struct probe_report *r = w->p->report;
	char why[128];
	const char *domain = w->p->domain.name;
	reason_of(w, e, why, sizeof why);
	if (w->optional)
		probe_find(r, FIND_POSH_OPTIONAL, domain, w->where, why, NULL);
	else if (e.code == ERR_POSH_TLS)
		probe_find(r, FIND_WEB_CERTIFICATE, domain, w->where, NULL, NULL);
	else if (e.code == ERR_POSH_BLOCKED)
		probe_find(r, FIND_PRIVATE_ADDRESS, domain, w->way.at.host.name,
			"its web server's address", NULL);
	else if (w->page && w->page->status)
		probe_find(r, FIND_POSH_MISSING, domain, w->where, why, NULL);
	else
		probe_find(r, FIND_UNREACHABLE, domain, w->where, why, "443");
}

static void find_failure(const struct walk *w, struct err e)
{
	if (e.code == ERR_POSH_EXPIRES)
		probe_find(
			w->p->report, FIND_POSH_EXPIRES, w->p->domain.name, w->where, NULL, NULL);
	else if (is_about_the_document(e))
		probe_find(w->p->report, FIND_POSH_NO_JSON, w->p->domain.name, w->where,
			err_row(e.code)->sentence, NULL);
	else
		find_not_there(w, e);
}

static void find_in_document(const struct walk *w)
{
	static const struct {
		enum published_file file;
		enum finding_id id;
	} rows[] = {{PUBLISHED_CURRENT, FIND_POSH_OTHER_CERTIFICATE},
		{PUBLISHED_CURRENT_2, FIND_POSH_OTHER_CERTIFICATE},
		{PUBLISHED_NEXT, FIND_NEXT_MISSING}, {PUBLISHED_PREVIOUS, FIND_PREVIOUS_GONE}};
	const struct probe *p = w->p;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct probe_leaf *l = &p->leafs[rows[i].file];
		struct slice der = buf_peek(&l->der);
		if (l->known &&
			posh_judge(&w->out->document, &der, 1, (int64_t)time(NULL), NULL).code ==
				ERR_POSH_MISMATCH)
			probe_find(p->report, rows[i].id, p->domain.name, w->where, NULL, NULL);
	}
}

/* expected: one of our own tenants' documents. */
static void look_for(struct walk *w, const char *service, bool expected)
{
	w->page = NULL;
	posh_walk_begin(&w->way, &w->p->domain, service);
	url_text(&w->way.at, w->where, sizeof w->where);
	w->out->e = search(w);
	if (err_is(w->out->e)) {
		/* Who has no POSH has no fault in it. */
		if (expected || is_meant_as_document(w, w->out->e))
			find_failure(w, w->out->e);
		return;
	}
	w->out->not_after = (int64_t)time(NULL) + posh_lifetime(w->way.expires_s);
	url_text(&w->way.at, w->out->url, sizeof w->out->url);
	if (w->way.redirects || w->way.referred)
		probe_find(w->p->report, FIND_POSH_REDIRECT, w->p->domain.name, w->where,
			"a redirect or a reference", NULL);
	if (expected)
		find_in_document(w);
}

static const struct record_page *expected_page(const struct probe *p, const char *service)
{
	for (size_t i = 0; i < p->records.page_count; i++) {
		const struct record_page *page = &p->records.pages[i];
		if (domain_eq(page->domain, &p->domain) && strcmp(page->service, service) == 0)
			return page;
	}
	return NULL;
}

/* Servers ask for the one, clients for the other, which matters to our own tenants alone. */
void probe_web(struct probe *p)
{
	struct walk *w = MEM_NEW(struct walk);
	struct posh_found *clients = MEM_NEW(struct posh_found);
	const struct record_page *page = expected_page(p, "xmpp-server");
	*w = (struct walk){.p = p, .out = &p->posh, .optional = page && page->optional};
	if (gate_looks_up(p->gate, &p->domain)) {
		look_for(w, "xmpp-server", page != NULL);
		page = expected_page(p, "xmpp-client");
		w->out = clients;
		w->optional = page && page->optional;
		if (page)
			look_for(w, "xmpp-client", true);
	} else {
		p->posh.e = err_make(ERR_POSH_NONE);
	}
	mem_free(clients);
	mem_free(w);
}
