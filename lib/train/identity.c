#include "train/identity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pref/logps.h"

static void
note_diff(struct od_identity *id, const char *name, double a, double b)
{
	double diff = fabs(a - b);

	if (!(diff > id->max_diff))
		return;
	id->max_diff = diff;
	snprintf(id->worst, sizeof id->worst, "%s", name);
}

static void
compare(const struct od_trainer *t, const struct od_token_pair *p, const struct od_pair_logps *l, struct od_identity *id)
{
	struct od_pair_quantities q = od_quantities(p, l->chosen, l->rejected), same = q;
	double n = (double)id->pairs;

	note_diff(id, p->id, l->chosen, p->ref_chosen_logps);
	note_diff(id, p->id, l->rejected, p->ref_rejected_logps);
	same.logp_chosen = q.ref_chosen;
	same.logp_rejected = q.ref_rejected;
	id->loss += od_objective_eval(&t->set.objective, &q).loss / n;
	id->expected += od_objective_eval(&t->set.objective, &same).loss / n;
}

static int64_t
tokens_of(const struct od_token_pair *p)
{
	return (int64_t)p->n_prompt + p->n_chosen + p->n_rejected;
}

/* Puts a pair where it belongs among the shortest, n of them; of equal ones the first stays in front. */
static int64_t
keep_short(struct od_token_pair *shortest, int64_t n, const struct od_token_pair *p)
{
	int64_t at = n < OD_IDENTITY_PAIRS ? n : OD_IDENTITY_PAIRS - 1;

	if (n == OD_IDENTITY_PAIRS && tokens_of(p) >= tokens_of(&shortest[at]))
		return n;
	for (; at > 0 && tokens_of(&shortest[at - 1]) > tokens_of(p); at--)
		shortest[at] = shortest[at - 1];
	shortest[at] = *p;
	return n < OD_IDENTITY_PAIRS ? n + 1 : n;
}

/* Which pairs are compared; how many. */
static int64_t
choose(const struct od_trainer *t, struct od_token_pair *p)
{
	int64_t n = 0, keep = 0, tokens = 0;

	for (int64_t i = 0; i < t->order.n && i < OD_IDENTITY_FROM; i++) {
		struct od_token_pair pair;

		od_pairfile_get(t->order.pairs, i, &pair);
		n = keep_short(p, n, &pair);
	}
	while (keep < n && (keep == 0 || tokens + tokens_of(&p[keep]) <= OD_IDENTITY_TOKENS))
		tokens += tokens_of(&p[keep++]);
	return keep;
}

enum od_status
od_identity_check(struct od_trainer *t, struct od_identity *id, struct od_error *err)
{
	struct od_token_pair p[OD_IDENTITY_PAIRS];
	struct od_pair_logps l[OD_IDENTITY_PAIRS];
	int64_t n;
	enum od_status st;

	memset(id, 0, sizeof *id);
	memset(l, 0, sizeof l);
	if (!od_objective_needs_reference(&t->set.objective))
		return OD_OK;
	n = choose(t, p);
	/* one pair at a time: the arena was planned for the run's own batches */
	st = od_trainer_logps(t, p, n, 1, l, err);
	if (st != OD_OK)
		return st;
	id->pairs = n;
	for (int64_t i = 0; i < n; i++)
		compare(t, &p[i], &l[i], id);
	return OD_OK;
}
