#include "model/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "model/activations.h"

enum od_status
od_engine_open(struct od_engine **out, const struct od_model *m, float *grads, struct od_error *err)
{
	struct od_engine *e = od_calloc(1, sizeof *e);

	if (!e)
		return od_fail_nomem(err, "an engine", sizeof *e);
	e->m = m;
	e->grads = grads;
	e->a.layer = od_calloc((size_t)m->config.n_layers, sizeof *e->a.layer);
	if (!e->a.layer) {
		free(e);
		return od_fail_nomem(err, "an engine", (unsigned long long)m->config.n_layers * sizeof *e->a.layer);
	}
	*out = e;
	return OD_OK;
}

void
od_engine_close(struct od_engine *e)
{
	struct od_backend *be;

	if (!e)
		return;
	be = e->m->be;
	be->free(be, e->arena);
	be->free(be, e->rope_cos);
	be->free(be, e->rope_sin);
	free(e->a.layer);
	free(e);
}

void
od_engine_watch(struct od_engine *e, od_gradients_final *fn, void *ctx)
{
	e->final = fn;
	e->final_ctx = ctx;
}

int64_t
od_engine_bytes(const struct od_model_config *c, enum od_dtype type, bool training, int32_t recompute, int64_t max_tokens,
	int64_t max_rows)
{
	struct od_activations a = { .layer = od_calloc((size_t)c->n_layers, sizeof *a.layer) };
	struct od_arena_size n = { type, training, max_tokens, max_rows, 2 * max_rows, recompute };
	size_t bytes = a.layer ? od_activations_plan(&a, NULL, c, &n) : 0;

	free(a.layer);
	return (int64_t)bytes;
}

void
od_engine_recompute(struct od_engine *e, int32_t layers)
{
	e->again = layers;
}

double
od_recompute_share(const struct od_model_config *c, int32_t layers)
{
	double d = (double)c->hidden_size, f = (double)c->intermediate_size, q = (double)c->n_heads * c->head_dim;
	double layer = 2 * d * (2 * q + 2 * (double)c->n_kv_heads * c->head_dim) + 6 * d * f;

	return (layers > 1 ? layers - 1 : 0) * 4 * d * f / (3 * (c->n_layers * layer + 2 * d * (double)c->vocab_size));
}

static enum od_status
grow_arena(struct od_engine *e, const struct od_arena_size *n, struct od_error *err)
{
	struct od_backend *be = e->m->be;
	size_t bytes = od_activations_plan(&e->a, NULL, &e->m->config, n);

	be->free(be, e->arena);
	e->size = (struct od_arena_size){ 0 };
	e->arena = be->alloc(be, bytes);
	if (!e->arena)
		return od_fail(err, OD_ENOMEM, "cannot allocate %zu bytes on device %s for the activations of %lld tokens",
			bytes, be->name, (long long)n->tokens);
	od_activations_plan(&e->a, e->arena, &e->m->config, n);
	e->size = *n;
	return OD_OK;
}

static enum od_status
grow_rope(struct od_engine *e, int64_t max_pos, struct od_error *err)
{
	struct od_backend *be = e->m->be;
	int64_t len = (max_pos + 255) / 256 * 256, half = e->m->config.head_dim / 2;
	size_t bytes = (size_t)(len * half) * sizeof(float);
	float *cos_host = malloc(bytes), *sin_host = malloc(bytes);

	be->free(be, e->rope_cos);
	be->free(be, e->rope_sin);
	e->rope_cos = be->alloc(be, bytes);
	e->rope_sin = be->alloc(be, bytes);
	e->rope_len = 0;
	if (cos_host && sin_host && e->rope_cos && e->rope_sin) {
		od_rope_table(&e->m->config, len, cos_host, sin_host);
		be->upload(be, e->rope_cos, cos_host, bytes);
		be->upload(be, e->rope_sin, sin_host, bytes);
		e->rope_len = len;
	}
	free(cos_host);
	free(sin_host);
	return e->rope_len ? OD_OK : od_fail_nomem(err, "the rotary table", 4 * bytes);
}

enum od_status
od_engine_reserve(struct od_engine *e, bool training, int64_t max_tokens, int64_t max_rows, int64_t max_entries,
	int64_t max_pos, struct od_error *err)
{
	struct od_arena_size n = { e->m->be->type, training || e->size.training, od_larger(max_tokens, e->size.tokens),
		od_larger(max_rows, e->size.rows), od_larger(max_entries, e->size.entries), e->again };

	bool fits = e->arena && n.training == e->size.training && n.tokens == e->size.tokens && n.rows == e->size.rows &&
		n.entries == e->size.entries && n.again == e->size.again;

	if (!fits && grow_arena(e, &n, err) != OD_OK)
		return OD_ENOMEM;
	return max_pos > e->rope_len ? grow_rope(e, max_pos, err) : OD_OK;
}

static enum od_status
check_ids(const int32_t *ids, int64_t n, int64_t vocab_size, struct od_error *err)
{
	for (int64_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= vocab_size)
			return od_fail(err, OD_EFORMAT, "token id %d is outside the model's vocabulary of %lld", ids[i],
				(long long)vocab_size);
	return OD_OK;
}

static void
upload_batch(struct od_engine *e, const struct od_batch *b)
{
	struct od_backend *be = e->m->be;

	be->upload(be, e->a.ids, b->ids, (size_t)b->n_tokens * sizeof *b->ids);
	be->upload(be, e->a.pos, b->pos, (size_t)b->n_tokens * sizeof *b->pos);
	be->upload(be, e->a.row_token, b->row_token, (size_t)b->n_rows * sizeof *b->row_token);
	be->upload(be, e->a.entry_row, b->entry_row, (size_t)b->n_entries * sizeof *b->entry_row);
	be->upload(be, e->a.entry_id, b->entry_id, (size_t)b->n_entries * sizeof *b->entry_id);
}

/* Makes room for a batch and uploads it. */
static enum od_status
take_batch(struct od_engine *e, const struct od_batch *b, struct od_error *err)
{
	enum od_status st = check_ids(b->ids, b->n_tokens, e->m->config.vocab_size, err);

	if (st == OD_OK)
		st = check_ids(b->entry_id, b->n_entries, e->m->config.vocab_size, err);
	if (st == OD_OK)
		st = od_engine_reserve(e, e->size.training, b->n_tokens, b->n_rows, b->n_entries, b->max_pos, err);
	if (st == OD_OK)
		upload_batch(e, b);
	return st;
}

static enum od_status
backend_status(struct od_backend *be, struct od_error *err)
{
	return be->ok(be) ? OD_OK : od_fail(err, OD_ENOMEM, "the %s backend failed: %s", be->name, be->failure(be));
}

enum od_status
od_engine_forward(struct od_engine *e, const struct od_batch *b, float *logps, struct od_error *err)
{
	struct od_backend *be = e->m->be;
	enum od_status st;

	if (b->n_tokens == 0)
		return OD_OK;
	if (e->m->config.reward.head != OD_HEAD_LM)
		return od_fail(err, OD_EMISMATCH, "a reward model (%s) has no LM head, so it gives no log-probs; od-score runs it",
			e->m->config.architecture);
	st = take_batch(e, b, err);
	if (st != OD_OK)
		return st;
	od_forward_layers(e, b);
	be->download(be, logps, e->a.logps, (size_t)b->n_entries * sizeof *logps);
	return backend_status(be, err);
}

enum od_status
od_engine_hidden(struct od_engine *e, const struct od_batch *b, float *hidden, struct od_error *err)
{
	struct od_backend *be = e->m->be;
	enum od_status st;

	if (b->n_rows == 0)
		return OD_OK;
	st = take_batch(e, b, err);
	if (st != OD_OK)
		return st;
	od_forward_rows(e, b);
	be->download(be, hidden, e->a.rows, (size_t)(b->n_rows * e->m->config.hidden_size) * sizeof *hidden);
	return backend_status(be, err);
}

enum od_status
od_engine_backward(struct od_engine *e, const struct od_batch *b, const float *coef, struct od_error *err)
{
	struct od_backend *be = e->m->be;

	if (b->n_tokens == 0)
		return OD_OK;
	if (!e->grads || !e->size.training)
		return od_fail(err, OD_EUSAGE, "the engine was not opened for training");
	be->upload(be, e->a.coef, coef, (size_t)b->n_entries * sizeof *coef);
	od_backward_layers(e, b);
	return backend_status(be, err);
}

/* Keys that each query of the batch sees, summed: the work of attention in one layer. */
static double
visible_keys(const struct od_batch *b, int32_t window)
{
	double sum = 0;

	for (int64_t t = 0; t < b->n_tokens; t++)
		sum += window && b->pos[t] + 1 > window ? window : b->pos[t] + 1;
	return sum;
}

double
od_engine_flops(const struct od_model *m, const struct od_batch *b)
{
	const struct od_model_config *c = &m->config;
	double d = (double)c->hidden_size, q = (double)c->n_heads * c->head_dim, kv = (double)c->n_kv_heads * c->head_dim;
	double per_token = 2 * d * (2 * q + 2 * kv) + 6 * d * (double)c->intermediate_size;
	double sum = (double)b->n_rows * 2 * d * (double)c->vocab_size;

	for (int i = 0; i < c->n_layers; i++)
		sum += (double)b->n_tokens * per_token + 4 * q * visible_keys(b, od_config_window(c, i));
	return sum;
}
