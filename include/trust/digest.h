/* SHA-2 of bytes, as TLSA records and POSH documents hold it. */
#ifndef FEDGATE_TRUST_DIGEST_H
#define FEDGATE_TRUST_DIGEST_H

#include "base/slice.h"

enum { DIGEST_256 = 32, DIGEST_384 = 48, DIGEST_512 = 64 };

void digest_256(struct slice in, unsigned char out[DIGEST_256]);
void digest_384(struct slice in, unsigned char out[DIGEST_384]);
void digest_512(struct slice in, unsigned char out[DIGEST_512]);

#endif
