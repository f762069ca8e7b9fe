#include "core/relay.h"

#include "xmpp/jid.h"

#include <string.h>

/* The way nearly every stanza takes: both domainparts are, byte for byte, a pair's. */
static struct pair *find_fast(const struct pairs *pairs, const struct scan_element *e)
{
	struct slice from, to, from_part, to_part;
	if (!scan_attr_get(e, "from", &from) || !scan_attr_get(e, "to", &to))
		return NULL;
	if (slice_find(from, '&') < from.len || slice_find(to, '&') < to.len)
		return NULL; /* references: the slow way decodes them */
	if (!jid_domainpart(from, &from_part) || !jid_domainpart(to, &to_part))
		return NULL;
	struct pair *pair = pairs_find_text(pairs, from_part, to_part);
	return pair && pair->state == PAIR_VALID ? pair : NULL;
}

static struct slice rewritten(const struct buf *text)
{
	return buf_len(text) ? buf_peek(text) : SLICE_NONE;
}

struct relay relay_judge(struct worker *w, const struct pairs *pairs, const struct scan_element *e,
	const char *in_lang, const char *out_lang)
{
	struct relay out = {.pair = find_fast(pairs, e)};
	struct repair repair = {.max_bytes = w->gate->stanza_bytes};
	if (!out.pair) {
		out.wrong = stanza_addresses_read(e, w->addresses);
		if (err_is(out.wrong))
			return out; /* ADR-1 */
		out.has_addresses = true;
		out.from = w->addresses->from;
		out.to = w->addresses->to;
		out.pair = pairs_find(pairs, &out.from, &out.to);
		if (out.pair && out.pair->state != PAIR_VALID)
			out.pair = NULL;
		if (!out.pair) {
			/* ADR-2, ADR-3, ADR-4: the check is on the pair. */
			out.wrong = err_make(
				pairs_has_from(pairs, &out.from) ? ERR_PAIR_TO : ERR_INVALID_FROM);
			return out;
		}
		repair.from = rewritten(&w->addresses->from_text); /* ADR-5 */
		repair.to = rewritten(&w->addresses->to_text);
	}
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
