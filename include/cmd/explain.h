/* What `fedgate explain` shows, from what the gate answered. */
#ifndef FEDGATE_CMD_EXPLAIN_H
#define FEDGATE_CMD_EXPLAIN_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

/* The decisions of an answer for people, 80 columns where the texts allow it, no colours. What the
 * answer does not hold is left out. */
void explain_text(const json_t *answer, struct buf *out);
/* A code by itself: its sentence, who must act, what helps. */
void explain_code_text(enum err_code code, struct buf *out);
json_t *explain_code_json(enum err_code code);

/* One question to the gate at `path`. NULL when it was not answered: a sentence, and what to do
 * about it, is in `why`. */
json_t *explain_ask(const char *path, const char *question, struct buf *why);
/* The same, of the gate that the file `config` is about; what is wrong is said on stderr. */
json_t *explain_ask_gate(const char *verb, const char *config, const char *question);

#endif
