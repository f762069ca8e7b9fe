/* Happy path: messages arrive on the loop and become events. A new configuration is read in a
 * thread, because thousands of tenants take longer than streams may be kept waiting. A file is
 * asked for and waited for on the spot (channel_read_file): messages that arrive meanwhile are kept
 * and told in the next turn. Failure modes: the supervisor is gone (told as stop). Who frees:
 * channel_close, when both handles are closed and no thread reads. */
#include "core/channel.h"

#include "base/mem.h"
#include "core/parcel.h"
#include "core/wire.h"
#include "tenants/load.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum { ORPHAN_MS = 5000 /* to end in, when the supervisor is gone */ };

struct kept_message {
	struct kept_message *next;
	struct wire wire;
	struct wire_fds fds;
};

/* A configuration being read. The thread touches nothing else. */
struct unpacking {
	uv_work_t work;
	struct channel *channel;
	int fd;
	bool gate_only, fine;
	struct gate *gate;
	struct registry *registry;
};

struct channel {
	uv_poll_t poll;
	uv_async_t wake; /* something was kept */
	struct unpacking unpacking;
	int next_parcel; /* the newest one that waits for its turn; -1: none */
	int fd;
	const struct channel_events *events;
	void *arg;
	struct kept_message *kept, **kept_end;
	uint32_t serial;
	int open_handles; /* the thread counts as one */
	bool gone, busy, closing;
};

static void supervisor_gone(struct channel *c)
{
	if (c->gone)
		return;
	c->gone = true;
	uv_poll_stop(&c->poll);
	c->events->stop(c->arg, ORPHAN_MS);
}

static void start_unpacking(struct channel *c);

static void unpack(uv_work_t *work)
{
	struct unpacking *u = work->data;
	u->fine = parcel_unpack(u->fd, &u->gate, u->gate_only ? NULL : &u->registry);
}

static void free_if_closed(struct channel *c)
{
	if (--c->open_handles)
		return;
	close(c->fd);
	mem_free(c);
}

static void on_unpacked(uv_work_t *work, int status)
{
	struct unpacking *u = work->data;
	struct channel *c = u->channel;
	(void)status; /* never cancelled */
	close(u->fd);
	c->busy = false;
	if (u->fine && !c->closing) {
		c->events->reload(c->arg, u->gate, u->registry);
	} else if (u->fine) {
		gate_free(u->gate);
		registry_free(u->registry);
	}
	start_unpacking(c);
	free_if_closed(c);
}

static void start_unpacking(struct channel *c)
{
	if (c->busy || c->closing || c->next_parcel < 0)
		return;
	c->busy = true;
	c->open_handles++;
	c->unpacking = (struct unpacking){
		.channel = c, .fd = c->next_parcel, .gate_only = c->events->gate_only};
	c->unpacking.work.data = &c->unpacking;
	c->next_parcel = -1;
	uv_queue_work(c->poll.loop, &c->unpacking.work, unpack, on_unpacked);
}

/* Of several that wait only the newest counts. */
static void on_reload(struct channel *c, struct wire_fds *fds)
{
	if (fds->count != 1)
		return;
	if (c->next_parcel >= 0)
		close(c->next_parcel);
	c->next_parcel = fds->fds[0];
	fds->count = 0;
	start_unpacking(c);
}

static void tell(struct channel *c, const struct wire *m, struct wire_fds *fds)
{
	switch (m->type) {
	case WIRE_RELOAD:
		on_reload(c, fds);
		break;
	case WIRE_ADOPT:
		if (m->listens > fds->count || !c->events->adopt)
			break;
		c->events->adopt(c->arg, (int)m->number, fds->fds, m->listens,
			fds->fds + m->listens, fds->count - m->listens);
		fds->count = 0; /* they are the callee's now */
		break;
	case WIRE_RELEASE:
		if (c->events->release)
			c->events->release(c->arg, (int)m->number);
		break;
	case WIRE_SCOUT:
		if (fds->count != 1 || !c->events->scout)
			break;
		fds->count = 0;
		c->events->scout(c->arg, m->number, fds->fds[0]);
		break;
	case WIRE_STOP:
		c->events->stop(c->arg, m->within_ms);
		break;
	default:
		break; /* a late WIRE_OPENED: nobody waits for it any more */
	}
	wire_close_fds(fds);
}

static void keep(struct channel *c, const struct wire *m, const struct wire_fds *fds)
{
	struct kept_message *k = MEM_NEW(struct kept_message);
	k->wire = *m;
	k->fds = *fds;
	*c->kept_end = k;
	c->kept_end = &k->next;
	uv_async_send(&c->wake);
}

static void tell_kept(struct channel *c)
{
	while (c->kept) {
		struct kept_message *k = c->kept;
		c->kept = k->next;
		if (!c->kept)
			c->kept_end = &c->kept;
		tell(c, &k->wire, &k->fds);
		mem_free(k);
	}
}

static void on_wake(uv_async_t *wake)
{
	tell_kept(wake->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct channel *c = poll->data;
	struct wire m;
	struct wire_fds fds;
	enum wire_result r = WIRE_GONE;
	(void)events;
	tell_kept(c); /* in the order they came */
	while (status == 0 && !c->gone && (r = wire_receive(c->fd, &m, &fds)) == WIRE_OK)
		tell(c, &m, &fds);
	if (r == WIRE_GONE)
		supervisor_gone(c);
}

struct channel *channel_open(
	uv_loop_t *loop, int fd, const struct channel_events *events, void *arg)
{
	struct channel *c = MEM_NEW(struct channel);
	c->fd = fd;
	c->events = events;
	c->arg = arg;
	c->kept_end = &c->kept;
	c->next_parcel = -1;
	c->open_handles = 2;
	uv_poll_init(loop, &c->poll, fd);
	uv_async_init(loop, &c->wake, on_wake);
	c->poll.data = c;
	c->wake.data = c;
	uv_poll_start(&c->poll, UV_READABLE, on_readable);
	return c;
}

static void on_closed(uv_handle_t *handle)
{
	free_if_closed(handle->data);
}

void channel_close(struct channel *c)
{
	c->closing = true;
	if (c->next_parcel >= 0)
		close(c->next_parcel);
	while (c->kept) {
		struct kept_message *k = c->kept;
		c->kept = k->next;
		wire_close_fds(&k->fds);
		mem_free(k);
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	uv_close((uv_handle_t *)&c->wake, on_closed);
}

static void say(struct channel *c, enum wire_type what)
{
	const struct wire m = {.type = what};
	if (err_is(wire_send(c->fd, &m, NULL)))
		supervisor_gone(c);
}

void channel_ready(struct channel *c)
{
	say(c, WIRE_READY);
}

void channel_want_scout(struct channel *c)
{
	say(c, WIRE_SCOUT);
}

/* ---- files ---- */

static const struct file_id *expected_id(const struct tenant *t, enum channel_file which)
{
	switch (which) {
	case CHANNEL_CERTIFICATE:
		return &t->certificate_id;
	case CHANNEL_KEY:
		return &t->key_id;
	case CHANNEL_CERTIFICATE_2:
		return &t->certificate2_id;
	case CHANNEL_KEY_2:
		return &t->key2_id;
	case CHANNEL_TENANT_CA:
		return &t->ca_id;
	case CHANNEL_NEXT_CERTIFICATE:
		return &t->next_certificate_id;
	case CHANNEL_PREVIOUS_CERTIFICATE:
		return &t->previous_certificate_id;
	case CHANNEL_GATE_CA:
	case CHANNEL_WEB_CA:
	case CHANNEL_WEB_CERTIFICATE:
	case CHANNEL_WEB_KEY:
		break;
	}
	return NULL; /* the gate's own files are read as they are */
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits for the answer with our serial; everything else is kept for the loop. */
static struct err wait_for_answer(struct channel *c, uint64_t deadline_ms, int *file)
{
	uint64_t end = now_ms() + deadline_ms;
	for (uint64_t now = now_ms(); now < end; now = now_ms()) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		struct wire m;
		struct wire_fds fds;
		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		switch (wire_receive(c->fd, &m, &fds)) {
		case WIRE_GONE:
			return err_native(ERR_FILE, EPIPE);
		case WIRE_NOTHING:
			continue;
		case WIRE_OK:
			break;
		}
		if (m.type != WIRE_OPENED) {
			keep(c, &m, &fds);
		} else if (m.serial != c->serial) {
			wire_close_fds(&fds);
		} else if (m.error || fds.count != 1) {
			wire_close_fds(&fds);
			return err_native(ERR_FILE, m.error ? m.error : EBADMSG);
		} else {
			*file = fds.fds[0];
			return err_ok();
		}
	}
	return err_native(ERR_FILE, ETIMEDOUT);
}

struct err channel_read_file(struct channel *c, const struct tenant *t, enum channel_file which,
	uint64_t deadline_ms, struct buf *out)
{
	struct wire m = {.type = WIRE_OPEN,
		.number = t ? t->number : 0,
		.file = (uint32_t)which,
		.serial = ++c->serial};
	const struct file_id *expected = t ? expected_id(t, which) : NULL;
	struct file_id id;
	int fd = -1;
	struct err e = wire_send(c->fd, &m, NULL);
	if (err_is(e))
		return err_native(ERR_FILE, e.native);
	e = wait_for_answer(c, deadline_ms, &fd);
	if (err_is(e))
		return e;
	e = file_read_fd(fd, out->max, out, &id);
	close(fd);
	if (!err_is(e) && expected && !file_id_eq(&id, expected))
		e = err_native(ERR_FILE, ESTALE); /* it was replaced: a reload is wanted */
	return e;
}
