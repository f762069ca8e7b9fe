/* A POSH document (what begins with a brace), or two lines: a URL, and a Location seen from it.
 * What is taken is within its bounds, and means the same when it is written and read again. */
#include "trust/posh.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_target(const char *target)
{
	size_t len = strlen(target);
	assert(len >= 1 && len <= POSH_URL_MAX && target[0] == '/');
	for (size_t i = 0; i < len; i++)
		assert(target[i] > ' ' && target[i] < 0x7f && !strchr("#\"<>\\^`{|}", target[i]));
	/* No dot segments are left (RFC 3986 5.2.4). */
	size_t path = strcspn(target, "?");
	for (size_t i = 0; i < path; i++) {
		size_t segment = strcspn(target + i + 1, "/?");
		assert(segment != 1 || target[i + 1] != '.');
		assert(segment != 2 || target[i + 1] != '.' || target[i + 2] != '.');
		i += segment;
	}
}

static void is_url(const struct posh_url *u)
{
	struct posh_url again;
	struct buf text;
	assert(domain_is_set(&u->host) && (u->port == 443 || u->port >= 1024));
	is_target(u->target);
	buf_init(&text, BUF_UNLIMITED);
	posh_url_write(u, &text);
	/* What is just too long with its host is no fault. */
	if (buf_len(&text) <= POSH_URL_MAX) {
		assert(!err_is(posh_url_parse(buf_peek(&text), NULL, &again)));
		assert(domain_eq(&again.host, &u->host) && again.port == u->port);
		assert(strcmp(again.target, u->target) == 0);
	}
	buf_fini(&text);
}

static void fuzz_url(struct slice text)
{
	struct posh_url base, u;
	struct slice first = slice_sub(text, 0, slice_find(text, '\n'));
	struct slice second = slice_sub(text, first.len + 1, text.len);
	struct err e = posh_url_parse(first, NULL, &base);
	assert(!err_is(e) || (e.code == ERR_POSH_REDIRECT && !domain_is_set(&base.host)));
	if (err_is(e))
		return;
	is_url(&base);
	if (!err_is(posh_url_parse(second, &base, &u)))
		is_url(&u);
}

static void is_document(const struct posh_document *d)
{
	int64_t not_after = -1;
	struct slice none = SLICE_LIT("no certificate");
	assert(d->expires_s >= 1 && d->expires_s <= 2147483648u);
	if (d->kind == POSH_REFERENCE) {
		assert(d->count == 0 && d->weak == 0 && *d->url);
		fuzz_url(slice_str(d->url));
		return;
	}
	assert(d->count >= 1 && d->count + d->weak <= POSH_PRINTS_MAX && !*d->url);
	for (size_t i = 0; i < d->count; i++)
		assert(d->prints[i].has_256 || d->prints[i].has_384 || d->prints[i].has_512);
	assert(err_is(posh_judge(d, &none, 1, 0, &not_after)) && not_after == 0);
}

static void fuzz_document(struct slice json)
{
	static struct posh_document d, again;
	static const struct posh_document empty;
	struct buf longer;
	struct err e = posh_parse(json, &d);
	if (err_is(e)) {
		assert(memcmp(&d, &empty, sizeof d) == 0);
		return;
	}
	is_document(&d);
	/* Blanks behind it change nothing, all else does. */
	buf_init(&longer, BUF_UNLIMITED);
	(void)buf_append(&longer, json);
	(void)buf_append_str(&longer, "\n");
	assert(!err_is(posh_parse(buf_peek(&longer), &again)));
	assert(memcmp(&d, &again, sizeof d) == 0);
	(void)buf_append_str(&longer, "}");
	assert(err_is(posh_parse(buf_peek(&longer), &again)));
	buf_fini(&longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	if (slice_starts(text, "{") && size < POSH_DOCUMENT_MAX)
		fuzz_document(text);
	else
		fuzz_url(text);
	return 0;
}
