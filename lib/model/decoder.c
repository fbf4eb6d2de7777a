#include "model/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "model/activations.h"

struct sequence {
	int32_t *page;                             /* [n_pages] */
	int32_t n_pages, len;                      /* len: tokens in the cache */
	bool used;
};

/* Index arrays of a pass, in device memory, as one block. */
struct arrays {
	int32_t *host, *dev;
	size_t cap_host, cap_dev;
};

struct od_decoder {
	const struct od_model *m;
	struct od_engine *engine;
	struct od_kv_pages *layer;                 /* [n_layers] */
	void *pool;
	int32_t *free_page, *refs;                 /* [n_pages] stack of free pages; sequences that hold each */
	int32_t n_pages, n_free;
	struct sequence *seq;                      /* [max_seqs] */
	int32_t max_seqs, n_seqs;
	struct arrays index;
	struct od_batch batch;
	float *logits, *host_logits, *rstd;        /* [max_seqs, vocabulary] device; host where that is not the same; [max_seqs] */
	void *rows;                                /* [max_seqs, hidden] after the final norm */
};

/* ---- opening ---- */

static enum od_status
open_pool(struct od_decoder *d, struct od_error *err)
{
	const struct od_model_config *c = &d->m->config;
	struct od_backend *be = d->m->be;
	size_t part = (size_t)d->n_pages * OD_KV_PAGE * (size_t)c->n_kv_heads * (size_t)c->head_dim * od_dtype_size(be->type);
	size_t bytes = 2 * (size_t)c->n_layers * part;
	char *at;

	d->pool = be->alloc(be, bytes);
	if (!d->pool)
		return od_fail(err, OD_ENOMEM, "cannot allocate %zu bytes on device %s for keys and values of %lld tokens: ask for fewer "
			"(fewer or shorter sequences at a time)", bytes, be->name, (long long)d->n_pages * OD_KV_PAGE);
	at = d->pool;
	for (int i = 0; i < c->n_layers; i++, at += 2 * part)
		d->layer[i] = (struct od_kv_pages){ at, at + part, c->n_kv_heads, c->head_dim };
	for (int32_t i = 0; i < d->n_pages; i++)
		d->free_page[i] = d->n_pages - 1 - i;
	d->n_free = d->n_pages;
	return OD_OK;
}

static enum od_status
open_logits(struct od_decoder *d, struct od_error *err)
{
	struct od_backend *be = d->m->be;
	size_t n = (size_t)d->max_seqs, bytes = n * (size_t)d->m->config.vocab_size * sizeof(float);

	d->logits = be->alloc(be, bytes);
	d->rstd = be->alloc(be, n * sizeof(float));
	d->rows = be->alloc(be, n * (size_t)d->m->config.hidden_size * sizeof(float));
	d->host_logits = be->host_memory ? d->logits : malloc(bytes);
	return d->logits && d->rstd && d->rows && d->host_logits ? OD_OK : od_fail_nomem(err, "logits", bytes);
}

enum od_status
od_decoder_open(struct od_decoder **out, const struct od_model *m, int32_t max_seqs, int64_t cache_tokens, struct od_error *err)
{
	struct od_decoder *d = od_calloc(1, sizeof *d);
	enum od_status st;

	*out = d;
	if (!d)
		return od_fail_nomem(err, "a decoder", sizeof *d);
	d->m = m;
	d->max_seqs = max_seqs;
	d->n_pages = (int32_t)((cache_tokens + OD_KV_PAGE - 1) / OD_KV_PAGE);
	d->layer = od_calloc((size_t)m->config.n_layers, sizeof *d->layer);
	d->free_page = od_calloc((size_t)d->n_pages, sizeof *d->free_page);
	d->refs = od_calloc((size_t)d->n_pages, sizeof *d->refs);
	d->seq = od_calloc((size_t)max_seqs, sizeof *d->seq);
	st = d->layer && d->free_page && d->refs && d->seq ? OD_OK : od_fail_nomem(err, "a decoder", (size_t)d->n_pages * 8);
	if (st == OD_OK)
		st = open_pool(d, err);
	if (st == OD_OK)
		st = open_logits(d, err);
	if (st == OD_OK)
		st = od_engine_open(&d->engine, m, NULL, err);
	if (st != OD_OK) {
		od_decoder_close(d);
		*out = NULL;
	}
	return st;
}

void
od_decoder_close(struct od_decoder *d)
{
	struct od_backend *be;

	if (!d)
		return;
	be = d->m->be;
	be->free(be, d->pool);
	be->free(be, d->logits);
	be->free(be, d->rstd);
	be->free(be, d->rows);
	be->free(be, d->index.dev);
	if (d->host_logits != d->logits)
		free(d->host_logits);
	for (int32_t i = 0; d->seq && i < d->max_seqs; i++)
		free(d->seq[i].page);
	od_engine_close(d->engine);
	od_batch_release(&d->batch);
	free(d->index.host);
	free(d->seq);
	free(d->layer);
	free(d->free_page);
	free(d->refs);
	free(d);
}

/* ---- pages ---- */

static int32_t
pages_of(int64_t tokens)
{
	return (int32_t)((tokens + OD_KV_PAGE - 1) / OD_KV_PAGE);
}

/* A prompt's pages that no sequence writes to any more: those its tokens but the last fill. */
static int32_t
shared_pages(int32_t n)
{
	return (n - 1) / OD_KV_PAGE;
}

int64_t
od_decoder_pages(int32_t n, int32_t samples, int64_t max_new)
{
	int64_t shared = shared_pages(n);

	return shared + samples * (pages_of(n + max_new) - shared);
}

int64_t
od_decoder_free_pages(const struct od_decoder *d)
{
	return d->n_free;
}

int32_t
od_decoder_free_seqs(const struct od_decoder *d)
{
	return d->max_seqs - d->n_seqs;
}

static int32_t
take_page(struct od_decoder *d)
{
	int32_t page = d->free_page[--d->n_free];

	d->refs[page] = 1;
	return page;
}

static void
give_page(struct od_decoder *d, int32_t page)
{
	if (--d->refs[page] == 0)
		d->free_page[d->n_free++] = page;
}

void
od_decoder_end(struct od_decoder *d, int32_t seq)
{
	struct sequence *s = &d->seq[seq];

	for (int32_t i = 0; i < s->n_pages; i++)
		give_page(d, s->page[i]);
	free(s->page);
	*s = (struct sequence){ 0 };
	d->n_seqs--;
}

/* A sequence of a prompt; 'first' is the prompt's first one, whose full pages it shares (NULL: it is that). */
static enum od_status
take_sequence(struct od_decoder *d, const struct od_prompt *p, const struct sequence *first, int32_t *number, struct od_error *err)
{
	int32_t i = 0, shared = first ? shared_pages(p->n) : 0;
	struct sequence *s;

	while (d->seq[i].used)
		i++;
	s = &d->seq[i];
	s->n_pages = pages_of(p->n + p->max_new);
	s->page = od_calloc((size_t)s->n_pages, sizeof *s->page);
	if (!s->page)
		return od_fail_nomem(err, "a sequence", (size_t)s->n_pages * sizeof *s->page);
	s->used = true;
	s->len = p->n - 1;
	d->n_seqs++;
	for (int32_t k = 0; k < s->n_pages; k++)
		if (k < shared)
			d->refs[s->page[k] = first->page[k]]++;
		else
			s->page[k] = take_page(d);
	*number = i;
	return OD_OK;
}

/* ---- index arrays ---- */

static enum od_status
reserve_index(struct od_decoder *d, size_t n, struct od_error *err)
{
	struct od_backend *be = d->m->be;
	struct arrays *a = &d->index;

	if (!od_grow(&a->host, &a->cap_host, n, sizeof *a->host))
		return od_fail_nomem(err, "an index", n * sizeof *a->host);
	if (a->cap_dev >= a->cap_host)
		return OD_OK;
	be->free(be, a->dev);
	a->dev = be->alloc(be, a->cap_host * sizeof *a->dev);
	a->cap_dev = a->dev ? a->cap_host : 0;
	return a->dev ? OD_OK : od_fail_nomem(err, "an index", a->cap_host * sizeof *a->dev);
}

static int32_t
slot_of(const struct sequence *s, int32_t token)
{
	return s->page[token / OD_KV_PAGE] * OD_KV_PAGE + token % OD_KV_PAGE;
}

/* ---- prompts ---- */

static size_t
kept_rows(const struct od_prompt *p)
{
	size_t shared = (size_t)shared_pages(p->n) * OD_KV_PAGE;

	return shared + (size_t)p->samples * ((size_t)p->n - 1 - shared);
}

/* Where each row of a prompt, from batch row 'at' on, goes. Returns how many entries there are now. */
static size_t
keep_prompt(const struct od_decoder *d, const struct od_prompt *p, int32_t at, int32_t *row, int32_t *slot, size_t n)
{
	int32_t shared = shared_pages(p->n) * OD_KV_PAGE;

	for (int32_t t = 0; t < p->n - 1; t++)
		for (int32_t k = 0; k < (t < shared ? 1 : p->samples); k++, n++) {
			row[n] = at + t;
			slot[n] = slot_of(&d->seq[p->seq[k]], t);
		}
	return n;
}

static enum od_status
run_prompts(struct od_decoder *d, const struct od_prompt *prompts, int n, size_t kept, struct od_error *err)
{
	struct od_backend *be = d->m->be;
	struct od_kv_use use = { d->layer, false, (int64_t)kept, d->index.dev, d->index.dev + kept, NULL, NULL, 0 };
	int32_t at = 0;
	size_t e = 0;
	enum od_status st;

	for (int i = 0; i < n; i++) {
		e = keep_prompt(d, &prompts[i], at, d->index.host, d->index.host + kept, e);
		at += prompts[i].n - 1;
	}
	be->upload(be, d->index.dev, d->index.host, 2 * kept * sizeof *d->index.host);
	d->engine->kv = &use;
	st = od_engine_forward(d->engine, &d->batch, NULL, err);
	d->engine->kv = NULL;
	return st;
}

enum od_status
od_decoder_start(struct od_decoder *d, const struct od_prompt *prompts, int n, struct od_error *err)
{
	size_t kept = 0;
	enum od_status st = OD_OK;

	od_batch_clear(&d->batch);
	for (int i = 0; st == OD_OK && i < n; i++) {
		const struct od_prompt *p = &prompts[i];
		struct od_seq s = { p->ids, p->n, p->n, NULL };

		for (int32_t k = 0; st == OD_OK && k < p->samples; k++)
			st = take_sequence(d, p, k ? &d->seq[p->seq[0]] : NULL, &p->seq[k], err);
		if (st == OD_OK && p->n > 1)
			st = od_batch_add(&d->batch, &s, 1, err);
		kept += kept_rows(p);
	}
	if (st != OD_OK || kept == 0)
		return st;
	st = reserve_index(d, 2 * kept, err);
	return st == OD_OK ? run_prompts(d, prompts, n, kept, err) : st;
}

/* ---- steps ---- */

/* [row n][slot n][len n][table n x width] */
static int64_t
fill_step(struct od_decoder *d, const int32_t *seq, int32_t n, int32_t width)
{
	int32_t *row = d->index.host, *slot = row + n, *len = slot + n, *table = len + n;

	for (int32_t i = 0; i < n; i++) {
		const struct sequence *s = &d->seq[seq[i]];

		row[i] = i;
		slot[i] = slot_of(s, s->len);
		len[i] = s->len + 1;
		for (int32_t k = 0; k < width; k++)
			table[(int64_t)i * width + k] = k * OD_KV_PAGE <= s->len ? s->page[k] : 0;
	}
	return (int64_t)n * (3 + width);
}

static enum od_status
fill_batch(struct od_decoder *d, const int32_t *seq, const int32_t *ids, int32_t n, struct od_error *err)
{
	enum od_status st = OD_OK;

	od_batch_clear(&d->batch);
	for (int32_t i = 0; st == OD_OK && i < n; i++)
		st = od_batch_add_token(&d->batch, ids[i], d->seq[seq[i]].len, err);
	return st;
}

/* The final norm and the head on every row. */
static void
make_logits(struct od_decoder *d, int32_t n)
{
	const struct od_model *m = d->m;
	const struct od_model_config *c = &m->config;
	struct od_backend *be = m->be;
	struct od_mat rows = od_mat_of(d->rows, be->type, n, c->hidden_size), logits = od_mat_f32(d->logits, n, c->vocab_size);

	be->norm_fwd(be, rows, d->rstd, od_mat_f32(d->engine->a.x_out, n, c->hidden_size), od_vector(m, m->params.final_norm),
		(float)c->rms_norm_eps, c->norm_plus_one);
	be->dots(be, logits, rows, od_weight(m, m->params.head, 1), od_mat_f32(NULL, 0, 0));
	if (d->host_logits != d->logits)
		be->download(be, d->host_logits, d->logits, (size_t)n * (size_t)c->vocab_size * sizeof(float));
}

enum od_status
od_decoder_step(struct od_decoder *d, const int32_t *seq, const int32_t *ids, int32_t n, float **logits, struct od_error *err)
{
	struct od_backend *be = d->m->be;
	int32_t width = 1;
	const int32_t *dev;
	struct od_kv_use use;
	enum od_status st = fill_batch(d, seq, ids, n, err);

	for (int32_t i = 0; i < n; i++)
		width = (int32_t)od_larger(width, pages_of(d->seq[seq[i]].len + 1));
	if (st == OD_OK)
		st = reserve_index(d, (size_t)n * (3 + (size_t)width), err);
	if (st != OD_OK)
		return st;
	be->upload(be, d->index.dev, d->index.host, (size_t)fill_step(d, seq, n, width) * sizeof *d->index.host);
	dev = d->index.dev;
	use = (struct od_kv_use){ d->layer, true, n, dev, dev + n, dev + 3 * n, dev + 2 * n, width };
	d->engine->kv = &use;
	st = od_engine_forward(d->engine, &d->batch, NULL, err);
	d->engine->kv = NULL;
	if (st != OD_OK)
		return st;
	make_logits(d, n);
	for (int32_t i = 0; i < n; i++)
		d->seq[seq[i]].len++;
	*logits = d->host_logits;
	return be->ok(be) ? OD_OK : od_fail(err, OD_ENOMEM, "the %s backend failed: %s", be->name, be->failure(be));
}
