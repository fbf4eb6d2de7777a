/* ref_attn.c -- reference attention over a packed tree: one query row at a time, all its keys at once. */
#include "ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One query (token t of segment s, head h) and the keys it sees. */
struct ref_query {
	int64_t t;
	int32_t h, kv;
	int64_t n_keys;
	int64_t *key;             /* [n_tokens] token index of each key */
	double *score, *dcap;     /* [n_tokens] score after scale and soft-cap; derivative of the soft-cap */
};

static int
query_init(struct od_backend *be, struct ref_query *r, int64_t n)
{
	memset(r, 0, sizeof *r);
	r->score = od_ref_scratch(be, 2 * n + 1);
	r->key = (int64_t *)(void *)od_ref_scratch(be, n + 1);
	r->dcap = r->score ? r->score + n : NULL;
	return r->score && r->key;
}

static void
query_release(struct ref_query *r)
{
	free(r->score);
	free(r->key);
}

/* Adds those of the tokens [from, to) that lie in the window of query position 'qpos'; the first is at 'pos'. */
static void
add_keys(struct ref_query *r, int64_t from, int64_t to, int64_t pos, int64_t qpos, int32_t window)
{
	for (int64_t t = from; t < to; t++, pos++)
		if (window <= 0 || pos > qpos - window)
			r->key[r->n_keys++] = t;
}

static void
collect_keys(struct ref_query *r, const struct od_tree *tree, int32_t s, int32_t window)
{
	int32_t p = tree->parent[s];
	int64_t base = p >= 0 ? tree->len[p] : 0, qpos = base + r->t - tree->start[s];

	r->n_keys = 0;
	if (p >= 0)
		add_keys(r, tree->start[p], tree->start[p] + base, 0, qpos, window);
	add_keys(r, tree->start[s], r->t + 1, base, qpos, window);
}

static double
dot(const float *a, const float *b, int64_t n)
{
	double s = 0;

	for (int64_t i = 0; i < n; i++)
		s += (double)a[i] * b[i];
	return s;
}

static void
compute_scores(struct ref_query *r, struct od_mat q, struct od_mat k, const struct od_attn_params *p)
{
	int64_t d = p->head_dim;

	for (int64_t i = 0; i < r->n_keys; i++) {
		double s = p->scale * dot(ref_at(&q, r->t, r->h * d), ref_at(&k, r->key[i], r->kv * d), d);

		r->dcap[i] = 1;
		if (p->softcap > 0) {
			double th = tanh(s / p->softcap);

			r->dcap[i] = 1 - th * th;
			s = p->softcap * th;
		}
		r->score[i] = s;
	}
}

static void
forward_row(struct ref_query *r, struct od_mat out, float *lse, struct od_mat v, const struct od_attn_params *p)
{
	double max = -INFINITY, sum = 0;
	int64_t d = p->head_dim;

	for (int64_t i = 0; i < r->n_keys; i++)
		max = fmax(max, r->score[i]);
	for (int64_t i = 0; i < r->n_keys; i++)
		sum += exp(r->score[i] - max);
	lse[r->t * p->n_heads + r->h] = (float)(max + log(sum));
	for (int64_t j = 0; j < d; j++) {
		double o = 0;

		for (int64_t i = 0; i < r->n_keys; i++)
			o += exp(r->score[i] - max) / sum * *ref_at(&v, r->key[i], r->kv * d + j);
		*ref_at(&out, r->t, r->h * d + j) = (float)o;
	}
}

void
od_ref_attn_fwd(struct od_backend *be, struct od_mat out, float *lse, struct od_mat q, struct od_mat k, struct od_mat v,
	const struct od_tree *tree, const struct od_attn_params *p)
{
	struct ref_query r;

	if (!query_init(be, &r, tree->n_tokens))
		goto out;
	for (int32_t s = 0; s < tree->n_segments; s++)
		for (r.t = tree->start[s]; r.t < tree->start[s] + tree->len[s]; r.t++) {
			collect_keys(&r, tree, s, p->window);
			for (r.h = 0; r.h < p->n_heads; r.h++) {
				r.kv = r.h / (p->n_heads / p->n_kv_heads);
				compute_scores(&r, q, k, p);
				forward_row(&r, out, lse, v, p);
			}
		}
out:
	query_release(&r);
}

struct ref_attn_grads {
	double *dq, *dk, *dv;     /* [T, H*D], [T, K*D], [T, K*D] */
};

/* dP = dout.v, dS = P (dP - dout.out), through the soft-cap and the scale to q and k. */
static void
backward_row(struct ref_query *r, struct ref_attn_grads *g, struct od_mat q, struct od_mat k, struct od_mat v,
	struct od_mat out, struct od_mat dout, double lse, const struct od_attn_params *p)
{
	int64_t d = p->head_dim, kd = d * p->n_kv_heads;
	const float *o = ref_at(&out, r->t, r->h * d), *go = ref_at(&dout, r->t, r->h * d), *qr = ref_at(&q, r->t, r->h * d);
	double delta = dot(o, go, d), *dq = g->dq + r->t * d * p->n_heads + r->h * d;

	for (int64_t i = 0; i < r->n_keys; i++) {
		int64_t key = r->key[i];
		const float *kr = ref_at(&k, key, r->kv * d);
		double prob = exp(r->score[i] - lse);
		double ds = prob * (dot(go, ref_at(&v, key, r->kv * d), d) - delta) * r->dcap[i] * p->scale;
		double *dk = g->dk + key * kd + r->kv * d, *dv = g->dv + key * kd + r->kv * d;

		for (int64_t j = 0; j < d; j++) {
			dq[j] += ds * kr[j];
			dk[j] += ds * qr[j];
			dv[j] += prob * go[j];
		}
	}
}

static void
store(struct od_mat m, const double *x)
{
	for (int64_t t = 0; t < m.rows; t++)
		for (int64_t j = 0; j < m.cols; j++)
			*ref_at(&m, t, j) = (float)x[t * m.cols + j];
}

void
od_ref_attn_bwd(struct od_backend *be, struct od_mat dq, struct od_mat dk, struct od_mat dv, struct od_mat dout,
	struct od_mat q, struct od_mat k, struct od_mat v, struct od_mat out, const float *lse, const struct od_tree *tree,
	const struct od_attn_params *p)
{
	struct ref_query r;
	struct ref_attn_grads g = { NULL, NULL, NULL };
	int64_t n = tree->n_tokens;

	if (!query_init(be, &r, n))
		goto out;
	g.dq = od_ref_scratch(be, n * q.cols);
	g.dk = od_ref_scratch(be, n * k.cols);
	g.dv = od_ref_scratch(be, n * v.cols);
	if (!g.dq || !g.dk || !g.dv)
		goto out;
	for (int32_t s = 0; s < tree->n_segments; s++)
		for (r.t = tree->start[s]; r.t < tree->start[s] + tree->len[s]; r.t++) {
			collect_keys(&r, tree, s, p->window);
			for (r.h = 0; r.h < p->n_heads; r.h++) {
				r.kv = r.h / (p->n_heads / p->n_kv_heads);
				compute_scores(&r, q, k, p);
				backward_row(&r, &g, q, k, v, out, dout, lse[r.t * p->n_heads + r.h], p);
			}
		}
	store(dq, g.dq);
	store(dk, g.dk);
	store(dv, g.dv);
out:
	free(g.dq);
	free(g.dk);
	free(g.dv);
	query_release(&r);
}
