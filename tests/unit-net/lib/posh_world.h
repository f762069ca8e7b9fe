/* A scout_posh among the servers of web_world.h, with a clock of the test's own. */
#ifndef FEDGATE_TESTS_POSH_WORLD_H
#define FEDGATE_TESTS_POSH_WORLD_H

#include "core/scout_posh.h"
#include "fake_worker.h"
#include "web_world.h"

#define POSH_PRINT       "{\"sha-256\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"
#define POSH_BODY(n)     "{\"fingerprints\":[" POSH_PRINT "],\"expires\":" n "}"
#define POSH_OK          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define POSH_JSON(s)     POSH_OK "\r\n" s
#define POSH_DOCUMENT(n) POSH_JSON(POSH_BODY(n))

enum { POSH_ANSWERS_MAX = 1200 };

struct posh_answer {
	unsigned told;
	uint64_t at_ms;
	struct posh_found found;
};

struct posh_world {
	struct fake_worker *w;
	struct scout_posh_config config; /* to be changed before posh_world_open */
	struct scout_posh *posh;
	int64_t now;
	struct posh_answer answers[POSH_ANSWERS_MAX]; /* in the order of the questions */
	size_t asked, told;
	void (*on_told)(size_t answer); /* NULL, or what else happens */
};
extern struct posh_world posh_world;

/* For each test. */
int posh_world_set_up(void **state);
int posh_world_tear_down(void **state);

void posh_world_open(const struct web_name *names, size_t count);
/* The number of its answer. */
size_t posh_world_ask(const char *host);
bool posh_world_wait(uint64_t max_ms); /* for all answers */
bool posh_world_wait_for(size_t answer, uint64_t max_ms);
/* Asks and waits. */
const struct posh_found *posh_world_answer(const char *host);

#endif
