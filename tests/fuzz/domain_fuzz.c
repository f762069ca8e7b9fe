/* Whatever text comes, a domain has one form: parsing its A-labels, its U-labels or itself again
 * gives the same (C15). */
#include "base/domain.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_same(const struct domain *d, struct slice text)
{
	struct domain again;
	assert(!err_is(domain_parse(text, &again)));
	assert(domain_eq(d, &again) && domain_hash(d) == domain_hash(&again));
}

static void is_host_name(const struct domain *d)
{
	assert(d->len > 0 && d->len <= DOMAIN_MAX && strlen(d->name) == d->len);
	assert(strspn(d->name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == d->len);
	assert(d->name[0] != '.' && d->name[d->len - 1] != '.' && !strstr(d->name, ".."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct domain d;
	char unicode[DOMAIN_UNICODE_MAX + 1], dotted[DOMAIN_MAX + 2];
	struct slice text = slice_of(data, size);
	if (err_is(domain_parse(text, &d))) {
		assert(!domain_is_set(&d));
		return 0;
	}
	is_host_name(&d);
	is_same(&d, domain_slice(&d));
	struct slice u = domain_unicode(&d, unicode);
	is_same(&d, u);
	assert(domain_is_canonical(&d, u));
	assert(domain_is_canonical(&d, text) == slice_eq(u, text));
	memcpy(dotted, d.name, d.len);
	dotted[d.len] = '.';
	is_same(&d, slice_of(dotted, (size_t)d.len + 1));
	for (size_t i = 0; i < d.len; i++) {
		if (dotted[i] >= 'a' && dotted[i] <= 'z')
			dotted[i] = (char)(dotted[i] - 'a' + 'A');
	}
	is_same(&d, slice_of(dotted, d.len));
	return 0;
}
