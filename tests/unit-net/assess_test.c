/* Tenants' credentials and authorities: read when needed, once, and forgotten in time. */
#include "base/mem.h"
#include "core/assess.h"
#include "lib/certs.h"
#include "lib/fake_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

static struct made ca, foreign_ca, leaf, ec, rsa;
static struct assessor *assessor;
static struct registry *registry;
static struct gate gate;

/* ---- the supervisor's end of the channel ---- */

static const char *files[CHANNEL_GATE_CA + 1];
static struct err faults[CHANNEL_GATE_CA + 1];
static unsigned reads[CHANNEL_GATE_CA + 1];

struct err channel_read_file(struct channel *c, const struct tenant *t, enum channel_file which,
	uint64_t deadline_ms, struct buf *out)
{
	(void)c;
	(void)t;
	assert_in_range(deadline_ms, 1, 1000); /* it blocks the worker */
	reads[which]++;
	if (err_is(faults[which]))
		return faults[which];
	return buf_append_str(out, files[which]);
}

static int set_up_all(void **state)
{
	(void)state;
	ca = make_certificate((struct made_as){.key = MADE_P256, .name = "ca.example", .ca = true});
	foreign_ca = make_certificate(
		(struct made_as){.key = MADE_P256, .name = "x.example", .ca = true});
	leaf = make_certificate(
		(struct made_as){.key = MADE_P256, .name = "bree.example", .issuer = &ca});
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	rsa = make_certificate((struct made_as){.key = MADE_RSA, .name = "shire.example"});
	return 0;
}

static int tear_down_all(void **state)
{
	struct made *all[] = {&ca, &foreign_ca, &leaf, &ec, &rsa};
	(void)state;
	for (size_t i = 0; i < 5; i++)
		made_free(all[i]);
	return 0;
}

static struct tenant *add_tenant(const char *domain, uint64_t version)
{
	struct tenant *t = MEM_NEW(struct tenant);
	t->refs = 1;
	t->version = version;
	t->certificate = mem_strdup("/c");
	t->key = mem_strdup("/k");
	assert_false(err_is(domain_parse(slice_str(domain), &t->domain)));
	struct tenant *taken_by = NULL;
	assert_true(registry_add(registry, t, &taken_by));
	tenant_release(t);
	return t; /* the registry's */
}

static int set_up(void **state)
{
	(void)state;
	memset(faults, 0, sizeof faults);
	memset(reads, 0, sizeof reads);
	files[CHANNEL_CERTIFICATE] = ec.chain_pem;
	files[CHANNEL_KEY] = ec.key_pem;
	files[CHANNEL_CERTIFICATE_2] = rsa.chain_pem;
	files[CHANNEL_KEY_2] = rsa.key_pem;
	files[CHANNEL_GATE_CA] = files[CHANNEL_TENANT_CA] = ca.chain_pem;
	assessor = assessor_new(1);
	registry = registry_new();
	gate = (struct gate){0};
	fake_wall_s = 1800000000;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assessor_free(assessor);
	registry_free(registry);
	return 0;
}

/* ---- credentials ---- */

static void a_credential_is_read_once_for_a_version(void **state)
{
	(void)state;
	struct err e;
	struct tenant *t = add_tenant("shire.example", 1);
	struct credential *c = assess_credential(assessor, NULL, t, &e);
	assert_non_null(c);
	assert_int_equal(credential_count(c), 1);
	for (int i = 0; i < 5; i++)
		assert_ptr_equal(assess_credential(assessor, NULL, t, &e), c);
	assert_int_equal(reads[CHANNEL_CERTIFICATE], 1);
	t->version = 2;
	t->certificate2 = mem_strdup("/c2");
	assert_int_equal(credential_count(assess_credential(assessor, NULL, t, &e)), 2);
	assert_int_equal(reads[CHANNEL_CERTIFICATE], 2);
	assert_int_equal(reads[CHANNEL_KEY_2], 1);
}

static void a_tenant_without_a_certificate_says_so(void **state)
{
	(void)state;
	struct err e;
	struct tenant *t = add_tenant("shire.example", 1);
	mem_free(t->certificate);
	t->certificate = NULL;
	assert_null(assess_credential(assessor, NULL, t, &e));
	assert_int_equal(e.code, ERR_TLS_CREDENTIAL);
	assert_int_equal(reads[CHANNEL_CERTIFICATE], 0);
}

static void a_file_that_is_wrong_is_not_read_again(void **state)
{
	(void)state;
	struct err e;
	struct tenant *t = add_tenant("shire.example", 1);
	files[CHANNEL_KEY] = rsa.key_pem;
	for (int i = 0; i < 3; i++) {
		assert_null(assess_credential(assessor, NULL, t, &e));
		assert_int_equal(e.code, ERR_KEY_MISMATCH);
		fake_wall_s += 100;
	}
	assert_int_equal(reads[CHANNEL_KEY], 1);
}

/* Each try may block for the deadline: not at every handshake. */
static void a_file_that_was_not_to_be_had_is_tried_again_after_a_while(void **state)
{
	(void)state;
	struct err e;
	struct tenant *t = add_tenant("shire.example", 1);
	faults[CHANNEL_KEY] = err_make(ERR_FILE);
	for (int i = 0; i < 10; i++) {
		assert_null(assess_credential(assessor, NULL, t, &e));
		assert_int_equal(e.code, ERR_FILE);
	}
	assert_int_equal(reads[CHANNEL_KEY], 1);
	faults[CHANNEL_KEY] = err_ok();
	fake_wall_s += 2;
	assert_non_null(assess_credential(assessor, NULL, t, &e));
	assert_false(err_is(e));
	/* F04: a clock that leaps back does not make us wait for it. */
	t->version = 2;
	faults[CHANNEL_KEY] = err_make(ERR_FILE);
	assert_null(assess_credential(assessor, NULL, t, &e));
	fake_wall_s -= 3600;
	faults[CHANNEL_KEY] = err_ok();
	assert_non_null(assess_credential(assessor, NULL, t, &e));
}

static void a_reload_forgets_whoever_is_gone_or_changed(void **state)
{
	(void)state;
	struct err e;
	struct tenant *stays = add_tenant("shire.example", 1);
	struct tenant *goes = add_tenant("bree.example", 1);
	struct tenant *changes = add_tenant("rohan.example", 1);
	struct credential *kept = assess_credential(assessor, NULL, stays, &e);
	(void)assess_credential(assessor, NULL, goes, &e);
	struct credential *shown = credential_hold(assess_credential(assessor, NULL, changes, &e));
	struct registry *before = registry;
	registry = registry_new();
	stays = add_tenant("shire.example", 1);
	changes = add_tenant("rohan.example", 2);
	assessor_forget(assessor, registry);
	registry_free(before);
	assert_int_equal(reads[CHANNEL_KEY], 3);
	assert_ptr_equal(assess_credential(assessor, NULL, stays, &e), kept);
	assert_int_equal(reads[CHANNEL_KEY], 3);
	(void)assess_credential(assessor, NULL, changes, &e);
	assert_int_equal(reads[CHANNEL_KEY], 4);
	/* The one that left took its key along: should it come back, it is read anew. */
	(void)assess_credential(assessor, NULL, add_tenant("bree.example", 1), &e);
	assert_int_equal(reads[CHANNEL_KEY], 5);
	/* A stream that shows the old one was its last holder: the key goes with it. */
	assert_int_equal(credential_count(shown), 1);
	credential_release(shown);
}

/* ---- chains ---- */

static struct worker worker;

static struct evidence judge(const struct tenant *t, const char *domain, bool shown)
{
	struct domain d;
	struct policy_case c;
	unsigned char *der = NULL;
	assert_false(err_is(domain_parse(slice_str(domain), &d)));
	int len = i2d_X509(leaf.cert, &der);
	struct slice chain[1] = {slice_of(der, (size_t)len)};
	worker.assessor = assessor;
	worker.gate = &gate;
	struct assess_question q = {.worker = &worker,
		.tenant = t,
		.chain = chain,
		.count = shown,
		.tls = true,
		.domain = &d};
	assess_evidence(&q, &c);
	OPENSSL_free(der);
	return c.of[PROOF_PKIX];
}

static enum err_code word(const struct tenant *t, const char *domain)
{
	return judge(t, domain, true).why.code;
}

static void a_chain_is_judged_by_the_tenants_and_the_gates_authorities(void **state)
{
	(void)state;
	struct tenant *t = add_tenant("shire.example", 1);
	fake_wall_s = made_now();
	assert_int_equal(word(t, "bree.example"), ERR_CERT_UNTRUSTED);
	t->ca_file = mem_strdup("/community");
	struct evidence e = judge(t, "bree.example", true);
	assert_int_equal(e.outcome, EVIDENCE_PROVES);
	assert_true(e.not_after > fake_wall_s);
	e = judge(t, "mordor.example", true);
	assert_int_equal(e.why.code, ERR_CERT_NAME);
	assert_non_null(strstr(e.detail, "bree.example")); /* for the log: what it is for */
	assert_int_equal(e.not_after, 0);
	assert_int_equal(reads[CHANNEL_TENANT_CA], 1);
	assert_int_equal(reads[CHANNEL_GATE_CA], 0);
	assert_int_equal(judge(t, "bree.example", false).why.code, ERR_CERT_NONE);
}

static void authorities_that_were_not_to_be_had_are_tried_again(void **state)
{
	(void)state;
	struct tenant *t = add_tenant("shire.example", 1);
	fake_wall_s = made_now();
	t->ca_file = mem_strdup("/community");
	gate.ca_file = (char *)(uintptr_t) "/gate";
	faults[CHANNEL_TENANT_CA] = faults[CHANNEL_GATE_CA] = err_make(ERR_FILE);
	for (int i = 0; i < 5; i++)
		assert_int_not_equal(word(t, "bree.example"), ERR_OK);
	assert_int_equal(reads[CHANNEL_TENANT_CA], 1);
	assert_int_equal(reads[CHANNEL_GATE_CA], 1);
	faults[CHANNEL_TENANT_CA] = err_ok();
	fake_wall_s += 2;
	assert_int_equal(word(t, "bree.example"), ERR_OK);
}

static void a_reload_reads_the_gates_authorities_anew(void **state)
{
	(void)state;
	struct tenant *t = add_tenant("shire.example", 1);
	fake_wall_s = made_now();
	gate.ca_file = (char *)(uintptr_t) "/gate";
	files[CHANNEL_GATE_CA] = foreign_ca.chain_pem;
	assert_int_equal(word(t, "bree.example"), ERR_CERT_UNTRUSTED);
	files[CHANNEL_GATE_CA] = ca.chain_pem;
	assert_int_equal(word(t, "bree.example"), ERR_CERT_UNTRUSTED);
	assessor_forget(assessor, registry);
	/* ID-7: a public authority's certificate must state its purpose, a community's need not. */
	assert_int_equal(word(t, "bree.example"), ERR_CERT_PURPOSE);
	assert_int_equal(reads[CHANNEL_GATE_CA], 2);
}

static void a_proof_gives_its_level(void **state)
{
	(void)state;
	/* M-3, DB-13 */
	assert_int_equal(level_of_proof(PROOF_EXTERNAL, true), LEVEL_TRUSTED);
	assert_int_equal(level_of_proof(PROOF_CERTIFICATE, true), LEVEL_TRUSTED);
	assert_int_equal(level_of_proof(PROOF_DIALBACK, true), LEVEL_SECURE);
	assert_int_equal(level_of_proof(PROOF_DIALBACK, false), LEVEL_VERIFIED);
	assert_int_equal(level_of_proof(PROOF_NONE, true), LEVEL_NONE);
}

#define ASSESS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	log_setup(STDERR_FILENO, LOG_LOGFMT, LOG_ERROR, "test", 0);
	const struct CMUnitTest tests[] = {
		ASSESS_TEST(a_credential_is_read_once_for_a_version),
		ASSESS_TEST(a_tenant_without_a_certificate_says_so),
		ASSESS_TEST(a_file_that_is_wrong_is_not_read_again),
		ASSESS_TEST(a_file_that_was_not_to_be_had_is_tried_again_after_a_while),
		ASSESS_TEST(a_reload_forgets_whoever_is_gone_or_changed),
		ASSESS_TEST(a_chain_is_judged_by_the_tenants_and_the_gates_authorities),
		ASSESS_TEST(authorities_that_were_not_to_be_had_are_tried_again),
		ASSESS_TEST(a_reload_reads_the_gates_authorities_anew),
		ASSESS_TEST(a_proof_gives_its_level),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
