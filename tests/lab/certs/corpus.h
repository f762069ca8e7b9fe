/* Reading the certificate corpus (make_corpus.py) in tests: include it behind cmocka.h. */
#ifndef FEDGATE_TESTS_CORPUS_H
#define FEDGATE_TESTS_CORPUS_H

#include "base/buf.h"
#include "trust/identity.h"
#include "trust/pem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_ROOM = 128, COLUMNS = 7, FILE_MAX = 1 << 20 };

struct row {
	char name[80], domain[80], set[40], rules[40], now[24], want[32], shown[8];
};

struct chain {
	struct buf ders[CHAIN_ROOM];
	struct slice slices[CHAIN_ROOM];
	size_t count;
};

static inline void read_file(const char *name, const char *ending, struct buf *text)
{
	char path[256];
	snprintf(path, sizeof path, CERTS_DIR "/%s%s", name, ending);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s: run make, which makes the corpus", path);
	size_t n = 1;
	buf_init(text, FILE_MAX);
	while (n) {
		n = fread(buf_reserve(text, 4096), 1, 4096, f);
		buf_commit(text, n);
	}
	fclose(f);
}

static inline void read_chain(const char *name, struct chain *chain)
{
	struct buf text;
	struct slice label;
	struct err e;
	read_file(name, ".pem", &text);
	struct slice rest = buf_peek(&text);
	for (chain->count = 0; chain->count < CHAIN_ROOM; chain->count++) {
		struct buf *der = &chain->ders[chain->count];
		buf_init(der, FILE_MAX);
		if (!pem_next(&rest, &label, der, &e))
			break;
		chain->slices[chain->count] = buf_peek(der);
	}
	buf_fini(&text);
}

static inline void free_chain(struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		buf_fini(&chain->ders[i]);
}

static inline struct cert_set *read_set(const char *name)
{
	char file[64];
	struct buf text;
	struct err e;
	snprintf(file, sizeof file, "set-%s", name);
	read_file(file, ".pem", &text);
	struct cert_set *set = cert_set_new(buf_peek(&text), NULL, &e);
	buf_fini(&text);
	if (!set)
		fail_msg("set %s: %s", name, err_row(e.code)->symbol);
	return set;
}

static inline struct cert_rules rules_of(const char *text)
{
	bool community = strcmp(text, "community") == 0;
	return (struct cert_rules){
		.require_eku = !community,
		.allow_other_names = community || strcmp(text, "public+others") == 0,
	};
}

static inline struct err judge(
	const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	struct cert_facts facts = {0};
	struct cert_rules rules = rules_of(r->rules);
	struct domain domain;
	int64_t not_after = -1;
	assert_false(err_is(domain_parse(slice_str(r->domain), &domain)));
	struct err e = cert_judge(chain->slices, chain->count, set, &rules,
		strtoll(r->now, NULL, 10), &facts, &not_after);
	assert_true(!err_is(e) || not_after == 0);
	if (err_is(e))
		return e;
	assert_true(not_after >= strtoll(r->now, NULL, 10));
	assert_true(not_after <= facts.not_after);
	if (!identity_matches(&facts, &domain, rules.allow_other_names, NULL))
		return err_make(ERR_CERT_NAME);
	return err_ok();
}

static inline bool next_row(struct slice *rest, struct row *r)
{
	struct slice line = slice_sub(*rest, 0, slice_find(*rest, '\n'));
	*rest = slice_sub(*rest, line.len + 1, rest->len);
	char *fields[COLUMNS] = {r->name, r->domain, r->set, r->rules, r->now, r->want, r->shown};
	const size_t rooms[COLUMNS] = {sizeof r->name, sizeof r->domain, sizeof r->set,
		sizeof r->rules, sizeof r->now, sizeof r->want, sizeof r->shown};
	for (size_t i = 0; i < COLUMNS && line.len; i++) {
		struct slice field = slice_sub(line, 0, slice_find(line, '\t'));
		line = slice_sub(line, field.len + 1, line.len);
		assert_true(field.len && field.len < rooms[i]);
		memcpy(fields[i], field.ptr, field.len);
		fields[i][field.len] = '\0';
	}
	return *r->name != '\0';
}

typedef bool (*check_row)(const struct row *r, const struct chain *c, const struct cert_set *s);

/* All failures are shown, not only the first. */
static inline size_t each_row(check_row check)
{
	struct buf text;
	struct row r;
	size_t count = 0, failed = 0;
	read_file("cases", ".tsv", &text);
	struct slice rest = buf_peek(&text);
	for (memset(&r, 0, sizeof r); next_row(&rest, &r); memset(&r, 0, sizeof r)) {
		struct chain chain;
		struct cert_set *set = read_set(r.set);
		read_chain(r.name, &chain);
		failed += check(&r, &chain, set) ? 0 : 1;
		count++;
		free_chain(&chain);
		cert_set_release(set);
	}
	buf_fini(&text);
	assert_int_equal(failed, 0);
	return count;
}

#endif
