#include "model/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "text/unicode.h"

const char *const od_finish_names[] = { "stop", "length", NULL };

/* A response under way. */
struct running {
	struct od_job *job;
	int32_t sample, seq, next;                 /* next: the token that goes in */
	int64_t max_new;
	struct od_rng rng;
	struct od_buf raw;                         /* bytes of the tokens, valid text or not */
	uint64_t *seen;                            /* NULL: no penalty */
	struct od_draw draw;
	enum od_status status;
	struct od_error err;
};

struct od_generator {
	const struct od_model *m;
	const struct od_tokenizer *tokenizer;
	struct od_generate_options o;
	struct od_decoder *decoder;
	struct od_job **queue;                     /* [n_queue], the first to come first */
	size_t n_queue, cap_queue;
	struct running *run;                       /* [max_seqs], the first n_run are under way */
	int32_t n_run;
	int32_t *seq, *ids;                        /* [max_seqs] of a step */
	struct od_prompt *prompt;                  /* [max_seqs] of a start */
	int64_t pages;
	size_t longest_stop;
};

void
od_response_release(struct od_response *r)
{
	od_ids_release(&r->ids);
	od_buf_release(&r->text);
	*r = (struct od_response){ 0 };
}

/* ---- opening ---- */

enum od_status
od_generator_open(struct od_generator **out, const struct od_model *m, const struct od_tokenizer *t,
	const struct od_generate_options *o, struct od_error *err)
{
	enum { USUAL_PROMPT = 1024 };
	struct od_generator *g = od_calloc(1, sizeof *g);
	int64_t cache;
	enum od_status st;

	*out = g;
	if (!g)
		return od_fail_nomem(err, "a generator", sizeof *g);
	g->m = m;
	g->tokenizer = t;
	g->o = *o;
	for (size_t i = 0; i < o->n_stop; i++)
		g->longest_stop = strlen(o->stop[i]) > g->longest_stop ? strlen(o->stop[i]) : g->longest_stop;
	cache = o->cache_tokens ? o->cache_tokens : o->max_seqs * od_smaller(o->max_new + USUAL_PROMPT, m->config.max_position_embeddings);
	g->pages = (cache + OD_KV_PAGE - 1) / OD_KV_PAGE;
	g->run = od_calloc((size_t)o->max_seqs, sizeof *g->run);
	g->seq = od_calloc((size_t)o->max_seqs, sizeof *g->seq);
	g->ids = od_calloc((size_t)o->max_seqs, sizeof *g->ids);
	g->prompt = od_calloc((size_t)o->max_seqs, sizeof *g->prompt);
	st = g->run && g->seq && g->ids && g->prompt ? od_decoder_open(&g->decoder, m, o->max_seqs, cache, err) :
		od_fail_nomem(err, "a generator", (size_t)o->max_seqs * sizeof *g->run);
	if (st != OD_OK) {
		od_generator_close(g);
		*out = NULL;
	}
	return st;
}

static void
release_running(struct running *r)
{
	od_buf_release(&r->raw);
	od_draw_release(&r->draw);
	free(r->seen);
	*r = (struct running){ 0 };
}

void
od_generator_close(struct od_generator *g)
{
	if (!g)
		return;
	for (int32_t i = 0; g->run && i < g->o.max_seqs; i++)
		release_running(&g->run[i]);
	od_decoder_close(g->decoder);
	free(g->run);
	free(g->seq);
	free(g->ids);
	free(g->prompt);
	free(g->queue);
	free(g);
}

int64_t
od_generator_queued(const struct od_generator *g)
{
	return (int64_t)g->n_queue;
}

/* ---- starting jobs ---- */

/* Tokens a response to this prompt may have. */
static int64_t
room_for(const struct od_generator *g, int32_t n_prompt)
{
	return od_smaller(g->o.max_new, g->m->config.max_position_embeddings - n_prompt);
}

enum od_status
od_generator_add(struct od_generator *g, struct od_job *job, struct od_error *err)
{
	int64_t room = room_for(g, job->n_prompt);

	if (job->n_prompt < 1)
		return od_fail(err, OD_EFORMAT, "the prompt has no tokens");
	if (room < 1)
		return od_fail(err, OD_EFORMAT, "the prompt's %d tokens leave no room for a response: the model has %lld positions",
			job->n_prompt, (long long)g->m->config.max_position_embeddings);
	if (od_decoder_pages(job->n_prompt, 1, room) > g->pages)
		return od_fail(err, OD_EFORMAT, "the prompt's %d tokens and a response of %lld need more than the cache holds (%lld)",
			job->n_prompt, (long long)room, (long long)g->pages * OD_KV_PAGE);
	for (int32_t i = 0; i < job->n_prompt; i++)
		if (job->prompt[i] < 0 || job->prompt[i] >= g->m->config.vocab_size)
			return od_fail(err, OD_EFORMAT, "token id %d is outside the model's vocabulary of %lld", job->prompt[i],
				(long long)g->m->config.vocab_size);
	if (!od_grow(&g->queue, &g->cap_queue, g->n_queue + 1, sizeof *g->queue))
		return od_fail_nomem(err, "a queue", (g->n_queue + 1) * sizeof *g->queue);
	job->started = 0;
	job->left = job->samples;
	g->queue[g->n_queue++] = job;
	return OD_OK;
}

/* Prompts that go through the model together. */
struct starting {
	int32_t n, seqs;
	int64_t tokens, pages;
};

/* How many more responses of the job begin now: all that are left, or as many as there can ever be at a time; else 0. */
static int32_t
can_start(const struct od_generator *g, const struct od_job *job, const struct starting *s)
{
	int64_t room = room_for(g, job->n_prompt), left = od_smaller(job->samples - job->started, g->o.max_seqs);

	if (s->n && s->tokens + job->n_prompt > g->o.prefill_tokens)
		return 0;
	while (left > 1 && od_decoder_pages(job->n_prompt, (int32_t)left, room) > g->pages)
		left--;
	return left + s->seqs <= od_decoder_free_seqs(g->decoder) &&
		od_decoder_pages(job->n_prompt, (int32_t)left, room) + s->pages <= od_decoder_free_pages(g->decoder) ? (int32_t)left : 0;
}

static enum od_status
begin_response(struct od_generator *g, struct od_job *job, int32_t seq, struct od_error *err)
{
	struct running *r = &g->run[g->n_run++];
	size_t words = ((size_t)g->m->config.vocab_size + 63) / 64;

	*r = (struct running){ .job = job, .sample = job->started++, .seq = seq, .next = job->prompt[job->n_prompt - 1],
		.max_new = room_for(g, job->n_prompt), .raw = OD_BUF_INIT };
	r->rng = od_rng_init(g->o.sampling.seed, od_rng_mix(job->key ^ od_rng_mix((uint64_t)r->sample + 1)));
	if (g->o.sampling.repetition_penalty == 1)
		return OD_OK;
	r->seen = od_calloc(words, sizeof *r->seen);
	if (!r->seen)
		return od_fail_nomem(err, "a set of tokens", words * sizeof *r->seen);
	for (int32_t i = 0; i < job->n_prompt; i++)
		od_seen_add(r->seen, job->prompt[i]);
	return OD_OK;
}

/* As many jobs of the queue as go together, in the order they came: a large job is not overtaken, or it might wait for ever. */
static struct starting
collect(struct od_generator *g)
{
	struct starting s = { 0 };

	for (size_t i = 0; i < g->n_queue; i++) {
		struct od_job *job = g->queue[i];
		int32_t n = can_start(g, job, &s);

		if (n == 0)
			break;
		g->prompt[s.n++] = (struct od_prompt){ job->prompt, job->n_prompt, n, room_for(g, job->n_prompt), g->seq + s.seqs };
		s.seqs += n;
		s.tokens += job->n_prompt;
		s.pages += od_decoder_pages(job->n_prompt, n, room_for(g, job->n_prompt));
		if (job->started + n < job->samples)
			break;
	}
	return s;
}

static enum od_status
start_jobs(struct od_generator *g, struct od_error *err)
{
	for (struct starting s = collect(g); s.n; s = collect(g)) {
		size_t done = 0;
		enum od_status st = od_decoder_start(g->decoder, g->prompt, s.n, err);

		for (int32_t i = 0; st == OD_OK && i < s.n; i++) {
			for (int32_t k = 0; st == OD_OK && k < g->prompt[i].samples; k++)
				st = begin_response(g, g->queue[i], g->prompt[i].seq[k], err);
			done += g->queue[i]->started == g->queue[i]->samples;
		}
		if (st != OD_OK)
			return st;
		g->n_queue -= done;
		memmove(g->queue, g->queue + done, g->n_queue * sizeof *g->queue);
	}
	return OD_OK;
}

/* ---- a step ---- */

static bool
is_stop(const struct od_generator *g, int32_t id)
{
	for (size_t i = 0; i < g->o.n_stop_ids; i++)
		if (g->o.stop_ids[i] == id)
			return true;
	return false;
}

/* Where the first stop text begins that the last 'added' bytes complete; the length when there is none. */
static size_t
find_stop(const struct od_generator *g, const struct od_buf *raw, size_t added)
{
	size_t from = raw->len > added + g->longest_stop ? raw->len - added - g->longest_stop : 0, at = raw->len;

	for (size_t i = 0; i < g->o.n_stop; i++) {
		const char *hit = memmem(raw->data + from, raw->len - from, g->o.stop[i], strlen(g->o.stop[i]));

		if (hit && (size_t)(hit - raw->data) < at)
			at = (size_t)(hit - raw->data);
	}
	return at;
}

/* The first n bytes as text, what is not UTF-8 replaced, and so are NULs, which records may not hold. */
static void
put_text(struct od_buf *out, const char *s, size_t n)
{
	while (n > 0) {
		size_t good = strnlen(s, od_utf8_check(s, n));

		od_buf_append(out, s, good);
		if (good == n)
			return;
		od_buf_str(out, "\xef\xbf\xbd");
		for (good++; good < n && ((unsigned char)s[good] & 0xc0) == 0x80; good++)
			;
		s += good;
		n -= good;
	}
}

static void
finish(struct od_generator *g, struct running *r, enum od_finish how, size_t text)
{
	struct od_response *out = &r->job->response[r->sample];

	out->finish = how;
	out->tokens = (int64_t)out->ids.n;
	if (text)
		put_text(&out->text, r->raw.data, text);
	r->job->left--;
	od_decoder_end(g->decoder, r->seq);
}

/* Takes a drawn token up. *done: the response has ended. */
static enum od_status
accept(struct od_generator *g, struct running *r, bool *done, struct od_error *err)
{
	struct od_ids *ids = &r->job->response[r->sample].ids;
	size_t before = r->raw.len, at;

	*done = true;
	if (!od_grow(&ids->id, &ids->cap, ids->n + 1, sizeof *ids->id))
		return od_fail_nomem(err, "a response", (ids->n + 1) * sizeof *ids->id);
	ids->id[ids->n++] = r->next;
	if (is_stop(g, r->next)) {
		finish(g, r, OD_FINISH_STOP, r->raw.len);
		return OD_OK;
	}
	if (g->tokenizer)
		od_tokenizer_decode(g->tokenizer, r->next, true, &r->raw);
	if (!od_buf_ok(&r->raw))
		return od_fail_nomem(err, "a response", before);
	at = find_stop(g, &r->raw, r->raw.len - before);
	if (at < r->raw.len)
		finish(g, r, OD_FINISH_STOP, at);
	else if ((int64_t)ids->n >= r->max_new)
		finish(g, r, OD_FINISH_LENGTH, r->raw.len);
	else
		*done = false;
	if (r->seen)
		od_seen_add(r->seen, r->next);
	return OD_OK;
}

/* A row of logits to a token. */
static void
draw_one(struct od_generator *g, struct running *r, float *logits)
{
	r->err = (struct od_error)OD_ERROR_INIT;
	r->status = od_sample(&r->next, logits, g->m->config.vocab_size, g->m->config.final_softcap, &g->o.sampling, r->seen,
		od_rng_uniform(&r->rng), &r->draw, &r->err);
}

/* Each row on a thread of its own. A row alone is shared out (sampling.c), but not from within a region: in one inside another, even
 * of one thread, the library makes new threads each time. */
static enum od_status
draw_all(struct od_generator *g, float *logits, struct od_error *err)
{
	if (g->n_run == 1)
		draw_one(g, &g->run[0], logits);
	else {
#pragma omp parallel for schedule(dynamic)
		for (int32_t i = 0; i < g->n_run; i++)
			draw_one(g, &g->run[i], logits + i * g->m->config.vocab_size);
	}
	for (int32_t i = 0; i < g->n_run; i++)
		if (g->run[i].status != OD_OK) {
			*err = g->run[i].err;
			return g->run[i].status;
		}
	return OD_OK;
}

enum od_status
od_generator_step(struct od_generator *g, struct od_error *err)
{
	enum od_status st = start_jobs(g, err);
	int32_t kept = 0;
	float *logits;

	if (st == OD_OK && g->n_run == 0)
		return OD_EOF;
	for (int32_t i = 0; i < g->n_run; i++) {
		g->seq[i] = g->run[i].seq;
		g->ids[i] = g->run[i].next;
	}
	if (st == OD_OK)
		st = od_decoder_step(g->decoder, g->seq, g->ids, g->n_run, &logits, err);
	if (st == OD_OK)
		st = draw_all(g, logits, err);
	for (int32_t i = 0; st == OD_OK && i < g->n_run; i++) {
		struct running *r = &g->run[i];
		bool done;

		st = accept(g, r, &done, err);
		if (done) {
			release_running(r);
			continue;
		}
		if (kept != i) {
			g->run[kept] = *r;
			memset(r, 0, sizeof *r);
		}
		kept++;
	}
	if (st == OD_OK)
		g->n_run = kept;
	return st;
}
