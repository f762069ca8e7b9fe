#include "tenants/published.h"

#include "tenants/load.h"
#include "trust/cert.h"
#include "trust/pem.h"

enum { PEM_MAX_BYTES = 2 * CERT_CHAIN_MAX_BYTES, EXPIRES_LEAST_S = 300 };

static struct err find_leaf(struct slice text, struct buf *der)
{
	struct slice label;
	struct err e;
	struct buf block;
	bool found = false;
	buf_init(&block, CERT_CHAIN_MAX_BYTES);
	block.secret = true; /* people do put keys into these files */
	while (!found && pem_next(&text, &label, &block, &e))
		found = slice_eq_str(label, "CERTIFICATE");
	if (found)
		e = buf_append(der, buf_peek(&block));
	else
		e = err_make(ERR_CERT_PARSE);
	buf_fini(&block);
	return e;
}

struct err leaf_read(const char *path, struct buf *der)
{
	struct buf text;
	struct file_id id;
	buf_init(&text, PEM_MAX_BYTES);
	text.secret = true;
	struct err e = file_read(path, PEM_MAX_BYTES, &text, &id);
	if (!err_is(e))
		e = find_leaf(buf_peek(&text), der);
	buf_fini(&text);
	return e;
}

static bool has(const struct published *p, struct slice leaf)
{
	for (size_t i = 0; i < p->count; i++) {
		if (slice_eq(p->leafs[i], leaf))
			return true;
	}
	return false;
}

struct err published_read(const struct tenant *t, struct published *out, const char **bad)
{
	const char *const paths[PUBLISHED_MAX] = {
		t->next_certificate, t->certificate, t->certificate2, t->previous_certificate};
	size_t ends[PUBLISHED_MAX], starts[PUBLISHED_MAX], count = 0;
	struct err first = err_ok();
	*out = (struct published){.count = 0};
	*bad = NULL;
	buf_init(&out->der, BUF_UNLIMITED);
	for (size_t i = 0; i < PUBLISHED_MAX; i++) {
		starts[count] = buf_len(&out->der);
		struct err e = paths[i] ? leaf_read(paths[i], &out->der) : err_ok();
		ends[count] = buf_len(&out->der);
		if (err_is(e) && !*bad) {
			first = e;
			*bad = paths[i];
		}
		count += ends[count] > starts[count];
	}
	for (size_t i = 0; i < count; i++) {
		struct slice leaf = slice_sub(buf_peek(&out->der), starts[i], ends[i]);
		if (!has(out, leaf))
			out->leafs[out->count++] = leaf;
	}
	return first;
}

uint32_t published_expires(const struct gate *g, const struct published *p, int64_t now)
{
	uint32_t expires_s = g->publish_expires;
	for (size_t i = 0; p->count > 1 && i < p->count; i++) {
		struct cert_facts facts;
		if (err_is(cert_read(p->leafs[i], &facts)))
			continue;
		int64_t half = (facts.not_after - now) / 2;
		if (half < expires_s)
			expires_s = half < EXPIRES_LEAST_S ? EXPIRES_LEAST_S : (uint32_t)half;
	}
	return expires_s;
}

void published_fini(struct published *p)
{
	buf_fini(&p->der);
}
