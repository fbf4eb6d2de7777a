/* head.cu -- the LM head: log-probs of the scored entries and their gradient, a tile of logits at a time.
 *
 * A tile is ROWS x TILE fp32 logits, made by a product and small enough to stay in the device's cache until it is read; its
 * width is fixed, so that a row's log-sum-exp is the same sum whatever rows stand beside it. Backward makes each tile again
 * and turns it into d loss / d logit in the type of the products, until a panel of up to PANEL rows is full; two more products
 * then spread the panel: dh += dlogit w, dw += dlogit^T h. So dw passes through memory once a panel, and memory is that of
 * a tile and a panel, whatever the vocabulary and the lengths.
 */
#include <math.h>

#include "blas.h"
#include "launch.h"

/* HELD: groups of four logits that a thread of a row's block holds, which covers a tile. On 132 multiprocessors the tiles of
 * a product of ROWS x TILE, 128 x 256 each, are two full rounds. */
enum { HEAD_THREADS = 192, HELD = 11 };
#ifdef __CUDACC__
static const int64_t ROWS = 1024, TILE = 4 * HELD * HEAD_THREADS, PANEL = 16384;
#else
static const int64_t ROWS = 48, TILE = 256, PANEL = 96;        /* so that the emulator's small shapes cross every border */
#endif

/* Of each row: the running maximum, the sum of exp(logit - maximum) over the tiles so far, its first entry (-1: none). */
struct row_stats {
	double *sum;
	float *max;
	int32_t *first;
};

struct head_job {
	struct cuda_ctx *ctx;
	struct od_mat h, w;
	float softcap;
	const struct od_targets *targets;
	struct row_stats stats;
	float *logits;                         /* [min(rows, ROWS), TILE] */
	void *panel;                           /* backward: [min(rows, PANEL), TILE] in the type of the products */
};

static __device__ inline float
capped(float logit, float cap)
{
	return cap > 0 ? cap * tanhf(logit / cap) : logit;
}

/* ---- which entries belong to a row ---- */

static __global__ void
first_entry_kernel(row_stats s, const int32_t *row, int64_t n)
{
	int64_t e = (int64_t)blockIdx.x * HEAD_THREADS + threadIdx.x;

	if (e < n && (e == 0 || row[e] != row[e - 1]))
		s.first[row[e]] = (int32_t)e;
}

static __global__ void
clear_stats_kernel(row_stats s, int64_t rows)
{
	int64_t r = (int64_t)blockIdx.x * HEAD_THREADS + threadIdx.x;

	if (r >= rows)
		return;
	s.sum[r] = 0;
	s.max[r] = -INFINITY;
	s.first[r] = -1;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool
prepare(struct head_job *j, struct od_backend *be, bool backward)
{
	struct cuda_ctx *ctx = j->ctx = cuda_ctx(be);
	int64_t rows = j->h.rows, cells = least(rows, ROWS) * TILE, panel = backward ? least(rows, PANEL) * TILE : 0;
	size_t bytes = (size_t)cells * sizeof(float) + (size_t)panel * od_dtype_size(j->h.type);
	char *stats = static_cast<char *>(od_cuda_scratch(ctx, CUDA_SCRATCH_HEAD_STATS, (size_t)rows * 16));

	j->logits = static_cast<float *>(od_cuda_scratch(ctx, CUDA_SCRATCH_HEAD, bytes));
	if (!stats || !j->logits)
		return false;
	j->panel = j->logits + cells;
	j->stats.sum = reinterpret_cast<double *>(stats);
	j->stats.max = reinterpret_cast<float *>(stats + rows * 8);
	j->stats.first = reinterpret_cast<int32_t *>(stats + rows * 12);
	LAUNCH((clear_stats_kernel), dim3((unsigned)ceil_div(rows, HEAD_THREADS)), HEAD_THREADS, 0, ctx->stream, j->stats, rows);
	if (j->targets->n)
		LAUNCH((first_entry_kernel), dim3((unsigned)ceil_div(j->targets->n, HEAD_THREADS)), HEAD_THREADS, 0, ctx->stream,
			j->stats, j->targets->row, j->targets->n);
	return CUDA_LAUNCHED(ctx, "LM head");
}

/* ---- tiles ---- */

static struct od_mat
rows_of(struct od_mat m, int64_t first, int64_t n)
{
	char *at = static_cast<char *>(m.data) + first * m.ld * (int64_t)od_dtype_size(m.type);
	struct od_mat part = { at, m.type, n, m.cols, m.ld };

	return part;
}

struct tile {
	int64_t row, rows, word, words;        /* rows [row, + rows) and vocabulary [word, + words) */
};

/* The tile at (row, word); no row beyond 'end'. */
static struct tile
tile_at(const struct head_job *j, int64_t row, int64_t end, int64_t word)
{
	struct tile t = { row, least(ROWS, end - row), word, least(TILE, j->w.rows - word) };

	return t;
}

static void
make_logits(const struct head_job *j, const struct tile *t)
{
	struct od_mat logits = { j->logits, OD_F32, t->rows, t->words, TILE };

	od_cuda_product(j->ctx, logits, rows_of(j->h, t->row, t->rows), 0, rows_of(j->w, t->word, t->words), 1, NULL);
}

/* ---- forward ---- */

/* Group c of this thread's logits; minus infinity behind the last. */
static __device__ inline lanes<4>
held_logits(const float *x, int c, int words, float cap)
{
	int i = (c * HEAD_THREADS + threadIdx.x) * 4;
	lanes<4> z;

	if (i + 4 <= words) {
		z = ldn<4>(x, i);
		for (int k = 0; k < 4; k++)
			z.v[k] = capped(z.v[k], cap);
	} else {
		for (int k = 0; k < 4; k++)
			z.v[k] = i + k < words ? capped(x[i + k], cap) : -INFINITY;
	}
	return z;
}

/* A block a row: joins the tile to the row's statistics and keeps the logits that were asked for. */
static __global__ void
head_fwd_kernel(row_stats s, float *logps, const float *logits, float cap, int64_t row, int64_t word, int words,
	const int32_t *entry_row, const int32_t *entry_id, int64_t entries)
{
	const float *x = logits + (int64_t)blockIdx.x * TILE;
	int64_t r = row + blockIdx.x;
	float old = s.max[r], max = old, part = 0;
	lanes<4> z[HELD];
	double sum;

#pragma unroll
	for (int c = 0; c < HELD; c++)
		z[c] = held_logits(x, c, words, cap);
#pragma unroll
	for (int c = 0; c < HELD; c++)
		for (int k = 0; k < 4; k++)
			max = fmaxf(max, z[c].v[k]);
	max = block_max<float, HEAD_THREADS>(max);
#pragma unroll
	for (int c = 0; c < HELD; c++)
		for (int k = 0; k < 4; k++)
			part += expf(z[c].v[k] - max);
	sum = block_sum<double, HEAD_THREADS>(part);
	if (threadIdx.x != 0)
		return;
	s.sum[r] = (old == -INFINITY ? 0 : s.sum[r] * exp((double)old - (double)max)) + sum;
	s.max[r] = max;
	for (int64_t e = s.first[r]; e >= 0 && e < entries && entry_row[e] == r; e++)
		if (entry_id[e] >= word && entry_id[e] < word + words)
			logps[e] = capped(x[entry_id[e] - word], cap);
}

static __global__ void
finish_fwd_kernel(row_stats s, float *logps, float *lse, int64_t rows, const int32_t *entry_row, int64_t entries)
{
	int64_t r = (int64_t)blockIdx.x * HEAD_THREADS + threadIdx.x;
	double l;

	if (r >= rows)
		return;
	l = (double)s.max[r] + log(s.sum[r]);
	lse[r] = (float)l;
	for (int64_t e = s.first[r]; e >= 0 && e < entries && entry_row[e] == r; e++)
		logps[e] = (float)((double)logps[e] - l);
}

void
od_cuda_head_fwd(struct od_backend *be, float *logps, float *lse, struct od_mat h, struct od_mat w, float softcap,
	const struct od_targets *targets)
{
	struct head_job j = { NULL, h, w, softcap, targets, { NULL, NULL, NULL }, NULL, NULL };

	if (h.rows == 0 || !prepare(&j, be, false))
		return;
	for (int64_t word = 0; word < w.rows; word += TILE)
		for (int64_t row = 0; row < h.rows; row += ROWS) {
			struct tile t = tile_at(&j, row, h.rows, word);

			make_logits(&j, &t);
			LAUNCH((head_fwd_kernel), dim3((unsigned)t.rows), HEAD_THREADS, 0, j.ctx->stream, j.stats, logps,
				j.logits, softcap, row, word, (int)t.words, targets->row, targets->id, targets->n);
		}
	LAUNCH((finish_fwd_kernel), dim3((unsigned)ceil_div(h.rows, HEAD_THREADS)), HEAD_THREADS, 0, j.ctx->stream, j.stats, logps,
		lse, h.rows, targets->row, targets->n);
	CUDA_LAUNCHED(j.ctx, "head_fwd");
}

/* ---- backward ---- */

/* d[v] = sum over the row's entries of coef (1[v = id] - p[v]), through the soft-cap's derivative 1 - (s/c)^2. */
template <typename T, int N>
static __global__ void
head_bwd_kernel(T *panel, const float *logits, row_stats s, const float *lse, float cap, int64_t row, int64_t word, int words,
	const int32_t *entry_row, const int32_t *entry_id, const float *coef, int64_t entries)
{
	const float *x = logits + (int64_t)blockIdx.x * TILE;
	T *d = panel + (int64_t)blockIdx.x * TILE;
	int64_t r = row + blockIdx.x, first = s.first[r], end = first;
	float total = 0, l = lse[r];

	if (first >= 0)
		for (; end < entries && entry_row[end] == r; end++)
			total += coef[end];
	for (int i = threadIdx.x * N; i < words; i += HEAD_THREADS * N) {
		lanes<N> z = ldn<N>(x, i);

		for (int k = 0; k < N; k++) {
			float a = capped(z.v[k], cap), g = -total * expf(a - l);

			for (int64_t e = first; e < end; e++)
				if (entry_id[e] == word + i + k)
					g += coef[e];
			z.v[k] = cap > 0 ? g * (1.0f - a / cap * (a / cap)) : g;
		}
		stn<N>(d, i, z);
	}
}

/* Rows [from, end) of the panel for the vocabulary from 'word' on. */
static void
fill_panel(const struct head_job *j, int64_t from, int64_t end, int64_t word, const float *lse, const float *coef)
{
	for (int64_t row = from; row < end; row += ROWS) {
		struct tile t = tile_at(j, row, end, word);

		make_logits(j, &t);
		WITH_TYPE(j->h, T, WITH_LANES(t.words % 4 == 0, N,
			LAUNCH((head_bwd_kernel<T, N>), dim3((unsigned)t.rows), HEAD_THREADS, 0, j->ctx->stream,
				static_cast<T *>(j->panel) + (row - from) * TILE, j->logits, j->stats, lse, j->softcap, row, word,
				(int)t.words, j->targets->row, j->targets->id, coef, j->targets->n)));
	}
	CUDA_LAUNCHED(j->ctx, "head_bwd");
}

void
od_cuda_head_bwd(struct od_backend *be, struct od_mat dh, struct od_mat dw, struct od_mat h, struct od_mat w, float softcap,
	const float *lse, const struct od_targets *targets, const float *coef)
{
	struct head_job j = { NULL, h, w, softcap, targets, { NULL, NULL, NULL }, NULL, NULL };

	if (h.rows == 0 || !prepare(&j, be, true))
		return;
	for (int64_t from = 0; from < h.rows; from += PANEL)
		for (int64_t word = 0; word < w.rows; word += TILE) {
			int64_t rows = least(PANEL, h.rows - from), words = least(TILE, w.rows - word);
			struct od_mat d = { j.panel, h.type, rows, words, TILE }, dh_rows = rows_of(dh, from, rows);

			fill_panel(&j, from, from + rows, word, lse, coef);
			od_cuda_product(j.ctx, dh_rows, d, 0, rows_of(w, word, words), 0, word ? &dh_rows : NULL);
			if (dw.data) {
				struct od_mat dw_rows = rows_of(dw, word, words);

				od_cuda_product(j.ctx, dw_rows, d, 1, rows_of(h, from, rows), 0, &dw_rows);
			}
		}
}
