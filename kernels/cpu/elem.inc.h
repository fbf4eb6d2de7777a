/* elem.inc.h -- embedding, norms, bias, residual, rotary embedding, gated unit, rows, optimiser. All of them are bound by
 * memory: one pass each, threads by rows or columns, every sum in an order of its own whatever the thread count. */

#define SMALL_WORK 16384       /* elements: below this a parallel region costs more than it saves */

static void
embed_fwd(struct od_backend *be, struct od_mat out, struct od_mat table, const int32_t *ids, float scale)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (out.rows * out.cols > SMALL_WORK)
	for (int64_t t = 0; t < out.rows; t++) {
		float *o = mat_row(&out, t);
		const float *w = mat_row(&table, ids[t]);

		for (int64_t j = 0; j < out.cols; j++)
			o[j] = scale * w[j];
	}
}

/* Threads share out the columns, so that the tokens of a row are added in their order. */
static void
embed_bwd(struct od_backend *be, struct od_mat dtable, struct od_mat dout, const int32_t *ids, float scale)
{
	int64_t n_blocks = (dout.cols + 63) / 64;

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (dout.rows * dout.cols > SMALL_WORK)
	for (int64_t b = 0; b < n_blocks; b++) {
		int64_t end = (b + 1) * 64 < dout.cols ? (b + 1) * 64 : dout.cols;

		for (int64_t t = 0; t < dout.rows; t++) {
			float *w = mat_row(&dtable, ids[t]);
			const float *g = mat_row(&dout, t);

			for (int64_t j = b * 64; j < end; j++)
				w[j] += scale * g[j];
		}
	}
}

/* Dot product in double: eight chains of partial sums, then their sum. */
static inline double
row_dot(const float *x, const float *y, int64_t n)
{
	double s[8] = { 0 };
	int64_t j = 0;

	for (; j + 8 <= n; j += 8)
		for (int i = 0; i < 8; i++)
			s[i] += (double)x[j + i] * y[j + i];
	for (int i = 0; j < n; j++, i++)
		s[i] += (double)x[j] * y[j];
	return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static void
norm_fwd(struct od_backend *be, struct od_mat out, float *rstd, struct od_mat x, const float *w, float eps, int plus_one)
{
	int64_t n = x.cols;
	float one = plus_one ? 1.0f : 0.0f;

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * n > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++) {
		const float *xr = mat_row(&x, t);
		float *o = mat_row(&out, t);
		float r = (float)(1 / sqrt(row_dot(xr, xr, n) / (double)n + eps));

		rstd[t] = r;
		for (int64_t j = 0; j < n; j++)
			o[j] = xr[j] * r * (w[j] + one);
	}
}

static void
norm_bwd_row(float *dx, const float *dy, const float *x, const float *w, float r, float one, int64_t n, int accumulate)
{
	double s[8] = { 0 };
	float mean, keep = accumulate ? 1.0f : 0.0f;
	int64_t j = 0;

	for (; j + 8 <= n; j += 8)
		for (int i = 0; i < 8; i++)
			s[i] += (double)(dy[j + i] * (w[j + i] + one)) * x[j + i];
	for (int i = 0; j < n; j++, i++)
		s[i] += (double)(dy[j] * (w[j] + one)) * x[j];
	mean = (float)((((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))) * r / (double)n);
	if (keep != 0)
		for (j = 0; j < n; j++)
			dx[j] += r * (dy[j] * (w[j] + one) - x[j] * r * mean);
	else
		for (j = 0; j < n; j++)
			dx[j] = r * (dy[j] * (w[j] + one) - x[j] * r * mean);
}

/* db[j] += sum_t dy[t,j] * (x ? x[t,j] * rstd[t] : 1), in double, tokens in order: a block of columns per thread. */
static void
column_sums(struct od_backend *be, float *db, struct od_mat dy, const struct od_mat *x, const float *rstd)
{
	enum { BLOCK = 64 };
	int64_t n_blocks = (dy.cols + BLOCK - 1) / BLOCK;

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (dy.rows * dy.cols > SMALL_WORK)
	for (int64_t b = 0; b < n_blocks; b++) {
		int64_t from = b * BLOCK, n = dy.cols - from < BLOCK ? dy.cols - from : BLOCK;
		double s[BLOCK] = { 0 };

		for (int64_t t = 0; t < dy.rows; t++) {
			const float *g = mat_row(&dy, t) + from;

			if (x) {
				const float *xr = mat_row(x, t) + from;

				for (int64_t j = 0; j < n; j++)
					s[j] += (double)g[j] * (xr[j] * rstd[t]);
			} else {
				for (int64_t j = 0; j < n; j++)
					s[j] += g[j];
			}
		}
		for (int64_t j = 0; j < n; j++)
			db[from + j] = (float)(db[from + j] + s[j]);
	}
}

static void
norm_bwd(struct od_backend *be, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, int plus_one, int accumulate, struct od_mat copy)
{
	column_sums(be, dw, dy, &x, rstd);
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++)
		norm_bwd_row(mat_row(&dx, t), mat_row(&dy, t), mat_row(&x, t), w, rstd[t], plus_one ? 1.0f : 0.0f, x.cols,
			accumulate);
	if (copy.data)
		be->cast(be, copy, dx);
}

static void
bias_fwd(struct od_backend *be, struct od_mat x, const float *b)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++) {
		float *r = mat_row(&x, t);

		for (int64_t j = 0; j < x.cols; j++)
			r[j] += b[j];
	}
}

static void
bias_bwd(struct od_backend *be, float *db, struct od_mat dy)
{
	column_sums(be, db, dy, NULL, NULL);
}

static void
add(struct od_backend *be, struct od_mat x, struct od_mat y)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++) {
		float *a = mat_row(&x, t);
		const float *b = mat_row(&y, t);

		for (int64_t j = 0; j < x.cols; j++)
			a[j] += b[j];
	}
}

static void
rope(struct od_backend *be, struct od_mat x, const int32_t *pos, const float *cosine, const float *sine, int32_t head_dim,
	int inverse)
{
	int64_t half = head_dim / 2;
	float sign = inverse ? -1.0f : 1.0f;

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++) {
		const float *c = cosine + pos[t] * half, *s = sine + pos[t] * half;

		for (float *a = mat_row(&x, t), *end = a + x.cols; a < end; a += head_dim)
			for (int64_t i = 0; i < half; i++) {
				float u = a[i], v = a[i + half], si = sign * s[i];

				a[i] = u * c[i] - v * si;
				a[i + half] = v * c[i] + u * si;
			}
	}
}

/* act(x), and its derivative unless NULL. Both are x * sigmoid(u): u = x, or 2 sqrt(2/pi) (x + 0.044715 x^3), which is
 * x/2 (1 + tanh(u/2)) without the cancellation where the tangent is near -1. */
static inline vf
activate(enum od_act act, vf x, vf *dy)
{
	const float c = 1.5957691216057308f, a = 0.044715f;
	vf u = act == OD_ACT_SILU ? x : c * (x + a * (x * x * x)), e, s;

	e = vf_exp(-vf_max(vf_set(-87.0f), u));            /* finite, for e * s below */
	s = 1.0f / (1.0f + e);
	if (dy)                                            /* 1 - s is e * s: no cancellation at large u */
		*dy = s + x * (s * (e * s)) * (act == OD_ACT_SILU ? vf_set(1) : c * (1.0f + 3 * a * (x * x)));
	return x * s;
}

static void
glu_fwd(struct od_backend *be, struct od_mat out, struct od_mat gate, struct od_mat up, enum od_act act)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (out.rows * out.cols > SMALL_WORK)
	for (int64_t t = 0; t < out.rows; t++) {
		const float *g = mat_row(&gate, t), *u = mat_row(&up, t);
		float *o = mat_row(&out, t);

		for (int64_t j = 0; j < out.cols; j += VW) {
			int64_t n = out.cols - j;

			vf_store_n(o + j, activate(act, vf_load_n(g + j, n), NULL) * vf_load_n(u + j, n), n);
		}
	}
}

static void
glu_bwd(struct od_backend *be, struct od_mat dgate, struct od_mat dup, struct od_mat out, struct od_mat dout,
	struct od_mat gate, struct od_mat up, enum od_act act)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (dout.rows * dout.cols > SMALL_WORK)
	for (int64_t t = 0; t < dout.rows; t++) {
		const float *gr = mat_row(&gate, t), *ur = mat_row(&up, t), *dr = mat_row(&dout, t);
		float *dg = mat_row(&dgate, t), *du = mat_row(&dup, t), *o = out.data ? mat_row(&out, t) : NULL;

		for (int64_t j = 0; j < dout.cols; j += VW) {
			int64_t n = dout.cols - j;
			vf u = vf_load_n(ur + j, n), d = vf_load_n(dr + j, n), dy, y = activate(act, vf_load_n(gr + j, n), &dy);

			vf_store_n(dg + j, d * u * dy, n);
			vf_store_n(du + j, d * y, n);
			if (o)
				vf_store_n(o + j, y * u, n);
		}
	}
}

static void
gather(struct od_backend *be, struct od_mat out, struct od_mat x, const int32_t *rows)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (out.rows * out.cols > SMALL_WORK)
	for (int64_t r = 0; r < out.rows; r++)
		memcpy(mat_row(&out, r), mat_row(&x, rows[r]), (size_t)out.cols * sizeof(float));
}

static void
scatter_add(struct od_backend *be, struct od_mat dx, struct od_mat dy, const int32_t *rows)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (dy.rows * dy.cols > SMALL_WORK)
	for (int64_t r = 0; r < dy.rows; r++) {
		float *x = mat_row(&dx, rows[r]);
		const float *y = mat_row(&dy, r);

		for (int64_t j = 0; j < dy.cols; j++)
			x[j] += y[j];
	}
}

/* ---- optimiser ---- */

#define SUM_BLOCK 65536

/* Partial sums of fixed blocks, then the blocks in order: the thread count does not show. */
static double
sum_squares(struct od_backend *be, const float *x, int64_t n)
{
	int64_t n_blocks = (n + SUM_BLOCK - 1) / SUM_BLOCK;
	double *part = od_cpu_scratch(cpu_ctx(be), SCRATCH_REDUCE, (size_t)(n_blocks + 1) * sizeof *part), s = 0;

	if (!part)
		return NAN;
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (n > SMALL_WORK)
	for (int64_t b = 0; b < n_blocks; b++) {
		int64_t from = b * SUM_BLOCK, len = n - from < SUM_BLOCK ? n - from : SUM_BLOCK;

		part[b] = row_dot(x + from, x + from, len);
	}
	for (int64_t b = 0; b < n_blocks; b++)
		s += part[b];
	return s;
}

static void
adamw(struct od_backend *be, float *w, float *m, float *v, const float *g, void *copy, int64_t n, const struct od_adamw *p)
{
	(void)copy;                    /* products read w itself */
	const float b1 = (float)p->beta1, c1 = (float)(1 - p->beta1), b2 = (float)p->beta2, c2 = (float)(1 - p->beta2);
	const float scale = (float)p->grad_scale, decay = (float)(p->lr * p->weight_decay), eps = (float)p->eps;
	const float step = (float)(p->lr / p->bias1), root = (float)(1 / sqrt(p->bias2));

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (n > SMALL_WORK)
	for (int64_t j = 0; j < n; j += VW) {
		int64_t left = n - j;
		vf gj = scale * vf_load_n(g + j, left);
		vf mj = b1 * vf_load_n(m + j, left) + c1 * gj, vj = b2 * vf_load_n(v + j, left) + c2 * (gj * gj);
		vf wj = vf_load_n(w + j, left);

		/* 1 - lr*wd would round to 1 in fp32: the decay is taken off together with the step */
		wj -= decay * wj + step * mj / (vf_sqrt(vj) * root + eps);

		vf_store_n(m + j, mj, left);
		vf_store_n(v + j, vj, left);
		vf_store_n(w + j, wj, left);
	}
}

/* ---- for the tests ---- */

static void
array_exp(float *y, const float *x, int64_t n)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_store_n(y + j, vf_exp(vf_load_n(x + j, n - j)), n - j);
}

static void
array_tanh(float *y, const float *x, int64_t n)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_store_n(y + j, vf_tanh(vf_load_n(x + j, n - j)), n - j);
}
