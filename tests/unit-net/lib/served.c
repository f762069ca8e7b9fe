#include "served.h"

#include <assert.h>
#include <string.h>

static struct tls_choice choose(void *arg, struct slice sni)
{
	struct served *s = arg;
	s->asked++;
	s->last = slice_of(s->sni, sni.len);
	if (sni.len)
		memcpy(s->sni, sni.ptr, sni.len);
	return (struct tls_choice){.credential = s->credential, .refusal = s->refusal};
}

struct tls_params served_params(struct served *s)
{
	return (struct tls_params){.role = TLS_SERVER, .choose = choose, .choose_arg = s};
}

struct tls_params client_params(void)
{
	return (struct tls_params){.role = TLS_CLIENT, .server_name = "shire.example"};
}

void peer_uses(struct conn *c, const struct made *m, const struct made *issuer)
{
	int ok = SSL_CTX_use_certificate(c->ctx, m->cert) == 1 &&
		 SSL_CTX_use_PrivateKey(c->ctx, m->key) == 1 &&
		 (!issuer || SSL_CTX_add1_chain_cert(c->ctx, issuer->cert) == 1);
	assert(ok);
	(void)ok;
}
