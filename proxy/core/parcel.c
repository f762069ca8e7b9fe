#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "core/parcel.h"

#include "tenants/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, LENGTH_DIGITS = 10 };

/* A piece is its length in ten digits, a line end, and the text. */
static void put_piece(struct buf *out, struct slice text)
{
	(void)buf_printf(out, "%0*zu\n", LENGTH_DIGITS, text.len);
	(void)buf_append(out, text);
}

static bool write_out(int fd, struct buf *b)
{
	while (buf_len(b)) {
		struct slice s = buf_peek(b);
		ssize_t n = write(fd, s.ptr, s.len);
		if (n < 0 && errno != EINTR)
			return false;
		buf_consume(b, n > 0 ? (size_t)n : 0);
	}
	buf_clear(b);
	return true;
}

static bool write_all(int fd, const struct gate *gate, const struct registry *registry)
{
	struct buf out, text;
	bool fine = true;
	buf_init(&out, BUF_UNLIMITED);
	buf_init(&text, BUF_UNLIMITED);
	gate_write(gate, &text);
	put_piece(&out, buf_peek(&text));
	for (size_t i = 0; fine && i < registry_count(registry); i++) {
		buf_clear(&text);
		tenant_write(registry_at(registry, i), &text);
		put_piece(&out, buf_peek(&text));
		if (buf_len(&out) > CHUNK)
			fine = write_out(fd, &out);
	}
	fine = fine && write_out(fd, &out);
	buf_fini(&out);
	buf_fini(&text);
	return fine;
}

int parcel_pack(const struct gate *gate, const struct registry *registry)
{
	int fd = memfd_create("fedgate-parcel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (write_all(fd, gate, registry) &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) ==
			0)
		return fd;
	close(fd);
	return -1;
}

static bool next_piece(struct slice *rest, struct slice *piece)
{
	char digits[LENGTH_DIGITS + 1] = "";
	if (rest->len < LENGTH_DIGITS + 1 || rest->ptr[LENGTH_DIGITS] != '\n')
		return false;
	memcpy(digits, rest->ptr, LENGTH_DIGITS);
	size_t len = strtoul(digits, NULL, 10);
	if (len > rest->len - LENGTH_DIGITS - 1)
		return false;
	*piece = slice_of(rest->ptr + LENGTH_DIGITS + 1, len);
	*rest = slice_sub(*rest, LENGTH_DIGITS + 1 + len, rest->len);
	return true;
}

static bool unpack_tenants(struct slice rest, struct registry *registry, struct faults *faults)
{
	const struct load_options options = {0};
	struct slice piece;
	while (rest.len) {
		if (!next_piece(&rest, &piece))
			return false;
		struct tenant *t = load_tenant_text(piece, "parcel", "/", false, &options, faults);
		struct tenant *taken = NULL;
		bool added = t && registry_add(registry, t, &taken);
		tenant_release(t);
		if (!added)
			return false;
	}
	return true;
}

static bool unpack(struct slice all, struct gate **gate, struct registry **registry)
{
	struct faults faults;
	struct slice piece;
	bool fine = false;
	faults_init(&faults);
	*gate = next_piece(&all, &piece) ? load_gate_text(piece, "parcel", "/", &faults) : NULL;
	if (registry)
		*registry = registry_new();
	if (*gate)
		fine = !registry || unpack_tenants(all, *registry, &faults);
	if (!fine) {
		log_event(LOG_ERROR, "parcel", log_s("fault", buf_peek(&faults.text)), log_end());
		gate_free(*gate);
		if (registry)
			registry_free(*registry);
	}
	faults_fini(&faults);
	return fine;
}

bool parcel_unpack(int fd, struct gate **gate, struct registry **registry)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size <= 0)
		return false;
	size_t len = (size_t)st.st_size;
	void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	bool fine = unpack(slice_of(bytes, len), gate, registry);
	munmap(bytes, len);
	return fine;
}
