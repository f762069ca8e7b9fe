/* XMPP: a peer that dials, the client behind an XMPP server, and behind fedgate a backend in both
 * directions and the peer's own server. What is said is fixed; of what is heard only the marks are
 * looked for by which a conversation goes on. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 256, PAIRS = 32768, RECEIVER_TAIL = 9 };
enum state { START, PROCEED, HEADER, AUTH, AGAIN, BIND, OPEN };

static char filler[1 << 17];
static struct link *senders[PAIRS], *callers[PAIRS];
static const char end_of_message[] = "</message>";

void xmpp_make_filler(void)
{
	for (size_t i = 0; i < sizeof filler; i++)
		filler[i] = "lorem ipsum dolor sit amet "[i % 27];
}

static const char *peer_name(const struct link *l)
{
	static char name[NAME_SIZE];
	snprintf(name, sizeof name, plan.peer_format, l->number);
	return name;
}

static const char *tenant_name(const struct link *l)
{
	static char name[NAME_SIZE];
	snprintf(name, sizeof name, plan.tenant_format, l->number * plan.stride % plan.tenants);
	return name;
}

static void say_header(struct link *l, const char *from, const char *to)
{
	bool client = l->part == &part_client;
	link_forget(l);
	link_say(l,
		"<?xml version='1.0'?><stream:stream xmlns='jabber:%s' "
		"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='%s'",
		client ? "client" : "server", to);
	if (!client)
		link_say(l, " xmlns:db='jabber:server:dialback' from='%s'", from);
	link_say(l, l->part == &part_backend || l->part == &part_world ? " id='%lx%p'>" : ">",
		l->number, (void *)l);
}

/* One stanza of plan.size bytes in all. */
static void say_message(struct link *l, const char *from, const char *to)
{
	size_t before = l->out.end - l->out.start;
	const char *to_user = plan.target == TARGET_SERVER ? "" : "b@";
	link_say(l, "<message from='a@%s' to='%s%s' type='chat' id='m1'><body>", from, to_user, to);
	size_t rest = sizeof "</body></message>" - 1;
	size_t used = l->out.end - l->out.start - before + rest;
	if ((size_t)plan.size > used)
		link_put(l, filler, (size_t)plan.size - used);
	link_say(l, "</body></message>");
}

static void peer_message(struct link *l)
{
	char to[NAME_SIZE + 32];
	const char *tenant = tenant_name(l);
	if (plan.target == TARGET_SERVER)
		snprintf(to, sizeof to, "r%ld@%s/x", l->number, tenant);
	else
		snprintf(to, sizeof to, "%s", tenant);
	say_message(l, peer_name(l), to);
}

static void send_one(struct link *l)
{
	if (l->part == &part_caller)
		say_message(l, tenant_name(l), peer_name(l));
	else
		peer_message(l);
}

/* l->seen is here how many stanzas of this sender are on their way. */
static int sender_more(struct link *l)
{
	l->pumping = tally.going && tally.sent < plan.count &&
		     (!plan.window || l->seen < (uint64_t)plan.window);
	if (!l->pumping)
		return 0;
	tally.sent++;
	l->seen++;
	send_one(l);
	return 0;
}

/* A round is begun only when it will be finished: nothing is on its way at the end, for which the
 * gate would dial when we are gone. */
static void begin_round(struct link *sender)
{
	if (tally.sent >= plan.count)
		return;
	tally.sent++;
	send_one(sender);
}

void xmpp_start(struct link *l)
{
	bool sends = l->part == (plan.job == JOB_DOWN ? &part_caller : &part_peer);
	if (!sends)
		return;
	if (plan.job == JOB_ROUNDTRIP)
		begin_round(l);
	else
		l->pumping = true;
	link_touch(l);
}

static bool has_features(const struct link *l)
{
	return link_has(l, "</stream:features>") || link_has(l, "<stream:features/>");
}

static bool refused(const struct link *l)
{
	return link_has(l, "<failure") || link_has(l, "<stream:error");
}

/* How many stanzas have ended; what is left may be the beginning of the next end. */
static long take_messages(struct link *l)
{
	long count = 0;
	char *at = l->in.at + l->in.start, *end = l->in.at + l->in.end, *found;
	while ((found = memmem(
			at, (size_t)(end - at), end_of_message, sizeof end_of_message - 1))) {
		count++;
		at = found + sizeof end_of_message - 1;
	}
	if (end - at > RECEIVER_TAIL)
		at = end - RECEIVER_TAIL;
	l->in.start = (size_t)(at - l->in.at);
	return count;
}

static void next_leg(const struct link *l, struct link *next, long count)
{
	if (l->part == &part_backend) {
		send_one(next);
	} else {
		work_done(count);
		begin_round(next);
	}
	link_touch(next);
}

/* Stanzas of a pair have reached the other side. Before the start it was the one that shows that
 * all connections of the pair stand. */
static int arrived(struct link *l, struct link *sender, struct link *next)
{
	long count = take_messages(l);
	if (!count || !sender)
		return 0;
	if (!tally.going) {
		work_ready(sender);
		return 0;
	}
	if (plan.job == JOB_ROUNDTRIP) {
		next_leg(l, next, count);
		return 0;
	}
	work_done(count);
	sender->seen -= (uint64_t)count;
	if (plan.window && !sender->pumping && tally.sent < plan.count) {
		sender->pumping = true;
		link_touch(sender);
	}
	return 0;
}

/* ---- the peer that dials ---- */

static int peer_up(struct link *l)
{
	senders[l->number] = l;
	say_header(l, peer_name(l), tenant_name(l));
	l->state = l->tls ? HEADER : START;
	return 0;
}

static int peer_open(struct link *l)
{
	l->state = OPEN;
	link_forget(l);
	if (plan.job == JOB_HANDSHAKE || plan.job == JOB_IDLE)
		work_finished(l);
	else
		send_one(l);
	return 0;
}

static int peer_auth(struct link *l)
{
	char word[2 * NAME_SIZE];
	const char *name = peer_name(l);
	if (!plan.external)
		return peer_open(l);
	if (!link_has(l, "EXTERNAL"))
		return -1;
	EVP_EncodeBlock((unsigned char *)word, (const unsigned char *)name, (int)strlen(name));
	link_forget(l);
	link_say(l, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>",
		word);
	l->state = AUTH;
	return 0;
}

static int peer_input(struct link *l)
{
	if (l->state == OPEN) {
		bool closed = link_has(l, "<stream:error") || link_has(l, "</stream:stream>");
		if (!closed)
			link_forget(l);
		return closed ? -1 : 0;
	}
	if (refused(l))
		return -1;
	if (l->state == START && has_features(l)) {
		link_forget(l);
		link_say(l, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		l->state = PROCEED;
	} else if (l->state == PROCEED && link_has(l, "<proceed")) {
		link_begin_tls(l);
	} else if (l->state == HEADER && has_features(l)) {
		return peer_auth(l);
	} else if (l->state == AUTH && link_has(l, "<success")) {
		say_header(l, peer_name(l), tenant_name(l));
		l->state = AGAIN;
	} else if (l->state == AGAIN && has_features(l)) {
		return peer_open(l);
	}
	return 0;
}

/* ---- the client of an XMPP server: plain, so that its TLS costs the server nothing ---- */

static int client_up(struct link *l)
{
	say_header(l, NULL, tenant_name(l));
	l->state = HEADER;
	return 0;
}

static int client_login(struct link *l)
{
	char plain[NAME_SIZE], word[2 * NAME_SIZE];
	int length = snprintf(plain, sizeof plain, "%cr%ld%csecret", 0, l->number, 0);
	EVP_EncodeBlock((unsigned char *)word, (const unsigned char *)plain, length);
	link_forget(l);
	link_say(l, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
		word);
	l->state = AUTH;
	return 0;
}

static int client_input(struct link *l)
{
	if (l->state == OPEN)
		return arrived(l, senders[l->number], NULL);
	if (refused(l))
		return -1;
	if (l->state == HEADER && has_features(l))
		return client_login(l);
	if (l->state == AUTH && link_has(l, "<success")) {
		say_header(l, NULL, tenant_name(l));
		l->state = AGAIN;
	} else if (l->state == AGAIN && has_features(l)) {
		link_forget(l);
		link_say(l, "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
			    "<resource>x</resource></bind></iq>");
		l->state = BIND;
	} else if (l->state == BIND && link_has(l, "</jid>")) {
		link_say(l, "<presence/>");
		l->state = OPEN;
		link_forget(l);
		link_dial(&part_peer, plan.server, !plan.starttls, l->number);
	}
	return 0;
}

/* ---- behind fedgate ---- */

static bool attribute(const struct link *l, const char *element, const char *name, char *out)
{
	char wanted[32];
	const char *end = l->in.at + l->in.end;
	const char *tag =
		memmem(l->in.at + l->in.start, l->in.end - l->in.start, element, strlen(element));
	const char *close = tag ? memchr(tag, '>', (size_t)(end - tag)) : NULL;
	int length = snprintf(wanted, sizeof wanted, " %s=", name);
	const char *at = close ? memmem(tag, (size_t)(close - tag), wanted, (size_t)length) : NULL;
	if (!at)
		return false;
	at += length;
	const char *last = memchr(at + 1, *at, (size_t)(close - at - 1));
	if (!last || last - at > NAME_SIZE)
		return false;
	memcpy(out, at + 1, (size_t)(last - at - 1));
	out[last - at - 1] = 0;
	return true;
}

/* The header of a stream that fedgate opened: answered, and the pair is known by the peer's name.
 */
static int answer_header(struct link *l, const char *peer_is, const char *features)
{
	char from[NAME_SIZE], to[NAME_SIZE];
	if (!attribute(l, "<stream:stream", "from", from) ||
		!attribute(l, "<stream:stream", "to", to))
		return 0;
	if (sscanf(strcmp(peer_is, "from") == 0 ? from : to, plan.peer_format, &l->number) != 1)
		l->number = 0;
	if (l->number < 0 || l->number >= PAIRS)
		return -1;
	say_header(l, to, from);
	link_say(l, "<stream:features>%s</stream:features>", features);
	l->state++;
	return 0;
}

static int quiet_up(struct link *l)
{
	(void)l;
	return 0;
}

static int answer_verify(struct link *l)
{
	char from[NAME_SIZE], to[NAME_SIZE], id[NAME_SIZE];
	if (attribute(l, "<db:verify", "from", from) && attribute(l, "<db:verify", "to", to) &&
		attribute(l, "<db:verify", "id", id))
		link_say(l, "<db:verify from='%s' to='%s' id='%s' type='valid'/>", to, from, id);
	link_forget(l);
	return 0;
}

static int backend_input(struct link *l)
{
	char from[NAME_SIZE], to[NAME_SIZE];
	if (l->state == OPEN)
		return arrived(l, senders[l->number], callers[l->number]);
	if (l->state == START)
		return answer_header(l, "from",
			"<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>");
	if (link_has(l, "</db:verify>"))
		return answer_verify(l);
	if (link_has(l, "</db:result>") && attribute(l, "<db:result", "from", from) &&
		attribute(l, "<db:result", "to", to)) {
		link_say(l, "<db:result from='%s' to='%s' type='valid'/>", to, from);
		link_forget(l);
		l->state = OPEN;
	}
	return link_has(l, "</stream:stream>") ? -1 : 0;
}

static int caller_up(struct link *l)
{
	callers[l->number] = l;
	say_header(l, tenant_name(l), peer_name(l));
	l->state = HEADER;
	return 0;
}

static int caller_input(struct link *l)
{
	if (l->state == HEADER && has_features(l)) {
		link_forget(l);
		link_say(l, "<db:result from='%s' to='%s'>0123456789abcdef</db:result>",
			tenant_name(l), peer_name(l));
		l->state = AUTH;
	} else if (l->state == AUTH) {
		if (link_has(l, "type='error'") || link_has(l, "invalid"))
			return -1;
		if (!link_has(l, "type='valid'") && !link_has(l, "type=\"valid\""))
			return 0;
		l->state = OPEN;
		link_forget(l);
		send_one(l);
	} else if (link_has(l, "</stream:stream>")) {
		return -1;
	}
	return 0;
}

/* The server of the peer, which fedgate dials with TLS from the first byte. */
static int world_input(struct link *l)
{
	if (l->state == START)
		return answer_header(l, "to",
			"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
			"<mechanism>EXTERNAL</mechanism></mechanisms>");
	if (l->state == PROCEED && link_has(l, "<auth")) {
		link_forget(l);
		link_say(l, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
		l->state = HEADER;
	} else if (l->state == HEADER) {
		int status = answer_header(l, "to", "");
		l->state = l->state == AUTH ? OPEN : l->state;
		return status;
	} else if (l->state == OPEN) {
		return arrived(l, callers[l->number], senders[l->number]);
	}
	return 0;
}

const struct part part_peer = {"peer", peer_up, peer_input, sender_more};
const struct part part_client = {"client", client_up, client_input, sender_more};
const struct part part_backend = {"backend", quiet_up, backend_input, sender_more};
const struct part part_caller = {"caller", caller_up, caller_input, sender_more};
const struct part part_world = {"world", quiet_up, world_input, sender_more};
