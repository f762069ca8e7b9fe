#include "trust/level.h"

#include <stddef.h>

const char *const level_words[] = {"none", "verified", "secure", "trusted", NULL};

const char *level_name(enum level l)
{
	return level_words[l];
}
