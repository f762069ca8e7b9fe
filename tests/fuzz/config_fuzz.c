/* Any text as fedgate.ini or as a tenant's file (K09): the reader never crashes, every refusal has
 * a reason, and what is accepted is the same again after it was written for a worker.
 *
 * The first byte says which: `g` the gate's file, anything else a tenant's. */
#include "tenants/load.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_report(bool accepted, const struct faults *f)
{
	check(accepted == (f->count == 0));
	check(f->item_count <= 2 * FAULTS_SHOWN);
	for (size_t i = 0; i < f->item_count; i++) {
		struct slice sentence = slice_str(f->items[i].sentence);
		check(sentence.len > 0 && text_is_utf8(sentence));
		check(slice_find(sentence, '\n') == sentence.len);
	}
}

static struct gate *read_gate(struct slice text, const char *base_dir)
{
	struct faults f;
	faults_init(&f);
	struct gate *g = load_gate_text(text, "fedgate.ini", base_dir, &f);
	check_report(g != NULL, &f);
	faults_fini(&f);
	return g;
}

static struct tenant *read_tenant(struct slice text, const char *base_dir)
{
	struct faults f;
	faults_init(&f);
	struct tenant *t = load_tenant_text(text, "t.example.ini", base_dir, false, NULL, &f);
	check_report(t != NULL, &f);
	faults_fini(&f);
	return t;
}

static void try_gate(struct slice text)
{
	struct gate *g = read_gate(text, "/etc/fedgate");
	if (!g)
		return;
	struct buf first, second;
	buf_init(&first, BUF_UNLIMITED);
	buf_init(&second, BUF_UNLIMITED);
	gate_write(g, &first);
	struct gate *again = read_gate(buf_peek(&first), "/elsewhere");
	check(again != NULL);
	gate_write(again, &second);
	check(slice_eq(buf_peek(&first), buf_peek(&second)));
	gate_free(again);
	gate_free(g);
	buf_fini(&first);
	buf_fini(&second);
}

static void try_tenant(struct slice text)
{
	struct tenant *t = read_tenant(text, "/etc/fedgate/tenants.d");
	if (!t)
		return;
	struct buf first, second;
	buf_init(&first, BUF_UNLIMITED);
	buf_init(&second, BUF_UNLIMITED);
	tenant_write(t, &first);
	struct tenant *again = read_tenant(buf_peek(&first), "/elsewhere");
	check(again != NULL);
	check(again->version == t->version && again->number == t->number);
	tenant_write(again, &second);
	check(slice_eq(buf_peek(&first), buf_peek(&second)));
	tenant_release(again);
	tenant_release(t);
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice text = slice_of(data + 1, size - 1);
	if (data[0] == 'g')
		try_gate(text);
	else
		try_tenant(text);
	return 0;
}
