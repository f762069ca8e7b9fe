/* The records of decisions, and the ring that outlives whoever writes it. */
#include "core/decision.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* ---- records ---- */

static struct decision *begun(void)
{
	struct decision *d = decision_begin(true, "0123456789abcdef", 1800000000, 5000);
	assert_false(err_is(domain_parse(SLICE_LIT("shire.example"), &d->tenant)));
	assert_false(err_is(domain_parse(SLICE_LIT("mordor.example"), &d->peer)));
	return d;
}

static void a_step_has_a_time_a_mark_a_code_and_words(void **state)
{
	(void)state;
	struct decision *d = begun();
	decision_step(d, 5024, "tls", STEP_FINE, err_ok(), "%s %s", "TLSv1.3", "aes");
	decision_step(d, 4000, "certificate", STEP_BAD, err_make(ERR_CERT_NAME), "%s", "");
	assert_int_equal(d->step_count, 2);
	assert_int_equal(d->steps[0].at_ms, 24);
	assert_string_equal(d->steps[0].name, "tls");
	assert_string_equal(d->steps[0].detail, "TLSv1.3 aes");
	assert_int_equal(d->steps[0].code, ERR_OK);
	assert_int_equal(d->steps[1].at_ms, 0); /* no time before the beginning */
	assert_int_equal(d->steps[1].mark, STEP_BAD);
	assert_int_equal(d->steps[1].code, ERR_CERT_NAME);
	assert_string_equal(d->steps[1].detail, err_row(ERR_CERT_NAME)->sentence);
	decision_free(d);
}

/* M-privacy: domains only. */
static void what_strangers_write_is_made_harmless(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *clean;
	} rows[] = {
		{"plain words", "plain words"},
		{"line\nend\ttab\x1b[31m", "line?end?tab?[31m"},
		{"\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac"},
		{"bad \xff\xc3", "bad ??"},
		{"turned \xe2\x80\xae round", "turned ? round"},
		{"romeo@montague.example", "*@montague.example"},
		{"names romeo@a.example, juliet@b.example", "names *@a.example, *@b.example"},
		{"xmpp:romeo@montague.example/orchard", "xmpp:*@montague.example/orchard"},
		{"r\xc3\xb6meo@a.example", "*@a.example"},
		{"a\nb@c.example", "*@c.example"},
		{"@a.example", "@a.example"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct decision *d = begun();
		decision_step(d, 5000, "x", STEP_FINE, err_ok(), "%s", rows[i].raw);
		assert_string_equal(d->steps[0].detail, rows[i].clean);
		decision_free(d);
	}
}

static void a_long_text_is_cut_between_characters(void **state)
{
	(void)state;
	char raw[400];
	struct decision *d = begun();
	memset(raw, 'a', sizeof raw);
	memcpy(raw + DECISION_TEXT_MAX - 1, "\xe2\x82\xac", 3);
	raw[sizeof raw - 1] = '\0';
	decision_step(d, 5000, "a-name-that-is-too-long", STEP_FINE, err_ok(), "%s", raw);
	assert_int_equal(strlen(d->steps[0].detail), DECISION_TEXT_MAX - 1);
	assert_int_equal(strlen(d->steps[0].name), sizeof d->steps[0].name - 1);
	decision_free(d);
}

static void of_too_many_steps_the_first_and_the_last_stay(void **state)
{
	(void)state;
	struct decision *d = begun();
	for (int i = 0; i < 3 * DECISION_STEPS_MAX; i++)
		decision_step(d, 5000, "dns", STEP_FINE, err_ok(), "step %d", i);
	assert_int_equal(d->step_count, DECISION_STEPS_MAX);
	assert_string_equal(d->steps[0].detail, "step 0");
	assert_string_equal(d->steps[DECISION_STEPS_MAX - 3].detail, "step 21");
	assert_string_equal(d->steps[DECISION_STEPS_MAX - 2].name, "...");
	assert_int_equal(d->steps[DECISION_STEPS_MAX - 2].mark, STEP_SKIPPED);
	assert_string_equal(d->steps[DECISION_STEPS_MAX - 1].detail, "step 71");
	decision_free(d);
}

static void evidence_becomes_a_step_for_each_kind(void **state)
{
	(void)state;
	struct decision *d = begun();
	struct policy_case c = {.tls = true};
	c.of[PROOF_DANE].why = err_make(ERR_DANE_INSECURE);
	c.of[PROOF_PKIX] = (struct evidence){.outcome = EVIDENCE_FAILS,
		.why = err_make(ERR_CERT_NAME),
		.detail = "for barad-dur.example"};
	c.of[PROOF_POSH].outcome = EVIDENCE_PENDING;
	c.of[PROOF_ASKED].outcome = EVIDENCE_PENDING;
	c.of[PROOF_PIN] =
		(struct evidence){.outcome = EVIDENCE_FAILS, .why = err_make(ERR_PIN_MISMATCH)};
	struct policy_verdict v = {.decision = POLICY_WAIT, .level = LEVEL_NONE};
	decision_evidence(d, 5010, &c, &v);
	static const struct {
		const char *name;
		enum step_mark mark;
		enum err_code code;
	} rows[] = {{"dane", STEP_SKIPPED, ERR_DANE_INSECURE},
		{"certificate", STEP_BAD, ERR_CERT_NAME}, {"posh", STEP_OPEN, ERR_OK},
		{"pin", STEP_BAD, ERR_PIN_MISMATCH}, {"dialback", STEP_OPEN, ERR_OK}};
	assert_int_equal(d->step_count, PROOF_KINDS);
	for (size_t i = 0; i < PROOF_KINDS; i++) {
		assert_string_equal(d->steps[i].name, rows[i].name);
		assert_int_equal(d->steps[i].mark, rows[i].mark);
		assert_int_equal(d->steps[i].code, rows[i].code);
		assert_int_equal(d->steps[i].at_ms, 10);
	}
	assert_string_equal(d->steps[0].detail, err_row(ERR_DANE_INSECURE)->sentence);
	assert_string_equal(d->steps[1].detail, "for barad-dur.example");
	assert_int_equal(d->outcome, DECISION_OPEN);
	assert_int_equal(d->level, LEVEL_NONE);
	assert_int_equal(d->level_asked, LEVEL_SECURE); /* what dialback over TLS would give */
	decision_free(d);
}

static void what_is_open_when_all_is_decided_is_skipped(void **state)
{
	(void)state;
	struct decision *d = begun();
	struct policy_case c = {.tls = true};
	struct policy_verdict v = {.decision = POLICY_WAIT};
	c.of[PROOF_ASKED].outcome = EVIDENCE_PENDING;
	decision_evidence(d, 5010, &c, &v);
	assert_int_equal(d->steps[0].mark, STEP_OPEN);
	v.decision = POLICY_REFUSE;
	decision_evidence(d, 5020, &c, &v);
	assert_int_equal(d->step_count, 1);
	assert_int_equal(d->steps[0].mark, STEP_SKIPPED);
	assert_string_equal(d->steps[0].detail, "decided without it");
	decision_free(d);
}

static void a_proof_says_what_it_proves(void **state)
{
	(void)state;
	for (int inbound = 0; inbound < 2; inbound++) {
		struct decision *d = decision_begin(inbound, "x", 1800000000, 5000);
		struct policy_case c = {.tls = true};
		struct policy_verdict v = {.decision = POLICY_WAIT};
		for (size_t i = 0; i < PROOF_KINDS; i++)
			c.of[i].outcome = EVIDENCE_PROVES;
		snprintf(c.of[PROOF_DANE].detail, EVIDENCE_DETAIL_MAX, "match 3 1 1");
		decision_evidence(d, 5010, &c, &v);
		assert_string_equal(d->steps[0].detail, "match 3 1 1");
		assert_string_equal(
			d->steps[1].detail, "it names the domain and leads to a trusted authority");
		assert_string_equal(
			d->steps[4].detail, inbound ? "the domain's own server confirmed it"
						    : "reached where DNS points");
		decision_free(d);
	}
}

/* The veto of a pin or of DANE is final: dialback would not help. */
static void what_dialback_would_give_respects_a_veto(void **state)
{
	(void)state;
	static const struct {
		enum evidence_outcome dane, asked;
		bool tls;
		enum level level;
	} rows[] = {
		{EVIDENCE_NONE, EVIDENCE_PENDING, true, LEVEL_SECURE},
		{EVIDENCE_NONE, EVIDENCE_PENDING, false, LEVEL_VERIFIED},
		{EVIDENCE_FORBIDS, EVIDENCE_PENDING, true, LEVEL_NONE},
		{EVIDENCE_NONE, EVIDENCE_FAILS, true, LEVEL_NONE},
		{EVIDENCE_PROVES, EVIDENCE_PENDING, true, LEVEL_TRUSTED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct decision *d = begun();
		struct policy_case c = {.tls = rows[i].tls};
		struct policy_verdict v = {.decision = POLICY_WAIT};
		c.of[PROOF_DANE].outcome = rows[i].dane;
		c.of[PROOF_ASKED].outcome = rows[i].asked;
		decision_evidence(d, 5010, &c, &v);
		assert_int_equal(d->level_asked, rows[i].level);
		decision_free(d);
	}
}

static void later_evidence_takes_the_place_of_what_was_open(void **state)
{
	(void)state;
	struct decision *d = begun();
	struct policy_case c = {.tls = true};
	struct policy_verdict v = {.decision = POLICY_WAIT};
	c.of[PROOF_POSH].outcome = EVIDENCE_PENDING;
	c.of[PROOF_PKIX].outcome = EVIDENCE_PROVES;
	decision_evidence(d, 5010, &c, &v);
	c.of[PROOF_POSH] =
		(struct evidence){.outcome = EVIDENCE_PROVES, .why = err_make(ERR_POSH_NONE)};
	v = (struct policy_verdict){
		.decision = POLICY_ACCEPT, .level = LEVEL_TRUSTED, .by = PROOF_POSH};
	decision_evidence(d, 5050, &c, &v);
	assert_int_equal(d->step_count, 2); /* what was not looked at is no step */
	assert_int_equal(d->steps[1].mark, STEP_FINE);
	assert_int_equal(d->steps[1].code, ERR_OK);
	assert_int_equal(d->steps[1].at_ms, 50);
	assert_int_equal(d->steps[0].at_ms, 10); /* nothing new about it */
	assert_int_equal(d->outcome, DECISION_ACCEPTED);
	assert_int_equal(d->level, LEVEL_TRUSTED);
	assert_int_equal(d->by, PROOF_POSH);
	c.of[PROOF_PKIX] =
		(struct evidence){.outcome = EVIDENCE_FAILS, .why = err_make(ERR_PROOF_OVER)};
	v = (struct policy_verdict){.decision = POLICY_REFUSE, .why = err_make(ERR_PROOF_OVER)};
	decision_evidence(d, 9000, &c, &v); /* what was final is not rewritten */
	assert_int_equal(d->step_count, 3);
	assert_int_equal(d->steps[2].mark, STEP_BAD);
	assert_int_equal(d->outcome, DECISION_REFUSED);
	assert_int_equal(d->code, ERR_PROOF_OVER);
	assert_int_equal(d->by, PROOF_KINDS);
	decision_free(d);
}

/* ---- the ring ---- */

static struct decisions *ring, *writer;
static int ring_fd;
static struct decision found[DECISIONS_KEPT];

static int set_up(void **state)
{
	(void)state;
	ring = decisions_create(&ring_fd);
	writer = ring ? decisions_map(ring_fd) : NULL;
	return writer ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	decisions_unmap(writer);
	decisions_unmap(ring);
	close(ring_fd);
	return 0;
}

static bool anyone(void *arg, const struct decision *d)
{
	(void)arg;
	(void)d;
	return true;
}

static bool for_peer(void *arg, const struct decision *d)
{
	return strcmp(d->peer.name, arg) == 0;
}

/* A record whose every text and number is made of n, so that a torn one shows. */
static void numbered(struct decision *d, unsigned n)
{
	*d = (struct decision){.inbound = n & 1, .began_s = n, .began_ms = n};
	snprintf(d->session, sizeof d->session, "%u", n);
	d->peer.len = (uint8_t)snprintf(d->peer.name, sizeof d->peer.name, "p%u.example", n % 10);
	d->step_count = 1 + n % DECISION_STEPS_MAX;
	for (uint32_t i = 0; i < d->step_count; i++) {
		d->steps[i].at_ms = n;
		memset(d->steps[i].detail, 'a' + (int)(n % 26), DECISION_TEXT_MAX);
	}
}

static bool is_whole(const struct decision *d)
{
	struct decision want;
	numbered(&want, (unsigned)d->began_s);
	return memcmp(&want, d, sizeof want) == 0;
}

static void keep(unsigned from, unsigned to)
{
	struct decision d;
	for (unsigned n = from; n < to; n++) {
		numbered(&d, n);
		decision_keep(writer, &d);
	}
}

static void the_newest_come_first(void **state)
{
	(void)state;
	assert_int_equal(decisions_find(ring, anyone, NULL, found, 10), 0);
	keep(1, 26);
	assert_int_equal(decisions_find(ring, anyone, NULL, found, 10), 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(found[i].began_s, 25 - i);
		assert_true(is_whole(&found[i]));
	}
	assert_int_equal(decisions_find(ring, for_peer, "p3.example", found, 10), 3);
	assert_int_equal(found[0].began_s, 23);
	assert_int_equal(found[2].began_s, 3);
	assert_int_equal(decisions_find(ring, for_peer, "p3.example.", found, 10), 0);
}

static void the_ring_goes_round(void **state)
{
	(void)state;
	keep(1, 1 + 3 * DECISIONS_KEPT + 7);
	assert_int_equal(decisions_find(ring, anyone, NULL, found, DECISIONS_KEPT), DECISIONS_KEPT);
	for (unsigned i = 0; i < DECISIONS_KEPT; i++) {
		assert_int_equal(found[i].began_s, 3 * DECISIONS_KEPT + 7 - i);
		assert_true(is_whole(&found[i]));
	}
}

static void nothing_is_kept_without_a_ring(void **state)
{
	(void)state;
	struct decision d = {.began_s = 1};
	decision_keep(NULL, &d);
	decision_free(NULL);
	decisions_unmap(NULL);
}

static size_t kib_held(void)
{
	struct stat st;
	assert_int_equal(fstat(ring_fd, &st), 0);
	return (size_t)st.st_blocks / 2;
}

/* What an idle gate pays for it: a page; a busy one two MiB per worker and no more. */
static void memory_is_taken_as_it_is_used(void **state)
{
	(void)state;
	decisions_find(ring, anyone, NULL, found, 1);
	assert_in_range(kib_held(), 0, 4);
	keep(1, 11);
	assert_in_range(kib_held(), 40, 48);
	keep(11, 3000);
	assert_in_range(kib_held(), 2048, 2052);
}

static void the_memory_cannot_shrink_under_the_reader(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(ring_fd, 0), -1);
	assert_int_equal(ftruncate(ring_fd, 1 << 28), -1);
}

/* ---- two processes ---- */

static void wait_us(long us)
{
	const struct timespec t = {.tv_nsec = us * 1000};
	nanosleep(&t, NULL);
}

/* In bursts, so that a reader meets slots at rest and slots in work. */
static pid_t write_for_ever(unsigned from)
{
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned n = from;; n += 100) {
			keep(n, n + 100);
			wait_us(100);
		}
	}
	assert_true(pid > 0);
	return pid;
}

/* Until it has begun to write, however busy the machine is. */
static void wait_for_writer(unsigned first)
{
	for (int i = 0; i < 10000; i++) {
		if (decisions_find(ring, anyone, NULL, found, 1) == 1 && found[0].began_s >= first)
			return;
		wait_us(200);
	}
	fail();
}

static void kill_writer(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_reader_never_takes_a_torn_one(void **state)
{
	(void)state;
	pid_t pid = write_for_ever(1);
	wait_for_writer(DECISIONS_KEPT);
	size_t seen = 0;
	for (int round = 0; round < 60; round++) {
		/* The oldest ones are those that are just being written over. */
		size_t n = decisions_find(ring, anyone, NULL, found, DECISIONS_KEPT);
		for (size_t i = 0; i < n; i++) {
			assert_true(is_whole(&found[i]));
			assert_true(i == 0 || found[i].began_s < found[i - 1].began_s);
		}
		seen += n;
		wait_us(200); /* with one core the writer needs its turn too */
	}
	kill_writer(pid);
	assert_true(seen > 1000);
}

/* The steps are copied after the question whether it is wanted: time enough for another one. */
static bool write_over_it(void *arg, const struct decision *d)
{
	unsigned *left = arg;
	if (*left && (*left)--)
		keep((unsigned)d->began_s + 1, (unsigned)d->began_s + 1 + DECISIONS_KEPT);
	return true;
}

static void one_that_is_written_over_while_it_is_read_is_not_taken(void **state)
{
	(void)state;
	for (unsigned times = 0; times < 12; times++) {
		unsigned left = times;
		keep(1, 2);
		size_t n = decisions_find(ring, write_over_it, &left, found, 1);
		assert_true(n == 0 || is_whole(&found[0]));
		assert_int_equal(n, times == 0);
	}
}

/* A worker dies at any instruction; what it had kept before stays, and the next one goes on. */
static void a_killed_writer_costs_one_record_at_most(void **state)
{
	(void)state;
	unsigned next = 1;
	for (int round = 0; round < 60; round++) {
		pid_t pid = write_for_ever(next);
		wait_for_writer(next);
		wait_us(500 + round * 13);
		kill_writer(pid);
		size_t n = decisions_find(ring, anyone, NULL, found, DECISIONS_KEPT);
		for (size_t i = 0; i < n; i++)
			assert_true(is_whole(&found[i]));
		assert_true(n > 0 && found[0].began_s >= next);
		if (found[0].began_s > 2 * DECISIONS_KEPT)
			assert_in_range(n, DECISIONS_KEPT - 1 - round, DECISIONS_KEPT);
		next = (unsigned)found[0].began_s + 1;
		keep(next, next + 1);
		assert_int_equal(decisions_find(ring, anyone, NULL, found, 1), 1);
		assert_int_equal(found[0].began_s, next++);
	}
}

/* It died between the two: the slot's number is odd for good, until it is written again. */
static void a_half_written_one_is_passed_over_and_written_over(void **state)
{
	(void)state;
	keep(1, 4);
	uint64_t odd;
	char *slot = (char *)writer + (size_t)PAGE * (1 + 2);
	memcpy(&odd, slot, sizeof odd);
	odd |= 1;
	memcpy(slot, &odd, sizeof odd);
	assert_int_equal(decisions_find(ring, anyone, NULL, found, 10), 2);
	assert_int_equal(found[0].began_s, 3);
	assert_int_equal(found[1].began_s, 1);
	keep(4, DECISIONS_KEPT + 4);
	assert_int_equal(decisions_find(ring, anyone, NULL, found, DECISIONS_KEPT), DECISIONS_KEPT);
}

/* The supervisor reads what a worker wrote that may be anybody's by then. */
static void whatever_stands_in_the_ring_comes_out_in_shape(void **state)
{
	(void)state;
	unsigned random = 12345;
	keep(1, DECISIONS_KEPT + 1);
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < DECISIONS_KEPT; i++) {
			char *slot = (char *)writer + PAGE * (1 + i) + 16;
			for (int k = 0; k < 64; k++) {
				random = random * 1664525 + 1013904223;
				slot[(random >> 8) % (PAGE - 16)] = (char)(random >> 24);
			}
		}
		size_t n = decisions_find(ring, anyone, NULL, found, DECISIONS_KEPT);
		for (size_t i = 0; i < n; i++) {
			const struct decision *d = &found[i];
			assert_true(d->step_count <= DECISION_STEPS_MAX);
			assert_true(d->outcome <= DECISION_REFUSED && d->code < ERR_COUNT);
			assert_true(d->floor <= LEVEL_TRUSTED && d->level <= LEVEL_TRUSTED);
			assert_true(d->by <= PROOF_KINDS && d->level_asked <= LEVEL_TRUSTED);
			assert_int_equal(strlen(d->peer.name), d->peer.len);
			assert_null(strpbrk(d->peer.name, " \n\"\x1b"));
			assert_true(memchr(d->address, 0, sizeof d->address) != NULL);
			for (uint32_t s = 0; s < d->step_count; s++) {
				const struct decision_step *step = &d->steps[s];
				assert_true(step->mark <= STEP_OPEN && step->code < ERR_COUNT);
				assert_non_null(memchr(step->name, 0, sizeof step->name));
				assert_non_null(memchr(step->detail, 0, sizeof step->detail));
				assert_null(strpbrk(step->detail, "\n\x1b\xff"));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_has_a_time_a_mark_a_code_and_words),
		cmocka_unit_test(what_strangers_write_is_made_harmless),
		cmocka_unit_test(a_long_text_is_cut_between_characters),
		cmocka_unit_test(of_too_many_steps_the_first_and_the_last_stay),
		cmocka_unit_test(evidence_becomes_a_step_for_each_kind),
		cmocka_unit_test(what_dialback_would_give_respects_a_veto),
		cmocka_unit_test(what_is_open_when_all_is_decided_is_skipped),
		cmocka_unit_test(a_proof_says_what_it_proves),
		cmocka_unit_test(later_evidence_takes_the_place_of_what_was_open),
		cmocka_unit_test_setup_teardown(the_newest_come_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_ring_goes_round, set_up, tear_down),
		cmocka_unit_test(nothing_is_kept_without_a_ring),
		cmocka_unit_test_setup_teardown(memory_is_taken_as_it_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_memory_cannot_shrink_under_the_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_never_takes_a_torn_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_is_written_over_while_it_is_read_is_not_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_killed_writer_costs_one_record_at_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_half_written_one_is_passed_over_and_written_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			whatever_stands_in_the_ring_comes_out_in_shape, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
