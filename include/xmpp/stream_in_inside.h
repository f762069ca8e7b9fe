/* The receiving machine's inside, shared by its two files: stream_in.c negotiates the stream,
 * stream_in_db.c speaks dialback on it. */
#ifndef FEDGATE_XMPP_STREAM_IN_INSIDE_H
#define FEDGATE_XMPP_STREAM_IN_INSIDE_H

#include "xmpp/stream_in.h"

/* Ends the stream with the reason's own condition. */
void stream_in_fail_code(struct stream_in *s, enum err_code code, struct actions *a);
/* Counts something legal to ignore; too many of them end the stream. */
void stream_in_ignore(struct stream_in *s, enum err_code why, struct actions *a);
/* The stream is over; whatever is to be said has been said. */
void stream_in_close(struct stream_in *s, struct err why, struct actions *a);
/* An element of the dialback namespace, in a state in which features are out. */
void stream_in_dialback(struct stream_in *s, const struct element *el, struct actions *a);

#endif
