/* Certificates one behind the other in DER: a chain, leaf first; the last is the anchor as well.
 * Seeds are chains of tests/lab/certs/make_corpus.py with their root behind them. */
#include "base/b64.h"
#include "trust/identity.h"
#include "trust/keymatch.h"

#include <assert.h>
#include <string.h>

enum { CERTS_MAX = 10, NOW = 1772366400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One element of DER, or all that is left. */
static struct slice take(struct slice *rest)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	size_t len = rest->len;
	if (rest->len >= 4 && p[0] == 0x30 && p[1] == 0x82)
		len = 4 + ((size_t)p[2] << 8 | p[3]);
	struct slice der = slice_sub(*rest, 0, len);
	*rest = slice_sub(*rest, der.len, rest->len);
	return der;
}

static struct cert_set *set_of(struct slice der)
{
	struct buf pem;
	struct err e;
	size_t skipped;
	buf_init(&pem, BUF_UNLIMITED);
	(void)buf_append_str(&pem, "-----BEGIN CERTIFICATE-----\n");
	(void)b64_encode(der, &pem);
	(void)buf_append_str(&pem, "\n-----END CERTIFICATE-----\n");
	struct cert_set *set = cert_set_new(buf_peek(&pem), &skipped, &e);
	assert((set == NULL) == err_is(e));
	assert(skipped == (set ? 0 : 1));
	buf_fini(&pem);
	return set;
}

static void look_at_names(const struct cert_facts *facts)
{
	char text[200];
	struct domain domain;
	(void)domain_parse(SLICE_LIT("shire.example"), &domain);
	bool strict = identity_matches(facts, &domain, false, NULL);
	bool wide = identity_matches(facts, &domain, true, NULL);
	assert(!strict || wide);
	assert(!facts->names_cut || !wide);
	memset(text, '#', sizeof text);
	identity_describe(facts, text, sizeof text);
	assert(memchr(text, '\0', sizeof text));
	for (const char *c = text; *c; c++)
		assert(*c > ' ' && *c < 0x7f);
}

static void look_at_verdict(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, struct err *out)
{
	struct cert_facts facts;
	int64_t not_after = -1;
	*out = cert_judge(chain, count, set, rules, NOW, &facts, &not_after);
	if (err_is(*out)) {
		assert(not_after == 0);
		return;
	}
	assert(not_after >= NOW && not_after <= facts.not_after && facts.not_before <= NOW);
	assert(facts.has_eku ? facts.eku_server || facts.eku_any : !rules->require_eku);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cert_rules public = {.require_eku = true}, community = {0};
	struct slice rest = slice_of(data, size), chain[CERTS_MAX];
	struct cert_facts facts;
	struct err strict, loose;
	size_t count = 0;
	while (rest.len && count < CERTS_MAX)
		chain[count++] = take(&rest);
	if (!count || err_is(cert_read(chain[0], &facts)))
		return 0;
	look_at_names(&facts);
	(void)chain_follows(chain[0], chain[count - 1]);
	struct cert_set *set = set_of(chain[count - 1]);
	if (set) {
		look_at_verdict(chain, count, set, &public, &strict);
		look_at_verdict(chain, count, set, &community, &loose);
		assert(err_is(strict) || !err_is(loose));
	}
	cert_set_release(set);
	return 0;
}
