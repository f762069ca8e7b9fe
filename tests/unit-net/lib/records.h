/* TLS records made by hand, for what no library can be made to send. AES-128-GCM only. */
#ifndef FEDGATE_TESTS_RECORDS_H
#define FEDGATE_TESTS_RECORDS_H

#include "base/buf.h"

#include <stdint.h>

enum { REC_CCS = 20, REC_ALERT = 21, REC_HANDSHAKE = 22, REC_DATA = 23 };

struct records {
	bool tls12;
	unsigned char secret[32]; /* TLS 1.3 */
	unsigned char key[16], iv[12];
	uint64_t seq;
};

/* Keys of TLS_AES_128_GCM_SHA256 from a traffic secret. */
void records_init13(struct records *r, const unsigned char secret[32]);
/* A client's keys of TLS 1.2 with AES-128-GCM and SHA-256, behind its Finished. */
void records_init12(struct records *r, const unsigned char master[48],
	const unsigned char client_random[32], const unsigned char server_random[32]);
void records_seal(struct records *r, int type, struct slice content, struct buf *out);
/* Behind a KeyUpdate of ours. */
void records_next_keys(struct records *r);
/* A record without protection. */
void records_clear(int type, struct slice content, struct buf *out);

#endif
