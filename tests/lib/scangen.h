/* Random streams that are well-formed, made to be hard on names: prefixes bound, hidden and bound
 * again, the ones everybody expects included. For tests only. */
#ifndef FEDGATE_TESTS_SCANGEN_H
#define FEDGATE_TESTS_SCANGEN_H

#include "base/buf.h"

#include <stdint.h>

struct scangen {
	uint64_t seed;  /* scanplay_random's state */
	unsigned bound; /* prefixes in scope, one bit each; of the header, between elements */
};

/* Appends a root's start tag; every header binds other prefixes to other namespaces. */
void scangen_header(struct scangen *g, struct buf *out);
/* Appends one top-level element that the header makes namespace-well-formed. */
void scangen_element(struct scangen *g, struct buf *out);
/* The root's end tag. */
void scangen_end(struct buf *out);

#endif
