#include "base/err.h"

/* What helps, by code: addressed to whoever must act. */
static const char *const fixes[ERR_COUNT] = {
	[ERR_OK] = "Nothing needs to be done.",
	/* XML */
	[ERR_XML] = "Make the sending server write well-formed XML; its log shows the element.",
	[ERR_XML_RESTRICTED] = "Leave out comments, processing instructions, DTDs and entities of "
			       "one's own (RFC 6120 11.1).",
	[ERR_XML_ENCODING] = "Send UTF-8 (RFC 6120 11.6).",
	[ERR_XML_UTF8] = "Send valid UTF-8 without characters that XML forbids.",
	[ERR_XML_NAMESPACE] = "Declare every prefix that is used, and no attribute twice.",
	[ERR_XML_DEPTH] = "Send elements that are nested less deeply.",
	[ERR_XML_ATTRS] = "Send elements with fewer attributes and namespace declarations.",
	[ERR_XML_TAG_SIZE] = "Send shorter attributes.",
	[ERR_STANZA_SIZE] = "Send smaller stanzas; the limit is [limits] stanza_bytes in "
			    "fedgate.ini, announced by XEP-0478.",
	[ERR_NOT_XMPP] = "Nothing, if it was a scanner; otherwise connect with XMPP or direct TLS.",
	/* streams */
	[ERR_STREAM_ROOT] = "Open the stream with <stream:stream> (RFC 6120 4.2).",
	[ERR_STREAM_NS] = "Use the namespaces http://etherx.jabber.org/streams and jabber:server.",
	[ERR_STREAM_PREFIX] = "Send stanzas in the stream's default namespace, without a prefix.",
	[ERR_STREAM_VERSION] = "Bring the server to XMPP 1.0, or lower the tenant's [policy] "
			       "inbound to `verified`.",
	[ERR_NO_TO] = "Name the domain in the `to` of the stream header.",
	[ERR_HOST_UNKNOWN] = "Correct the DNS records that point here, or add the domain: a file "
			     "in tenants.d or a further one in `domains`.",
	[ERR_HOST_GONE] = "Point the domain's DNS records to where it is served now, or add the "
			  "tenant again.",
	[ERR_ADDRESS] = "Write valid addresses in `from` and `to`.",
	[ERR_INVALID_FROM] = "Prove the sender's domain on the stream before sending for it.",
	[ERR_PAIR_TO] = "Prove each pair of domains before sending for it, or open another stream.",
	[ERR_NOT_AUTHORIZED] = "Finish EXTERNAL or dialback before sending stanzas.",
	[ERR_UNEXPECTED] = "Send only what the state of the stream has a place for; bring the "
			   "server up to date.",
	[ERR_STARTTLS_INJECTION] = "Send nothing behind <starttls/> until TLS is up; if the server "
				   "did not, somebody on the way did.",
	[ERR_TLS_REQUIRED] = "Turn on STARTTLS, or lower the tenant's policy to `verified`.",
	[ERR_STARTTLS_REFUSED] = "Turn on TLS for servers: it was offered and then refused.",
	[ERR_TO_CHANGED] = "Name the same domains before and after each restart, and in the TLS "
			   "server name.",
	[ERR_SASL] = "Correct the certificate, so that EXTERNAL succeeds, or offer dialback too.",
	[ERR_SASL_RETRIES] = "Fall back to dialback after a failure instead of trying again.",
	[ERR_HEADER_TIMEOUT] = "Look whether the network between the two loses packets; the limit "
			       "is [limits] negotiation_seconds in fedgate.ini.",
	[ERR_PEER_STREAM_ERROR] = "Read what the other side said in the step, and its log.",
	[ERR_PEER_CLOSED] = "Nothing needs to be done, unless it was in the middle: then read the "
			    "other side's log.",
	[ERR_IDLE] = "Nothing needs to be done: a new stream is opened when it is needed.",
	[ERR_SHUTDOWN] = "Nothing needs to be done: the peer comes again when the gate is back.",
	[ERR_REPLY_FROM] = "Correct the DNS records: they lead to a server for another domain.",
	[ERR_NO_OFFER] = "Turn on dialback, or a certificate for the domain and SASL EXTERNAL.",
	[ERR_SPOOF_TENANT] = "If it is the domain's true server, it is served in two places: point "
			     "its DNS here or delete the tenant.",
	/* tls */
	[ERR_TLS] = "Speak TLS 1.2 or 1.3 with current ciphers; the step names what failed.",
	[ERR_TLS_NO_SNI] = "Send the server name (SNI) on direct TLS (XEP-0368).",
	[ERR_TLS_SNI] = "Correct the server name (SNI) or the DNS records that lead here.",
	[ERR_TLS_ALPN] = "Offer the application protocol xmpp-server on direct TLS (XEP-0368).",
	[ERR_TLS_TRUNCATED] = "Look at the other server's log: it or the network broke off.",
	[ERR_TLS_TIMEOUT] = "Look whether the network between the two loses packets, large ones "
			    "above all (MTU).",
	[ERR_TLS_LIMIT] = "Nothing needs to be done: a new stream is opened.",
	[ERR_TLS_CREDENTIAL] = "Run `fedgate check --deep` and correct the tenant's certificate "
			       "and key.",
	[ERR_TLS_PEER_CERT] = "Install a certificate that is X.509 in DER form.",
	/* certificates */
	[ERR_CERT_NONE] = "Install a certificate for the domain and present it to other servers "
			  "too, or publish POSH or DANE.",
	[ERR_CERT_EXPIRED] = "Renew the certificate and reload the server.",
	[ERR_CERT_NOT_YET] = "Correct the clock of the server or of the gate, or wait until the "
			     "certificate begins.",
	[ERR_CERT_UNTRUSTED] = "Get a certificate from a public authority and send its chain, or "
			       "publish POSH or DANE.",
	[ERR_CERT_NAME] = "Get a certificate that names the domain, or publish POSH or DANE.",
	[ERR_CERT_PURPOSE] = "Get a certificate for TLS servers; without a list of purposes it "
			     "serves for both directions.",
	[ERR_CERT_WEAK] = "Get a certificate with RSA of 2048 bits or more or ECDSA, signed with "
			  "SHA-256 or better.",
	[ERR_CERT_CONSTRAINT] =
		"Get a certificate from an authority that may issue for the domain.",
	[ERR_CERT_CHAIN] = "Send the whole chain in order: leaf first, then each issuer.",
	[ERR_CERT_PARSE] = "Install a certificate that is valid X.509.",
	[ERR_CERT_UNSUPPORTED] = "Get a certificate with RSA or ECDSA and without unusual critical "
				 "extensions.",
	[ERR_CERT_RENEW] = "Renew the certificate and reload the server; the stream is opened "
			   "again with it.",
	[ERR_PIN_MISMATCH] = "Ask the peer by another way whether its key is new; then correct "
			     "`pins` in the tenant's file.",
	/* posh */
	[ERR_POSH_NONE] = "Publish /.well-known/posh/xmpp-server.json at the domain, or get a "
			  "certificate that names it.",
	[ERR_POSH_FETCH] = "Make the web server at the domain answer with the document and "
			   "status 200.",
	[ERR_POSH_TIMEOUT] = "Make the web server at the domain answer within seconds.",
	[ERR_POSH_TLS] = "Give the web server a certificate of a public authority for its name.",
	[ERR_POSH_REDIRECT] = "Serve the document directly, or by one redirect to https.",
	[ERR_POSH_BLOCKED] = "Serve the document from a public address.",
	[ERR_POSH_SIZE] = "Publish a shorter document.",
	[ERR_POSH_PARSE] = "Publish a JSON object as RFC 7711 describes it, nothing around it.",
	[ERR_POSH_EXPIRES] =
		"Write `expires` into the document: a number of seconds such as 86400.",
	[ERR_POSH_REFERENCE] = "Let the reference point to the fingerprints themselves "
			       "(RFC 7711 3.2).",
	[ERR_POSH_WEAK] = "Publish fingerprints with sha-256 or sha-512.",
	[ERR_POSH_MISMATCH] = "Publish the fingerprint of the certificate that is shown, or show "
			      "the one that is published.",
	[ERR_POSH_BUSY] = "Raise [proofs] posh_fetches in fedgate.ini if it happens often; one "
			  "try later may do.",
	/* dns and reaching */
	[ERR_DNS_NONE] = "Look for a typing error; otherwise register the domain or its records.",
	[ERR_DNS_NO_SERVICE] = "Publish an SRV record with a server, if the domain is to have one.",
	[ERR_DNS_FAILED] = "Look whether the gate's resolver works ([dns] forward, or "
			   "/etc/resolv.conf) and the domain's name servers answer.",
	[ERR_DNS_TIMEOUT] = "Look whether the gate's resolver works ([dns] forward, or "
			    "/etc/resolv.conf) and the domain's name servers answer.",
	[ERR_DNS_BOGUS] = "Sign the zone again, or correct the DS records at the parent.",
	[ERR_ADDRESS_BLOCKED] = "Publish a public address, or name the network in [dns] "
				"allow_private of fedgate.ini.",
	[ERR_DNS_LOOP] = "Add the domain as a tenant, or point its DNS records elsewhere.",
	[ERR_DNS_SPECIAL] = "Use a domain of the public DNS, or name its network in [dns] "
			    "allow_private of fedgate.ini.",
	[ERR_DANE_INSECURE] = "Sign the zone with DNSSEC, if DANE is to prove the domain.",
	[ERR_DANE_NONE] = "Publish TLSA records for each server of the domain.",
	[ERR_DANE_UNUSABLE] = "Publish TLSA records 3 1 1 (RFC 7671 5.1).",
	[ERR_DANE_MISMATCH] = "Publish the TLSA record of the key that is shown, and a new key's "
			      "before it is used.",
	[ERR_DANE_FAILED] = "Make the zone's name servers answer questions for TLSA.",
	[ERR_DNS_ROOT] = "Bring the package dns-root-data or the file of [dns] trust_anchor up to "
			 "date, and look whether the resolver in between changes answers.",
	[ERR_CONNECT] = "Start the domain's server, open its port, or correct the SRV records.",
	[ERR_CONNECT_TIMEOUT] = "Look at firewalls on the way: nothing came back.",
	[ERR_LOST] = "Look at the other server's log: it or the network broke off.",
	[ERR_BREAKER] = "Correct what failed before; the steps of that time name it. It is tried "
			"again within minutes.",
	/* dialback */
	[ERR_DB_INVALID] = "Let all servers of the domain share one dialback secret, and point the "
			   "SRV records to them.",
	[ERR_DB_UNSOLICITED] = "Send dialback answers only on the stream that asked.",
	[ERR_DB_REFUSED] = "Get a certificate that names the domain, or publish POSH or DANE.",
	[ERR_DB_TIMEOUT] = "Make the domain's own server, where its SRV records point, answer "
			   "dialback.",
	[ERR_DB_REJECTED] = "Make our domain's records lead here, then ask the other side what its "
			    "log says.",
	[ERR_DB_LIMIT] = "Open another stream for further pairs of domains.",
	/* tenants and policy */
	[ERR_POLICY] = "Prove more (a certificate for the domain, POSH or DANE), or lower the "
		       "tenant's [policy].",
	[ERR_BACKEND_DOWN] = "Start the tenant's own server, or correct `backend` in its file.",
	[ERR_BACKEND_REFUSED] = "Set the backend up as `fedgate backend-config` prints it.",
	[ERR_BACKEND_SPOOF] = "Let each backend speak for its own tenant's domains alone.",
	[ERR_BACKEND_UNPROVEN] = "Correct `backend` and `egress_from` in the tenant's file.",
	[ERR_DOMAIN] = "Write a valid domain name (RFC 7622 3.2).",
	[ERR_DOMAIN_FOLD] = "Use a name that old and new software read alike (IDNA 2003, 2008).",
	[ERR_TENANT_UNPROVEN] = "Point the neighbour's DNS records here and give it a certificate "
				"that names it.",
	[ERR_ROUTE_PAIR] =
		"Set the backend up as `fedgate backend-config` prints it; it sent for a "
		"pair that is not open.",
	[ERR_PROOF_OVER] = "Keep what proves the domain up to date: certificate, POSH document or "
			   "signed zone.",
	[ERR_PROOF_LATE] = "Make DNS and web server of the domain answer within seconds.",
	/* the publisher's web side */
	[ERR_HTTP_MALFORMED] = "Send a request as RFC 9112 describes it.",
	[ERR_HTTP_VERSION] = "Speak HTTP/1.1; the web server in front does so by itself.",
	[ERR_HTTP_HOST] = "Ask for the name of the gate's host ([gate] host_name).",
	[ERR_HTTP_METHOD] = "Ask with GET or HEAD.",
	[ERR_HTTP_BODY] = "Leave out the body.",
	[ERR_HTTP_PATH] = "Ask for the path that `fedgate records` names for the domain.",
	[ERR_HTTP_SLOW] = "Send the whole request within seconds.",
	/* resources */
	[ERR_LIMIT] = "Send less at once; the limits are [limits] stanza_bytes and its neighbours "
		      "in fedgate.ini.",
	[ERR_QUEUE_FULL] = "Send more slowly, or raise [limits] queue_stanzas and queue_bytes.",
	[ERR_QUEUE_TIMEOUT] = "Correct why the domain cannot be reached; the steps before name it.",
	[ERR_TOO_MANY] = "Open fewer connections, or raise [gate] max_connections and "
			 "max_per_address.",
	[ERR_BUDGET] = "Ask less often, or raise [limits] connections_per_second and "
		       "questions_per_minute.",
	/* configuration */
	[ERR_CONFIG] = "Run `fedgate check` and correct what it names.",
	[ERR_FILE] = "Look at the file's name and rights; `fedgate check` names both.",
	[ERR_KEY_MISMATCH] = "Install the key that the certificate was made for.",
	[ERR_KEY_PARSE] = "Install the key as PEM, not encrypted.",
	[ERR_LISTEN] = "Stop what else has the port, or name another in fedgate.ini.",
	/* ours */
	[ERR_INTERNAL] = "Report it to the makers of fedgate, with the lines of the log around it.",
	[ERR_WORKER_LOST] = "Report it to the makers of fedgate, with the lines of the log before "
			    "it; another worker was started.",
	[ERR_SCOUT_LOST] = "Report it to the makers of fedgate, with the lines of the log before "
			   "it; another process was started.",
	[ERR_SCOUT_STUCK] =
		"Nothing needs to be done if it is rare; otherwise the lines of the log "
		"before it name the domain that does it.",
};

const char *err_fix(enum err_code code)
{
	const char *fix = fixes[(unsigned)code < ERR_COUNT ? code : ERR_INTERNAL];
	return fix ? fix : "";
}

bool err_find(struct slice id, enum err_code *out)
{
	for (unsigned i = 0; i < ERR_COUNT; i++) {
		if (!slice_ieq_str(id, err_row((enum err_code)i)->id))
			continue;
		*out = (enum err_code)i;
		return true;
	}
	return false;
}
