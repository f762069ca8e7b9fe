/* The scout's side of a line, against a worker that the test plays. */
#include "core/scout_inside.h"
#include "lib/fake_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
	struct fake_worker *f;
	struct scout_line *line;
	int worker; /* the worker's end */
	unsigned asked, gone;
	struct scout_question last;
	bool close_when_asked;
} the;

/* About seven kilobytes, as long as TLSA and POSH may become. */
static const struct answer *large(void)
{
	static struct answer a = {.kind = ASK_POSH};
	a.posh.document.count = POSH_PRINTS_MAX;
	for (size_t i = 0; i < POSH_PRINTS_MAX; i++)
		a.posh.document.prints[i] =
			(struct posh_print){.has_256 = true, .has_384 = true, .has_512 = true};
	return &a;
}

static void on_asked(void *arg, const struct scout_question *q)
{
	assert_ptr_equal(arg, &the);
	the.asked++;
	the.last = *q;
	if (!the.close_when_asked)
		return;
	scout_line_close(the.line);
	scout_line_send(the.line, q->serial, large()); /* in the same turn: to nobody */
}

static void on_gone(void *arg)
{
	assert_ptr_equal(arg, &the);
	the.gone++;
}

static const struct scout_line_events events = {.asked = on_asked, .gone = on_gone};

static int set_up(void **state)
{
	int pair[2];
	(void)state;
	memset(&the, 0, sizeof the);
	the.f = fake_worker_new();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	the.worker = pair[0];
	the.line = scout_line_new(&the.f->loop, the.f->w.timers, pair[1], 3, &events, &the);
	return the.line ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	if (!the.gone)
		scout_line_close(the.line);
	close(the.worker);
	fake_worker_free(the.f);
	return 0;
}

static void turn(uint64_t ms)
{
	(void)fake_worker_run(the.f, NULL, NULL, ms);
}

static void ask(uint32_t serial)
{
	const struct scout_question q = {
		.serial = serial, .kind = ASK_POSH, .name = {.len = 9, .name = "a.example"}};
	struct buf out;
	buf_init(&out, SCOUT_QUESTION_MAX);
	scout_question_write(&q, &out);
	struct slice m = buf_peek(&out);
	(void)!send(the.worker, m.ptr, m.len, 0);
	buf_fini(&out);
}

/* The serial of the next answer, 0 when there is none. */
static uint32_t next_answer(void)
{
	static struct answer a;
	char in[SCOUT_ANSWER_MAX];
	uint32_t serial = 0;
	ssize_t n = recv(the.worker, in, sizeof in, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	assert_true(scout_answer_read(slice_of(in, (size_t)n), &serial, &a));
	return serial;
}

static void questions_are_told_and_answers_go_out(void **state)
{
	(void)state;
	ask(5);
	ask(6);
	turn(20);
	assert_int_equal(the.asked, 2);
	assert_int_equal(the.last.serial, 6);
	scout_line_send(the.line, 5, large());
	assert_int_equal(next_answer(), 5); /* at once */
	assert_int_equal(the.gone, 0);
}

static void answers_wait_for_a_worker_that_is_slow_and_keep_their_order(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	uint32_t got = 0;
	for (uint32_t i = 1; i < MANY; i++)
		scout_line_send(the.line, i, large());
	while (got < 20)
		assert_int_equal(next_answer(), ++got);
	scout_line_send(the.line, MANY, large()); /* there is room, and others wait for it */
	ask(1);                                   /* it is still listened to */
	turn(20);
	assert_int_equal(the.asked, 1);
	while (got < MANY) {
		uint32_t serial = next_answer();
		if (serial)
			assert_int_equal(serial, ++got);
		else
			turn(1);
	}
	assert_int_equal(the.gone, 0);
	clock_t before = clock();
	turn(300); /* with nothing to send nobody spins */
	assert_true(clock() - before < CLOCKS_PER_SEC / 10);
}

static void a_worker_that_lets_too_much_pile_up_loses_its_line(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SCOUT_QUEUE_MAX / 4000; i++)
		scout_line_send(the.line, i, large());
	assert_int_equal(the.gone, 0); /* never from inside the call */
	turn(50);
	assert_int_equal(the.gone, 1);
}

static void a_worker_that_reads_nothing_loses_its_line_in_time(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 100; i++)
		scout_line_send(the.line, i, large());
	uint64_t began = uv_now(&the.f->loop);
	turn(SCOUT_UNREAD_MS * 8 / 10);
	assert_int_equal(the.gone, 0);
	while (next_answer()) /* it lives */
		;
	turn(SCOUT_UNREAD_MS * 4 / 10);
	assert_int_equal(the.gone, 0);
	turn(SCOUT_UNREAD_MS * 7 / 10);
	assert_int_equal(the.gone, 1);
	assert_true(uv_now(&the.f->loop) - began > SCOUT_UNREAD_MS);
}

static void a_worker_that_talks_nonsense_loses_its_line(void **state)
{
	(void)state;
	char huge[SCOUT_QUESTION_MAX + 1] = "Q";
	ask(1);
	assert_true(send(the.worker, huge, sizeof huge, 0) > 0);
	ask(2);
	turn(20);
	assert_int_equal(the.asked, 1);
	assert_int_equal(the.gone, 1);
}

static void a_worker_that_is_gone_is_told_once(void **state)
{
	(void)state;
	shutdown(the.worker, SHUT_RDWR);
	scout_line_send(the.line, 1, large());
	assert_int_equal(the.gone, 0);
	turn(20);
	assert_int_equal(the.gone, 1);
	assert_int_equal(the.asked, 0);
}

static void a_line_may_be_closed_when_it_tells(void **state)
{
	(void)state;
	the.close_when_asked = true;
	ask(1);
	ask(2);
	turn(20);
	assert_int_equal(the.asked, 1);
	assert_int_equal(the.gone, 0); /* whoever closes it knows */
	assert_int_equal(next_answer(), 0);
	the.gone = 1; /* for the end of the test */
}

#define LINE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINE_TEST(questions_are_told_and_answers_go_out),
		LINE_TEST(answers_wait_for_a_worker_that_is_slow_and_keep_their_order),
		LINE_TEST(a_worker_that_lets_too_much_pile_up_loses_its_line),
		LINE_TEST(a_worker_that_reads_nothing_loses_its_line_in_time),
		LINE_TEST(a_worker_that_talks_nonsense_loses_its_line),
		LINE_TEST(a_worker_that_is_gone_is_told_once),
		LINE_TEST(a_line_may_be_closed_when_it_tells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
