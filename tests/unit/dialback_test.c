/* Dialback in the receiving machine, seen from inside: what a pair knows at which moment, and that
 * keys are gone when they have done their work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/rig.h"

#define ASK_AGAIN "<db:result from='rohan.example' to='shire.example'>SECRET2</db:result>"

enum answer { PROVEN, REFUSED, VALID, INVALID, FAILED };

static bool is_wiped(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i])
			return false;
	}
	return true;
}

static void go_asked(struct rig *r, const char *request)
{
	rig_in(r, false, true);
	rig_header(r, "rohan.example", "shire.example", NULL);
	rig_peer(r, VERDICT_ASK);
	assert_true(rig_element(r, request));
	assert_true(rig_did(r, ACT_ASSESS));
}

static void give(struct rig *r, enum answer answer)
{
	static const enum db_outcome outcomes[] = {
		[VALID] = DB_VALID, [INVALID] = DB_INVALID, [FAILED] = DB_ERROR};
	if (answer == PROVEN || answer == REFUSED) {
		rig_pair(r, answer == PROVEN ? VERDICT_PROVEN : VERDICT_REFUSED);
		return;
	}
	rig_pair(r, VERDICT_ASK);
	assert_true(rig_did(r, ACT_VERIFY));
	actions_clear(&r->last);
	stream_in_verified(&r->in, r->asked, outcomes[answer], "remote-server-timeout", &r->last);
	rig_note(r);
}

/* DB-7: the key is asked about exactly as it came. */
static void the_key_in_question_is_the_text_of_the_request(void **state)
{
	(void)state;
	struct rig r;
	go_asked(&r, "<db:result from='rohan.example' to='shire.example'> a&amp;b<![CDATA[<c]]>\n"
		     "</db:result>");
	assert_string_equal(r.asked->key, " a&b<c\n");
	assert_int_equal(r.asked->state, PAIR_ASSESSING);
	rig_pair(&r, VERDICT_ASK);
	assert_true(rig_did(&r, ACT_VERIFY));
	assert_int_equal(r.asked->state, PAIR_VERIFYING);
	assert_string_equal(r.asked->key, " a&b<c\n");
	rig_fini(&r);
}

/* DB-4: each way a question can end leaves the pair as it must be, and its key forgotten. */
static void every_end_of_a_question_forgets_the_key(void **state)
{
	(void)state;
	static const struct {
		enum answer answer;
		enum pair_state first, again; /* asked once; asked again when proven */
	} rows[] = {
		{PROVEN, PAIR_VALID, PAIR_VALID},
		{VALID, PAIR_VALID, PAIR_VALID},
		{REFUSED, PAIR_FAILED, PAIR_FAILED},
		{INVALID, PAIR_FAILED, PAIR_FAILED},
		{FAILED, PAIR_FAILED, PAIR_VALID},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int again = 0; again < 2; again++) {
			struct rig r;
			go_asked(&r, "<db:result from='rohan.example' to='shire.example'>SECRET"
				     "</db:result>");
			if (again) {
				give(&r, VALID);
				assert_true(rig_element(&r, ASK_AGAIN));
				assert_string_equal(r.asked->key, "SECRET2");
				assert_int_equal(r.asked->state, PAIR_VALID);
			}
			assert_true(pair_is_pending(r.asked));
			give(&r, rows[i].answer);
			assert_int_equal(r.asked->state, again ? rows[i].again : rows[i].first);
			assert_false(pair_is_pending(r.asked));
			assert_true(is_wiped(r.asked->key, sizeof r.asked->key));
			rig_fini(&r);
		}
	}
}

/* DB-4: a pair may be asked about again and again, one question at a time. */
static void a_pair_can_be_asked_about_after_every_answer(void **state)
{
	(void)state;
	static const enum answer answers[] = {FAILED, REFUSED, VALID, FAILED, PROVEN, VALID};
	struct rig r;
	go_asked(&r, ASK_AGAIN);
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		give(&r, answers[i]);
		assert_true(rig_element(&r, ASK_AGAIN));
		assert_true(rig_did(&r, ACT_ASSESS));
	}
	assert_int_equal(r.valid, 1); /* told once, although it was proven three times */
	rig_fini(&r);
}

/* BE-11: the key that we ask about is not kept longer than it takes. */
static void the_key_of_our_own_question_is_forgotten(void **state)
{
	(void)state;
	struct stream_out_config c = {.local = rig_domain("rohan.example"),
		.remote = rig_domain("shire.example"),
		.backend = true,
		.verify = true,
		.verify_id = "X1",
		.verify_key = "SECRET"};
	struct rig r;
	rig_out(&r, &c);
	rig_start(&r);
	rig_header(&r, "shire.example", "rohan.example", "B1");
	assert_string_equal(r.out.config.verify_key, "SECRET");
	assert_true(rig_element(&r, "<stream:features/>"));
	assert_true(rig_said(&r, ">SECRET</db:verify>"));
	assert_true(is_wiped(r.out.config.verify_key, sizeof r.out.config.verify_key));
	rig_fini(&r);
	rig_out(&r, &c); /* never asked */
	rig_fini(&r);
	assert_true(is_wiped(r.out.config.verify_key, sizeof r.out.config.verify_key));
}

/* S19: the scanner lets no second header through; the machines would not take it either. */
static void a_second_header_closes_either_machine(void **state)
{
	(void)state;
	struct stream_out_config c = {.local = rig_domain("shire.example"),
		.remote = rig_domain("rohan.example"),
		.tls_required = true};
	struct rig r;
	rig_in(&r, false, false);
	rig_header(&r, "rohan.example", "shire.example", NULL);
	assert_false(rig_did(&r, ACT_CLOSE));
	rig_header(&r, "rohan.example", "shire.example", NULL);
	assert_int_equal(rig_why(&r, ACT_CLOSE), ERR_UNEXPECTED);
	assert_true(xml_output_fine(buf_peek(&r.wrote)));
	rig_fini(&r);
	rig_out(&r, &c);
	rig_start(&r);
	rig_header(&r, "rohan.example", "shire.example", "R1");
	assert_false(rig_did(&r, ACT_CLOSE));
	rig_header(&r, "rohan.example", "shire.example", "R2");
	assert_int_equal(rig_why(&r, ACT_CLOSE), ERR_UNEXPECTED);
	assert_true(xml_output_fine(buf_peek(&r.wrote)));
	rig_fini(&r);
}

/* TLS-2: not even that a pair was refused is known behind TLS. */
static void what_was_asked_in_clear_is_forgotten_behind_tls(void **state)
{
	(void)state;
	struct rig r;
	rig_in(&r, false, false);
	r.local.tls_required = false;
	rig_header(&r, "rohan.example", "shire.example", NULL);
	assert_true(rig_element(&r, ASK_AGAIN));
	rig_pair(&r, VERDICT_REFUSED);
	assert_int_equal(r.in.pairs.count, 1);
	assert_true(rig_element(&r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
	assert_true(rig_did(&r, ACT_START_TLS));
	rig_tls_up(&r);
	assert_int_equal(r.in.pairs.count, 0);
	assert_false(domain_is_set(&r.in.peer));
	assert_true(domain_is_set(&r.in.first_ours)); /* kept to be compared */
	rig_fini(&r);
}

/* DB-4: nor does EXTERNAL get more pairs than there is room for. */
static void external_needs_room_for_its_pair(void **state)
{
	(void)state;
	struct rig r;
	rig_in(&r, false, true);
	rig_header(&r, "rohan.example", "shire.example", NULL);
	rig_peer(&r, VERDICT_PROVEN);
	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		char text[100];
		snprintf(text, sizeof text,
			"<db:result from='h%u.example' to='shire.example'>K</db:result>", i);
		assert_true(rig_element(&r, text));
		rig_pair(&r, VERDICT_REFUSED);
	}
	assert_true(rig_element(&r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
				    "mechanism='EXTERNAL'>=</auth>"));
	assert_true(rig_did(&r, ACT_RESTART));
	rig_header(&r, "rohan.example", "shire.example", NULL);
	assert_int_equal(rig_why(&r, ACT_CLOSE), ERR_DB_LIMIT);
	assert_int_equal(r.valid, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_in_question_is_the_text_of_the_request),
		cmocka_unit_test(every_end_of_a_question_forgets_the_key),
		cmocka_unit_test(a_pair_can_be_asked_about_after_every_answer),
		cmocka_unit_test(the_key_of_our_own_question_is_forgotten),
		cmocka_unit_test(a_second_header_closes_either_machine),
		cmocka_unit_test(what_was_asked_in_clear_is_forgotten_behind_tls),
		cmocka_unit_test(external_needs_room_for_its_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
