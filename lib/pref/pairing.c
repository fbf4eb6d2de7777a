#include "pref/pairing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/pair.h"

const char *const od_strategy_names[] = {
	"best-worst", "best-random", "math-paper", "math-authors", "iterative", "raft", NULL
};
const char *const od_unfit_names[] = { "fit", "empty", "too long", "truncated", "no answer", "not scored" };
const char *const od_unpaired_names[] = {
	"paired", "no response", "single", "all wrong", "under floor", "identical", "no lower score", "under margin", "over margin"
};

/* ---- what a strategy asks of responses ---------------------------------------------------------------------------------- */

static bool
is_math(enum od_strategy s)
{
	return s == OD_MATH_PAPER || s == OD_MATH_AUTHORS;
}

/* Whether any response says whether it is correct, or has a score. */
static bool
any_correct(const struct od_candidates *c)
{
	size_t i = 0;

	while (i < c->n && c->list[i].correct < 0)
		i++;
	return i < c->n;
}

static bool
any_score(const struct od_candidates *c)
{
	size_t i = 0;

	while (i < c->n && isnan(c->list[i].score))
		i++;
	return i < c->n;
}

static bool
needs_correct(const struct od_pairing *p)
{
	enum od_strategy s = p->rules->strategy;

	return is_math(s) || s == OD_ITERATIVE || (s == OD_RAFT && (p->rules->need_correct || any_correct(p->c)));
}

static bool
needs_score(const struct od_pairing *p)
{
	enum od_strategy s = p->rules->strategy;

	return s == OD_RAFT ? any_score(p->c) || !needs_correct(p) || p->rules->floor > -INFINITY : s != OD_ITERATIVE;
}

/* null is what od-score writes where an expert could not say. */
static bool
is_null(const struct od_candidate *r, const char *name)
{
	return json_is_null(json_object_get(r->json, name));
}

static enum od_status
check_needs(const struct od_pairing *p, struct od_error *err)
{
	bool correct = needs_correct(p), score = needs_score(p);

	for (size_t i = 0; i < p->c->n; i++) {
		const struct od_candidate *r = &p->c->list[i];

		if (correct && r->correct < 0 && !is_null(r, "correct"))
			return od_fail(err, OD_EFORMAT, "field 'responses.%zu.correct' is missing: run 'od-score verify' first", i);
		if (score && isnan(r->score) && !is_null(r, "score"))
			return od_fail(err, OD_EFORMAT, "field 'responses.%zu.score' is missing: run od-score with an expert first", i);
		if (score && isinf(r->score))
			return od_fail(err, OD_EFORMAT, "field 'responses.%zu.score' is not finite", i);
	}
	return OD_OK;
}

/* ---- which responses take part ------------------------------------------------------------------------------------------ */

static enum od_status
too_long(const struct od_pairing *p, size_t i, bool *out, struct od_error *err)
{
	const json_t *tokens = json_object_get(p->c->list[i].json, "tokens");

	*out = false;
	if (!p->rules->max_tokens)
		return OD_OK;
	if (!tokens)
		return od_fail(err, OD_EFORMAT, "field 'responses.%zu.tokens' is missing: the limit on tokens needs it", i);
	if (!json_is_number(tokens))
		return od_fail(err, OD_EFORMAT, "field 'responses.%zu.tokens' must be a number, not %s", i, od_json_type_name(tokens));
	*out = json_number_value(tokens) > (double)p->rules->max_tokens;
	return OD_OK;
}

static bool
is_truncated(const json_t *response)
{
	const char *reason = json_string_value(json_object_get(response, "finish_reason"));

	return reason && strcmp(reason, "length") == 0;
}

/* An extracted answer that is there and says nothing; without the member nothing is known. */
static bool
lacks_answer(const json_t *response)
{
	const json_t *answer = json_object_get(response, "extracted");
	const char *text = json_string_value(answer);

	return json_is_null(answer) || (text && od_pair_compare_texts(text, json_string_length(answer), NULL, 0) == OD_DROP_EMPTY);
}

static enum od_status
judge(struct od_pairing *p, size_t i, struct od_error *err)
{
	const struct od_candidate *r = &p->c->list[i];
	enum od_unfit *unfit = &p->items[i].unfit;
	bool lengthy;
	enum od_status st = too_long(p, i, &lengthy, err);

	*unfit = OD_FIT;
	if (od_pair_compare_texts(r->text, r->len, NULL, 0) == OD_DROP_EMPTY)
		*unfit = OD_UNFIT_EMPTY;
	else if (lengthy)
		*unfit = OD_UNFIT_TOO_LONG;
	else if (!p->rules->keep_truncated && is_truncated(r->json))
		*unfit = OD_UNFIT_TRUNCATED;
	else if (is_math(p->rules->strategy) && lacks_answer(r->json))
		*unfit = OD_UNFIT_NO_ANSWER;
	else if ((needs_correct(p) && r->correct < 0) || (needs_score(p) && isnan(r->score)))
		*unfit = OD_UNFIT_NOT_SCORED;
	p->unfit[*unfit]++;
	return st;
}

/* The rule of iterative DPO looks for the command, whatever follows it. */
static double
rule_reward(const struct od_candidate *r)
{
	if (r->correct > 0)
		return 1;
	return memmem(r->text, r->len, "\\boxed", 6) ? -0.5 : -1;
}

enum od_status
od_pairing_begin(struct od_pairing *p, const struct od_pairing_rules *rules, const struct od_candidates *c, uint64_t stream,
	struct od_error *err)
{
	enum od_status st;

	p->rules = rules;
	p->c = c;
	p->rng = od_rng_init(rules->seed, stream);
	memset(p->unfit, 0, sizeof p->unfit);
	if (!od_grow(&p->items, &p->cap, c->n, sizeof *p->items))
		return od_fail_nomem(err, "responses", c->n * sizeof *p->items);
	st = check_needs(p, err);
	for (size_t i = 0; st == OD_OK && i < c->n; i++) {
		p->items[i].reward = rules->strategy == OD_ITERATIVE ? rule_reward(&c->list[i]) : c->list[i].score;
		p->items[i].used = false;
		st = judge(p, i, err);
	}
	return st;
}

/* ---- chosen ------------------------------------------------------------------------------------------------------------- */

static bool
is_free(const struct od_pairing *p, size_t i)
{
	return p->items[i].unfit == OD_FIT && !p->items[i].used;
}

/* Wrong ones are never chosen where it is known which they are, except by those who only look at scores. */
static bool
may_be_chosen(const struct od_pairing *p, size_t i)
{
	enum od_strategy s = p->rules->strategy;

	return is_free(p, i) && (!(is_math(s) || s == OD_RAFT) || p->c->list[i].correct != 0);
}

static size_t
pick_chosen(const struct od_pairing *p)
{
	size_t best = OD_NO_RESPONSE;

	for (size_t i = 0; i < p->c->n; i++)
		if (may_be_chosen(p, i) && (best == OD_NO_RESPONSE || p->items[i].reward > p->items[best].reward))
			best = i;
	return best;
}

/* ---- rejected ----------------------------------------------------------------------------------------------------------- */

static bool
same_text(const struct od_pairing *p, size_t i, size_t j)
{
	const struct od_candidate *a = &p->c->list[i], *b = &p->c->list[j];

	return od_pair_compare_texts(a->text, a->len, b->text, b->len) == OD_DROP_IDENTICAL;
}

/* OD_PAIRED when j may be rejected beside w, else what is in the way. */
static enum od_unpaired
stand_against(const struct od_pairing *p, size_t w, size_t j)
{
	double gap = p->items[w].reward - p->items[j].reward;

	if (same_text(p, w, j))
		return OD_UNPAIRED_IDENTICAL;
	if (gap < 0 || (gap == 0 && p->rules->strategy != OD_MATH_AUTHORS))
		return OD_UNPAIRED_EQUAL;
	if (gap < p->rules->margin)
		return OD_UNPAIRED_UNDER;
	return gap > p->rules->max_margin ? OD_UNPAIRED_OVER : OD_PAIRED;
}

/* What may be rejected beside a chosen response: how many, the lowest, and, when none may, why. */
struct rivals {
	size_t n, lowest, n_correct;
	enum od_unpaired why;
};

static struct rivals
find_rivals(const struct od_pairing *p, size_t w)
{
	struct rivals r = { .lowest = OD_NO_RESPONSE, .why = OD_UNPAIRED_SINGLE };

	for (size_t j = 0; j < p->c->n; j++) {
		enum od_unpaired stand;

		if (j == w || !is_free(p, j))
			continue;
		stand = stand_against(p, w, j);
		if (stand != OD_PAIRED) {
			r.why = stand > r.why ? stand : r.why;          /* the reasons stand in order of how near they come */
			continue;
		}
		r.n++;
		r.n_correct += p->c->list[j].correct > 0;
		if (r.lowest == OD_NO_RESPONSE || p->items[j].reward < p->items[r.lowest].reward)
			r.lowest = j;
	}
	return r;
}

/* The k-th of those that may be rejected; of the correct ones among them, when asked for. */
static size_t
rival_number(const struct od_pairing *p, size_t w, uint64_t k, bool correct)
{
	size_t j = 0;

	for (;; j++) {
		if (j == w || !is_free(p, j) || (correct && p->c->list[j].correct <= 0) || stand_against(p, w, j) != OD_PAIRED)
			continue;
		if (k-- == 0)
			return j;
	}
}

static size_t
pick_rejected(struct od_pairing *p, size_t w, const struct rivals *r)
{
	bool correct = p->rules->strategy == OD_MATH_AUTHORS && r->n_correct > 0;

	if (p->rules->strategy != OD_BEST_RANDOM && p->rules->strategy != OD_MATH_AUTHORS)
		return r->lowest;
	return rival_number(p, w, od_rng_below(&p->rng, correct ? r->n_correct : r->n), correct);
}

/* ---- pairs -------------------------------------------------------------------------------------------------------------- */

static size_t
count_free(const struct od_pairing *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->c->n; i++)
		n += is_free(p, i);
	return n;
}

enum od_unpaired
od_pairing_next(struct od_pairing *p, struct od_choice *out)
{
	size_t w = pick_chosen(p);
	struct rivals r;

	if (w == OD_NO_RESPONSE)
		return count_free(p) ? OD_UNPAIRED_ALL_WRONG : OD_UNPAIRED_NONE;
	if (p->items[w].reward <= p->rules->floor)
		return OD_UNPAIRED_FLOOR;
	*out = (struct od_choice){ w, OD_NO_RESPONSE, p->items[w].reward, NAN };
	if (p->rules->strategy != OD_RAFT) {
		r = find_rivals(p, w);
		if (!r.n)
			return r.why;
		out->rejected = pick_rejected(p, w, &r);
		out->score_rejected = p->items[out->rejected].reward;
		p->items[out->rejected].used = true;
	}
	p->items[w].used = true;
	return OD_PAIRED;
}

void
od_pairing_release(struct od_pairing *p)
{
	free(p->items);
	*p = (struct od_pairing){ .rules = NULL };
}
