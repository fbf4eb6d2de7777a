/* od-sample -- samples responses to prompts from a model. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sample/sample.h"

static const struct od_tool tool = {
	"od-sample", "sample responses to prompts from a model", "[OPTION...] --model DIR [FILE...]",
	"Reads JSONL records with a prompt from FILEs or standard input and writes the same records, in the\n"
	"same order, with responses[] {text, tokens, finish_reason} and a 'sample' block added.\n"
};

/* Records on their way, in input order: a ring. */
struct window {
	struct sample_item **item;
	size_t first, n, cap;
};

struct run {
	struct sample_options *o;
	struct sample_maker *maker;
	struct od_jsonl *in;
	struct sample_output out;
	struct window window;
	bool end;                                  /* of the input */
	struct od_progress *progress;
	double started;
};

static enum od_status
open_run(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	struct sample_options *o = r->o;
	struct od_out *out = NULL;
	enum od_status st = od_jsonl_open(&r->in, files, n_files, &o->records, err);

	if (st == OD_OK)
		st = o->url ? sample_service_open(&r->maker, o, err) : sample_local_open(&r->maker, o, err);
	if (st == OD_OK)
		st = sample_output_begin(&r->out, o, r->maker, err);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&r->out.writer, out, o->common.framed, tool.name, err);
	r->progress = od_progress_begin("sampling", -1, "prompts");
	r->started = od_now();
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
	st = sample_item_read(&it, &rec, r->o, err);
	if (st == OD_OK)
		st = r->maker->add(r->maker, it, err);
	if (st == OD_OK) {
		*window_at(&r->window, r->window.n++) = it;
		return OD_OK;
	}
	sample_item_free(it);
	return st == OD_EFORMAT ? od_jsonl_reject(r->in, &rec, err) : st;
}

static enum od_status
fill(struct run *r, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK && !r->end && r->window.n < r->window.cap && r->maker->wants(r->maker))
		st = read_record(r, err);
	return st;
}

static enum od_status
write_item(struct run *r, struct sample_item *it, struct od_error *err)
{
	if (it->failed.status == OD_OK)
		return sample_output_write(&r->out, it, r->o, err);
	*err = it->failed;
	return od_jsonl_reject(r->in, &it->at, err);
}

static enum od_status
write_done(struct run *r, struct od_error *err)
{
	struct window *w = &r->window;
	enum od_status st = OD_OK;
	char extra[64];

	while (st == OD_OK && w->n && (*window_at(w, 0))->job.left == 0) {
		st = write_item(r, *window_at(w, 0), err);
		sample_item_free(*window_at(w, 0));
		w->first = (w->first + 1) % w->cap;
		w->n--;
	}
	snprintf(extra, sizeof extra, "%.0f tok/s", (double)r->out.tokens / (od_now() - r->started + 1e-9));
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
			st = r->maker->step(r->maker, err);
		if (st == OD_OK)
			st = write_done(r, err);
	} while (st == OD_OK);
	return st == OD_EOF ? OD_OK : st;
}

static void
report(const struct run *r)
{
	const struct sample_output *o = &r->out;
	struct od_buf how = OD_BUF_INIT;
	double seconds = od_now() - r->started;

	r->maker->summary(r->maker, &how);
	od_note("%lld prompts, %lld responses of %.1f tokens on average; %lld ended, %lld cut at the limit; %.1f s, %.0f tokens/s (%s)",
		(long long)o->records, (long long)o->responses, (double)o->tokens / ((double)o->responses + 1e-9),
		(long long)o->finish[OD_FINISH_STOP], (long long)o->finish[OD_FINISH_LENGTH], seconds, (double)o->tokens / (seconds + 1e-9),
		how.data ? how.data : "");
	od_buf_release(&how);
}

static void
close_run(struct run *r)
{
	for (size_t i = 0; i < r->window.n; i++)
		sample_item_free(*window_at(&r->window, i));
	free(r->window.item);
	sample_output_release(&r->out);
	od_jsonl_close(r->in);
	if (r->maker)
		r->maker->close(r->maker);
}

static void
run(struct sample_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
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
		{ "Service", od_service_opts, &o.service, NULL },
		{ "Records", od_record_opts, &o.records, NULL },
		{ "General", od_common_opts, &o.common, NULL },
	};
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;

	od_device_settle_threads(argv, OD_SPINS_STEP);
	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	if (sample_options_check(&o, &err) == OD_OK)
		run(&o, files, n_files, &skipped, &err);
	sample_options_release(&o);
	return od_cli_end(&err, skipped);
}
