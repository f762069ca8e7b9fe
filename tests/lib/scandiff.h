/* The differential check of the scanner (attack X14): what it has judged, libxml2 and expat must
 * accept, and see alike: names, attributes, text, nesting, cut points. For tests only. */
#ifndef FEDGATE_TESTS_SCANDIFF_H
#define FEDGATE_TESTS_SCANDIFF_H

#include "scanplay.h"

/* NULL when all agree, else what does not (both views are then on stderr). Judged are the bytes up
 * to the last event; the root is closed for the parsers when the stream did not do so. */
const char *scandiff(const struct scanplay *p, struct slice stream);

#endif
