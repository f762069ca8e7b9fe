/* A ring of decisions in shared memory, with one writer and any number of readers.
 *
 * Every slot is a page with a sequence number: odd while it is being written. A reader copies the
 * slot and takes the copy only when the number was even and is the same afterwards. A writer that
 * dies leaves an odd one behind, which readers pass over until the ring comes round again. The
 * reader is the supervisor, which trusts a worker with nothing: the memory file cannot shrink under
 * it, and whatever comes out is brought into shape. */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "core/decision.h"

#include "base/mem.h"
#include "core/decision_inside.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	SLOT_BYTES = 4096,
	WORDS = SLOT_BYTES / sizeof(uint64_t) - 2,
	HEADER_WORDS = offsetof(struct decision, steps) / sizeof(uint64_t),
	TRIES = 8,
};

/* Words of their own: two processes may copy them at once, and a torn copy is found out. */
struct slot {
	_Atomic uint64_t sequence;
	_Atomic uint64_t number; /* of the decision in this ring, from 1 */
	_Atomic uint64_t words[WORDS];
};

struct decisions {
	_Atomic uint64_t count; /* how many were kept, ever */
	char rest_of_page[SLOT_BYTES - sizeof(uint64_t)];
	struct slot slots[DECISIONS_KEPT];
};

_Static_assert(sizeof(struct slot) == SLOT_BYTES, "a slot is a page");
_Static_assert(sizeof(struct decision) <= WORDS * sizeof(uint64_t), "a decision fits into a slot");
_Static_assert(sizeof(struct decision) % sizeof(uint64_t) == 0, "a decision is whole words");

static struct decisions *map_it(int fd, int rights)
{
	void *ring = mmap(NULL, sizeof(struct decisions), rights, MAP_SHARED, fd, 0);
	return ring == MAP_FAILED ? NULL : ring;
}

struct decisions *decisions_create(int *fd)
{
	struct decisions *ring = NULL;
	*fd = memfd_create("fedgate-decisions", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	if (ftruncate(*fd, sizeof(struct decisions)) == 0 &&
		fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		ring = map_it(*fd, PROT_READ);
	if (!ring) {
		close(*fd);
		*fd = -1;
	}
	return ring;
}

struct decisions *decisions_map(int fd)
{
	return map_it(fd, PROT_READ | PROT_WRITE);
}

void decisions_unmap(struct decisions *ring)
{
	if (ring)
		munmap(ring, sizeof *ring);
}

/* ---- writing ---- */

static size_t used_words(const struct decision *d)
{
	size_t bytes = offsetof(struct decision, steps) + d->step_count * sizeof d->steps[0];
	return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

void decision_keep(struct decisions *ring, const struct decision *d)
{
	if (!ring)
		return;
	uint64_t number = atomic_load_explicit(&ring->count, memory_order_relaxed) + 1;
	struct slot *s = &ring->slots[number % DECISIONS_KEPT];
	uint64_t odd = atomic_load_explicit(&s->sequence, memory_order_relaxed) | 1;
	/* Counted first: should we die on the way, the next one takes another slot. */
	atomic_store_explicit(&ring->count, number, memory_order_relaxed);
	atomic_store_explicit(&s->sequence, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->number, number, memory_order_relaxed);
	const char *from = (const char *)d;
	for (size_t i = 0; i < used_words(d); i++) {
		uint64_t word;
		memcpy(&word, from + i * sizeof word, sizeof word);
		atomic_store_explicit(&s->words[i], word, memory_order_relaxed);
	}
	atomic_store_explicit(&s->sequence, odd + 1, memory_order_release);
}

/* ---- reading ---- */

static void copy_words(const struct slot *s, size_t from, size_t to, struct decision *out)
{
	for (size_t i = from; i < to; i++) {
		uint64_t word = atomic_load_explicit(&s->words[i], memory_order_relaxed);
		memcpy((char *)out + i * sizeof word, &word, sizeof word);
	}
}

static void repair_text(char *text, size_t size)
{
	char raw[DECISION_TEXT_MAX + 1];
	size_t n = strnlen(text, size - 1);
	memcpy(raw, text, n);
	memset(text, 0, size);
	decision_text_clean(text, size, slice_of(raw, n));
}

static void repair_domain(struct domain *d)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	bool fine = d->len <= DOMAIN_MAX && d->name[d->len] == '\0' &&
		    strnlen(d->name, sizeof d->name) == d->len &&
		    strspn(d->name, letters) == d->len;
	*d = fine ? domain_canonical(d) : (struct domain){0};
}

static void repair_header(struct decision *d)
{
	unsigned char inbound;
	memcpy(&inbound, &d->inbound, 1); /* any byte but 0 and 1 is no bool */
	d->inbound = inbound != 0;
	d->outcome = d->outcome > DECISION_REFUSED ? DECISION_OPEN : d->outcome;
	d->floor = d->floor > LEVEL_TRUSTED ? LEVEL_NONE : d->floor;
	d->level = d->level > LEVEL_TRUSTED ? LEVEL_NONE : d->level;
	d->level_asked = d->level_asked > LEVEL_TRUSTED ? LEVEL_NONE : d->level_asked;
	d->by = d->by > PROOF_KINDS ? PROOF_KINDS : d->by;
	d->code = d->code >= ERR_COUNT ? ERR_INTERNAL : d->code;
	d->step_count = d->step_count > DECISION_STEPS_MAX ? DECISION_STEPS_MAX : d->step_count;
	repair_text(d->session, sizeof d->session);
	repair_text(d->address, sizeof d->address);
	repair_domain(&d->tenant);
	repair_domain(&d->peer);
}

static void repair_steps(struct decision *d)
{
	for (uint32_t i = 0; i < d->step_count; i++) {
		struct decision_step *s = &d->steps[i];
		s->mark = s->mark > STEP_OPEN ? STEP_OPEN : s->mark;
		s->code = s->code >= ERR_COUNT ? ERR_INTERNAL : s->code;
		repair_text(s->name, sizeof s->name);
		repair_text(s->detail, sizeof s->detail);
	}
	size_t used = offsetof(struct decision, steps) + d->step_count * sizeof d->steps[0];
	memset((char *)d + used, 0, sizeof *d - used);
}

enum slot_read { SLOT_TORN, SLOT_OTHER, SLOT_TAKEN };

static enum slot_read read_once(const struct slot *s, uint64_t number, decision_match match,
	void *arg, struct decision *out)
{
	uint64_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);
	if (before & 1)
		return SLOT_TORN;
	copy_words(s, 0, HEADER_WORDS, out);
	uint32_t steps = out->step_count;
	repair_header(out);
	bool wanted = atomic_load_explicit(&s->number, memory_order_relaxed) == number &&
		      steps == out->step_count && match(arg, out);
	if (wanted)
		copy_words(s, HEADER_WORDS, sizeof *out / sizeof(uint64_t), out);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&s->sequence, memory_order_relaxed) != before)
		return SLOT_TORN;
	if (!wanted)
		return SLOT_OTHER;
	repair_steps(out);
	return SLOT_TAKEN;
}

static bool read_slot(const struct decisions *ring, uint64_t number, decision_match match,
	void *arg, struct decision *out)
{
	const struct slot *s = &ring->slots[number % DECISIONS_KEPT];
	enum slot_read r = SLOT_TORN;
	for (int i = 0; i < TRIES && r == SLOT_TORN; i++)
		r = read_once(s, number, match, arg, out);
	return r == SLOT_TAKEN;
}

size_t decisions_find(const struct decisions *ring, decision_match match, void *arg,
	struct decision *out, size_t max)
{
	uint64_t newest = atomic_load_explicit(&ring->count, memory_order_relaxed);
	size_t found = 0;
	for (uint64_t i = 0; i < DECISIONS_KEPT && i < newest && found < max; i++)
		found += read_slot(ring, newest - i, match, arg, &out[found]);
	return found;
}
