/* Whether repair keeps its promise: an element of some stream, repaired, means under our own
 * outgoing header what it meant under its own: judged by libxml2 and expat. For tests only. */
#ifndef FEDGATE_TESTS_REPAIRCHECK_H
#define FEDGATE_TESTS_REPAIRCHECK_H

#include "scanplay.h"

struct repaircheck {
	struct slice from, to; /* as in struct repair */
	size_t elements;       /* how many were checked */
	const char *bad;       /* NULL: all fine, else what is not (the views are on stderr) */
	/* inside */
	struct buf header, root, lang;
};

/* Plays the stream, repairs every element in it as a relay does and judges the result. */
void repaircheck_run(struct repaircheck *c, struct slice stream);

#endif
