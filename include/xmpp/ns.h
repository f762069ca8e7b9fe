/* Namespaces of the specifications we speak. */
#ifndef FEDGATE_XMPP_NS_H
#define FEDGATE_XMPP_NS_H

#define NS_STREAM        "http://etherx.jabber.org/streams"    /* RFC 6120 4.8 */
#define NS_SERVER        "jabber:server"                       /* RFC 6120 4.8.3 */
#define NS_DB            "jabber:server:dialback"              /* XEP-0220 */
#define NS_DB_FEATURE    "urn:xmpp:features:dialback"          /* XEP-0220 2.3 */
#define NS_TLS           "urn:ietf:params:xml:ns:xmpp-tls"     /* RFC 6120 5 */
#define NS_SASL          "urn:ietf:params:xml:ns:xmpp-sasl"    /* RFC 6120 6 */
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams" /* RFC 6120 4.9 */
#define NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas" /* RFC 6120 8.3 */
#define NS_LIMITS        "urn:xmpp:stream-limits:0"            /* XEP-0478 */
#define NS_COMPRESS      "http://jabber.org/protocol/compress" /* XEP-0138 */
#define NS_XML           "http://www.w3.org/XML/1998/namespace"

#endif
