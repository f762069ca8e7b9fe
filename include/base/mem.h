/* The only place that allocates. Running out of memory is fatal: a half-built handshake or table
 * must never go on (mbedTLS duty 13), and the supervisor starts a fresh worker. */
#ifndef FEDGATE_BASE_MEM_H
#define FEDGATE_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                 /* zeroed; aborts when there is none */
void *mem_realloc(void *old, size_t size);    /* grown bytes are not zeroed */
void *mem_dup(const void *data, size_t size); /* with a NUL behind it */
char *mem_strdup(const char *text);           /* NULL stays NULL */
void mem_free(void *ptr);                     /* NULL is fine */
void mem_wipe(void *ptr, size_t size);        /* zeroes what the compiler must not optimise away */
/* Before the first thread: all threads take from one heap. With heaps of their own (glibc), what
 * one thread made and another freed stays with the first, and a configuration that is read in one
 * thread and freed in another would in time be kept once for each. */
void mem_one_heap(void);
#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
