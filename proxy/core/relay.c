#include "core/relay.h"

#include "xmpp/repair.h"

#include <string.h>

static struct slice rewritten(const struct buf *text)
{
	return buf_len(text) ? buf_peek(text) : SLICE_NONE;
}

struct relay relay_judge(struct worker *w, const struct pairs *pairs, const struct scan_element *e,
	const char *in_lang, const char *out_lang)
{
	struct relay out = {0};
	struct repair repair = {.max_bytes = w->gate->stanza_bytes};
	out.wrong = stanza_find_pair(e, pairs, w->addresses, &out.pair);
	if (!out.pair)
		return out;
	repair.from = rewritten(&w->addresses->from_text); /* ADR-5 */
	repair.to = rewritten(&w->addresses->to_text);
	if (strcmp(in_lang, out_lang) != 0)
		repair.lang = slice_str(in_lang); /* ST-12 */
	if (repair_needless(e, &repair)) {
		out.bytes = e->raw;
		return out;
	}
	buf_clear(&w->repaired);
	out.wrong = repair_append(e, &repair, &w->repaired);
	out.bytes = buf_peek(&w->repaired);
	return out;
}
