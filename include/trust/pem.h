/* PEM as RFC 7468 has it: base64 between BEGIN and END lines; text between blocks is skipped. */
#ifndef FEDGATE_TRUST_PEM_H
#define FEDGATE_TRUST_PEM_H

#include "base/buf.h"

/* Finds the next block in *rest and moves *rest behind it. `der` is cleared and gets its content
 * (make it `secret` for keys), `label` is borrowed from the text ("CERTIFICATE"). False at the end
 * of the text; then *e says whether it was a clean end or a broken block (ERR_CERT_PARSE). */
bool pem_next(struct slice *rest, struct slice *label, struct buf *der, struct err *e);

#endif
