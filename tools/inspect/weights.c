/* weights.c -- od-inspect weights: what an objective makes of scored pairs that carry log-probs. Before training the
 * policy is the reference, so the whole initial distribution of weights can be seen without a single step. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "common/objective_opts.h"
#include "common/plot.h"
#include "inspect/inspect.h"
#include "inspect/weights.h"
#include "pref/pair.h"

struct weights_options {
	struct od_common_options common;
	bool json;
	const char *plot;
};

#define T struct weights_options

static const struct od_opt weights_opts[] = {
	OD_OPT_FLAG(T, json, "json", "one JSON line for each pair instead of the summary"),
	OD_OPT_STR(T, plot, "plot", "FILE", OD_PLOT_HELP),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-inspect", "what an objective makes of scored pairs", "weights [OPTION...] [FILE...]",
	"Reads policy_*_logps (the reference's where absent), ref_*_logps, *_tokens and score_*.\n"
};

/* The log-probs of the policy: its own when the record has them, the reference's otherwise. */
static enum od_status
policy_quantities(const struct od_pair *p, bool rejected_too, struct od_pair_quantities *q, bool *from_policy,
	struct od_error *err)
{
	*from_policy = !isnan(p->policy_chosen_logps) || !isnan(p->policy_rejected_logps);
	q->logp_chosen = *from_policy ? p->policy_chosen_logps : p->ref_chosen_logps;
	q->logp_rejected = *from_policy ? p->policy_rejected_logps : p->ref_rejected_logps;
	if (isnan(q->logp_chosen))
		return od_fail(err, OD_EFORMAT, "field '%s_chosen_logps' is missing", *from_policy ? "policy" : "ref");
	if (rejected_too && isnan(q->logp_rejected))
		return od_fail(err, OD_EFORMAT, "field '%s_rejected_logps' is missing", *from_policy ? "policy" : "ref");
	return OD_OK;
}

enum od_status
weights_quantities(const struct od_objective *o, const struct od_pair *p, struct od_pair_quantities *q,
	bool *from_policy, struct od_error *err)
{
	bool rejected = od_objective_needs_rejected(o);
	enum od_status st = policy_quantities(p, rejected, q, from_policy, err);

	q->ref_chosen = p->ref_chosen_logps;
	q->ref_rejected = p->ref_rejected_logps;
	q->n_chosen = p->chosen_tokens;
	q->n_rejected = p->rejected_tokens;
	q->score_chosen = p->score_chosen;
	q->score_rejected = p->score_rejected;
	q->weight = p->weight;
	if (st == OD_OK && od_objective_needs_reference(o))
		st = od_pair_need_reference(p, err);
	if (st == OD_OK && od_objective_uses_means(o) && isnan(p->chosen_tokens))
		st = od_fail(err, OD_EFORMAT, "field 'chosen_tokens' is missing");
	if (st == OD_OK && od_objective_uses_means(o) && rejected && isnan(p->rejected_tokens))
		st = od_fail(err, OD_EFORMAT, "field 'rejected_tokens' is missing");
	if (st == OD_OK && od_objective_needs_scores(o))
		st = od_pair_need_scores(p, err);
	return st;
}

static void
put_number(struct od_buf *b, const char *name, double v)
{
	if (isfinite(v))
		od_buf_printf(b, ",\"%s\":%.17g", name, v);
	else
		od_buf_printf(b, ",\"%s\":null", name);
}

/* The record's own id as it stands: a string or an integer. */
static void
put_id(struct od_buf *b, const struct od_record *rec)
{
	const json_t *id = json_object_get(rec->json, "id");

	if (json_is_integer(id))
		od_buf_printf(b, "{\"id\":%" JSON_INTEGER_FORMAT, json_integer_value(id));
	else if (rec->id[0]) {
		od_buf_str(b, "{\"id\":");
		od_buf_json_string(b, rec->id, strlen(rec->id));
	} else {
		od_buf_str(b, "{\"id\":null");
	}
}

static enum od_status
write_line(struct od_jsonl_writer *w, struct od_buf *b, const struct od_record *rec, const struct od_pair_loss *l,
	struct od_error *err)
{
	od_buf_clear(b);
	put_id(b, rec);
	put_number(b, "loss", l->loss);
	put_number(b, "w_qual", l->w_qual);
	put_number(b, "w_perf", l->w_perf);
	put_number(b, "z", l->z);
	put_number(b, "gate", l->gate);
	put_number(b, "nll", l->nll);
	put_number(b, "dlogp_chosen", l->dlogp_chosen);
	put_number(b, "dlogp_rejected", l->dlogp_rejected);
	put_number(b, "margin", l->margin);
	od_buf_char(b, '}');
	if (!od_buf_ok(b))
		return od_fail_nomem(err, "a record", b->len);
	return od_jsonl_write(w, b->data, b->len, err);
}

/* Walks over the stream; each pair goes to the writer and into the sample, either of which may be NULL. */
static enum od_status
walk(const struct od_objective_options *oo, struct od_jsonl *in, struct od_jsonl_writer *w, struct weights_sample *s,
	struct od_error *err)
{
	const struct od_field_map map = { .weight = oo->weight_field };
	struct od_buf line = OD_BUF_INIT;
	struct od_record rec;
	enum od_status st;

	while ((st = od_jsonl_next(in, &rec, err)) == OD_OK) {
		struct od_pair_quantities q;
		struct od_pair_loss l;
		struct od_pair p;
		bool from_policy = false;

		st = od_pair_read(&p, &rec, &map, err);
		if (st == OD_OK)
			st = weights_quantities(&oo->o, &p, &q, &from_policy, err);
		if (st != OD_OK) {
			st = od_jsonl_reject(in, &rec, err);
			if (st != OD_OK)
				break;
			continue;
		}
		l = od_objective_eval(&oo->o, &q);
		if (w)
			st = write_line(w, &line, &rec, &l, err);
		if (st == OD_OK && s)
			st = weights_collect(s, &oo->o, &q, &l, from_policy, err);
		if (st != OD_OK)
			break;
	}
	od_buf_release(&line);
	return st == OD_EOF ? OD_OK : st;
}

static enum od_status
run_json(const struct weights_options *o, const struct od_objective_options *oo, struct od_jsonl *in,
	struct od_error *err)
{
	struct weights_sample s = WEIGHTS_SAMPLE_INIT;
	struct od_jsonl_writer *w = NULL;
	struct od_out *out = NULL;
	enum od_status st = od_plot_check(o->plot, err), closed;

	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&w, out, o->common.framed, tool.name, err);
	if (st != OD_OK)
		return st;
	st = walk(oo, in, w, o->plot ? &s : NULL, err);
	closed = od_jsonl_writer_close(w, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? closed : st;
	if (st == OD_OK && o->plot)
		st = weights_plot(&s, o->plot, err);
	weights_sample_release(&s);
	return st;
}

static enum od_status
run_summary(const struct weights_options *o, const struct od_objective_options *oo, struct od_jsonl *in,
	struct od_error *err)
{
	struct weights_sample s = WEIGHTS_SAMPLE_INIT;
	struct od_buf text = OD_BUF_INIT;
	struct od_out *out = NULL;
	enum od_status st = od_plot_check(o->plot, err), closed;

	if (st == OD_OK)
		st = walk(oo, in, NULL, &s, err);
	if (st == OD_OK)
		st = weights_describe(&s, &oo->o, &text, err);
	if (st == OD_OK && o->plot)
		st = weights_plot(&s, o->plot, err);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK) {
		st = od_out_write(out, text.data, text.len, err);
		closed = od_out_close(out, st == OD_OK ? err : NULL);
		st = st == OD_OK ? closed : st;
	}
	if (st == OD_OK)
		weights_warn(&s, &oo->o);
	weights_sample_release(&s);
	od_buf_release(&text);
	return st;
}

int
od_inspect_weights(int argc, char **argv)
{
	struct weights_options o = { .common = OD_COMMON_OPTIONS_INIT };
	struct od_objective_options oo = OD_OBJECTIVE_OPTIONS_INIT;
	struct od_record_options select = OD_RECORD_OPTIONS_INIT;
	struct od_error err = OD_ERROR_INIT;
	const struct od_opt_group groups[] = {
		{ "General", od_common_opts, &o.common, NULL },
		{ "Output", weights_opts, &o, NULL },
		{ "Objective", od_objective_opts, &oo, &oo.given },
		{ "Records", od_record_opts, &select, NULL }
	};
	struct od_jsonl *in = NULL;
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;
	enum od_status st;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof(groups) / sizeof(groups[0]), argc, argv, &n_files);
	st = od_objective_options_finish(&oo, NULL, &err);
	if (st == OD_OK)
		st = od_jsonl_open(&in, files, n_files, &select, &err);
	if (st == OD_OK)
		st = o.json ? run_json(&o, &oo, in, &err) : run_summary(&o, &oo, in, &err);
	if (in && st == OD_OK)
		skipped = od_cli_skipped(in);
	od_jsonl_close(in);
	return od_cli_end(&err, skipped);
}
