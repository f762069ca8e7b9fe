/* Does a private key belong to a certificate? And do certificates follow one another? */
#ifndef FEDGATE_TRUST_KEYMATCH_H
#define FEDGATE_TRUST_KEYMATCH_H

#include "base/err.h"
#include "base/slice.h"

enum { KEY_MAX_BYTES = 65536 };

/* key_pem: the file's text, with an unencrypted key in PKCS 8 (RFC 5958), SEC 1 (RFC 5915) or
 * PKCS 1 (RFC 8017). spki_sha256: of the certificate's key (cert_facts).
 *
 * Without `prove`, the public half that the file itself states is compared, which costs
 * microseconds; a file that states none is read in full. With `prove`, a signature by the private
 * half is made and verified. ERR_KEY_PARSE, ERR_KEY_MISMATCH. */
struct err key_matches(struct slice key_pem, const unsigned char spki_sha256[32], bool prove);
/* Whether a passphrase would be needed: such keys are never taken. */
bool key_is_encrypted(struct slice key_pem);
/* Whether the issuer named in one certificate (DER) is the subject of the next. */
bool chain_follows(struct slice child, struct slice parent);

#endif
