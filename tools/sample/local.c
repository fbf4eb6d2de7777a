/* local.c -- responses made here: prompts to tokens, and the generator. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "common/session.h"
#include "sample/sample.h"

struct local {
	struct sample_maker maker;
	const struct sample_options *o;
	struct od_session session;
	struct od_generator *generator;
	int32_t *ends;                             /* [n_ends] tokens that end a response */
	size_t n_ends;
};

static enum od_status
add(struct sample_maker *m, struct sample_item *it, struct od_error *err)
{
	struct local *l = (struct local *)m;
	enum od_status st = od_rules_prompt(&l->session.rules, it->prompt, l->o->system, l->o->format == FORMAT_RAW, &it->ids, err);

	if (st == OD_OK && it->ids.n > INT32_MAX / 4)
		st = od_fail(err, OD_EFORMAT, "the prompt has %zu tokens", it->ids.n);
	if (st != OD_OK)
		return st;
	it->job.prompt = it->ids.id;
	it->job.n_prompt = (int32_t)it->ids.n;
	it->job.key = od_hash64(it->ids.id, it->ids.n * sizeof *it->ids.id, it->id);
	return od_generator_add(l->generator, &it->job, err);
}

static enum od_status
step(struct sample_maker *m, struct od_error *err)
{
	return od_generator_step(((struct local *)m)->generator, err);
}

/* Enough is queued that no place stays empty for want of a record. */
static bool
wants(const struct sample_maker *m)
{
	const struct local *l = (const struct local *)m;

	return od_generator_queued(l->generator) < l->o->batch;
}

static void
describe(const struct sample_maker *m, struct od_buf *b)
{
	const struct local *l = (const struct local *)m;

	od_buf_printf(b, ",\"model\":\"%s\"", l->session.model.hash);
	if (l->o->format != FORMAT_RAW)
		od_buf_printf(b, ",\"template\":\"%s\"", od_chat_name(l->session.rules.chat));
	od_buf_printf(b, ",\"numerics\":\"%s\"", l->session.be->numerics);
}

static void
summary(const struct sample_maker *m, struct od_buf *b)
{
	od_buf_str(b, ((const struct local *)m)->session.be->numerics);
}

static void
close_local(struct sample_maker *m)
{
	struct local *l = (struct local *)m;

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
	const struct sample_options *o = l->o;
	enum od_status st;

	rules.date = o->date;
	rules.chat_template = o->format == FORMAT_RAW ? "plain" : o->format == FORMAT_QWEN25_MATH ? "qwen25-math" : o->chat_template;
	st = od_session_open(&l->session, o->model, &o->device, (int)o->common.threads, &rules, err);
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
	const struct sample_options *o = l->o;
	struct od_generate_options g = { .sampling = o->sampling, .max_new = o->max_tokens, .max_seqs = (int32_t)o->batch,
		.cache_tokens = o->cache_tokens, .prefill_tokens = od_device_batch_tokens(l->session.be, 0), .stop_ids = l->ends,
		.n_stop_ids = l->n_ends, .stop = o->stops, .n_stop = o->n_stops };

	return od_generator_open(&l->generator, &l->session.model, l->session.tokenizer, &g, err);
}

enum od_status
sample_local_open(struct sample_maker **out, const struct sample_options *o, struct od_error *err)
{
	struct local *l = od_calloc(1, sizeof *l);
	enum od_status st;

	if (!l)
		return od_fail_nomem(err, "a model", sizeof *l);
	l->maker = (struct sample_maker){ add, step, wants, describe, summary, close_local };
	l->o = o;
	st = open_session(l, err);
	if (st == OD_OK)
		st = find_ends(l, err);
	if (st == OD_OK)
		st = open_generator(l, err);
	if (st == OD_OK)
		*out = &l->maker;
	else
		close_local(&l->maker);
	return st;
}
