#include "core/secret.h"

#include "base/b64.h"
#include "base/mem.h"
#include "tenants/load.h"
#include "tenants/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1024, HEX_LEN = 2 * DBKEY_SECRET_LEN };

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_line(struct slice *rest, struct dbkey_secret *out)
{
	size_t end = slice_find(*rest, '\n');
	struct slice line = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end + 1, rest->len);
	if (line.len != HEX_LEN)
		return false;
	for (size_t i = 0; i < DBKEY_SECRET_LEN; i++) {
		int high = hex_digit(line.ptr[2 * i]), low = hex_digit(line.ptr[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out->bytes[i] = (unsigned char)(high * 16 + low);
	}
	return true;
}

static bool parse(struct slice text, struct secrets *out)
{
	*out = (struct secrets){0};
	if (!read_line(&text, &out->now))
		return false;
	out->has_previous = text.len && read_line(&text, &out->previous);
	return text.len == 0;
}

/* Whole or not at all: a temporary file, then a link that fails when another start was first. */
static bool make(const char *path)
{
	unsigned char bytes[DBKEY_SECRET_LEN];
	char text[HEX_LEN + 2], temporary[INI_PATH_MAX];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	int n = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof temporary)
		return false;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	hex_encode(bytes, sizeof bytes, text);
	text[HEX_LEN] = '\n';
	bool fine = write(fd, text, HEX_LEN + 1) == HEX_LEN + 1 && fsync(fd) == 0;
	fine = close(fd) == 0 && fine && (link(temporary, path) == 0 || errno == EEXIST);
	unlink(temporary);
	mem_wipe(bytes, sizeof bytes);
	mem_wipe(text, sizeof text);
	return fine;
}

static bool load(const char *path, struct secrets *out, const char **why)
{
	struct buf text;
	struct file_id id;
	struct file_rights rights = {0};
	buf_init(&text, FILE_MAX);
	text.secret = true;
	struct err e = file_read(path, FILE_MAX, &text, &id);
	if (!err_is(e))
		e = file_look(path, &id, &rights);
	if (err_is(e))
		*why = file_why(e);
	else if (rights.mode & 077)
		*why = "others may read the secret; run `chmod 600` on it";
	else if (rights.strange_owner)
		*why = "another user owns the secret, and knows it; remove it, and a new one is "
		       "made";
	else if (!parse(buf_peek(&text), out))
		*why = "must hold 64 lower-case hex digits on one line, and perhaps the previous "
		       "secret on a second one";
	buf_fini(&text);
	return !*why;
}

bool secrets_load(const char *path, struct secrets *out, const char **why)
{
	*why = NULL;
	if (access(path, F_OK) != 0 && errno == ENOENT && !make(path)) {
		*why = "cannot be made; check that its directory exists and may be written to";
		return false;
	}
	return load(path, out, why);
}
