/* The DNS responder's whole process, forked and asked over real sockets on loopback. The channel to
 * its parent is played here: one byte is one event, its end is the loss of the parent. */
#include "base/mem.h"
#include "core/channel.h"
#include "core/steer_inside.h"
#include "core/worker.h"
#include "tenants/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { A = 1, AAAA = 28, TXT = 16, SRV = 33, NOERROR = 0, SERVFAIL = 2, REFUSED = 5 };
enum { SOON_MS = 3000, SILENCE_MS = 150 };

/* ---- the channel ---- */

struct channel {
	uv_poll_t poll;
	int fd;
	const struct channel_events *events;
	void *arg;
};

static const char *second_config; /* what "reload" brings */

static struct gate *gate_of(const char *text)
{
	struct faults faults;
	faults_init(&faults);
	struct gate *g = load_gate_text(slice_str(text), "fedgate.ini", "/nowhere", &faults);
	if (!g)
		fprintf(stderr, "%s", buf_cstr(&faults.text));
	faults_fini(&faults);
	return g;
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
	struct channel *c = poll->data;
	char what = 's';
	(void)status;
	(void)events;
	ssize_t n = read(c->fd, &what, 1);
	if (n == 1 && what == 'r')
		c->events->reload(c->arg, gate_of(second_config), registry_new());
	else
		c->events->stop(c->arg, 1000);
}

struct channel *channel_open(
	uv_loop_t *loop, int fd, const struct channel_events *events, void *arg)
{
	struct channel *c = MEM_NEW(struct channel);
	*c = (struct channel){.fd = fd, .events = events, .arg = arg};
	uv_poll_init(loop, &c->poll, fd);
	c->poll.data = c;
	uv_poll_start(&c->poll, UV_READABLE, on_channel);
	return c;
}

static void on_channel_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void channel_close(struct channel *c)
{
	uv_close((uv_handle_t *)&c->poll, on_channel_closed);
}

void channel_ready(struct channel *c)
{
	assert_int_equal(write(c->fd, "R", 1), 1);
}

/* ---- a responder ---- */

struct responder {
	pid_t pid;
	int channel;
	uint16_t port; /* of UDP and TCP */
};

static struct sockaddr_in at(const char *ip, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
	return sa;
}

static int bound(int type, const char *ip, uint16_t port)
{
	struct sockaddr_in sa = at(ip, port);
	int fd = socket(AF_INET, type, 0), on = 1;
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	close(fd);
	return -1;
}

/* UDP and TCP on the same port, which the kernel chooses. */
static uint16_t bind_both(const char *ip, int *udp, int *tcp)
{
	for (int i = 0; i < 50; i++) {
		struct sockaddr_in sa;
		socklen_t len = sizeof sa;
		*udp = bound(SOCK_DGRAM, ip, 0);
		assert_int_equal(getsockname(*udp, (struct sockaddr *)&sa, &len), 0);
		*tcp = bound(SOCK_STREAM, ip, ntohs(sa.sin_port));
		if (*tcp >= 0) {
			assert_int_equal(listen(*tcp, 64), 0);
			return ntohs(sa.sin_port);
		}
		close(*udp);
	}
	fail_msg("no port is free for both");
	return 0;
}

static int readable(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, ms);
}

static struct responder start_at(const char *ip, const char *config)
{
	struct responder r;
	int pair[2], udp, tcp;
	char ready = 0;
	r.port = bind_both(ip, &udp, &tcp);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	r.pid = fork();
	assert_true(r.pid >= 0);
	if (r.pid == 0) {
		close(pair[0]);
		log_setup(STDERR_FILENO, LOG_LOGFMT, LOG_ERROR, "steer", 0);
		struct steer_boot boot = {.gate = gate_of(config),
			.channel_fd = pair[1],
			.udp_fds = &udp,
			.tcp_fds = &tcp,
			.count = 1};
		_exit(boot.gate ? steer_run(&boot) : 9);
	}
	close(pair[1]);
	close(udp);
	close(tcp);
	r.channel = pair[0];
	assert_int_equal(readable(r.channel, SOON_MS), 1);
	assert_int_equal(read(r.channel, &ready, 1), 1);
	assert_int_equal(ready, 'R');
	return r;
}

static struct responder start(const char *config)
{
	return start_at("127.0.0.1", config);
}

/* The exit status, within SOON_MS. */
static int wait_end(const struct responder *r)
{
	int status = -1;
	for (int i = 0; i < SOON_MS / 10; i++) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		(void)poll(NULL, 0, 10);
	}
	kill(r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	return -2;
}

static void stop(struct responder *r)
{
	close(r->channel);
	assert_int_equal(wait_end(r), 0);
}

/* ---- asking ---- */

struct message {
	unsigned char bytes[2000];
	size_t len;
};

static struct message ask(const char *name, unsigned type)
{
	struct message q = {{0xbe, 0xef, 1, 0, 0, 1}, 12};
	while (*name) {
		size_t label = strcspn(name, ".");
		q.bytes[q.len++] = (unsigned char)label;
		memcpy(q.bytes + q.len, name, label);
		q.len += label;
		name += label + (name[label] == '.');
	}
	q.len++;
	q.bytes[q.len + 1] = (unsigned char)type;
	q.bytes[q.len + 3] = 1;
	q.len += 4;
	return q;
}

static int rcode(const struct message *reply)
{
	return reply->len >= 12 ? reply->bytes[3] & 15 : -1;
}

static int answer_count(const struct message *reply)
{
	return reply->len >= 12 ? reply->bytes[7] : -1;
}

/* An empty message: silence. The socket is connected, so an answer from elsewhere is silence too.
 */
static struct message udp_from(
	const char *from, const char *to, uint16_t port, struct message q, int patience_ms)
{
	struct message reply = {.len = 0};
	struct sockaddr_in sa = at(to, port);
	int fd = bound(SOCK_DGRAM, from, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(send(fd, q.bytes, q.len, 0), (ssize_t)q.len);
	if (readable(fd, patience_ms) == 1) {
		ssize_t n = recv(fd, reply.bytes, sizeof reply.bytes, 0);
		reply.len = n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return reply;
}

static struct message udp(const struct responder *r, struct message q)
{
	return udp_from("127.0.0.1", "127.0.0.1", r->port, q, SOON_MS);
}

static int dial_from(const char *from, const struct responder *r)
{
	struct sockaddr_in sa = at("127.0.0.1", r->port);
	int fd = bound(SOCK_STREAM, from, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void send_query(int fd, const struct message *q)
{
	unsigned char framed[2002] = {(unsigned char)(q->len >> 8), (unsigned char)q->len};
	memcpy(framed + 2, q->bytes, q->len);
	send_all(fd, framed, q->len + 2);
}

static size_t read_exactly(int fd, unsigned char *out, size_t want)
{
	size_t got = 0;
	while (got < want && readable(fd, SOON_MS) == 1) {
		ssize_t n = recv(fd, out + got, want - got, 0);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

static struct message read_reply(int fd)
{
	struct message reply = {.len = 0};
	unsigned char length[2];
	if (read_exactly(fd, length, 2) != 2)
		return reply;
	size_t want = (size_t)length[0] << 8 | length[1];
	assert_true(want <= sizeof reply.bytes);
	reply.len = read_exactly(fd, reply.bytes, want);
	assert_int_equal(reply.len, want);
	return reply;
}

static bool is_closed_within(int fd, int ms)
{
	char c;
	return readable(fd, ms) == 1 && recv(fd, &c, 1, 0) <= 0;
}

/* ---- tests ---- */

static const char plain[] =
	"[egress]\nlisten = 127.0.0.1:5275\nnames = db.hosting.example=10.0.0.7\n";

static void a_query_is_answered_over_udp(void **state)
{
	(void)state;
	struct responder r = start(plain);
	static const struct {
		const char *name;
		unsigned type;
		int rcode, answers;
	} rows[] = {
		{"_xmpp-server._tcp.mordor.example", SRV, NOERROR, 1},
		{"egress.fedgate.example", A, NOERROR, 1},
		{"egress.fedgate.example", AAAA, NOERROR, 0},
		{"db.hosting.example", A, NOERROR, 1},
		{"mordor.example", A, REFUSED, 0},
		{"mordor.example", TXT, REFUSED, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct message reply = udp(&r, ask(rows[i].name, rows[i].type));
		assert_int_equal(rcode(&reply), rows[i].rcode);
		assert_int_equal(answer_count(&reply), rows[i].answers);
	}
	stop(&r);
}

static void queries_over_tcp_are_answered_in_order(void **state)
{
	(void)state;
	struct responder r = start(plain);
	int fd = dial_from("127.0.0.1", &r);
	struct message one = ask("_xmpp-server._tcp.mordor.example", SRV);
	struct message two = ask("mordor.example", A);
	two.bytes[1] = 2;
	send_query(fd, &one);
	send_query(fd, &two); /* before the answer to the first */
	struct message reply = read_reply(fd);
	assert_memory_equal(reply.bytes, one.bytes, 2);
	assert_int_equal(rcode(&reply), NOERROR);
	reply = read_reply(fd);
	assert_memory_equal(reply.bytes, two.bytes, 2);
	assert_int_equal(rcode(&reply), REFUSED);
	close(fd);
	stop(&r);
}

static void a_query_may_come_byte_by_byte(void **state)
{
	(void)state;
	struct responder r = start(plain);
	int fd = dial_from("127.0.0.1", &r);
	struct message q = ask("egress.fedgate.example", A);
	unsigned char length[2] = {0, (unsigned char)q.len};
	send_all(fd, length, 1);
	(void)poll(NULL, 0, 5);
	send_all(fd, length + 1, 1);
	for (size_t i = 0; i < q.len; i++) {
		(void)poll(NULL, 0, 1);
		send_all(fd, q.bytes + i, 1);
	}
	struct message reply = read_reply(fd);
	assert_int_equal(rcode(&reply), NOERROR);
	assert_int_equal(answer_count(&reply), 1);
	close(fd);
	stop(&r);
}

/* Protocol sheet 20.6, attack 4: it must not answer the outside. */
static void a_source_that_is_not_allowed_hears_nothing(void **state)
{
	(void)state;
	struct responder r = start("[egress]\ndns_allow = 127.0.0.2/31\n");
	struct message q = ask("egress.fedgate.example", A);
	static const struct {
		const char *from;
		bool answered;
	} rows[] = {{"127.0.0.2", true}, {"127.0.0.3", true}, {"127.0.0.1", false},
		{"127.0.0.4", false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct message reply = udp_from(rows[i].from, "127.0.0.1", r.port, q,
			rows[i].answered ? SOON_MS : SILENCE_MS);
		assert_int_equal(reply.len > 0, rows[i].answered);
		int fd = dial_from(rows[i].from, &r);
		if (rows[i].answered) {
			send_query(fd, &q);
			reply = read_reply(fd);
			assert_int_equal(rcode(&reply), NOERROR);
		} else {
			assert_true(is_closed_within(fd, SOON_MS));
		}
		close(fd);
	}
	stop(&r);
}

static void what_is_no_query_gets_silence_and_the_next_is_answered(void **state)
{
	(void)state;
	struct responder r = start(plain);
	struct message q = ask("egress.fedgate.example", A);
	struct message response = q, nothing = {.len = 0};
	response.bytes[2] |= 0x80;
	assert_int_equal(udp_from("127.0.0.1", "127.0.0.1", r.port, response, SILENCE_MS).len, 0);
	assert_int_equal(udp_from("127.0.0.1", "127.0.0.1", r.port, nothing, SILENCE_MS).len, 0);
	struct message reply = udp(&r, q);
	assert_int_equal(rcode(&reply), NOERROR);
	stop(&r);
}

static void a_tcp_query_that_is_none_closes_its_connection_alone(void **state)
{
	(void)state;
	struct responder r = start(plain);
	struct message q = ask("egress.fedgate.example", A), response = q;
	response.bytes[2] |= 0x80;
	static const unsigned char too_long[2] = {0x10, 0x01}; /* 4097 */
	static const unsigned char empty[2] = {0, 0};
	int good = dial_from("127.0.0.1", &r), bad[3];
	for (int i = 0; i < 3; i++)
		bad[i] = dial_from("127.0.0.1", &r);
	send_all(bad[0], too_long, 2);
	send_all(bad[1], empty, 2);
	send_query(bad[2], &response);
	for (int i = 0; i < 3; i++) {
		assert_true(is_closed_within(bad[i], SOON_MS));
		close(bad[i]);
	}
	send_query(good, &q);
	struct message reply = read_reply(good);
	assert_int_equal(rcode(&reply), NOERROR);
	close(good);
	stop(&r);
}

static void a_connection_too_many_closes_the_one_silent_longest(void **state)
{
	(void)state;
	struct responder r = start("[egress]\ndns_allow = 127.0.0.1/32\n");
	struct message q = ask("egress.fedgate.example", A), reply;
	int fds[STEER_CONNECTIONS_MAX + 1];
	for (int i = 0; i < STEER_CONNECTIONS_MAX; i++) {
		fds[i] = dial_from("127.0.0.1", &r);
		send_query(fds[i], &q);
		reply = read_reply(fds[i]);
		assert_int_equal(rcode(&reply), NOERROR);
	}
	send_query(fds[0], &q); /* now the second is the oldest */
	reply = read_reply(fds[0]);
	int stranger = dial_from("127.0.0.9", &r); /* who is not allowed displaces nobody */
	assert_true(is_closed_within(stranger, SOON_MS));
	close(stranger);
	assert_int_equal(readable(fds[1], SILENCE_MS), 0);
	fds[STEER_CONNECTIONS_MAX] = dial_from("127.0.0.1", &r);
	assert_true(is_closed_within(fds[1], SOON_MS));
	for (int i = 0; i <= STEER_CONNECTIONS_MAX; i++) {
		if (i != 1) {
			send_query(fds[i], &q);
			reply = read_reply(fds[i]);
			assert_int_equal(rcode(&reply), NOERROR);
		}
		close(fds[i]);
	}
	stop(&r);
}

static void a_query_that_never_ends_is_given_up(void **state)
{
	(void)state;
	struct responder r = start(plain);
	int fd = dial_from("127.0.0.1", &r);
	static const unsigned char part[3] = {0, 40, 0xbe};
	send_all(fd, part, 1);
	/* Bytes that make no query do not count as activity. */
	for (int i = 1; i < 3; i++) {
		assert_int_equal(readable(fd, STEER_IDLE_MS / 3), 0);
		send_all(fd, part + i, 1);
	}
	assert_true(is_closed_within(fd, STEER_IDLE_MS));
	close(fd);
	stop(&r);
}

/* On a socket that listens everywhere the kernel would answer from 127.0.0.1. */
static void the_answer_comes_from_the_address_that_was_asked(void **state)
{
	(void)state;
	struct responder r = start_at("0.0.0.0", plain);
	struct message q = ask("egress.fedgate.example", A);
	struct message reply = udp_from("127.0.0.1", "127.0.0.9", r.port, q, SOON_MS);
	assert_int_equal(rcode(&reply), NOERROR);
	stop(&r);
}

static void a_reload_brings_new_names_and_new_sources(void **state)
{
	(void)state;
	second_config =
		"[egress]\ndns_allow = 127.0.0.2/32\nnames = new.hosting.example=10.0.0.9\n";
	struct responder r = start(plain);
	struct message q = ask("new.hosting.example", A);
	struct message reply = udp(&r, q);
	assert_int_equal(rcode(&reply), REFUSED);
	assert_int_equal(write(r.channel, "r", 1), 1);
	int got = -1;
	for (int i = 0; i < 100 && got != NOERROR; i++) {
		(void)poll(NULL, 0, 10);
		reply = udp_from("127.0.0.2", "127.0.0.1", r.port, q, 30);
		got = rcode(&reply);
	}
	assert_int_equal(got, NOERROR);
	assert_int_equal(udp_from("127.0.0.1", "127.0.0.1", r.port, q, SILENCE_MS).len, 0);
	reply = udp_from("127.0.0.2", "127.0.0.1", r.port, ask("db.hosting.example", A), SOON_MS);
	assert_int_equal(rcode(&reply), REFUSED);
	stop(&r);
}

static void it_ends_when_told_to_and_when_its_parent_is_gone(void **state)
{
	(void)state;
	struct responder r = start(plain);
	int fd = dial_from("127.0.0.1", &r); /* an open connection does not keep it */
	assert_int_equal(write(r.channel, "s", 1), 1);
	assert_int_equal(wait_end(&r), 0);
	close(r.channel);
	close(fd);
	r = start(plain);
	close(r.channel);
	assert_int_equal(wait_end(&r), 0);
}

/* The resolver it asks is played by a second responder, which knows one name more and refuses the
 * rest. */
static void other_names_are_looked_up_where_configured(void **state)
{
	(void)state;
	struct responder upstream = start("[egress]\nnames = far.hosting.example=192.0.2.77\n");
	char config[200];
	snprintf(config, sizeof config,
		"[dns]\ntrust_anchor =\nforward = 127.0.0.1@%u\n[egress]\ndns_resolve = yes\n",
		upstream.port);
	struct responder r = start(config);
	static const struct {
		const char *name;
		unsigned type;
		int rcode, answers;
	} rows[] = {
		{"far.hosting.example", A, NOERROR, 1}, {"far.hosting.example", AAAA, NOERROR, 0},
		{"Far.Hosting.Example", A, NOERROR, 1}, {"unknown.hosting.example", A, SERVFAIL, 0},
		{"far.hosting.example", TXT, REFUSED, 0}, /* addresses alone are looked up */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct message q = ask(rows[i].name, rows[i].type);
		struct message reply = udp(&r, q);
		assert_int_equal(rcode(&reply), rows[i].rcode);
		assert_int_equal(answer_count(&reply), rows[i].answers);
		assert_int_equal(reply.bytes[3] & 0x20, 0); /* AD */
		assert_memory_equal(reply.bytes + 12, q.bytes + 12, q.len - 12);
		int fd = dial_from("127.0.0.1", &r);
		send_query(fd, &q);
		reply = read_reply(fd);
		assert_int_equal(rcode(&reply), rows[i].rcode);
		close(fd);
	}
	stop(&r);
	stop(&upstream);
}

/* A resolver under the test's control: gets the question for `name`, whatever else is asked. */
static struct message get_question(int fd, const char *name, struct sockaddr_in *from)
{
	struct message want = ask(name, A), got;
	do {
		socklen_t len = sizeof *from;
		assert_int_equal(readable(fd, SOON_MS), 1);
		ssize_t n =
			recvfrom(fd, got.bytes, sizeof got.bytes, 0, (struct sockaddr *)from, &len);
		assert_true(n > 12);
		got.len = (size_t)n;
	} while (got.len < want.len || memcmp(got.bytes + 12, want.bytes + 12, want.len - 12) != 0);
	got.len = want.len; /* without what EDNS added */
	got.bytes[11] = 0;
	return got;
}

static void give_answer(int fd, struct message m, const struct sockaddr_in *to, unsigned last)
{
	static const unsigned char record[] = {0xc0, 12, 0, A, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2};
	m.bytes[2] |= 0x80;
	m.bytes[3] = 0x80;
	m.bytes[7] = 1;
	memcpy(m.bytes + m.len, record, sizeof record);
	m.len += sizeof record;
	m.bytes[m.len++] = (unsigned char)last;
	assert_int_equal(sendto(fd, m.bytes, m.len, 0, (const struct sockaddr *)to, sizeof *to),
		(ssize_t)m.len);
}

/* Rule 4 of the code on libuv: an answer carries a ticket, and who has gone is not told. */
static void an_answer_for_a_connection_that_is_gone_reaches_nobody_else(void **state)
{
	(void)state;
	char config[200];
	struct sockaddr_in self, first_from, second_from;
	socklen_t len = sizeof self;
	int resolver = bound(SOCK_DGRAM, "127.0.0.1", 0), fds[STEER_CONNECTIONS_MAX];
	assert_int_equal(getsockname(resolver, (struct sockaddr *)&self, &len), 0);
	snprintf(config, sizeof config,
		"[dns]\ntrust_anchor =\nforward = 127.0.0.1@%u\n[egress]\ndns_resolve = yes\n",
		ntohs(self.sin_port));
	struct responder r = start(config);
	int gone = dial_from("127.0.0.1", &r);
	struct message q = ask("first.hosting.example", A), reply;
	send_query(gone, &q);
	struct message first = get_question(resolver, "first.hosting.example", &first_from);
	q = ask("egress.fedgate.example", A);
	for (int i = 0; i < STEER_CONNECTIONS_MAX; i++) { /* they displace it */
		fds[i] = dial_from("127.0.0.1", &r);
		send_query(fds[i], &q);
		reply = read_reply(fds[i]);
		assert_int_equal(rcode(&reply), NOERROR);
	}
	assert_true(is_closed_within(gone, SOON_MS));
	q = ask("second.hosting.example", A);
	send_query(fds[0], &q);
	struct message second = get_question(resolver, "second.hosting.example", &second_from);
	give_answer(resolver, first, &first_from, 1);
	assert_int_equal(readable(fds[0], SILENCE_MS), 0);
	give_answer(resolver, second, &second_from, 2);
	reply = read_reply(fds[0]);
	assert_int_equal(answer_count(&reply), 1);
	assert_int_equal(reply.bytes[reply.len - 1], 2);
	for (int i = 0; i < STEER_CONNECTIONS_MAX; i++)
		close(fds[i]);
	close(gone);
	close(resolver);
	stop(&r);
}

static void the_egress_name_stands_for_addresses_that_can_be_dialled(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *dns_listen;
		const char *addresses;
		unsigned port;
	} rows[] = {
		{"127.0.0.1:5275", "127.0.0.1:5353", "127.0.0.1", 5275},
		{"127.0.0.1:5275 [::1]:5275", "127.0.0.1:5353", "127.0.0.1 ::1", 5275},
		{"127.0.0.1:5280 127.0.0.2:5281", "127.0.0.1:5353", "127.0.0.1", 5280},
		{"127.0.0.1:5281 127.0.0.2:5280 10.0.0.1:5281", "127.0.0.1:5353",
			"127.0.0.1 10.0.0.1", 5281},
		{"0.0.0.0:5275", "10.0.0.5:53", "10.0.0.5", 5275},
		{"0.0.0.0:5275 10.0.0.5:5275", "10.0.0.5:53", "10.0.0.5", 5275},
		{"0.0.0.0:5275", "[fd00::5]:53", "", 5275},
		{"0.0.0.0:5275", "0.0.0.0:53 10.0.0.6:53", "10.0.0.6", 5275},
		{"[::]:5275", "10.0.0.5:53 [fd00::5]:53", "fd00::5", 5275},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char config[300], all[300] = "";
		snprintf(config, sizeof config, "[egress]\nlisten = %s\ndns_listen = %s\n",
			rows[i].listen, rows[i].dns_listen);
		struct gate *g = gate_of(config);
		struct steer_table t;
		assert_non_null(g);
		steer_table_init(&t, g);
		for (size_t j = 0; j < t.dns.egress_addr_count; j++) {
			const struct sockaddr_storage *sa = &t.dns.egress_addr[j];
			char ip[INET6_ADDRSTRLEN];
			inet_ntop(sa->ss_family,
				sa->ss_family == AF_INET
					? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
					: (const void *)&((const struct sockaddr_in6 *)sa)
						  ->sin6_addr,
				ip, sizeof ip);
			size_t len = strlen(all);
			snprintf(all + len, sizeof all - len, "%s%s", j ? " " : "", ip);
		}
		assert_string_equal(all, rows[i].addresses);
		assert_int_equal(t.dns.egress_port, rows[i].port);
		steer_table_fini(&t);
		gate_free(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_answered_over_udp),
		cmocka_unit_test(queries_over_tcp_are_answered_in_order),
		cmocka_unit_test(a_query_may_come_byte_by_byte),
		cmocka_unit_test(a_source_that_is_not_allowed_hears_nothing),
		cmocka_unit_test(what_is_no_query_gets_silence_and_the_next_is_answered),
		cmocka_unit_test(a_tcp_query_that_is_none_closes_its_connection_alone),
		cmocka_unit_test(a_connection_too_many_closes_the_one_silent_longest),
		cmocka_unit_test(a_query_that_never_ends_is_given_up),
		cmocka_unit_test(the_answer_comes_from_the_address_that_was_asked),
		cmocka_unit_test(a_reload_brings_new_names_and_new_sources),
		cmocka_unit_test(it_ends_when_told_to_and_when_its_parent_is_gone),
		cmocka_unit_test(other_names_are_looked_up_where_configured),
		cmocka_unit_test(an_answer_for_a_connection_that_is_gone_reaches_nobody_else),
		cmocka_unit_test(the_egress_name_stands_for_addresses_that_can_be_dialled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
