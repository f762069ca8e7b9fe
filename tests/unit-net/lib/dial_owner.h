/* An owner of a dial, places for it to dial, and DNS from a table. */
#ifndef FEDGATE_TESTS_DIAL_OWNER_H
#define FEDGATE_TESTS_DIAL_OWNER_H

#include "core/dial.h"
#include "fake_dns.h"

#include <netinet/in.h>

struct owner {
	struct fake_worker *f;
	struct dial dial;
	unsigned connected, failed;
	bool direct;
	struct err why;
	uint64_t at_ms; /* of the last event, since the start */
	uint64_t began;
	char where[INET6_ADDRSTRLEN];
	unsigned port;
	bool stop_in_callback; /* and forget the dial, as when its owner is freed */
};

extern struct owner the;
extern const struct dial_events the_events;

int dial_set_up(void **state); /* loopback is allowed */
int dial_tear_down(void **state);
bool the_dial_is_over(void *unused);
/* A listening port; a black hole answers no SYN because its queue is full. */
unsigned listen_at(const char *host, unsigned port, bool black_hole);
void dial_close_listener(size_t i);
bool dial_listener_has_caller(size_t i);
unsigned refused_port(void);
struct domain the_domain(void); /* a.example */
struct address own_listener(const char *host, unsigned port);
void dial_begin(const struct fake_record *records, size_t count);
void dial_it(const struct fake_record *records, size_t count); /* to the end */

#define RECORDS(...)                                                                               \
	(const struct fake_record[]){__VA_ARGS__},                                                 \
		sizeof((const struct fake_record[]){__VA_ARGS__}) / sizeof(struct fake_record)
#define DIAL_TEST(name) cmocka_unit_test_setup_teardown(name, dial_set_up, dial_tear_down)

#endif
