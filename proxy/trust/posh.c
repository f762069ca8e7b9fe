/* POSH documents: read, judged, written. The only file that knows jansson. Its reader is strict
 * about UTF-8, numbers, control characters, NUL and what stands behind the text; what it lets pass
 * and POSH-8 does not is refused here. */
#include "trust/posh.h"

#include "base/b64.h"
#include "trust/digest.h"

#include <jansson.h>

#include <string.h>

enum {
	DEPTH_MAX = 4,
	DIGEST_TEXT_MAX = (DIGEST_512 + 2) / 3 * 4,
};
#define EXPIRES_TOP 2147483648LL /* POSH-8 */

/* ---- fingerprints ---- */

/* RFC 4648 4 with the zero bits at the end that RFC 7711 asks for. The RFC's own second example
 * leaves the padding out (POSH-7). */
static bool read_digest(const json_t *value, size_t len, unsigned char *out)
{
	char text[DIGEST_TEXT_MAX];
	struct buf bytes;
	size_t n = json_string_length(value), whole = (len + 2) / 3 * 4;
	if (!json_is_string(value) || n > whole)
		return false;
	memset(text, '=', sizeof text);
	memcpy(text, json_string_value(value), n);
	buf_init(&bytes, DIGEST_512 + 2);
	bool fine = b64_decode(slice_of(text, whole), &bytes) && buf_len(&bytes) == len;
	if (fine)
		memcpy(out, buf_peek(&bytes).ptr, len);
	buf_fini(&bytes);
	return fine;
}

/* A strong hash that is there must be one. */
static bool read_member(
	const json_t *descriptor, const char *name, size_t len, unsigned char *out, bool *has)
{
	const json_t *value = json_object_get(descriptor, name);
	*has = value && read_digest(value, len, out);
	return !value || *has;
}

static struct err read_descriptor(const json_t *descriptor, struct posh_document *out)
{
	struct posh_print p;
	memset(&p, 0, sizeof p);
	if (!json_is_object(descriptor) ||
		!read_member(descriptor, "sha-256", DIGEST_256, p.sha256, &p.has_256) ||
		!read_member(descriptor, "sha-384", DIGEST_384, p.sha384, &p.has_384) ||
		!read_member(descriptor, "sha-512", DIGEST_512, p.sha512, &p.has_512))
		return err_make(ERR_POSH_PARSE);
	if (p.has_256 || p.has_384 || p.has_512)
		out->prints[out->count++] = p;
	else
		out->weak++;
	return err_ok();
}

static struct err read_fingerprints(const json_t *list, struct posh_document *out)
{
	struct err e = err_ok();
	size_t count = json_array_size(list);
	if (count == 0) /* nor is it an array */
		return err_make(ERR_POSH_PARSE);
	if (count > POSH_PRINTS_MAX)
		return err_make(ERR_POSH_SIZE);
	for (size_t i = 0; i < count && !err_is(e); i++)
		e = read_descriptor(json_array_get(list, i), out);
	if (!err_is(e) && out->count == 0)
		e = err_make(ERR_POSH_WEAK);
	return e;
}

/* ---- the document ---- */

static struct err read_reference(const json_t *url, struct posh_document *out)
{
	size_t n = json_string_length(url);
	if (n == 0)
		return err_make(ERR_POSH_PARSE);
	if (n > POSH_URL_MAX)
		return err_make(ERR_POSH_SIZE);
	memcpy(out->url, json_string_value(url), n + 1);
	return err_ok();
}

/* RFC 7711 3.1: a non-negative integer; 0 makes the document invalid. */
static struct err read_expires(const json_t *value, struct posh_document *out)
{
	json_int_t n = json_integer_value(value); /* 0 for what is none */
	if (n < 1 || n > EXPIRES_TOP)
		return err_make(ERR_POSH_EXPIRES);
	out->expires_s = (uint32_t)n;
	return err_ok();
}

static bool is_deeper(json_t *j, int levels)
{
	const char *key;
	json_t *value;
	size_t i;
	if (!json_is_object(j) && !json_is_array(j))
		return false;
	if (levels == 0)
		return true;
	json_object_foreach(j, key, value)
	{
		if (is_deeper(value, levels - 1))
			return true;
	}
	json_array_foreach(j, i, value)
	{
		if (is_deeper(value, levels - 1))
			return true;
	}
	return false;
}

static struct err read_document(json_t *root, struct posh_document *out)
{
	const json_t *list = json_object_get(root, "fingerprints");
	const json_t *url = json_object_get(root, "url");
	if (is_deeper(root, DEPTH_MAX) || !list == !url) /* POSH-8: one of the two */
		return err_make(ERR_POSH_PARSE);
	out->kind = list ? POSH_FINGERPRINTS : POSH_REFERENCE;
	struct err e = list ? read_fingerprints(list, out) : read_reference(url, out);
	return err_is(e) ? e : read_expires(json_object_get(root, "expires"), out);
}

struct err posh_parse(struct slice json, struct posh_document *out)
{
	json_error_t unused;
	memset(out, 0, sizeof *out);
	if (json.len > POSH_DOCUMENT_MAX)
		return err_make(ERR_POSH_SIZE);
	json_t *root =
		json_loadb(json.len ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &unused);
	struct err e = root ? read_document(root, out) : err_make(ERR_POSH_PARSE);
	json_decref(root);
	if (err_is(e))
		memset(out, 0, sizeof *out);
	return e;
}

/* POSH-6: never longer than a day, whatever a document asks, for domains change hands; never so
 * short that each stream would fetch it. */
uint32_t posh_lifetime(uint32_t expires_s)
{
	if (expires_s > POSH_EXPIRES_MOST_S)
		return POSH_EXPIRES_MOST_S;
	return expires_s < POSH_EXPIRES_LEAST_S ? POSH_EXPIRES_LEAST_S : expires_s;
}

/* ---- does it list a certificate? ---- */

static bool is_equal(const unsigned char *a, const unsigned char *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

/* POSH-7: every strong hash of a descriptor, or else it would be as good as its weakest. */
static bool lists(const struct posh_print *p, const struct posh_print *leaf)
{
	if (!p->has_256 && !p->has_384 && !p->has_512)
		return false;
	return (!p->has_256 || is_equal(p->sha256, leaf->sha256, DIGEST_256)) &&
	       (!p->has_384 || is_equal(p->sha384, leaf->sha384, DIGEST_384)) &&
	       (!p->has_512 || is_equal(p->sha512, leaf->sha512, DIGEST_512));
}

static bool lists_leaf(const struct posh_document *d, struct slice der)
{
	struct posh_print leaf;
	digest_256(der, leaf.sha256);
	digest_384(der, leaf.sha384);
	digest_512(der, leaf.sha512);
	for (size_t i = 0; i < d->count; i++) {
		if (lists(&d->prints[i], &leaf))
			return true;
	}
	return false;
}

struct err posh_judge(const struct posh_document *d, const struct slice *chain, size_t count,
	int64_t now, int64_t *not_after)
{
	struct cert_facts facts;
	if (not_after)
		*not_after = 0;
	if (!count)
		return err_make(ERR_CERT_NONE);
	if (!lists_leaf(d, chain[0]))
		return err_make(ERR_POSH_MISMATCH);
	struct err e = cert_read(chain[0], &facts);
	if (err_is(e))
		return e;
	if (facts.weak_key) /* P-2: who lists it cannot make it strong */
		return err_make(ERR_CERT_WEAK);
	if (now < facts.not_before)
		return err_make(ERR_CERT_NOT_YET);
	if (now > facts.not_after)
		return err_make(ERR_CERT_EXPIRED);
	if (not_after)
		*not_after = facts.not_after;
	return err_ok();
}

/* ---- writing ---- */

static void write_digest(struct buf *out, const char *name, const unsigned char *digest, size_t len)
{
	(void)buf_printf(out, "\"%s\":\"", name);
	(void)b64_encode(slice_of(digest, len), out);
	(void)buf_append_str(out, "\"");
}

void posh_write(const struct slice *leafs, size_t count, uint32_t expires_s, struct buf *out)
{
	unsigned char digest[DIGEST_512];
	(void)buf_append_str(out, "{\"fingerprints\":[");
	for (size_t i = 0; i < count; i++) {
		(void)buf_append_str(out, i ? ",{" : "{");
		digest_256(leafs[i], digest);
		write_digest(out, "sha-256", digest, DIGEST_256);
		(void)buf_append_str(out, ",");
		digest_512(leafs[i], digest);
		write_digest(out, "sha-512", digest, DIGEST_512);
		(void)buf_append_str(out, "}");
	}
	(void)buf_printf(out, "],\"expires\":%lu}\n", (unsigned long)expires_s);
}

void posh_write_reference(struct slice url, uint32_t expires_s, struct buf *out)
{
	(void)buf_append_str(out, "{\"url\":\"");
	for (size_t i = 0; i < url.len; i++) {
		unsigned char c = (unsigned char)url.ptr[i];
		bool plain = c >= ' ' && c != '"' && c != '\\' && c != 0x7f;
		(void)buf_printf(out, plain ? "%c" : "\\u%04x", c);
	}
	(void)buf_printf(out, "\",\"expires\":%lu}\n", (unsigned long)expires_s);
}
