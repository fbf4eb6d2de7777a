/* forward.c -- the decoder, in the field's notation.
 *
 *   x = embed(ids)
 *   per layer:  x += Wo attention(rope(Wq h), rope(Wk h), Wv h)     h = norm(x)
 *               x += Wdown (act(Wgate h) * (Wup h))                 h = norm(x)
 *   rows = norm(x[scored]);  logp = log softmax(Whead rows)[target]
 *
 * Gemma-2 also norms what each branch adds (post_norms). Only scored rows see the final norm and the head; a reward model
 * has no head here, its rows leave normed (model/reward.h).
 */
#include "model/activations.h"

struct od_attn_params
od_layer_attention(const struct od_model_config *c, int layer)
{
	return (struct od_attn_params){ c->n_heads, c->n_kv_heads, c->head_dim, (float)c->attn_scale,
		(float)c->attn_softcap, od_config_window(c, layer) };
}

struct od_tree
od_batch_tree(const struct od_engine *e, const struct od_batch *b)
{
	return (struct od_tree){ b->n_tokens, b->n_segments, b->seg_start, b->seg_len, b->seg_parent, e->a.pos };
}

/* out = x W^T + add (f32; its data may be NULL). */
static void
product(const struct od_engine *e, struct od_mat out, struct od_mat x, struct od_mat w, struct od_mat add)
{
	struct od_backend *be = e->m->be;

	if (e->kv && e->kv->step)
		be->dots(be, out, x, w, add);
	else if (add.data)
		be->gemm_add(be, out, x, w, add);
	else
		be->gemm(be, out, x, 0, w, 1, 0);
}

void
od_linear(const struct od_engine *e, struct od_mat out, struct od_mat x, int first, int n, const int *bias)
{
	struct od_backend *be = e->m->be;
	const struct od_params *p = &e->m->params;
	int step = od_adjacent(p, first, n) ? n : 1;
	int64_t at = 0;

	for (int i = 0; i < n; i += step) {
		struct od_mat w = od_weight(e->m, first + i, step);

		product(e, od_mat_cols(out, at, w.rows), x, w, od_mat_f32(NULL, 0, 0));
		at += w.rows;
	}
	at = 0;
	step = od_stacked(p, bias, n) ? n : 1;
	for (int i = 0; i < n; i += step) {
		int64_t cols = od_stacked_rows(p, first + i, step);

		if (bias[i] >= 0)
			be->bias_fwd(be, od_mat_cols(out, at, cols), od_vector(e->m, bias[i]));
		at += cols;
	}
}

static struct od_mat
norm(const struct od_engine *e, struct od_mat out, float *rstd, struct od_mat x, int param)
{
	const struct od_model_config *c = &e->m->config;
	struct od_backend *be = e->m->be;

	be->norm_fwd(be, out, rstd, x, od_vector(e->m, param), (float)c->rms_norm_eps, c->norm_plus_one);
	return out;
}

static struct od_mat
norm_into_scratch(const struct od_engine *e, float *rstd, struct od_mat x, int param)
{
	return norm(e, od_act(e, e->a.normed, x.rows, x.cols), rstd, x, param);
}

/* sum := x + branch, where the branch is W in (bias added), and with post norms norm(W in). kept, rstd: where the
 * un-normed branch is kept for backward. */
static void
add_branch(const struct od_engine *e, float *sum, struct od_mat x, struct od_mat in, int weight, int bias, int post_norm,
	void *kept, float *rstd)
{
	struct od_backend *be = e->m->be;
	struct od_mat y = od_mat_f32(sum, x.rows, x.cols), branch = od_act(e, kept, x.rows, x.cols);

	if (post_norm >= 0) {
		od_linear(e, branch, in, weight, 1, &bias);
		norm(e, y, rstd, branch, post_norm);
		be->add(be, y, x);
		return;
	}
	product(e, y, in, od_weight(e->m, weight, 1), x);
	if (bias >= 0)
		be->bias_fwd(be, y, od_vector(e->m, bias));
}

/* Heads over what each token sees: its tree, or the pages of its sequence. */
static void
attend(const struct od_engine *e, const struct od_batch *b, int layer, struct od_mat out, struct od_mat q, struct od_mat k,
	struct od_mat v)
{
	struct od_attn_params attn = od_layer_attention(&e->m->config, layer);
	struct od_backend *be = e->m->be;
	const struct od_kv_use *kv = e->kv;
	struct od_tree tree = od_batch_tree(e, b);

	if (kv)
		be->kv_put(be, &kv->layer[layer], k, v, kv->n, kv->row, kv->slot);
	if (kv && kv->step)
		be->attn_paged(be, out, q, &kv->layer[layer], kv->table, kv->width, kv->len, &attn);
	else
		be->attn_fwd(be, out, e->a.layer[layer].lse, q, k, v, &tree, &attn);
}

static void
attention(const struct od_engine *e, const struct od_batch *b, int layer)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, nq = (int64_t)c->n_heads * c->head_dim, nkv = (int64_t)c->n_kv_heads * c->head_dim;
	struct od_mat x = od_mat_f32(l->x_in, T, c->hidden_size), out = od_act(e, l->attn, T, nq);
	struct od_mat qkv = od_act(e, l->qkv, T, nq + 2 * nkv);
	int bias[3] = { p->q_bias, p->k_bias, p->v_bias };

	od_linear(e, qkv, norm_into_scratch(e, l->rstd_in, x, p->input_norm), p->q, 3, bias);
	be->rope(be, od_mat_cols(qkv, 0, nq + nkv), e->a.pos, e->rope_cos, e->rope_sin, c->head_dim, 0);
	attend(e, b, layer, out, od_mat_cols(qkv, 0, nq), od_mat_cols(qkv, nq, nkv), od_mat_cols(qkv, nq + nkv, nkv));
	add_branch(e, l->x_mid, x, out, p->o, p->o_bias, p->post_attn_norm, l->o, l->rstd_o);
}

static void
mlp(const struct od_engine *e, const struct od_batch *b, int layer, float *x_out)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, f = c->intermediate_size;
	struct od_mat x = od_mat_f32(l->x_mid, T, c->hidden_size), act = od_act(e, e->a.act, T, f);
	struct od_mat gate_up = od_act(e, l->gate_up, T, 2 * f);
	int bias[2] = { p->gate_bias, p->up_bias };

	od_linear(e, gate_up, norm_into_scratch(e, l->rstd_mid, x, p->pre_mlp_norm), p->gate, 2, bias);
	be->glu_fwd(be, act, od_mat_cols(gate_up, 0, f), od_mat_cols(gate_up, f, f), c->act);
	add_branch(e, x_out, x, act, p->down, p->down_bias, p->post_mlp_norm, l->down, l->rstd_down);
}

/* Final norm on the rows alone, in the type of 'rows'. */
static struct od_mat
norm_rows(const struct od_engine *e, const struct od_batch *b, struct od_mat rows)
{
	struct od_backend *be = e->m->be;
	struct od_mat x = od_mat_f32(e->a.x_rows, rows.rows, rows.cols);

	be->gather(be, x, od_mat_f32(e->a.x_out, b->n_tokens, rows.cols), e->a.row_token);
	return norm(e, rows, e->a.rstd_rows, x, e->m->params.final_norm);
}

static void
score_rows(const struct od_engine *e, const struct od_batch *b)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	struct od_targets targets = { b->n_entries, e->a.entry_row, e->a.entry_id };

	if (b->n_rows == 0)
		return;
	be->head_fwd(be, e->a.logps, e->a.row_lse, norm_rows(e, b, od_act(e, e->a.rows, b->n_rows, m->config.hidden_size)),
		od_weight(m, m->params.head, 1), (float)m->config.final_softcap, &targets);
}

static void
body(struct od_engine *e, const struct od_batch *b)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	struct od_mat x = od_mat_f32(e->a.layer[0].x_in, b->n_tokens, m->config.hidden_size);

	be->embed_fwd(be, x, od_weight(m, m->params.embed, 1), e->a.ids, (float)m->config.embed_scale);
	for (int i = 0; i < m->config.n_layers; i++) {
		attention(e, b, i);
		mlp(e, b, i, i + 1 < m->config.n_layers ? e->a.layer[i + 1].x_in : e->a.x_out);
	}
}

void
od_forward_layers(struct od_engine *e, const struct od_batch *b)
{
	body(e, b);
	score_rows(e, b);
}

void
od_forward_rows(struct od_engine *e, const struct od_batch *b)
{
	body(e, b);
	norm_rows(e, b, od_mat_f32(e->a.rows, b->n_rows, e->m->config.hidden_size));
}
