#include "pref/logps.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* prompt + response k as one sequence; scored flags only when the pair has some. */
static struct od_seq
one_side(const struct od_token_pair *p, int side, int32_t *ids, uint8_t *scored)
{
	int32_t n = side ? p->n_rejected : p->n_chosen, at = p->n_prompt + (side ? p->n_chosen : 0);
	struct od_seq s = { ids, p->n_prompt + n, p->n_prompt, p->scored ? scored : NULL };

	memcpy(ids, p->ids, (size_t)p->n_prompt * sizeof *ids);
	memcpy(ids + p->n_prompt, p->ids + at, (size_t)n * sizeof *ids);
	if (p->scored) {
		memset(scored, 0, (size_t)p->n_prompt);
		memcpy(scored + p->n_prompt, p->scored + at, (size_t)n);
	}
	return s;
}

int
od_pair_seqs(const struct od_token_pair *p, int32_t *ids, uint8_t *scored, struct od_seq seqs[2])
{
	int32_t first = p->n_prompt + p->n_chosen;

	seqs[0] = one_side(p, 0, ids, scored);
	if (p->n_rejected == 0)
		return 1;
	seqs[1] = one_side(p, 1, ids + first, scored + first);
	return 2;
}

/* Scratch for a pair's two sequences: ids, then flags. */
static enum od_status
pair_scratch(const struct od_token_pair *p, int32_t **ids, uint8_t **scored, struct od_error *err)
{
	size_t n = 2 * ((size_t)p->n_prompt + (size_t)p->n_chosen + (size_t)p->n_rejected);
	enum od_status st = od_alloc(ids, n, sizeof **ids + 1, "a pair", err);

	if (st == OD_OK)
		*scored = (uint8_t *)(*ids + n);
	return st;
}

enum od_status
od_batch_add_pair(struct od_batch *b, const struct od_token_pair *p, struct od_error *err)
{
	struct od_seq seqs[2];
	int32_t *ids = NULL;
	uint8_t *scored = NULL;
	enum od_status st = pair_scratch(p, &ids, &scored, err);

	if (st == OD_OK)
		st = od_batch_add(b, seqs, od_pair_seqs(p, ids, scored, seqs), err);
	free(ids);
	return st;
}

/* ---- windows ------------------------------------------------------------------------------------------------------ */

struct item {
	int64_t index, tokens;
};

/* Longest first: the arena is sized by the first batch, and short pairs fill the gaps at the end. */
static int
by_size(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->tokens != y->tokens)
		return x->tokens < y->tokens ? 1 : -1;
	return x->index < y->index ? -1 : 1;
}

static int64_t
upper_tokens(const struct od_token_pair *p)
{
	return (int64_t)p->n_prompt + p->n_chosen + p->n_rejected;
}

/* Where the token log-probs of a sequence go next; NULL when nobody asked. */
struct sink {
	float *next;
};

/* Entries of a batch are in row order, so those of one sequence are in token order. */
static void
deliver_tokens(const struct od_batch *b, const float *logps, struct sink *sinks)
{
	for (int64_t i = 0; i < b->n_entries; i++) {
		struct sink *s = &sinks[b->entry_seq[i]];

		if (s->next)
			*s->next++ = logps[i];
	}
}

/* Hands each pair of the batch its sums and, where asked for, its token log-probs. */
static void
deliver(const struct od_batch *b, const float *logps, double *sums, struct sink *sinks, const struct item *items, int64_t n,
	const struct od_token_pair *pairs, struct od_pair_logps *out)
{
	int32_t seq = 0;

	od_batch_sum(b, logps, sums);
	for (int64_t i = 0; i < n; i++) {
		const struct od_token_pair *p = &pairs[items[i].index];
		struct od_pair_logps *o = &out[items[i].index];

		sinks[seq].next = o->token_logps;
		o->chosen = sums[seq++];
		o->rejected = 0;
		if (p->n_rejected == 0)
			continue;
		sinks[seq].next = o->token_logps ? o->token_logps + p->scored_chosen : NULL;
		o->rejected = sums[seq++];
	}
	deliver_tokens(b, logps, sinks);
}

/* Packs items[0..] while they fit, runs them, and says in *used how many went. */
static enum od_status
run_batch(struct od_engine *e, struct od_batch *b, const struct item *items, int64_t n, int64_t budget,
	const struct od_token_pair *pairs, struct od_pair_logps *out, int64_t *used, struct od_error *err)
{
	float *logps = NULL;
	double *sums = NULL;
	struct sink *sinks = NULL;
	enum od_status st = OD_OK;
	int64_t k = 0;

	od_batch_clear(b);
	while (st == OD_OK && k < n && (k == 0 || b->n_tokens + items[k].tokens <= budget))
		st = od_batch_add_pair(b, &pairs[items[k++].index], err);
	if (st == OD_OK)
		st = od_alloc(&logps, (size_t)b->n_entries, sizeof *logps, "log-probs", err);
	if (st == OD_OK)
		st = od_alloc(&sums, (size_t)b->n_seqs, sizeof *sums, "log-probs", err);
	if (st == OD_OK)
		st = od_alloc(&sinks, (size_t)b->n_seqs, sizeof *sinks, "log-probs", err);
	if (st == OD_OK)
		st = od_engine_forward(e, b, logps, err);
	if (st == OD_OK)
		deliver(b, logps, sums, sinks, items, k, pairs, out);
	free(logps);
	free(sums);
	free(sinks);
	*used = k;
	return st;
}

static int64_t
flat_tokens(const struct od_token_pair *p)
{
	return upper_tokens(p) + (p->n_rejected ? p->n_prompt : 0);
}

enum od_status
od_logps_compute(struct od_engine *e, const struct od_token_pair *pairs, int64_t n, int64_t batch_tokens,
	struct od_pair_logps *out, od_logps_progress *progress, void *ctx, struct od_error *err)
{
	int64_t budget = batch_tokens > 0 ? batch_tokens : OD_LOGPS_BATCH_TOKENS, done = 0, flat = 0;
	struct od_batch b = OD_BATCH_INIT;
	struct item *items = NULL;
	enum od_status st = od_alloc(&items, (size_t)n, sizeof *items, "a window of pairs", err);

	for (int64_t i = 0; st == OD_OK && i < n; i++)
		items[i] = (struct item){ i, upper_tokens(&pairs[i]) };
	if (st == OD_OK)
		qsort(items, (size_t)n, sizeof *items, by_size);
	while (st == OD_OK && done < n) {
		int64_t used = 0;

		st = run_batch(e, &b, items + done, n - done, budget, pairs, out, &used, err);
		for (int64_t i = done; i < done + used; i++)
			flat += flat_tokens(&pairs[items[i].index]);
		done += used;
		if (st == OD_OK && progress)
			progress(ctx, done, flat);
	}
	od_batch_release(&b);
	free(items);
	return st;
}
