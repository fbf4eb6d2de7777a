/* responses.c -- the stream through an expert that scores responses: hold records, ask, scale, splice, write. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pref/candidates.h"
#include "score/score.h"
#include "stats/describe.h"

#define WINDOW_BYTES ((size_t)64 << 20)         /* of records held while their responses are asked about */
#define MAX_GROUPS 8                            /* of options of a sub-command */

/* A record that waits for its scores, and what must outlive the reader's. */
struct held {
	struct od_record rec;
	struct od_buf line, source;
	struct od_candidates c;
	size_t first, n_asks;                      /* of the window's asks */
	bool done;                                 /* it has this run's scores, and keeps them */
	struct od_error err;                       /* why it is unusable: told in its turn */
};

/* A member to be added, in r->values: places, because that moves while it grows. */
struct pending {
	size_t name, value, len;
};

struct tally {
	int64_t records, responses, unscored, passed;
	char first_unscored[1024];
	struct od_moments scores;
	struct od_quality quality;                 /* of pairs */
};

struct run {
	const struct score_responses_options *o;
	struct od_response_expert *expert;
	struct od_jsonl *in;
	struct od_jsonl_writer *out;
	struct score_block block;
	double a, b;
	struct held *held;
	struct od_ask *asks;
	struct od_answer *answers;
	size_t n, cap, bytes, window, n_asks, cap_asks, cap_answers;
	/* of the record that is being written */
	struct pending *pending;
	struct od_member *members;
	struct od_candidate_members *each;
	size_t n_pending, cap_pending, cap_members, cap_each;
	struct od_buf values, scratch, line;
	struct tally sum;
	struct od_progress *progress;
};

/* ---- holding ------------------------------------------------------------------------------------------------------------ */

/* Slots are kept from window to window, with their buffers. */
static enum od_status
hold(struct run *r, const struct od_record *rec, struct held **out, struct od_error *err)
{
	size_t old = r->cap;
	struct held *h;

	if (!od_grow(&r->held, &r->cap, r->n + 1, sizeof *r->held))
		return od_fail_nomem(err, "a window of records", (r->n + 1) * sizeof *r->held);
	memset(r->held + old, 0, (r->cap - old) * sizeof *r->held);
	h = &r->held[r->n];
	od_buf_clear(&h->line);
	od_buf_append(&h->line, rec->line, rec->len);
	od_buf_clear(&h->source);
	od_buf_str(&h->source, rec->source);
	if (!od_buf_ok(&h->line) || !od_buf_ok(&h->source))
		return od_fail_nomem(err, "a record", rec->len);
	h->rec = *rec;
	h->rec.line = h->line.data;
	h->rec.source = h->source.data;
	json_incref(h->rec.json);
	h->err = (struct od_error)OD_ERROR_INIT;
	h->done = false;
	r->n++;
	r->bytes += rec->len;
	*out = h;
	return OD_OK;
}

static void
let_go(struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		json_decref(r->held[i].rec.json);
	r->n = r->n_asks = r->bytes = 0;
}

/* Whether response i has a score of the kind this run writes. */
static bool
has_score(const struct run *r, const struct held *h, size_t i)
{
	const json_t *scores;

	if (!r->o->name)
		return !isnan(h->c.list[i].score);
	scores = od_candidate_get(h->rec.json, i, "scores");
	return json_is_number(json_object_get(scores, r->o->name));
}

static enum od_status
check_scored(struct run *r, struct held *h)
{
	bool same;
	enum od_status st = score_block_refuse(&r->block, &h->rec, false, &same, &h->err);

	h->done = same && r->o->only_missing;
	for (size_t i = 0; i < h->c.n; i++)
		h->done = h->done && has_score(r, h, i);
	return st;
}

/* *last: nothing after this record will be used. */
static enum od_status
take(struct run *r, const struct od_record *rec, bool *last, struct od_error *err)
{
	struct held *h = NULL;
	enum od_status st = hold(r, rec, &h, err);

	if (st != OD_OK)
		return st;
	st = od_candidates_read(&h->c, &h->rec, r->o->answer, &h->err);
	if (st == OD_OK && !r->o->rescore)
		st = check_scored(r, h);
	h->first = r->n_asks;
	h->n_asks = st == OD_OK && !h->done ? h->c.n : 0;
	r->n_asks += h->n_asks;
	*last = st != OD_OK && (st != OD_EFORMAT || !r->o->records.skip_bad);
	return OD_OK;
}

/* The next window; whole records, at least one. What ends the input is returned while what came before it is held. */
static enum od_status
fill(struct run *r, struct od_error *err)
{
	struct od_record rec;
	enum od_status st = OD_OK;
	bool last = false;

	while (st == OD_OK && !last && r->n < r->window && r->n_asks < r->window && r->bytes < WINDOW_BYTES) {
		st = od_jsonl_next(r->in, &rec, err);
		if (st == OD_OK)
			st = take(r, &rec, &last, err);
	}
	return st;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static enum od_status
make_room(struct run *r, struct od_error *err)
{
	size_t old = r->cap_answers;

	if (!od_grow(&r->asks, &r->cap_asks, r->n_asks, sizeof *r->asks) ||
		!od_grow(&r->answers, &r->cap_answers, r->n_asks, sizeof *r->answers))
		return od_fail_nomem(err, "questions to an expert", r->n_asks * (sizeof *r->asks + sizeof *r->answers));
	memset(r->answers + old, 0, (r->cap_answers - old) * sizeof *r->answers);
	return OD_OK;
}

static enum od_status
ask(struct run *r, struct od_error *err)
{
	enum od_status st;

	if (!r->n_asks)
		return OD_OK;
	st = make_room(r, err);
	if (st != OD_OK)
		return st;
	for (size_t i = 0; i < r->n; i++) {
		const struct held *h = &r->held[i];

		for (size_t k = 0; k < h->n_asks; k++)
			r->asks[h->first + k] = (struct od_ask){ .prompt = h->c.prompt, .text = h->c.list[k].text, .len = h->c.list[k].len,
				.answer = h->c.answer, .id = h->rec.id, .record = h->rec.json, .index = k };
	}
	for (size_t i = 0; i < r->n_asks; i++) {
		r->answers[i].status = OD_OK;
		r->answers[i].err = (struct od_error)OD_ERROR_INIT;
		r->answers[i].score = NAN;
		od_buf_clear(&r->answers[i].members);
	}
	return r->expert->score(r->expert, r->asks, r->n_asks, r->answers, err);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

/* Members are written into r->values one after the other: begin_member, the value, end_member. */
static void
begin_member(struct run *r, const char *name, size_t n)
{
	struct pending p = { .name = r->values.len };

	od_buf_append(&r->values, name, n);
	od_buf_char(&r->values, '\0');
	p.value = r->values.len;
	if (od_grow(&r->pending, &r->cap_pending, r->n_pending + 1, sizeof *r->pending))
		r->pending[r->n_pending++] = p;
	else
		r->values.failed = true;
}

static void
end_member(struct run *r)
{
	if (r->n_pending)
		r->pending[r->n_pending - 1].len = r->values.len - r->pending[r->n_pending - 1].value;
}

static void
add_score(struct run *r, const struct held *h, size_t i, double score)
{
	const char *member = r->o->name ? "scores" : "score";

	begin_member(r, member, strlen(member));
	if (r->o->name) {
		od_buf_clear(&r->scratch);
		od_buf_json_double(&r->scratch, score);
		od_candidates_splice_into(&r->values, &h->c, &h->rec, i, member,
			&(struct od_member){ r->o->name, r->scratch.data, r->scratch.len });
	} else {
		od_buf_json_double(&r->values, score);             /* null when it is not finite */
	}
	end_member(r);
}

/* What else the expert says of a response: ,"a":1,"b":2 */
static void
add_members(struct run *r, const struct od_buf *members)
{
	struct od_span name, value;
	size_t pos = 0;

	if (members->failed)
		r->values.failed = true;
	if (!members->len)
		return;
	od_buf_clear(&r->scratch);
	od_buf_char(&r->scratch, '{');
	od_buf_append(&r->scratch, members->data + 1, members->len - 1);
	od_buf_char(&r->scratch, '}');
	while (od_buf_ok(&r->scratch) && od_jsonl_walk(r->scratch.data, r->scratch.len, &pos, &name, &value)) {
		begin_member(r, r->scratch.data + name.at, name.len);
		od_buf_append(&r->values, r->scratch.data + value.at, value.len);
		end_member(r);
	}
}

static void
add_block(struct run *r, const struct held *h)
{
	const char *member = r->o->name ? "scores" : "score", *text = r->block.text;

	begin_member(r, member, strlen(member));
	if (r->o->name)
		od_jsonl_splice_into(&r->values, h->rec.line, h->rec.len, member,
			&(struct od_member){ r->o->name, text, strlen(text) }, 1);
	else
		od_buf_str(&r->values, text);
	end_member(r);
}

/* r->members from r->pending, once r->values has stopped growing. */
static enum od_status
settle_members(struct run *r, size_t n_responses, struct od_error *err)
{
	size_t first = 0;

	if (!od_buf_ok(&r->values) || !od_buf_ok(&r->scratch) ||
		!od_grow(&r->members, &r->cap_members, r->n_pending, sizeof *r->members))
		return od_fail_nomem(err, "a record", r->values.len);
	for (size_t i = 0; i < r->n_pending; i++) {
		const struct pending *p = &r->pending[i];

		r->members[i] = (struct od_member){ r->values.data + p->name, r->values.data + p->value, p->len };
	}
	for (size_t i = 0; i < n_responses; i++) {
		r->each[i].m = r->members + first;
		first += r->each[i].n;
	}
	return OD_OK;
}

static enum od_status
write_record(struct run *r, const struct held *h, struct od_error *err)
{
	size_t n_top;
	enum od_status st;

	if (!od_grow(&r->each, &r->cap_each, h->c.n, sizeof *r->each))
		return od_fail_nomem(err, "a record", h->rec.len);
	od_buf_clear(&r->values);
	od_buf_clear(&r->scratch);
	od_buf_clear(&r->line);
	r->n_pending = 0;
	for (size_t i = 0; i < h->c.n; i++) {
		const struct od_answer *a = &r->answers[h->first + i];
		size_t before = r->n_pending;

		add_score(r, h, i, a->score);
		if (a->status == OD_OK)
			add_members(r, &a->members);
		r->each[i].n = r->n_pending - before;
	}
	n_top = r->n_pending;
	add_block(r, h);
	st = settle_members(r, h->c.n, err);
	if (st != OD_OK)
		return st;
	od_candidates_splice(&r->line, &h->c, &h->rec, r->each, r->members + n_top, 1);
	if (!od_buf_ok(&r->line))
		return od_fail_nomem(err, "a record", h->rec.len);
	return od_jsonl_write(r->out, r->line.data, r->line.len, err);
}

/* Names the response in front of what is wrong with it. */
static void
name_response(const struct held *h, size_t i, struct od_error *err)
{
	if (h->c.pair)
		od_error_prefix(err, "%s: ", i ? "rejected" : "chosen");
	else
		od_error_prefix(err, "responses.%zu: ", i);
}

/* Puts an answer on the scale. OD_EFORMAT when there is no score. */
static enum od_status
scale_answer(struct run *r, const struct held *h, size_t i, struct od_error *err)
{
	struct od_answer *a = &r->answers[h->first + i];

	if (a->status == OD_OK) {
		a->score = r->a * a->score + r->b;
		if (isfinite(a->score))
			return OD_OK;
		a->status = od_fail(&a->err, OD_EFORMAT, "score is not finite");
	}
	a->score = NAN;
	name_response(h, i, &a->err);
	*err = a->err;
	return err->status = OD_EFORMAT;
}

/* OD_EFORMAT when the record is to be rejected for one of its answers. */
static enum od_status
scale_answers(struct run *r, const struct held *h, struct od_error *err)
{
	struct od_error first = OD_ERROR_INIT;
	int64_t unscored = 0;

	for (size_t i = 0; i < h->n_asks; i++)
		if (scale_answer(r, h, i, unscored ? &(struct od_error)OD_ERROR_INIT : &first) != OD_OK)
			unscored++;
	if (unscored && r->o->unscored == UNSCORED_REJECT) {
		*err = first;
		return OD_EFORMAT;
	}
	if (unscored && !r->sum.unscored)
		snprintf(r->sum.first_unscored, sizeof r->sum.first_unscored, "%.200s:%lld: %.700s", h->rec.source,
			(long long)h->rec.lineno, first.msg);
	r->sum.unscored += unscored;
	return OD_OK;
}

static void
count(struct run *r, const struct held *h)
{
	const struct od_answer *a = r->answers + h->first;

	r->sum.records++;
	for (size_t i = 0; i < h->n_asks; i++) {
		if (a[i].status != OD_OK)
			continue;
		r->sum.responses++;
		od_moments_add(&r->sum.scores, a[i].score);
	}
	if (h->c.pair)
		od_quality_add(&r->sum.quality, &r->o->objective, a[0].score, a[1].score);
}

static enum od_status
finish_record(struct run *r, const struct held *h, struct od_error *err)
{
	enum od_status st = h->err.status;

	if (st != OD_OK)
		*err = h->err;
	else if (h->done) {
		r->sum.passed++;
		return od_jsonl_write(r->out, h->rec.line, h->rec.len, err);
	} else
		st = scale_answers(r, h, err);
	if (st == OD_EFORMAT)
		return od_jsonl_reject(r->in, &h->rec, err);
	if (st != OD_OK)
		return st;
	count(r, h);
	return write_record(r, h, err);
}

/* ---- the run ------------------------------------------------------------------------------------------------------------ */

static enum od_status
run_window(struct run *r, struct od_error *err)
{
	enum od_status st = ask(r, err);

	for (size_t i = 0; st == OD_OK && i < r->n; i++)
		st = finish_record(r, &r->held[i], err);
	let_go(r);
	od_progress_update(r->progress, r->sum.responses + r->sum.unscored, NULL);
	return st == OD_OK ? od_jsonl_writer_flush(r->out, err) : st;      /* the next window may take its time */
}

/* What ended the input is told after the records before it are written. */
static enum od_status
run_stream(struct run *r, struct od_error *err)
{
	struct od_error end = OD_ERROR_INIT;
	enum od_status st, more;

	r->progress = od_progress_begin("scoring", -1, "responses");
	do {
		more = fill(r, &end);
		st = run_window(r, err);
	} while (st == OD_OK && more == OD_OK);
	od_progress_end(r->progress);
	if (st == OD_OK && more != OD_EOF) {
		*err = end;
		st = more;
	}
	return st;
}

static void
report(const struct run *r)
{
	const struct tally *s = &r->sum;
	struct od_buf b = OD_BUF_INIT;

	od_buf_printf(&b, "%lld responses of %lld records scored", (long long)s->responses, (long long)s->records);
	if (s->passed)
		od_buf_printf(&b, ", %lld had these scores already", (long long)s->passed);
	if (s->responses)
		od_buf_printf(&b, "; scores %.4g to %.4g, mean %.4g", s->scores.min, s->scores.max, s->scores.mean);
	if (od_buf_ok(&b))
		od_note("%s", b.data);
	od_buf_clear(&b);
	if (r->expert->summary)
		r->expert->summary(r->expert, &b);
	if (b.len && od_buf_ok(&b))
		od_note("%s", b.data);
	od_buf_release(&b);
	if (s->unscored)
		od_warn("%lld response%s without a score, the first: %s", (long long)s->unscored, s->unscored == 1 ? "" : "s",
			s->first_unscored);
	if (!r->o->name)
		score_quality_warn(&s->quality, &r->o->objective);
}

static enum od_status
check_name(const char *name, struct od_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (name && (!*name || strlen(name) > 64 || name[strspn(name, allowed)]))
		return od_fail(err, OD_EUSAGE, "option '--name' must be letters, digits, '-' and '_', not '%s'", name);
	return OD_OK;
}

/* The expert may take its time to open: what can fail sooner comes before it. */
static enum od_status
open_run(struct run *r, const struct score_expert *e, const char *const *files, size_t n_files, struct od_error *err)
{
	struct od_buf settings = OD_BUF_INIT;
	struct od_out *out = NULL;
	enum od_status st = score_scale_parse(r->o->scale, &r->a, &r->b, err);

	if (st == OD_OK)
		st = check_name(r->o->name, err);
	if (st == OD_OK)
		st = od_jsonl_open(&r->in, files, n_files, &r->o->records, err);
	if (st == OD_OK)
		st = e->open(&r->expert, e->options, r->o, err);
	if (st != OD_OK)
		return st;
	r->window = r->o->window ? (size_t)r->o->window : r->expert->window;
	r->expert->describe(r->expert, &settings);
	st = score_block_make(&r->block, r->expert->name, &settings, r->a, r->b, r->o->name, err);
	od_buf_release(&settings);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	return st == OD_OK ? od_jsonl_writer_open(&r->out, out, r->o->common.framed, e->tool->name, err) : st;
}

static void
release_run(struct run *r)
{
	for (size_t i = 0; i < r->cap; i++) {
		od_candidates_release(&r->held[i].c);
		od_buf_release(&r->held[i].line);
		od_buf_release(&r->held[i].source);
	}
	for (size_t i = 0; i < r->cap_answers; i++)
		od_buf_release(&r->answers[i].members);
	free(r->held);
	free(r->asks);
	free(r->answers);
	free(r->pending);
	free(r->members);
	free(r->each);
	od_buf_release(&r->values);
	od_buf_release(&r->scratch);
	od_buf_release(&r->line);
	score_block_release(&r->block);
	od_jsonl_close(r->in);
	if (r->expert)
		r->expert->close(r->expert);
}

static void
run(const struct score_expert *e, const struct score_responses_options *o, const char *const *files, size_t n_files,
	int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o, .sum = { .scores = OD_MOMENTS_INIT, .quality = OD_QUALITY_INIT } };
	enum od_status st = open_run(&r, e, files, n_files, err), closed;

	if (st == OD_OK)
		st = run_stream(&r, err);
	if (st == OD_OK && r.expert->finish)
		st = r.expert->finish(r.expert, err);
	closed = od_jsonl_writer_close(r.out, st == OD_OK ? NULL : err, st == OD_OK ? err : NULL);
	if (st == OD_OK && closed == OD_OK) {
		report(&r);
		*skipped = od_cli_skipped(r.in);
	}
	release_run(&r);
}

/* ---- main --------------------------------------------------------------------------------------------------------------- */

#define T struct score_responses_options

static const char *const unscored_names[] = { "reject", "keep", NULL };

static const struct od_opt responses_opts[] = {
	OD_OPT_STR(T, scale, "scale", "A,B", "write A * score + B; ratios are fine (1-10 to 1-5: 4/9,5/9)"),
	OD_OPT_STR(T, name, "name", "NAME", "write the scores as scores.NAME, beside others, for od-score combine"),
	OD_OPT_STR(T, answer, "answer-field", "PATH", "member with the reference answer (default: answer)"),
	OD_OPT_ENUM(T, unscored, "unscored", "HOW", unscored_names,
		"a response that cannot be scored makes its record a bad one, or is kept with a score of null"),
	OD_OPT_FLAG(T, rescore, "rescore", "replace the scores of records that already carry others"),
	OD_OPT_FLAG(T, only_missing, "only-missing", "leave records as they are that have these scores, made in this way, already"),
	OD_OPT_INT(T, window, "window", "N", 0, 1 << 20,
		"responses the expert is asked about at once (0: as suits it); output waits for them"),
	OD_OPT_DOUBLE(T, objective.tau_good, "tau-good", "T", 0, 0, "score the warnings about pairs take as good"),
	OD_OPT_DOUBLE(T, objective.eta, "eta", "E", 0, 1e9, "slope of the quality weight the warnings about pairs look at"),
	OD_OPT_END
};

int
score_responses_main(const struct score_expert *e, int argc, char **argv)
{
	struct score_responses_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT,
		.objective = SCORE_OBJECTIVE_INIT };
	struct od_opt_group groups[MAX_GROUPS + 3];
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	size_t n = 0, n_files;
	int64_t skipped = 0;

	for (; n < e->n_groups && n < MAX_GROUPS; n++)
		groups[n] = e->groups[n];
	groups[n++] = (struct od_opt_group){ "Scores", responses_opts, &o, NULL };
	groups[n++] = (struct od_opt_group){ "Records", od_record_opts, &o.records, NULL };
	groups[n++] = (struct od_opt_group){ "General", od_common_opts, &o.common, NULL };
	od_cli_begin(e->tool, &o.common);
	files = od_cli_parse(groups, n, argc, argv, &n_files);
	if (e->settle)
		e->settle(e->options, &o);
	run(e, &o, files, n_files, &skipped, &err);
	return od_cli_end(&err, skipped);
}
