/* From a scanned stanza to the bytes that may go on: the pair found, the addresses judged, the
 * start tag repaired. The hot path of the gate. */
#ifndef FEDGATE_CORE_RELAY_H
#define FEDGATE_CORE_RELAY_H

#include "core/worker_inside.h"
#include "xmpp/stanza.h"

struct relay {
	struct pair *pair;  /* NULL: refused */
	struct slice bytes; /* what goes on; valid until the next element or relay call */
	struct err wrong;   /* the stanza is refused */
};

/* in_lang: xml:lang of the stream it came on; out_lang: of the stream it goes out on. */
struct relay relay_judge(struct worker *w, const struct pairs *pairs, const struct scan_element *e,
	const char *in_lang, const char *out_lang);

#endif
