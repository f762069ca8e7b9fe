/* Happy path: a query comes by UDP or TCP, is answered from the table (net/dnsserve.h) and goes
 * back in the same turn; another name is refused or, where the configuration asks for it, looked up
 * by libunbound and answered when that is told (on_resolved). Failure modes: a source that is not
 * allowed (silence), a full socket (the datagram is lost, as datagrams are), too many lookups
 * (SERVFAIL). Who frees: connections free themselves when closed; the rest goes in tear_down. The
 * parent's stop, and the loss of the parent, end the loop. */
#define _GNU_SOURCE /* struct in6_pktinfo */
#include "core/steer_inside.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/worker.h"
#include "tenants/value.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

enum {
	DATAGRAM_BATCH = 64,      /* per event, so that UDP does not starve TCP and the channel */
	LOOKUP_TIMEOUT_MS = 4000, /* less than STEER_IDLE_MS: SERVFAIL still finds its connection */
	REPORT_MS = 60000,        /* between two lines about strangers */
};

struct steer_udp {
	uv_poll_t poll;
	struct steer *steer;
	int fd;
};

/* ---- datagrams ---- */

/* What recvmsg and sendmsg need around one datagram. */
struct datagram {
	struct msghdr msg;
	struct iovec bytes;
	union {
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
			  CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr align;
	} control;
};

static void datagram_init(struct datagram *d, struct sockaddr_storage *peer, void *ptr, size_t len)
{
	*d = (struct datagram){.bytes = {ptr, len}};
	d->msg.msg_name = peer;
	d->msg.msg_namelen = sizeof *peer;
	d->msg.msg_iov = &d->bytes;
	d->msg.msg_iovlen = 1;
	d->msg.msg_control = d->control.room;
	d->msg.msg_controllen = sizeof d->control.room;
}

/* The address a datagram was sent to: on a socket that listens everywhere the answer must come from
 * there, or the backend's resolver throws it away. */
static void read_local(struct datagram *d, struct sockaddr_storage *local)
{
	*local = (struct sockaddr_storage){0};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&d->msg); c; c = CMSG_NXTHDR(&d->msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof info);
			local->ss_family = AF_INET;
			((struct sockaddr_in *)local)->sin_addr = info.ipi_spec_dst;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof info);
			local->ss_family = AF_INET6;
			((struct sockaddr_in6 *)local)->sin6_addr = info.ipi6_addr;
		}
	}
}

static void write_control(struct datagram *d, int level, int type, const void *info, size_t len)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&d->msg);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), info, len);
	d->msg.msg_controllen = CMSG_SPACE(len);
}

static void write_local(struct datagram *d, const struct sockaddr_storage *local)
{
	if (local->ss_family == AF_INET) {
		struct in_pktinfo info = {
			.ipi_spec_dst = ((const struct sockaddr_in *)local)->sin_addr};
		write_control(d, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
	} else if (local->ss_family == AF_INET6) {
		struct in6_pktinfo info = {
			.ipi6_addr = ((const struct sockaddr_in6 *)local)->sin6_addr};
		write_control(d, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
	} else {
		d->msg.msg_control = NULL;
		d->msg.msg_controllen = 0;
	}
}

/* A datagram that the socket does not take is lost: the resolver asks again. */
static void send_datagram(struct steer *s, const struct steer_asker *asker)
{
	struct slice bytes = buf_peek(&s->reply);
	struct sockaddr_storage to = asker->from;
	struct datagram d;
	datagram_init(&d, &to, (char *)bytes.ptr, bytes.len);
	d.msg.msg_namelen =
		to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	write_local(&d, &asker->local);
	(void)!sendmsg(asker->udp_fd, &d.msg, MSG_DONTWAIT);
}

/* False: there are no more. */
static bool take_datagram(struct steer_udp *u)
{
	struct steer *s = u->steer;
	struct steer_asker asker = {.udp_fd = u->fd};
	struct datagram d;
	datagram_init(&d, &asker.from, s->read_buffer, sizeof s->read_buffer);
	ssize_t n = recvmsg(u->fd, &d.msg, MSG_DONTWAIT);
	if (n < 0)
		return false;
	read_local(&d, &asker.local);
	if (d.msg.msg_flags & MSG_TRUNC || !steer_allows(s, &asker.from))
		return true;
	if (steer_query(s, slice_of(s->read_buffer, (size_t)n), &asker) == STEER_REPLY)
		send_datagram(s, &asker);
	return true;
}

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	for (int i = 0; i < DATAGRAM_BATCH && take_datagram(poll->data); i++)
		;
}

/* ---- questions ---- */

bool steer_allows(struct steer *s, const struct sockaddr_storage *from)
{
	if (network_list_has(&s->gate->steer_allow, from))
		return true;
	s->strangers++;
	uint64_t now = uv_now(s->loop);
	if (now < s->next_report_ms)
		return false;
	struct address a = {.sa = *from};
	char text[ADDRESS_TEXT_MAX];
	address_write(&a, text);
	log_event(LOG_WARN, "steer-not-allowed", log_c("from", text),
		log_n("queries", (int64_t)s->strangers), log_end());
	s->strangers = 0;
	s->next_report_ms = now + REPORT_MS;
	return false;
}

static struct steer_lookup *free_lookup(struct steer *s)
{
	for (size_t i = 0; i < STEER_LOOKUPS_MAX; i++) {
		if (!s->lookups[i].busy)
			return &s->lookups[i];
	}
	return NULL;
}

static size_t max_of(const struct steer_asker *asker)
{
	return asker->conn ? DNSSERVE_TCP_MAX : DNSSERVE_UDP_MAX;
}

static enum steer_step step_of(enum dnsserve_result result)
{
	return result == DNSSERVE_ANSWER ? STEER_REPLY : STEER_NOTHING;
}

static enum steer_step look_up(struct steer *s, struct slice query, const struct steer_asker *asker)
{
	struct domain name;
	int family;
	if (!s->resolver || query.len > STEER_LOOKUP_QUERY_MAX ||
		!dnsserve_asks_address(query, &name, &family))
		return step_of(dnsserve_refuse(query, &s->reply));
	struct steer_lookup *l = free_lookup(s);
	struct dnsserve_found none = {.status = DNSSERVE_FAILED};
	if (!l)
		return step_of(dnsserve_looked_up(query, &none, max_of(asker), &s->reply));
	*l = (struct steer_lookup){
		.busy = true, .gen = l->gen + 1, .asker = *asker, .len = query.len};
	memcpy(l->query, query.ptr, query.len);
	resolve_addr(
		s->resolver, &name, family, (struct ticket){(uint32_t)(l - s->lookups), l->gen}, 0);
	return STEER_LATER;
}

enum steer_step steer_query(struct steer *s, struct slice query, const struct steer_asker *asker)
{
	enum dnsserve_result result =
		dnsserve_answer(&s->table.dns, query, max_of(asker), &s->reply);
	return result == DNSSERVE_ASK ? look_up(s, query, asker) : step_of(result);
}

void steer_forget(struct steer *s, const struct steer_conn *conn)
{
	for (size_t i = 0; i < STEER_LOOKUPS_MAX; i++) {
		if (s->lookups[i].busy && s->lookups[i].asker.conn == conn)
			s->lookups[i].busy = false;
	}
}

static struct dnsserve_found found_of(const struct resolve_answer *a)
{
	struct dnsserve_found found = {.addr = a->addr, .count = a->addr_count, .ttl = a->ttl};
	if (a->status == RESOLVE_DATA)
		found.status = DNSSERVE_FOUND;
	else if (a->status == RESOLVE_NONE)
		found.status = a->nxdomain ? DNSSERVE_NO_NAME : DNSSERVE_NO_DATA;
	else
		found.status = DNSSERVE_FAILED;
	/* As briefly as our own, so that there is one rule for what backends keep. */
	if (found.ttl > 30 || found.status != DNSSERVE_FOUND)
		found.ttl = 30;
	return found;
}

static void on_resolved(void *arg, const struct resolve_answer *answer)
{
	struct steer *s = arg;
	struct steer_lookup *l = &s->lookups[answer->ticket.slot];
	if (!l->busy || l->gen != answer->ticket.gen)
		return;
	l->busy = false;
	struct dnsserve_found found = found_of(answer);
	(void)dnsserve_looked_up(slice_of(l->query, l->len), &found, max_of(&l->asker), &s->reply);
	if (l->asker.conn)
		steer_conn_reply(l->asker.conn);
	else
		send_datagram(s, &l->asker);
}

/* ---- what the supervisor says ---- */

static void note_table(struct steer *s)
{
	steer_table_init(&s->table, s->gate);
	if (s->table.dns.egress_addr_count == 0)
		log_event(LOG_ERROR, "steer-no-address",
			log_s("name", domain_slice(&s->gate->egress_name)), log_end());
}

static void on_reload(void *arg, struct gate *gate, struct registry *registry)
{
	struct steer *s = arg;
	(void)registry; /* tenants are not this process's matter */
	gate_free(s->gate);
	steer_table_fini(&s->table);
	s->gate = gate;
	log_set_level(gate->log_level);
	note_table(s);
}

static void on_stop(void *arg, uint64_t within_ms)
{
	struct steer *s = arg;
	(void)within_ms; /* whoever waits for an answer asks again */
	uv_stop(s->loop);
}

/* Only workers take over from each other. */
static void on_adopt(void *arg, int owner, const int *listen_fds, size_t listen_count,
	const int *egress_fds, size_t egress_count)
{
	(void)arg, (void)owner, (void)listen_fds, (void)listen_count;
	(void)egress_fds, (void)egress_count;
}

static void on_release(void *arg, int owner)
{
	(void)arg, (void)owner;
}

static const struct channel_events channel_events = {.gate_only = true,
	.reload = on_reload,
	.adopt = on_adopt,
	.release = on_release,
	.stop = on_stop};

/* ---- life ---- */

static void listen_udp(struct steer *s, const int *fds, size_t count)
{
	int on = 1;
	s->udps = mem_alloc(count * sizeof *s->udps + 1);
	s->udp_count = count;
	for (size_t i = 0; i < count; i++) {
		struct steer_udp *u = &s->udps[i];
		*u = (struct steer_udp){.steer = s, .fd = fds[i]};
		/* One of the two does not fit the socket's family. */
		(void)setsockopt(u->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
		(void)setsockopt(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
		uv_poll_init(s->loop, &u->poll, u->fd);
		u->poll.data = u;
		uv_poll_start(&u->poll, UV_READABLE, on_datagrams);
	}
}

static struct err set_up(struct steer *s, const struct steer_boot *boot)
{
	struct err e = err_ok();
	s->gate = boot->gate;
	s->loop = uv_default_loop();
	s->timers = timers_new(s->loop);
	buf_init(&s->reply, DNSSERVE_TCP_MAX);
	note_table(s);
	struct resolve_config dns = {.forward = s->gate->dns_forward,
		.trust_anchor = s->gate->dns_trust_anchor,
		.timeout_ms = LOOKUP_TIMEOUT_MS,
		.max_pending = STEER_LOOKUPS_MAX};
	if (s->gate->steer_resolve)
		s->resolver = resolver_new(s->loop, &dns, on_resolved, s, &e);
	return e;
}

static void tear_down(struct steer *s)
{
	steer_close_all(s);
	for (size_t i = 0; i < s->udp_count; i++)
		uv_close((uv_handle_t *)&s->udps[i].poll, NULL);
	if (s->resolver)
		resolver_free(s->resolver);
	if (s->channel)
		channel_close(s->channel);
	timers_close(s->timers);
	uv_run(s->loop, UV_RUN_DEFAULT); /* until all have said closed */
	mem_free(s->udps);
	mem_free(s->listeners);
	steer_table_fini(&s->table);
	gate_free(s->gate);
	buf_fini(&s->reply);
	mem_free(s);
}

int steer_run(const struct steer_boot *boot)
{
	struct steer *s = MEM_NEW(struct steer);
	struct err e = set_up(s, boot);
	if (err_is(e)) {
		log_reason(e, "steer-start", log_end());
		tear_down(s);
		return 3;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* an asker that went away is no reason to end */
	listen_udp(s, boot->udp_fds, boot->count);
	steer_listen(s, boot->tcp_fds, boot->count);
	s->channel = channel_open(s->loop, boot->channel_fd, &channel_events, s);
	channel_ready(s->channel);
	log_event(LOG_INFO, "steer-up", log_s("name", domain_slice(&s->gate->egress_name)),
		log_n("addresses", (int64_t)s->table.dns.egress_addr_count), log_end());
	uv_run(s->loop, UV_RUN_DEFAULT);
	log_event(LOG_INFO, "steer-down", log_end());
	tear_down(s);
	return 0;
}
