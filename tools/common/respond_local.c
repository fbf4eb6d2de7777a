/* respond_local.c -- responses made here: prompts to tokens, and the generator. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "common/respond.h"
#include "common/session.h"


struct local {
	struct od_responder responder;
	const struct od_respond_options *o;
	struct od_session session;
	struct od_generator *generator;
	int32_t *ends;                             /* [n_ends] tokens that end a response */
	size_t n_ends;
};

static enum od_status
add(struct od_responder *r, struct od_query *q, struct od_error *err)
{
	struct local *l = (struct local *)r;
	enum od_status st = od_rules_prompt(&l->session.rules, q->prompt, l->o->system, l->o->format == OD_FORMAT_RAW, &q->ids, err);

	if (st == OD_OK && q->ids.n > INT32_MAX / 4)
		st = od_fail(err, OD_EFORMAT, "the prompt has %zu tokens", q->ids.n);
	if (st != OD_OK)
		return st;
	q->job.prompt = q->ids.id;
	q->job.n_prompt = (int32_t)q->ids.n;
	q->job.key = od_hash64(q->ids.id, q->ids.n * sizeof *q->ids.id, q->id);
	return od_generator_add(l->generator, &q->job, err);
}

static enum od_status
step(struct od_responder *r, struct od_error *err)
{
	return od_generator_step(((struct local *)r)->generator, err);
}

/* Enough is queued that no place stays empty for want of a record. */
static bool
wants(const struct od_responder *r)
{
	const struct local *l = (const struct local *)r;

	return od_generator_queued(l->generator) < l->o->batch;
}

static void
describe(const struct od_responder *r, struct od_buf *b)
{
	const struct local *l = (const struct local *)r;

	od_buf_printf(b, ",\"model\":\"%s\"", l->session.model.hash);
	if (l->o->format != OD_FORMAT_RAW)
		od_buf_printf(b, ",\"template\":\"%s\"", od_chat_name(l->session.rules.chat));
	od_buf_printf(b, ",\"numerics\":\"%s\"", l->session.be->numerics);
}

static void
summary(const struct od_responder *r, struct od_buf *b)
{
	od_buf_str(b, ((const struct local *)r)->session.be->numerics);
}

static void
close_local(struct od_responder *r)
{
	struct local *l = (struct local *)r;

	od_generator_close(l->generator);
	od_session_close(&l->session);
	free(l->ends);
	free(l);
}

/* ---- opening ---- */

static enum od_status
open_session(struct local *l, struct od_error *err)
{
	struct od_rules_options rules = OD_RULES_OPTIONS_INIT;
	const struct od_respond_options *o = l->o;
	enum od_status st;

	rules.date = o->date;
	rules.chat_template = o->format == OD_FORMAT_RAW ? "plain" :
		o->format == OD_FORMAT_QWEN25_MATH || o->format == OD_FORMAT_QWEN25_MATH_STEP ? "qwen25-math" : o->chat_template;
	st = od_session_open(&l->session, o->model, &o->device, (int)o->threads, &rules, err);
	if (st == OD_OK && !l->session.tokenizer)
		st = od_fail(err, OD_EFORMAT, "%s has no tokenizer.json: prompts cannot become tokens", o->model);
	return st;
}

static enum od_status
find_ends(struct local *l, struct od_error *err)
{
	struct od_model_config *c = &l->session.model.config;
	enum od_status st = od_config_load_ends(c, l->o->model, err);

	if (st != OD_OK || l->o->ignore_end)
		return st;
	l->ends = od_calloc((size_t)c->n_eos + 1, sizeof *l->ends);
	if (!l->ends)
		return od_fail_nomem(err, "end tokens", 64);
	for (int i = 0; i < c->n_eos; i++)
		l->ends[l->n_ends++] = (int32_t)c->eos_token_ids[i];
	if (od_tokenizer_eos(l->session.tokenizer) >= 0)
		l->ends[l->n_ends++] = od_tokenizer_eos(l->session.tokenizer);
	return OD_OK;
}

static enum od_status
open_generator(struct local *l, struct od_error *err)
{
	const struct od_respond_options *o = l->o;
	struct od_generate_options g = { .sampling = o->sampling, .max_new = o->max_tokens, .max_seqs = (int32_t)o->batch,
		.cache_tokens = o->cache_tokens, .prefill_tokens = od_device_batch_tokens(l->session.be, 0), .stop_ids = l->ends,
		.n_stop_ids = l->n_ends, .stop = o->stops, .n_stop = o->n_stops };

	return od_generator_open(&l->generator, &l->session.model, l->session.tokenizer, &g, err);
}

enum od_status
od_responder_local(struct od_responder **out, const struct od_respond_options *o, struct od_error *err)
{
	struct local *l = od_calloc(1, sizeof *l);
	enum od_status st;

	if (!l)
		return od_fail_nomem(err, "a model", sizeof *l);
	l->responder = (struct od_responder){ add, step, wants, describe, summary, close_local };
	l->o = o;
	st = open_session(l, err);
	if (st == OD_OK)
		st = find_ends(l, err);
	if (st == OD_OK)
		st = open_generator(l, err);
	if (st == OD_OK)
		*out = &l->responder;
	else
		close_local(&l->responder);
	return st;
}
