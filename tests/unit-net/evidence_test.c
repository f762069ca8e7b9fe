/* What was shown and what is known become evidence: every kind by itself (protocol sheet 14.1). */
#include "base/b64.h"
#include "base/mem.h"
#include "core/assess.h"
#include "core/renewal.h"
#include "lib/certs.h"
#include "lib/fake_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { MOST = 5 };

/* By number: names bree.example under the CA; names target.example; self-signed; expired under the
 * CA; expired and self-signed. */
enum { BREE, TARGET, OWN, OLD, OLD_OWN };
static struct made ca, made[MOST];
static unsigned char *der[MOST];
static struct slice chains[MOST];
static struct worker worker;
static struct gate gate;
static struct tenant tenant;
static struct domain bree, target;
static struct tlsa_set matching[MOST], other_set, useless, first_usage;

struct err channel_read_file(struct channel *c, const struct tenant *t, enum channel_file which,
	uint64_t deadline_ms, struct buf *out)
{
	(void)c;
	(void)t;
	(void)which;
	(void)deadline_ms;
	return buf_append_str(out, ca.chain_pem);
}

static void make(int i, struct made_as as)
{
	as.key = MADE_P256;
	made[i] = make_certificate(as);
	int len = i2d_X509(made[i].cert, &der[i]);
	chains[i] = slice_of(der[i], (size_t)len);
	struct tlsa_record r;
	assert_true(tlsa_of_leaf(chains[i], &r));
	matching[i] = (struct tlsa_set){.count = 1, .records = {r}};
}

static int set_up_all(void **state)
{
	(void)state;
	ca = make_certificate((struct made_as){.key = MADE_P256, .name = "ca.example", .ca = true});
	make(BREE, (struct made_as){.name = "bree.example", .issuer = &ca});
	make(TARGET, (struct made_as){.name = "target.example", .issuer = &ca});
	make(OWN, (struct made_as){.name = "somebody.example"});
	make(OLD, (struct made_as){.name = "bree.example", .issuer = &ca, .days = -1});
	make(OLD_OWN, (struct made_as){.name = "somebody.example", .days = -1});
	other_set = matching[BREE];
	other_set.records[0].data[0] ^= 1;
	first_usage = matching[BREE];
	first_usage.records[0].usage = 1;
	useless = (struct tlsa_set){.unusable = 3};
	(void)domain_parse(SLICE_LIT("bree.example"), &bree);
	(void)domain_parse(SLICE_LIT("target.example"), &target);
	fake_wall_s = made_now();
	tenant.ca_file = mem_strdup("/community");
	(void)domain_parse(SLICE_LIT("shire.example"), &tenant.domain);
	worker.assessor = assessor_new(1);
	worker.gate = &gate;
	return 0;
}

static int tear_down_all(void **state)
{
	(void)state;
	assessor_free(worker.assessor);
	mem_free(tenant.ca_file);
	for (int i = 0; i < MOST; i++) {
		OPENSSL_free(der[i]);
		made_free(&made[i]);
	}
	made_free(&ca);
	return 0;
}

static struct assess_question asking(const struct slice *chain)
{
	return (struct assess_question){.worker = &worker,
		.tenant = &tenant,
		.chain = chain,
		.count = chain ? 1 : 0,
		.tls = true,
		.domain = &bree,
		.by_asking = EVIDENCE_NONE};
}

static struct policy_case gather(const struct assess_question *q)
{
	struct policy_case c;
	assess_evidence(q, &c);
	return c;
}

static void expect(const struct evidence *e, enum evidence_outcome outcome, enum err_code why)
{
	assert_int_equal(e->outcome, outcome);
	assert_int_equal(e->why.code, why);
}

/* ---- PKIX ---- */

/* DANE-3, DNS-5, D03; RFC 7673 4.1: {R}, or {R, H} where the SRV record is secure. */
static void the_target_is_a_name_of_the_peer_only_where_dnssec_says_so(void **state)
{
	(void)state;
	struct dial_endpoint at = {.dane = {ERR_DANE_NONE, 0}, .ttl = 7200};
	for (int secure = 0; secure < 2; secure++) {
		struct assess_question q = asking(&chains[TARGET]);
		at.target = secure ? target : (struct domain){0};
		q.reached = &at;
		struct policy_case c = gather(&q);
		const struct evidence *e = &c.of[PROOF_PKIX];
		expect(e, secure ? EVIDENCE_PROVES : EVIDENCE_FAILS,
			secure ? ERR_OK : ERR_CERT_NAME);
		assert_int_equal(e->secure, secure);
		assert_string_equal(e->detail, "target.example");
		/* It rests on the record, and ends with it. */
		assert_int_equal(e->not_after, secure ? fake_wall_s + 7200 : 0);
	}
	struct assess_question q = asking(&chains[TARGET]); /* it came to us */
	expect(&gather(&q).of[PROOF_PKIX], EVIDENCE_FAILS, ERR_CERT_NAME);
	q = asking(&chains[BREE]);
	q.reached = &at;
	struct policy_case c = gather(&q);
	assert_int_equal(c.of[PROOF_PKIX].outcome, EVIDENCE_PROVES);
	assert_false(c.of[PROOF_PKIX].secure); /* its own name needs nobody */
	assert_true(c.of[PROOF_PKIX].not_after > fake_wall_s + 7200);
}

/* ---- DANE, dialling ---- */

static void what_dns_says_of_the_endpoint_is_the_evidence(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		int chain;
		enum err_code dane;
		const struct tlsa_set *set;
		enum evidence_outcome outcome;
		enum err_code why;
		const char *detail; /* DANE-10 */
	} rows[] = {
		{"a match", OWN, ERR_OK, &matching[OWN], EVIDENCE_PROVES, ERR_OK, "match 3 1 1"},
		{"a match, expired (7671 5.1)", OLD_OWN, ERR_OK, &matching[OLD_OWN],
			EVIDENCE_PROVES, ERR_OK, "match 3 1 1"},
		{"a mismatch though PKIX is fine", BREE, ERR_OK, &other_set, EVIDENCE_FORBIDS,
			ERR_DANE_MISMATCH, "mismatch"},
		{"a constraint, fulfilled", BREE, ERR_OK, &first_usage, EVIDENCE_PROVES, ERR_OK,
			"match 1 1 1"},
		{"nothing usable", BREE, ERR_OK, &useless, EVIDENCE_NONE, ERR_DANE_UNUSABLE,
			"unusable"},
		{"unusable, as dial knows", BREE, ERR_DANE_UNUSABLE, NULL, EVIDENCE_NONE,
			ERR_DANE_UNUSABLE, "unusable"},
		{"none", BREE, ERR_DANE_NONE, NULL, EVIDENCE_NONE, ERR_DANE_NONE, "none"},
		{"insecure", BREE, ERR_DANE_INSECURE, NULL, EVIDENCE_NONE, ERR_DANE_INSECURE,
			"insecure"},
		{"not to be had", BREE, ERR_DANE_FAILED, NULL, EVIDENCE_FORBIDS, ERR_DANE_FAILED,
			"failed"},
		{"bogus", BREE, ERR_DNS_BOGUS, NULL, EVIDENCE_FORBIDS, ERR_DNS_BOGUS, "bogus"},
		{"DNS does not answer", BREE, ERR_DNS_TIMEOUT, NULL, EVIDENCE_FAILS,
			ERR_DNS_TIMEOUT, "failed"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dial_endpoint at = {.target = target,
			.base = target,
			.dane = err_make(rows[i].dane),
			.tlsa = rows[i].set,
			.ttl = 60};
		struct assess_question q = asking(&chains[rows[i].chain]);
		print_message("           %s\n", rows[i].title);
		q.reached = &at;
		struct policy_case c = gather(&q);
		expect(&c.of[PROOF_DANE], rows[i].outcome, rows[i].why);
		assert_string_equal(c.of[PROOF_DANE].detail, rows[i].detail);
		/* DANE-9: records are looked at again in an hour, whatever their TTL below. */
		if (rows[i].outcome == EVIDENCE_PROVES)
			assert_int_equal(c.of[PROOF_DANE].not_after, fake_wall_s + 3600);
	}
}

/* ---- DANE, dialled ---- */

struct places {
	struct proofs_dane dane;
	struct proofs_target at[3];
};

static struct policy_case published(int chain, struct places *p)
{
	struct assess_question q = asking(&chains[chain]);
	q.asked = PROOFS_DANE;
	p->dane.targets = p->at;
	p->dane.ttl = 60;
	q.published.dane = &p->dane;
	return gather(&q);
}

/* DANE-5 */
static void any_targets_records_may_match(void **state)
{
	(void)state;
	const struct proofs_target good = {.tlsa = &matching[OWN]}, wrong = {.tlsa = &other_set},
				   one = {.tlsa = &first_usage}, none = {.e = {ERR_DANE_NONE, 0}},
				   bad = {.e = {ERR_DANE_FAILED, 0}};
	const struct {
		const char *title;
		struct proofs_target at[3];
		bool partial, cut;
		enum evidence_outcome outcome;
		enum err_code why;
	} rows[] = {
		{"the last one matches", {wrong, none, good}, false, false, EVIDENCE_PROVES,
			ERR_OK},
		{"it matches, another is not to be had", {bad, wrong, good}, false, false,
			EVIDENCE_PROVES, ERR_OK},
		{"none matches", {wrong, none, wrong}, false, false, EVIDENCE_FORBIDS,
			ERR_DANE_MISMATCH},
		{"none there", {none, none, none}, false, false, EVIDENCE_NONE, ERR_DANE_NONE},
		{"usage 1 says nothing of clients", {none, one, none}, false, false, EVIDENCE_NONE,
			ERR_DANE_UNUSABLE},
		{"one is not to be had", {none, bad, none}, false, false, EVIDENCE_FORBIDS,
			ERR_DANE_FAILED},
		{"one service is not to be had", {none, none, none}, true, false, EVIDENCE_FORBIDS,
			ERR_DANE_FAILED},
		{"one service is not to be had, a match", {none, good, none}, true, false,
			EVIDENCE_PROVES, ERR_OK},
		{"none matches, but there are more", {wrong, wrong, wrong}, false, true,
			EVIDENCE_FAILS, ERR_LIMIT},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct places p = {
			.dane = {.count = 3, .partial = rows[i].partial, .cut = rows[i].cut}};
		memcpy(p.at, rows[i].at, sizeof p.at);
		print_message("           %s\n", rows[i].title);
		struct policy_case c = published(OWN, &p);
		expect(&c.of[PROOF_DANE], rows[i].outcome, rows[i].why);
		assert_true(c.of[PROOF_DANE].secure);
	}
}

/* Usage 2 wants a name: of the domain, or of the target (RFC 7673 4.1, RFC 7671 10.2). */
static void an_anchor_vouches_for_certain_names(void **state)
{
	(void)state;
	static const struct {
		int chain;
		const char *target;
		bool proves;
	} rows[] = {{BREE, "x.example", true}, {TARGET, "target.example", true},
		{TARGET, "x.example", false}};
	unsigned char *issuer = NULL;
	int len = i2d_X509(ca.cert, &issuer);
	struct tlsa_set anchor = {.count = 0};
	struct buf rdata;
	buf_init(&rdata, BUF_UNLIMITED);
	(void)buf_append(&rdata, slice_of("\2\0\0", 3));
	(void)buf_append(&rdata, slice_of(issuer, (size_t)len));
	tlsa_add(&anchor, buf_peek(&rdata));
	for (size_t i = 0; i < 3; i++) {
		struct places p = {.dane = {.count = 1}, .at = {{.tlsa = &anchor}}};
		struct slice both[2] = {chains[rows[i].chain], slice_of(issuer, (size_t)len)};
		(void)domain_parse(slice_str(rows[i].target), &p.at[0].base);
		p.dane.targets = p.at;
		struct assess_question q = asking(both);
		q.count = 2;
		q.asked = PROOFS_DANE;
		q.published.dane = &p.dane;
		expect(&gather(&q).of[PROOF_DANE],
			rows[i].proves ? EVIDENCE_PROVES : EVIDENCE_FORBIDS,
			rows[i].proves ? ERR_OK : ERR_DANE_MISMATCH);
	}
	buf_fini(&rdata);
	OPENSSL_free(issuer);
}

static void how_the_lookup_went_is_the_evidence(void **state)
{
	(void)state;
	static const struct {
		enum err_code e;
		enum evidence_outcome outcome;
		const char *dnssec;
	} rows[] = {
		{ERR_DANE_INSECURE, EVIDENCE_NONE, "insecure"},
		{ERR_DANE_NONE, EVIDENCE_NONE, "insecure"},
		{ERR_DNS_BOGUS, EVIDENCE_FORBIDS, "bogus"},
		/* The zone is signed: no answer is not the same as none (RFC 7673 3.4). */
		{ERR_DANE_FAILED, EVIDENCE_FORBIDS, "secure"},
		/* Nobody can tell: the other proofs decide. */
		{ERR_DNS_FAILED, EVIDENCE_FAILS, "failed"},
		{ERR_DNS_TIMEOUT, EVIDENCE_FAILS, "failed"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct places p = {.dane = {.e = err_make(rows[i].e)}};
		struct policy_verdict v;
		struct policy_case c = published(BREE, &p);
		expect(&c.of[PROOF_DANE], rows[i].outcome, rows[i].e);
		policy_decide(&c, LEVEL_TRUSTED, fake_wall_s, &v);
		assert_int_equal(v.decision,
			rows[i].outcome == EVIDENCE_FORBIDS ? POLICY_REFUSE : POLICY_ACCEPT);
		/* An acceptance without it is looked at again before long. */
		bool unknown = rows[i].outcome == EVIDENCE_FAILS;
		assert_int_equal(v.judge_again == fake_wall_s + 600, unknown);
		struct assess_question q = asking(&chains[BREE]);
		assert_string_equal(assess_outcome(&q, &c, &v).dnssec, rows[i].dnssec);
	}
}

static void what_is_not_there_yet_is_pending_if_it_is_asked_for(void **state)
{
	(void)state;
	struct assess_question q = asking(&chains[OWN]);
	struct policy_case c = gather(&q);
	expect(&c.of[PROOF_DANE], EVIDENCE_NONE, ERR_OK);
	expect(&c.of[PROOF_POSH], EVIDENCE_NONE, ERR_OK);
	q.asked = PROOFS_DANE | PROOFS_POSH;
	q.published.dane_owed = true;
	c = gather(&q);
	expect(&c.of[PROOF_DANE], EVIDENCE_PENDING, ERR_OK);
	assert_true(c.of[PROOF_DANE].secure);
	expect(&c.of[PROOF_POSH], EVIDENCE_PENDING, ERR_OK);
	/* Without a certificate it does not matter (DANE-5). */
	q.count = 0;
	c = gather(&q);
	expect(&c.of[PROOF_DANE], EVIDENCE_NONE, ERR_OK);
	expect(&c.of[PROOF_POSH], EVIDENCE_NONE, ERR_OK);
	expect(&c.of[PROOF_PKIX], EVIDENCE_NONE, ERR_CERT_NONE);
	q.tls = false;
	expect(&gather(&q).of[PROOF_PKIX], EVIDENCE_NONE, ERR_OK);
}

/* ---- POSH ---- */

static void document_of(int which, struct posh_document *out)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	posh_write(&chains[which], 1, 86400, &text);
	assert_false(err_is(posh_parse(buf_peek(&text), out)));
	buf_fini(&text);
}

/* POSH-3, POSH-4, POSH-5 */
static void a_document_proves_or_does_not_but_never_forbids(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		int chain, in_document;
		enum err_code found;
		enum evidence_outcome outcome;
		enum err_code why;
	} rows[] = {
		{"listed", OWN, OWN, ERR_OK, EVIDENCE_PROVES, ERR_OK},
		{"listed and expired", OLD_OWN, OLD_OWN, ERR_OK, EVIDENCE_FAILS, ERR_CERT_EXPIRED},
		{"another is listed", OWN, BREE, ERR_OK, EVIDENCE_FAILS, ERR_POSH_MISMATCH},
		{"no document", OWN, OWN, ERR_POSH_NONE, EVIDENCE_NONE, ERR_POSH_NONE},
		{"not to be had", OWN, OWN, ERR_POSH_TIMEOUT, EVIDENCE_FAILS, ERR_POSH_TIMEOUT},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct posh_found f = {.e = err_make(rows[i].found),
			.not_after = fake_wall_s + 500,
			.url = "https://bree.example/x"};
		struct assess_question q = asking(&chains[rows[i].chain]);
		print_message("           %s\n", rows[i].title);
		document_of(rows[i].in_document, &f.document);
		q.asked = PROOFS_POSH;
		q.published.posh = &f;
		struct policy_case c = gather(&q);
		expect(&c.of[PROOF_POSH], rows[i].outcome, rows[i].why);
		assert_string_equal(c.of[PROOF_POSH].detail, "https://bree.example/x");
		/* POSH-6: for as long as the document holds. */
		if (rows[i].outcome == EVIDENCE_PROVES)
			assert_int_equal(c.of[PROOF_POSH].not_after, fake_wall_s + 500);
	}
}

/* ---- pins ---- */

/* C27, M-3 */
static void a_pin_proves_its_key_and_forbids_every_other(void **state)
{
	(void)state;
	static const struct {
		int chain, pinned, backup;
		bool of_bree;
		enum evidence_outcome outcome;
		enum err_code why;
	} rows[] = {
		{OWN, OWN, OWN, true, EVIDENCE_PROVES, ERR_OK},
		{OWN, BREE, OWN, true, EVIDENCE_PROVES, ERR_OK},
		{BREE, OWN, OWN, true, EVIDENCE_FORBIDS, ERR_PIN_MISMATCH},
		{OLD_OWN, OLD_OWN, OWN, true, EVIDENCE_FAILS, ERR_CERT_EXPIRED},
		{BREE, OWN, OWN, false, EVIDENCE_NONE, ERR_OK},
	};
	struct pin pins[2];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct assess_question q = asking(&chains[rows[i].chain]);
		const int keys[2] = {rows[i].pinned, rows[i].backup};
		for (int k = 0; k < 2; k++) {
			pins[k].domain = rows[i].of_bree ? bree : target;
			memcpy(pins[k].spki_sha256, matching[keys[k]].records[0].data, 32);
		}
		tenant.pins = (struct pin_list){pins, 2};
		expect(&gather(&q).of[PROOF_PIN], rows[i].outcome, rows[i].why);
	}
	tenant.pins.count = 0;
}

/* C27: whom we dialled must show the key. Who comes without one is asked for by dialback, and that
 * dials. */
static void where_a_key_is_pinned_no_certificate_will_not_do(void **state)
{
	(void)state;
	struct dial_endpoint at = {.dane = {ERR_DANE_INSECURE, 0}};
	struct pin pins[] = {{.domain = bree}};
	struct assess_question q = asking(NULL);
	tenant.pins = (struct pin_list){pins, 1};
	expect(&gather(&q).of[PROOF_PIN], EVIDENCE_NONE, ERR_OK);
	q.reached = &at;
	expect(&gather(&q).of[PROOF_PIN], EVIDENCE_FORBIDS, ERR_PIN_MISMATCH);
	tenant.pins.count = 0;
	expect(&gather(&q).of[PROOF_PIN], EVIDENCE_NONE, ERR_OK);
}

/* ---- what it comes to ---- */

/* DNA-4 */
static void the_record_of_an_assessment_says_by_what_and_what_did_not(void **state)
{
	(void)state;
	struct policy_verdict v;
	struct cert_facts facts;
	char leaf[17];
	struct posh_found f = {.e = err_make(ERR_POSH_NONE), .url = "https://bree.example/x"};
	struct dial_endpoint at = {.target = target,
		.base = target,
		.dane = err_ok(),
		.tlsa = &matching[OWN],
		.ttl = 60};
	struct assess_question q = asking(&chains[OWN]);
	q.reached = &at;
	q.asked = PROOFS_POSH;
	q.published.posh = &f;
	struct policy_case c = gather(&q);
	policy_decide(&c, LEVEL_TRUSTED, fake_wall_s, &v);
	struct assessment a = assess_outcome(&q, &c, &v);
	assert_true(a.proven);
	assert_int_equal(a.by, PROOF_DANE);
	assert_int_equal(a.certificate.code, ERR_CERT_UNTRUSTED);
	assert_string_equal(a.dnssec, "secure");
	assert_string_equal(a.dane, "match 3 1 1");
	assert_string_equal(a.posh, "https://bree.example/x");
	assert_string_equal(a.evidence, "pkix:FG-C04 posh:FG-P01");
	assert_int_equal(a.rests.again, fake_wall_s + 3600);
	assert_false(err_is(cert_read(chains[OWN], &facts)));
	hex_encode(facts.sha256, 8, leaf);
	assert_string_equal(a.leaf, leaf);
}

/* P15: each row is the proof that a stream rested on, and what came of finding it out anew. */
static void what_passes_is_told_from_what_is_over(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		enum proof_kind rested_on;
		int chain;
		enum err_code posh, dane;
		const struct tlsa_set *set;
		bool passes;
		enum err_code over;
	} rows[] = {
		{"the web server is down", PROOF_POSH, OWN, ERR_POSH_TIMEOUT, ERR_DANE_NONE, NULL,
			true, 0},
		{"the document is gone", PROOF_POSH, OWN, ERR_POSH_NONE, ERR_DANE_NONE, NULL, false,
			ERR_PROOF_OVER},
		{"it lists another", PROOF_POSH, OWN, ERR_OK, ERR_DANE_NONE, NULL, false,
			ERR_PROOF_OVER},
		{"the web server is down, the certificate over", PROOF_POSH, OLD_OWN,
			ERR_POSH_TIMEOUT, ERR_DANE_NONE, NULL, false, ERR_PROOF_OVER},
		{"the records are not to be had", PROOF_DANE, OWN, ERR_POSH_NONE, ERR_DANE_FAILED,
			NULL, true, 0},
		{"bogus", PROOF_DANE, OWN, ERR_POSH_NONE, ERR_DNS_BOGUS, NULL, false,
			ERR_DNS_BOGUS},
		{"bogus, for a document", PROOF_POSH, OWN, ERR_POSH_TIMEOUT, ERR_DNS_BOGUS, NULL,
			false, ERR_DNS_BOGUS},
		{"bogus, the web server's address", PROOF_POSH, OWN, ERR_DNS_BOGUS, ERR_DANE_NONE,
			NULL, true, 0},
		{"not to be had, and never had dates", PROOF_DANE, OLD_OWN, ERR_POSH_NONE,
			ERR_DANE_FAILED, NULL, true, 0},
		{"the records are gone", PROOF_DANE, OWN, ERR_POSH_NONE, ERR_DANE_NONE, NULL, false,
			ERR_PROOF_OVER},
		{"the records are another's", PROOF_DANE, OWN, ERR_POSH_NONE, ERR_OK, &other_set,
			false, ERR_DANE_MISMATCH},
		{"another's, and the web server is down", PROOF_POSH, OWN, ERR_POSH_TIMEOUT, ERR_OK,
			&other_set, false, ERR_DANE_MISMATCH},
		{"expired", PROOF_PKIX, OLD, ERR_POSH_NONE, ERR_DANE_NONE, NULL, false,
			ERR_CERT_RENEW},
		{"expired, and the web server is down", PROOF_PKIX, OLD, ERR_POSH_TIMEOUT,
			ERR_DANE_NONE, NULL, false, ERR_CERT_RENEW},
		{"the authority is gone", PROOF_PKIX, OWN, ERR_POSH_NONE, ERR_DANE_NONE, NULL,
			false, ERR_CERT_UNTRUSTED},
		{"the authority is gone, the web server down", PROOF_PKIX, OWN, ERR_POSH_TIMEOUT,
			ERR_DANE_NONE, NULL, false, ERR_CERT_UNTRUSTED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_verdict v;
		struct posh_found f = {.e = err_make(rows[i].posh)};
		struct dial_endpoint at = {.target = target,
			.base = target,
			.dane = err_make(rows[i].dane),
			.tlsa = rows[i].set};
		struct assess_question q = asking(&chains[rows[i].chain]);
		print_message("           %s\n", rows[i].title);
		document_of(TARGET, &f.document);
		q.reached = &at;
		q.asked = PROOFS_POSH;
		q.published.posh = &f;
		struct policy_case c = gather(&q);
		policy_decide(&c, LEVEL_TRUSTED, fake_wall_s, &v);
		assert_int_equal(v.decision, POLICY_REFUSE);
		assert_int_equal(assess_passes(&q, &c, &v, rows[i].rested_on), rows[i].passes);
		if (!rows[i].passes)
			assert_int_equal(assess_over(&c, &v, rows[i].rested_on).code, rows[i].over);
	}
}

/* Each row: why no more is waited for, whether the zone is signed, and what that makes of DANE and
 * of POSH. F11: without a sign of DNSSEC the certificate decides. */
static void what_is_not_waited_for_is_as_if_it_had_failed(void **state)
{
	(void)state;
	static const struct {
		enum err_code why;
		bool owed;
		enum evidence_outcome outcome;
		enum err_code dane, posh;
	} rows[] = {
		{ERR_PROOF_LATE, false, EVIDENCE_FAILS, ERR_PROOF_LATE, ERR_PROOF_LATE},
		{ERR_BUDGET, false, EVIDENCE_FAILS, ERR_BUDGET, ERR_BUDGET},
		{ERR_LIMIT, false, EVIDENCE_FAILS, ERR_DNS_FAILED, ERR_POSH_BUSY},
		{ERR_LIMIT, true, EVIDENCE_FORBIDS, ERR_DANE_FAILED, ERR_POSH_BUSY},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_verdict v;
		struct assess_question q = asking(&chains[BREE]);
		q.asked = PROOFS_DANE | PROOFS_POSH;
		q.published.dane_owed = rows[i].owed;
		struct policy_case c = gather(&q);
		assess_give_up(&c, rows[i].why);
		expect(&c.of[PROOF_DANE], rows[i].outcome, rows[i].dane);
		expect(&c.of[PROOF_POSH], EVIDENCE_FAILS, rows[i].posh);
		policy_decide(&c, LEVEL_TRUSTED, fake_wall_s, &v);
		assert_int_equal(v.decision, rows[i].owed ? POLICY_REFUSE : POLICY_ACCEPT);
		if (!rows[i].owed)
			assert_int_equal(v.judge_again, fake_wall_s + 600);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_target_is_a_name_of_the_peer_only_where_dnssec_says_so),
		cmocka_unit_test(what_dns_says_of_the_endpoint_is_the_evidence),
		cmocka_unit_test(any_targets_records_may_match),
		cmocka_unit_test(an_anchor_vouches_for_certain_names),
		cmocka_unit_test(how_the_lookup_went_is_the_evidence),
		cmocka_unit_test(what_is_not_there_yet_is_pending_if_it_is_asked_for),
		cmocka_unit_test(a_document_proves_or_does_not_but_never_forbids),
		cmocka_unit_test(a_pin_proves_its_key_and_forbids_every_other),
		cmocka_unit_test(where_a_key_is_pinned_no_certificate_will_not_do),
		cmocka_unit_test(the_record_of_an_assessment_says_by_what_and_what_did_not),
		cmocka_unit_test(what_passes_is_told_from_what_is_over),
		cmocka_unit_test(what_is_not_waited_for_is_as_if_it_had_failed),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
