/* The files that the supervisor opens for its children: by what they are, never by a name. A child
 * that is broken into gets what it could have had, and no more. */
#include "core/channel.h"
#include "core/supervisor_inside.h"
#include "tenants/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

enum {
	PEM_MAX = 256 * 1024,
	WORKER = 1 << MEMBER_WORKER,
	SCOUT = 1 << MEMBER_SCOUT,
	PUBLISHER = 1 << MEMBER_PUBLISHER,
};

struct openable {
	enum channel_file file;
	unsigned roles; /* who may have it */
	bool tenants;   /* a tenant's, else the gate's */
	size_t offset;  /* of its path in the one or the other */
};

static const struct openable openables[] = {
	{CHANNEL_CERTIFICATE, WORKER | PUBLISHER, true, offsetof(struct tenant, certificate)},
	{CHANNEL_KEY, WORKER, true, offsetof(struct tenant, key)},
	{CHANNEL_CERTIFICATE_2, WORKER | PUBLISHER, true, offsetof(struct tenant, certificate2)},
	{CHANNEL_KEY_2, WORKER, true, offsetof(struct tenant, key2)},
	{CHANNEL_TENANT_CA, WORKER, true, offsetof(struct tenant, ca_file)},
	{CHANNEL_NEXT_CERTIFICATE, PUBLISHER, true, offsetof(struct tenant, next_certificate)},
	{CHANNEL_PREVIOUS_CERTIFICATE, PUBLISHER, true,
		offsetof(struct tenant, previous_certificate)},
	{CHANNEL_GATE_CA, WORKER, false, offsetof(struct gate, ca_file)},
	{CHANNEL_WEB_CA, SCOUT, false, offsetof(struct gate, web_ca_file)},
	{CHANNEL_WEB_CERTIFICATE, PUBLISHER, false, offsetof(struct gate, publish_certificate)},
	{CHANNEL_WEB_KEY, PUBLISHER, false, offsetof(struct gate, publish_key)},
};

static const struct tenant *tenant_of(const struct registry *r, uint32_t number)
{
	size_t n = registry_count(r);
	/* Numbers are given in order, so without removals this is it. */
	if (number && number <= n && registry_at(r, number - 1)->number == number)
		return registry_at(r, number - 1);
	for (size_t i = 0; i < n; i++) {
		if (registry_at(r, i)->number == number)
			return registry_at(r, i);
	}
	return NULL;
}

static const char *path_of(const struct member *m, const struct wire *question)
{
	const struct supervisor *s = m->supervisor;
	const struct tenant *t = question->number ? tenant_of(s->registry, question->number) : NULL;
	for (size_t i = 0; i < sizeof openables / sizeof *openables; i++) {
		const struct openable *o = &openables[i];
		const void *owner = o->tenants ? (const void *)t : s->gate;
		if (o->file == question->file && o->roles & 1u << m->role &&
			o->tenants == (question->number != 0) && owner)
			return *(char *const *)((const char *)owner + o->offset);
	}
	return NULL;
}

static bool holds(struct slice text, const char *mark)
{
	while (text.len && !slice_starts(text, mark))
		text = slice_sub(text, 1, text.len);
	return text.len > 0;
}

/* Some keep certificate and key in one file. Whoever may not have the key does not get it with the
 * certificate. */
static bool has_key(int fd)
{
	struct buf text;
	struct file_id id;
	bool found = true; /* in a file that cannot be looked at */
	buf_init(&text, PEM_MAX);
	text.secret = true;
	if (!err_is(file_read_fd(fd, PEM_MAX, &text, &id)))
		found = holds(buf_peek(&text), "PRIVATE KEY-----");
	buf_fini(&text);
	return found;
}

void crew_answer_open(struct member *m, const struct wire *question)
{
	struct wire answer = {.type = WIRE_OPENED, .serial = question->serial};
	struct wire_fds fds = {.count = 0};
	const char *path = path_of(m, question);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	if (fd < 0) {
		answer.error = path ? errno : ENOENT;
	} else if (m->role == MEMBER_PUBLISHER && question->number && has_key(fd)) {
		answer.error = EPERM;
		close(fd);
	} else {
		fds.fds[fds.count++] = fd;
	}
	(void)wire_send(m->channel, &answer, &fds);
	wire_close_fds(&fds);
}
