/* What a tenant shows in TLS: one certificate chain and its key per algorithm (RSA and ECDSA side
 * by side). Counted; parsed once; keys wiped with the last reference. */
#ifndef FEDGATE_KEYS_CREDENTIAL_H
#define FEDGATE_KEYS_CREDENTIAL_H

#include "base/err.h"
#include "base/slice.h"

struct credential;

/* Empty; add at least one chain before use. */
struct credential *credential_new(void);
/* PEM of a chain (leaf first) and of its unencrypted key. ERR_CERT_PARSE, ERR_KEY_PARSE,
 * ERR_KEY_MISMATCH. */
struct err credential_add(struct credential *c, struct slice chain_pem, struct slice key_pem);
struct credential *credential_hold(struct credential *c);
void credential_release(struct credential *c); /* NULL is fine */
size_t credential_count(const struct credential *c);
/* The DER of chain i, leaf first (for judging our own proof). Returns how many were written. */
size_t credential_chain(const struct credential *c, size_t i, struct slice *ders, size_t max);

#endif
