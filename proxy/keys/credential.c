#include "keys/credential.h"

#include "base/mem.h"
#include "keys/credential_inside.h"

#include <mbedtls/platform.h>
#include <psa/crypto.h>

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* Running out of memory inside a handshake is fatal for the process (CVE-2025-27810 showed what a
 * library makes of it otherwise). */
static void *zeroed_or_abort(size_t count, size_t size)
{
	return size && count > SIZE_MAX / size ? NULL : mem_alloc(count * size);
}

void credential_crypto_ready(void)
{
	static bool ready;
	if (ready)
		return;
	ready = true;
	(void)mbedtls_platform_set_calloc_free(zeroed_or_abort, mem_free);
	psa_status_t failed = psa_crypto_init();
	assert(failed == PSA_SUCCESS);
}

int credential_random(void *arg, unsigned char *out, size_t len)
{
	(void)arg;
	for (size_t done = 0; done < len;) {
		ssize_t n = getrandom(out + done, len - done, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

struct credential *credential_new(void)
{
	credential_crypto_ready();
	struct credential *c = MEM_NEW(struct credential);
	c->refs = 1;
	return c;
}

struct credential *credential_hold(struct credential *c)
{
	c->refs++;
	return c;
}

static void identity_free(struct credential_identity *i)
{
	mbedtls_x509_crt_free(&i->chain);
	mbedtls_pk_free(&i->key); /* wipes */
}

void credential_release(struct credential *c)
{
	if (!c || --c->refs)
		return;
	for (size_t i = 0; i < c->count; i++)
		identity_free(&c->items[i]);
	mem_free(c);
}

/* mbedTLS reads PEM with the terminating NUL in its length. */
static int parse_chain(mbedtls_x509_crt *chain, struct slice pem)
{
	char *text = mem_dup(pem.ptr, pem.len);
	int failed = mbedtls_x509_crt_parse(chain, (unsigned char *)text, pem.len + 1);
	mem_free(text);
	return failed;
}

int credential_parse_key(mbedtls_pk_context *key, struct slice pem)
{
	char *text = mem_dup(pem.ptr, pem.len);
	int failed = mbedtls_pk_parse_key(
		key, (unsigned char *)text, pem.len + 1, NULL, 0, credential_random, NULL);
	mem_wipe(text, pem.len);
	mem_free(text);
	return failed;
}

struct err credential_add(struct credential *c, struct slice chain_pem, struct slice key_pem)
{
	if (c->count == CREDENTIAL_MAX)
		return err_make(ERR_LIMIT);
	struct credential_identity *i = &c->items[c->count];
	mbedtls_x509_crt_init(&i->chain);
	mbedtls_pk_init(&i->key);
	struct err e = err_ok();
	int failed = parse_chain(&i->chain, chain_pem);
	if (failed)
		e = err_native(ERR_CERT_PARSE, failed);
	if (!failed && (failed = credential_parse_key(&i->key, key_pem)) != 0)
		e = err_native(ERR_KEY_PARSE, failed);
	if (!failed && (failed = mbedtls_pk_check_pair(
				&i->chain.pk, &i->key, credential_random, NULL)) != 0)
		e = err_native(ERR_KEY_MISMATCH, failed);
	if (failed)
		identity_free(i);
	else
		c->count++;
	return e;
}

size_t credential_count(const struct credential *c)
{
	return c->count;
}

size_t credential_chain(const struct credential *c, size_t i, struct slice *ders, size_t max)
{
	size_t n = 0;
	for (const mbedtls_x509_crt *crt = &c->items[i].chain; crt && crt->raw.p && n < max;
		crt = crt->next)
		ders[n++] = slice_of(crt->raw.p, crt->raw.len);
	return n;
}
