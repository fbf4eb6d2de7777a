/* respond.c -- see respond.h. */
#include "common/respond.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define STEP_SUFFIX " Let's think step by step and output the final answer within \\boxed{}"

/* ---- queries ------------------------------------------------------------------------------------------------------------ */

/* The prompt with the suffix behind its text, or behind its last message's; a new reference. NULL: no memory, or no text to put
 * it behind. */
static json_t *
with_suffix(const json_t *prompt, const char *suffix)
{
	json_t *copy = json_deep_copy(prompt), *last = json_is_array(copy) ? json_array_get(copy, json_array_size(copy) - 1) : NULL;
	const char *text = json_string_value(last ? json_object_get(last, "content") : copy);
	json_t *longer = text ? json_sprintf("%s%s", text, suffix) : NULL;

	if (!longer || !last) {
		json_decref(copy);
		return longer;
	}
	json_object_set_new(last, "content", longer);
	return copy;
}

enum od_status
od_query_init(struct od_query *q, const json_t *prompt, const char *id, const struct od_respond_options *o, struct od_error *err)
{
	bool step = o->format == OD_FORMAT_MATH_SUFFIX || o->format == OD_FORMAT_QWEN25_MATH_STEP;
	const char *suffix = o->suffix ? o->suffix : step ? STEP_SUFFIX : NULL;

	q->prompt = suffix ? with_suffix(prompt, suffix) : json_incref((json_t *)(uintptr_t)prompt);
	if (!q->prompt)
		return od_fail(err, OD_EFORMAT, "the prompt has no text to put the suffix behind");
	q->id = od_hash64(id, strlen(id), 0);
	q->job.samples = q->job.left = (int32_t)o->samples;
	q->job.response = od_calloc((size_t)o->samples, sizeof *q->job.response);
	return q->job.response ? OD_OK : od_fail_nomem(err, "responses", (size_t)o->samples * sizeof *q->job.response);
}

void
od_query_release(struct od_query *q)
{
	for (int32_t i = 0; q->job.response && i < q->job.samples; i++)
		od_response_release(&q->job.response[i]);
	free(q->job.response);
	od_ids_release(&q->ids);
	json_decref(q->prompt);
}

/* ---- the run ------------------------------------------------------------------------------------------------------------ */

enum od_status
od_responder_open(struct od_responder **out, struct od_respond_options *o, struct od_error *err)
{
	return o->url ? od_responder_service(out, o, err) : od_responder_local(out, o, err);
}

void
od_responder_close(struct od_responder *r)
{
	if (r)
		r->close(r);
}

/* Queries on their way, in the order they came: a ring. */
struct window {
	struct od_query **query;
	size_t first, n, cap;
	bool end;                                  /* no query is left */
};

static struct od_query **
window_at(const struct window *w, size_t i)
{
	return &w->query[(w->first + i) % w->cap];
}

static enum od_status
fill(struct window *w, struct od_responder *r, const struct od_respond_flow *flow, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK && !w->end && w->n < w->cap && r->wants(r)) {
		struct od_query *q = NULL;

		st = flow->next(flow->ctx, &q, err);
		if (st == OD_EOF) {
			w->end = true;
			return OD_OK;
		}
		if (st != OD_OK)
			return st;
		*window_at(w, w->n++) = q;
		st = r->add(r, q, &q->failed);
		if (st == OD_EFORMAT) {
			q->job.left = 0;
			st = OD_OK;
		} else if (st != OD_OK && err) {
			*err = q->failed;
		}
	}
	return st;
}

static enum od_status
hand_back(struct window *w, const struct od_respond_flow *flow, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK && w->n && (*window_at(w, 0))->job.left == 0) {
		struct od_query *q = *window_at(w, 0);

		w->first = (w->first + 1) % w->cap;
		w->n--;
		st = flow->done(flow->ctx, q, err);
	}
	return st;
}

enum od_status
od_respond(struct od_responder *r, const struct od_respond_flow *flow, struct od_error *err)
{
	struct window w = { .cap = flow->window };
	enum od_status st, step = OD_OK;

	w.query = od_calloc(w.cap, sizeof *w.query);
	st = w.query ? OD_OK : od_fail_nomem(err, "a window", w.cap * sizeof *w.query);
	while (st == OD_OK && step == OD_OK) {
		st = fill(&w, r, flow, err);
		if (st == OD_OK)
			step = r->step(r, err);
		if (st == OD_OK && (step == OD_OK || step == OD_EOF))
			st = hand_back(&w, flow, err);
		if (step == OD_EOF && !w.end)              /* those that were there failed, others are to come */
			step = OD_OK;
	}
	for (size_t i = 0; i < w.n; i++)
		flow->drop(flow->ctx, *window_at(&w, i));
	free(w.query);
	return st != OD_OK ? st : step == OD_EOF ? OD_OK : step;
}

/* ---- in records --------------------------------------------------------------------------------------------------------- */

static void
put_text(struct od_buf *b, const char *name, const char *text)
{
	if (!text)
		return;
	od_buf_printf(b, ",\"%s\":", name);
	od_buf_json_string(b, text, strlen(text));
}

static void
put_number(struct od_buf *b, const char *name, double v)
{
	od_buf_printf(b, ",\"%s\":", name);
	od_buf_json_double(b, v);
}

void
od_respond_block(struct od_buf *b, const struct od_respond_options *o, const struct od_responder *r)
{
	const struct od_sampling *p = &o->sampling;

	od_buf_printf(b, "{\"format\":\"%s\"", od_prompt_formats[o->format]);
	r->describe(r, b);
	put_text(b, "system", o->system);
	put_text(b, "suffix", o->suffix);
	put_text(b, "stop", o->stop);
	put_number(b, "temperature", p->temperature);
	put_number(b, "top_p", p->top_p);
	put_number(b, "top_k", (double)p->top_k);
	put_number(b, "repetition_penalty", p->repetition_penalty);
	put_number(b, "max_tokens", (double)o->max_tokens);
	od_buf_printf(b, ",\"seed\":%llu,\"version\":\"" OD_VERSION "\"}", (unsigned long long)p->seed);
}

static void
put_ids(struct od_buf *b, const struct od_ids *ids)
{
	od_buf_str(b, ",\"ids\":[");
	for (size_t i = 0; i < ids->n; i++)
		od_buf_printf(b, "%s%d", i ? "," : "", ids->id[i]);
	od_buf_char(b, ']');
}

void
od_respond_json(struct od_buf *b, const struct od_query *q, bool ids)
{
	od_buf_char(b, '[');
	for (int32_t i = 0; i < q->job.samples; i++) {
		const struct od_response *r = &q->job.response[i];

		od_buf_str(b, i ? ",{\"text\":" : "{\"text\":");
		od_buf_json_string(b, r->text.data ? r->text.data : "", r->text.len);
		od_buf_printf(b, ",\"tokens\":%lld,\"finish_reason\":\"%s\"", (long long)r->tokens, od_finish_names[r->finish]);
		if (ids && r->ids.n)
			put_ids(b, &r->ids);
		od_buf_char(b, '}');
	}
	od_buf_char(b, ']');
}
