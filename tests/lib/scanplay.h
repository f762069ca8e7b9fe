/* Plays a stream to the scanner, cut into feeds as told, and writes down every event with all that
 * the scanner says about it. Each feed stands in memory of its own that is gone when the scanner
 * has taken it, so a sanitizer sees a read beyond it or after it. For tests only. */
#ifndef FEDGATE_TESTS_SCANPLAY_H
#define FEDGATE_TESTS_SCANPLAY_H

#include "xmpp/scan.h"

#include <stdint.h>

enum feeds {
	FEED_WHOLE,
	FEED_BYTES,  /* one byte at a time */
	FEED_TWO,    /* cut once, at `seed` */
	FEED_RANDOM, /* pieces of 1 to 64 bytes, by `seed` */
};

struct scanplay {
	struct buf log;      /* every event, in full */
	struct buf summary;  /* for tables: see scanplay.c */
	struct buf tops;     /* as xmlview writes them */
	struct buf cuts;     /* the elements' ends, as xmlview writes them */
	struct buf root;     /* the header's name with its prefix */
	size_t events;       /* how many before the end or the error */
	size_t judged;       /* offset behind the last event that was none of MORE and ERROR */
	size_t taken;        /* bytes taken in all: where the error stands */
	bool ended;          /* the root's end tag came */
	enum err_code error; /* ERR_OK: none */
};

/* Called at every header and element, while it is valid. */
typedef void scanplay_seen(void *data, enum scan_event event, const struct scan_element *e);

void scanplay_run(struct scanplay *p, const struct scan_limits *limits, struct slice stream,
	enum feeds feeds, uint64_t seed);
void scanplay_watch(struct scanplay *p, const struct scan_limits *limits, struct slice stream,
	enum feeds feeds, uint64_t seed, scanplay_seen *seen, void *data);
void scanplay_fini(struct scanplay *p);
/* Whether two ways to feed led to the same. */
bool scanplay_same(const struct scanplay *a, const struct scanplay *b);
/* Plays the stream whole, byte by byte, cut in two at every place (of a long one: at some), and in
 * 16 random ways. Whether all led to the same; *whole is the first play either way. */
bool scanplay_every_way(
	struct scanplay *whole, const struct scan_limits *limits, struct slice stream);

/* A small generator of pseudo-random numbers (splitmix64), the same everywhere for one seed. */
uint64_t scanplay_random(uint64_t *state);

#endif
