#include "tenants/registry.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

/* The keys are domains of the operator's files, not of strangers, who can only look up: what is
 * in the table they cannot choose. So the seed need not be secret. */
enum { SEED = 5269 };

struct registry {
	struct map *by_domain;         /* struct tenant, borrowed from `tenants` */
	struct tenant **tenants;       /* owned array of counted references */
	struct tenant_origin *origins; /* owned, of the same length */
	size_t count;
	uint32_t last_number;
};

struct registry *registry_new(void)
{
	return registry_new_after(NULL);
}

struct registry *registry_new_after(const struct registry *before)
{
	struct registry *r = MEM_NEW(struct registry);
	r->by_domain = map_new(SEED);
	r->last_number = before ? before->last_number : 0;
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	map_free(r->by_domain);
	for (size_t i = 0; i < r->count; i++) {
		tenant_release(r->tenants[i]);
		mem_free(r->origins[i].file);
	}
	mem_free(r->tenants);
	mem_free(r->origins);
	mem_free(r);
}

struct tenant *registry_find(const struct registry *r, const struct domain *d)
{
	return map_get(r->by_domain, domain_slice(d));
}

static struct tenant *any_taken(const struct registry *r, const struct tenant *t)
{
	struct tenant *by = registry_find(r, &t->domain);
	for (size_t i = 0; i < t->further.count && !by; i++)
		by = registry_find(r, &t->further.items[i]);
	return by;
}

static void number(struct registry *r, struct tenant *t)
{
	if (t->number == 0)
		t->number = r->last_number + 1;
	if (t->number > r->last_number)
		r->last_number = t->number;
}

/* The arrays double at every power of two. */
static void grow(struct registry *r)
{
	size_t room = r->count ? r->count * 2 : 1;
	if (r->count & (r->count - 1))
		return;
	r->tenants = mem_realloc(r->tenants, room * sizeof(struct tenant *));
	r->origins = mem_realloc(r->origins, room * sizeof(struct tenant_origin));
}

bool registry_add(struct registry *r, struct tenant *t, struct tenant **taken_by)
{
	*taken_by = any_taken(r, t);
	if (*taken_by)
		return false;
	grow(r);
	number(r, t);
	r->origins[r->count] = (struct tenant_origin){0};
	r->tenants[r->count++] = tenant_hold(t);
	map_put(r->by_domain, domain_slice(&t->domain), t);
	for (size_t i = 0; i < t->further.count; i++)
		map_put(r->by_domain, domain_slice(&t->further.items[i]), t);
	return true;
}

struct tenant *registry_at(const struct registry *r, size_t i)
{
	assert(i < r->count);
	return r->tenants[i];
}

size_t registry_count(const struct registry *r)
{
	return r->count;
}

static struct tenant_origin *origin_of(const struct registry *r, const struct tenant *t)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->tenants[i] == t)
			return &r->origins[i];
	}
	return NULL;
}

void registry_note_origin(
	struct registry *r, const struct tenant *t, const struct tenant_origin *origin)
{
	/* Mostly it was the last one that was added. */
	struct tenant_origin *at = r->count && r->tenants[r->count - 1] == t
					   ? &r->origins[r->count - 1]
					   : origin_of(r, t);
	assert(at);
	mem_free(at->file);
	*at = *origin;
	at->file = mem_strdup(origin->file);
}

struct tenant_origin registry_origin(const struct registry *r, const struct tenant *t)
{
	const struct tenant_origin *at = origin_of(r, t);
	return at ? *at : (struct tenant_origin){0};
}
