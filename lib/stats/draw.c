/* draw.c -- see draw.h. */
#include "stats/draw.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

void
od_number_text(char text[OD_NUMBER_TEXT], double v, int digits)
{
	double a = fabs(v);

	if (!isfinite(v))
		snprintf(text, OD_NUMBER_TEXT, "-");
	else if (v == 0 || (v == round(v) && a < 1e7))
		snprintf(text, OD_NUMBER_TEXT, "%.0f", v == 0 ? 0.0 : v);
	else if (a < 1e-3 || a >= pow(10, digits + 3))
		snprintf(text, OD_NUMBER_TEXT, "%.*e", digits > 1 ? digits - 2 : 0, v);
	else
		snprintf(text, OD_NUMBER_TEXT, "%.*f", (int)fmax(0, digits - 1 - floor(log10(fmax(a, 0.01)))), v);
}

void
od_count_text(char text[OD_NUMBER_TEXT], long long v)
{
	char digits[OD_NUMBER_TEXT];
	int n = snprintf(digits, sizeof digits, "%lld", v), at = 0, first = digits[0] == '-';

	for (int i = 0; i < n; i++) {
		if (i > first && (n - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
}

/* Mean of the finite values among y[from..to), NaN when there is none. */
static double
stretch_mean(const double *y, size_t from, size_t to)
{
	struct od_moments m = od_moments_of(y + from, to - from);

	return od_moments_mean(&m);
}

void
od_sparkline(struct od_buf *out, const double *y, size_t n, int width)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	double lo = INFINITY, hi = -INFINITY, v;
	size_t cells = width < 1 ? 1 : (size_t)width;

	if (n < cells)
		cells = n;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t c = 0; c < cells; c++) {
			v = stretch_mean(y, c * n / cells, (c + 1) * n / cells);
			if (pass == 1 && isnan(v))
				od_buf_char(out, ' ');
			else if (pass == 1)
				od_buf_str(out, bars[hi > lo ? (int)fmin(7, (v - lo) / (hi - lo) * 8) : 3]);
			else if (!isnan(v)) {
				lo = fmin(lo, v);
				hi = fmax(hi, v);
			}
		}
	}
}

/* A bar of 'eighths' eighths of a character. */
static void
bar(struct od_buf *out, int64_t eighths)
{
	static const char *const part[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };

	for (int64_t i = 0; i < eighths / 8; i++)
		od_buf_str(out, "█");
	od_buf_str(out, part[eighths % 8]);
}

static void
bin_label(struct od_table *t, const struct od_histogram *h, int i)
{
	double step = (h->hi - h->lo) / h->n_bins, lo = od_histogram_edge(h, i), hi = od_histogram_edge(h, i + 1);
	int decimals = step > 0 ? (int)fmin(12, fmax(0, ceil(-log10(step) - 1e-9) + (step < 1 ? 1 : 0))) : 4;

	if (fabs(lo) < step / 1e6)
		lo = 0;
	if (fabs(hi) < step / 1e6)
		hi = 0;
	if (step > 0 && (step < 1e-6 || fmax(fabs(h->lo), fabs(h->hi)) >= 1e7))
		od_table_cellf(t, "[%.3e, %.3e%c", lo, hi, i == h->n_bins - 1 ? ']' : ')');
	else
		od_table_cellf(t, "[%.*f, %.*f%c", decimals, lo, decimals, hi, i == h->n_bins - 1 ? ']' : ')');
}

void
od_histogram_draw(struct od_buf *out, const struct od_histogram *h, int width, const char *indent)
{
	struct od_table t = OD_TABLE_INIT(3, "rrl");
	struct od_buf b = OD_BUF_INIT;
	int64_t most = 1;

	for (int i = 0; i < h->n_bins; i++)
		most = h->count[i] > most ? h->count[i] : most;
	for (int i = 0; i < h->n_bins; i++) {
		int64_t eighths = (int64_t)((double)h->count[i] / (double)most * width * 8);

		od_buf_clear(&b);
		bar(&b, h->count[i] > 0 && eighths == 0 ? 1 : eighths);    /* a bin that is not empty shows */
		bin_label(&t, h, i);
		od_table_cellf(&t, "%lld", (long long)h->count[i]);
		od_table_cell(&t, od_buf_ok(&b) && b.data != NULL ? b.data : "");
	}
	od_table_render(&t, out, indent);
	if (h->below + h->above > 0)
		od_buf_printf(out, "%soutside: %lld below, %lld above\n", indent, (long long)h->below, (long long)h->above);
	od_table_release(&t);
	od_buf_release(&b);
}

void
od_table_cell(struct od_table *t, const char *s)
{
	if (!od_grow(&t->start, &t->cap, t->n_cells + 1, sizeof *t->start)) {
		t->text.failed = true;
		return;
	}
	t->start[t->n_cells++] = t->text.len;
	od_buf_append(&t->text, s, strlen(s) + 1);
}

void
od_table_cellf(struct od_table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	od_table_cell(t, text);
}

void
od_table_number(struct od_table *t, double v, int digits)
{
	char text[OD_NUMBER_TEXT];

	od_number_text(text, v, digits);
	od_table_cell(t, text);
}

int
od_text_columns(const char *s)
{
	utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(s), step;
	utf8proc_int32_t c;
	int columns = 0;

	for (; left > 0; s += step, left -= step) {
		step = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &c);
		if (step < 1) {
			step = 1;
			columns++;
		} else {
			columns += utf8proc_charwidth(c);
		}
	}
	return columns;
}

/* Widest cell of column c. */
static int
column_width(const struct od_table *t, int c)
{
	int widest = 0, w;

	for (size_t i = (size_t)c; i < t->n_cells; i += (size_t)t->n_cols) {
		w = od_text_columns(t->text.data + t->start[i]);
		widest = w > widest ? w : widest;
	}
	return widest;
}

/* Empty cells at the end of a row leave no blanks behind. */
static void
trim_blanks(struct od_buf *out)
{
	while (od_buf_ok(out) && out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
}

void
od_table_render(const struct od_table *t, struct od_buf *out, const char *indent)
{
	int *width = od_calloc((size_t)t->n_cols, sizeof *width);

	if (width == NULL || !od_buf_ok(&t->text)) {
		out->failed = true;
		free(width);
		return;
	}
	for (int c = 0; c < t->n_cols; c++)
		width[c] = column_width(t, c);
	for (size_t i = 0; i < t->n_cells; i++) {
		const char *cell = t->text.data + t->start[i];
		int c = (int)(i % (size_t)t->n_cols), pad = width[c] - od_text_columns(cell);
		bool last = c == t->n_cols - 1 || i == t->n_cells - 1;

		od_buf_printf(out, "%s", c == 0 ? indent : "  ");
		od_buf_printf(out, "%*s%s", t->align[c] == 'r' ? pad : 0, "", cell);
		if (last) {
			trim_blanks(out);
			od_buf_char(out, '\n');
		} else if (t->align[c] != 'r')
			od_buf_printf(out, "%*s", pad, "");
	}
	free(width);
}

void
od_markdown_text(struct od_buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (strchr("|*<\\`", *s) != NULL)
			od_buf_char(out, '\\');
		od_buf_char(out, *s);
	}
}

void
od_table_markdown(const struct od_table *t, struct od_buf *out)
{
	size_t n = (size_t)t->n_cols;

	if (!od_buf_ok(&t->text)) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		od_buf_str(out, "| ");
		od_markdown_text(out, t->text.data + t->start[i]);
		od_buf_str(out, i % n == n - 1 ? " |\n" : " ");
		if (i == n - 1) {
			od_buf_str(out, "|:--");
			for (size_t c = 1; c < n; c++)
				od_buf_str(out, "|--:");
			od_buf_str(out, "|\n");
		}
	}
}

void
od_table_release(struct od_table *t)
{
	free(t->start);
	od_buf_release(&t->text);
	t->start = NULL;
	t->n_cells = t->cap = 0;
}
