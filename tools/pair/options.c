#include <math.h>

#include "base/num.h"
#include "pair/pair.h"

/* What the published recipes have: prompts of the paper's math set; the floor (on 0 to 10) and the cap of the authors' code. */
enum { PAPER_CAP = 20000, AUTHORS_CAP = 10000, AUTHORS_FLOOR = 6 };

#define T struct pair_options

const struct od_opt pair_opts[] = {
	OD_OPT_ENUM(T, strategy, "strategy", "NAME", od_strategy_names, "how chosen and rejected are found"),
	OD_OPT_DOUBLE(T, margin, "margin", "M", 0, 1e300, "the chosen response scores at least M more than the rejected one"),
	OD_OPT_STR(T, max_margin, "max-margin", "M", "and at most M more"),
	OD_OPT_STR(T, floor, "floor", "S", "the chosen response scores more than S (6 with math-authors)"),
	OD_OPT_STR(T, cap, "cap", "N", "at most N pairs; 0: all (20000 with math-paper, 10000 with math-authors)"),
	OD_OPT_STR(T, per_prompt, "pairs-per-prompt", "N", "at most N pairs a record, no response in two (1)"),
	OD_OPT_FLAG(T, all, "all", "as many pairs a record as its responses give (so with math-authors)"),
	OD_OPT_INT(T, max_tokens, "max-tokens", "N", 0, 1e9, "leave out responses with more tokens, by their member 'tokens'"),
	OD_OPT_FLAG(T, keep_truncated, "keep-truncated", "let responses that were cut at their length take part"),
	OD_OPT_FLAG(T, messages, "messages", "write responses as whole dialogues"),
	OD_OPT_STR(T, summary, "summary", "FILE", "the counts as one JSON object"),
	OD_OPT_END
};

static enum od_status
read_double(const char *text, const char *option, double missing, double *out, struct od_error *err)
{
	*out = missing;
	if (text && !od_num_double(text, out))
		return od_fail(err, OD_EUSAGE, "option '--%s' must be a number, not '%s'", option, text);
	return OD_OK;
}

static enum od_status
read_count(const char *text, const char *option, int64_t missing, int64_t *out, struct od_error *err)
{
	*out = missing;
	if (text && (!od_num_int(text, out) || *out < 0))
		return od_fail(err, OD_EUSAGE, "option '--%s' must be a number of pairs, not '%s'", option, text);
	return OD_OK;
}

enum od_status
pair_options_finish(struct pair_options *o, uint64_t seed, struct od_error *err)
{
	struct od_pairing_rules *r = &o->rules;
	bool authors = o->strategy == OD_MATH_AUTHORS;
	enum od_status st;

	*r = (struct od_pairing_rules){ .strategy = (enum od_strategy)o->strategy, .margin = o->margin,
		.max_tokens = o->max_tokens, .keep_truncated = o->keep_truncated, .need_correct = o->all, .seed = seed };
	st = read_double(o->max_margin, "max-margin", INFINITY, &r->max_margin, err);
	if (st == OD_OK)
		st = read_double(o->floor, "floor", authors ? AUTHORS_FLOOR : -INFINITY, &r->floor, err);
	if (st == OD_OK)
		st = read_count(o->cap, "cap", authors ? AUTHORS_CAP : o->strategy == OD_MATH_PAPER ? PAPER_CAP : 0, &o->n_cap, err);
	if (st == OD_OK)
		st = read_count(o->per_prompt, "pairs-per-prompt", authors || o->all ? 0 : 1, &o->n_per_prompt, err);
	if (st != OD_OK)
		return st;
	if (o->per_prompt && o->all)
		return od_fail(err, OD_EUSAGE, "options '--all' and '--pairs-per-prompt' exclude each other");
	if (r->max_margin < r->margin)
		return od_fail(err, OD_EUSAGE, "option '--max-margin' must not be less than '--margin'");
	return OD_OK;
}
