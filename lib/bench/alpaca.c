/* alpaca.c -- see alpaca.h. */
#include "bench/alpaca.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "stats/describe.h"
#include "stats/logistic.h"

#define GAMED_WEIGHT (0.2 / 2)                     /* 0.2 in all for each of the two gamed versions of the baseline */
enum { N_CS = 10, N_FOLDS = 5 };

/* ---- which output the judge saw first: Python's generator ------------------------------------------------------------ */

enum { MT_N = 624, MT_M = 397 };

struct twister {
	uint32_t s[MT_N];
	int at;
};

static void
twister_seed(struct twister *t, const uint32_t *key, size_t n)
{
	uint32_t *s = t->s;
	size_t i = 1, j = 0;

	s[0] = 19650218u;
	for (uint32_t k = 1; k < MT_N; k++)
		s[k] = 1812433253u * (s[k - 1] ^ s[k - 1] >> 30) + k;
	for (size_t k = n > MT_N ? n : MT_N; k > 0; k--) {
		s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + key[j] + (uint32_t)j;
		if (++i == MT_N) {
			s[0] = s[MT_N - 1];
			i = 1;
		}
		j = (j + 1) % n;
	}
	for (int k = MT_N - 1; k > 0; k--) {
		s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
		if (++i == MT_N) {
			s[0] = s[MT_N - 1];
			i = 1;
		}
	}
	s[0] = 0x80000000u;
	t->at = MT_N;
}

static uint32_t
twister_next(struct twister *t)
{
	uint32_t y;

	if (t->at == MT_N) {
		for (int k = 0; k < MT_N; k++) {
			y = (t->s[k] & 0x80000000u) | (t->s[(k + 1) % MT_N] & 0x7fffffffu);
			t->s[k] = t->s[(k + MT_M) % MT_N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
		}
		t->at = 0;
	}
	y = t->s[t->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

/* The seed is the text and its SHA-512 read as one big-endian integer, in 32-bit words from the low end. */
static enum od_status
twister_seed_text(struct twister *t, const char *text, size_t n, struct od_error *err)
{
	size_t bytes = n + OD_SHA512_BYTES, words = (bytes + 3) / 4;
	unsigned char *b = malloc(bytes);
	uint32_t *key = od_calloc(words, sizeof *key);
	enum od_status st;

	if (b == NULL || key == NULL) {
		st = od_fail_nomem(err, "a seed", bytes);
	} else {
		memcpy(b, text, n);
		st = od_sha512(text, n, b + n, err);
	}
	if (st == OD_OK) {
		for (size_t i = 0; i < bytes; i++)
			key[i / 4] |= (uint32_t)b[bytes - 1 - i] << 8 * (i % 4);
		while (words > 1 && key[words - 1] == 0)
			words--;
		twister_seed(t, key, words);
	}
	free(b);
	free(key);
	return st;
}

enum od_status
od_alpaca_is_switched(const char *instruction, size_t n, bool *out, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	struct twister t = { .at = MT_N };
	enum od_status st;

	od_buf_str(&text, "is_switched_outputs");
	od_buf_append(&text, instruction, n);
	od_buf_char(&text, '0');
	st = od_buf_ok(&text) ? twister_seed_text(&t, text.data, text.len, err) : od_fail_nomem(err, "a seed", n);
	if (st == OD_OK)                               /* floor(2 u) of a u whose leading bit is the first word's */
		*out = twister_next(&t) >> 31;
	od_buf_release(&text);
	return st;
}

/* ---- preferences and raw rates ------------------------------------------------------------------------------------------ */

double
od_alpaca_preference(double logprob_m, double logprob_M, bool switched)
{
	double p;

	if (isnan(logprob_m) && isnan(logprob_M))
		return NAN;
	p = isnan(logprob_m) ? 0 : isnan(logprob_M) ? 1 : od_sigmoid(logprob_m - logprob_M);
	return switched ? 1 + p : 2 - p;
}

double
od_alpaca_y(const struct od_alpaca_row *r)
{
	double p = r->preference == 0 ? 1.5 : r->preference;

	return p >= 1 && p <= 2 ? p - 1 : NAN;
}

void
od_alpaca_rates(const struct od_alpaca_row *rows, size_t n, struct od_alpaca_rates *out)
{
	struct od_moments wins = OD_MOMENTS_INIT, discrete = OD_MOMENTS_INIT, length = OD_MOMENTS_INIT;

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < n; i++) {
		double y = od_alpaca_y(&rows[i]);

		od_moments_add(&length, rows[i].len_2);
		if (isnan(y)) {
			out->n_missing += isnan(rows[i].preference);
			out->n_outside += !isnan(rows[i].preference);
			continue;
		}
		od_moments_add(&wins, y);
		od_moments_add(&discrete, y == 0.5 ? 0.5 : y > 0.5);
		out->n_wins += y > 0.5;
		out->n_wins_base += y < 0.5;
		out->n_draws += y == 0.5;
	}
	out->n_total = wins.n;
	out->win_rate = 100 * od_moments_mean(&wins);
	out->standard_error = 100 * od_moments_se(&wins);
	out->discrete_win_rate = 100 * ((double)out->n_wins + (double)out->n_draws / 2) / (double)wins.n;
	out->discrete_standard_error = 100 * od_moments_se(&discrete);
	out->avg_length = od_moments_mean(&length);
}

/* ---- the length-controlled rate ----------------------------------------------------------------------------------------- */

double
od_alpaca_lc_row(const double coef[OD_ALPACA_FEATURES], double difficulty)
{
	return od_sigmoid(coef[2] + coef[1] * difficulty);
}

void
od_alpaca_lc_rates(const struct od_alpaca_row *rows, const double *difficulty, size_t n, struct od_alpaca_lc *out)
{
	struct od_moments m = OD_MOMENTS_INIT;

	for (size_t i = 0; i < n; i++)
		if (rows == NULL || !isnan(od_alpaca_y(&rows[i])))
			od_moments_add(&m, od_alpaca_lc_row(out->coef, difficulty[i]));
	out->win_rate = 100 * od_moments_mean(&m);
	out->standard_error = 100 * od_moments_se(&m);
}

/* Fills the regression's rows: the gamed ones, then the model's that take part. Returns how many. */
static size_t
features(const struct od_alpaca_row *rows, size_t n, const double *difficulty, const struct od_alpaca_gamed *gamed,
	size_t n_gamed, double *x, double *y, double *w)
{
	struct od_moments d = OD_MOMENTS_INIT;
	double sd;
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(od_alpaca_y(&rows[i])))
			od_moments_add(&d, rows[i].len_1 - rows[i].len_2);
	sd = od_moments_sd(&d);
	for (size_t i = 0; i < n_gamed; i++) {
		x[3 * k] = tanh(gamed[i].std_delta_len);
		x[3 * k + 1] = gamed[i].difficulty;
		x[3 * k + 2] = 0;
		y[k] = gamed[i].y;
		w[k++] = GAMED_WEIGHT;
	}
	for (size_t i = 0; i < n; i++) {
		if (isnan(od_alpaca_y(&rows[i])))
			continue;
		x[3 * k] = sd > 0 ? tanh((rows[i].len_1 - rows[i].len_2) / sd) : 0;      /* equal everywhere: no effect */
		x[3 * k + 1] = difficulty[i];
		x[3 * k + 2] = 1;
		y[k] = od_alpaca_y(&rows[i]);
		w[k++] = 1;
	}
	return k;
}

static void
swap(size_t *a, size_t *b)
{
	size_t t = *a;

	*a = *b;
	*b = t;
}

/* The order in which a quicksort that is not stable (median of three, the larger part put by, up to 16 left to an insertion
 * sort: NumPy's) leaves n equal keys. The published run sorts groups of equal size so before it deals them out to folds, and
 * which C wins depends on the folds. */
static void
order_of_equals(size_t *order, size_t n)
{
	enum { SMALL = 16, DEPTH = 128 };
	ptrdiff_t stack[DEPTH], low = 0, high = (ptrdiff_t)n - 1;
	int top = 0;

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (;;) {
		while (high - low > SMALL) {
			ptrdiff_t i = low + 1, j = high - 2;

			swap(&order[low + (high - low) / 2], &order[high - 1]);
			for (; i < j; i++, j--)
				swap(&order[i], &order[j]);
			swap(&order[i], &order[high - 1]);
			if (i - low < high - i) {
				stack[top++] = i + 1;
				stack[top++] = high;
				high = i - 1;
			} else {
				stack[top++] = low;
				stack[top++] = i - 1;
				low = i + 1;
			}
		}
		if (top == 0)
			return;
		high = stack[--top];
		low = stack[--top];
	}
}

/* fold[n]: rows are dealt out in turn, from the end of that order. */
static enum od_status
deal_folds(int *fold, size_t n, struct od_error *err)
{
	size_t *order = NULL;
	enum od_status st = od_alloc(&order, n, sizeof *order, "folds", err);

	if (st != OD_OK)
		return st;
	order_of_equals(order, n);
	for (size_t i = 0; i < n; i++)
		fold[order[n - 1 - i]] = (int)(i % N_FOLDS);
	free(order);
	return OD_OK;
}

static enum od_status
choose_c(const struct od_logistic_data *d, double *c, struct od_error *err)
{
	double cs[N_CS];
	int *fold = NULL;
	enum od_status st = od_alloc(&fold, d->n, sizeof *fold, "folds", err);

	if (st != OD_OK)
		return st;
	for (int i = 0; i < N_CS; i++)
		cs[i] = pow(10, -4 + 8.0 * i / (N_CS - 1));
	st = deal_folds(fold, d->n, err);
	if (st == OD_OK)
		st = od_logistic_choose_c(d, fold, N_FOLDS, cs, N_CS, c, err);
	free(fold);
	return st;
}

static enum od_status
check_rows(const struct od_alpaca_row *rows, size_t n, size_t n_difficulty, struct od_error *err)
{
	size_t used = 0;

	if (n > n_difficulty)
		return od_fail(err, OD_EMISMATCH, "%zu rows, but difficulties of %zu instructions", n, n_difficulty);
	for (size_t i = 0; i < n; i++) {
		if (isnan(od_alpaca_y(&rows[i])))
			continue;
		used++;
		if (!isfinite(rows[i].len_1) || !isfinite(rows[i].len_2))
			return od_fail(err, OD_EFORMAT, "row %zu has no lengths, which a length-controlled win rate needs", i);
	}
	return used >= 2 ? OD_OK : od_fail(err, OD_EFORMAT, "%zu rows with a preference are too few for a regression", used);
}

enum od_status
od_alpaca_fit(const struct od_alpaca_row *rows, size_t n, const double *difficulty, size_t n_difficulty,
	const struct od_alpaca_gamed *gamed, size_t n_gamed, double c, struct od_alpaca_lc *out, struct od_error *err)
{
	double *x = NULL, *y = NULL, *w = NULL;
	struct od_logistic_data d = { .p = OD_ALPACA_FEATURES };
	enum od_status st = check_rows(rows, n, n_difficulty, err);

	if (st == OD_OK)
		st = od_alloc(&x, n + n_gamed, OD_ALPACA_FEATURES * sizeof *x, "features", err);
	if (st == OD_OK)
		st = od_alloc(&y, n + n_gamed, sizeof *y, "labels", err);
	if (st == OD_OK)
		st = od_alloc(&w, n + n_gamed, sizeof *w, "weights", err);
	if (st == OD_OK) {
		d.n = features(rows, n, difficulty, gamed, n_gamed, x, y, w);
		d.x = x;
		d.y = y;
		d.w = w;
		out->c = c;
		if (isnan(c))
			st = choose_c(&d, &out->c, err);
	}
	if (st == OD_OK)
		st = od_logistic_l1(&d, out->c, out->coef, err);
	if (st == OD_OK)
		od_alpaca_lc_rates(rows, difficulty, n, out);
	free(x);
	free(y);
	free(w);
	return st;
}
