/* SASL EXTERNAL: whose certificate x which authzid x which header after success (protocol sheet 7;
 * S15). Exactly one corner of that cube proves a pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/b64.h"

#include "../lib/rig.h"

struct certificate {
	const char *what;
	enum verdict_decision decision; /* what assessing it says */
};

static const struct certificate certificates[] = {
	{"for the domain", VERDICT_PROVEN},
	{"for another domain", VERDICT_ASK},
	{"expired", VERDICT_ASK},
	{"none", VERDICT_ASK},
	{"refused by policy", VERDICT_REFUSED},
};

/* plain: encoded by the test. condition NULL: accepted. */
struct authzid {
	const char *plain, *encoded, *condition;
};

static const struct authzid authzids[] = {
	{NULL, "=", NULL},
	{NULL, "", NULL},
	{"rohan.example", NULL, NULL},
	{"ROHAN.example.", NULL, NULL},
	{"mordor.example", NULL, "invalid-authzid"},
	{"shire.example", NULL, "invalid-authzid"},
	{"muc.rohan.example", NULL, "invalid-authzid"},
	{"example", NULL, "invalid-authzid"},
	{"a@rohan.example", NULL, "invalid-authzid"},
	{"rohan.example/x", NULL, "invalid-authzid"},
	{"rohan.example rohan.example", NULL, "invalid-authzid"},
	{" rohan.example", NULL, "invalid-authzid"},
	{"r\xc3\xb6han.example", NULL, "invalid-authzid"},
	{"\xff\xfe", NULL, "invalid-authzid"},
	{NULL, "==", "incorrect-encoding"},
	{NULL, "garbage!", "incorrect-encoding"},
	{NULL, "cm9oYW4uZXhhbXBsZQ", "incorrect-encoding"},
	{NULL, "cm9oYW4uZXhhbXBsZQ== ", "incorrect-encoding"},
	{NULL, " =", "incorrect-encoding"},
	{NULL, "cm9oYW4u\nZXhhbXBsZQ==", "incorrect-encoding"},
	{NULL, "cm9oYW4u=ZXhhbXBsZQ=", "incorrect-encoding"},
};

struct restart {
	const char *from, *to;
	bool same;
};

static const struct restart restarts[] = {
	{"rohan.example", "shire.example", true},
	{"ROHAN.EXAMPLE", "shire.example.", true},
	{"mordor.example", "shire.example", false},
	{"muc.rohan.example", "shire.example", false},
	{NULL, "shire.example", false},
	{"rohan.example", "bree.example", false},
	{"rohan.example", NULL, false},
	{"shire.example", "rohan.example", false},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void go_judged(struct rig *r, enum verdict_decision decision)
{
	rig_in(r, false, false);
	rig_header(r, "rohan.example", "shire.example", NULL);
	assert_true(rig_element(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
	rig_tls_up(r);
	rig_header(r, "rohan.example", "shire.example", NULL);
	rig_peer(r, decision);
}

static void send_auth(struct rig *r, const struct authzid *z)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	(void)buf_append_str(
		&text, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>");
	if (z->plain)
		b64_encode(slice_str(z->plain), &text);
	else
		(void)buf_append_str(&text, z->encoded);
	(void)buf_append_str(&text, "</auth>");
	assert_true(rig_element(r, buf_cstr(&text)));
	buf_fini(&text);
}

static void check_restart(struct rig *r, const struct restart *s)
{
	assert_true(rig_did(r, ACT_RESTART));
	assert_true(rig_said(r, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"));
	assert_int_equal(r->valid, 0);
	rig_header(r, s->from, s->to, NULL);
	assert_int_equal(r->valid, s->same);
	assert_int_equal(rig_did(r, ACT_CLOSE), !s->same);
	assert_int_equal(pairs_valid_count(&r->in.pairs), s->same);
	assert_int_equal(rig_said(r, "<mechanisms"), 0);
	if (s->same)
		assert_int_equal(r->in.pairs.items[0]->proof, PROOF_EXTERNAL);
}

static void check_corner(
	const struct certificate *c, const struct authzid *z, const struct restart *s)
{
	struct rig r;
	go_judged(&r, c->decision);
	assert_int_equal(
		rig_said(&r, "<mechanism>EXTERNAL</mechanism>"), c->decision == VERDICT_PROVEN);
	assert_int_equal(rig_did(&r, ACT_CLOSE), c->decision == VERDICT_REFUSED);
	send_auth(&r, z);
	if (c->decision == VERDICT_PROVEN && !z->condition) {
		check_restart(&r, s);
	} else if (c->decision != VERDICT_REFUSED) {
		/* EXT-2: what was not offered fails whatever the authzid says. */
		assert_true(rig_said(
			&r, c->decision == VERDICT_PROVEN ? z->condition : "<not-authorized/>"));
		assert_false(rig_did(&r, ACT_CLOSE));
		assert_false(r.in.authenticated);
		assert_int_equal(r.valid, 0);
	}
	assert_true(xml_output_fine(buf_peek(&r.wrote)));
	rig_fini(&r);
}

/* EXT-1..EXT-4, SNI-5, S15, C05 */
static void only_the_right_certificate_authzid_and_restart_prove_a_pair(void **state)
{
	(void)state;
	for (size_t c = 0; c < COUNT(certificates); c++) {
		for (size_t z = 0; z < COUNT(authzids); z++) {
			for (size_t s = 0; s < COUNT(restarts); s++)
				check_corner(&certificates[c], &authzids[z], &restarts[s]);
		}
	}
}

/* S15: the machine itself, without the scanner's limits in front of it. */
static void an_authzid_of_a_megabyte_is_refused_and_nothing_else_happens(void **state)
{
	(void)state;
	enum { SIZE = 1 << 20 };
	char *name = calloc(1, SIZE + 1);
	struct authzid z = {name, NULL, "invalid-authzid"};
	struct rig r;
	memset(name, 'a', SIZE);
	go_judged(&r, VERDICT_PROVEN);
	send_auth(&r, &z);
	assert_false(rig_did(&r, ACT_RESTART));
	assert_true(rig_said(&r, "<failure "));
	assert_false(r.in.authenticated);
	rig_fini(&r);
	free(name);
}

/* RFC 6120 6.4.5, EXT-3 */
static void two_failures_of_any_kind_close_the_stream(void **state)
{
	(void)state;
	static const char *const failing[] = {
		"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>!</auth>",
		"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>",
		"<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
	};
	for (size_t first = 0; first < COUNT(failing); first++) {
		for (size_t second = 0; second < COUNT(failing); second++) {
			struct rig r;
			go_judged(&r, VERDICT_PROVEN);
			assert_true(rig_element(&r, failing[first]));
			assert_false(rig_did(&r, ACT_CLOSE));
			assert_true(rig_element(&r, failing[second]));
			assert_int_equal(rig_why(&r, ACT_CLOSE), ERR_SASL_RETRIES);
			rig_fini(&r);
		}
	}
}

/* EXT-2: the verdict may take its time. */
static void features_wait_for_the_verdict_and_the_header_does_not(void **state)
{
	(void)state;
	struct rig r;
	rig_in(&r, false, true);
	rig_header(&r, "rohan.example", "shire.example", NULL);
	assert_true(rig_said(&r, "<stream:stream "));
	assert_false(rig_said(&r, "<stream:features"));
	assert_true(rig_did(&r, ACT_ASSESS_PEER));
	rig_peer(&r, VERDICT_PROVEN);
	assert_true(rig_said(&r, "<stream:features><mechanisms "));
	rig_peer(&r, VERDICT_PROVEN); /* once is enough */
	assert_int_equal(buf_len(&r.last.out), 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_right_certificate_authzid_and_restart_prove_a_pair),
		cmocka_unit_test(an_authzid_of_a_megabyte_is_refused_and_nothing_else_happens),
		cmocka_unit_test(two_failures_of_any_kind_close_the_stream),
		cmocka_unit_test(features_wait_for_the_verdict_and_the_header_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
