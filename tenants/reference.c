/* tenants/reference.md: the schema as Markdown. */
#include "tenants/config.h"
#include "tenants/load.h"

#include <string.h>

/* The reference's buffer has no limit, so nothing here can fail. */
static void put(struct buf *out, const char *text)
{
	struct err e = buf_append_str(out, text);
	(void)e;
}

static void put_type(const struct config_row *row, struct buf *out)
{
	unsigned min, max;
	put(out, value_type_words(row->type));
	if (row->type != TYPE_COUNT)
		return;
	config_bounds(row, &min, &max);
	struct err e = buf_printf(out, ", %u to %u", min, max);
	(void)e;
}

static void put_default(const struct config *c, const struct config_row *row, struct buf *out)
{
	if (*row->fallback) {
		put(out, "`");
		put(out, row->fallback);
		put(out, "`");
	} else {
		put(out, config_required(c, row) ? "**required**"
			 : config_required_here(c, row, NULL)
				 ? "required with `proof = certificate`"
				 : "empty");
	}
}

static void put_row(const struct config *c, const struct config_row *row, struct buf *out)
{
	put(out, "| `");
	put(out, row->key);
	put(out, "` | ");
	put_type(row, out);
	put(out, " | ");
	put_default(c, row, out);
	put(out, row->live ? " | reload | " : " | start | ");
	put(out, row->sentence);
	put(out, " |\n");
}

static void put_file(const struct config *c, const char *title, struct buf *out)
{
	const char *section = "";
	put(out, title);
	for (size_t i = 0; i < c->count; i++) {
		const struct config_row *row = &c->rows[i];
		if (strcmp(section, row->section) != 0) {
			put(out, "\n### [");
			put(out, row->section);
			put(out, "]\n\n| key | value | default | takes effect at | what it is |\n"
				 "|---|---|---|---|---|\n");
		}
		section = row->section;
		put_row(c, row, out);
	}
}

void schema_reference(struct buf *out)
{
	put(out, "# Every key of the configuration\n\n"
		 "Made by `fedgate reference` from the table that reads the files; change the "
		 "table, not this page.\n"
		 "How files are written and reloaded: [README.md](README.md). Whole files to start "
		 "from: [examples](examples).\n\n");
	put_file(&gate_config, "## fedgate.ini\n", out);
	put_file(&tenant_config, "\n## tenants.d/DOMAIN.ini\n", out);
}
