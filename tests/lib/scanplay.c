#include "scanplay.h"

#include "base/mem.h"
#include "xmlview.h"
#include "xmpp/ns.h"

#include <string.h>

struct player {
	struct scanplay *out;
	scanplay_seen *seen;
	void *data;
};

uint64_t scanplay_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Length first: no content can look like another. */
static void put(struct buf *out, const char *name, struct slice s)
{
	(void)buf_printf(out, " %s=%zu:", name, s.len);
	(void)buf_append(out, s);
}

static void log_element(struct buf *log, const struct scan_element *e)
{
	put(log, "raw", e->raw);
	put(log, "tag", e->start_tag);
	put(log, "prefix", e->prefix);
	put(log, "local", e->local);
	put(log, "ns", e->ns);
	for (size_t i = 0; i < e->attr_count; i++) {
		put(log, "attr", e->attrs[i].prefix);
		put(log, "local", e->attrs[i].local);
		put(log, "ns", e->attrs[i].ns);
		put(log, "value", e->attrs[i].value);
		put(log, "whole", e->attrs[i].whole);
	}
	for (size_t i = 0; i < e->need_count; i++) {
		put(log, "need", e->needs[i].prefix);
		put(log, "ns", e->needs[i].ns);
	}
	(void)buf_append_str(log, e->declares_default ? " default" : "");
}

static void log_top(struct buf *tops, const struct scan_element *e)
{
	struct xmlview_attr *attrs = mem_alloc(e->attr_count * sizeof *attrs);
	struct buf *values = mem_alloc(e->attr_count * sizeof *values);
	for (size_t i = 0; i < e->attr_count; i++) {
		buf_init(&values[i], BUF_UNLIMITED);
		(void)scan_decode(e->attrs[i].value, &values[i]);
		attrs[i] = (struct xmlview_attr){
			e->attrs[i].ns, e->attrs[i].local, buf_peek(&values[i])};
	}
	xmlview_start(tops, e->ns, e->local, attrs, e->attr_count);
	for (size_t i = 0; i < e->attr_count; i++)
		buf_fini(&values[i]);
	mem_free(values);
	mem_free(attrs);
}

/* The summary: a line for each event. `H` header, `E` element, `END`; then prefix:local{ns}, the
 * attributes as written, each with its {ns} when it has one, `!` when the tag has a default
 * namespace of its own, and +prefix=ns for each need. The last line of a stream that did not end
 * is the error's symbol and how far behind the last event it stands, or MORE inside an element.
 * Namespaces everybody knows are one letter: S server, E etherx streams, D dialback, X xml. */
static void sum_ns(struct buf *out, struct slice ns)
{
	static const struct {
		const char *ns, *letter;
	} known[] = {{NS_SERVER, "S"}, {NS_STREAM, "E"}, {NS_DB, "D"}, {NS_XML, "X"}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (slice_eq_str(ns, known[i].ns))
			ns = slice_str(known[i].letter);
	}
	(void)buf_append(out, ns);
}

static void sum_name(struct buf *out, struct slice prefix, struct slice local, struct slice ns)
{
	(void)buf_append(out, prefix);
	(void)buf_append_str(out, prefix.len ? ":" : "");
	(void)buf_append(out, local);
	if (ns.len) {
		(void)buf_append_str(out, "{");
		sum_ns(out, ns);
		(void)buf_append_str(out, "}");
	}
}

static void sum_element(struct buf *out, const struct scan_element *e)
{
	(void)buf_append_str(out, " ");
	sum_name(out, e->prefix, e->local, e->ns);
	for (size_t i = 0; i < e->attr_count; i++) {
		const struct scan_attr *a = &e->attrs[i];
		(void)buf_append_str(out, " ");
		sum_name(out, a->prefix, a->local, a->ns);
		(void)buf_append_str(out, "=");
		(void)buf_append(out, a->value);
	}
	(void)buf_append_str(out, e->declares_default ? " !" : "");
	for (size_t i = 0; i < e->need_count; i++) {
		(void)buf_append_str(out, " +");
		(void)buf_append(out, e->needs[i].prefix);
		(void)buf_append_str(out, "=");
		sum_ns(out, e->needs[i].ns);
	}
}

static void on_event(struct player *p, enum scan_event event, const struct scan_element *e)
{
	struct scanplay *out = p->out;
	static const char *const names[] = {"more", "header", "element", "end", "error"};
	static const char *const letters[] = {"", "H", "E", "END", ""};
	(void)buf_printf(&out->log, "%s at %zu", names[event], out->taken);
	(void)buf_append_str(&out->summary, letters[event]);
	if (event == SCAN_HEADER || event == SCAN_ELEMENT) {
		sum_element(&out->summary, e);
		log_element(&out->log, e);
		log_top(&out->tops, e);
		if (p->seen)
			p->seen(p->data, event, e);
	}
	(void)buf_append_str(&out->log, "\n");
	if (event == SCAN_ERROR)
		return;
	(void)buf_append_str(&out->summary, "\n");
	out->events++;
	out->judged = out->taken;
	out->ended = event == SCAN_END;
	if (event == SCAN_ELEMENT)
		(void)buf_printf(&out->cuts, "%zu ", out->taken);
	if (event == SCAN_HEADER) {
		(void)buf_append(&out->root, e->prefix);
		(void)buf_append_str(&out->root, e->prefix.len ? ":" : "");
		(void)buf_append(&out->root, e->local);
	}
}

/* False when the scanner stopped. */
static bool feed(struct player *p, struct scan *s, struct slice piece)
{
	char *own = mem_alloc(piece.len);
	memcpy(own, piece.ptr, piece.len);
	struct slice in = slice_of(own, piece.len);
	enum scan_event event;
	do {
		size_t before = in.len;
		event = scan_next(s, &in);
		p->out->taken += before - in.len;
		if (event != SCAN_MORE)
			on_event(p, event, scan_element(s));
	} while (event != SCAN_MORE && event != SCAN_ERROR);
	mem_free(own);
	if (event == SCAN_ERROR)
		p->out->error = scan_error(s).code;
	return event == SCAN_MORE;
}

static size_t piece_len(enum feeds feeds, uint64_t *seed, size_t at, size_t left)
{
	size_t n = left;
	if (feeds == FEED_BYTES)
		n = 1;
	else if (feeds == FEED_TWO && at < *seed)
		n = (size_t)*seed - at;
	else if (feeds == FEED_RANDOM)
		n = 1 + (size_t)(scanplay_random(seed) >> 8) % 64;
	return n < left ? n : left;
}

void scanplay_watch(struct scanplay *p, const struct scan_limits *limits, struct slice stream,
	enum feeds feeds, uint64_t seed, scanplay_seen *seen, void *data)
{
	*p = (struct scanplay){0};
	buf_init(&p->log, BUF_UNLIMITED);
	buf_init(&p->summary, BUF_UNLIMITED);
	buf_init(&p->tops, BUF_UNLIMITED);
	buf_init(&p->cuts, BUF_UNLIMITED);
	buf_init(&p->root, BUF_UNLIMITED);
	struct player player = {p, seen, data};
	struct scan *s = scan_new(limits);
	bool more = true;
	for (size_t at = 0; more && at < stream.len;) {
		size_t n = piece_len(feeds, &seed, at, stream.len - at);
		more = feed(&player, s, slice_sub(stream, at, at + n));
		at += n;
	}
	if (p->error != ERR_OK)
		(void)buf_printf(
			&p->summary, "%s %zu\n", err_row(p->error)->symbol, p->taken - p->judged);
	else if (scan_mid_element(s))
		(void)buf_append_str(&p->summary, "MORE\n");
	(void)buf_printf(&p->log, "idle %zu mid %d error %s\n", scan_idle_bytes(s),
		scan_mid_element(s), err_row(scan_error(s).code)->symbol);
	scan_free(s);
}

void scanplay_run(struct scanplay *p, const struct scan_limits *limits, struct slice stream,
	enum feeds feeds, uint64_t seed)
{
	scanplay_watch(p, limits, stream, feeds, seed, NULL, NULL);
}

void scanplay_fini(struct scanplay *p)
{
	buf_fini(&p->log);
	buf_fini(&p->summary);
	buf_fini(&p->tops);
	buf_fini(&p->cuts);
	buf_fini(&p->root);
}

bool scanplay_same(const struct scanplay *a, const struct scanplay *b)
{
	return slice_eq(buf_peek(&a->log), buf_peek(&b->log)) && a->taken == b->taken;
}

static bool same_this_way(const struct scanplay *whole, const struct scan_limits *limits,
	struct slice stream, enum feeds feeds, uint64_t seed)
{
	struct scanplay other;
	scanplay_run(&other, limits, stream, feeds, seed);
	bool same = scanplay_same(whole, &other);
	scanplay_fini(&other);
	return same;
}

bool scanplay_every_way(
	struct scanplay *whole, const struct scan_limits *limits, struct slice stream)
{
	enum { SHORT = 2048, SOME = 64, RANDOM = 16 };
	scanplay_run(whole, limits, stream, FEED_WHOLE, 0);
	bool same = same_this_way(whole, limits, stream, FEED_BYTES, 0);
	size_t step = stream.len <= SHORT ? 1 : stream.len / SOME;
	for (size_t at = 1; same && at < stream.len; at += step)
		same = same_this_way(whole, limits, stream, FEED_TWO, at);
	for (uint64_t seed = 1; same && seed <= RANDOM; seed++)
		same = same_this_way(whole, limits, stream, FEED_RANDOM, seed);
	return same;
}
