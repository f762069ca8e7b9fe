#include "core/sendq.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slice filled(char *room, char with, size_t len)
{
	memset(room, with, len);
	return slice_of(room, len);
}

static void a_limit_refuses_the_stanza_whole(void **state)
{
	(void)state;
	struct sendq q;
	struct slice taken;
	sendq_init(&q, 3, 10);
	assert_false(err_is(sendq_push(&q, SLICE_LIT("<a/>"), 5)));
	assert_false(err_is(sendq_push(&q, SLICE_LIT("<bb/>"), 6)));
	assert_int_equal(sendq_push(&q, SLICE_LIT("cc"), 7).code, ERR_QUEUE_FULL); /* bytes */
	assert_false(err_is(sendq_push(&q, SLICE_LIT("c"), 7)));
	assert_true(sendq_take(&q, &taken));
	assert_false(err_is(sendq_push(&q, SLICE_LIT("d"), 8)));
	assert_int_equal(sendq_push(&q, SLICE_LIT("e"), 9).code, ERR_QUEUE_FULL); /* count */
	assert_int_equal(sendq_count(&q), 3);
	assert_int_equal(sendq_bytes(&q), 7);
	assert_int_equal(sendq_oldest_ms(&q), 6);
	sendq_fini(&q);
}

static void a_pull_gives_whole_stanzas_up_to_its_size(void **state)
{
	(void)state;
	struct sendq q;
	sendq_init(&q, 100, 1000);
	assert_int_equal(sendq_pull(&q, 10).len, 0);
	sendq_push(&q, SLICE_LIT("<longer-than-the-pull/>"), 0);
	sendq_push(&q, SLICE_LIT("<a/>"), 0);
	sendq_push(&q, SLICE_LIT("<b/>"), 0);
	sendq_push(&q, SLICE_LIT("<c/>"), 0);
	assert_true(slice_eq_str(sendq_pull(&q, 10), "<longer-than-the-pull/>"));
	assert_true(slice_eq_str(sendq_pull(&q, 10), "<a/><b/>"));
	assert_true(slice_eq_str(sendq_pull(&q, 10), "<c/>"));
	assert_int_equal(sendq_pull(&q, 10).len, 0);
	sendq_fini(&q);
}

/* One TLS record holds several stanzas: they arrive together or not at all. */
static void stanzas_of_one_record_leave_together(void **state)
{
	(void)state;
	struct sendq q;
	sendq_init(&q, 100, 1000);
	sendq_push(&q, SLICE_LIT("<a/>"), 0);
	sendq_push(&q, SLICE_LIT("<b/>"), 0);
	sendq_pull(&q, 100);
	sendq_pulled(&q, 500, 530);
	sendq_accepted(&q, 529);
	assert_int_equal(sendq_count(&q), 2);
	assert_int_equal(sendq_cut(&q, 529), 0);
	assert_true(slice_eq_str(sendq_pull(&q, 100), "<a/><b/>"));
	sendq_fini(&q);
}

/* Without TLS the first of two may have arrived: it must not be sent again. */
static void stanzas_of_a_plain_wire_leave_one_by_one(void **state)
{
	(void)state;
	struct sendq q;
	sendq_init(&q, 100, 1000);
	sendq_push(&q, SLICE_LIT("<a/>"), 0);
	sendq_push(&q, SLICE_LIT("<b/>"), 0);
	sendq_pull(&q, 100);
	sendq_pulled(&q, 500, 508);
	sendq_accepted(&q, 507);
	assert_int_equal(sendq_count(&q), 1);
	assert_int_equal(sendq_cut(&q, 503), 1);
	assert_true(slice_eq_str(sendq_pull(&q, 100), "<b/>"));
	sendq_fini(&q);
}

static void taking_gives_the_first_and_then_nothing(void **state)
{
	(void)state;
	struct sendq q;
	struct slice s;
	sendq_init(&q, 100, 1000);
	assert_false(sendq_take(&q, &s));
	sendq_push(&q, SLICE_LIT("<a/>"), 1);
	sendq_push(&q, SLICE_LIT("<b/>"), 2);
	assert_true(sendq_take(&q, &s) && slice_eq_str(s, "<a/>"));
	assert_int_equal(sendq_oldest_ms(&q), 2);
	assert_true(sendq_take(&q, &s) && slice_eq_str(s, "<b/>"));
	assert_false(sendq_take(&q, &s));
	assert_int_equal(sendq_oldest_ms(&q), 0);
	assert_int_equal(sendq_bytes(&q), 0);
	sendq_fini(&q);
}

/* ---- the model: an array of stanzas, each in one state ---- */

enum { STANZAS = 6000 };
enum fate { QUEUED, PULLED, ACCEPTED, DELIVERED, IN_FLIGHT, TAKEN };

struct model {
	struct sendq q;
	struct {
		enum fate fate;
		size_t len;
		uint64_t wire_end;
	} stanza[STANZAS];
	size_t pushed;
	uint64_t wire, accepted, acked; /* of this connection */
};

static uint64_t seed;

static size_t dice(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

static size_t count(const struct model *m, enum fate fate)
{
	size_t n = 0;
	for (size_t i = 0; i < m->pushed; i++)
		n += m->stanza[i].fate == fate;
	return n;
}

/* Stanza i is its number and then a letter, so that order and identity can be read off the wire. */
static size_t write_stanza(size_t i, size_t len, char *out)
{
	snprintf(out, 8, "%06zu", i);
	memset(out + 6, 'a' + (int)(i % 26), len - 6);
	return len;
}

static void model_push(struct model *m)
{
	char text[600];
	size_t len = 6 + dice(dice(8) ? 30 : 500);
	if (m->pushed == STANZAS)
		return;
	write_stanza(m->pushed, len, text);
	if (err_is(sendq_push(&m->q, slice_of(text, len), m->pushed)))
		return;
	m->stanza[m->pushed].len = len;
	m->stanza[m->pushed++].fate = QUEUED;
}

static void model_pull(struct model *m)
{
	char text[600];
	struct slice got = sendq_pull(&m->q, 1 + dice(300));
	uint64_t start = m->wire;
	bool tls = dice(2);
	size_t first = 0, total = 0;
	while (first < m->pushed && m->stanza[first].fate != QUEUED)
		first++;
	assert_int_equal(got.len > 0, first < m->pushed);
	if (!got.len)
		return;
	m->wire += got.len + (tls ? 22 : 0);
	sendq_pulled(&m->q, start, m->wire);
	for (size_t i = first; total < got.len; i++) {
		assert_true(i < m->pushed && m->stanza[i].fate == QUEUED);
		size_t len = write_stanza(i, m->stanza[i].len, text);
		assert_true(slice_eq(slice_sub(got, total, total + len), slice_of(text, len)));
		total += len;
		m->stanza[i].fate = PULLED;
		m->stanza[i].wire_end = tls ? m->wire : start + total;
	}
	assert_int_equal(total, got.len);
}

static void model_advance(struct model *m)
{
	m->accepted += dice(m->wire - m->accepted + 1);
	sendq_accepted(&m->q, m->accepted);
	if (dice(2)) {
		m->acked += dice(m->accepted - m->acked + 1);
		sendq_acknowledged(&m->q, m->acked);
	}
	for (size_t i = 0; i < m->pushed; i++) {
		if (m->stanza[i].fate == PULLED && m->stanza[i].wire_end <= m->accepted)
			m->stanza[i].fate = ACCEPTED;
		if (m->stanza[i].fate == ACCEPTED && m->stanza[i].wire_end <= m->acked)
			m->stanza[i].fate = DELIVERED;
	}
}

static void model_cut(struct model *m)
{
	size_t lost = 0;
	m->acked += dice(m->accepted - m->acked + 1);
	for (size_t i = 0; i < m->pushed; i++) {
		if (m->stanza[i].fate == ACCEPTED) {
			bool there = m->stanza[i].wire_end <= m->acked;
			m->stanza[i].fate = there ? DELIVERED : IN_FLIGHT;
			lost += !there;
		} else if (m->stanza[i].fate == PULLED) {
			m->stanza[i].fate = QUEUED;
		}
	}
	assert_int_equal(sendq_cut(&m->q, m->acked), lost);
	m->wire = m->accepted = m->acked = 0;
}

static void model_take(struct model *m)
{
	char text[600];
	struct slice got;
	if (count(m, PULLED))
		return;
	size_t first = 0;
	while (first < m->pushed && m->stanza[first].fate != QUEUED)
		first++;
	assert_int_equal(sendq_take(&m->q, &got), first < m->pushed);
	if (first == m->pushed)
		return;
	size_t len = write_stanza(first, m->stanza[first].len, text);
	assert_true(slice_eq(got, slice_of(text, len)));
	m->stanza[first].fate = TAKEN;
}

static void model_check(struct model *m)
{
	size_t waiting = 0, bytes = 0;
	for (size_t i = 0; i < m->pushed; i++) {
		bool waits = m->stanza[i].fate == QUEUED || m->stanza[i].fate == PULLED;
		waiting += waits;
		bytes += waits ? m->stanza[i].len : 0;
	}
	assert_int_equal(sendq_count(&m->q), waiting);
	assert_int_equal(sendq_bytes(&m->q), bytes);
	assert_int_equal(sendq_unacked(&m->q), count(m, ACCEPTED));
}

static void nothing_is_lost_sent_twice_or_reordered(void **state)
{
	(void)state;
	struct model *m = malloc(sizeof *m);
	for (uint64_t run = 1; run <= 12; run++) {
		seed = run;
		memset(m, 0, sizeof *m);
		sendq_init(&m->q, 50 + dice(200), 2000 + dice(8000));
		for (int step = 0; step < 4000; step++) {
			size_t what = dice(100);
			if (what < 45)
				model_push(m);
			else if (what < 70)
				model_pull(m);
			else if (what < 96)
				model_advance(m);
			else if (what < 98)
				model_cut(m);
			else
				model_take(m);
			model_check(m);
		}
		assert_true(count(m, DELIVERED) > 300 && count(m, IN_FLIGHT) > 10);
		sendq_fini(&m->q);
	}
	free(m);
}

static void a_cut_queue_can_go_on_for_ever_in_the_same_memory(void **state)
{
	(void)state;
	char text[100];
	struct sendq q;
	sendq_init(&q, 1000, 100000);
	for (int i = 0; i < 20000; i++) {
		sendq_push(&q, filled(text, 'x', 100), 0);
		sendq_push(&q, filled(text, 'y', 50), 0);
		sendq_pull(&q, 1000);
		sendq_pulled(&q, (uint64_t)i * 150, (uint64_t)i * 150 + 150);
		sendq_accepted(&q, (uint64_t)i * 150 + 150);
		sendq_acknowledged(&q, (uint64_t)i * 150 + 150);
	}
	assert_int_equal(sendq_count(&q), 0);
	assert_int_equal(sendq_unacked(&q), 0);
	assert_true(q.room <= 16 && q.unacked_room <= 16 && q.bytes.cap <= 1024);
	sendq_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_refuses_the_stanza_whole),
		cmocka_unit_test(a_pull_gives_whole_stanzas_up_to_its_size),
		cmocka_unit_test(stanzas_of_one_record_leave_together),
		cmocka_unit_test(stanzas_of_a_plain_wire_leave_one_by_one),
		cmocka_unit_test(taking_gives_the_first_and_then_nothing),
		cmocka_unit_test(nothing_is_lost_sent_twice_or_reordered),
		cmocka_unit_test(a_cut_queue_can_go_on_for_ever_in_the_same_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
