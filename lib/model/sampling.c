#include "model/sampling.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

void
od_draw_release(struct od_draw *d)
{
	free(d->item);
	free(d->part);
	*d = (struct od_draw){ 0 };
}

static void
penalise(float *x, int64_t n, const uint64_t *seen, double penalty)
{
	for (int64_t w = 0; w < (n + 63) / 64; w++)
		for (uint64_t bits = seen[w]; bits; bits &= bits - 1) {
			int64_t i = w * 64 + __builtin_ctzll(bits);

			x[i] = (float)(x[i] > 0 ? x[i] / penalty : x[i] * penalty);
		}
}

/* The first of the largest; -1 when there is no number. */
static int64_t
largest(const float *x, int64_t n)
{
	int64_t best = -1;
	float top = -INFINITY;

	for (int64_t i = 0; i < n; i++)
		if (x[i] > top) {
			top = x[i];
			best = i;
		}
	return best;
}

/* Weights are summed so many at a time, and these sums in order: it does not show how many threads do it. */
enum { CHUNK = 2048 };

static int64_t
chunks_of(int64_t n)
{
	return (n + CHUNK - 1) / CHUNK;
}

/* x := exp((x - max) * slope). Returns the sum. */
static double
weigh_chunk(float *x, int64_t n, float max, float slope)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++) {
		x[i] = expf((x[i] - max) * slope);
		sum += x[i];
	}
	return sum;
}

/* All of x, on all threads where they have nothing else to do; d->part: the sum of each chunk. */
static enum od_status
weigh(struct od_draw *d, float *x, int64_t n, float max, double temperature, double *sum, struct od_error *err)
{
	size_t chunks = (size_t)chunks_of(n);

	*sum = 0;
	if (!od_grow(&d->part, &d->cap_part, chunks, sizeof *d->part))
		return od_fail_nomem(err, "sums of weights", chunks * sizeof *d->part);
#pragma omp parallel for schedule(static) if (n > 4 * CHUNK)
	for (int64_t i = 0; i < n; i += CHUNK)
		d->part[i / CHUNK] = weigh_chunk(x + i, n - i < CHUNK ? n - i : CHUNK, max, (float)(1 / temperature));
	for (size_t c = 0; c < chunks; c++)
		*sum += d->part[c];
	return OD_OK;
}

/* The token at which the running sum passes the target; the last of any weight where rounding keeps it below. */
static int32_t
draw_of_all(const struct od_draw *d, const float *w, int64_t n, double target)
{
	double sum = 0, before = 0;
	int64_t from = 0, last;

	for (int64_t c = 0; c < chunks_of(n) && sum <= target; sum += d->part[c++])
		if (d->part[c] > 0) {
			from = c * CHUNK;
			before = sum;
		}
	last = from;
	sum = before;
	for (int64_t i = from; i < n && i < from + CHUNK; i++) {
		if (w[i] == 0)
			continue;
		sum += w[i];
		last = i;
		if (sum > target)
			break;
	}
	return (int32_t)last;
}

static int
by_weight(const void *a, const void *b)
{
	const struct od_draw_item *x = a, *y = b;

	return x->weight != y->weight ? (x->weight < y->weight) - (x->weight > y->weight) : (x->id > y->id) - (x->id < y->id);
}

/* The tokens above a weight, the largest first; how many in *k. */
static enum od_status
gather(struct od_draw *d, const float *w, int64_t n, double above, size_t *k, struct od_error *err)
{
	*k = 0;
	for (int64_t i = 0; i < n; i++) {
		if (!(w[i] > above))
			continue;
		if (!od_grow(&d->item, &d->cap, *k + 1, sizeof *d->item))
			return od_fail_nomem(err, "candidates", (*k + 1) * sizeof *d->item);
		d->item[(*k)++] = (struct od_draw_item){ w[i], (int32_t)i };
	}
	qsort(d->item, *k, sizeof *d->item, by_weight);
	return OD_OK;
}

/* A weight that at least 'want' tokens exceed: what fewer than so many bins of the logarithm hold is not looked at. 0 when
 * there are fewer tokens. Weights are at most 1. */
static double
floor_of_top(const float *w, int64_t n, int64_t want)
{
	enum { BINS = 128 };
	int64_t count[BINS] = { 0 }, sum = 0;

	for (int64_t i = 0; i < n; i++) {
		int e = 0;

		if (w[i] > 0) {
			(void)frexpf(w[i], &e);
			count[-e < 0 ? 0 : -e < BINS ? -e : BINS - 1]++;
		}
	}
	for (int b = 0; b < BINS - 1; b++) {
		sum += count[b];
		if (sum >= want)
			return ldexp(1, -b - 1) * (1 - 1e-6);        /* weights of bin b are at least 2^(-b-1) */
	}
	return 0;
}

/* Sets aside all but the top k, then all but the nucleus; draws from what is left. */
static enum od_status
draw_of_top(int32_t *id, const float *w, int64_t n, double sum, const struct od_sampling *s, double u, struct od_draw *d,
	struct od_error *err)
{
	/* tokens below this have together less than 1 - p of the whole: none is in the nucleus */
	double above = s->top_k ? floor_of_top(w, n, s->top_k) : (1 - s->top_p) * sum / (double)n * (1 - 1e-9), part = 0, kept;
	size_t k, m = 0;
	enum od_status st = gather(d, w, n, above, &k, err);

	if (st != OD_OK)
		return st;
	if (s->top_k && k > (size_t)s->top_k)
		k = (size_t)s->top_k;
	for (size_t i = 0; s->top_k && i < k; i++)
		part += d->item[i].weight;
	sum = s->top_k ? part : sum;
	for (kept = 0; m < k && (m == 0 || kept < s->top_p * sum); m++)
		kept += d->item[m].weight;
	part = 0;
	*id = d->item[m - 1].id;
	for (size_t i = 0; i < m; i++) {
		part += d->item[i].weight;
		if (part > u * kept) {
			*id = d->item[i].id;
			break;
		}
	}
	return OD_OK;
}

enum od_status
od_sample(int32_t *id, float *logits, int64_t n, double softcap, const struct od_sampling *s, const uint64_t *seen, double u,
	struct od_draw *d, struct od_error *err)
{
	int64_t top;
	double sum;
	enum od_status st;

	for (int64_t i = 0; softcap > 0 && i < n; i++)
		logits[i] = (float)(softcap * tanh(logits[i] / softcap));
	if (seen && s->repetition_penalty != 1)
		penalise(logits, n, seen, s->repetition_penalty);
	top = largest(logits, n);
	if (top < 0 || isinf(logits[top]))
		return od_fail(err, OD_ENUMERIC, "the model's logits are not finite");
	*id = (int32_t)top;
	if (s->temperature <= 0 || s->top_k == 1)
		return OD_OK;
	st = weigh(d, logits, n, logits[top], s->temperature, &sum, err);
	if (st != OD_OK)
		return st;
	if (isnan(sum))
		return od_fail(err, OD_ENUMERIC, "the model's logits are not finite");
	if (s->top_k || s->top_p < 1)
		return draw_of_top(id, logits, n, sum, s, u, d, err);
	*id = draw_of_all(d, logits, n, u * sum);
	return OD_OK;
}
