/* What the files of the decision records share. */
#ifndef FEDGATE_CORE_DECISION_INSIDE_H
#define FEDGATE_CORE_DECISION_INSIDE_H

#include "base/utf8.h"

/* Any bytes into a text of less than `size` bytes: see decision_step(). */
void decision_text_clean(char *out, size_t size, struct slice raw);

#endif
