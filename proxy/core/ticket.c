/* Where asynchronous answers find whoever asked, or nobody (house rules 6). */
#include "core/worker_inside.h"

#include "base/mem.h"

#include <string.h>

struct ticket worker_ticket(
	struct worker *w, void *object, void (*answer)(void *object, const struct answer *answer))
{
	if (!w->free_slot) {
		uint32_t n = w->slot_count ? w->slot_count : 1; /* slot 0 stays unused */
		uint32_t grown = n * 2 + 62;
		w->slots = mem_realloc(w->slots, grown * sizeof *w->slots);
		memset(w->slots + w->slot_count, 0, (grown - w->slot_count) * sizeof *w->slots);
		for (uint32_t i = grown - 1; i >= n; i--) {
			w->slots[i].next_free = w->free_slot;
			w->free_slot = i;
		}
		w->slot_count = grown;
	}
	uint32_t slot = w->free_slot;
	struct ticket_slot *s = &w->slots[slot];
	w->free_slot = s->next_free;
	s->gen++;
	s->object = object;
	s->answer = answer;
	return (struct ticket){slot, s->gen};
}

void worker_ticket_drop(struct worker *w, struct ticket t)
{
	struct ticket_slot *s = &w->slots[t.slot];
	if (s->gen != t.gen || !s->object)
		return;
	s->object = NULL;
	s->next_free = w->free_slot;
	w->free_slot = t.slot;
}

void worker_on_answer(void *arg, const struct answer *answer)
{
	struct worker *w = arg;
	struct ticket t = answer->ticket;
	if (t.slot < w->slot_count && w->slots[t.slot].gen == t.gen && w->slots[t.slot].object)
		w->slots[t.slot].answer(w->slots[t.slot].object, answer);
}
