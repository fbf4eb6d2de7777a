/* elem.inc.h -- casts, embedding, norms, bias, residual, rotary embedding, gated unit, rows, optimiser. All of them are bound by
 * memory: one pass each, threads by rows or blocks of rows, every sum in an order of its own whatever the thread count.
 *
 * Matrices of the backend's type, or any, are read and written by vf_get and vf_put with a type that is constant once a row's
 * function is inlined: WITH_TYPE makes it so. */

#define SMALL_WORK 16384       /* elements: below this a parallel region costs more than it saves */
#define INLINE static inline __attribute__((always_inline))

/* Runs the statement with T as a constant of the value of 'type'. */
#define WITH_TYPE(type, T, ...) do { \
		if ((type) == OD_BF16) { \
			const enum od_dtype T = OD_BF16; \
			__VA_ARGS__; \
		} else { \
			const enum od_dtype T = OD_F32; \
			__VA_ARGS__; \
		} \
	} while (0)

/* ---- sums in double ---- */

/* VW doubles. */
typedef double vd __attribute__((vector_size(VW * 4)));

struct wide {
	vd low, high;
};

INLINE struct wide
wide_of(vf x)
{
#if VW == 16 && defined(__AVX512F__)
	__m512 v = (__m512)x;

	return (struct wide){ (vd)_mm512_cvtps_pd(_mm512_castps512_ps256(v)), (vd)_mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)) };
#elif VW == 8 && defined(__AVX2__)
	__m256 v = (__m256)x;

	return (struct wide){ (vd)_mm256_cvtps_pd(_mm256_castps256_ps128(v)), (vd)_mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)) };
#else
	typedef float half __attribute__((vector_size(VW * 2)));
	half part[2];

	memcpy(part, &x, sizeof part);
	return (struct wide){ __builtin_convertvector(part[0], vd), __builtin_convertvector(part[1], vd) };
#endif
}

INLINE void
wide_add(struct wide *s, vf x)
{
	struct wide y = wide_of(x);

	s->low += y.low;
	s->high += y.high;
}

INLINE double
wide_sum(struct wide s)
{
	vd both = s.low + s.high;
#if VW == 16 && defined(__AVX512F__)
	return _mm512_reduce_add_pd((__m512d)both);
#else
	double all = 0;

	for (int i = 0; i < VW / 2; i++)
		all += both[i];
	return all;
#endif
}

/* The same for rows whose products leave the range of fp32 (a run that has diverged): NaN only where there is no number. */
static double
wide_dot(const void *x, enum od_dtype tx, const void *y, enum od_dtype ty, const float *w, float one, int64_t n)
{
	double s = 0;

	for (int64_t j = 0; j < n; j++)
		s += (double)vf_get(x, tx, j, 1)[0] * vf_get(y, ty, j, 1)[0] * (w ? w[j] + one : 1);
	return s;
}

/* sum_j x[j] y[j] g[j], g = w + one (no w: 1). Four vectors of products at a time are added in fp32, these sums in double. */
INLINE double
weighted_dot(const void *x, enum od_dtype tx, const void *y, enum od_dtype ty, const float *w, float one, int64_t n)
{
	enum { GROUP = 4 };
	struct wide s = { { 0 }, { 0 } };
	int64_t j = 0;
	double sum;

	for (; j + GROUP * VW <= n; j += GROUP * VW) {
		vf p = vf_set(0);

		for (int64_t i = j; i < j + GROUP * VW; i += VW)
			p += vf_get(x, tx, i, VW) * (w ? vf_get(y, ty, i, VW) * (vf_load(w + i) + one) : vf_get(y, ty, i, VW));
		wide_add(&s, p);
	}
	for (; j < n; j += VW)
		wide_add(&s, vf_get(x, tx, j, n - j) * vf_get(y, ty, j, n - j) * (w ? vf_load_n(w + j, n - j) + one : vf_set(1)));
	sum = wide_sum(s);
	return isfinite(sum) ? sum : wide_dot(x, tx, y, ty, w, one, n);
}

/* ---- types ---- */

INLINE void
cast_row(void *to, enum od_dtype type, const void *from, enum od_dtype from_type, int64_t n)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_put(to, type, j, vf_get(from, from_type, j, n - j), n - j);
}

/* Pieces of rows, for a vector of weights is a matrix of one row. */
static void
cast(struct od_backend *be, struct od_mat out, struct od_mat in)
{
	enum { PIECE = 16384 };
	int64_t each = (in.cols + PIECE - 1) / PIECE, to_size = (int64_t)od_dtype_size(out.type), size = (int64_t)od_dtype_size(in.type);

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (in.rows * in.cols > SMALL_WORK)
	for (int64_t i = 0; i < in.rows * each; i++) {
		int64_t from = i % each * PIECE, n = in.cols - from < PIECE ? in.cols - from : PIECE;
		char *to = (char *)any_row(&out, i / each) + from * to_size;
		const char *x = (const char *)any_row(&in, i / each) + from * size;

		if (out.type == in.type)
			memcpy(to, x, (size_t)(n * size));
		else if (out.type == OD_BF16)
			cast_row(to, OD_BF16, x, OD_F32, n);
		else
			cast_row(to, OD_F32, x, OD_BF16, n);
	}
}

/* ---- embedding ---- */

INLINE void
embed_row(float *o, const void *w, enum od_dtype type, float scale, int64_t n)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_store_n(o + j, scale * vf_get(w, type, j, n - j), n - j);
}

static void
embed_fwd(struct od_backend *be, struct od_mat out, struct od_mat table, const int32_t *ids, float scale)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (out.rows * out.cols > SMALL_WORK)
	for (int64_t t = 0; t < out.rows; t++)
		WITH_TYPE(table.type, T, embed_row(mat_row(&out, t), any_row(&table, ids[t]), T, scale, out.cols));
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

/* ---- sums over rows: gradients of norm gains and biases ---- */

enum { SUM_ROWS = 32 };

/* A row of sums for each block of SUM_ROWS rows; the blocks are added in order at the end, so the thread count does not show. */
struct column_sums {
	struct wide *part;             /* [blocks, width] */
	int64_t blocks, width;
};

static int
column_sums_init(struct column_sums *s, struct od_backend *be, int64_t rows, int64_t cols)
{
	s->blocks = (rows + SUM_ROWS - 1) / SUM_ROWS;
	s->width = (cols + VW - 1) / VW;
	s->part = od_cpu_scratch(cpu_ctx(be), SCRATCH_REDUCE, (size_t)(s->blocks * s->width + 1) * sizeof *s->part);
	return s->part != NULL;
}

/* The cleared sums of block b. */
static inline struct wide *
column_sums_block(const struct column_sums *s, int64_t b)
{
	return memset(s->part + b * s->width, 0, (size_t)s->width * sizeof *s->part);
}

static inline int64_t
block_end(int64_t b, int64_t rows)
{
	return (b + 1) * SUM_ROWS < rows ? (b + 1) * SUM_ROWS : rows;
}

/* to[j] += sum over the blocks, for column vector v. */
static inline void
column_sums_add(const struct column_sums *s, float *to, int64_t v, int64_t cols)
{
	struct wide all = { { 0 }, { 0 } };
	double sum[VW];

	for (int64_t b = 0; b < s->blocks; b++) {
		const struct wide *part = s->part + b * s->width + v;

		all.low += part->low;
		all.high += part->high;
	}
	memcpy(sum, &all, sizeof sum);
	for (int64_t i = 0, j = v * VW; i < VW && j < cols; i++, j++)
		to[j] = (float)(to[j] + sum[i]);
}

/* ---- norm ---- */

INLINE float
norm_row(void *o, enum od_dtype to, const void *x, enum od_dtype tx, const float *w, float one, float eps, int64_t n)
{
	float r = (float)(1 / sqrt(weighted_dot(x, tx, x, tx, NULL, 0, n) / (double)n + eps));

	for (int64_t j = 0; j < n; j += VW)
		vf_put(o, to, j, vf_get(x, tx, j, n - j) * r * (vf_load_n(w + j, n - j) + one), n - j);
	return r;
}

static void
norm_fwd(struct od_backend *be, struct od_mat out, float *rstd, struct od_mat x, const float *w, float eps, int plus_one)
{
	float one = plus_one ? 1.0f : 0.0f;

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++)
		WITH_TYPE(x.type, TX, WITH_TYPE(out.type, TO,
			rstd[t] = norm_row(any_row(&out, t), TO, any_row(&x, t), TX, w, one, eps, x.cols)));
}

struct norm_grad {
	struct od_mat dx, dy, x, copy;
	const float *w;
	float one;
	int accumulate;
};

/* Row t; dw: sums of dy * xhat. dx may be dy: a vector is read before it is written. */
INLINE void
norm_bwd_row(const struct norm_grad *a, int64_t t, float r, struct wide *dw, enum od_dtype tdx, enum od_dtype tdy,
	enum od_dtype tx)
{
	int64_t n = a->x.cols;
	void *dx = any_row(&a->dx, t), *copy = any_row(&a->copy, t);
	const void *dy = any_row(&a->dy, t), *x = any_row(&a->x, t);
	float mean = (float)(weighted_dot(x, tx, dy, tdy, a->w, a->one, n) * r / (double)n);

	for (int64_t j = 0; j < n; j += VW) {
		int64_t left = n - j;
		vf g = vf_get(dy, tdy, j, left), xhat = vf_get(x, tx, j, left) * r;
		vf d = r * (g * (vf_load_n(a->w + j, left) + a->one) - xhat * mean);

		wide_add(dw + j / VW, g * xhat);
		if (a->accumulate)
			d += vf_get(dx, tdx, j, left);
		vf_put(dx, tdx, j, d, left);
		if (a->copy.data)
			vf_put(copy, a->copy.type, j, d, left);
	}
}

static void
norm_bwd(struct od_backend *be, struct od_mat dx, float *dw, struct od_mat dy, struct od_mat x, const float *w,
	const float *rstd, int plus_one, int accumulate, struct od_mat copy)
{
	struct norm_grad a = { dx, dy, x, copy, w, plus_one ? 1.0f : 0.0f, accumulate };
	struct column_sums s;

	if (!column_sums_init(&s, be, x.rows, x.cols))
		return;
#pragma omp parallel num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	{
#pragma omp for schedule(static)
		for (int64_t b = 0; b < s.blocks; b++) {
			struct wide *sum = column_sums_block(&s, b);

			for (int64_t t = b * SUM_ROWS; t < block_end(b, x.rows); t++)
				WITH_TYPE(dx.type, TDX, WITH_TYPE(dy.type, TDY, WITH_TYPE(x.type, TX,
					norm_bwd_row(&a, t, rstd[t], sum, TDX, TDY, TX))));
		}
#pragma omp for schedule(static)
		for (int64_t v = 0; v < s.width; v++)
			column_sums_add(&s, dw, v, x.cols);
	}
}

/* ---- bias and residual ---- */

INLINE void
bias_row(void *x, enum od_dtype type, const float *b, int64_t n)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_put(x, type, j, vf_get(x, type, j, n - j) + vf_load_n(b + j, n - j), n - j);
}

static void
bias_fwd(struct od_backend *be, struct od_mat x, const float *b)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++)
		WITH_TYPE(x.type, T, bias_row(any_row(&x, t), T, b, x.cols));
}

INLINE void
sum_row(struct wide *s, const void *x, enum od_dtype type, int64_t n)
{
	for (int64_t j = 0; j < n; j += VW)
		wide_add(s++, vf_get(x, type, j, n - j));
}

static void
bias_bwd(struct od_backend *be, float *db, struct od_mat dy)
{
	struct column_sums s;

	if (!column_sums_init(&s, be, dy.rows, dy.cols))
		return;
#pragma omp parallel num_threads(cpu_ctx(be)->threads) if (dy.rows * dy.cols > SMALL_WORK)
	{
#pragma omp for schedule(static)
		for (int64_t b = 0; b < s.blocks; b++) {
			struct wide *sum = column_sums_block(&s, b);

			for (int64_t t = b * SUM_ROWS; t < block_end(b, dy.rows); t++)
				WITH_TYPE(dy.type, T, sum_row(sum, any_row(&dy, t), T, dy.cols));
		}
#pragma omp for schedule(static)
		for (int64_t v = 0; v < s.width; v++)
			column_sums_add(&s, db, v, dy.cols);
	}
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

/* ---- rotary embedding ---- */

/* One head: its first half a, its second half b. */
INLINE void
rope_head(void *a, void *b, enum od_dtype type, const float *cosine, const float *sine, float sign, int64_t half)
{
	for (int64_t j = 0; j < half; j += VW) {
		int64_t n = half - j;
		vf u = vf_get(a, type, j, n), v = vf_get(b, type, j, n), c = vf_load_n(cosine + j, n), s = sign * vf_load_n(sine + j, n);

		vf_put(a, type, j, u * c - v * s, n);
		vf_put(b, type, j, v * c + u * s, n);
	}
}

static void
rope(struct od_backend *be, struct od_mat x, const int32_t *pos, const float *cosine, const float *sine, int32_t head_dim,
	int inverse)
{
	int64_t half = head_dim / 2, step = half * (int64_t)od_dtype_size(x.type);
	float sign = inverse ? -1.0f : 1.0f;

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (x.rows * x.cols > SMALL_WORK)
	for (int64_t t = 0; t < x.rows; t++) {
		const float *c = cosine + pos[t] * half, *s = sine + pos[t] * half;
		char *a = any_row(&x, t);

		for (int64_t h = x.cols / head_dim; h > 0; h--, a += 2 * step)
			WITH_TYPE(x.type, T, rope_head(a, a + step, T, c, s, sign, half));
	}
}

/* ---- gated unit ---- */

/* act(x), and its derivative unless NULL. Both are x * sigmoid(u): u = x, or 2 sqrt(2/pi) (x + 0.044715 x^3), which is
 * x/2 (1 + tanh(u/2)) without the cancellation where the tangent is near -1. */
INLINE vf
activate(enum od_act act, vf x, vf *dy)
{
	const float c = 1.5957691216057308f, a = 0.044715f;
	vf u = act == OD_ACT_SILU ? x : x * (c + a * c * (x * x)), e, s, y;

	e = vf_exp_minus(u);                               /* finite, for e * s below */
	s = 1.0f / (1.0f + e);
	y = x * s;
	if (dy)                                            /* 1 - s is e * s: no cancellation at large u */
		*dy = s + y * (e * s) * (act == OD_ACT_SILU ? vf_set(1) : c + 3 * a * c * (x * x));
	return y;
}

INLINE void
glu_row(void *o, const void *gate, const void *up, enum od_dtype type, int64_t cols, enum od_act act)
{
	for (int64_t j = 0; j < cols; j += VW) {
		int64_t n = cols - j;

		vf_put(o, type, j, activate(act, vf_get(gate, type, j, n), NULL) * vf_get(up, type, j, n), n);
	}
}

static void
glu_fwd(struct od_backend *be, struct od_mat out, struct od_mat gate, struct od_mat up, enum od_act act)
{
#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (out.rows * out.cols > SMALL_WORK)
	for (int64_t t = 0; t < out.rows; t++) {
		const void *g = any_row(&gate, t), *u = any_row(&up, t);
		void *o = any_row(&out, t);

		if (act == OD_ACT_SILU)
			WITH_TYPE(out.type, T, glu_row(o, g, u, T, out.cols, OD_ACT_SILU));
		else
			WITH_TYPE(out.type, T, glu_row(o, g, u, T, out.cols, OD_ACT_GELU_TANH));
	}
}

struct glu_grad {
	struct od_mat dgate, dup, out, dout, gate, up;
};

/* Row t; a vector of every input is read before any is written. */
INLINE void
glu_bwd_row(const struct glu_grad *a, int64_t t, enum od_dtype type, enum od_act act)
{
	const void *gate = any_row(&a->gate, t), *up = any_row(&a->up, t), *dout = any_row(&a->dout, t);
	void *dgate = any_row(&a->dgate, t), *dup = any_row(&a->dup, t), *out = a->out.data ? any_row(&a->out, t) : NULL;

	for (int64_t j = 0; j < a->dout.cols; j += VW) {
		int64_t n = a->dout.cols - j;
		vf u = vf_get(up, type, j, n), d = vf_get(dout, type, j, n), dy, y = activate(act, vf_get(gate, type, j, n), &dy);

		vf_put(dgate, type, j, d * u * dy, n);
		vf_put(dup, type, j, d * y, n);
		if (out)
			vf_put(out, type, j, y * u, n);
	}
}

static void
glu_bwd(struct od_backend *be, struct od_mat dgate, struct od_mat dup, struct od_mat out, struct od_mat dout,
	struct od_mat gate, struct od_mat up, enum od_act act)
{
	struct glu_grad a = { dgate, dup, out, dout, gate, up };

#pragma omp parallel for schedule(static) num_threads(cpu_ctx(be)->threads) if (dout.rows * dout.cols > SMALL_WORK)
	for (int64_t t = 0; t < dout.rows; t++)
		if (act == OD_ACT_SILU)
			WITH_TYPE(dout.type, T, glu_bwd_row(&a, t, T, OD_ACT_SILU));
		else
			WITH_TYPE(dout.type, T, glu_bwd_row(&a, t, T, OD_ACT_GELU_TANH));
}

/* ---- rows ---- */

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

/* Squares in double, in two chains of VW. */
static double
block_squares(const float *x, int64_t n)
{
	struct wide s[2] = { { { 0 }, { 0 } }, { { 0 }, { 0 } } };

	for (int64_t j = 0; j < n; j += 2 * VW)
		for (int64_t k = 0, i = j; k < 2 && i < n; k++, i += VW) {
			struct wide v = wide_of(vf_load_n(x + i, n - i));

			s[k].low += v.low * v.low;
			s[k].high += v.high * v.high;
		}
	return wide_sum(s[0]) + wide_sum(s[1]);
}

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

		part[b] = block_squares(x + from, len);
	}
	for (int64_t b = 0; b < n_blocks; b++)
		s += part[b];
	return s;
}

static void
adamw(struct od_backend *be, float *w, float *m, float *v, const float *g, void *copy, int64_t n, const struct od_adamw *p)
{
	const float b1 = (float)p->beta1, c1 = (float)(1 - p->beta1), b2 = (float)p->beta2, c2 = (float)(1 - p->beta2);
	const float scale = (float)p->grad_scale, decay = (float)(p->lr * p->weight_decay), eps = (float)p->eps;
	const float step = (float)(p->lr / p->bias1), root = (float)(1 / sqrt(p->bias2));
	const enum od_dtype type = be->type;

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
		if (copy)
			vf_put(copy, type, j, wj, left);
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
