/* metrics.h -- a training run's metrics as columns: every number of every record, by name.
 *
 * Members of objects get dotted names ("eval.loss", "time.seconds"); the time of a record with "eval" is
 * "eval.time.seconds". A value that is null or absent leaves no point. Records without "step" (a header, a summary) are
 * passed over. The last line of a run in progress may be cut.
 */
#ifndef OD_INSPECT_METRICS_H
#define OD_INSPECT_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_column {
	char *name;
	double *step, *value;                      /* [n] */
	size_t n, cap_step, cap_value;
};

struct od_metrics {
	char *path, *label;                        /* the file read; a short name for people */
	struct od_column *columns;                 /* [n_columns] in order of first appearance */
	size_t n_columns, cap;
	int64_t n_records;                         /* with a step */
	double first_step, last_step;
	bool cut;                                  /* the last line was incomplete */
	char numerics[64];                         /* what computed it, of run.json beside the file; "" when that is not there */
};

#define OD_METRICS_INIT { NULL, NULL, NULL, 0, 0, 0, 0, 0, false, "" }

/* Reads the metrics of a run named by a metrics file, "-", a run directory OUT.run, or OUT itself. */
OD_MUST_CHECK enum od_status od_metrics_load(struct od_metrics *m, const char *operand, struct od_error *err);
const struct od_column *od_metrics_find(const struct od_metrics *m, const char *name);     /* or NULL */
void od_metrics_release(struct od_metrics *m);

/* y smoothed by the centred mean of 'window' (odd) points, shorter at the ends: out[n]. */
void od_metrics_smooth(const double *y, size_t n, size_t window, double *out);

#endif
