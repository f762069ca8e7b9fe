#include "xmpp/stream.h"

#include <assert.h>
#include <string.h>

void actions_init(struct actions *a)
{
	memset(a, 0, sizeof *a);
	buf_init(&a->out, 64 * 1024);
}

void actions_fini(struct actions *a)
{
	buf_fini(&a->out);
}

void actions_clear(struct actions *a)
{
	buf_clear(&a->out);
	a->count = 0;
	a->condition[0] = a->text[0] = '\0';
}

void actions_add(struct actions *a, enum act_kind kind, struct pair *pair, struct err why)
{
	assert(a->count < ACTIONS_MAX);
	a->list[a->count++] = (struct act){kind, pair, why};
}

/* Peers' words go into logs and user-visible errors: printable ASCII, cut. */
static void copy_printable(char *out, size_t size, const char *text)
{
	size_t n = 0;
	for (; *text && n + 1 < size; text++) {
		if (*text >= ' ' && *text < 0x7f)
			out[n++] = *text;
	}
	out[n] = '\0';
}

void actions_note_error(struct actions *a, const struct element *error)
{
	for (const struct element *c = error->children; c; c = c->next) {
		if (strcmp(c->name, "text") == 0)
			copy_printable(a->text, sizeof a->text, c->text);
		else if (!a->condition[0])
			copy_printable(a->condition, sizeof a->condition, c->name);
	}
}
