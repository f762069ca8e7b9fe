/* What the public is shown: the documents at the domains' own URLs (RFC 7711 3), and the TLSA
 * records of the host (RFC 7671 8). Seen as a peer sees it, who follows redirects and references.
 */
#include "cmd/rotate_inside.h"

#include "base/mem.h"
#include "cmd/lookup.h"
#include "tenants/value.h"
#include "trust/posh_walk.h"
#include "trust/tlsa.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct looker {
	const struct rotation *r;
	struct lookup *lookup;
	struct slice leaf;
	struct places_seen *out;
};

static struct place_seen *add_place(struct places_seen *p, const char *where, bool needed)
{
	p->items = mem_realloc(p->items, (p->count + 1) * sizeof *p->items);
	p->items[p->count] = (struct place_seen){.where = mem_strdup(where), .needed = needed};
	return &p->items[p->count++];
}

static void fail(struct place_seen *p, struct err e)
{
	p->state = PLACE_UNKNOWN;
	p->why = e;
}

/* ---- documents ---- */

/* What keeps a peer from finding any document, today and tomorrow. */
static bool is_nothing(struct err e)
{
	switch (e.code) {
	case ERR_POSH_NONE:
		return true;
	case ERR_POSH_FETCH:
		return e.native >= 400 && e.native < 500; /* a web server that has none to give */
	default:
		return false;
	}
}

/* A further domain often has no web server, or one that answers everything with its front page. */
static bool is_no_posh_server(struct err e)
{
	switch (e.code) {
	case ERR_POSH_FETCH:
		return e.native == 0; /* not a failure that the server tells of itself */
	case ERR_POSH_TLS:
	case ERR_POSH_BLOCKED:
	case ERR_POSH_PARSE:
	case ERR_POSH_REDIRECT:
		return true;
	default:
		return false;
	}
}

/* That is public, and no document: nobody can use it. */
static bool is_no_document(struct err e)
{
	switch (e.code) {
	case ERR_POSH_PARSE:
	case ERR_POSH_EXPIRES:
	case ERR_POSH_WEAK:
	case ERR_POSH_SIZE:
	case ERR_POSH_REFERENCE:
	case ERR_POSH_REDIRECT:
		return true;
	default:
		return false;
	}
}

/* Walks the way that peers walk, to its end. */
static struct err find_document(struct looker *l, struct posh_walk *way)
{
	enum posh_step step = POSH_GO;
	while (step == POSH_GO) {
		const struct lookup_page *page = lookup_page(l->lookup, &way->at);
		step = err_is(page->e)
			       ? posh_walk_failed(way, page->e)
			       : posh_walk_answer(way, page->status, page->location, page->body);
		if (step == POSH_GO && !gate_looks_up(l->r->gate, &way->at.host))
			step = posh_walk_refuse(way);
	}
	return way->e;
}

/* Dates are not asked for here. */
static bool lists(const struct posh_document *d, struct slice leaf)
{
	return leaf.len &&
	       posh_judge(d, &leaf, 1, (int64_t)time(NULL), NULL).code != ERR_POSH_MISMATCH;
}

static void look_at_document(
	struct looker *l, const struct domain *domain, const char *service, bool needed)
{
	struct posh_walk *way = MEM_NEW(struct posh_walk);
	struct buf where;
	buf_init(&where, BUF_UNLIMITED);
	posh_walk_begin(way, domain, service);
	posh_url_write(&way->at, &where);
	struct place_seen *p = add_place(l->out, buf_cstr(&where), needed);
	struct err e = find_document(l, way);
	p->why = e;
	p->remembered_s = way->longest_s;
	if (is_nothing(e) || (!needed && is_no_posh_server(e))) {
		p->state = PLACE_EMPTY;
	} else if (err_is(e)) {
		p->state = is_no_document(e) ? PLACE_LACKS : PLACE_UNKNOWN;
	} else {
		p->state = lists(&way->document, l->leaf) ? PLACE_SHOWS : PLACE_LACKS;
		p->lacks_current = !lists(&way->document, buf_peek(&l->r->current));
	}
	buf_fini(&where);
	mem_free(way);
}

/* A further domain may do without, and so may clients; if they have one, it must be right. */
static void look_at_documents(struct looker *l)
{
	const struct tenant *t = l->r->tenant;
	look_at_document(l, &t->domain, "xmpp-server", t->proof == TENANT_POSH);
	look_at_document(l, &t->domain, "xmpp-client", false);
	for (size_t i = 0; i < t->further.count; i++)
		look_at_document(l, &t->further.items[i], "xmpp-server", false);
}

/* ---- TLSA ---- */

static bool names_key(const struct tlsa_set *set, struct slice leaf)
{
	struct tlsa_record own;
	return leaf.len && tlsa_of_leaf(leaf, &own) && tlsa_set_has(set, &own);
}

static void look_at_records(struct looker *l, const struct domain *target, unsigned port)
{
	char where[DOMAIN_MAX + 32];
	struct tlsa_set set;
	snprintf(where, sizeof where, "_%u._tcp.%s. TLSA", port, target->name);
	struct place_seen *p = add_place(l->out, where, true);
	const struct resolve_answer *a = lookup_tlsa(l->lookup, target, (uint16_t)port, &set);
	p->remembered_s = a->status == RESOLVE_DATA ? a->ttl : 0;
	if (a->status == RESOLVE_NONE) {
		p->state = PLACE_EMPTY;
	} else if (a->status != RESOLVE_DATA) {
		fail(p, resolve_error(a->status));
	} else if (!a->secure && l->r->gate->dns_trust_anchor) {
		fail(p, err_make(ERR_DANE_INSECURE));
	} else {
		p->state = names_key(&set, l->leaf) ? PLACE_SHOWS : PLACE_LACKS;
		p->lacks_current = !names_key(&set, buf_peek(&l->r->current));
	}
}

static void look_at_all_records(struct looker *l)
{
	const struct gate *g = l->r->gate;
	unsigned ports[GATE_PORTS_MAX];
	size_t count = gate_ports(g, ports);
	for (size_t i = 0; i < count; i++)
		look_at_records(l, gate_target(g, TENANT_DANE), ports[i]);
}

/* ---- all of it ---- */

/* Who was published anywhere must be published right; one place that is not, and peers remember. */
static void sum_up(struct places_seen *p)
{
	size_t of[PLACE_UNKNOWN + 1] = {0};
	bool missing = false;
	for (size_t i = 0; i < p->count; i++) {
		const struct place_seen *s = &p->items[i];
		of[s->state]++;
		missing = missing || (s->needed && s->state == PLACE_EMPTY);
		if (s->remembered_s > p->longest_s)
			p->longest_s = s->remembered_s;
	}
	p->sight = missing || of[PLACE_LACKS] ? SIGHT_MISSING
		   : of[PLACE_UNKNOWN]        ? SIGHT_UNKNOWN
		   : of[PLACE_SHOWS]          ? SIGHT_SEEN
					      : SIGHT_NOBODY;
}

struct err rotate_look(const struct rotation *r, struct slice leaf, struct places_seen *out)
{
	struct err e;
	struct looker l = {.r = r, .leaf = leaf, .out = out};
	*out = (struct places_seen){.sight = SIGHT_UNKNOWN};
	l.lookup = lookup_new(r->gate, &e);
	if (!l.lookup)
		return e;
	if (r->tenant->proof == TENANT_DANE)
		look_at_all_records(&l);
	else
		look_at_documents(&l);
	lookup_free(l.lookup);
	sum_up(out);
	return err_ok();
}

void places_seen_fini(struct places_seen *p)
{
	for (size_t i = 0; i < p->count; i++)
		mem_free(p->items[i].where);
	mem_free(p->items);
	*p = (struct places_seen){.count = 0};
}
