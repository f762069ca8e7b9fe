/* Streams, good and bad, with what the scanner must say about each: played at every split by
 * scan_test, compared with libxml2 and expat by scan_diff_test. For tests only. */
#ifndef FEDGATE_TESTS_SCANCORPUS_H
#define FEDGATE_TESTS_SCANCORPUS_H

#include "base/slice.h"

struct scan_case {
	const char *id;    /* of the attack or rule, "" when none */
	const char *title; /* a sentence */
	struct slice stream;
	const char *expect; /* as scanplay's summary */
};

extern const struct scan_case scan_corpus_good[], scan_corpus_bad[];
extern const size_t scan_corpus_good_count, scan_corpus_bad_count;

/* What stands before most streams of the tables, and what it is to the scanner. */
#define USUAL                                                                                      \
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"xmlns:db='jabber:server:dialback'>"
#define USUAL_SEEN "H stream:stream{E} ! +=S +stream=E +db=D\n"
#define BYTES(text)                                                                                \
	{                                                                                          \
		"" text, sizeof(text) - 1                                                          \
	}
/* One stream as it stands; one behind the usual header. */
#define RAW(id, title, text, expect)                                                               \
	{                                                                                          \
		id, title, BYTES(text), expect                                                     \
	}
#define IN(id, title, text, expect) RAW(id, title, USUAL text, USUAL_SEEN expect)

#endif
