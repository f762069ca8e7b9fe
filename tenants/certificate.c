#include "tenants/certificate.h"

#include "tenants/load.h"
#include "trust/identity.h"
#include "trust/keymatch.h"
#include "trust/pem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	PEM_MAX_BYTES = 2 * CERT_CHAIN_MAX_BYTES,
	BUNDLE_MAX_BYTES = 1 << 23,
	DAY = 86400,
	WARN_DAYS = 14,
	NAMES_SHOWN = 5,
};

struct chain {
	struct buf text;
	struct buf der; /* all certificates, one behind the other */
	size_t ends[CERT_CHAIN_MAX];
	size_t count;
};

static struct slice chain_at(const struct chain *c, size_t i)
{
	return slice_sub(buf_peek(&c->der), i ? c->ends[i - 1] : 0, c->ends[i]);
}

static void format_date(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(out, 32, "an unknown date");
}

/* --- reading --- */

static bool read_text(const char *path, struct place at, size_t max, struct buf *out,
	struct file_id *id, struct faults *faults)
{
	struct err e = file_read(path, max, out, id);
	if (err_is(e))
		fault_add(faults, at, "%s: %s", path, file_why(e));
	return !err_is(e);
}

static bool split_chain(struct chain *c, const char *path, struct place at, struct faults *faults)
{
	struct slice rest = buf_peek(&c->text), label;
	struct buf der;
	struct err e;
	bool key_seen = false, fits = true;
	buf_init(&der, CERT_CHAIN_MAX_BYTES);
	der.secret = true; /* people do put keys into these files */
	while (pem_next(&rest, &label, &der, &e)) {
		key_seen = key_seen || slice_eq_str(label, "PRIVATE KEY");
		if (!slice_eq_str(label, "CERTIFICATE"))
			continue;
		fits = c->count < CERT_CHAIN_MAX && !err_is(buf_append(&c->der, buf_peek(&der)));
		if (!fits)
			break;
		c->ends[c->count++] = buf_len(&c->der);
	}
	buf_fini(&der);
	if (err_is(e))
		fault_add(faults, at, "%s: a PEM block is broken", path);
	else if (!fits)
		fault_add(faults, at, "%s: the chain has more than %d certificates", path,
			CERT_CHAIN_MAX);
	else if (c->count == 0 && key_seen)
		fault_add(faults, at, "%s: holds a key, no certificate; were the two exchanged?",
			path);
	else if (c->count == 0)
		fault_add(faults, at, "%s: holds no certificate in PEM", path);
	return fits && !err_is(e) && c->count;
}

static bool read_leaf(const struct chain *c, const struct certificate_pair *p,
	struct cert_facts *facts, struct faults *faults)
{
	struct err e = cert_read(chain_at(c, 0), facts);
	if (err_is(e))
		fault_add(faults, p->chain_at, "%s: the first certificate cannot be used: %s",
			p->chain_path, err_row(e.code)->sentence);
	return !err_is(e);
}

/* --- judging --- */

/* Warned about two weeks before the end, or with a third of its life left if it lives shorter. */
static void judge_dates(const struct cert_facts *facts, const struct certificate_pair *p,
	int64_t now, struct faults *faults)
{
	char date[32];
	int64_t third = (facts->not_after - facts->not_before) / 3;
	const int64_t usual = (int64_t)WARN_DAYS * DAY;
	int64_t early = third < usual ? third : usual;
	format_date(now < facts->not_before ? facts->not_before : facts->not_after, date);
	if (now < facts->not_before)
		fault_add(faults, p->chain_at, "%s: is not valid before %s", p->chain_path, date);
	else if (now > facts->not_after)
		fault_add(faults, p->chain_at, "%s: has expired on %s; renew it", p->chain_path,
			date);
	else if (facts->not_after - now < early)
		fault_warn(faults, p->chain_at, "%s: expires on %s", p->chain_path, date);
}

static void add_name(char *list, size_t size, const struct domain *d, size_t missing)
{
	size_t len = strlen(list);
	if (missing <= NAMES_SHOWN)
		snprintf(list + len, size - len, "%s%s", missing > 1 ? ", " : "", d->name);
	else if (missing == NAMES_SHOWN + 1)
		snprintf(list + len, size - len, " and others");
}

static void judge_names(const struct cert_facts *facts, const struct tenant *t,
	const struct certificate_pair *p, struct faults *faults)
{
	char list[600] = "";
	size_t missing = 0;
	for (size_t i = 0; i <= t->further.count; i++) {
		const struct domain *d = i ? &t->further.items[i - 1] : &t->domain;
		if (!identity_matches(facts, d, true, NULL))
			add_name(list, sizeof list, d, ++missing);
	}
	if (missing)
		fault_warn(faults, p->chain_at,
			"%s: does not name %s; other servers will ask back (dialback) or refuse",
			p->chain_path, list);
}

static void judge_purpose(
	const struct cert_facts *facts, const struct certificate_pair *p, struct faults *faults)
{
	if (facts->is_ca)
		fault_warn(faults, p->chain_at,
			"%s: is the certificate of an authority (CA); other servers refuse it",
			p->chain_path);
	else if (facts->has_eku && !facts->eku_server && !facts->eku_any)
		fault_warn(faults, p->chain_at,
			"%s: is not meant for servers (extended key usage); others refuse it",
			p->chain_path);
}

static void judge_leaf(const struct cert_facts *facts, const struct tenant *t,
	const struct certificate_pair *p, int64_t now, struct faults *faults)
{
	judge_dates(facts, p, now, faults);
	judge_purpose(facts, p, faults);
	/* POSH-5, RFC 7671 5.1: who is proven by a document or by DANE needs no name in it. */
	if (t->proof == TENANT_CERTIFICATE)
		judge_names(facts, t, p, faults);
}

/* Which certificate of the chain the key belongs to, if not the first; 0: none. */
static size_t owner_of_key(const struct chain *c, struct slice key_pem)
{
	struct cert_facts facts;
	for (size_t i = 1; i < c->count; i++) {
		if (!err_is(cert_read(chain_at(c, i), &facts)) &&
			!err_is(key_matches(key_pem, facts.spki_sha256, false)))
			return i;
	}
	return 0;
}

static void report_key(
	struct slice pem, struct err e, const struct certificate_pair *p, struct faults *faults)
{
	if (key_is_encrypted(pem))
		fault_add(faults, p->key_at,
			"%s: is encrypted; remove the passphrase: openssl pkey -in %s", p->key_path,
			p->key_path);
	else if (e.code == ERR_KEY_PARSE)
		fault_add(faults, p->key_at, "%s: holds no private key that can be read",
			p->key_path);
	else if (err_is(e))
		fault_add(faults, p->key_at, "%s: does not belong to the certificate in %s",
			p->key_path, p->chain_path);
}

/* False when the key belongs to a certificate further down: then the first one is not the tenant's,
 * and what could be said about it would mislead. */
static bool judge_key(const struct chain *c, const struct cert_facts *facts,
	const struct certificate_pair *p, bool deep, struct faults *faults)
{
	struct buf text;
	bool misplaced = false;
	buf_init(&text, KEY_MAX_BYTES);
	text.secret = true;
	if (read_text(p->key_path, p->key_at, KEY_MAX_BYTES, &text, p->key_id, faults)) {
		struct slice pem = buf_peek(&text);
		struct err e = key_matches(pem, facts->spki_sha256, deep);
		misplaced = e.code == ERR_KEY_MISMATCH && owner_of_key(c, pem);
		if (misplaced)
			fault_add(faults, p->chain_at,
				"%s: the certificate of the key must come first in the file",
				p->chain_path);
		else
			report_key(pem, e, p, faults);
	}
	buf_fini(&text);
	return !misplaced;
}

/* --deep: what strangers will think of the chain. */
static void judge_chain(const struct chain *c, const struct certificate_pair *p,
	const struct certificate_rules *rules, bool by_authority, struct faults *faults)
{
	struct cert_facts facts;
	for (size_t i = 1; i < c->count; i++) {
		if (!chain_follows(chain_at(c, i - 1), chain_at(c, i))) {
			fault_add(faults, p->chain_at,
				"%s: certificate %zu did not issue certificate %zu; order: leaf, "
				"then "
				"each issuer",
				p->chain_path, i + 1, i);
			return;
		}
		struct err e = cert_read(chain_at(c, i), &facts);
		if (err_is(e) || !facts.is_ca) {
			fault_add(faults, p->chain_at,
				"%s: certificate %zu is no authority's certificate", p->chain_path,
				i + 1);
			return;
		}
	}
	if (!rules->authorities || !by_authority)
		return;
	struct slice ders[CERT_CHAIN_MAX];
	for (size_t i = 0; i < c->count; i++)
		ders[i] = chain_at(c, i);
	struct cert_rules judged = {.require_eku = true};
	struct err e =
		cert_judge(ders, c->count, rules->authorities, &judged, rules->now, &facts, NULL);
	if (err_is(e))
		fault_warn(faults, p->chain_at, "%s: other servers may refuse it: %s",
			p->chain_path, err_row(e.code)->sentence);
}

void certificate_judge(const struct certificate_pair *p, const struct tenant *t,
	const struct certificate_rules *rules, struct faults *faults)
{
	struct chain chain = {.count = 0};
	struct cert_facts facts;
	buf_init(&chain.text, PEM_MAX_BYTES);
	chain.text.secret = true;
	buf_init(&chain.der, CERT_CHAIN_MAX_BYTES);
	if (read_text(
		    p->chain_path, p->chain_at, PEM_MAX_BYTES, &chain.text, p->chain_id, faults) &&
		split_chain(&chain, p->chain_path, p->chain_at, faults) &&
		read_leaf(&chain, p, &facts, faults)) {
		bool first = judge_key(&chain, &facts, p, rules->deep, faults);
		if (first)
			judge_leaf(&facts, t, p, rules->now, faults);
		if (first && rules->deep)
			judge_chain(&chain, p, rules, t->proof == TENANT_CERTIFICATE, faults);
	}
	buf_fini(&chain.text);
	buf_fini(&chain.der);
}

struct cert_set *certificate_authorities(
	const char *path, struct place at, struct file_id *id, struct faults *faults)
{
	struct buf text;
	struct cert_set *set = NULL;
	buf_init(&text, BUNDLE_MAX_BYTES);
	if (read_text(path, at, BUNDLE_MAX_BYTES, &text, id, faults)) {
		struct err e;
		size_t skipped = 0;
		set = cert_set_new(buf_peek(&text), &skipped, &e);
		if (!set)
			fault_add(faults, at, "%s: holds no authority's certificate in PEM", path);
		else if (skipped)
			fault_warn(faults, at, "%s: %zu of its certificates cannot be read", path,
				skipped);
	}
	buf_fini(&text);
	return set;
}
