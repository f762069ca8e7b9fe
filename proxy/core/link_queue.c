/* What a link knows of the stanzas it carries: which the kernel has, which TCP has delivered. */
#include "core/link.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
	WIRE_HIGH = 64 * 1024, /* no more stanzas are pulled while this much waits for the kernel */
	RECORD_BYTES = 16 * 1024, /* one TLS record's worth of stanzas at a time */
};

void link_pump(struct link *l, struct sendq *q)
{
	while (l->phase == LINK_OPEN && !l->broken && !l->output_over &&
		link_backlog(l) < WIRE_HIGH) {
		struct slice batch = sendq_pull(q, RECORD_BYTES);
		if (!batch.len)
			break;
		uint64_t start = l->wire_queued;
		link_write(l, batch);
		if (!l->output_over) /* else they never left whole: the next connection's */
			sendq_pulled(q, start, l->wire_queued);
	}
}

static uint64_t acknowledged(struct link *l)
{
	uv_os_fd_t fd;
	int waiting = 0;
	if (uv_fileno((uv_handle_t *)&l->tcp, &fd) != 0 || ioctl(fd, SIOCOUTQ, &waiting) != 0 ||
		waiting < 0 || (uint64_t)waiting > l->wire_taken)
		return 0;
	return l->wire_taken - (uint64_t)waiting;
}

void link_settle(struct link *l, struct sendq *q)
{
	if (l->phase == LINK_NONE)
		return;
	sendq_accepted(q, l->wire_taken);
	if (sendq_unacked(q) >= 64)
		sendq_acknowledged(q, acknowledged(l));
}

void link_acknowledge(struct link *l, struct sendq *q)
{
	if (l->phase != LINK_NONE)
		sendq_acknowledged(q, acknowledged(l));
}

size_t link_cut(struct link *l, struct sendq *q)
{
	if (l->phase == LINK_NONE)
		return sendq_cut(q, 0);
	sendq_accepted(q, l->wire_taken);
	return sendq_cut(q, acknowledged(l));
}
