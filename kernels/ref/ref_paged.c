/* ref_paged.c -- reference operations of generation: keys and values in pages, attention over them, the product of few rows. */
#include "ref/ref.h"

#include <math.h>

void
od_ref_dots(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	if (x.data)
		od_ref_gemm_add(be, out, a, b, x);
	else
		od_ref_gemm(be, out, a, 0, b, 1, 0);
}

static float *
key_at(const struct od_kv_pages *p, int64_t slot, int64_t head, int64_t i)
{
	int64_t page = slot / OD_KV_PAGE, t = slot % OD_KV_PAGE;

	return (float *)p->k + ((page * p->n_kv_heads + head) * p->head_dim + i) * OD_KV_PAGE + t;
}

static float *
value_at(const struct od_kv_pages *p, int64_t slot, int64_t head, int64_t i)
{
	int64_t page = slot / OD_KV_PAGE, t = slot % OD_KV_PAGE;

	return (float *)p->v + ((page * p->n_kv_heads + head) * OD_KV_PAGE + t) * p->head_dim + i;
}

void
od_ref_kv_put(struct od_backend *be, const struct od_kv_pages *pages, struct od_mat k, struct od_mat v, int64_t n,
	const int32_t *row, const int32_t *slot)
{
	(void)be;
	for (int64_t e = 0; e < n; e++)
		for (int64_t h = 0; h < pages->n_kv_heads; h++)
			for (int64_t i = 0; i < pages->head_dim; i++) {
				*key_at(pages, slot[e], h, i) = *ref_at(&k, row[e], h * pages->head_dim + i);
				*value_at(pages, slot[e], h, i) = *ref_at(&v, row[e], h * pages->head_dim + i);
			}
}

static double
score(const struct od_mat *q, int64_t s, int64_t head, const struct od_kv_pages *pages, int64_t slot, const struct od_attn_params *p)
{
	int64_t kv = head / (p->n_heads / p->n_kv_heads);
	double x = 0;

	for (int64_t i = 0; i < p->head_dim; i++)
		x += (double)*ref_at(q, s, head * p->head_dim + i) * *key_at(pages, slot, kv, i);
	x *= p->scale;
	return p->softcap > 0 ? p->softcap * tanh(x / p->softcap) : x;
}

static void
attend(struct od_mat *out, const struct od_mat *q, int64_t s, int64_t head, const struct od_kv_pages *pages, const int32_t *table,
	int64_t len, const struct od_attn_params *p, double *weight)
{
	int64_t from = p->window > 0 && len > p->window ? len - p->window : 0, kv = head / (p->n_heads / p->n_kv_heads);
	double max = -INFINITY, sum = 0;

#define SLOT(t) ((int64_t)table[(t) / OD_KV_PAGE] * OD_KV_PAGE + (t) % OD_KV_PAGE)
	for (int64_t t = from; t < len; t++) {
		weight[t] = score(q, s, head, pages, SLOT(t), p);
		max = weight[t] > max ? weight[t] : max;
	}
	for (int64_t t = from; t < len; t++)
		sum += weight[t] = exp(weight[t] - max);
	for (int64_t i = 0; i < p->head_dim; i++) {
		double x = 0;

		for (int64_t t = from; t < len; t++)
			x += weight[t] * *value_at(pages, SLOT(t), kv, i);
		*ref_at(out, s, head * p->head_dim + i) = (float)(x / sum);
	}
#undef SLOT
}

void
od_ref_attn_paged(struct od_backend *be, struct od_mat out, struct od_mat q, const struct od_kv_pages *pages, const int32_t *table,
	int64_t width, const int32_t *len, const struct od_attn_params *p)
{
	double *weight = od_ref_scratch(be, width * OD_KV_PAGE);

	if (!weight)
		return;
	for (int64_t s = 0; s < q.rows; s++)
		for (int64_t h = 0; h < p->n_heads; h++)
			attend(&out, &q, s, h, pages, table + s * width, len[s], p, weight);
	od_ref_free(be, weight);
}
