/* csv.c -- see csv.h. One pass copies nothing: fields are unquoted in place and ended by NULs. */
#include "io/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "io/stream.h"

#define MAX_BYTES ((size_t)1 << 30)

struct parser {
	struct od_csv *t;
	char *p, *end;
	int64_t line;
	size_t cap_field, cap_line, n_fields;
	bool row_ends;                             /* behind the field that was read last */
};

/* Reads the field at p->p, moves behind it and its separator; NULL for a quote that is never closed or text behind one. */
static char *
next_field(struct parser *p)
{
	char *start = p->p, *to = p->p;
	bool quoted = p->p < p->end && *p->p == '"';

	if (quoted) {
		start = ++p->p;
		to = start;
		while (p->p < p->end && (*p->p != '"' || (p->p + 1 < p->end && p->p[1] == '"'))) {
			p->p += *p->p == '"';
			p->line += *p->p == '\n';
			*to++ = *p->p++;
		}
		if (p->p == p->end)
			return NULL;
		p->p++;
	} else {
		while (p->p < p->end && *p->p != ',' && *p->p != '\n')
			p->p++;
		to = p->p;
		if (to > start && to[-1] == '\r' && (p->p == p->end || *p->p == '\n'))
			to--;
	}
	if (quoted && p->p < p->end && *p->p == '\r')
		p->p++;
	if (p->p < p->end && *p->p != ',' && *p->p != '\n')
		return NULL;
	p->row_ends = p->p >= p->end || *p->p == '\n';
	*to = '\0';
	p->p++;
	return start;
}

static enum od_status
read_row(struct parser *p, size_t row, struct od_error *err)
{
	struct od_csv *t = p->t;
	int64_t line = p->line;
	size_t n = 0;

	if (!od_grow(&t->line, &p->cap_line, row + 1, sizeof *t->line))
		return od_fail_nomem(err, "a table", row);
	t->line[row] = line;
	do {
		char *field = next_field(p);

		if (field == NULL)
			return od_fail(err, OD_EFORMAT, "%s:%lld: a field's closing quote is missing or misplaced", t->name,
				(long long)line);
		if (!od_grow(&t->field, &p->cap_field, p->n_fields + 1, sizeof *t->field))
			return od_fail_nomem(err, "a table", p->n_fields);
		t->field[p->n_fields++] = field;
		n++;
	} while (!p->row_ends);
	p->line++;
	if (row == 0)
		t->n_columns = n;
	if (n != t->n_columns)
		return od_fail(err, OD_EFORMAT, "%s:%lld: %zu fields, the first line has %zu", t->name, (long long)line, n,
			t->n_columns);
	return OD_OK;
}

/* t->text holds n bytes and room for a NUL. */
static enum od_status
parse(struct od_csv *t, size_t n, struct od_error *err)
{
	struct parser p = { .t = t, .p = t->text, .end = t->text + n, .line = 1 };
	enum od_status st = OD_OK;
	size_t rows = 0;

	if (memchr(t->text, '\0', n) != NULL)
		return od_fail(err, OD_EFORMAT, "%s: not a table of comma-separated values: it has zero bytes", t->name);
	if (n >= 3 && memcmp(p.p, "\xef\xbb\xbf", 3) == 0)
		p.p += 3;
	while (st == OD_OK && p.p < p.end) {
		if (*p.p == '\n' || (*p.p == '\r' && p.p + 1 < p.end && p.p[1] == '\n')) {
			p.p += *p.p == '\r' ? 2 : 1;
			p.line++;
			continue;
		}
		st = read_row(&p, rows, err);
		rows++;
	}
	if (st == OD_OK && rows == 0)
		st = od_fail(err, OD_EFORMAT, "%s: an empty table", t->name);
	t->n_rows = rows > 0 ? rows - 1 : 0;
	return st;
}

enum od_status
od_csv_read(struct od_csv *t, const char *name, struct od_error *err)
{
	enum od_status st;
	size_t n;

	memset(t, 0, sizeof *t);
	t->name = od_strdup(strcmp(name, "-") == 0 ? "<stdin>" : name);
	if (t->name == NULL)
		return od_fail_nomem(err, "a name", strlen(name));
	st = od_in_slurp(name, MAX_BYTES, &t->text, &n, err);
	return st == OD_OK ? parse(t, n, err) : st;
}

enum od_status
od_csv_parse(struct od_csv *t, const char *text, size_t n, const char *name, struct od_error *err)
{
	memset(t, 0, sizeof *t);
	t->name = od_strdup(name);
	t->text = malloc(n + 1);
	if (t->name == NULL || t->text == NULL)
		return od_fail_nomem(err, "a table", n);
	memcpy(t->text, text, n);
	t->text[n] = '\0';
	return parse(t, n, err);
}

void
od_csv_release(struct od_csv *t)
{
	free(t->name);
	free(t->text);
	free(t->field);
	free(t->line);
	memset(t, 0, sizeof *t);
}

int
od_csv_find(const struct od_csv *t, const char *column)
{
	for (size_t c = 0; c < t->n_columns; c++)
		if (strcmp(t->field[c], column) == 0)
			return (int)c;
	return -1;
}

enum od_status
od_csv_need(const struct od_csv *t, const char *column, int *out, struct od_error *err)
{
	struct od_buf names = OD_BUF_INIT;
	enum od_status st = OD_OK;

	*out = od_csv_find(t, column);
	if (*out < 0) {
		for (size_t c = 0; c < t->n_columns; c++)
			od_buf_printf(&names, "%s%s", c ? "," : "", t->field[c]);
		st = od_fail(err, OD_EFORMAT, "%s: column '%s' is missing; there are %s", t->name, column,
			od_buf_ok(&names) ? names.data : "others");
		od_buf_release(&names);
	}
	return st;
}

const char *
od_csv_text(const struct od_csv *t, size_t row, int column)
{
	return t->field[(row + 1) * t->n_columns + (size_t)column];
}

enum od_status
od_csv_number(const struct od_csv *t, size_t row, int column, double *out, struct od_error *err)
{
	const char *s = od_csv_text(t, row, column);

	if (s[0] == '\0' || strcasecmp(s, "nan") == 0 || strcmp(s, "null") == 0 || strcmp(s, "None") == 0)
		*out = NAN;
	else if (!od_num_double(s, out))
		return od_fail(err, OD_EFORMAT, "%s:%lld: column '%s' must be a number, not '%s'", t->name,
			(long long)t->line[row + 1], t->field[column], s);
	return OD_OK;
}
