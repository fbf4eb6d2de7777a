#include "io/openai.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "io/cache.h"

/* A request from asking to taking. */
struct ask {
	size_t tag;
	char key[OD_HASH_HEX];
	struct od_buf body;                /* ends with the seed, if there is one */
	size_t seed_at;                    /* where its digits begin; 0: none */
	int64_t seed, attempts;
	size_t twin;                       /* number of the earlier equal request whose answer this one waits for, or its own */
	bool done, cached;
	json_t *json;
	enum od_status status;
	struct od_error err;
};

struct od_openai {
	struct od_http *http;
	struct od_cache *cache;
	struct od_openai_options o;
	struct ask **asks;                 /* those not taken yet: number `first` is asks[head] */
	size_t head, n, cap, first;
	struct od_http_answer reply;
	struct od_openai_answer view;      /* what `usable` looks at */
	struct od_openai_stats stats;
};

/* ---- requests as JSON --------------------------------------------------------------------------------------------------- */

static void
put_json(struct od_buf *b, const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text)
		od_buf_str(b, text);
	else
		b->failed = true;
	free(text);
}

static void
put_name(struct od_buf *b, const char *name)
{
	od_buf_char(b, b->len ? ',' : '{');
	od_buf_json_string(b, name, strlen(name));
	od_buf_char(b, ':');
}

static void
put_int(struct od_buf *b, const char *name, int64_t v)
{
	put_name(b, name);
	od_buf_printf(b, "%lld", (long long)v);
}

static void
put_double(struct od_buf *b, const char *name, double v)
{
	if (isnan(v))
		return;
	put_name(b, name);
	od_buf_json_double(b, v);
}

static void
put_string(struct od_buf *b, const char *name, const char *s)
{
	put_name(b, name);
	od_buf_json_string(b, s, strlen(s));
}

static void
put_logprobs(struct od_buf *b, const struct od_openai_request *r)
{
	if (!r->logprobs)
		return;
	if (r->messages) {
		put_name(b, "logprobs");
		od_buf_str(b, "true");
	}
	put_int(b, r->messages ? "top_logprobs" : "logprobs", r->logprobs);
}

static void
put_stop(struct od_buf *b, const struct od_openai_request *r)
{
	if (!r->n_stop)
		return;
	put_name(b, "stop");
	for (size_t i = 0; i < r->n_stop; i++) {
		od_buf_char(b, i ? ',' : '[');
		od_buf_json_string(b, r->stop[i], strlen(r->stop[i]));
	}
	od_buf_char(b, ']');
}

/* Whether a setting is the request's own to send: `extra` wins over it, and JSON has each name once. */
static bool
own(const struct od_openai_request *r, const char *name)
{
	return !json_object_get(r->extra, name);
}

/* The body, always with the same spelling: it is hashed. The seed is last, so that it can be changed. */
static void
write_body(struct ask *a, const struct od_openai_request *r)
{
	struct od_buf *b = &a->body;
	const char *name;
	json_t *v;

	put_string(b, "model", r->model);
	if (r->messages) {
		put_name(b, "messages");
		put_json(b, r->messages);
	} else {
		put_string(b, "prompt", r->prompt);
	}
	if (own(r, "temperature"))
		put_double(b, "temperature", r->temperature);
	if (own(r, "top_p"))
		put_double(b, "top_p", r->top_p);
	if (r->max_tokens && own(r, "max_tokens"))
		put_int(b, "max_tokens", r->max_tokens);
	if (r->n && own(r, "n"))
		put_int(b, "n", r->n);
	put_logprobs(b, r);
	put_stop(b, r);
	json_object_foreach((json_t *)r->extra, name, v) {
		put_name(b, name);
		put_json(b, v);
	}
	if (r->seed >= 0 && own(r, "seed")) {
		put_name(b, "seed");
		a->seed = r->seed;
		a->seed_at = b->len;
		od_buf_printf(b, "%lld", (long long)r->seed);
	}
	od_buf_char(b, '}');
}

/* The same request with another seed, for a further attempt. */
static void
next_seed(struct ask *a)
{
	if (!a->seed_at)
		return;
	a->body.len = a->seed_at;
	od_buf_printf(&a->body, "%lld}", (long long)(a->seed + a->attempts));
}

static enum od_status
make_key(const struct od_openai *o, struct ask *a, struct od_error *err)
{
	struct od_sha256 *h = NULL;
	enum od_status st = od_sha256_begin(&h, err);

	if (st != OD_OK)
		return st;
	od_sha256_add(h, od_http_url(o->http), strlen(od_http_url(o->http)));
	od_sha256_add(h, "\n", 1);
	od_sha256_add(h, a->body.data, a->body.len);
	od_sha256_end(h, a->key);
	return OD_OK;
}

/* ---- answers as JSON ---------------------------------------------------------------------------------------------------- */

static bool
is_answer(const json_t *json)
{
	const json_t *choices = json_object_get(json, "choices"), *c;
	size_t i;

	json_array_foreach((json_t *)choices, i, c)
		if (!json_is_object(json_object_get(c, "message")) && !json_is_string(json_object_get(c, "text")))
			return false;
	return json_array_size(choices) > 0;
}

/* http.h's check: what is no answer is asked for again as if the service had failed. */
static bool
check_body(const char *body, size_t n, const char **why)
{
	json_t *json = json_loadb(body, n, 0, NULL);
	bool good = is_answer(json);

	*why = json ? "an answer without 'choices'" : "an answer that is no JSON";
	json_decref(json);
	return good;
}

static void
read_choice(struct od_openai_choice *out, const json_t *c)
{
	const json_t *message = json_object_get(c, "message");
	const json_t *text = message ? json_object_get(message, "content") : json_object_get(c, "text");
	const json_t *finish = json_object_get(c, "finish_reason");

	*out = (struct od_openai_choice){
		.text = json_string_value(text), .len = json_string_length(text),
		.finish = json_is_string(finish) ? json_string_value(finish) : "",
		.logprobs = json_object_get(c, "logprobs"), .json = c
	};
	if (json_is_null(out->logprobs))
		out->logprobs = NULL;
}

/* Where choice i of n belongs: its own index, if it has a possible one. */
static size_t
place_of(const json_t *c, size_t i, size_t n)
{
	const json_t *index = json_object_get(c, "index");
	json_int_t k = json_is_integer(index) ? json_integer_value(index) : (json_int_t)i;

	return k >= 0 && k < (json_int_t)n ? (size_t)k : i;
}

/* Fills everything of `a` that lies in the service's JSON, of which it takes a reference. */
static enum od_status
read_answer(struct od_openai_answer *a, json_t *json, struct od_error *err)
{
	const json_t *choices = json_object_get(json, "choices"), *usage = json_object_get(json, "usage"), *c;
	size_t i;

	json_decref(a->json);
	a->json = json_incref(json);
	a->n_choices = json_array_size(choices);
	if (!od_grow(&a->choices, &a->cap, a->n_choices + 1, sizeof(*a->choices)))
		return od_fail_nomem(err, "choices", a->n_choices * sizeof(*a->choices));
	json_array_foreach((json_t *)choices, i, c)
		read_choice(&a->choices[i], c);
	json_array_foreach((json_t *)choices, i, c)
		read_choice(&a->choices[place_of(c, i, a->n_choices)], c);
	a->prompt_tokens = json_integer_value(json_object_get(usage, "prompt_tokens"));
	a->completion_tokens = json_integer_value(json_object_get(usage, "completion_tokens"));
	return OD_OK;
}

/* Whether a failure is of this one request, which another service would refuse too: too long, or not wanted. */
static bool
concerns_request(const struct od_http_answer *r)
{
	static const char *const codes[] = {
		"context_length_exceeded", "exceed_context_size_error", "string_above_max_length", "content_filter",
		"content_policy_violation"
	};
	static const char *const words[] = { "context length", "context size", "context window", "content filter" };
	json_t *body = json_loadb(r->body.data ? r->body.data : "", r->body.len, 0, NULL);
	const json_t *e = json_object_get(body, "error") ? json_object_get(body, "error") : body;
	bool yes = r->code == 413;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (size_t k = 0; k < 2; k++) {
			const json_t *v = json_object_get(e, k ? "code" : "type");

			yes |= json_is_string(v) && strcmp(json_string_value(v), codes[i]) == 0;
		}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		yes |= strcasestr(r->err.msg, words[i]) != NULL;
	json_decref(body);
	return yes && (r->code == 400 || r->code == 413 || r->code == 422);
}

/* ---- the queue ---------------------------------------------------------------------------------------------------------- */

static void
ask_free(struct ask *a)
{
	if (!a)
		return;
	od_buf_release(&a->body);
	json_decref(a->json);
	free(a);
}

static struct ask *
numbered(const struct od_openai *o, size_t number)
{
	return o->asks[o->head + (number - o->first)];
}

/* Whether an answer is of use to `a`; otherwise the reason is in a->err. *st: that it could not be found out. */
static bool
is_usable(struct od_openai *o, struct ask *a, json_t *json, enum od_status *st, struct od_error *err)
{
	*st = read_answer(&o->view, json, err);
	if (*st != OD_OK)
		return false;
	o->view.tag = a->tag;
	o->view.status = OD_OK;
	return !o->o.usable || o->o.usable(o->o.ctx, &o->view, &a->err) == OD_OK;
}

static void
finish(struct ask *a, json_t *json)
{
	a->done = true;
	a->status = OD_OK;
	a->err = (struct od_error)OD_ERROR_INIT;
	json_decref(a->json);
	a->json = json_incref(json);
}

static enum od_status
from_cache(struct od_openai *o, struct ask *a, struct od_error *err)
{
	json_t *json = NULL;
	enum od_status st = o->cache ? od_cache_get(o->cache, a->key, &json, err) : OD_OK;

	if (st == OD_OK && json && is_answer(json) && is_usable(o, a, json, &st, err)) {
		finish(a, json);
		a->cached = true;
		o->stats.cached++;
	}
	json_decref(json);
	return st;
}

/* The number of an earlier request that is the same and waits for its answer, or has one; else `number`. */
static size_t
find_twin(const struct od_openai *o, const struct ask *a, size_t number)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct ask *b = o->asks[o->head + i];

		if ((b->done || b->twin == o->first + i) && b->status == OD_OK && strcmp(a->key, b->key) == 0)
			return o->first + i;
	}
	return number;
}

/* Room for one more at the end: what was taken at the front goes first. */
static bool
make_room(struct od_openai *o)
{
	if (o->head) {
		memmove(o->asks, o->asks + o->head, o->n * sizeof(*o->asks));
		o->head = 0;
	}
	return od_grow(&o->asks, &o->cap, o->n + 1, sizeof(*o->asks));
}

/* Hands what `a` has got to a request that is the same, which looks at it for itself: tags differ. */
static enum od_status
share(struct od_openai *o, const struct ask *a, struct ask *b, struct od_error *err)
{
	enum od_status st = OD_OK;

	o->stats.shared++;
	if (a->status == OD_OK && is_usable(o, b, a->json, &st, err)) {
		finish(b, a->json);
		return OD_OK;
	}
	b->done = true;
	b->status = a->status == OD_OK ? OD_EFORMAT : a->status;
	b->err = a->status == OD_OK ? b->err : a->err;
	return st;
}

enum od_status
od_openai_ask(struct od_openai *o, const struct od_openai_request *r, size_t tag, struct od_error *err)
{
	size_t number = o->first + o->n;
	struct ask *a = NULL;
	enum od_status st = od_alloc(&a, 1, sizeof(*a), "a request", err);

	if (st != OD_OK)
		return st;
	a->tag = tag;
	a->attempts = 1;
	write_body(a, r);
	if (!od_buf_ok(&a->body) || !make_room(o))
		st = od_fail_nomem(err, "a request", a->body.len);
	if (st == OD_OK)
		st = make_key(o, a, err);
	if (st == OD_OK)
		st = from_cache(o, a, err);
	a->twin = a->done ? number : find_twin(o, a, number);
	if (st == OD_OK && a->twin != number && numbered(o, a->twin)->done)
		st = share(o, numbered(o, a->twin), a, err);
	else if (st == OD_OK && !a->done && a->twin == number)
		st = od_http_post(o->http, a->body.data, a->body.len, number, err);
	if (st == OD_OK)
		o->asks[o->head + o->n++] = a;
	else
		ask_free(a);
	return st;
}

static enum od_status
tell_twins(struct od_openai *o, const struct ask *a, size_t number, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t i = number + 1; i < o->first + o->n && st == OD_OK; i++)
		if (numbered(o, i)->twin == number && !numbered(o, i)->done)
			st = share(o, a, numbered(o, i), err);
	return st;
}

/* A good answer of the service: of use, or to be asked for again, or given up. */
static enum od_status
take_answer(struct od_openai *o, struct ask *a, size_t number, struct od_error *err)
{
	json_t *json = json_loadb(o->reply.body.data, o->reply.body.len, 0, NULL);
	enum od_status st = OD_OK;
	bool good = is_usable(o, a, json, &st, err);

	if (st == OD_OK) {
		o->stats.prompt_tokens += o->view.prompt_tokens;
		o->stats.completion_tokens += o->view.completion_tokens;
	}
	if (st == OD_OK && good) {
		o->stats.requests++;
		finish(a, json);
		if (o->cache)
			st = od_cache_put(o->cache, a->key, json, err);
	} else if (st == OD_OK && a->attempts < o->o.attempts) {
		o->stats.again++;
		next_seed(a);
		a->attempts++;
		st = od_buf_ok(&a->body) ? od_http_post(o->http, a->body.data, a->body.len, number, err) :
			od_fail_nomem(err, "a request", a->body.len);
	} else if (st == OD_OK) {
		o->stats.requests++;
		o->stats.useless++;
		a->done = true;
		a->status = OD_EFORMAT;
	}
	json_decref(json);
	return st;
}

/* Waits for one answer of the service, whichever it is. */
static enum od_status
take_reply(struct od_openai *o, struct od_error *err)
{
	enum od_status st = od_http_wait(o->http, &o->reply, err);
	struct ask *a;

	if (st != OD_OK)
		return st == OD_EOF ? od_fail(err, OD_ESERVICE, "service '%s' has lost a request", od_http_url(o->http)) : st;
	a = numbered(o, o->reply.tag);
	if (o->reply.status == OD_OK) {
		st = take_answer(o, a, o->reply.tag, err);
	} else if (concerns_request(&o->reply)) {
		o->stats.requests++;
		o->stats.useless++;
		a->done = true;
		a->status = od_fail(&a->err, OD_EFORMAT, "%s", o->reply.err.msg);
	} else {
		if (err)
			*err = o->reply.err;
		return o->reply.status;
	}
	return st == OD_OK && a->done ? tell_twins(o, a, o->reply.tag, err) : st;
}

enum od_status
od_openai_next(struct od_openai *o, struct od_openai_answer *a, struct od_error *err)
{
	enum od_status st = OD_OK;
	struct ask *first;

	if (!o->n)
		return OD_EOF;
	first = o->asks[o->head];
	while (st == OD_OK && !first->done)
		st = take_reply(o, err);
	if (st != OD_OK)
		return st;
	a->n_choices = 0;
	if (first->json)
		st = read_answer(a, first->json, err);
	a->tag = first->tag;
	a->status = first->status;
	a->err = first->err;
	a->cached = first->cached;
	ask_free(first);
	o->head++;
	o->first++;
	o->n--;
	return st;
}

size_t
od_openai_pending(const struct od_openai *o)
{
	return o->n;
}

const char *
od_openai_url(const struct od_openai *o)
{
	return od_http_url(o->http);
}

/* ---- reports, opening and closing --------------------------------------------------------------------------------------- */

struct od_openai_stats
od_openai_stats(const struct od_openai *o)
{
	struct od_openai_stats s = o->stats;
	struct od_http_stats h = od_http_stats(o->http);

	s.sent = h.sent;
	s.retried = h.retried;
	return s;
}

void
od_openai_summary(const struct od_openai *o, double price_in, double price_out, struct od_buf *out)
{
	struct od_openai_stats s = od_openai_stats(o);
	double cost = 1e-6 * (price_in * (double)s.prompt_tokens + price_out * (double)s.completion_tokens);

	od_buf_printf(out, "%lld request%s", (long long)s.requests, s.requests == 1 ? "" : "s");
	if (s.retried)
		od_buf_printf(out, ", %lld retried", (long long)s.retried);
	if (s.cached)
		od_buf_printf(out, ", %lld from the cache", (long long)s.cached);
	if (s.shared)
		od_buf_printf(out, ", %lld equal to another", (long long)s.shared);
	if (s.again)
		od_buf_printf(out, ", %lld asked again", (long long)s.again);
	if (s.useless)
		od_buf_printf(out, ", %lld without a usable answer", (long long)s.useless);
	od_buf_printf(out, "; %lld + %lld tokens", (long long)s.prompt_tokens, (long long)s.completion_tokens);
	if (price_in > 0 || price_out > 0)
		od_buf_printf(out, ", cost %.4f", cost);
}

enum od_status
od_openai_open(struct od_openai **out, const struct od_openai_options *opt, struct od_error *err)
{
	struct od_openai *o = NULL;
	enum od_status st = od_alloc(&o, 1, sizeof(*o), "a service", err);

	if (st != OD_OK)
		return st;
	o->o = *opt;
	o->o.http.path = opt->plain ? "/completions" : "/chat/completions";
	o->o.http.check = check_body;
	st = od_http_open(&o->http, &o->o.http, err);
	if (st == OD_OK && opt->cache)
		st = od_cache_open(&o->cache, opt->cache, err);
	o->o.http = (struct od_http_options)OD_HTTP_OPTIONS_INIT;     /* strings of others, the key among them */
	o->o.cache = NULL;
	if (st == OD_OK)
		*out = o;
	else
		od_openai_close(o);
	return st;
}

void
od_openai_answer_release(struct od_openai_answer *a)
{
	json_decref(a->json);
	free(a->choices);
	*a = (struct od_openai_answer)OD_OPENAI_ANSWER_INIT;
}

void
od_openai_close(struct od_openai *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		ask_free(o->asks[o->head + i]);
	free(o->asks);
	od_http_answer_release(&o->reply);
	od_openai_answer_release(&o->view);
	od_cache_close(o->cache);
	od_http_close(o->http);
	free(o);
}
