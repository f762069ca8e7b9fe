#include "net/dnsserve.h"

#include <ldns/ldns.h>
#include <string.h>

enum {
	HEADER_LEN = 12,
	PLAIN_UDP_MAX = 512,   /* RFC 1035 4.2.1: without EDNS */
	EDNS_BADVERS_HIGH = 1, /* BADVERS is 16: the upper bits stand in the OPT record */
	SOA_REFRESH = 3600,
	SOA_RETRY = 600,
	SOA_EXPIRE = 86400,
};

/* One query and its reply while it is made. */
struct exchange {
	ldns_pkt *query, *reply; /* owned */
	const ldns_rr *question; /* borrowed from query */
	char *name; /* the name asked for as text, without the last dot; ldns's memory */
	uint32_t ttl;
};

/* ---- reading ---- */

static unsigned byte_at(struct slice s, size_t i)
{
	return (unsigned char)s.ptr[i];
}

static unsigned header_opcode(struct slice query)
{
	return byte_at(query, 2) >> 3 & 15;
}

static bool is_response(struct slice query)
{
	return byte_at(query, 2) & 0x80;
}

/* An error reply to what has no question that could be given back: a header alone, never longer
 * than what was sent. */
static enum dnsserve_result header_only(struct slice query, ldns_pkt_rcode rcode, struct buf *reply)
{
	char out[HEADER_LEN] = {query.ptr[0], query.ptr[1]};
	out[2] = (char)(0x80 | (byte_at(query, 2) & 0x79)); /* QR; opcode and RD as they came */
	out[3] = (char)rcode;
	buf_clear(reply);
	return err_is(buf_append(reply, slice_of(out, sizeof out))) ? DNSSERVE_DROP
								    : DNSSERVE_ANSWER;
}

/* RFC 6891 6.1.1: more than one OPT is a format error. ldns takes OPT and TSIG out of the
 * additional section; what is missing from it says how many there were. */
static bool has_spare_opt(const ldns_pkt *query, struct slice wire)
{
	size_t sent = byte_at(wire, 10) << 8 | byte_at(wire, 11);
	size_t left = ldns_rr_list_rr_count(ldns_pkt_additional(query));
	size_t known = (ldns_pkt_edns(query) ? 1u : 0u) + (ldns_pkt_tsig(query) ? 1u : 0u);
	return sent > left + known;
}

static bool is_one_question(const ldns_pkt *query, struct slice wire)
{
	return ldns_pkt_qdcount(query) == 1 && ldns_pkt_ancount(query) == 0 &&
	       ldns_pkt_nscount(query) == 0 && !has_spare_opt(query, wire);
}

static char *name_text(const ldns_rdf *name)
{
	char *text = ldns_rdf2str(name);
	size_t len = text ? strlen(text) : 0;
	if (len)
		text[len - 1] = '\0'; /* the root's dot */
	return text;
}

static void begin_reply(struct exchange *x)
{
	x->reply = ldns_pkt_new();
	ldns_pkt_set_id(x->reply, ldns_pkt_id(x->query));
	ldns_pkt_set_qr(x->reply, true);
	/* RA, because stubs and forwarders take a server without it for a lame one. */
	ldns_pkt_set_ra(x->reply, true);
	ldns_pkt_set_rd(x->reply, ldns_pkt_rd(x->query));
	ldns_pkt_set_cd(x->reply, ldns_pkt_cd(x->query));
	(void)ldns_pkt_push_rr(x->reply, LDNS_SECTION_QUESTION, ldns_rr_clone(x->question));
	if (ldns_pkt_edns(x->query)) {
		ldns_pkt_set_edns_udp_size(x->reply, DNSSERVE_UDP_MAX);
		ldns_pkt_set_edns_do(x->reply, ldns_pkt_edns_do(x->query)); /* RFC 3225 3 */
	}
}

static void end(struct exchange *x)
{
	ldns_pkt_free(x->query);
	ldns_pkt_free(x->reply);
	LDNS_FREE(x->name);
}

/* DNSSERVE_ASK: x is set up, for end() to free. Else the matter is settled. */
static enum dnsserve_result begin(struct exchange *x, struct slice wire, struct buf *reply)
{
	*x = (struct exchange){0};
	if (wire.len < HEADER_LEN || is_response(wire))
		return DNSSERVE_DROP;
	if (header_opcode(wire) != LDNS_PACKET_QUERY)
		return header_only(wire, LDNS_RCODE_NOTIMPL, reply);
	if (ldns_wire2pkt(&x->query, (const uint8_t *)wire.ptr, wire.len) != LDNS_STATUS_OK)
		return header_only(wire, LDNS_RCODE_FORMERR, reply);
	x->question = ldns_rr_list_rr(ldns_pkt_question(x->query), 0);
	x->name = x->question ? name_text(ldns_rr_owner(x->question)) : NULL;
	if (!x->name || !is_one_question(x->query, wire)) {
		end(x);
		return header_only(wire, LDNS_RCODE_FORMERR, reply);
	}
	begin_reply(x);
	return DNSSERVE_ASK;
}

/* ---- writing ---- */

static size_t reply_limit(const struct exchange *x, size_t max)
{
	if (max > DNSSERVE_UDP_MAX)
		return max;
	size_t asked = ldns_pkt_edns(x->query) ? ldns_pkt_edns_udp_size(x->query) : 0;
	size_t limit = asked > PLAIN_UDP_MAX ? asked : PLAIN_UDP_MAX;
	return limit < max ? limit : max;
}

static void cut_answer(ldns_pkt *reply)
{
	ldns_rr_list_deep_free(ldns_pkt_answer(reply));
	ldns_pkt_set_answer(reply, ldns_rr_list_new());
	ldns_pkt_set_ancount(reply, 0);
	ldns_pkt_set_tc(reply, true);
}

static enum dnsserve_result finish(struct exchange *x, size_t max, struct buf *out)
{
	uint8_t *wire = NULL;
	size_t len = 0, limit = reply_limit(x, max);
	bool ok = ldns_pkt2wire(&wire, x->reply, &len) == LDNS_STATUS_OK;
	if (ok && len > limit) {
		LDNS_FREE(wire);
		cut_answer(x->reply);
		ok = ldns_pkt2wire(&wire, x->reply, &len) == LDNS_STATUS_OK && len <= limit;
	}
	buf_clear(out);
	ok = ok && !err_is(buf_append(out, slice_of(wire, len)));
	LDNS_FREE(wire);
	end(x);
	return ok ? DNSSERVE_ANSWER : DNSSERVE_DROP;
}

static ldns_rr *record(ldns_rdf *owner, ldns_rr_type type, uint32_t ttl)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, ttl);
	return rr;
}

static void push_int32(ldns_rr *rr, uint32_t value)
{
	(void)ldns_rr_push_rdf(rr, ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, value));
}

/* Without an SOA a resolver keeps "there is none" for as long as it likes. */
static void give_none(struct exchange *x, ldns_pkt_rcode rcode)
{
	ldns_rr *soa = record(ldns_dname_new_frm_str("."), LDNS_RR_TYPE_SOA, x->ttl);
	(void)ldns_rr_push_rdf(soa, ldns_dname_new_frm_str("."));
	(void)ldns_rr_push_rdf(soa, ldns_dname_new_frm_str("."));
	push_int32(soa, 1);
	push_int32(soa, SOA_REFRESH);
	push_int32(soa, SOA_RETRY);
	push_int32(soa, SOA_EXPIRE);
	push_int32(soa, x->ttl);
	(void)ldns_pkt_push_rr(x->reply, LDNS_SECTION_AUTHORITY, soa);
	ldns_pkt_set_rcode(x->reply, (uint8_t)rcode);
}

static ldns_rr *record_asked_for(const struct exchange *x)
{
	return record(
		ldns_rdf_clone(ldns_rr_owner(x->question)), ldns_rr_get_type(x->question), x->ttl);
}

static void push_int16(ldns_rr *rr, uint16_t value)
{
	(void)ldns_rr_push_rdf(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, value));
}

static void give_srv(struct exchange *x, const struct dnsserve_config *config)
{
	ldns_rr *srv = record_asked_for(x);
	push_int16(srv, 0);
	push_int16(srv, 0);
	push_int16(srv, config->egress_port);
	(void)ldns_rr_push_rdf(srv, ldns_dname_new_frm_str(config->egress_name.name));
	(void)ldns_pkt_push_rr(x->reply, LDNS_SECTION_ANSWER, srv);
}

static int family_asked_for(const struct exchange *x)
{
	switch (ldns_rr_get_type(x->question)) {
	case LDNS_RR_TYPE_A:
		return AF_INET;
	case LDNS_RR_TYPE_AAAA:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

/* Adds the address when it is of the family that was asked for. */
static bool give_address(struct exchange *x, const struct sockaddr_storage *addr)
{
	const void *bytes = addr->ss_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)addr)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)addr)->sin6_addr;
	bool v4 = addr->ss_family == AF_INET;
	if (addr->ss_family != family_asked_for(x) || addr->ss_family == AF_UNSPEC)
		return false;
	ldns_rr *rr = record_asked_for(x);
	(void)ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
					   v4 ? 4 : 16, bytes));
	(void)ldns_pkt_push_rr(x->reply, LDNS_SECTION_ANSWER, rr);
	return true;
}

/* ---- our names ---- */

static bool is_name(const struct exchange *x, const struct domain *d)
{
	return slice_ieq_str(slice_str(x->name), d->name);
}

/* Whether the name asked for has these labels, in wire form, in front of one more at least. */
static bool starts_with_labels(const struct exchange *x, struct slice labels)
{
	const ldns_rdf *owner = ldns_rr_owner(x->question);
	struct slice wire = slice_of(ldns_rdf_data(owner), ldns_rdf_size(owner));
	struct slice front = slice_sub(wire, 0, labels.len);
	return wire.len > labels.len + 1 && slice_ieq_str(front, labels.ptr);
}

static void give_hosts(struct exchange *x, const struct dnsserve_config *config, bool egress)
{
	bool found = false;
	for (size_t i = 0; egress && i < config->egress_addr_count; i++)
		found = give_address(x, &config->egress_addr[i]) || found;
	for (size_t i = 0; !egress && i < config->extra_count; i++) {
		if (is_name(x, &config->extra[i].name))
			found = give_address(x, &config->extra[i].addr) || found;
	}
	if (!found)
		give_none(x, LDNS_RCODE_NOERROR);
}

static bool is_extra(const struct exchange *x, const struct dnsserve_config *config)
{
	for (size_t i = 0; i < config->extra_count; i++) {
		if (is_name(x, &config->extra[i].name))
			return true;
	}
	return false;
}

/* BE-S1. False: not ours. */
static bool answer_from_table(struct exchange *x, const struct dnsserve_config *config)
{
	ldns_rr_type type = ldns_rr_get_type(x->question);
	bool egress = is_name(x, &config->egress_name);
	if (type == LDNS_RR_TYPE_TLSA ||
		starts_with_labels(x, SLICE_LIT("\x0d_xmpps-server\x04_tcp")))
		give_none(x, LDNS_RCODE_NXDOMAIN);
	else if (starts_with_labels(x, SLICE_LIT("\x0c_xmpp-server\x04_tcp")))
		type == LDNS_RR_TYPE_SRV ? give_srv(x, config) : give_none(x, LDNS_RCODE_NOERROR);
	else if (egress || is_extra(x, config))
		give_hosts(x, config, egress);
	else
		return false;
	ldns_pkt_set_aa(x->reply, true);
	return true;
}

/* Sets what is wrong with a question that can be read. The types from TKEY to ANY are no data but
 * keys, signatures, transfers and everything at once. */
static bool is_refused(struct exchange *x)
{
	ldns_rr_type type = ldns_rr_get_type(x->question);
	bool meta = type >= LDNS_RR_TYPE_TKEY && type <= LDNS_RR_TYPE_ANY;
	if (ldns_pkt_edns(x->query) && ldns_pkt_edns_version(x->query) != 0)
		ldns_pkt_set_edns_extended_rcode(x->reply, EDNS_BADVERS_HIGH);
	else if (meta || ldns_rr_get_class(x->question) != LDNS_RR_CLASS_IN)
		ldns_pkt_set_rcode(x->reply, LDNS_RCODE_REFUSED);
	else
		return false;
	return true;
}

enum dnsserve_result dnsserve_answer(
	const struct dnsserve_config *config, struct slice query, size_t max, struct buf *reply)
{
	struct exchange x;
	enum dnsserve_result result = begin(&x, query, reply);
	if (result != DNSSERVE_ASK)
		return result;
	x.ttl = config->ttl;
	if (is_refused(&x) || answer_from_table(&x, config))
		return finish(&x, max, reply);
	end(&x);
	return DNSSERVE_ASK;
}

enum dnsserve_result dnsserve_refuse(struct slice query, struct buf *reply)
{
	struct exchange x;
	enum dnsserve_result result = begin(&x, query, reply);
	if (result != DNSSERVE_ASK)
		return result;
	ldns_pkt_set_rcode(x.reply, LDNS_RCODE_REFUSED);
	return finish(&x, DNSSERVE_UDP_MAX, reply);
}

/* ---- what somebody else knows ---- */

bool dnsserve_asks_address(struct slice query, struct domain *name, int *family)
{
	struct exchange x;
	struct buf unused;
	buf_init(&unused, HEADER_LEN);
	bool asks = begin(&x, query, &unused) == DNSSERVE_ASK;
	buf_fini(&unused);
	if (!asks)
		return false;
	*family = family_asked_for(&x);
	asks = *family != AF_UNSPEC && !err_is(domain_parse(slice_str(x.name), name));
	end(&x);
	return asks;
}

static void give_found(struct exchange *x, const struct dnsserve_found *found)
{
	x->ttl = found->ttl;
	bool any = false;
	for (size_t i = 0; found->status == DNSSERVE_FOUND && i < found->count; i++)
		any = give_address(x, &found->addr[i]) || any;
	if (found->status == DNSSERVE_FAILED)
		ldns_pkt_set_rcode(x->reply, LDNS_RCODE_SERVFAIL);
	else if (!any)
		give_none(x, found->status == DNSSERVE_NO_NAME ? LDNS_RCODE_NXDOMAIN
							       : LDNS_RCODE_NOERROR);
}

enum dnsserve_result dnsserve_looked_up(
	struct slice query, const struct dnsserve_found *found, size_t max, struct buf *reply)
{
	struct exchange x;
	enum dnsserve_result result = begin(&x, query, reply);
	if (result != DNSSERVE_ASK)
		return result;
	give_found(&x, found);
	return finish(&x, max, reply);
}
