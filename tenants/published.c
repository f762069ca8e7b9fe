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

static struct err text_read(const char *path, struct buf *text)
{
	struct file_id id;
	return file_read(path, PEM_MAX_BYTES, text, &id);
}

struct err leaf_read(const char *path, struct buf *der)
{
	struct buf text;
	buf_init(&text, PEM_MAX_BYTES);
	text.secret = true;
	struct err e = text_read(path, &text);
	if (!err_is(e))
		e = find_leaf(buf_peek(&text), der);
	buf_fini(&text);
	return e;
}

const char *published_path(const struct tenant *t, enum published_file file)
{
	const char *const paths[PUBLISHED_MAX] = {[PUBLISHED_NEXT] = t->next_certificate,
		[PUBLISHED_CURRENT] = t->certificate,
		[PUBLISHED_CURRENT_2] = t->certificate2,
		[PUBLISHED_PREVIOUS] = t->previous_certificate};
	return paths[file];
}

static bool has(const struct published *p, struct slice leaf)
{
	for (size_t i = 0; i < p->count; i++) {
		if (slice_eq(p->leafs[i], leaf))
			return true;
	}
	return false;
}

void published_read_by(const struct tenant *t, published_get get, void *arg, struct published *out)
{
	size_t ends[PUBLISHED_MAX + 1] = {0};
	struct buf text;
	*out = (struct published){.count = 0};
	buf_init(&out->der, BUF_UNLIMITED);
	buf_init(&text, PEM_MAX_BYTES);
	text.secret = true;
	for (unsigned i = 0; i < PUBLISHED_MAX; i++) {
		buf_clear(&text);
		if (published_path(t, i))
			out->why[i] = get(arg, t, i, &text);
		if (published_path(t, i) && !err_is(out->why[i]))
			out->why[i] = find_leaf(buf_peek(&text), &out->der);
		ends[i + 1] = buf_len(&out->der);
	}
	buf_fini(&text);
	for (unsigned i = 0; i < PUBLISHED_MAX; i++) {
		struct slice leaf = slice_sub(buf_peek(&out->der), ends[i], ends[i + 1]);
		if (leaf.len && !has(out, leaf))
			out->leafs[out->count++] = leaf;
	}
}

static struct err get_by_path(
	void *arg, const struct tenant *t, enum published_file file, struct buf *pem)
{
	(void)arg;
	return text_read(published_path(t, file), pem);
}

struct err published_read(const struct tenant *t, struct published *out, const char **bad)
{
	*bad = NULL;
	published_read_by(t, get_by_path, NULL, out);
	for (unsigned i = 0; i < PUBLISHED_MAX; i++) {
		if (!err_is(out->why[i]))
			continue;
		*bad = published_path(t, i);
		return out->why[i];
	}
	return err_ok();
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
