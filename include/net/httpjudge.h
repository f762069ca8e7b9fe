/* What speaks against a request to the publisher, and with which status that is said (P21, P22).
 * Pure.
 */
#ifndef FEDGATE_NET_HTTPJUDGE_H
#define FEDGATE_NET_HTTPJUDGE_H

#include "base/domain.h"
#include "base/httphead.h"
#include "net/httpanswer.h"

/* Everything before its path is looked at: ERR_OK, ERR_HTTP_BODY, ERR_HTTP_MALFORMED (no valid
 * Host), ERR_HTTP_HOST, ERR_HTTP_METHOD. */
struct err httpjudge_head(const struct httphead *head, const struct domain *host);
/* Any reason that is not a request's is HTTP_SERVICE_UNAVAILABLE. */
enum http_status httpjudge_status(struct err e);

#endif
