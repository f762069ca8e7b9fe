/* Differential fuzzing of the scanner against libxml2 and expat (attack X14), and of the scanner
 * against itself under another way to feed it (X13).
 *
 * The first byte of the input says how: bit 7, a usual stream header stands before the rest;
 * bit 6, the limits for strangers; the other bits seed the feeds. */
#include "scandiff.h"

#include <stdio.h>
#include <stdlib.h>

static const char usual[] = "<stream:stream xmlns='jabber:server' xmlns:stream="
			    "'http://etherx.jabber.org/streams' xmlns:db="
			    "'jabber:server:dialback' xmlns:x='urn:x'>";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "scan_fuzz: %s\n", what);
	abort();
}

static void check(struct slice stream, const struct scan_limits *limits, uint64_t seed)
{
	struct scanplay whole, pieces;
	scanplay_run(&whole, limits, stream, FEED_WHOLE, 0);
	scanplay_run(&pieces, limits, stream, seed ? FEED_RANDOM : FEED_BYTES, seed);
	must(scanplay_same(&whole, &pieces), "another split, other events");
	must(!scandiff(&whole, stream), "the parsers differ");
	scanplay_fini(&whole);
	scanplay_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct buf stream;
	buf_init(&stream, BUF_UNLIMITED);
	if (data[0] & 0x80)
		(void)buf_append_str(&stream, usual);
	(void)buf_append(&stream, slice_of(data + 1, size - 1));
	check(buf_peek(&stream), data[0] & 0x40 ? &scan_limits_stranger : &scan_limits_proven,
		data[0] & 0x3f);
	buf_fini(&stream);
	return 0;
}
