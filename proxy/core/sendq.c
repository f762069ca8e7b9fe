#include "core/sendq.h"

#include "base/mem.h"

#include <assert.h>

void sendq_init(struct sendq *q, size_t max_stanzas, size_t max_bytes)
{
	*q = (struct sendq){.max_stanzas = max_stanzas};
	buf_init(&q->bytes, max_bytes);
}

void sendq_fini(struct sendq *q)
{
	buf_fini(&q->bytes);
	mem_free(q->items);
	mem_free(q->unacked);
	*q = (struct sendq){0};
}

static struct sendq_item *item_at(const struct sendq *q, size_t i)
{
	return &q->items[(q->first + i) % q->room];
}

static void grow_items(struct sendq *q)
{
	size_t room = q->room ? q->room * 2 : 16;
	struct sendq_item *items = mem_alloc(room * sizeof *items);
	for (size_t i = 0; i < q->count; i++)
		items[i] = *item_at(q, i);
	mem_free(q->items);
	q->items = items;
	q->first = 0;
	q->room = room;
}

struct err sendq_push(struct sendq *q, struct slice stanza, uint64_t now_ms)
{
	if (q->count >= q->max_stanzas || err_is(buf_append(&q->bytes, stanza)))
		return err_make(ERR_QUEUE_FULL);
	if (q->count == q->room)
		grow_items(q);
	q->count++;
	*item_at(q, q->count - 1) = (struct sendq_item){.len = stanza.len, .since_ms = now_ms};
	return err_ok();
}

/* How many stanzas the next pull takes, and their bytes. */
static size_t next_batch(const struct sendq *q, size_t max, size_t *bytes)
{
	size_t n = 0;
	*bytes = 0;
	while (q->pulled + n < q->count) {
		size_t len = item_at(q, q->pulled + n)->len;
		if (n > 0 && *bytes + len > max)
			break;
		*bytes += len;
		n++;
	}
	return n;
}

struct slice sendq_pull(struct sendq *q, size_t max)
{
	size_t bytes;
	size_t n = next_batch(q, max, &bytes);
	struct slice all = buf_peek(&q->bytes);
	struct slice batch = slice_sub(all, q->pulled_bytes, q->pulled_bytes + bytes);
	for (size_t i = 0; i < n; i++)
		item_at(q, q->pulled + i)->wire_end = UINT64_MAX; /* until sendq_pulled() says */
	q->pulled += n;
	q->pulled_bytes += bytes;
	return batch;
}

void sendq_pulled(struct sendq *q, uint64_t wire_start, uint64_t wire_end)
{
	size_t first = q->pulled;
	uint64_t bytes = 0, at = wire_start;
	while (first > 0 && item_at(q, first - 1)->wire_end == UINT64_MAX)
		bytes += item_at(q, --first)->len;
	bool verbatim = wire_end - wire_start == bytes;
	for (size_t i = first; i < q->pulled; i++) {
		at += item_at(q, i)->len;
		item_at(q, i)->wire_end = verbatim ? at : wire_end;
	}
}

static void note_unacked(struct sendq *q, uint64_t wire_end)
{
	if (q->unacked_count == q->unacked_room) {
		size_t room = q->unacked_room ? q->unacked_room * 2 : 16;
		uint64_t *ring = mem_alloc(room * sizeof *ring);
		for (size_t i = 0; i < q->unacked_count; i++)
			ring[i] = q->unacked[(q->unacked_first + i) % q->unacked_room];
		mem_free(q->unacked);
		q->unacked = ring;
		q->unacked_first = 0;
		q->unacked_room = room;
	}
	q->unacked[(q->unacked_first + q->unacked_count++) % q->unacked_room] = wire_end;
}

void sendq_accepted(struct sendq *q, uint64_t wire_accepted)
{
	while (q->pulled && item_at(q, 0)->wire_end <= wire_accepted) {
		struct sendq_item *item = item_at(q, 0);
		note_unacked(q, item->wire_end);
		buf_consume(&q->bytes, item->len);
		q->pulled_bytes -= item->len;
		q->pulled--;
		q->first = (q->first + 1) % q->room;
		q->count--;
	}
}

void sendq_acknowledged(struct sendq *q, uint64_t wire_acked)
{
	while (q->unacked_count && q->unacked[q->unacked_first] <= wire_acked) {
		q->unacked_first = (q->unacked_first + 1) % q->unacked_room;
		q->unacked_count--;
	}
}

size_t sendq_cut(struct sendq *q, uint64_t wire_acked)
{
	sendq_acknowledged(q, wire_acked);
	size_t in_flight = q->unacked_count;
	q->unacked_count = 0;
	for (size_t i = 0; i < q->pulled; i++)
		item_at(q, i)->wire_end = 0;
	q->pulled = 0;
	q->pulled_bytes = 0;
	return in_flight;
}

size_t sendq_count(const struct sendq *q)
{
	return q->count;
}

size_t sendq_bytes(const struct sendq *q)
{
	return buf_len(&q->bytes);
}

size_t sendq_unacked(const struct sendq *q)
{
	return q->unacked_count;
}

uint64_t sendq_oldest_ms(const struct sendq *q)
{
	return q->count ? item_at(q, 0)->since_ms : 0;
}

bool sendq_take(struct sendq *q, struct slice *stanza)
{
	assert(q->pulled == 0);
	if (!q->count)
		return false;
	size_t len = item_at(q, 0)->len;
	*stanza = slice_sub(buf_peek(&q->bytes), 0, len);
	buf_consume(&q->bytes, len); /* the bytes stay where they are until the next push */
	q->first = (q->first + 1) % q->room;
	q->count--;
	return true;
}
