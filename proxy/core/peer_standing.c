/* What a peer has proven, while its stream stands (ID-10, M-3, DANE-9, POSH-6). Happy path: when a
 * proof's time comes, or a reload may have changed what counts, it is judged again by a claim of
 * its own (peer_claims.c), and the stream goes on meanwhile. Failure modes: what a reload has
 * changed is known at once, and the stream ended. Nothing is owned here. */
#include "core/peer_in_inside.h"

#include "core/proofs.h"

static bool by_certificate(const struct pair *pair)
{
	return pair->state == PAIR_VALID &&
	       (pair->proof == PROOF_EXTERNAL || pair->proof == PROOF_CERTIFICATE);
}

/* By what is known at this moment. Records that might say no, and are not known, do not say yes. */
static bool still_proven(struct peer_in *p, struct pair_in *pi)
{
	struct weighed w;
	const struct domain *d = &pi->pair->from;
	if (peer_in_neighbour_points(p, d) != DELEGATION_ELSEWHERE)
		return false;
	if (by_certificate(pi->pair)) {
		peer_in_weigh(
			p, d, proofs_last_known(p->worker, d), pi->by, NULL, ERR_PROOF_LATE, &w);
		if (w.v.decision != POLICY_ACCEPT || w.c.of[PROOF_DANE].why.code == ERR_PROOF_LATE)
			return false;
		pi->by = w.v.by;
		renewal_proven(&pi->renewal, &w.outcome.rests, worker_wall_s());
	}
	pi->judged = p->worker->generation;
	return true;
}

struct err peer_in_note_valid(struct peer_in *p, struct pair *pair)
{
	struct pair_in *pi = pair_in_of(p, pair);
	const struct assessment *found = pair->proof == PROOF_EXTERNAL ? p->assessed : pi->assessed;
	static const struct renewal_proof by_asking = {.by = PROOF_ASKED};
	pi->by = by_certificate(pair) && found ? found->by : PROOF_ASKED;
	pi->judged = pair->proof == PROOF_EXTERNAL ? p->assessed_in : p->worker->generation;
	renewal_proven(&pi->renewal, by_certificate(pair) && found ? &found->rests : &by_asking,
		worker_wall_s());
	peer_in_give_back(p, &pi->paid);
	if (domain_eq(&pair->from, &p->stream.peer))
		peer_in_give_back(p, &p->paid);
	/* What made us offer EXTERNAL may have been true before a reload only. */
	if (pi->judged != p->worker->generation && !still_proven(p, pi))
		return err_make(ERR_POLICY);
	return err_ok();
}

struct err peer_in_levels_hold(const struct peer_in *p)
{
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		const struct pair *pair = p->stream.pairs.items[i];
		if (pair->state == PAIR_VALID &&
			level_of_proof(pair->proof, p->link.tls != NULL) < p->tenant->floor_in)
			return err_make(ERR_POLICY);
	}
	return err_ok();
}

bool peer_in_proofs_hold(struct peer_in *p, bool all)
{
	struct err low = peer_in_levels_hold(p);
	int64_t now = worker_wall_s();
	if (err_is(low)) {
		peer_in_fail(p, low);
		return false;
	}
	for (size_t i = 0; i < p->stream.pairs.count && !p->dead; i++) {
		struct pair *pair = p->stream.pairs.items[i];
		struct pair_in *pi = pair->state == PAIR_VALID ? pair->user : NULL;
		if (!pi || pi->claim)
			continue;
		bool due = renewal_is_due(&pi->renewal, now) || (all && by_certificate(pair));
		if (due || (pi->judged != p->worker->generation && !still_proven(p, pi)))
			peer_in_judge_pair_again(p, pair);
	}
	return !p->dead;
}

uint64_t peer_in_next_ms(const struct peer_in *p, uint64_t most)
{
	int64_t now = worker_wall_s();
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		const struct pair_in *pi = p->stream.pairs.items[i]->user;
		int64_t left = pi && pi->renewal.due ? pi->renewal.due - now + 1 : INT64_MAX / 1000;
		left = left < 1 ? 1 : left;
		if ((uint64_t)left * 1000 < most)
			most = (uint64_t)left * 1000;
	}
	return most;
}
