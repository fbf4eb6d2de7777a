/* logistic.h -- logistic regression of few features with an L1 penalty and labels between 0 and 1, solved to the optimum.
 *
 *   minimise  |b|_1 + C * sum_i w_i * (log(1 + e^z_i) - y_i * z_i),   z_i = x_i . b        (no intercept of its own)
 *
 * which is LIBLINEAR's L1R_LR objective when each row enters it twice, with label 1 and weight w*y and label 0 and weight
 * w*(1-y). LIBLINEAR stops at a tolerance and its answer depends on the order of rows; with a handful of features Newton
 * steps over the exact Hessian, each with a lasso solved by coordinate descent, reach the optimum itself in a few passes
 * over the rows, so the library is not needed here.
 */
#ifndef OD_STATS_LOGISTIC_H
#define OD_STATS_LOGISTIC_H

#include <stddef.h>

#include "base/error.h"

#define OD_LOGISTIC_MAX_FEATURES 8

struct od_logistic_data {
	const double *x;                           /* [n, p] */
	const double *y;                           /* [n] 0..1 */
	const double *w;                           /* [n] >= 0; a weight of 0 leaves a row out */
	size_t n, p;
};

/* log sigmoid(z) and sigmoid(z), safe at both tails. */
double od_log_sigmoid(double z);
double od_sigmoid(double z);

/* b[p]: the minimiser, by a proximal Newton method with backtracking, until a step is below 1e-12 of b or no longer
 * lowers the objective. OD_EFORMAT when a number is not finite or a label lies outside 0..1; OD_ENUMERIC when it does not converge. */
OD_MUST_CHECK enum od_status od_logistic_l1(const struct od_logistic_data *d, double C, double *b, struct od_error *err);

/* The best of cs[n_cs] by cross-validation: the rows of each fold (fold[n], 0..n_folds-1) are left out of a fit in turn and
 * give its score, minus their weighted mean log loss; the mean over folds counts, the first of equals wins. */
OD_MUST_CHECK enum od_status od_logistic_choose_c(const struct od_logistic_data *d, const int *fold, int n_folds,
	const double *cs, int n_cs, double *best, struct od_error *err);

#endif
