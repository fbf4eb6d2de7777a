/* forward.c -- the decoder, in the field's notation.
 *
 *   x = embed(ids)
 *   per layer:  x += Wo attention(rope(Wq h), rope(Wk h), Wv h)     h = norm(x)
 *               x += Wdown (act(Wgate h) * (Wup h))                 h = norm(x)
 *   rows = norm(x[scored]);  logp = log softmax(Whead rows)[target]
 *
 * Gemma-2 also norms what each branch adds (post_norms). Only scored rows see the final norm and the head.
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

/* out[T, sum of rows] = x W^T for n parameters that follow each other (q, k, v; gate, up), biases added. */
static void
linear(const struct od_engine *e, struct od_mat out, struct od_mat x, int first, int n, const int *bias)
{
	struct od_backend *be = e->m->be;
	const struct od_params *p = &e->m->params;
	int step = od_adjacent(p, first, n) ? n : 1;
	int64_t at = 0;

	for (int i = 0; i < n; i += step) {
		struct od_mat w = od_weight(p, e->m->weights, first + i, step);

		be->gemm(be, od_view((float *)out.data + at, out.rows, w.rows, out.ld), x, 0, w, 1, 0);
		at += w.rows;
	}
	at = 0;
	for (int i = 0; i < n; i++) {
		int64_t cols = p->table[first + i].rows;

		if (bias[i] >= 0)
			be->bias_fwd(be, od_view((float *)out.data + at, out.rows, cols, out.ld),
				od_vector(p, e->m->weights, bias[i]));
		at += cols;
	}
}

static struct od_mat
norm(const struct od_engine *e, float *out, float *rstd, struct od_mat x, int param)
{
	const struct od_model_config *c = &e->m->config;
	struct od_backend *be = e->m->be;
	struct od_mat y = od_mat_f32(out, x.rows, x.cols);

	be->norm_fwd(be, y, rstd, x, od_vector(&e->m->params, e->m->weights, param), (float)c->rms_norm_eps,
		c->norm_plus_one);
	return y;
}

/* sum := x + branch, where the branch is W in (bias added), and with post norms norm(W in). kept, rstd: where the
 * un-normed branch is kept for backward. */
static void
add_branch(const struct od_engine *e, float *sum, struct od_mat x, struct od_mat in, int weight, int bias, int post_norm,
	float *kept, float *rstd)
{
	struct od_backend *be = e->m->be;
	struct od_mat y = od_mat_f32(sum, x.rows, x.cols);

	linear(e, post_norm < 0 ? y : od_mat_f32(kept, x.rows, x.cols), in, weight, 1, &bias);
	if (post_norm >= 0)
		norm(e, sum, rstd, od_mat_f32(kept, x.rows, x.cols), post_norm);
	be->add(be, y, x);
}

static void
attention(const struct od_engine *e, const struct od_batch *b, int layer)
{
	const struct od_model_config *c = &e->m->config;
	const struct od_layer_params *p = &e->m->params.layers[layer];
	const struct od_layer_acts *l = &e->a.layer[layer];
	struct od_backend *be = e->m->be;
	int64_t T = b->n_tokens, nq = (int64_t)c->n_heads * c->head_dim, nkv = (int64_t)c->n_kv_heads * c->head_dim;
	int64_t ld = nq + 2 * nkv;
	struct od_mat x = od_mat_f32(l->x_in, T, c->hidden_size), out = od_mat_f32(l->attn, T, nq);
	struct od_mat q = od_view(l->qkv, T, nq, ld), k = od_view(l->qkv + nq, T, nkv, ld);
	struct od_mat v = od_view(l->qkv + nq + nkv, T, nkv, ld);
	struct od_tree tree = od_batch_tree(e, b);
	struct od_attn_params attn = od_layer_attention(c, layer);
	int bias[3] = { p->q_bias, p->k_bias, p->v_bias };

	linear(e, od_mat_f32(l->qkv, T, ld), norm(e, e->a.normed, l->rstd_in, x, p->input_norm), p->q, 3, bias);
	be->rope(be, q, e->a.pos, e->rope_cos, e->rope_sin, c->head_dim, 0);
	be->rope(be, k, e->a.pos, e->rope_cos, e->rope_sin, c->head_dim, 0);
	be->attn_fwd(be, out, l->lse, q, k, v, &tree, &attn);
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
	struct od_mat x = od_mat_f32(l->x_mid, T, c->hidden_size), act = od_mat_f32(e->a.act, T, f);
	int bias[2] = { p->gate_bias, p->up_bias };

	linear(e, od_mat_f32(l->gate_up, T, 2 * f), norm(e, e->a.normed, l->rstd_mid, x, p->pre_mlp_norm), p->gate, 2, bias);
	be->glu_fwd(be, act, od_view(l->gate_up, T, f, 2 * f), od_view(l->gate_up + f, T, f, 2 * f), c->act);
	add_branch(e, x_out, x, act, p->down, p->down_bias, p->post_mlp_norm, l->down, l->rstd_down);
}

/* Final norm and head on the scored rows alone. */
static void
score_rows(const struct od_engine *e, const struct od_batch *b)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	struct od_mat x = od_mat_f32(e->a.x_out, b->n_tokens, m->config.hidden_size);
	struct od_mat rows = od_mat_f32(e->a.x_rows, b->n_rows, m->config.hidden_size);
	struct od_targets targets = { b->n_entries, e->a.entry_row, e->a.entry_id };

	if (b->n_rows == 0)
		return;
	be->gather(be, rows, x, e->a.row_token);
	be->head_fwd(be, e->a.logps, e->a.row_lse, norm(e, e->a.rows, e->a.rstd_rows, rows, m->params.final_norm),
		od_weight(&m->params, m->weights, m->params.head, 1), (float)m->config.final_softcap, &targets);
}

void
od_forward_layers(struct od_engine *e, const struct od_batch *b)
{
	const struct od_model *m = e->m;
	struct od_backend *be = m->be;
	struct od_mat x = od_mat_f32(e->a.layer[0].x_in, b->n_tokens, m->config.hidden_size);

	be->embed_fwd(be, x, od_weight(&m->params, m->weights, m->params.embed, 1), e->a.ids, (float)m->config.embed_scale);
	for (int i = 0; i < m->config.n_layers; i++) {
		attention(e, b, i);
		mlp(e, b, i, i + 1 < m->config.n_layers ? e->a.layer[i + 1].x_in : e->a.x_out);
	}
	score_rows(e, b);
}
