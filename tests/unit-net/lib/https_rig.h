/* The HTTPS server in a process of its own, and OpenSSL clients that send it bytes. */
#ifndef FEDGATE_TESTS_HTTPS_RIG_H
#define FEDGATE_TESTS_HTTPS_RIG_H

#include "net/httpserve.h"

#include <openssl/ssl.h>

#include <sys/types.h>

#define RIG_HOST "gate.example"
#define RIG_PATH "/posh/shire.example/xmpp-server.json"
#define RIG_JSON "{\"fingerprints\":[]}"
enum { RIG_SOON_MS = 4000, RIG_MAX_AGE = 77 };

struct https_rig {
	pid_t pid;
	uint16_t port;
	int control, notes;
};

/* RIG_HOST; wide limits. */
struct httpserve_settings rig_settings(void);
/* Serves RIG_PATH; "/broken" cannot be had. Its certificates name RIG_HOST. */
struct https_rig rig_start(const struct httpserve_settings *settings);
/* Shows its second certificate from now on. */
void rig_renew(struct https_rig *r);
/* The next note, "STATUS REASON TARGET", into out; false when there is none in time. */
bool rig_note(struct https_rig *r, char *out, size_t room);
/* Ends it while connections may be open, and looks how it ended. */
void rig_stop(struct https_rig *r);

struct client_as {
	const char *sni;  /* NULL: none */
	const char *from; /* address; NULL: 127.0.0.1 */
	const char *alpn; /* in wire form; NULL: none */
	int max_version;  /* 0: any */
	bool fails;       /* the handshake is to fail */
};
struct client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	bool certificate_asked;
};

int rig_dial(const struct https_rig *r, const char *from); /* plain TCP */
/* False: the handshake failed. */
bool client_open(struct client *c, const struct https_rig *r, struct client_as as);
bool client_say(struct client *c, struct slice bytes); /* false: not all of it was taken */
/* Reads one answer whole (of a HEAD: its head alone). Returns its status, 0 when the connection
 * ended before. */
int client_hear(struct client *c, bool head, char *out, size_t room);
bool client_is_over(struct client *c, int within_ms); /* an end, and not one byte more */
void client_close(struct client *c);

#endif
