/* One table of reasons. Every refusal carries a code of this table; the log, the metric, the
 * stream error and the command line all read the same row (ux.md's rule: silence is a defect).
 *
 * Columns: symbol, stable id (group as in the attack catalogue: X xml, S stream, T tls,
 * C certificate, P posh, D dns, B dialback, M tenants, H publishing, R resources, K configuration,
 * N network, Z our own), who must act, the RFC 6120 stream error condition for the peer (4.9.3),
 * and the sentence for a person. */
#ifndef FEDGATE_BASE_ERR_H
#define FEDGATE_BASE_ERR_H

#include "base/slice.h"

enum blame {
	BLAME_NOBODY,
	BLAME_PEER,     /* the remote domain or whoever dialled us */
	BLAME_US,       /* a bug or a limit of fedgate */
	BLAME_OPERATOR, /* this node's configuration or network */
	BLAME_TENANT,   /* the tenant's files, DNS or backend */
};

#define ERR_TABLE(X)                                                                               \
	X(ERR_OK, "FG-000", NOBODY, "", "no error")                                                \
	/* XML */                                                                                  \
	X(ERR_XML, "FG-X01", PEER, "not-well-formed", "the XML is not well-formed")                \
	X(ERR_XML_RESTRICTED, "FG-X02", PEER, "restricted-xml",                                    \
		"the stream holds a comment, processing instruction, DTD or foreign entity")       \
	X(ERR_XML_ENCODING, "FG-X03", PEER, "unsupported-encoding", "the stream is not UTF-8")     \
	X(ERR_XML_UTF8, "FG-X04", PEER, "not-well-formed",                                         \
		"invalid UTF-8 or a forbidden character")                                          \
	X(ERR_XML_NAMESPACE, "FG-X05", PEER, "not-well-formed",                                    \
		"the XML is not namespace-well-formed (prefix not bound, or attribute named "      \
		"twice)")                                                                          \
	X(ERR_XML_DEPTH, "FG-X06", PEER, "policy-violation", "elements are nested too deeply")     \
	X(ERR_XML_ATTRS, "FG-X07", PEER, "policy-violation",                                       \
		"too many attributes or namespace declarations")                                   \
	X(ERR_XML_TAG_SIZE, "FG-X08", PEER, "policy-violation", "a start tag is too large")        \
	X(ERR_STANZA_SIZE, "FG-X09", PEER, "policy-violation", "a stanza is over the size limit")  \
	X(ERR_NOT_XMPP, "FG-X10", PEER, "bad-format", "the first bytes are not an XMPP stream")    \
	/* streams */                                                                              \
	X(ERR_STREAM_ROOT, "FG-S01", PEER, "bad-format", "the root element is not a stream")       \
	X(ERR_STREAM_NS, "FG-S02", PEER, "invalid-namespace",                                      \
		"the stream or content namespace is wrong")                                        \
	X(ERR_STREAM_PREFIX, "FG-S03", PEER, "bad-namespace-prefix",                               \
		"a stanza of the content namespace came with a prefix")                            \
	X(ERR_STREAM_VERSION, "FG-S04", PEER, "unsupported-version",                               \
		"the peer speaks XMPP before 1.0, which this tenant's policy does not allow")      \
	X(ERR_NO_TO, "FG-S05", PEER, "host-unknown", "the stream header names no domain in `to`")  \
	X(ERR_HOST_UNKNOWN, "FG-S06", PEER, "host-unknown", "this domain is not served here")      \
	X(ERR_HOST_GONE, "FG-S07", TENANT, "host-gone", "this domain is no longer served here")    \
	X(ERR_ADDRESS, "FG-S08", PEER, "improper-addressing",                                      \
		"a `from` or `to` is missing or is not a valid address")                           \
	X(ERR_INVALID_FROM, "FG-S09", PEER, "invalid-from",                                        \
		"the sender's domain was not proven on this stream")                               \
	X(ERR_PAIR_TO, "FG-S10", PEER, "host-unknown",                                             \
		"the target domain was not proven together with this sender on this stream")       \
	X(ERR_NOT_AUTHORIZED, "FG-S11", PEER, "not-authorized",                                    \
		"something other than negotiation came before the domain was proven")              \
	X(ERR_UNEXPECTED, "FG-S12", PEER, "unsupported-stanza-type",                               \
		"an element that has no place at this point of the stream")                        \
	X(ERR_STARTTLS_INJECTION, "FG-S13", PEER, "policy-violation",                              \
		"bytes stood behind the STARTTLS exchange")                                        \
	X(ERR_TLS_REQUIRED, "FG-S14", PEER, "policy-violation", "policy requires TLS")             \
	X(ERR_STARTTLS_REFUSED, "FG-S15", PEER, "policy-violation", "the peer refused STARTTLS")   \
	X(ERR_TO_CHANGED, "FG-S16", PEER, "policy-violation",                                      \
		"the stream's `to` or `from` changed at a restart, or does not fit the TLS "       \
		"server name")                                                                     \
	X(ERR_SASL, "FG-S17", PEER, "not-authorized", "SASL EXTERNAL failed")                      \
	X(ERR_SASL_RETRIES, "FG-S18", PEER, "policy-violation", "too many SASL attempts")          \
	X(ERR_HEADER_TIMEOUT, "FG-S19", PEER, "connection-timeout",                                \
		"the stream was not negotiated in time")                                           \
	X(ERR_PEER_STREAM_ERROR, "FG-S20", PEER, "reset",                                          \
		"the other side closed with a stream error")                                       \
	X(ERR_PEER_CLOSED, "FG-S21", NOBODY, "reset", "the other side closed the stream")          \
	X(ERR_IDLE, "FG-S22", NOBODY, "", "the stream was idle and was closed")                    \
	X(ERR_SHUTDOWN, "FG-S23", NOBODY, "system-shutdown", "the gate is shutting down")          \
	X(ERR_REPLY_FROM, "FG-S24", PEER, "invalid-from",                                          \
		"the answering server is not the one asked")                                       \
	X(ERR_NO_OFFER, "FG-S25", PEER, "not-authorized",                                          \
		"the peer offered neither EXTERNAL nor dialback")                                  \
	X(ERR_SPOOF_TENANT, "FG-S26", PEER, "not-authorized",                                      \
		"a stranger claimed to be one of our own domains")                                 \
	/* tls */                                                                                  \
	X(ERR_TLS, "FG-T01", PEER, "", "the TLS handshake or a TLS record failed")                 \
	X(ERR_TLS_NO_SNI, "FG-T02", PEER, "", "direct TLS without a server name")                  \
	X(ERR_TLS_SNI, "FG-T03", PEER, "", "the TLS server name is not served here")               \
	X(ERR_TLS_ALPN, "FG-T04", PEER, "", "no common application protocol (ALPN)")               \
	X(ERR_TLS_TRUNCATED, "FG-T05", PEER, "",                                                   \
		"the connection ended without a TLS close_notify")                                 \
	X(ERR_TLS_TIMEOUT, "FG-T06", PEER, "", "the TLS handshake took too long")                  \
	X(ERR_TLS_LIMIT, "FG-T07", NOBODY, "reset",                                                \
		"the cipher's record limit is near: new stream")                                   \
	X(ERR_TLS_CREDENTIAL, "FG-T08", TENANT, "internal-server-error",                           \
		"the tenant's certificate or key cannot be used")                                  \
	X(ERR_TLS_PEER_CERT, "FG-T09", PEER, "", "the peer's certificate cannot be parsed")        \
	/* certificates */                                                                         \
	X(ERR_CERT_NONE, "FG-C01", PEER, "not-authorized", "no certificate was presented")         \
	X(ERR_CERT_EXPIRED, "FG-C02", PEER, "not-authorized", "the certificate has expired")       \
	X(ERR_CERT_NOT_YET, "FG-C03", PEER, "not-authorized", "the certificate is not valid yet")  \
	X(ERR_CERT_UNTRUSTED, "FG-C04", PEER, "not-authorized",                                    \
		"the certificate does not lead to a trusted authority")                            \
	X(ERR_CERT_NAME, "FG-C05", PEER, "not-authorized",                                         \
		"the certificate is for another domain")                                           \
	X(ERR_CERT_PURPOSE, "FG-C06", PEER, "not-authorized",                                      \
		"the certificate is not meant for servers (extended key usage or CA flag)")        \
	X(ERR_CERT_WEAK, "FG-C07", PEER, "not-authorized",                                         \
		"the certificate uses weak cryptography")                                          \
	X(ERR_CERT_CONSTRAINT, "FG-C08", PEER, "not-authorized",                                   \
		"a name constraint of an issuing authority excludes the domain")                   \
	X(ERR_CERT_CHAIN, "FG-C09", PEER, "not-authorized",                                        \
		"the certificate chain is too long or broken")                                     \
	X(ERR_CERT_PARSE, "FG-C10", PEER, "not-authorized", "the certificate cannot be read")      \
	X(ERR_CERT_UNSUPPORTED, "FG-C12", PEER, "not-authorized",                                  \
		"the certificate needs an algorithm or an extension that is not supported here")   \
	X(ERR_CERT_RENEW, "FG-C11", PEER, "reset",                                                 \
		"the certificate that proved this stream expired")                                 \
	X(ERR_PIN_MISMATCH, "FG-C13", PEER, "not-authorized",                                      \
		"the certificate's key is not one of those configured for the domain")             \
	/* posh */                                                                                 \
	X(ERR_POSH_NONE, "FG-P01", PEER, "not-authorized",                                         \
		"the domain publishes no POSH document")                                           \
	X(ERR_POSH_FETCH, "FG-P02", PEER, "not-authorized",                                        \
		"the POSH document could not be fetched")                                          \
	X(ERR_POSH_TIMEOUT, "FG-P03", PEER, "not-authorized", "the POSH document took too long")   \
	X(ERR_POSH_TLS, "FG-P04", PEER, "not-authorized",                                          \
		"the web server of the POSH document shows no valid certificate for its name")     \
	X(ERR_POSH_REDIRECT, "FG-P05", PEER, "not-authorized",                                     \
		"the POSH document redirects too often, or to where it may not")                   \
	X(ERR_POSH_BLOCKED, "FG-P06", PEER, "not-authorized",                                      \
		"the POSH document's web server has a private or local address")                   \
	X(ERR_POSH_SIZE, "FG-P07", PEER, "not-authorized",                                         \
		"the POSH document or its headers are too large")                                  \
	X(ERR_POSH_PARSE, "FG-P08", PEER, "not-authorized",                                        \
		"what is published in the place of a POSH document is none")                       \
	X(ERR_POSH_EXPIRES, "FG-P09", PEER, "not-authorized",                                      \
		"the POSH document's `expires` is missing, 0 or no number of seconds")             \
	X(ERR_POSH_REFERENCE, "FG-P10", PEER, "not-authorized",                                    \
		"the POSH document refers to one that again refers to another")                    \
	X(ERR_POSH_WEAK, "FG-P11", PEER, "not-authorized",                                         \
		"the POSH document has no fingerprint with a hash that is still trusted")          \
	X(ERR_POSH_MISMATCH, "FG-P12", PEER, "not-authorized",                                     \
		"the POSH document lists other certificates than the one shown")                   \
	X(ERR_POSH_BUSY, "FG-P13", OPERATOR, "not-authorized",                                     \
		"too many POSH documents are being fetched")                                       \
	/* dns and reaching */                                                                     \
	X(ERR_DNS_NONE, "FG-D01", PEER, "remote-connection-failed",                                \
		"the domain does not exist in DNS")                                                \
	X(ERR_DNS_NO_SERVICE, "FG-D02", PEER, "remote-connection-failed",                          \
		"DNS says that the domain runs no XMPP server")                                    \
	X(ERR_DNS_FAILED, "FG-D03", OPERATOR, "remote-connection-failed", "the DNS lookup failed") \
	X(ERR_DNS_TIMEOUT, "FG-D04", OPERATOR, "remote-connection-failed",                         \
		"the DNS lookup took too long")                                                    \
	X(ERR_DNS_BOGUS, "FG-D05", PEER, "remote-connection-failed",                               \
		"the domain's DNSSEC is broken")                                                   \
	X(ERR_ADDRESS_BLOCKED, "FG-D06", PEER, "remote-connection-failed",                         \
		"the domain points to a private or local address")                                 \
	X(ERR_DNS_LOOP, "FG-D07", PEER, "remote-connection-failed",                                \
		"the domain points to this gate but is not served here")                           \
	X(ERR_DNS_SPECIAL, "FG-D08", PEER, "remote-connection-failed",                             \
		"the name is not one of the public DNS (a single label, .local, .onion or the "    \
		"like)")                                                                           \
	X(ERR_DANE_INSECURE, "FG-D09", PEER, "not-authorized",                                     \
		"the domain's DNS is not signed, so there is no DANE")                             \
	X(ERR_DANE_NONE, "FG-D10", PEER, "not-authorized", "the domain publishes no TLSA records") \
	X(ERR_DANE_UNUSABLE, "FG-D11", PEER, "not-authorized",                                     \
		"none of the domain's TLSA records can be used")                                   \
	X(ERR_DANE_MISMATCH, "FG-D12", PEER, "not-authorized",                                     \
		"the certificate matches none of the domain's TLSA records")                       \
	X(ERR_DANE_FAILED, "FG-D13", PEER, "remote-connection-failed",                             \
		"the TLSA records of a signed zone could not be had")                              \
	X(ERR_DNS_ROOT, "FG-D14", OPERATOR, "",                                                    \
		"the root of DNS fails DNSSEC validation, so every domain will")                   \
	X(ERR_CONNECT, "FG-N01", PEER, "remote-connection-failed",                                 \
		"no server of the domain accepts connections")                                     \
	X(ERR_CONNECT_TIMEOUT, "FG-N02", PEER, "remote-connection-failed",                         \
		"no server of the domain answered in time")                                        \
	X(ERR_LOST, "FG-N03", PEER, "", "the connection was lost")                                 \
	X(ERR_BREAKER, "FG-N04", PEER, "remote-connection-failed",                                 \
		"the domain failed a moment ago and is not tried again yet")                       \
	/* dialback */                                                                             \
	X(ERR_DB_INVALID, "FG-B01", PEER, "not-authorized", "the dialback key is not valid")       \
	X(ERR_DB_UNSOLICITED, "FG-B02", PEER, "", "a dialback answer that nobody asked for")       \
	X(ERR_DB_REFUSED, "FG-B03", PEER, "policy-violation",                                      \
		"policy needs a better proof than dialback for this domain")                       \
	X(ERR_DB_TIMEOUT, "FG-B04", PEER, "remote-connection-failed",                              \
		"dialback was not answered in time")                                               \
	X(ERR_DB_REJECTED, "FG-B05", PEER, "not-authorized",                                       \
		"the remote server could not verify this domain")                                  \
	X(ERR_DB_LIMIT, "FG-B06", PEER, "resource-constraint",                                     \
		"too many domain pairs on one stream")                                             \
	/* tenants and policy */                                                                   \
	X(ERR_POLICY, "FG-M01", PEER, "policy-violation",                                          \
		"the proof does not reach the policy's floor")                                     \
	X(ERR_BACKEND_DOWN, "FG-M02", TENANT, "remote-connection-failed",                          \
		"the tenant's own server cannot be reached")                                       \
	X(ERR_BACKEND_REFUSED, "FG-M03", TENANT, "internal-server-error",                          \
		"the tenant's own server refused the proven peer: check its configuration")        \
	X(ERR_BACKEND_SPOOF, "FG-M04", TENANT, "not-authorized",                                   \
		"a backend spoke for a domain that is not its own")                                \
	X(ERR_BACKEND_UNPROVEN, "FG-M05", TENANT, "not-authorized",                                \
		"the caller on egress is not the tenant's backend")                                \
	X(ERR_DOMAIN, "FG-M06", PEER, "improper-addressing", "not a valid domain name")            \
	X(ERR_DOMAIN_FOLD, "FG-M07", PEER, "improper-addressing",                                  \
		"the domain name means another one to older software (IDNA 2003)")                 \
	X(ERR_TENANT_UNPROVEN, "FG-M08", TENANT, "not-authorized",                                 \
		"a neighbour tenant has not proven its domain to the world")                       \
	X(ERR_ROUTE_PAIR, "FG-M09", TENANT, "policy-violation",                                    \
		"the backend sent a stanza for a pair that is not open on its stream")             \
	X(ERR_PROOF_OVER, "FG-M10", PEER, "reset",                                                 \
		"what proved this stream has run out and could not be renewed")                    \
	X(ERR_PROOF_LATE, "FG-M11", PEER, "not-authorized", "a proof was not there in time")       \
	/* requests to the publisher */                                                            \
	X(ERR_HTTP_MALFORMED, "FG-H01", PEER, "", "the HTTP request is malformed")                 \
	X(ERR_HTTP_VERSION, "FG-H02", PEER, "", "the request is neither HTTP/1.1 nor HTTP/1.0")    \
	X(ERR_HTTP_HOST, "FG-H03", PEER, "", "the request is for another host, or names none")     \
	X(ERR_HTTP_METHOD, "FG-H04", PEER, "", "the request is neither GET nor HEAD")              \
	X(ERR_HTTP_BODY, "FG-H05", PEER, "", "the request brings a body")                          \
	X(ERR_HTTP_PATH, "FG-H06", PEER, "", "there is no document under this path")               \
	X(ERR_HTTP_SLOW, "FG-H07", PEER, "", "the request was not there in time")                  \
	/* resources */                                                                            \
	X(ERR_LIMIT, "FG-R01", PEER, "resource-constraint", "a size or count limit was reached")   \
	X(ERR_QUEUE_FULL, "FG-R02", PEER, "resource-constraint",                                   \
		"the queue for the domain is full")                                                \
	X(ERR_QUEUE_TIMEOUT, "FG-R03", PEER, "remote-connection-failed",                           \
		"the stanza waited too long for a connection")                                     \
	X(ERR_TOO_MANY, "FG-R04", PEER, "resource-constraint", "too many connections")             \
	X(ERR_BUDGET, "FG-R05", PEER, "resource-constraint",                                       \
		"the address has asked for more than its share for now")                           \
	/* configuration */                                                                        \
	X(ERR_CONFIG, "FG-K01", OPERATOR, "", "the configuration has faults")                      \
	X(ERR_FILE, "FG-K02", OPERATOR, "", "a file cannot be read")                               \
	X(ERR_KEY_MISMATCH, "FG-K03", TENANT, "", "the key does not belong to the certificate")    \
	X(ERR_KEY_PARSE, "FG-K04", TENANT, "", "the private key cannot be read")                   \
	X(ERR_LISTEN, "FG-K05", OPERATOR, "", "a port cannot be listened on")                      \
	/* ours */                                                                                 \
	X(ERR_INTERNAL, "FG-Z01", US, "internal-server-error", "a fault inside the gate")          \
	X(ERR_WORKER_LOST, "FG-Z02", US, "internal-server-error", "a worker process died")         \
	X(ERR_SCOUT_LOST, "FG-Z03", US, "", "the process that asks DNS and the web died")          \
	X(ERR_SCOUT_STUCK, "FG-Z04", US, "",                                                       \
		"the DNS resolver has been computing for seconds and is started afresh")

enum err_code {
#define ERR_SYMBOL(symbol, id, blame, condition, sentence) symbol,
	ERR_TABLE(ERR_SYMBOL)
#undef ERR_SYMBOL
		ERR_COUNT
};

struct err {
	enum err_code code;
	int native; /* errno, libuv or mbedTLS code; 0 when there is none */
};

struct err_row {
	const char *symbol; /* "ERR_XML" */
	const char *id;     /* "FG-X01" */
	enum blame blame;
	const char *condition; /* RFC 6120 4.9.3 element name, "" when nothing is told */
	const char *sentence;
};

struct err err_ok(void);
struct err err_make(enum err_code code);
struct err err_native(enum err_code code, int native);
bool err_is(struct err e);                         /* true when e is an error */
const struct err_row *err_row(enum err_code code); /* never NULL */
/* What helps, addressed to whoever must act: one or two short sentences; never NULL or empty. */
const char *err_fix(enum err_code code);
/* By its id, "FG-C05", in any case of letters. */
bool err_find(struct slice id, enum err_code *out);
const char *blame_name(enum blame blame); /* "peer", "us", "operator", "tenant", "nobody" */

#endif
