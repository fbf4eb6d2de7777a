/* ref_linear.c -- reference products, embedding, norms, bias, residual, rotary embedding, gated unit, rows. */
#include "ref/ref.h"

#include <math.h>
#include <stdlib.h>

void
od_ref_gemm(struct od_backend *be, struct od_mat out, struct od_mat a, int trans_a, struct od_mat b, int trans_b,
	int accumulate)
{
	int64_t k = trans_a ? a.rows : a.cols;

	(void)be;
	for (int64_t i = 0; i < out.rows; i++)
		for (int64_t j = 0; j < out.cols; j++) {
			double s = accumulate ? *ref_at(&out, i, j) : 0;

			for (int64_t l = 0; l < k; l++)
				s += (double)*(trans_a ? ref_at(&a, l, i) : ref_at(&a, i, l)) *
				     *(trans_b ? ref_at(&b, j, l) : ref_at(&b, l, j));
			*ref_at(&out, i, j) = (float)s;
		}
}

void
od_ref_gemm_add(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	od_ref_cast(be, out, x);
	od_ref_gemm(be, out, a, 0, b, 1, 1);
}

void
od_ref_embed_fwd(struct od_backend *be, struct od_mat out, struct od_mat table, const int32_t *ids, float scale)
{
	(void)be;
	for (int64_t t = 0; t < out.rows; t++)
		for (int64_t j = 0; j < out.cols; j++)
			*ref_at(&out, t, j) = scale * *ref_at(&table, ids[t], j);
}

void
od_ref_embed_bwd(struct od_backend *be, struct od_mat dtable, struct od_mat dout, const int32_t *ids, float scale)
{
	(void)be;
	for (int64_t t = 0; t < dout.rows; t++)
		for (int64_t j = 0; j < dout.cols; j++)
			*ref_at(&dtable, ids[t], j) += scale * *ref_at(&dout, t, j);
}

static double
norm_gain(const float *w, int64_t j, int plus_one)
{
	return plus_one ? 1.0 + w[j] : w[j];
}

void
od_ref_norm_fwd(struct od_backend *be, struct od_mat out, float *rstd, struct od_mat x, const float *w, float eps,
	int plus_one)
{
	(void)be;
	for (int64_t t = 0; t < x.rows; t++) {
		double sum = 0, r;

		for (int64_t j = 0; j < x.cols; j++)
			sum += (double)*ref_at(&x, t, j) * *ref_at(&x, t, j);
		r = 1 / sqrt(sum / (double)x.cols + eps);
		rstd[t] = (float)r;
		for (int64_t j = 0; j < x.cols; j++)
			*ref_at(&out, t, j) = (float)(*ref_at(&x, t, j) * r * norm_gain(w, j, plus_one));
	}
}

void
od_ref_norm_bwd(struct od_backend *be, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, int plus_one, int accumulate, struct od_mat copy)
{
	double *sums = od_ref_scratch(be, x.cols);

	if (!sums)
		return;
	for (int64_t t = 0; t < x.rows; t++) {
		double mean = 0;

		for (int64_t j = 0; j < x.cols; j++)
			mean += *ref_at(&dy, t, j) * norm_gain(w, j, plus_one) * *ref_at(&x, t, j) * rstd[t];
		mean /= (double)x.cols;
		for (int64_t j = 0; j < x.cols; j++) {
			double xhat = (double)*ref_at(&x, t, j) * rstd[t], g = *ref_at(&dy, t, j);
			double d = rstd[t] * (g * norm_gain(w, j, plus_one) - xhat * mean);

			sums[j] += g * xhat;
			*ref_at(&dx, t, j) = (float)(d + (accumulate ? *ref_at(&dx, t, j) : 0));
		}
	}
	for (int64_t j = 0; j < x.cols; j++)
		dw[j] = (float)(dw[j] + sums[j]);
	if (copy.data)
		od_ref_cast(be, copy, dx);
	free(sums);
}

void
od_ref_bias_fwd(struct od_backend *be, struct od_mat x, const float *b)
{
	(void)be;
	for (int64_t t = 0; t < x.rows; t++)
		for (int64_t j = 0; j < x.cols; j++)
			*ref_at(&x, t, j) += b[j];
}

void
od_ref_bias_bwd(struct od_backend *be, float *db, struct od_mat dy)
{
	(void)be;
	for (int64_t j = 0; j < dy.cols; j++) {
		double s = 0;

		for (int64_t t = 0; t < dy.rows; t++)
			s += *ref_at(&dy, t, j);
		db[j] = (float)(db[j] + s);
	}
}

void
od_ref_add(struct od_backend *be, struct od_mat x, struct od_mat y)
{
	(void)be;
	for (int64_t t = 0; t < x.rows; t++)
		for (int64_t j = 0; j < x.cols; j++)
			*ref_at(&x, t, j) += *ref_at(&y, t, j);
}

void
od_ref_rope(struct od_backend *be, struct od_mat x, const int32_t *pos, const float *cosine, const float *sine,
	int32_t head_dim, int inverse)
{
	int64_t half = head_dim / 2;

	(void)be;
	for (int64_t t = 0; t < x.rows; t++)
		for (int64_t h = 0; h < x.cols / head_dim; h++)
			for (int64_t i = 0; i < half; i++) {
				float *a = ref_at(&x, t, h * head_dim + i), *b = a + half;
				double c = cosine[pos[t] * half + i], s = sine[pos[t] * half + i];
				double a0 = *a, b0 = *b;

				if (inverse)
					s = -s;
				*a = (float)(a0 * c - b0 * s);
				*b = (float)(b0 * c + a0 * s);
			}
}

/* act(x) and its derivative. gelu_tanh(x) = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3). */
static void
activate(enum od_act act, double x, double *y, double *dy)
{
	if (act == OD_ACT_SILU) {
		double s = x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));

		*y = x * s;
		*dy = s * (1 + x * (1 - s));
	} else {
		double c = sqrt(2 / acos(-1.0)), t = tanh(c * (x + 0.044715 * x * x * x));

		*y = 0.5 * x * (1 + t);
		*dy = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
	}
}

void
od_ref_glu_fwd(struct od_backend *be, struct od_mat out, struct od_mat gate, struct od_mat up, enum od_act act)
{
	(void)be;
	for (int64_t t = 0; t < out.rows; t++)
		for (int64_t j = 0; j < out.cols; j++) {
			double y, dy;

			activate(act, *ref_at(&gate, t, j), &y, &dy);
			*ref_at(&out, t, j) = (float)(y * *ref_at(&up, t, j));
		}
}

void
od_ref_glu_bwd(struct od_backend *be, struct od_mat dgate, struct od_mat dup, struct od_mat out, struct od_mat dout,
	struct od_mat gate, struct od_mat up, enum od_act act)
{
	(void)be;
	for (int64_t t = 0; t < dout.rows; t++)
		for (int64_t j = 0; j < dout.cols; j++) {
			double y, dy, d = *ref_at(&dout, t, j), u = *ref_at(&up, t, j);

			activate(act, *ref_at(&gate, t, j), &y, &dy);
			*ref_at(&dgate, t, j) = (float)(d * u * dy);
			*ref_at(&dup, t, j) = (float)(d * y);
			if (out.data)
				*ref_at(&out, t, j) = (float)(y * u);
		}
}

void
od_ref_gather(struct od_backend *be, struct od_mat out, struct od_mat x, const int32_t *rows)
{
	(void)be;
	for (int64_t r = 0; r < out.rows; r++)
		for (int64_t j = 0; j < out.cols; j++)
			*ref_at(&out, r, j) = *ref_at(&x, rows[r], j);
}

void
od_ref_scatter_add(struct od_backend *be, struct od_mat dx, struct od_mat dy, const int32_t *rows)
{
	(void)be;
	for (int64_t r = 0; r < dy.rows; r++)
		for (int64_t j = 0; j < dy.cols; j++)
			*ref_at(&dx, rows[r], j) += *ref_at(&dy, r, j);
}
