/* stream.c -- od-inspect stream: what kind of stream this is, which fields its records have, and whether it is whole.
 * With --check every record must also be what its kind promises, and the exit status says so.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "inspect/fields.h"
#include "inspect/inspect.h"
#include "pref/pair.h"
#include "pref/pairstream.h"
#include "stats/describe.h"
#include "stats/draw.h"

struct stream_options {
	struct od_common_options common;
	bool check, json;
	int64_t expect;                          /* -1: any number */
};

static const struct od_opt stream_opts[] = {
	OD_OPT_FLAG(struct stream_options, check, "check",
		"every record must be sound for its kind (exit 4) and the stream whole (exit 3)"),
	OD_OPT_INT(struct stream_options, expect, "expect", "N", 0, 9e18, "the stream must have N records (exit 4)"),
	OD_OPT_FLAG(struct stream_options, json, "json", "write one JSON object"),
	OD_OPT_END
};

enum kind { PAIRS, SFT, CANDIDATES, PROMPTS, TELEMETRY, METRICS, WEIGHTS, OTHER, N_KINDS };

static const char *const kind_names[N_KINDS] = {
	"pairs", "sft", "candidates", "prompts", "telemetry", "metrics", "weights", "other"
};

/* Everything that is told about a stream. */
struct report {
	bool tensors, whole;
	int64_t records, malformed, frames;
	int64_t kinds[N_KINDS];
	struct od_fields fields;
	const char *broken;                      /* why the stream is not whole, NULL when it is */
	const char *first_malformed;
	struct od_moments tokens[3], scores[2], ref_logps[2];   /* of a tensor stream */
	struct od_ref_info ref;
};

/* ---- records ------------------------------------------------------------------------------------------------------ */

static bool
has(const json_t *record, const char *name)
{
	return json_object_get(record, name) != NULL;
}

static enum kind
kind_of(const json_t *r)
{
	if (has(r, "step") && has(r, "dlogp_chosen"))
		return TELEMETRY;
	if (has(r, "step") && (has(r, "grad_norm") || has(r, "eval")))
		return METRICS;
	if (has(r, "responses"))
		return CANDIDATES;
	if ((has(r, "chosen") && has(r, "rejected")) || (has(r, "chosen_ids") && has(r, "rejected_ids")))
		return PAIRS;
	if (has(r, "messages") || has(r, "chosen") || has(r, "chosen_ids"))
		return SFT;
	if (has(r, "dlogp_chosen"))
		return WEIGHTS;
	return has(r, "prompt") ? PROMPTS : OTHER;
}

static enum od_status
check_candidates(const json_t *record, struct od_error *err)
{
	const json_t *list = json_object_get(record, "responses");
	size_t i;
	json_t *v;

	if (!json_is_array(list))
		return od_fail(err, OD_EFORMAT, "field 'responses' must be an array");
	json_array_foreach((json_t *)list, i, v) {
		if (!json_is_string(v) && !json_is_string(json_object_get(v, "text")))
			return od_fail(err, OD_EFORMAT, "field 'responses.%zu.text' is missing or no string", i);
	}
	return OD_OK;
}

/* What a record of its kind must hold for the tools that read it. */
static enum od_status
check_record(const struct od_record *rec, enum kind kind, struct od_error *err)
{
	struct od_pair pair;
	enum od_status st;

	if (kind == CANDIDATES)
		return check_candidates(rec->json, err);
	if (kind == OTHER)
		return od_fail(err, OD_EFORMAT, "the record has no field that tells what it is");
	if (kind != PAIRS && kind != SFT)
		return OD_OK;
	st = od_pair_read(&pair, rec, NULL, err);
	return st == OD_OK ? od_pair_need_text(&pair, kind == PAIRS, err) : st;
}

static enum od_status
walk_records(struct od_jsonl *r, const struct stream_options *o, struct report *rep, struct od_error *err)
{
	struct od_record rec;
	enum od_status st;

	while ((st = od_jsonl_next(r, &rec, err)) == OD_OK) {
		enum kind kind = kind_of(rec.json);

		st = o->check ? check_record(&rec, kind, err) : OD_OK;
		if (st != OD_OK) {
			st = od_jsonl_reject(r, &rec, err);
			if (st != OD_OK)
				return st;
			continue;
		}
		rep->records++;
		rep->kinds[kind]++;
		st = od_fields_add(&rep->fields, rec.json, err);
		if (st != OD_OK)
			return st;
	}
	return st == OD_EOF ? OD_OK : st;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

static void
add_token_pair(struct report *rep, const struct od_token_pair *p)
{
	rep->records++;
	od_moments_add(&rep->tokens[0], p->n_prompt);
	od_moments_add(&rep->tokens[1], p->n_chosen);
	od_moments_add(&rep->tokens[2], p->n_rejected);
	od_moments_add(&rep->scores[0], p->score_chosen);
	od_moments_add(&rep->scores[1], p->score_rejected);
	od_moments_add(&rep->ref_logps[0], p->ref_chosen_logps);
	od_moments_add(&rep->ref_logps[1], p->ref_rejected_logps);
}

/* Owns 'in'. */
static enum od_status
walk_tensors(struct od_in *in, struct report *rep, struct od_error *err)
{
	struct od_pairstream_reader *r = NULL;
	struct od_token_pair p;
	enum od_status st = od_pairstream_open(&r, in, err);

	if (st != OD_OK)
		return st;
	while ((st = od_pairstream_next(r, &p, err)) == OD_OK)
		add_token_pair(rep, &p);
	if (rep->records > 0)
		rep->ref = *od_pairstream_ref(r);
	od_pairstream_close(r);
	return st == OD_EOF ? OD_OK : st;
}

/* ---- reports ------------------------------------------------------------------------------------------------------ */

static const char *
kind_text(const struct report *rep)
{
	int most = OTHER, n = 0;

	if (rep->tensors)
		return "tensors";
	for (int k = 0; k < N_KINDS; k++) {
		n += rep->kinds[k] > 0;
		if (rep->kinds[k] > rep->kinds[most])
			most = k;
	}
	return n > 1 ? "mixed" : n == 1 ? kind_names[most] : "empty";
}

struct tensor_row {
	const char *name;
	const struct od_moments *m;
};

#define N_TENSOR_ROWS 7

static void
tensor_rows(const struct report *rep, struct tensor_row rows[N_TENSOR_ROWS])
{
	static const char *const names[N_TENSOR_ROWS] = { "prompt_tokens", "chosen_tokens", "rejected_tokens", "score_chosen",
		"score_rejected", "ref_chosen_logps", "ref_rejected_logps" };

	for (int i = 0; i < N_TENSOR_ROWS; i++) {
		const struct od_moments *m = i < 3 ? &rep->tokens[i] : i < 5 ? &rep->scores[i - 3] : &rep->ref_logps[i - 5];

		rows[i] = (struct tensor_row){ names[i], m };
	}
}

static void
tensor_table(const struct report *rep, struct od_buf *out)
{
	static const char *const heads[] = { "quantity", "pairs", "min", "mean", "max" };
	struct od_table t = OD_TABLE_INIT(5, "lrrrr");
	struct tensor_row rows[N_TENSOR_ROWS];

	tensor_rows(rep, rows);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		od_table_cell(&t, heads[i]);
	for (int i = 0; i < N_TENSOR_ROWS; i++) {
		if (rows[i].m->n == 0)
			continue;
		od_table_cell(&t, rows[i].name);
		od_table_cellf(&t, "%lld", (long long)rows[i].m->n);
		od_table_number(&t, rows[i].m->min, 4);
		od_table_number(&t, od_moments_mean(rows[i].m), 4);
		od_table_number(&t, rows[i].m->max, 4);
	}
	od_table_render(&t, out, "  ");
	od_table_release(&t);
}

static void
tell_frames(const struct report *rep, struct od_buf *out)
{
	if (rep->tensors)
		od_buf_str(out, "yes");
	else if (rep->frames > 1)
		od_buf_printf(out, "%lld streams", (long long)rep->frames);
	else
		od_buf_str(out, rep->frames ? "yes" : "no");
	if (rep->broken)
		od_buf_printf(out, ", broken: %s", rep->broken);
	else if (rep->frames || rep->tensors)
		od_buf_str(out, ", whole");
	od_buf_char(out, '\n');
}

static void
report_text(const struct report *rep, struct od_buf *out)
{
	char count[OD_NUMBER_TEXT];

	od_buf_printf(out, "kind       %s", kind_text(rep));
	for (int k = 0, n = 0; strcmp(kind_text(rep), "mixed") == 0 && k < N_KINDS; k++)
		if (rep->kinds[k] > 0)
			od_buf_printf(out, "%s%s %lld", n++ ? ", " : ": ", kind_names[k], (long long)rep->kinds[k]);
	od_count_text(count, (long long)rep->records);
	od_buf_printf(out, "\nrecords    %s\n", count);
	if (rep->malformed > 0)
		od_buf_printf(out, "malformed  %lld, the first: %s\n", (long long)rep->malformed, rep->first_malformed);
	od_buf_str(out, "framed     ");
	tell_frames(rep, out);
	if (rep->ref.model[0])
		od_buf_printf(out, "reference  model %.12s, tokenizer %.12s, rules %s, numerics %s\n", rep->ref.model,
			rep->ref.tokenizer, rep->ref.rules, rep->ref.numerics);
	if (rep->records == 0)
		return;
	od_buf_char(out, '\n');
	if (rep->tensors)
		tensor_table(rep, out);
	else
		od_fields_table(&rep->fields, out);
}

static void
json_string_or_null(struct od_buf *out, const char *name, const char *s)
{
	od_buf_printf(out, ",\"%s\":", name);
	if (s && *s)
		od_buf_json_string(out, s, strlen(s));
	else
		od_buf_str(out, "null");
}

static void
tensor_json(const struct report *rep, struct od_buf *out)
{
	struct tensor_row rows[N_TENSOR_ROWS];
	bool first = true;

	tensor_rows(rep, rows);
	od_buf_char(out, '{');
	for (int i = 0; i < N_TENSOR_ROWS; i++) {
		if (rows[i].m->n == 0)
			continue;
		od_buf_printf(out, "%s\"%s\":{\"count\":%lld,\"value\":{\"min\":", first ? "" : ",", rows[i].name,
			(long long)rows[i].m->n);
		od_buf_json_double(out, rows[i].m->min);
		od_buf_str(out, ",\"mean\":");
		od_buf_json_double(out, od_moments_mean(rows[i].m));
		od_buf_str(out, ",\"max\":");
		od_buf_json_double(out, rows[i].m->max);
		od_buf_str(out, "}}");
		first = false;
	}
	od_buf_char(out, '}');
}

static void
report_json(const struct report *rep, struct od_buf *out)
{
	bool first = true;

	od_buf_printf(out, "{\"kind\":\"%s\",\"records\":%lld,\"malformed\":%lld,\"framed\":%s,\"frames\":%lld,\"whole\":%s",
		kind_text(rep), (long long)rep->records, (long long)rep->malformed,
		rep->frames || rep->tensors ? "true" : "false", (long long)rep->frames, rep->whole ? "true" : "false");
	json_string_or_null(out, "broken", rep->broken);
	json_string_or_null(out, "first_malformed", rep->first_malformed);
	od_buf_str(out, ",\"kinds\":{");
	for (int k = 0; k < N_KINDS; k++) {
		if (!rep->kinds[k])
			continue;
		od_buf_printf(out, "%s\"%s\":%lld", first ? "" : ",", kind_names[k], (long long)rep->kinds[k]);
		first = false;
	}
	od_buf_str(out, "},\"fields\":");
	if (rep->tensors)
		tensor_json(rep, out);
	else
		od_fields_json(&rep->fields, out);
	od_buf_str(out, "}\n");
}

static enum od_status
print_report(const struct report *rep, bool json, struct od_error *err)
{
	struct od_buf b = OD_BUF_INIT;
	enum od_status st = OD_OK;

	if (json)
		report_json(rep, &b);
	else
		report_text(rep, &b);
	if (!od_buf_ok(&b))
		st = od_fail_nomem(err, "the report", b.len);
	else
		fwrite(b.data, 1, b.len, stdout);        /* od_cli_end tells when this failed */
	od_buf_release(&b);
	return st;
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

/* True when a damaged stream is what was found, rather than a failure to look. */
static bool
is_finding(enum od_status st)
{
	return st == OD_EFORMAT || st == OD_ETRUNC || st == OD_EMISMATCH;
}

/* Owns 'in'. What the walk found wrong goes into *found, which the report quotes; the returned status is of the rest. */
static enum od_status
inspect(struct od_in *in, const char *const *more, size_t n_more, const struct stream_options *o,
	struct od_record_options *select, struct report *rep, struct od_error *found, struct od_error *err)
{
	struct od_jsonl *r = NULL;
	enum od_status st, printed;

	if (rep->tensors) {
		st = walk_tensors(in, rep, found);
	} else {
		st = od_jsonl_from(&r, in, select, found);
		if (st == OD_OK) {
			od_jsonl_then(r, more, n_more);
			st = walk_records(r, o, rep, found);
			rep->malformed = od_jsonl_skipped(r);
			rep->first_malformed = od_jsonl_first_skip(r);
			rep->frames = od_jsonl_frames(r);
		}
	}
	rep->whole = st == OD_OK;
	rep->broken = st == OD_OK ? NULL : found->msg;
	printed = st == OD_OK || is_finding(st) ? print_report(rep, o->json, err) : OD_OK;
	if (r)
		(void)od_cli_skipped(r);
	od_jsonl_close(r);
	return printed;
}

static enum od_status
open_first(struct od_in **in, const char *name, bool *tensors, struct od_error *err)
{
	enum od_status st = od_in_open(in, name, err);
	char head[16];
	size_t got;

	if (st == OD_OK)
		st = od_in_peek(*in, head, sizeof head, &got, err);
	if (st == OD_OK)
		*tensors = od_is_tensors(head, got);
	return st;
}

static enum od_status
run(const struct stream_options *o, struct od_record_options *select, const char *const *files, size_t n,
	int64_t *failed, struct od_error *err)
{
	struct report rep = { .fields = OD_FIELDS_INIT };
	struct od_error found = OD_ERROR_INIT;
	struct od_in *in = NULL;
	enum od_status st;

	select->skip_bad = true;                 /* malformed records are a finding, not the end */
	if (o->expect == 0)
		select->allow_empty = true;
	st = open_first(&in, n ? files[0] : "-", &rep.tensors, err);
	if (st == OD_OK && rep.tensors && n > 1)
		st = od_fail(err, OD_EUSAGE, "tensor streams are read one at a time; '%s' is too many", files[1]);
	if (st != OD_OK) {
		od_in_close(in);
		return st;
	}
	st = inspect(in, n ? files + 1 : NULL, n ? n - 1 : 0, o, select, &rep, &found, err);
	if (st == OD_OK && found.status != OD_OK) {
		*err = found;
		st = found.status;
	}
	*failed = rep.malformed;
	if (st == OD_OK && o->expect >= 0 && rep.records != o->expect) {
		od_warn("the stream has %lld records, %lld were expected", (long long)rep.records, (long long)o->expect);
		++*failed;
	}
	od_fields_release(&rep.fields);
	return st;
}

int
od_inspect_stream(int argc, char **argv)
{
	static const struct od_tool tool = { .name = "od-inspect",
		.summary = "what kind of stream this is, its fields, and whether it is whole",
		.usage = "stream [OPTION...] [FILE...]",
		.epilog = "Malformed records are counted and always give exit status 4." };
	struct stream_options o = { .common = OD_COMMON_OPTIONS_INIT, .expect = -1 };
	struct od_record_options select = OD_RECORD_OPTIONS_INIT;
	const struct od_opt_group groups[] = {
		{ "Stream", stream_opts, &o, NULL }, { "Records", od_record_opts, &select, NULL },
		{ "General", od_common_opts, &o.common, NULL }
	};
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t failed = 0;
	size_t n;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n);
	(void)run(&o, &select, files, n, &failed, &err);
	return od_cli_end(&err, failed);
}
