/* TLS proxies: a client that speaks through one, and the plain backend behind it. */
#include "loadgen.h"

#include <string.h>

static char filler[1 << 17];

static void write_record(struct link *l)
{
	if (!filler[0])
		memset(filler, 'e', sizeof filler);
	link_put(l, filler, (size_t)plan.size);
}

static int pump(struct link *l)
{
	l->pumping = tally.sent < plan.count;
	if (l->pumping) {
		tally.sent++;
		write_record(l);
	}
	return 0;
}

/* The answer comes through the backend: so the whole of the proxy's job is done by then. */
static int tunnel_up(struct link *l)
{
	if (plan.job == JOB_HANDSHAKE || plan.job == JOB_IDLE) {
		link_put(l, "e", 1);
		return 0;
	}
	work_ready(l);
	return 0;
}

void tunnel_start(struct link *l)
{
	l->seen = 0;
	if (plan.job == JOB_ROUNDTRIP)
		pump(l);
	else if (plan.job == JOB_DOWN)
		link_put(l, "e", 1);
	l->pumping = plan.job == JOB_UP;
	link_touch(l);
}

static int tunnel_input(struct link *l)
{
	l->seen += l->in.end - l->in.start;
	link_forget(l);
	if (plan.job == JOB_HANDSHAKE || plan.job == JOB_IDLE) {
		work_finished(l);
		return 0;
	}
	long whole = (long)(l->seen / (uint64_t)plan.size);
	l->seen %= (uint64_t)plan.size;
	work_done(whole);
	if (plan.job == JOB_ROUNDTRIP && whole) {
		pump(l);
		l->pumping = false;
	}
	return 0;
}

static int served_up(struct link *l)
{
	(void)l;
	return 0;
}

static int served_input(struct link *l)
{
	if (plan.job == JOB_UP) {
		l->seen += l->in.end - l->in.start;
		work_done((long)(l->seen / (uint64_t)plan.size));
		l->seen %= (uint64_t)plan.size;
	} else if (plan.job == JOB_DOWN) {
		l->pumping = true;
	} else {
		link_put(l, l->in.at + l->in.start, l->in.end - l->in.start);
	}
	link_forget(l);
	return 0;
}

const struct part part_tunnel = {"tunnel", tunnel_up, tunnel_input, pump};
const struct part part_served = {"served", served_up, served_input, pump};
