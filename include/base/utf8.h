/* UTF-8 (RFC 3629), character by character, for what is shown to people. */
#ifndef FEDGATE_BASE_UTF8_H
#define FEDGATE_BASE_UTF8_H

#include "base/slice.h"

#include <stdint.h>

/* Takes one character: its length, and its number in *c. A byte that is not part of one is taken
 * alone, as U+FFFD. s is not empty. */
size_t utf8_take(struct slice s, uint32_t *c);
/* What could end a line, steer a terminal or turn the reading direction; and U+FFFD. */
bool utf8_is_unsafe(uint32_t c);

#endif
