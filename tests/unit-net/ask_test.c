/* The worker's side of its questions, against a scout that the test plays. */
#include "core/ask.h"
#include "core/scout_wire.h"
#include "lib/fake_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TOLD_MAX = 2 * ASK_OPEN_MAX };

static struct {
	struct fake_worker *f;
	struct asker *asker;
	int scout; /* the scout's end; -1: none */
	size_t told;
	struct {
		struct ticket ticket;
		int tag;
		enum ask_kind kind;
		enum resolve_status status;
		enum err_code posh;
	} answers[TOLD_MAX];
	struct answer last;
	bool connect_when_told;
} the;

static const struct domain a_example = {.len = 9, .name = "a.example"};

static void give_line(void)
{
	int pair[2];
	if (the.scout >= 0)
		close(the.scout);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	the.scout = pair[0];
	asker_connect(the.asker, pair[1]);
}

static void on_done(void *arg, const struct answer *answer)
{
	assert_ptr_equal(arg, &the);
	the.answers[the.told].ticket = answer->ticket;
	the.answers[the.told].tag = answer->tag;
	the.answers[the.told].kind = answer->kind;
	the.answers[the.told].status = answer->dns.status;
	the.answers[the.told++].posh = answer->posh.e.code;
	the.last = *answer;
	if (the.connect_when_told)
		give_line();
	the.connect_when_told = false;
}

static int set_up(void **state)
{
	(void)state;
	memset(&the, 0, sizeof the);
	the.f = fake_worker_new();
	the.scout = -1;
	the.asker = asker_new(&the.f->loop, on_done, &the);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (the.asker)
		asker_free(the.asker);
	if (the.scout >= 0)
		close(the.scout);
	fake_worker_free(the.f);
	return 0;
}

static void ask(int tag)
{
	ask_addr(the.asker, &a_example, AF_INET, (struct ticket){(uint32_t)tag, 40}, tag);
}

static bool is_told(void *count)
{
	return the.told >= *(size_t *)count;
}

static void turn(uint64_t ms)
{
	(void)fake_worker_run(the.f, NULL, NULL, ms);
}

static void wait_told(size_t count, uint64_t ms)
{
	assert_true(fake_worker_run(the.f, is_told, &count, ms));
	assert_int_equal(the.told, count);
}

/* The next question at the scout's end; false when there is none. */
static bool next_question(struct scout_question *q)
{
	char in[SCOUT_QUESTION_MAX];
	ssize_t n = recv(the.scout, in, sizeof in, MSG_DONTWAIT);
	if (n <= 0)
		return false;
	assert_true(scout_question_read(slice_of(in, (size_t)n), q));
	return true;
}

static void say(uint32_t serial, const struct answer *a)
{
	struct buf out;
	buf_init(&out, SCOUT_ANSWER_MAX);
	scout_answer_write(serial, a, &out);
	struct slice m = buf_peek(&out);
	assert_int_equal(send(the.scout, m.ptr, m.len, 0), m.len);
	buf_fini(&out);
}

/* 192.0.2.N, or another family. */
static struct answer address_answer(int family, uint8_t last)
{
	struct answer a = {
		.kind = ASK_ADDR, .dns = {.status = RESOLVE_DATA, .addr_count = 1, .ttl = 60}};
	a.dns.addr[0].ss_family = (sa_family_t)family;
	if (family == AF_INET)
		((struct sockaddr_in *)&a.dns.addr[0])->sin_addr.s_addr = htonl(0xc0000200 + last);
	return a;
}

/* ---- asking ---- */

static void every_kind_is_asked_and_answered_by_its_ticket(void **state)
{
	(void)state;
	struct ticket t = {7, 9};
	struct scout_question q[4];
	give_line();
	ask_srv(the.asker, "_xmpps-server._tcp", &a_example, t, 1);
	ask_addr(the.asker, &a_example, AF_INET6, t, 2);
	ask_tlsa(the.asker, &a_example, 5269, t, 3);
	ask_posh(the.asker, &a_example, t, 4);
	static const uint16_t which[] = {1, 6, 5269, 0};
	for (int i = 0; i < 4; i++) {
		assert_true(next_question(&q[i]));
		assert_int_equal(q[i].kind, i);
		assert_int_equal(q[i].which, which[i]);
		assert_string_equal(q[i].name.name, "a.example");
	}
	assert_int_equal(the.told, 0);
	for (int i = 3; i >= 0; i--) { /* in any order */
		const struct answer a = {.kind = q[i].kind,
			.dns = {.status = RESOLVE_NONE},
			.posh.e = err_make(ERR_POSH_NONE)};
		say(q[i].serial, &a);
	}
	wait_told(4, 1000);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(the.answers[i].tag, 4 - i);
		assert_int_equal(the.answers[i].ticket.slot, 7);
		assert_int_equal(the.answers[i].ticket.gen, 9);
		assert_int_equal(the.answers[i].kind, 3 - i);
	}
	assert_int_equal(the.answers[0].posh, ERR_POSH_NONE);
}

static void what_was_asked_before_there_was_a_scout_is_asked_when_it_comes(void **state)
{
	(void)state;
	struct scout_question q;
	assert_false(asker_connected(the.asker));
	ask(1);
	turn(50);
	give_line();
	assert_true(asker_connected(the.asker));
	assert_true(next_question(&q));
	const struct answer a = address_answer(AF_INET, 1);
	say(q.serial, &a);
	wait_told(1, 1000);
	assert_int_equal(the.last.dns.addr_count, 1);
}

/* ---- a scout that is lost ---- */

static void open_questions_are_asked_again_at_the_next_scout(void **state)
{
	(void)state;
	struct scout_question q;
	give_line();
	for (int i = 0; i < 3; i++)
		ask(i);
	assert_true(next_question(&q));
	const struct answer a = address_answer(AF_INET, 1);
	say(q.serial, &a);
	wait_told(1, 1000);
	close(the.scout);
	the.scout = -1;
	turn(50);
	assert_int_equal(the.told, 1); /* nobody is told of it */
	assert_false(asker_connected(the.asker));
	give_line();
	for (int i = 1; i < 3; i++) {
		assert_true(next_question(&q));
		say(q.serial, &a);
	}
	assert_false(next_question(&q)); /* what was answered is not asked again */
	wait_told(3, 1000);
	assert_int_equal(the.answers[1].tag, 1);
	assert_int_equal(the.answers[2].tag, 2);
}

static void a_scout_that_talks_nonsense_is_left(void **state)
{
	(void)state;
	struct answer six = address_answer(AF_INET6, 1), srv = {.kind = ASK_SRV};
	for (int row = 0; row < 4; row++) {
		char huge[SCOUT_ANSWER_MAX + 1] = "A";
		struct scout_question q;
		size_t told = the.told;
		give_line();
		ask(row);
		assert_true(next_question(&q));
		if (row == 0)
			say(q.serial, &six); /* of the other family */
		else if (row == 1)
			say(q.serial, &srv); /* of another kind */
		else
			assert_true(send(the.scout, huge, row == 2 ? 1 : sizeof huge, 0) > 0);
		turn(50);
		assert_int_equal(the.told, told);
		assert_false(asker_connected(the.asker));
		give_line();
		while (next_question(&q)) {
			const struct answer a = address_answer(AF_INET, 1);
			say(q.serial, &a);
		}
		wait_told(told + 1, 1000);
	}
}

static void a_late_answer_is_nobodys(void **state)
{
	(void)state;
	struct scout_question q;
	give_line();
	ask(1);
	assert_true(next_question(&q));
	const struct answer a = address_answer(AF_INET, 1);
	say(q.serial, &a);
	say(q.serial, &a);
	say(q.serial + 1, &a);
	wait_told(1, 1000);
	turn(50);
	assert_int_equal(the.told, 1);
	assert_true(asker_connected(the.asker));
}

static void a_line_may_be_replaced_when_an_answer_is_told(void **state)
{
	(void)state;
	struct scout_question q;
	const struct answer a = address_answer(AF_INET, 1);
	give_line();
	ask(1);
	ask(2);
	assert_true(next_question(&q));
	say(q.serial, &a);
	assert_true(next_question(&q));
	say(q.serial, &a); /* on a line that is gone by then */
	the.connect_when_told = true;
	wait_told(1, 1000);
	turn(50);
	assert_int_equal(the.told, 1);
	assert_true(next_question(&q));
	say(q.serial, &a);
	wait_told(2, 1000);
}

/* ---- bounds ---- */

/* D12 */
static void each_question_has_its_own_deadline(void **state)
{
	(void)state;
	uint64_t began = uv_now(&the.f->loop);
	ask(1);
	turn(700);
	ask(2); /* with and without a scout */
	give_line();
	wait_told(1, 7000);
	assert_in_range(uv_now(&the.f->loop) - began, ASK_DNS_MS - 50, ASK_DNS_MS + 300);
	assert_int_equal(the.answers[0].tag, 1);
	assert_int_equal(the.answers[0].status, RESOLVE_TIMEOUT);
	wait_told(2, 2000);
	assert_in_range(uv_now(&the.f->loop) - began, ASK_DNS_MS + 600, ASK_DNS_MS + 1000);
	assert_int_equal(the.answers[1].status, RESOLVE_TIMEOUT);
}

/* Answers as many questions as there are. */
static size_t answer_what_is_there(void)
{
	size_t n = 0;
	for (struct scout_question q; next_question(&q); n++) {
		const struct answer a = address_answer(AF_INET, 1);
		say(q.serial, &a);
	}
	return n;
}

/* R06: a thousand pairs that all begin at once. */
static void what_is_more_than_the_scout_takes_waits_for_its_turn(void **state)
{
	(void)state;
	enum { MORE = 300 };
	size_t seen = 0;
	give_line();
	for (int i = 0; i < ASK_OPEN_MAX + MORE; i++)
		ask(i);
	/* Not before others are answered; and more than the socket holds follows as it is read. */
	struct scout_question first;
	assert_true(next_question(&first));
	for (struct scout_question q; seen < ASK_OPEN_MAX - 1; turn(5)) {
		size_t before = seen;
		while (next_question(&q))
			seen++;
		assert_true(seen > before);
	}
	turn(20);
	struct scout_question none;
	assert_false(next_question(&none));
	const struct answer a = address_answer(AF_INET, 1);
	say(first.serial, &a);
	wait_told(1, 1000);
	assert_true(next_question(&none)); /* the first of those that waited */
	assert_false(next_question(&none));
	clock_t before = clock();
	turn(300); /* with nothing to send nobody spins */
	assert_true(clock() - before < CLOCKS_PER_SEC / 10);
}

static void all_that_waited_is_answered_in_the_end(void **state)
{
	(void)state;
	enum { ALL = ASK_OPEN_MAX + 700 };
	give_line();
	for (int i = 0; i < ALL; i++)
		ask(i);
	for (size_t seen = 0; seen < ALL; turn(5))
		seen += answer_what_is_there();
	wait_told(ALL, 2000);
	for (int i = 0; i < ALL; i++)
		assert_int_equal(the.answers[i].status, RESOLVE_DATA);
}

/* Waiting is bounded too, and what was not even let in is told so, later. */
static void one_too_many_is_refused_later(void **state)
{
	(void)state;
	give_line();
	for (int i = 0; i < ASK_OPEN_MAX + ASK_WAITING_MAX; i++)
		ask(i);
	ask(-1);
	ask_posh(the.asker, &a_example, (struct ticket){1, 1}, -2);
	assert_int_equal(the.told, 0); /* never from inside the call */
	wait_told(2, 1000);
	assert_int_equal(the.answers[0].tag, -1);
	assert_int_equal(the.answers[0].status, RESOLVE_FAILED);
	assert_int_equal(the.answers[1].tag, -2);
	assert_int_equal(the.answers[1].posh, ERR_POSH_BUSY);
}

static void no_answer_comes_after_the_asker_is_freed(void **state)
{
	(void)state;
	struct scout_question q;
	give_line();
	ask(1);
	ask(2);
	assert_true(next_question(&q));
	const struct answer a = address_answer(AF_INET, 1);
	say(q.serial, &a);
	asker_free(the.asker);
	the.asker = NULL;
	turn(50);
	assert_int_equal(the.told, 0);
}

#define ASK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASK_TEST(every_kind_is_asked_and_answered_by_its_ticket),
		ASK_TEST(what_was_asked_before_there_was_a_scout_is_asked_when_it_comes),
		ASK_TEST(open_questions_are_asked_again_at_the_next_scout),
		ASK_TEST(a_scout_that_talks_nonsense_is_left),
		ASK_TEST(a_late_answer_is_nobodys),
		ASK_TEST(a_line_may_be_replaced_when_an_answer_is_told),
		ASK_TEST(each_question_has_its_own_deadline),
		ASK_TEST(what_is_more_than_the_scout_takes_waits_for_its_turn),
		ASK_TEST(all_that_waited_is_answered_in_the_end),
		ASK_TEST(one_too_many_is_refused_later),
		ASK_TEST(no_answer_comes_after_the_asker_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
