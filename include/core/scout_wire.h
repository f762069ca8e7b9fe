/* The messages between workers and the scout: one SOCK_SEQPACKET pair per worker, one message per
 * question and per answer, numbers in network order. Neither side believes the other: what is
 * read has been checked for kind, lengths and ranges, names are parsed again. */
#ifndef FEDGATE_CORE_SCOUT_WIRE_H
#define FEDGATE_CORE_SCOUT_WIRE_H

#include "base/buf.h"
#include "core/ask.h"

enum { SCOUT_QUESTION_MAX = 512, SCOUT_ANSWER_MAX = 20 * 1024 };

struct scout_question {
	uint32_t serial; /* the worker's; comes back with the answer */
	enum ask_kind kind;
	uint16_t which; /* SRV: see scout_service(); ADDR: 4 or 6; TLSA: the port; POSH: 0 */
	struct domain name;
};

/* The services that SRV may be asked for: "_xmpp-server._tcp", ...; NULL behind the last. */
const char *scout_service(uint16_t which);
uint16_t scout_service_number(const char *service); /* one of these, or the caller is wrong */

/* Appends the message to `out`. */
void scout_question_write(const struct scout_question *q, struct buf *out);
bool scout_question_read(struct slice message, struct scout_question *out);

/* Of the answer: kind and what belongs to that kind; ticket and tag do not travel. */
void scout_answer_write(uint32_t serial, const struct answer *a, struct buf *out);
bool scout_answer_read(struct slice message, uint32_t *serial, struct answer *out);

#endif
