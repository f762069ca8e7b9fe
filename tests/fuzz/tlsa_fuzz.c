/* TLSA records (each behind its length in one byte; 0 ends them, 255 stands for 1020), then a chain
 * in DER. Seeds are made of tests/lab/certs/make_corpus.py's chains. */
#include "trust/tlsa.h"

#include <assert.h>
#include <string.h>

enum { CERTS_MAX = 10, NOW = 1772366400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice cut(struct slice *rest, size_t n)
{
	struct slice head = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, head.len, rest->len);
	return head;
}

/* One element of DER, or all that is left. */
static struct slice take_der(struct slice *rest)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	size_t len = rest->len;
	if (rest->len >= 4 && p[0] == 0x30 && p[1] == 0x82)
		len = 4 + ((size_t)p[2] << 8 | p[3]);
	return cut(rest, len);
}

static void take_records(struct slice *rest, struct tlsa_set *set)
{
	memset(set, 0, sizeof *set);
	for (size_t n = 0, sum = 0; rest->len; n++) {
		size_t len = (unsigned char)*cut(rest, 1).ptr;
		if (len == 0)
			break;
		tlsa_add(set, cut(rest, len == 255 ? 1020 : len));
		assert(set->count <= TLSA_RECORDS_MAX && set->count + set->unusable <= n + 1);
		assert(set->count + set->unusable >= sum);
		sum = set->count + set->unusable;
	}
}

/* RFC 7671 9, and every record is one that may be used. */
static void is_settled(const struct tlsa_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct tlsa_record *a = &set->records[i];
		assert(a->usage <= 3 && a->selector <= 1 && a->mtype <= 2);
		assert(a->len == (a->mtype == 2 ? 64 : 32));
		for (size_t k = 0; k < set->count; k++) {
			const struct tlsa_record *b = &set->records[k];
			assert(a->usage != b->usage || a->selector != b->selector ||
				a->mtype != 1 || b->mtype != 2);
		}
	}
}

/* A record that matched is of the set; of usage 3 it is of the leaf, and no matter what else is
 * there, a leaf with its own record is proven. */
static void is_right(
	const struct tlsa_set *set, const struct tlsa_question *q, const struct tlsa_match *m)
{
	struct cert_facts leaf;
	struct tlsa_record own;
	bool listed = false;
	for (size_t i = 0; i < set->count; i++)
		listed |= memcmp(&set->records[i], &m->record, sizeof m->record) == 0;
	assert(err_is(m->e) || listed);
	assert(err_is(m->e) || (m->record.usage == 3) == (m->not_after == 0));
	if (err_is(cert_read(q->chain[0], &leaf)) || leaf.weak_key)
		return;
	assert(tlsa_of_leaf(q->chain[0], &own));
	assert(memcmp(own.data, leaf.spki_sha256, sizeof leaf.spki_sha256) == 0);
	struct tlsa_set with = {.count = 1, .records = {own}};
	for (size_t i = 0; i < set->count && with.count < TLSA_RECORDS_MAX; i++)
		with.records[with.count++] = set->records[i];
	assert(with.count >= 1 && with.count <= TLSA_RECORDS_MAX);
	struct tlsa_match again = tlsa_judge(&with, q);
	assert(!err_is(again.e) && again.record.usage == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), chain[CERTS_MAX];
	struct tlsa_set set;
	struct tlsa_question q = {.chain = chain, .now = NOW};
	struct err e;
	take_records(&rest, &set);
	tlsa_settle(&set);
	is_settled(&set);
	while (rest.len && q.count < CERTS_MAX)
		chain[q.count++] = take_der(&rest);
	if (q.count == 0)
		return 0;
	assert(!err_is(domain_parse(SLICE_LIT("shire.example"), &q.names[0])));
	struct cert_set *anchor = cert_set_of(chain[q.count - 1], &e);
	assert((anchor == NULL) == err_is(e));
	q.sets[1] = anchor;
	struct tlsa_match out = tlsa_judge(&set, &q);
	is_right(&set, &q, &out);
	q.only_3_and_2 = true;
	struct tlsa_match in = tlsa_judge(&set, &q);
	is_right(&set, &q, &in);
	assert(err_is(in.e) || (!err_is(out.e) && in.record.usage >= 2));
	cert_set_release(anchor);
	return 0;
}
