/* od-ref -- adds reference (or policy) log-probs and token counts to preference pairs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "common/cli.h"
#include "common/rules_opts.h"
#include "common/session.h"
#include "pref/window.h"

static const char *const prefixes[] = { "ref", "policy", NULL };

struct ref_options {
	struct od_common_options common;
	struct od_record_options records;
	struct od_rules_options rules;
	struct od_device_options device;
	const char *model;
	int prefix;
	bool per_token, tensors, sft;
	int64_t batch_tokens, window;
};

static const struct od_opt ref_opts[] = {
	OD_OPT_STR(struct ref_options, model, "model", "DIR", "model directory whose log-probs are added (required)"),
	OD_OPT_ENUM(struct ref_options, prefix, "prefix", "NAME", prefixes,
		"first part of the added names: ref_chosen_logps or policy_chosen_logps"),
	OD_OPT_FLAG(struct ref_options, per_token, "per-token", "also add one log-prob a scored token, as arrays"),
	OD_OPT_FLAG(struct ref_options, tensors, "tensors", "write the tokenised pairs as a binary tensor stream"),
	OD_OPT_FLAG(struct ref_options, sft, "sft", "accept records without a rejected side"),
	OD_OPT_INT(struct ref_options, batch_tokens, "batch-tokens", "N", 0, 1 << 24,
		"tokens that run through the model at once (0: as suits the device); memory, not results, depends on it"),
	OD_OPT_INT(struct ref_options, window, "window", "N", 1, 1 << 20,
		"pairs read ahead to fill batches; output waits for them"),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-ref", "add reference log-probs and token counts to preference pairs",
	"[OPTION...] --model DIR [FILE...]",
	"Reads JSONL pairs from FILEs or standard input and writes the same records, in the same order, with\n"
	"ref_chosen_logps, ref_rejected_logps, chosen_tokens, rejected_tokens and a 'ref' block added.",
};

/* Everything one run has open. */
struct run {
	const struct ref_options *o;
	struct od_session session;
	struct od_engine *engine;
	struct od_jsonl *in;
	struct od_jsonl_writer *jsonl;
	struct od_pairstream_writer *tensors;
	struct od_window window;
	struct od_ref_info ref;
	struct od_buf ref_json, line, values;
	struct od_progress *progress;
	int64_t pairs, tokens, window_start;
	double started;
};

static void
show_progress(void *ctx, int64_t pairs_done, int64_t flat_tokens)
{
	struct run *r = ctx;
	char extra[64];

	snprintf(extra, sizeof extra, "%.0f tok/s", (double)(r->tokens + flat_tokens) / (od_now() - r->started + 1e-9));
	od_progress_update(r->progress, r->pairs + pairs_done, extra);
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

static void
build_ref_json(struct od_buf *b, const struct od_ref_info *ref)
{
	const char *const names[] = { "model", "tokenizer", "rules", "numerics" };
	const char *const values[] = { ref->model, ref->tokenizer, ref->rules, ref->numerics };
	bool first = true;

	od_buf_char(b, '{');
	for (int i = 0; i < 4; i++) {
		if (!*values[i])
			continue;
		od_buf_printf(b, "%s\"%s\":", first ? "" : ",", names[i]);
		od_buf_json_string(b, values[i], strlen(values[i]));
		first = false;
	}
	od_buf_char(b, '}');
}

/* Values are collected in one buffer while members remember where theirs lies; the buffer may move until the end. */
struct added {
	struct od_member member[8];
	char name[8][48];
	size_t at[8];
	size_t n;
};

static void
begin_member(struct run *r, struct added *a, const char *prefix, const char *name)
{
	snprintf(a->name[a->n], sizeof a->name[a->n], "%s%s", prefix, name);
	a->at[a->n++] = r->values.len;
}

static void
add_number(struct run *r, struct added *a, const char *prefix, const char *name, double v)
{
	begin_member(r, a, prefix, name);
	od_buf_json_double(&r->values, v);
}

static void
add_tokens(struct run *r, struct added *a, const char *prefix, const char *name, const float *v, int32_t n)
{
	begin_member(r, a, prefix, name);
	od_buf_char(&r->values, '[');
	for (int32_t i = 0; i < n; i++)
		od_buf_printf(&r->values, "%s%.9g", i ? "," : "", (double)v[i]);
	od_buf_char(&r->values, ']');
}

static void
add_block(struct run *r, struct added *a, const char *name)
{
	begin_member(r, a, "", name);
	od_buf_append(&r->values, r->ref_json.data, r->ref_json.len);
}

static void
finish_members(const struct run *r, struct added *a)
{
	for (size_t i = 0; i < a->n; i++) {
		size_t end = i + 1 < a->n ? a->at[i + 1] : r->values.len;

		a->member[i] = (struct od_member){ a->name[i], r->values.data + a->at[i], end - a->at[i] };
	}
}

static enum od_status
write_record(struct run *r, const struct od_window_item *it, struct od_error *err)
{
	const char *block = prefixes[r->o->prefix], *prefix = r->o->prefix ? "policy_" : "ref_";
	bool pair = it->pair.n_rejected > 0;
	struct added a = { .n = 0 };

	od_buf_clear(&r->values);
	od_buf_clear(&r->line);
	add_number(r, &a, prefix, "chosen_logps", it->logps.chosen);
	if (pair)
		add_number(r, &a, prefix, "rejected_logps", it->logps.rejected);
	add_number(r, &a, "", "chosen_tokens", it->pair.scored_chosen);
	if (pair)
		add_number(r, &a, "", "rejected_tokens", it->pair.scored_rejected);
	if (r->o->per_token)
		add_tokens(r, &a, prefix, "chosen_token_logps", it->logps.token_logps, it->pair.scored_chosen);
	if (r->o->per_token && pair)
		add_tokens(r, &a, prefix, "rejected_token_logps", it->logps.token_logps + it->pair.scored_chosen,
			it->pair.scored_rejected);
	add_block(r, &a, block);
	finish_members(r, &a);
	od_jsonl_splice(&r->line, it->line, it->len, a.member, a.n);
	if (!od_buf_ok(&r->line) || !od_buf_ok(&r->values))
		return od_fail_nomem(err, "a record", it->len);
	return od_jsonl_write(r->jsonl, r->line.data, r->line.len, err);
}

static enum od_status
write_tensors(struct run *r, const struct od_window_item *it, struct od_error *err)
{
	struct od_token_pair p = it->pair;

	p.ref_chosen_logps = it->logps.chosen;
	p.ref_rejected_logps = it->logps.rejected;
	p.ref_token_logps = r->o->per_token ? it->logps.token_logps : NULL;
	return od_pairstream_put(r->tensors, &p, err);
}

static enum od_status
open_output(struct run *r, struct od_error *err)
{
	struct od_out *out = NULL;
	enum od_status st = r->o->tensors ? od_cli_binary_stdout(err) : OD_OK;

	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK && r->o->tensors)
		return od_pairstream_create(&r->tensors, out, &r->ref, err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&r->jsonl, out, r->o->common.framed, tool.name, err);
	return st;
}

/* ---- the run ------------------------------------------------------------------------------------------------------ */

static enum od_status
open_run(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	enum od_status st = od_jsonl_open(&r->in, files, n_files, &r->o->records, err);

	if (st == OD_OK)
		st = od_session_open(&r->session, r->o->model, &r->o->device, (int)r->o->common.threads, &r->o->rules, err);
	if (st == OD_OK)
		st = od_engine_open(&r->engine, &r->session.model, NULL, err);
	if (st != OD_OK)
		return st;
	od_session_ref_info(&r->session, &r->ref);
	build_ref_json(&r->ref_json, &r->ref);
	r->window = (struct od_window)OD_WINDOW_INIT;
	r->window.max_pairs = r->o->window;
	r->window.sft = r->o->sft;
	r->window.per_token = r->o->per_token;
	st = open_output(r, err);
	r->progress = od_progress_begin("scoring", -1, "pairs");
	r->started = od_now();
	return st;
}

static enum od_status
run_window(struct run *r, struct od_error *err)
{
	int64_t batch = od_device_batch_tokens(r->session.be, r->o->batch_tokens);
	enum od_status st = od_window_score(&r->window, r->engine, batch, show_progress, r, err);

	for (int64_t i = 0; st == OD_OK && i < r->window.n; i++) {
		const struct od_window_item *it = &r->window.items[i];

		st = r->o->tensors ? write_tensors(r, it, err) : write_record(r, it, err);
		r->tokens += it->pair.n_prompt * (it->pair.n_rejected ? 2 : 1) + it->pair.n_chosen + it->pair.n_rejected;
	}
	r->pairs += r->window.n;
	if (st == OD_OK && r->jsonl)
		st = od_jsonl_writer_flush(r->jsonl, err);       /* the next window may take its time */
	return st;
}

static void
report(const struct run *r)
{
	double seconds = od_now() - r->started;

	for (int i = OD_KEEP + 1; i < OD_N_DROPS; i++)
		if (r->window.dropped[i])
			od_note("%lld records left out: %s", (long long)r->window.dropped[i], od_drop_names[i]);
	od_note("%lld pairs, %lld tokens, %.1f s, %.0f tokens/s (%s; %s)", (long long)r->pairs, (long long)r->tokens, seconds,
		(double)r->tokens / (seconds + 1e-9), r->ref.rules, r->ref.numerics);
}

/* Ends both kinds of output; the first error wins. */
static enum od_status
close_output(struct run *r, enum od_status st, struct od_error *err)
{
	enum od_status closed;

	closed = od_jsonl_writer_close(r->jsonl, st == OD_OK ? NULL : err, st == OD_OK ? err : NULL);
	if (st == OD_OK)
		st = closed;
	closed = od_pairstream_finish(r->tensors, st == OD_OK, st == OD_OK ? err : NULL);
	return st == OD_OK ? closed : st;
}

static enum od_status
run(const struct ref_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o };
	enum od_status st = open_run(&r, files, n_files, err);

	while (st == OD_OK) {
		st = od_window_fill(&r.window, r.in, &r.session.rules, NULL, err);
		if (st == OD_OK)
			st = run_window(&r, err);
	}
	if (st == OD_EOF)
		st = OD_OK;
	od_progress_end(r.progress);
	st = close_output(&r, st, err);
	if (st == OD_OK)
		report(&r);
	if (r.in)
		*skipped = od_cli_skipped(r.in);
	od_window_release(&r.window);
	od_buf_release(&r.ref_json);
	od_buf_release(&r.line);
	od_buf_release(&r.values);
	od_jsonl_close(r.in);
	od_engine_close(r.engine);
	od_session_close(&r.session);
	return st;
}

int
main(int argc, char **argv)
{
	struct ref_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT,
		.rules = OD_RULES_OPTIONS_INIT, .device = OD_DEVICE_OPTIONS_INIT, .window = 256 };
	struct od_opt_group groups[] = {
		{ "Reference", ref_opts, &o, NULL },
		{ "Device", od_device_opts, &o.device, NULL },
		{ "Token rules", od_rules_opts, &o.rules, &o.rules.given },
		{ "Records", od_record_opts, &o.records, NULL },
		{ "General", od_common_opts, &o.common, NULL },
	};
	struct od_error err = OD_ERROR_INIT;
	const struct od_recipe *recipe = NULL;
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;

	od_device_settle_threads(argv, OD_SPINS_PASS);
	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	if (!o.model)
		od_fail(&err, OD_EUSAGE, "--model DIR is required");
	else if (od_rules_options_recipe(&o.rules, &recipe, &err) == OD_OK)
		run(&o, files, n_files, &skipped, &err);
	return od_cli_end(&err, skipped);
}
