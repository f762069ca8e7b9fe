#include "xmpp/pairs.h"

#include "base/mem.h"

#include <string.h>

const char *pair_proof_name(enum pair_proof proof)
{
	static const char *const names[] = {
		"none", "external", "certificate", "dialback", "backend"};
	return names[proof];
}

void pairs_init(struct pairs *p)
{
	*p = (struct pairs){0};
}

static void pair_free(struct pair *pair)
{
	mem_free(pair->from_text);
	mem_free(pair->to_text);
	mem_wipe(pair->key, sizeof pair->key);
	mem_free(pair);
}

void pairs_fini(struct pairs *p)
{
	for (size_t i = 0; i < p->count; i++)
		pair_free(p->items[i]);
	mem_free(p->items);
	*p = (struct pairs){0};
}

struct pair *pairs_find(const struct pairs *p, const struct domain *from, const struct domain *to)
{
	for (size_t i = 0; i < p->count; i++) {
		if (domain_eq(&p->items[i]->from, from) && domain_eq(&p->items[i]->to, to))
			return p->items[i];
	}
	return NULL;
}

static bool text_is(const char *text, size_t len, struct slice s)
{
	return s.len == len && memcmp(text, s.ptr, len) == 0;
}

struct pair *pairs_find_text(const struct pairs *p, struct slice from, struct slice to)
{
	for (size_t i = 0; i < p->count; i++) {
		struct pair *pair = p->items[i];
		if (text_is(pair->from_text, pair->from_len, from) &&
			text_is(pair->to_text, pair->to_len, to))
			return pair;
	}
	return NULL;
}

bool pairs_has_from(const struct pairs *p, const struct domain *from)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->items[i]->state == PAIR_VALID && domain_eq(&p->items[i]->from, from))
			return true;
	}
	return false;
}

bool pair_is_pending(const struct pair *pair)
{
	return pair->state == PAIR_ASSESSING || pair->state == PAIR_VERIFYING || pair->reverify;
}

size_t pairs_pending_count(const struct pairs *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++)
		n += pair_is_pending(p->items[i]);
	return n;
}

static char *canonical_copy(const struct domain *d, size_t *len)
{
	char text[DOMAIN_UNICODE_MAX + 1];
	struct slice s = domain_unicode(d, text);
	*len = s.len;
	return mem_dup(s.ptr, s.len);
}

struct pair *pairs_add(struct pairs *p, const struct domain *from, const struct domain *to)
{
	if (p->count >= PAIRS_MAX)
		return NULL;
	struct pair *pair = MEM_NEW(struct pair);
	pair->from = *from;
	pair->to = *to;
	pair->from_text = canonical_copy(from, &pair->from_len);
	pair->to_text = canonical_copy(to, &pair->to_len);
	p->items = mem_realloc(p->items, (p->count + 1) * sizeof(struct pair *));
	p->items[p->count++] = pair;
	return pair;
}

size_t pairs_valid_count(const struct pairs *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++)
		n += p->items[i]->state == PAIR_VALID;
	return n;
}
