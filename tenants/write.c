/* The text that the supervisor hands its workers: the same INI, complete, with the identities of
 * the files that were checked. */
#include "tenants/bundle.h"
#include "tenants/load.h"

#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 8 };

/* No key of the configuration: only the gate itself puts certificates aside. */
#define PREVIOUS "previous_certificate"

static struct file_id *id_at(struct tenant *t, size_t i)
{
	struct file_id *const ids[FILES] = {&t->certificate_id, &t->key_id, &t->certificate2_id,
		&t->key2_id, &t->ca_id, &t->next_certificate_id, &t->next_key_id,
		&t->previous_certificate_id};
	return ids[i];
}

static const char *const id_keys[FILES] = {"certificate_id", "key_id", "certificate_2_id",
	"key_2_id", "ca_id", "next_certificate_id", "next_key_id", "previous_certificate_id"};

/* The bundle's buffers have no limit, so nothing here can fail. */
static void put(struct buf *out, const char *key, const char *value)
{
	(void)buf_append_str(out, key);
	(void)buf_append_str(out, " = ");
	(void)buf_append_str(out, value);
	(void)buf_append(out, SLICE_LIT("\n"));
}

static void write_settings(const struct tenant *t, struct buf *out)
{
	config_write(&tenant_config, t, out);
	struct err e = buf_append_str(out, "[bundle]\n");
	(void)e;
	struct tenant copy = *t;
	for (size_t i = 0; i < FILES; i++) {
		const struct file_id *id = id_at(&copy, i);
		static const struct file_id none;
		char text[128];
		if (file_id_eq(id, &none))
			continue;
		snprintf(text, sizeof text,
			"%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64, id->dev,
			id->ino, id->size, id->mtime_ns, id->ctime_ns);
		put(out, id_keys[i], text);
	}
	if (t->previous_certificate)
		put(out, PREVIOUS, t->previous_certificate);
}

void tenant_write(const struct tenant *t, struct buf *out)
{
	char number[16];
	write_settings(t, out);
	snprintf(number, sizeof number, "%" PRIu32, t->number);
	put(out, "number", number);
}

void gate_write(const struct gate *g, struct buf *out)
{
	config_write(&gate_config, g, out);
}

uint64_t bundle_version(const struct tenant *t)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	write_settings(t, &text);
	uint64_t version = siphash(0, 0, buf_peek(&text));
	buf_fini(&text);
	return version;
}

static bool parse_id(const char *text, struct file_id *id)
{
	int end = 0;
	int n = sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 "%n",
		&id->dev, &id->ino, &id->size, &id->mtime_ns, &id->ctime_ns, &end);
	return n == 5 && text[end] == '\0';
}

static bool parse_number(const char *text, uint32_t *number)
{
	uint64_t n = 0;
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || n > UINT32_MAX)
			return false;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	*number = (uint32_t)n;
	return len > 0 && n <= UINT32_MAX;
}

static bool take(const struct setting *s, struct tenant *t)
{
	if (strcmp(s->key, "number") == 0)
		return parse_number(s->value, &t->number);
	if (strcmp(s->key, PREVIOUS) == 0 && s->value[0] == '/') {
		mem_free(t->previous_certificate);
		t->previous_certificate = mem_strdup(s->value);
		return true;
	}
	for (size_t i = 0; i < FILES; i++) {
		if (strcmp(s->key, id_keys[i]) == 0)
			return parse_id(s->value, id_at(t, i));
	}
	return false;
}

void bundle_read(const struct settings *settings, struct config_file *f, struct tenant *t)
{
	for (size_t i = 0; i < settings->count; i++) {
		const struct setting *s = &settings->items[i];
		if (strcmp(s->section, BUNDLE_SECTION) == 0 && !take(s, t))
			fault_add(f->faults, (struct place){f->name, s->line, s->key},
				"is not as the supervisor writes it");
	}
}
