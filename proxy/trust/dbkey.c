#include "trust/dbkey.h"

#include "base/b64.h"
#include "base/mem.h"

#include <mbedtls/md.h>
#include <mbedtls/sha256.h>

#include <string.h>

static void hmac(const unsigned char *key, size_t key_len, const struct slice *parts, size_t count,
	char out[DBKEY_TEXT_LEN + 1])
{
	unsigned char mac[32];
	mbedtls_md_context_t ctx;
	mbedtls_md_init(&ctx);
	(void)mbedtls_md_setup(&ctx, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1);
	(void)mbedtls_md_hmac_starts(&ctx, key, key_len);
	for (size_t i = 0; i < count; i++)
		(void)mbedtls_md_hmac_update(
			&ctx, (const unsigned char *)parts[i].ptr, parts[i].len);
	(void)mbedtls_md_hmac_finish(&ctx, mac);
	mbedtls_md_free(&ctx);
	hex_encode(mac, sizeof mac, out);
	mem_wipe(mac, sizeof mac);
}

/* Four bytes, big-endian: with its length in front, no field can run into its neighbour. */
static struct slice length_of(struct slice field, unsigned char out[4])
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(field.len >> (24 - 8 * i));
	return slice_of(out, 4);
}

void dbkey_make(const struct dbkey_secret *secret, enum dbkey_label label, const struct domain *to,
	const struct domain *from, struct slice id, char out[DBKEY_TEXT_LEN + 1])
{
	unsigned char lengths[3][4];
	struct slice fields[3] = {domain_slice(to), domain_slice(from), id};
	struct slice parts[7];
	parts[0] = label == DBKEY_IN ? SLICE_LIT("fedgate dialback in")
				     : SLICE_LIT("fedgate dialback out");
	for (size_t i = 0; i < 3; i++) {
		parts[1 + 2 * i] = length_of(fields[i], lengths[i]);
		parts[2 + 2 * i] = fields[i];
	}
	hmac(secret->bytes, sizeof secret->bytes, parts, 7, out);
}

bool dbkey_check(const struct dbkey_secret *secret, enum dbkey_label label, const struct domain *to,
	const struct domain *from, struct slice id, struct slice key)
{
	char want[DBKEY_TEXT_LEN + 1];
	dbkey_make(secret, label, to, from, id, want);
	bool same = slice_eq_secret(slice_of(want, DBKEY_TEXT_LEN), key);
	mem_wipe(want, sizeof want);
	return same;
}

void dbkey_xep0185(struct slice secret, struct slice to, struct slice from, struct slice id,
	char out[DBKEY_TEXT_LEN + 1])
{
	unsigned char hash[32];
	char hex[DBKEY_TEXT_LEN + 1];
	struct slice parts[5] = {to, SLICE_LIT(" "), from, SLICE_LIT(" "), id};
	(void)mbedtls_sha256((const unsigned char *)secret.ptr, secret.len, hash, 0);
	/* DB-5: the HMAC key is the hexadecimal text, not the bytes. */
	hex_encode(hash, sizeof hash, hex);
	hmac((const unsigned char *)hex, DBKEY_TEXT_LEN, parts, 5, out);
	mem_wipe(hash, sizeof hash);
	mem_wipe(hex, sizeof hex);
}
