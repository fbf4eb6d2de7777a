/* pairs.h -- evaluation on held-out preference pairs: the objective's loss, how often the policy prefers the chosen
 * response, and how far its log-probs have moved from the reference's.
 */
#ifndef OD_BENCH_PAIRS_H
#define OD_BENCH_PAIRS_H

#include "bench/sheet.h"
#include "pref/objective.h"

/* The columns, named as in a run's metrics (train/metrics.h):
 *   loss, w_qual, w_perf, z, gate, nll   of the objective
 *   accuracy               1 when the policy's log-prob per token is higher for chosen (strictly), else 0
 *   reward_accuracy        1 when the implicit reward margin is positive (strictly), else 0
 *   margin                 implicit reward margin
 *   logps_chosen, logps_rejected       policy's log-prob per token
 *   change_chosen, change_rejected     policy minus reference, summed over the response
 * What needs a reference or a rejected side that is not there is NaN. */
enum { OD_BENCH_PAIRS_COLUMNS = 13 };
extern const struct od_sheet_column od_bench_pairs_columns[OD_BENCH_PAIRS_COLUMNS];

/* Evaluates one pair: row[OD_BENCH_PAIRS_COLUMNS]. */
void od_bench_pairs_row(const struct od_objective *o, const struct od_pair_quantities *q, double *row);

#endif
