/* od-sample -- samples responses to prompts from a model. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "sample/sample.h"

static const struct od_tool tool = {
	"od-sample", "sample responses to prompts from a model", "[OPTION...] --model DIR [FILE...]",
	"Reads JSONL records with a prompt from FILEs or standard input and writes the same records, in the same order, with\n"
	"responses[] {text, tokens, finish_reason} and a 'sample' block added.\n"
};

/* Records on their way, in input order: a ring. */
struct window {
	struct sample_item **item;
	size_t first, n, cap;
};

struct run {
	const struct sample_options *o;
	struct od_session session;
	struct od_generator *generator;
	struct od_jsonl *in;
	struct sample_output out;
	struct window window;
	int32_t *stop_ids;
	size_t n_stop_ids;
	char *stop_text;                           /* what the pointers of 'stop' point into */
	const char **stop;
	size_t n_stop;
	bool end;                                  /* of the input */
	struct od_progress *progress;
	double started;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- where responses end -------------------------------------------------------------------------------------------- */

/* --stop: texts between commas; \, \n \t and \\ stand for what they say. */
static enum od_status
split_stops(struct run *r, const char *text, struct od_error *err)
{
	size_t len = strlen(text), at = 0;

	r->stop_text = malloc(len + 1);
	r->stop = od_calloc(len + 1, sizeof *r->stop);
	if (!r->stop_text || !r->stop)
		return od_fail_nomem(err, "stop texts", len);
	r->stop[r->n_stop++] = r->stop_text;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\\' && text[i + 1])
			c = text[++i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
		else if (c == ',')
			c = '\0';
		r->stop_text[at++] = c;
		if (!c)
			r->stop[r->n_stop++] = r->stop_text + at;
	}
	r->stop_text[at] = '\0';
	for (size_t i = 0; i < r->n_stop; i++)
		if (!*r->stop[i])
			return od_fail(err, OD_EUSAGE, "option '--stop' has an empty text: '%s'", text);
	return OD_OK;
}

static enum od_status
find_ends(struct run *r, struct od_error *err)
{
	struct od_model_config *c = &r->session.model.config;
	enum od_status st = od_config_load_ends(c, r->o->model, err);

	if (st == OD_OK && r->o->stop)
		st = split_stops(r, r->o->stop, err);
	if (st != OD_OK || r->o->ignore_end)
		return st;
	r->stop_ids = od_calloc((size_t)c->n_eos + 1, sizeof *r->stop_ids);
	if (!r->stop_ids)
		return od_fail_nomem(err, "end tokens", 64);
	for (int i = 0; i < c->n_eos; i++)
		r->stop_ids[r->n_stop_ids++] = (int32_t)c->eos_token_ids[i];
	if (od_tokenizer_eos(r->session.tokenizer) >= 0)
		r->stop_ids[r->n_stop_ids++] = od_tokenizer_eos(r->session.tokenizer);
	return OD_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

static enum od_status
open_session(struct run *r, struct od_error *err)
{
	struct od_rules_options rules = OD_RULES_OPTIONS_INIT;
	const struct sample_options *o = r->o;
	enum od_status st;

	rules.date = o->date;
	rules.chat_template = o->format == FORMAT_RAW ? "plain" : o->format == FORMAT_QWEN25_MATH ? "qwen25-math" : o->chat_template;
	st = od_session_open(&r->session, o->model, &o->device, (int)o->common.threads, &rules, err);
	if (st == OD_OK && !r->session.tokenizer)
		st = od_fail(err, OD_EFORMAT, "%s has no tokenizer.json: prompts cannot become tokens", o->model);
	return st;
}

static enum od_status
open_run(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	const struct sample_options *o = r->o;
	struct od_generate_options g = { .sampling = o->sampling, .max_new = o->max_tokens, .max_seqs = (int32_t)o->batch,
		.cache_tokens = o->cache_tokens, .prefill_tokens = 2048 };
	struct od_out *out = NULL;
	enum od_status st = od_jsonl_open(&r->in, files, n_files, &o->records, err);

	if (st == OD_OK)
		st = open_session(r, err);
	if (st == OD_OK)
		st = find_ends(r, err);
	g.stop_ids = r->stop_ids;
	g.n_stop_ids = r->n_stop_ids;
	g.stop = r->stop;
	g.n_stop = r->n_stop;
	if (st == OD_OK)
		st = od_generator_open(&r->generator, &r->session.model, r->session.tokenizer, &g, err);
	if (st == OD_OK)
		st = sample_output_begin(&r->out, o, &r->session, err);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&r->out.writer, out, o->common.framed, tool.name, err);
	r->progress = od_progress_begin("sampling", -1, "prompts");
	r->started = now();
	return st;
}

/* ---- the run ------------------------------------------------------------------------------------------------------------ */

static struct sample_item **
window_at(const struct window *w, size_t i)
{
	return &w->item[(w->first + i) % w->cap];
}

/* Reads one record and queues it. */
static enum od_status
read_record(struct run *r, struct od_error *err)
{
	struct od_record rec;
	struct sample_item *it = NULL;
	enum od_status st = od_jsonl_next(r->in, &rec, err);

	if (st == OD_EOF) {
		r->end = true;
		return OD_OK;
	}
	if (st != OD_OK)
		return st;
	st = sample_item_read(&it, &rec, r->o, &r->session, err);
	if (st == OD_OK)
		st = od_generator_add(r->generator, &it->job, err);
	if (st == OD_OK) {
		*window_at(&r->window, r->window.n++) = it;
		return OD_OK;
	}
	sample_item_free(it);
	return st == OD_EFORMAT ? od_jsonl_reject(r->in, &rec, err) : st;
}

/* Enough is queued that no place stays empty for want of a record. */
static enum od_status
fill(struct run *r, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK && !r->end && r->window.n < r->window.cap && od_generator_queued(r->generator) < r->o->batch)
		st = read_record(r, err);
	return st;
}

static enum od_status
write_done(struct run *r, struct od_error *err)
{
	struct window *w = &r->window;
	enum od_status st = OD_OK;
	char extra[64];

	while (st == OD_OK && w->n && (*window_at(w, 0))->job.left == 0) {
		st = sample_output_write(&r->out, *window_at(w, 0), r->o, err);
		sample_item_free(*window_at(w, 0));
		w->first = (w->first + 1) % w->cap;
		w->n--;
	}
	snprintf(extra, sizeof extra, "%.0f tok/s", (double)od_generator_tokens(r->generator) / (now() - r->started + 1e-9));
	od_progress_update(r->progress, r->out.records, extra);
	return st;
}

static enum od_status
run_all(struct run *r, struct od_error *err)
{
	enum od_status st;

	do {
		st = fill(r, err);
		if (st == OD_OK)
			st = od_generator_step(r->generator, err);
		if (st == OD_OK)
			st = write_done(r, err);
	} while (st == OD_OK);
	return st == OD_EOF ? OD_OK : st;
}

static void
report(const struct run *r)
{
	const struct sample_output *o = &r->out;
	double seconds = now() - r->started;

	od_note("%lld prompts, %lld responses of %.1f tokens on average; %lld ended, %lld cut at the limit; %.1f s, %.0f tokens/s (%s)",
		(long long)o->records, (long long)o->responses, (double)o->tokens / ((double)o->responses + 1e-9),
		(long long)o->finish[OD_FINISH_STOP], (long long)o->finish[OD_FINISH_LENGTH], seconds, (double)o->tokens / (seconds + 1e-9),
		r->session.be->numerics);
}

static void
close_run(struct run *r)
{
	for (size_t i = 0; i < r->window.n; i++)
		sample_item_free(*window_at(&r->window, i));
	free(r->window.item);
	free(r->stop_ids);
	free(r->stop_text);
	free(r->stop);
	sample_output_release(&r->out);
	od_jsonl_close(r->in);
	od_generator_close(r->generator);
	od_session_close(&r->session);
}

static void
run(const struct sample_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o, .window = { .cap = (size_t)o->window } };
	enum od_status st, closed;

	r.window.item = od_calloc(r.window.cap, sizeof *r.window.item);
	st = r.window.item ? open_run(&r, files, n_files, err) : od_fail_nomem(err, "a window", r.window.cap * sizeof *r.window.item);
	if (st == OD_OK)
		st = run_all(&r, err);
	od_progress_end(r.progress);
	closed = od_jsonl_writer_close(r.out.writer, st == OD_OK ? NULL : err, st == OD_OK ? err : NULL);
	if (st == OD_OK && closed == OD_OK)
		report(&r);
	if (r.in)
		*skipped = od_cli_skipped(r.in);
	close_run(&r);
}

int
main(int argc, char **argv)
{
	struct sample_options o = SAMPLE_OPTIONS_INIT;
	struct od_opt_group groups[] = {
		{ "Sampling", sample_opts, &o, NULL },
		{ "Drawing", sample_draw_opts, &o, NULL },
		{ "Prompts", sample_prompt_opts, &o, NULL },
		{ "Device", od_device_opts, &o.device, NULL },
		{ "Records", od_record_opts, &o.records, NULL },
		{ "General", od_common_opts, &o.common, NULL },
	};
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;

	od_device_settle_threads(argv);
	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	if (sample_options_check(&o, &err) == OD_OK)
		run(&o, files, n_files, &skipped, &err);
	return od_cli_end(&err, skipped);
}
