/* od-sample -- samples responses to prompts from a model. */
#include <stdio.h>

#include "base/clock.h"
#include "sample/sample.h"

static const struct od_tool tool = {
	"od-sample", "sample responses to prompts from a model", "[OPTION...] --model DIR [FILE...]",
	"Reads JSONL records with a prompt from FILEs or standard input and writes the same records, in the\n"
	"same order, with responses[] {text, tokens, finish_reason} and a 'sample' block added.\n"
};

struct run {
	struct sample_options *o;
	struct od_responder *responder;
	struct od_jsonl *in;
	struct sample_output out;
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
		st = od_responder_open(&r->responder, &o->respond, err);
	if (st == OD_OK)
		od_respond_block(&r->out.block, &o->respond, r->responder);
	if (st == OD_OK && !od_buf_ok(&r->out.block))
		st = od_fail_nomem(err, "a sample block", r->out.block.len);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&r->out.writer, out, o->common.framed, tool.name, err);
	r->progress = od_progress_begin("sampling", -1, "prompts");
	r->started = od_now();
	return st;
}

/* ---- the run: struct od_respond_flow ------------------------------------------------------------------------------------- */

static enum od_status
next_query(void *ctx, struct od_query **q, struct od_error *err)
{
	struct run *r = ctx;
	struct sample_item *it = NULL;
	struct od_record rec;
	enum od_status st;

	while ((st = od_jsonl_next(r->in, &rec, err)) == OD_OK) {
		st = sample_item_read(&it, &rec, r->o, err);
		if (st == OD_OK)
			*q = &it->query;
		if (st == OD_EFORMAT)                      /* which --skip-bad leaves out */
			st = od_jsonl_reject(r->in, &rec, err);
		if (st != OD_OK || it)
			return st;
	}
	return st;
}

static enum od_status
write_query(void *ctx, struct od_query *q, struct od_error *err)
{
	struct run *r = ctx;
	struct sample_item *it = (struct sample_item *)q;
	enum od_status st;
	char extra[64];

	if (q->failed.status == OD_OK) {
		st = sample_output_write(&r->out, it, r->o, err);
	} else {
		*err = q->failed;
		st = od_jsonl_reject(r->in, &it->at, err);
	}
	sample_item_free(it);
	snprintf(extra, sizeof extra, "%.0f tok/s", (double)r->out.tokens / (od_now() - r->started + 1e-9));
	od_progress_update(r->progress, r->out.records, extra);
	return st;
}

static void
drop_query(void *ctx, struct od_query *q)
{
	(void)ctx;
	sample_item_free((struct sample_item *)q);
}

static void
report(const struct run *r)
{
	const struct sample_output *o = &r->out;
	struct od_buf how = OD_BUF_INIT;
	double seconds = od_now() - r->started;

	r->responder->summary(r->responder, &how);
	od_note("%lld prompts, %lld responses of %.1f tokens on average; %lld ended, %lld cut at the limit; %.1f s, %.0f tokens/s (%s)",
		(long long)o->records, (long long)o->responses, (double)o->tokens / ((double)o->responses + 1e-9),
		(long long)o->finish[OD_FINISH_STOP], (long long)o->finish[OD_FINISH_LENGTH], seconds, (double)o->tokens / (seconds + 1e-9),
		how.data ? how.data : "");
	od_buf_release(&how);
}

static void
run(struct sample_options *o, const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct run r = { .o = o };
	struct od_respond_flow flow = { next_query, write_query, drop_query, &r, (size_t)o->window };
	enum od_status st = open_run(&r, files, n_files, err), closed;

	if (st == OD_OK)
		st = od_respond(r.responder, &flow, err);
	od_progress_end(r.progress);
	closed = od_jsonl_writer_close(r.out.writer, st == OD_OK ? NULL : err, st == OD_OK ? err : NULL);
	if (st == OD_OK && closed == OD_OK)
		report(&r);
	if (r.in)
		*skipped = od_cli_skipped(r.in);
	sample_output_release(&r.out);
	od_jsonl_close(r.in);
	od_responder_close(r.responder);
}

int
main(int argc, char **argv)
{
	struct sample_options o = SAMPLE_OPTIONS_INIT;
	struct od_opt_group groups[] = {
		{ "Sampling", od_respond_opts, &o.respond, NULL },
		{ "Records", sample_opts, &o, NULL },
		{ "Drawing", od_respond_draw_opts, &o.respond, NULL },
		{ "Prompts", od_respond_prompt_opts, &o.respond, NULL },
		{ "Device", od_device_opts, &o.respond.device, NULL },
		{ "Service", od_service_opts, &o.respond.service, NULL },
		{ "Selection", od_record_opts, &o.records, NULL },
		{ "General", od_common_opts, &o.common, NULL },
	};
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;

	od_device_settle_threads(argv, OD_SPINS_STEP);
	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	o.respond.threads = o.common.threads;
	o.respond.sampling.seed = o.records.seed;
	if (od_respond_check(&o.respond, &err) == OD_OK)
		run(&o, files, n_files, &skipped, &err);
	od_respond_release(&o.respond);
	return od_cli_end(&err, skipped);
}
