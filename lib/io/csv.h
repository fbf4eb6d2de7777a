/* csv.h -- a whole table of comma-separated values in memory: benchmark data in the form its publishers ship.
 *
 * RFC 4180: fields may stand in double quotes, a quote inside is doubled; lines end in LF or CR LF. The first line names the
 * columns (a name may be empty); every other line must have as many fields. Empty lines are skipped.
 */
#ifndef OD_IO_CSV_H
#define OD_IO_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_csv {
	char *name;                                /* of the file, for messages */
	char *text;                                /* what the fields lie in, each ended by a NUL */
	char **field;                              /* [n_rows + 1, n_columns], the names first */
	int64_t *line;                             /* [n_rows + 1] where a row begins, 1-based */
	size_t n_columns, n_rows;
};

/* Reads a source (stream.h: compressed files and "-" too). The table is to be released whatever happens. */
OD_MUST_CHECK enum od_status od_csv_read(struct od_csv *t, const char *name, struct od_error *err);

/* The same over n bytes in memory, which are copied. */
OD_MUST_CHECK enum od_status od_csv_parse(struct od_csv *t, const char *text, size_t n, const char *name,
	struct od_error *err);
void od_csv_release(struct od_csv *t);

/* The column of that name, or -1. */
int od_csv_find(const struct od_csv *t, const char *column);
/* The same; OD_EFORMAT with the names there are when it is missing. */
OD_MUST_CHECK enum od_status od_csv_need(const struct od_csv *t, const char *column, int *out, struct od_error *err);

const char *od_csv_text(const struct od_csv *t, size_t row, int column);

/* A finite number, or NaN where the field is empty or says nan, null or None. OD_EFORMAT names file, line and column. */
OD_MUST_CHECK enum od_status od_csv_number(const struct od_csv *t, size_t row, int column, double *out,
	struct od_error *err);

#endif
