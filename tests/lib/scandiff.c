#include "scandiff.h"

#include "xmlview.h"

#include <stdio.h>

static const char *differ(const char *what, const struct buf *a, const struct buf *b)
{
	if (slice_eq(buf_peek(a), buf_peek(b)))
		return NULL;
	xmlview_print("one", a);
	xmlview_print("other", b);
	return what;
}

static const char *compare(
	const struct scanplay *p, const struct xmlview *libxml2, const struct xmlview *expat)
{
	if (!libxml2->ok)
		return "libxml2 refuses what the scanner took";
	if (!expat->ok)
		return "expat refuses what the scanner took";
	const char *bad =
		differ("libxml2 and expat see different documents", &libxml2->all, &expat->all);
	if (!bad)
		bad = differ("the scanner resolves names unlike expat", &p->tops, &expat->tops);
	if (!bad)
		bad = differ("the scanner cuts unlike expat", &p->cuts, &expat->cuts);
	if (!bad)
		bad = differ("the scanner cuts unlike libxml2", &p->cuts, &libxml2->cuts);
	return bad;
}

const char *scandiff(const struct scanplay *p, struct slice stream)
{
	if (p->events == 0)
		return NULL;
	struct buf doc;
	buf_init(&doc, BUF_UNLIMITED);
	(void)buf_append(&doc, slice_sub(stream, 0, p->judged));
	if (!p->ended) {
		(void)buf_append_str(&doc, "</");
		(void)buf_append(&doc, buf_peek(&p->root));
		(void)buf_append_str(&doc, ">");
	}
	struct xmlview libxml2, expat;
	xmlview_libxml2(buf_peek(&doc), NULL, &libxml2);
	xmlview_expat(buf_peek(&doc), NULL, &expat);
	const char *bad = compare(p, &libxml2, &expat);
	if (bad) {
		fprintf(stderr, "%s (libxml2 %d, expat %d)\n", bad, libxml2.code, expat.code);
		xmlview_print("document", &doc);
	}
	xmlview_fini(&libxml2);
	xmlview_fini(&expat);
	buf_fini(&doc);
	return bad;
}
