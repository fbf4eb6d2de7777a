/* respond_service.c -- responses asked of an OpenAI-compatible service: a request a response, each with a seed of its own, so that what is
 * asked does not depend on what else is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "common/respond.h"
#include "io/openai.h"

#define MATH_SYSTEM "Please reason step by step, and put your final answer within \\boxed{}."

/* Who asked: the tag of a request is its place here. */
struct asker {
	struct od_query *query;
	int32_t sample;
};

struct service {
	struct od_responder responder;
	struct od_respond_options *o;
	struct od_openai *client;
	struct od_openai_answer answer;
	struct asker *asker;                       /* a ring, as answers come in the order of asking */
	size_t cap;
	size_t asked;                              /* requests so far */
	json_t *extra;                             /* members of every request, or NULL */
};

/* The messages of a prompt, the system turn in front; a new reference, NULL without memory. */
static json_t *
messages_of(const struct od_respond_options *o, const json_t *prompt)
{
	bool math = o->format == OD_FORMAT_QWEN25_MATH || o->format == OD_FORMAT_QWEN25_MATH_STEP;
	const char *system = o->system ? o->system : math ? MATH_SYSTEM : NULL;
	json_t *list = json_is_array(prompt) ? json_copy((json_t *)(uintptr_t)prompt) :
		json_pack("[{s:s, s:O}]", "role", "user", "content", prompt);

	if (list && system && json_array_insert_new(list, 0, json_pack("{s:s, s:s}", "role", "system", "content", system)) != 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* A seed that services take: what a double holds exactly, and not negative. */
static int64_t
seed_of(const struct service *s, const struct od_query *q, int32_t sample, const char *prompt)
{
	uint64_t key = od_hash64(prompt, strlen(prompt), q->id);

	return (int64_t)(od_rng_mix(s->o->sampling.seed ^ od_rng_mix(key ^ od_rng_mix((uint64_t)sample + 1))) >> 33);
}

static enum od_status
ask(struct service *s, struct od_query *q, int32_t sample, const json_t *messages, const char *dump, struct od_error *err)
{
	const struct od_respond_options *o = s->o;
	struct od_openai_request r = { .model = o->model, .messages = messages, .prompt = json_string_value(q->prompt),
		.temperature = o->sampling.temperature, .top_p = o->sampling.top_p < 1 ? o->sampling.top_p : NAN, .max_tokens = o->max_tokens,
		.seed = seed_of(s, q, sample, dump), .stop = o->stops, .n_stop = o->n_stops, .extra = s->extra };

	s->asker[s->asked % s->cap] = (struct asker){ q, sample };
	return od_openai_ask(s->client, &r, s->asked++, err);
}

static enum od_status
add(struct od_responder *r, struct od_query *q, struct od_error *err)
{
	struct service *s = (struct service *)r;
	bool raw = s->o->format == OD_FORMAT_RAW;
	json_t *messages = raw ? NULL : messages_of(s->o, q->prompt);
	char *dump = json_dumps(messages ? messages : q->prompt, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	enum od_status st = OD_OK;

	if (raw && !json_is_string(q->prompt))
		st = od_fail(err, OD_EFORMAT, "field 'prompt' must be a string where no chat template is used");
	else if ((!raw && !messages) || !dump)
		st = od_fail_nomem(err, "a request", 64);
	for (int32_t i = 0; st == OD_OK && i < q->job.samples; i++)
		st = ask(s, q, i, messages, dump, err);
	json_decref(messages);
	free(dump);
	return st;
}

static enum od_status
take_answer(struct service *s, struct od_error *err)
{
	const struct od_openai_answer *a = &s->answer;
	const struct asker *who = &s->asker[a->tag % s->cap];
	struct od_response *r = &who->query->job.response[who->sample];

	who->query->job.left--;
	if (a->status != OD_OK) {                  /* OD_EFORMAT: of this request alone */
		who->query->failed = a->err;
		return OD_OK;
	}
	od_buf_append(&r->text, a->choices[0].text ? a->choices[0].text : "", a->choices[0].len);
	r->tokens = a->completion_tokens;
	r->finish = strcmp(a->choices[0].finish, "length") == 0 ? OD_FINISH_LENGTH : OD_FINISH_STOP;
	return od_buf_ok(&r->text) ? OD_OK : od_fail_nomem(err, "a response", a->choices[0].len);
}

static enum od_status
step(struct od_responder *r, struct od_error *err)
{
	struct service *s = (struct service *)r;
	enum od_status st = od_openai_next(s->client, &s->answer, err);

	return st == OD_OK ? take_answer(s, err) : st;
}

static bool
wants(const struct od_responder *r)
{
	const struct service *s = (const struct service *)r;
	size_t pending = od_openai_pending(s->client);

	return pending + (size_t)s->o->samples <= s->cap && pending < 4 * (size_t)s->o->service.parallel;
}

static void
put_string(struct od_buf *b, const char *name, const char *text)
{
	od_buf_printf(b, ",\"%s\":", name);
	od_buf_json_string(b, text, strlen(text));
}

static void
describe(const struct od_responder *r, struct od_buf *b)
{
	const struct service *s = (const struct service *)r;

	put_string(b, "model", s->o->model);
	put_string(b, "url", od_openai_url(s->client));
}

static void
summary(const struct od_responder *r, struct od_buf *b)
{
	const struct service *s = (const struct service *)r;

	od_openai_summary(s->client, s->o->service.price_in, s->o->service.price_out, b);
}

static void
close_service(struct od_responder *r)
{
	struct service *s = (struct service *)r;

	od_openai_answer_release(&s->answer);
	od_openai_close(s->client);
	od_service_release(&s->o->service);
	json_decref(s->extra);
	free(s->asker);
	free(s);
}

/* ---- opening ---- */

/* What is not in the interface's request but common: top-k and the penalty, as llama.cpp and vLLM call them. */
static enum od_status
make_extra(struct service *s, struct od_error *err)
{
	const struct od_sampling *p = &s->o->sampling;
	int bad = 0;

	s->extra = s->o->service.more ? json_copy(s->o->service.more) : json_object();
	if (p->top_k)
		bad |= json_object_set_new(s->extra, "top_k", json_integer(p->top_k));
	if (p->repetition_penalty != 1) {
		bad |= json_object_set_new(s->extra, "repetition_penalty", json_real(p->repetition_penalty));
		bad |= json_object_set_new(s->extra, "repeat_penalty", json_real(p->repetition_penalty));
	}
	return s->extra && !bad ? OD_OK : od_fail_nomem(err, "a request", 64);
}

enum od_status
od_responder_service(struct od_responder **out, struct od_respond_options *o, struct od_error *err)
{
	struct service *s = od_calloc(1, sizeof *s);
	struct od_openai_options c = OD_OPENAI_OPTIONS_INIT;
	enum od_status st;

	if (!s)
		return od_fail_nomem(err, "a service", sizeof *s);
	s->responder = (struct od_responder){ add, step, wants, describe, summary, close_service };
	s->answer = (struct od_openai_answer)OD_OPENAI_ANSWER_INIT;
	s->o = o;
	s->cap = 4 * (size_t)o->service.parallel + (size_t)o->samples;
	s->asker = od_calloc(s->cap, sizeof *s->asker);
	st = s->asker ? od_service_finish(&o->service, o->url, o->sampling.seed, &c, err) : od_fail_nomem(err, "requests", s->cap);
	c.plain = o->format == OD_FORMAT_RAW;
	if (st == OD_OK)
		st = make_extra(s, err);
	if (st == OD_OK)
		st = od_openai_open(&s->client, &c, err);
	if (st == OD_OK)
		*out = &s->responder;
	else
		close_service(&s->responder);
	return st;
}
