/* The owner of a server end, and parameters for both roles. */
#ifndef FEDGATE_TESTS_SERVED_H
#define FEDGATE_TESTS_SERVED_H

#include "certs.h"
#include "tls_conn.h"

struct served {
	struct credential *credential;
	struct err refusal;
	unsigned asked; /* times */
	char sni[300];
	struct slice last; /* the name of the last time */
};

struct tls_params served_params(struct served *s);
struct tls_params client_params(void); /* to shire.example */
void peer_uses(struct conn *c, const struct made *m, const struct made *issuer);

#endif
