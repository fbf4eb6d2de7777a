/* report.c -- see report.h. */
#include "eval/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/atomic.h"

const struct od_opt report_opts[] = {
	OD_OPT_STR(struct report_options, items, "items", "FILE",
		"one JSON line an item (default: standard output, unless it is a terminal)"),
	OD_OPT_STR(struct report_options, summary, "summary", "FILE",
		"the summary as one JSON object (default: a table on standard error)"),
	OD_OPT_STR(struct report_options, compare, "compare", "A,B",
		"paired differences B - A of two item files or two models, a table on standard output"),
	OD_OPT_INT(struct report_options, resamples, "resamples", "N", 1, 1e7,
		"resamples of intervals and tests of a comparison"),
	OD_OPT_FLAG(struct report_options, mixed, "mixed", "compare results that were not made alike"),
	OD_OPT_END
};

bool
report_is_stdout(const char *name)
{
	return name != NULL && strcmp(name, "-") == 0;
}

enum od_status
report_open_items(const struct report_options *o, bool framed, struct od_jsonl_writer **out, struct od_error *err)
{
	const char *name = o->items;
	struct od_out *file = NULL;
	enum od_status st;

	*out = NULL;
	if (name == NULL && !isatty(STDOUT_FILENO) && !report_is_stdout(o->summary))
		name = "-";
	if (name == NULL)
		return OD_OK;
	if (report_is_stdout(name) && report_is_stdout(o->summary))
		return od_fail(err, OD_EUSAGE, "options '--items' and '--summary' cannot both be standard output");
	st = od_out_open(&file, name, err);
	return st == OD_OK ? od_jsonl_writer_open(out, file, framed, "od-eval", err) : st;
}

enum od_status
report_item(struct od_jsonl_writer *items, const struct od_sheet *s, struct od_buf *line, struct od_error *err)
{
	if (items == NULL)
		return OD_OK;
	od_buf_clear(line);
	od_sheet_item(s, s->n - 1, line);
	if (!od_buf_ok(line))
		return od_fail_nomem(err, "an item", line->len);
	return od_jsonl_write(items, line->data, line->len, err);
}

enum od_status
report_write(const char *name, const struct od_buf *text, struct od_error *err)
{
	if (!od_buf_ok(text))
		return od_fail_nomem(err, "a report", text->len);
	if (!report_is_stdout(name))
		return od_atomic_write(name, text->data, text->len, err);
	fwrite(text->data, 1, text->len, stdout);              /* od_cli_end reports what went wrong */
	return OD_OK;
}

enum od_status
report_texts(const struct report_options *o, bool quiet, const struct od_buf *json, const struct od_buf *table,
	struct od_error *err)
{
	if (o->summary != NULL)
		return report_write(o->summary, json, err);
	if (quiet)
		return OD_OK;
	if (!od_buf_ok(table))
		return od_fail_nomem(err, "a report", table->len);
	return od_write_all(STDERR_FILENO, table->data, table->len, "<stderr>", err);
}

enum od_status
report_summary(const struct report_options *o, bool quiet, const struct od_sheet *s, const char *head, const char *note,
	struct od_error *err)
{
	struct od_buf json = OD_BUF_INIT, table = OD_BUF_INIT;
	enum od_status st;

	od_buf_printf(&json, "{%s,", head);
	od_sheet_json(s, &json);
	od_buf_str(&json, "}\n");
	od_buf_printf(&table, "%s\n", note);
	od_sheet_table(s, &table);
	st = report_texts(o, quiet, &json, &table, err);
	od_buf_release(&json);
	od_buf_release(&table);
	return st;
}

enum od_status
report_check_made(const struct report_options *o, const struct od_sheet *a, const struct od_sheet *b, const char *name_a,
	const char *name_b, struct od_error *err)
{
	struct od_error why = OD_ERROR_INIT;

	if (od_manifest_match(a->run, b->run, name_a, name_b, &why) == OD_OK)
		return OD_OK;
	if (!o->mixed)
		return od_fail(err, why.status, "%s; '--mixed' compares them all the same", why.msg);
	od_warn("%s", why.msg);
	return OD_OK;
}

enum od_status
report_missing(const struct od_roster *r, bool allow, int64_t *missing, struct od_error *err)
{
	struct od_buf names = OD_BUF_INIT;
	enum od_status st = OD_OK;

	*missing = (int64_t)od_roster_missing(r, &names);
	if (!od_buf_ok(&names))
		st = od_fail_nomem(err, "a message", 1);
	else if (*missing > 0 && !allow)
		st = od_fail(err, OD_EFORMAT, "%lld of %zu %s have no output (%ss %s): give '--allow-missing' to judge the others",
			(long long)*missing, r->n, r->noun, r->id_name, names.data);
	else if (*missing > 0)
		od_warn("%lld of %zu %s have no output and are left out of every figure: %ss %s", (long long)*missing, r->n, r->noun,
			r->id_name, names.data);
	od_buf_release(&names);
	return st;
}

enum od_status
report_comparison(const struct report_options *o, const struct od_sheet *a, const struct od_sheet *b, const char *name_a,
	const char *name_b, struct od_error *err)
{
	struct od_sheet_pairing p = OD_SHEET_PAIRING_INIT;
	struct od_buf table = OD_BUF_INIT, json = OD_BUF_INIT;
	enum od_status st = report_check_made(o, a, b, name_a, name_b, err);

	if (st == OD_OK)
		st = od_sheet_compare(&p, a, b, (int)o->resamples, REPORT_SEED, err);
	if (st != OD_OK)
		return st;
	if (p.only_a + p.only_b > 0)
		od_warn("%lld items only in '%s' and %lld only in '%s' are left out", (long long)p.only_a, name_a,
			(long long)p.only_b, name_b);
	if (o->summary != NULL) {
		od_buf_str(&json, "{\"a\":");
		od_buf_json_string(&json, name_a, strlen(name_a));
		od_buf_str(&json, ",\"b\":");
		od_buf_json_string(&json, name_b, strlen(name_b));
		od_buf_char(&json, ',');
		od_sheet_pairing_json(&p, &json);
		od_buf_str(&json, "}\n");
		st = report_write(o->summary, &json, err);
	}
	if (st == OD_OK && !report_is_stdout(o->summary)) {
		od_sheet_pairing_table(&p, name_a, name_b, &table);
		st = report_write("-", &table, err);
	}
	od_buf_release(&table);
	od_buf_release(&json);
	od_sheet_pairing_release(&p);
	return st;
}

enum od_status
report_compare_files(const struct report_options *o, const char *a, const char *b, size_t n_files, struct od_error *err)
{
	struct od_sheet sheet_a = { 0 }, sheet_b = { 0 };
	enum od_status st;

	if (n_files > 0)
		return od_fail(err, OD_EUSAGE, "option '--compare' of item files reads nothing else");
	st = od_sheet_read(&sheet_a, a, err);
	if (st == OD_OK)
		st = od_sheet_read(&sheet_b, b, err);
	if (st == OD_OK)
		st = report_comparison(o, &sheet_a, &sheet_b, a, b, err);
	od_sheet_release(&sheet_a);
	od_sheet_release(&sheet_b);
	return st;
}

char *
report_label(const char *file)
{
	static const char *const extensions[] = { "gz", "zst", "xz", "jsonl", "json" };
	const char *slash = strrchr(file, '/'), *base = slash != NULL && slash[1] != '\0' ? slash + 1 : file;
	size_t n = strlen(base);

	for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
		size_t k = strlen(extensions[i]);

		if (n > k + 1 && base[n - k - 1] == '.' && memcmp(base + n - k, extensions[i], k) == 0)
			n -= k + 1;
	}
	return od_strndup(base, n);
}

enum od_status
report_compare_names(const struct report_options *o, char **a, char **b, struct od_error *err)
{
	const char *comma = strchr(o->compare, ',');

	if (comma == NULL || comma == o->compare || comma[1] == '\0' || strchr(comma + 1, ',') != NULL)
		return od_fail(err, OD_EUSAGE, "option '--compare' needs two names, 'A,B', not '%s'", o->compare);
	*a = od_strndup(o->compare, (size_t)(comma - o->compare));
	*b = od_strdup(comma + 1);
	return *a != NULL && *b != NULL ? OD_OK : od_fail_nomem(err, "names", strlen(o->compare));
}

enum od_status
report_compare(const struct report_options *o, size_t n_files, struct od_error *err)
{
	char *a = NULL, *b = NULL;
	enum od_status st = report_compare_names(o, &a, &b, err);

	if (st == OD_OK)
		st = report_compare_files(o, a, b, n_files, err);
	free(a);
	free(b);
	return st;
}
