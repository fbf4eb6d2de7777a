/* alpaca.h -- AlpacaEval 2: a judge's preferences between a model's and a baseline's outputs, and what follows from them.
 *
 * A preference lies between 1 (the baseline's output is better) and 2 (the model's is); 0 is an old way to write a draw. What
 * is NaN or lies outside takes no part, as in the reference implementation (alpaca-eval 0.6.6), whose figures these are.
 *
 * Raw: y = preference - 1; the win rate is 100 * mean(y), its standard error 100 * sd(y) / sqrt(n).
 *
 * Length-controlled ("length_controlled_v1"): y is regressed by od_logistic_l1 (stats/logistic.h) on
 *   x1 = tanh(d / sd(d)), d = code points of the baseline's output minus those of the model's (sd with n - 1, no mean taken off)
 *   x2 = the instruction's difficulty
 *   x3 = 1
 * beside the published rows of a gamed baseline, each of weight 0.1 and with x3 = 0. The win rate is
 * 100 * mean(sigmoid(b3 + b2 * x2)): what it would be at equal lengths. An item's difficulty is that of its position among
 * the rows, even where rows are missing before it: so does the reference.
 */
#ifndef OD_BENCH_ALPACA_H
#define OD_BENCH_ALPACA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { OD_ALPACA_FEATURES = 3 };

struct od_alpaca_row {
	double preference;                         /* NaN: none */
	double len_1, len_2;                       /* code points of the baseline's and the model's output; NaN: not known */
};

struct od_alpaca_rates {
	int64_t n_total;                           /* rows that take part */
	int64_t n_missing, n_outside;              /* rows that do not: no preference; one outside 1..2 */
	int64_t n_wins, n_wins_base, n_draws;
	double win_rate, standard_error;           /* per cent; NaN without rows */
	double discrete_win_rate, discrete_standard_error;     /* of wins, half wins and losses; not a published figure: the error */
	double avg_length;                         /* of the model's outputs; NaN when not known */
};

struct od_alpaca_gamed {
	double y;                                  /* preference - 1 */
	double std_delta_len, difficulty;          /* d / sd(d) before the tanh */
};

struct od_alpaca_lc {
	double win_rate, standard_error;           /* per cent */
	double coef[OD_ALPACA_FEATURES];
	double c;                                  /* NaN when coefficients were given */
};

/* Whether the judge saw the model's output first ("m"), which the reference draws from the instruction: Python's
 * random.Random("is_switched_outputs" + instruction + "0").choices([False, True]). */
OD_MUST_CHECK enum od_status od_alpaca_is_switched(const char *instruction, size_t n, bool *out, struct od_error *err);

/* The preference from log-probs of the tokens m and M at the answer's first position; NaN for one that is not among the
 * alternatives, NaN when neither is. */
double od_alpaca_preference(double logprob_m, double logprob_M, bool switched);

/* y of a row as above, or NaN when it takes no part. */
double od_alpaca_y(const struct od_alpaca_row *r);

void od_alpaca_rates(const struct od_alpaca_row *rows, size_t n, struct od_alpaca_rates *out);

/* Fits the regression. difficulty[n_difficulty], n_difficulty >= n; c NaN: the best of ten between 1e-4 and 1e4 by five-fold
 * cross-validation (folds as the published run deals them out). OD_EFORMAT when a length is missing, OD_EMISMATCH when there
 * are more rows than difficulties. */
OD_MUST_CHECK enum od_status od_alpaca_fit(const struct od_alpaca_row *rows, size_t n, const double *difficulty,
	size_t n_difficulty, const struct od_alpaca_gamed *gamed, size_t n_gamed, double c, struct od_alpaca_lc *out,
	struct od_error *err);

/* What a row's win rate would be at equal lengths, 0..1. */
double od_alpaca_lc_row(const double coef[OD_ALPACA_FEATURES], double difficulty);

/* Win rate and standard error from out->coef; rows NULL: over all n difficulties, else over those of rows that take part. */
void od_alpaca_lc_rates(const struct od_alpaca_row *rows, const double *difficulty, size_t n, struct od_alpaca_lc *out);

#endif
