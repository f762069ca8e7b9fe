/* Certificates and keys that the gate makes, in its state directory. One directory holds one
 * line of them (tenants/provided.h), each pair in a directory of its own that is never changed:
 *
 *   1/ 2/ ...              certificate.pem (0600) and key.pem (0600)
 *   current next previous  symbolic links to these directories
 *   current.pem current.key next.pem next.key previous.pem   links through those
 *
 * So certificate and key change in one step, on any file system. Every step is on the disk before
 * the next begins, and may be done again after a crash at any point (F05). All functions return
 * NULL, or why it could not be done. */
#ifndef FEDGATE_CORE_STORE_H
#define FEDGATE_CORE_STORE_H

#include "keys/makecert.h"

/* Makes `current` unless it is there; the directories above too. */
const char *store_make(const char *dir, const struct makecert_wish *wish);
/* The same, as the loader wishes it (struct load_options). */
const char *store_provide(
	const char *dir, const struct domain *const *names, size_t count, int64_t now);
/* Makes `next` unless it is there. */
const char *store_stage(const char *dir, const struct makecert_wish *wish);
/* `current` becomes `previous`, `next` becomes `current`. Nothing when there is no `next`. */
const char *store_switch(const char *dir);
/* `previous` goes, its key with it. */
const char *store_retire(const char *dir);
/* Held until it is closed: two calls of a verb that takes several of these steps. -1: *why says
 * why not. */
int store_lock(const char *dir, const char **why);
/* For whoever keeps another file there: whole or not at all, and on the disk. */
const char *store_write(const char *dir, const char *name, struct slice text);

#endif
