#define _DEFAULT_SOURCE /* explicit_bzero */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *ptr)
{
	if (!ptr) {
		fputs("fedgate: out of memory\n", stderr);
		abort();
	}
	return ptr;
}

void *mem_alloc(size_t size)
{
	return or_abort(calloc(1, size ? size : 1));
}

void *mem_realloc(void *old, size_t size)
{
	return or_abort(realloc(old, size ? size : 1));
}

void *mem_dup(const void *data, size_t size)
{
	char *copy = mem_alloc(size + 1);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

char *mem_strdup(const char *text)
{
	return text ? mem_dup(text, strlen(text)) : NULL;
}

void mem_free(void *ptr)
{
	free(ptr);
}

void mem_wipe(void *ptr, size_t size)
{
	if (ptr)
		explicit_bzero(ptr, size);
}

void mem_one_heap(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
}
