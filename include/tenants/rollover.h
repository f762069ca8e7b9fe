/* The change from one certificate to the next, as a state machine without clock or files (POSH-11,
 * DANE-8). The next certificate is published beside the one in use; it may be used when the public
 * has shown it for longer than anybody may remember what was there before; the one before stays
 * published for as long again.
 *
 *   IDLE -next is there-> STAGED -seen for long enough, files exchanged-> SWITCHED -as long again->
 * IDLE
 *
 * It never goes back: what was switched to is what is next retired from. Which certificates there
 * are is told by the files (rollover_meet); only times are remembered here. Whatever gets lost of
 * them makes the wait longer, never shorter. */
#ifndef FEDGATE_TENANTS_ROLLOVER_H
#define FEDGATE_TENANTS_ROLLOVER_H

#include <stdbool.h>
#include <stdint.h>

enum { ROLLOVER_PRINT = 32 };

enum rollover_stage { ROLLOVER_IDLE, ROLLOVER_STAGED, ROLLOVER_SWITCHED };

/* Now: by the wall clock, which may be set, and by the one since boot, which may not. */
struct rollover_clock {
	int64_t wall_s, boot_s;
	uint64_t boot; /* which boot; 0: not known */
};

struct rollover {
	enum rollover_stage stage;
	unsigned char from[ROLLOVER_PRINT], to[ROLLOVER_PRINT]; /* SHA-256 of the certificates */
	bool seen; /* STAGED: the public showed `to` when it was looked at last */
	/* STAGED: for how long it has. SWITCHED: how long ago that was. */
	int64_t counted_s;
	struct rollover_clock last; /* until when was counted */
	uint32_t longest_s;         /* anybody may remember what he saw for, as far as is known */
	bool told;                  /* SWITCHED: the daemon has been told */
};

/* The certificates that are there. */
struct rollover_found {
	unsigned char current[ROLLOVER_PRINT], next[ROLLOVER_PRINT], previous[ROLLOVER_PRINT];
	bool has_next, has_previous;
};

/* Brings what was remembered together with what is there. A certificate that is not the one that
 * was waited for begins anew. */
void rollover_meet(
	struct rollover *r, const struct rollover_found *found, const struct rollover_clock *now);

enum rollover_sight {
	SIGHT_UNKNOWN, /* could not be looked at: counts for nothing, and nothing is lost */
	SIGHT_SEEN,    /* all public places show the next certificate */
	SIGHT_MISSING, /* one of them does not: whoever looks now remembers that */
	SIGHT_NOBODY,  /* there is no public place: nobody remembers anything */
};
/* After rollover_meet(). remembered_s: the longest `expires` or TTL that was seen, 0: none. */
void rollover_look(struct rollover *r, enum rollover_sight sight, uint32_t remembered_s,
	const struct rollover_clock *now);

/* For how long something must be counted: `times` the longest memory (DANE-8: 2). */
int64_t rollover_needed_s(const struct rollover *r, unsigned times);
/* Whether the certificates may be exchanged (STAGED) or the one before may go (SWITCHED). `sight`:
 * of just now; what was seen yesterday does not do. */
bool rollover_is_due(const struct rollover *r, enum rollover_sight sight, unsigned times);

/* Seconds from a to b that have passed for sure: within one boot by the clock that cannot be set;
 * beyond it no more than since the boot, and no more than the wall clock says. Never negative. */
int64_t rollover_elapsed_s(const struct rollover_clock *a, const struct rollover_clock *b);

#endif
