#include "pref/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct od_token_pair
od_token_pair_of(const struct od_pair *p, const struct od_pair_tokens *t)
{
	return (struct od_token_pair){
		.id = p->id, .ids = t->ids, .scored = t->scored,
		.n_prompt = t->n_prompt, .n_chosen = t->n_chosen, .n_rejected = t->n_rejected,
		.scored_chosen = t->scored_chosen, .scored_rejected = t->scored_rejected,
		.score_chosen = p->score_chosen, .score_rejected = p->score_rejected,
		.ref_chosen_logps = p->ref_chosen_logps, .ref_rejected_logps = p->ref_rejected_logps,
		.weight = p->weight,
	};
}

/* Slots are kept from window to window, with their buffers. */
static enum od_status
next_slot(struct od_window *w, struct od_window_item **out, struct od_error *err)
{
	size_t old = w->cap;

	if (!od_grow(&w->items, &w->cap, (size_t)w->n + 1, sizeof *w->items))
		return od_fail_nomem(err, "a window of records", (unsigned long long)(w->n + 1) * sizeof *w->items);
	if (w->cap > old)
		memset(w->items + old, 0, (w->cap - old) * sizeof *w->items);
	*out = &w->items[w->n];
	return OD_OK;
}

/* Keeps what of the pair outlives its JSON record. */
static enum od_status
keep(struct od_window *w, struct od_window_item *it, const struct od_record *rec, const struct od_pair *p,
	struct od_error *err)
{
	free(it->line);
	it->line = od_strndup(rec->line, rec->len);
	if (!it->line)
		return od_fail_nomem(err, "a record", rec->len);
	it->len = rec->len;
	memcpy(it->id, rec->id, sizeof it->id);
	it->numbers = *p;
	it->numbers.id = it->id;
	it->numbers.prompt = it->numbers.chosen = it->numbers.rejected = it->numbers.messages = NULL;
	it->numbers.prompt_ids = it->numbers.chosen_ids = it->numbers.rejected_ids = NULL;
	w->n++;
	w->tokens += (int64_t)it->tokens.n_prompt + it->tokens.n_chosen + it->tokens.n_rejected;
	w->bytes += (int64_t)rec->len;
	return OD_OK;
}

static enum od_status
tokenize(struct od_window *w, const struct od_record *rec, const struct od_rules *rules, const struct od_field_map *map,
	struct od_pair *p, struct od_window_item *it, enum od_drop *drop, struct od_error *err)
{
	enum od_status st = od_pair_read(p, rec, map, err);

	if (st == OD_OK)
		st = od_pair_need_text(p, !w->sft, err);
	if (st == OD_OK && w->check)
		st = w->check(w->check_ctx, p, err);
	if (st == OD_OK)
		st = od_rules_apply(rules, p, &it->tokens, drop, err);
	return st;
}

static enum od_status
take_record(struct od_window *w, struct od_jsonl *in, const struct od_record *rec, const struct od_rules *rules,
	const struct od_field_map *map, struct od_error *err)
{
	struct od_window_item *it = NULL;
	enum od_drop drop = OD_KEEP;
	struct od_pair p;
	enum od_status st = next_slot(w, &it, err);

	if (st != OD_OK)
		return st;
	st = tokenize(w, rec, rules, map, &p, it, &drop, err);
	if (st == OD_EFORMAT)
		return od_jsonl_reject(in, rec, err);
	if (st == OD_EMISMATCH)
		return od_error_prefix(err, "%s:%lld: ", rec->source, (long long)rec->lineno);
	if (st != OD_OK)
		return st;
	w->dropped[drop]++;
	return drop == OD_KEEP ? keep(w, it, rec, &p, err) : OD_OK;
}

/* Views are made once the window stands still: the items move while it grows. */
static void
make_views(struct od_window *w)
{
	for (int64_t i = 0; i < w->n; i++) {
		struct od_window_item *it = &w->items[i];

		it->numbers.id = it->id;
		it->pair = od_token_pair_of(&it->numbers, &it->tokens);
	}
}

enum od_status
od_window_fill(struct od_window *w, struct od_jsonl *in, const struct od_rules *rules, const struct od_field_map *map,
	struct od_error *err)
{
	struct od_record rec;
	enum od_status st = OD_OK;

	w->n = w->tokens = w->bytes = 0;
	while (st == OD_OK && w->n < w->max_pairs && w->tokens < w->max_tokens && w->bytes < w->max_bytes) {
		st = od_jsonl_next(in, &rec, err);
		if (st == OD_OK)
			st = take_record(w, in, &rec, rules, map, err);
	}
	make_views(w);
	return st == OD_EOF && w->n > 0 ? OD_OK : st;
}

static enum od_status
make_token_room(struct od_window_item *it, struct od_error *err)
{
	free(it->logps.token_logps);
	it->logps.token_logps = NULL;
	return od_alloc(&it->logps.token_logps, (size_t)it->pair.scored_chosen + (size_t)it->pair.scored_rejected,
		sizeof(float), "token log-probs", err);
}

enum od_status
od_window_score(struct od_window *w, struct od_engine *e, int64_t batch_tokens, od_logps_progress *progress, void *ctx,
	struct od_error *err)
{
	struct od_token_pair *pairs = NULL;
	struct od_pair_logps *out = NULL;
	enum od_status st = od_alloc(&pairs, (size_t)w->n, sizeof *pairs, "a window of pairs", err);

	if (st == OD_OK)
		st = od_alloc(&out, (size_t)w->n, sizeof *out, "a window of log-probs", err);
	for (int64_t i = 0; st == OD_OK && i < w->n; i++) {
		if (w->per_token)
			st = make_token_room(&w->items[i], err);
		pairs[i] = w->items[i].pair;
		out[i].token_logps = w->items[i].logps.token_logps;
	}
	if (st == OD_OK)
		st = od_logps_compute(e, pairs, w->n, batch_tokens, out, progress, ctx, err);
	for (int64_t i = 0; st == OD_OK && i < w->n; i++)
		w->items[i].logps = out[i];
	free(pairs);
	free(out);
	return st;
}

void
od_window_release(struct od_window *w)
{
	for (size_t i = 0; i < w->cap; i++) {
		free(w->items[i].line);
		free(w->items[i].logps.token_logps);
		od_pair_tokens_release(&w->items[i].tokens);
	}
	free(w->items);
	w->items = NULL;
	w->n = 0;
	w->cap = 0;
}
