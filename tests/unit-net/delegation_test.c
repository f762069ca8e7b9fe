/* Whether a tenant's DNS points here: one look for all who ask, told later, kept for a while. */
#include "core/delegation.h"
#include "lib/dial_owner.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

struct hearer {
	unsigned told;
	enum delegation_state state;
	bool ask_again;
};

static struct address own;
static unsigned tellings; /* to whomever */

static void on_told(void *arg, enum delegation_state state)
{
	struct hearer *h = arg;
	struct domain d = the_domain();
	h->told++;
	tellings++;
	h->state = state;
	if (h->ask_again) {
		h->ask_again = false;
		(void)delegation_ask(&the.f->w, &d, on_told, h);
	}
}

static int set_up(void **state)
{
	int failed = dial_set_up(state);
	own = own_listener("127.0.0.1", 5269);
	the.f->gate.listen = (struct address_list){.items = &own, .count = 1};
	return failed;
}

static int tear_down(void **state)
{
	delegation_forget_all(&the.f->w);
	the.f->w.delegations = map_new(1); /* for the fake worker's own end */
	the.f->gate.listen.count = 0;
	return dial_tear_down(state);
}

static bool enough_told(void *arg)
{
	return tellings >= *(const unsigned *)arg;
}

/* Until so many were told, and a little longer in case there are more. */
static void turn_until_told(unsigned times)
{
	(void)fake_worker_run(the.f, enough_told, &times, 5000);
	(void)fake_worker_run(the.f, NULL, NULL, 10);
	tellings = 0;
}

#define HERE                                                                                       \
	RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 5269 x.example", 20},                     \
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0})

static void all_who_ask_share_one_look(void **state)
{
	(void)state;
	struct domain d = the_domain();
	struct hearer a = {0}, b = {0};
	fake_dns_use(the.f, HERE);
	assert_int_equal(delegation_known(&the.f->w, &d), DELEGATION_UNKNOWN);
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	(void)delegation_ask(&the.f->w, &d, on_told, &b);
	assert_int_equal(a.told + b.told, 0);
	turn_until_told(2);
	assert_int_equal(a.told, 1);
	assert_int_equal(b.told, 1);
	assert_int_equal(a.state, DELEGATION_HERE);
	assert_int_equal(b.state, DELEGATION_HERE);
	assert_int_equal(fake_dns_asked("a.example", FAKE_SRV), 1);
	/* Known now, and still told later, not from inside the call. */
	assert_int_equal(delegation_known(&the.f->w, &d), DELEGATION_HERE);
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	assert_int_equal(a.told, 1);
	turn_until_told(1);
	assert_int_equal(a.told, 2);
	assert_int_equal(fake_dns_asked("a.example", FAKE_SRV), 1);
}

static void who_cancels_is_not_told(void **state)
{
	(void)state;
	struct domain d = the_domain();
	struct hearer a = {0}, b = {0};
	fake_dns_use(the.f, HERE);
	struct delegation_wait *wait = delegation_ask(&the.f->w, &d, on_told, &a);
	(void)delegation_ask(&the.f->w, &d, on_told, &b);
	delegation_cancel(wait);
	turn_until_told(1);
	assert_int_equal(a.told, 0);
	assert_int_equal(b.told, 1);
}

/* ADR-8: only a proof counts; what cannot be known is no proof. */
static void whatever_is_not_here_is_elsewhere(void **state)
{
	(void)state;
	static const struct fake_record rows[] = {
		{"a.example", FAKE_SRV, RESOLVE_DATA, "1 5269 y.example", 0}, /* 127.0.0.2 */
		{"a.example", FAKE_SRV, RESOLVE_DATA, "1 5270 x.example", 0}, /* another port */
		{"a.example", FAKE_SRV, RESOLVE_DATA, "0 0 .", 0},
		{"a.example", FAKE_SRV, RESOLVE_NONE, NULL, 0},
		{"a.example", FAKE_SRV, RESOLVE_FAILED, NULL, 0},
		{"a.example", FAKE_SRV, RESOLVE_TIMEOUT, NULL, 0},
		{"a.example", FAKE_SRV, RESOLVE_BOGUS, NULL, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct domain d = the_domain();
		struct hearer a = {0};
		fake_dns_use(
			the.f, RECORDS(rows[i], {"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0},
				       {"y.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 0}));
		(void)delegation_ask(&the.f->w, &d, on_told, &a);
		turn_until_told(1);
		assert_int_equal(a.told, 1);
		assert_int_equal(a.state, DELEGATION_ELSEWHERE);
		delegation_forget_all(&the.f->w);
		the.f->w.delegations = map_new(1);
	}
}

static void one_of_several_endpoints_is_enough(void **state)
{
	(void)state;
	struct domain d = the_domain();
	struct hearer a = {0};
	fake_dns_use(
		the.f, RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
				       "1 5269 y.example, 2 5269 x.example", 0},
			       {"y.example", FAKE_A, RESOLVE_FAILED, NULL, 0},
			       {"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.9, 127.0.0.1", 0}));
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	turn_until_told(1);
	assert_int_equal(a.state, DELEGATION_HERE);
}

static void asking_again_from_the_answer_is_answered_too(void **state)
{
	(void)state;
	struct domain d = the_domain();
	struct hearer a = {.ask_again = true};
	fake_dns_use(the.f, HERE);
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	turn_until_told(2);
	assert_int_equal(a.told, 2);
}

static void the_end_comes_with_a_look_under_way(void **state)
{
	(void)state;
	struct domain d = the_domain();
	struct hearer a = {0};
	fake_dns_use(the.f, HERE);
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	(void)fake_worker_run(the.f, NULL, NULL, 5);
	/* tear_down forgets; nobody is told, nothing leaks */
	assert_int_equal(a.told, 0);
}

/* What is known becomes too old between the question and its answer: the clock of the loop is put
 * ahead, and the loop then takes these five seconds to get there. */
static void nobody_hears_that_nothing_is_known(void **state)
{
	(void)state;
	struct domain d = the_domain();
	struct hearer a = {0};
	fake_dns_use(
		the.f, RECORDS({"a.example", FAKE_SRV, RESOLVE_FAILED, "1 5269 x.example", 0}));
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	turn_until_told(1);
	assert_int_equal(delegation_known(&the.f->w, &d), DELEGATION_ELSEWHERE);
	the.f->loop.time += 4500;
	(void)delegation_ask(&the.f->w, &d, on_told, &a);
	the.f->loop.time += 600;
	assert_int_equal(delegation_known(&the.f->w, &d), DELEGATION_UNKNOWN);
	(void)fake_worker_run(the.f, NULL, NULL, 4800);
	turn_until_told(1);
	assert_int_equal(a.told, 2);
	assert_int_equal(a.state, DELEGATION_ELSEWHERE);
}

#define DELEGATION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DELEGATION_TEST(nobody_hears_that_nothing_is_known),
		DELEGATION_TEST(all_who_ask_share_one_look),
		DELEGATION_TEST(who_cancels_is_not_told),
		DELEGATION_TEST(whatever_is_not_here_is_elsewhere),
		DELEGATION_TEST(one_of_several_endpoints_is_enough),
		DELEGATION_TEST(asking_again_from_the_answer_is_answered_too),
		DELEGATION_TEST(the_end_comes_with_a_look_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
