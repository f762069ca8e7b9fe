#include "repaircheck.h"

#include "base/mem.h"
#include "xmlview.h"
#include "xmpp/repair.h"
#include "xmpp/xmlout.h"

#include <stdio.h>

#define OUR_LANG "en"

/* As wide as a repair may ever make an element. */
static const struct scan_limits wide = {1 << 24, 1 << 20, 1 << 20, 64, 512, 512};

static void our_document(struct slice element, struct buf *doc)
{
	xml_stream_header(doc, &(struct xml_header){.lang = SLICE_LIT(OUR_LANG)});
	(void)buf_append(doc, element);
	xml_stream_end(doc);
}

static void their_document(const struct repaircheck *c, struct slice element, struct buf *doc)
{
	(void)buf_append(doc, buf_peek(&c->header));
	(void)buf_append(doc, element);
	(void)buf_append_str(doc, "</");
	(void)buf_append(doc, buf_peek(&c->root));
	(void)buf_append_str(doc, ">");
}

typedef void viewer(struct slice doc, const struct xmlview_edit *edit, struct xmlview *out);

static const char *compare(const struct xmlview *theirs, const struct xmlview *ours, bool has_lang)
{
	if (!theirs->ok)
		return "a parser refuses the original";
	if (!ours->ok)
		return "a parser refuses the repaired element";
	if (!slice_eq(xmlview_inside(theirs), xmlview_inside(ours)))
		return "the repaired element is another one";
	if (has_lang && !slice_eq(buf_peek(&theirs->lang), buf_peek(&ours->lang)))
		return "the repaired element is in another language";
	return NULL;
}

static const char *judge(viewer *view, const struct buf *theirs, const struct buf *ours,
	const struct repair *r, bool has_lang)
{
	struct xmlview a, b;
	struct xmlview_edit edit = {r->from, r->to, r->lang};
	view(buf_peek(theirs), &edit, &a);
	view(buf_peek(ours), NULL, &b);
	const char *bad = compare(&a, &b, has_lang);
	if (bad) {
		fprintf(stderr, "%s (%d, %d)\n", bad, a.code, b.code);
		xmlview_print("original", theirs);
		xmlview_print("repaired", ours);
	}
	xmlview_fini(&a);
	xmlview_fini(&b);
	return bad;
}

static void see_needless(void *data, enum scan_event event, const struct scan_element *e)
{
	static const struct repair nothing = {.max_bytes = BUF_UNLIMITED};
	bool *needless = data;
	if (event == SCAN_ELEMENT)
		*needless = repair_needless(e, &nothing);
}

/* What was repaired once is fit to go on as it is. */
static bool is_fit(const struct buf *doc)
{
	bool needless = false;
	struct scanplay play;
	scanplay_watch(&play, &wide, buf_peek(doc), FEED_WHOLE, 0, see_needless, &needless);
	scanplay_fini(&play);
	return needless && play.ended;
}

/* A limit too small by one leaves the output as it was. */
static bool limits_hold(const struct scan_element *e, const struct repair *r, size_t size)
{
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	(void)buf_append_str(&out, "before");
	struct repair tight = *r;
	tight.max_bytes = size - 1;
	bool held = repair_append(e, &tight, &out).code == ERR_STANZA_SIZE;
	tight.max_bytes = size;
	out.max = buf_len(&out) + size - 1;
	held = held && repair_append(e, &tight, &out).code == ERR_LIMIT;
	held = held && slice_eq_str(buf_peek(&out), "before");
	out.max++;
	held = held && !err_is(repair_append(e, &tight, &out)) && buf_len(&out) == size + 6;
	buf_fini(&out);
	return held;
}

static const char *judge_bytes(const struct repaircheck *c, const struct scan_element *e,
	const struct repair *r, struct slice bytes)
{
	struct buf theirs, ours;
	buf_init(&theirs, BUF_UNLIMITED);
	buf_init(&ours, BUF_UNLIMITED);
	their_document(c, e->raw, &theirs);
	our_document(bytes, &ours);
	bool has_lang = buf_len(&c->lang) > 0;
	const char *bad = judge(xmlview_libxml2, &theirs, &ours, r, has_lang);
	if (!bad)
		bad = judge(xmlview_expat, &theirs, &ours, r, has_lang);
	if (!bad && !is_fit(&ours))
		bad = "the repaired element wants another repair";
	buf_fini(&theirs);
	buf_fini(&ours);
	return bad;
}

static void check_element(struct repaircheck *c, const struct scan_element *e)
{
	struct repair r = {.from = c->from, .to = c->to, .max_bytes = BUF_UNLIMITED};
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	if (buf_len(&c->lang) && !slice_eq_str(buf_peek(&c->lang), OUR_LANG))
		r.lang = buf_peek(&c->lang);
	if (repair_needless(e, &r))
		c->bad = judge_bytes(c, e, &r, e->raw);
	if (err_is(repair_append(e, &r, &out)))
		c->bad = "a repair failed without a limit";
	if (!c->bad)
		c->bad = judge_bytes(c, e, &r, buf_peek(&out));
	if (!c->bad && !limits_hold(e, &r, buf_len(&out)))
		c->bad = "a limit does not hold";
	c->elements++;
	buf_fini(&out);
}

/* A language tag of the stream, when it is one: what is no tag is not handed on. */
static void keep_lang(struct repaircheck *c, const struct scan_element *e)
{
	struct slice raw;
	if (!scan_attr_lang(e, &raw))
		return;
	for (size_t i = 0; i < raw.len; i++) {
		char x = raw.ptr[i];
		if (!((x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x == '-'))
			return;
	}
	(void)buf_append(&c->lang, raw);
}

static void see(void *data, enum scan_event event, const struct scan_element *e)
{
	struct repaircheck *c = data;
	if (event == SCAN_ELEMENT && !c->bad) {
		check_element(c, e);
	} else if (event == SCAN_HEADER) {
		(void)buf_append(&c->header, e->raw);
		(void)buf_append(&c->root, e->prefix);
		(void)buf_append_str(&c->root, e->prefix.len ? ":" : "");
		(void)buf_append(&c->root, e->local);
		keep_lang(c, e);
	}
}

void repaircheck_run(struct repaircheck *c, struct slice stream)
{
	struct scanplay play;
	c->elements = 0;
	c->bad = NULL;
	buf_init(&c->header, BUF_UNLIMITED);
	buf_init(&c->root, BUF_UNLIMITED);
	buf_init(&c->lang, BUF_UNLIMITED);
	scanplay_watch(&play, &scan_limits_proven, stream, FEED_WHOLE, 0, see, c);
	scanplay_fini(&play);
	buf_fini(&c->header);
	buf_fini(&c->root);
	buf_fini(&c->lang);
}
