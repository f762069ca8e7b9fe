#include "core/assess_inside.h"

#include "base/map.h"
#include "base/mem.h"
#include "core/worker_inside.h"
#include "keys/makecert.h"
#include "trust/pem.h"

#include <errno.h>
#include <string.h>

enum {
	READ_DEADLINE_MS = 500,
	PEM_MAX = 256 * 1024,
	CA_MAX = 16 * 1024 * 1024,
	AGAIN_S = 2, /* a file that could not be had may be there by then */
};

/* Whether a file was read. One that is wrong is not read again before it changes; one that could
 * not be had (a deadline passed, it is just being replaced) is, but not for every handshake. */
struct attempt {
	bool made, again;
	int64_t at_s;
};

/* One tenant's parsed files, or why they cannot be used. */
struct kept {
	uint64_t version; /* of the tenant they were read for */
	struct credential *credential;
	struct err credential_error;
	struct cert_set *own_cas;
	struct attempt at_credential, at_cas;
};

struct assessor {
	struct map *kept; /* tenant domain -> struct kept */
	struct cert_set *gate_cas;
	struct attempt at_gate;
};

static bool is_due(const struct attempt *a)
{
	/* F04: a clock that leaps back must not make us wait for it. */
	int64_t since = worker_wall_s() - a->at_s;
	return !a->made || (a->again && (since >= AGAIN_S || since < 0));
}

static void note_attempt(struct attempt *a, struct err e)
{
	a->made = true;
	a->again = e.code == ERR_FILE;
	a->at_s = worker_wall_s();
}

static const char *todo(struct err e)
{
	return e.code == ERR_FILE && e.native == ESTALE
		       ? "the file was replaced since it was checked; reload to serve it"
		       : NULL;
}

struct assessor *assessor_new(uint64_t seed)
{
	struct assessor *a = MEM_NEW(struct assessor);
	a->kept = map_new(seed);
	return a;
}

static void kept_reset(struct kept *k)
{
	credential_release(k->credential);
	cert_set_release(k->own_cas);
	*k = (struct kept){0};
}

void assessor_free(struct assessor *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < map_count(a->kept); i++) {
		struct kept *k = map_value_at(a->kept, i);
		kept_reset(k);
		mem_free(k);
	}
	map_free(a->kept);
	cert_set_release(a->gate_cas);
	mem_free(a);
}

static bool is_current(const struct kept *k, struct slice domain, const struct registry *now)
{
	struct domain d = {.len = (uint8_t)domain.len};
	memcpy(d.name, domain.ptr, domain.len);
	const struct tenant *t = registry_find(now, &d);
	return t && t->version == k->version;
}

void assessor_forget(struct assessor *a, const struct registry *now)
{
	/* A tenant that is gone takes its keys along, as soon as no stream shows them any more. */
	for (size_t i = map_count(a->kept); i-- > 0;) {
		struct slice domain = map_key_at(a->kept, i);
		struct kept *k = map_value_at(a->kept, i);
		if (is_current(k, domain, now))
			continue;
		map_remove(a->kept, domain);
		kept_reset(k);
		mem_free(k);
	}
	cert_set_release(a->gate_cas);
	a->gate_cas = NULL;
	a->at_gate = (struct attempt){0};
}

static struct kept *kept_for(struct assessor *a, const struct tenant *t)
{
	struct kept *k = map_get(a->kept, domain_slice(&t->domain));
	if (!k) {
		k = MEM_NEW(struct kept);
		map_put(a->kept, domain_slice(&t->domain), k);
	}
	if (k->version != t->version)
		kept_reset(k);
	k->version = t->version;
	return k;
}

static bool is_alone(struct slice chain_pem)
{
	struct buf der;
	struct slice label;
	struct err e;
	buf_init(&der, PEM_MAX);
	size_t count = 0;
	while (count < 2 && pem_next(&chain_pem, &label, &der, &e))
		count++;
	buf_fini(&der);
	return count == 1;
}

/* To whoever looks up TLSA records `3 1 1` the host's key says all (RFC 7671 5.1). Some look for
 * the domain's name in the certificate even so (Prosody 0.12 and 13, dialling), and the host's
 * names the host. So a DANE tenant shows a certificate of its own over that key, unless an
 * authority stands behind the host's. */
struct err assess_name_chain(const struct tenant *t, struct slice key_pem, struct buf *chain_pem)
{
	if (t->proof != TENANT_DANE || !is_alone(buf_peek(chain_pem)))
		return err_ok();
	struct makecert_wish wish = {.now = worker_wall_s()};
	size_t all = 1 + t->further.count;
	const struct domain **names = mem_alloc(all * sizeof *names);
	names[wish.count++] = &t->domain;
	while (wish.count < all) {
		names[wish.count] = &t->further.items[wish.count - 1];
		wish.count++;
	}
	wish.names = names;
	buf_clear(chain_pem);
	struct err e = makecert_for(&wish, key_pem, chain_pem);
	mem_free(names);
	return e;
}

static struct err add_pair(struct credential *c, struct channel *channel, const struct tenant *t,
	enum channel_file certificate, enum channel_file key)
{
	struct buf chain_pem, key_pem;
	buf_init(&chain_pem, PEM_MAX);
	buf_init(&key_pem, PEM_MAX);
	key_pem.secret = true;
	struct err e = channel_read_file(channel, t, certificate, READ_DEADLINE_MS, &chain_pem);
	if (!err_is(e))
		e = channel_read_file(channel, t, key, READ_DEADLINE_MS, &key_pem);
	if (!err_is(e))
		e = assess_name_chain(t, buf_peek(&key_pem), &chain_pem);
	if (!err_is(e))
		e = credential_add(c, buf_peek(&chain_pem), buf_peek(&key_pem));
	buf_fini(&chain_pem);
	buf_fini(&key_pem);
	return e;
}

static struct err read_credential(struct kept *k, struct channel *channel, const struct tenant *t)
{
	if (!t->certificate)
		return err_make(ERR_TLS_CREDENTIAL);
	k->credential = credential_new();
	struct err e = add_pair(k->credential, channel, t, CHANNEL_CERTIFICATE, CHANNEL_KEY);
	if (!err_is(e) && t->certificate2)
		e = add_pair(k->credential, channel, t, CHANNEL_CERTIFICATE_2, CHANNEL_KEY_2);
	if (err_is(e)) {
		credential_release(k->credential);
		k->credential = NULL;
		char name[DOMAIN_UNICODE_MAX + 1];
		log_reason(e, "credential", log_s("tenant", domain_unicode(&t->domain, name)),
			log_c("file", t->certificate), log_c("todo", todo(e)), log_end());
	}
	return e;
}

struct credential *assess_credential(
	struct assessor *a, struct channel *channel, const struct tenant *t, struct err *e)
{
	struct kept *k = kept_for(a, t);
	if (is_due(&k->at_credential)) {
		k->credential_error = read_credential(k, channel, t);
		note_attempt(&k->at_credential, k->credential_error);
	}
	*e = k->credential_error;
	return k->credential;
}

static struct cert_set *read_cas(struct channel *channel, const struct tenant *t,
	enum channel_file which, struct attempt *attempt)
{
	struct buf pem;
	struct cert_set *set = NULL;
	buf_init(&pem, CA_MAX);
	struct err e = channel_read_file(channel, t, which, READ_DEADLINE_MS, &pem);
	if (!err_is(e))
		set = cert_set_new(buf_peek(&pem), NULL, &e);
	buf_fini(&pem);
	if (err_is(e))
		log_reason(e, "authorities", log_c("of", t ? "tenant" : "gate"),
			log_s("tenant", t ? domain_slice(&t->domain) : SLICE_NONE),
			log_c("todo", todo(e)), log_end());
	note_attempt(attempt, e);
	return set;
}

const struct cert_set *assess_gate_cas(struct worker *w)
{
	struct assessor *a = w->assessor;
	if (is_due(&a->at_gate) && w->gate->ca_file && *w->gate->ca_file)
		a->gate_cas = read_cas(w->channel, NULL, CHANNEL_GATE_CA, &a->at_gate);
	return a->gate_cas;
}

const struct cert_set *assess_tenant_cas(struct worker *w, const struct tenant *t)
{
	struct kept *k = kept_for(w->assessor, t);
	if (is_due(&k->at_cas) && t->ca_file)
		k->own_cas = read_cas(w->channel, t, CHANNEL_TENANT_CA, &k->at_cas);
	return k->own_cas;
}

enum level level_of_proof(enum pair_proof proof, bool tls)
{
	switch (proof) {
	case PROOF_EXTERNAL:
	case PROOF_CERTIFICATE:
		return LEVEL_TRUSTED;
	case PROOF_DIALBACK:
		return tls ? LEVEL_SECURE : LEVEL_VERIFIED; /* DB-13 */
	case PROOF_BACKEND:
	case PROOF_NONE:
		break;
	}
	return LEVEL_NONE;
}
