#include "core/budget.h"

#include "base/bucket.h"
#include "base/mem.h"
#include "net/address.h"

#include <string.h>

enum {
	QUESTIONS_MAX = 200,       /* open, of the worker; the resolver takes five times as many */
	QUESTIONS_PER_SOURCE = 16, /* open, of one source */
};

/* A claim costs the check of a certificate chain, at most; an answer two HMACs. */
static const struct bucket_rate claims = {.interval_ms = 50, .burst = 200};
static const struct bucket_rate answers = {.interval_ms = 10, .burst = 1000};

enum kind { CONNECTION = 'c', QUESTION = 'q', LOOK = 'l', CLAIM = 'p', ANSWER = 'a' };

/* Lives while the source has connections to this worker. */
struct source {
	unsigned connections, questions;
};

/* A kind of budget, and the source's address. */
struct source_key {
	unsigned char bytes[1 + 8];
	size_t len;
};

static struct source_key key_of(enum kind kind, const struct sockaddr_storage *from)
{
	struct source_key key = {.bytes = {(unsigned char)kind}};
	struct address_source source = address_source(from);
	memcpy(key.bytes + 1, source.bytes, source.len);
	key.len = 1 + source.len;
	return key;
}

static struct slice slice_of_key(const struct source_key *key)
{
	return slice_of(key->bytes, key->len);
}

static struct source *source_of(struct worker *w, const struct sockaddr_storage *from)
{
	struct source_key key = key_of(CONNECTION, from);
	return map_get(w->sources, slice_of_key(&key));
}

static struct bucket_rate connection_rate(const struct worker *w)
{
	unsigned n = w->gate->connections_per_second;
	return (struct bucket_rate){.interval_ms = 1000 / n, .burst = 2 * n};
}

static struct bucket_rate question_rate(const struct worker *w)
{
	unsigned n = w->gate->questions_per_minute;
	return (struct bucket_rate){.interval_ms = 60000 / n, .burst = n};
}

static struct bucket_rate look_rate(const struct worker *w)
{
	unsigned n = 3 * w->gate->questions_per_minute;
	return (struct bucket_rate){.interval_ms = 60000 / n ? 60000 / n : 1, .burst = n};
}

static bool take(struct worker *w, enum kind kind, const struct sockaddr_storage *from,
	struct bucket_rate rate)
{
	struct source_key key = key_of(kind, from);
	bool taken =
		bucket_take(shared_buckets(w->shared), slice_of_key(&key), rate, worker_now_ms(w));
	if (!taken)
		shared_count(w->shared, SHARED_OVER_BUDGET, 1);
	return taken;
}

struct err budget_connect(struct worker *w, const struct sockaddr_storage *from)
{
	const struct source *s = source_of(w, from);
	if (s && s->connections >= w->gate->max_per_address)
		return err_make(ERR_TOO_MANY);
	return take(w, CONNECTION, from, connection_rate(w)) ? err_ok() : err_make(ERR_BUDGET);
}

void budget_connected(struct worker *w, const struct sockaddr_storage *from)
{
	struct source *s = source_of(w, from);
	if (!s) {
		struct source_key key = key_of(CONNECTION, from);
		s = MEM_NEW(struct source);
		map_put(w->sources, slice_of_key(&key), s);
	}
	s->connections++;
	w->connections++;
}

void budget_disconnected(struct worker *w, const struct sockaddr_storage *from)
{
	struct source *s = source_of(w, from);
	w->connections--;
	if (!s || --s->connections)
		return;
	struct source_key key = key_of(CONNECTION, from);
	mem_free(map_remove(w->sources, slice_of_key(&key)));
}

struct err budget_ask(struct worker *w, const struct sockaddr_storage *from)
{
	struct source *s = source_of(w, from);
	bool room = s && s->questions < QUESTIONS_PER_SOURCE && w->questions < QUESTIONS_MAX;
	if (!room)
		shared_count(w->shared, SHARED_OVER_BUDGET, 1);
	if (!room || !take(w, QUESTION, from, question_rate(w)))
		return err_make(ERR_BUDGET);
	s->questions++;
	w->questions++;
	return err_ok();
}

void budget_asked(struct worker *w, const struct sockaddr_storage *from, bool proven)
{
	struct source *s = source_of(w, from);
	struct source_key key = key_of(QUESTION, from);
	if (s)
		s->questions--;
	w->questions--;
	if (proven)
		bucket_give_back(shared_buckets(w->shared), slice_of_key(&key), question_rate(w));
}

bool budget_look(struct worker *w, const struct sockaddr_storage *from)
{
	return take(w, LOOK, from, look_rate(w));
}

void budget_looked_true(struct worker *w, const struct sockaddr_storage *from)
{
	struct source_key key = key_of(LOOK, from);
	bucket_give_back(shared_buckets(w->shared), slice_of_key(&key), look_rate(w));
}

bool budget_claim(struct worker *w, const struct sockaddr_storage *from)
{
	return take(w, CLAIM, from, claims);
}

bool budget_answer(struct worker *w, const struct sockaddr_storage *from)
{
	return take(w, ANSWER, from, answers);
}

void budget_free(struct worker *w)
{
	for (size_t i = 0; i < map_count(w->sources); i++)
		mem_free(map_value_at(w->sources, i));
	map_free(w->sources);
}
