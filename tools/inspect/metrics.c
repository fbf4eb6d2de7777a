/* metrics.c -- see metrics.h. */
#include "inspect/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/atomic.h"
#include "io/jsonl.h"
#include "stats/describe.h"

#define MAX_BYTES ((size_t)2 << 30)

enum { MAX_DEPTH = 4 };

/* ---- which file ---------------------------------------------------------------------------------------------------- */

static bool
is_dir(const char *path)
{
	struct stat s;

	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* dir + suffix + "/metrics.jsonl" when that file is there, else NULL; *nomem set when it could not be asked. */
static char *
metrics_in(const char *dir, const char *suffix, bool *nomem)
{
	struct od_buf b = OD_BUF_INIT;
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	od_buf_append(&b, dir, n);
	od_buf_str(&b, suffix);
	od_buf_str(&b, "/metrics.jsonl");
	if (!od_buf_ok(&b))
		*nomem = true;
	else if (od_path_exists(b.data))
		return b.data;
	od_buf_release(&b);
	return NULL;
}

static enum od_status
find_file(const char *operand, char **path, struct od_error *err)
{
	bool nomem = false;

	*path = NULL;
	if (strcmp(operand, "-") != 0 && (is_dir(operand) || !od_path_exists(operand))) {
		*path = metrics_in(operand, "", &nomem);
		if (*path == NULL)
			*path = metrics_in(operand, ".run", &nomem);
		if (*path == NULL && !nomem && is_dir(operand))
			return od_fail(err, OD_EFORMAT, "cannot find the metrics of run '%s': neither it nor '%s.run' holds "
				"metrics.jsonl", operand, operand);
	}
	if (*path == NULL && !nomem)
		*path = od_strdup(operand);
	return *path == NULL ? od_fail_nomem(err, "a path", strlen(operand)) : OD_OK;
}

/* What is said here is not worth an error: a file that is missing or of another kind says nothing. */
static void
find_numerics(struct od_metrics *m)
{
	const char *slash = strrchr(m->path, '/');
	struct od_buf b = OD_BUF_INIT;
	json_t *about = NULL;
	const char *text;

	od_buf_append(&b, m->path, slash ? (size_t)(slash + 1 - m->path) : 0);
	od_buf_str(&b, "run.json");
	if (od_buf_ok(&b))
		about = json_load_file(b.data, 0, NULL);
	text = json_string_value(json_object_get(json_object_get(about, "machine"), "numerics"));
	snprintf(m->numerics, sizeof m->numerics, "%s", text ? text : "");
	json_decref(about);
	od_buf_release(&b);
}

/* "runs/out.run/metrics.jsonl" -> "out": what distinguishes runs for people. */
static char *
label_of(const char *operand)
{
	static const char *const endings[] = { "/metrics.jsonl", ".run", ".metrics.jsonl", ".jsonl" };
	char *copy = od_strdup(strcmp(operand, "-") == 0 ? "stdin" : operand), *label, *slash;
	size_t n;

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		for (n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
			copy[n - 1] = '\0';
		if (n > strlen(endings[i]) && strcmp(copy + n - strlen(endings[i]), endings[i]) == 0)
			copy[n - strlen(endings[i])] = '\0';
	}
	slash = strrchr(copy, '/');
	label = od_strdup(slash != NULL && slash[1] != '\0' ? slash + 1 : copy);
	free(copy);
	return label;
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static struct od_column *
find_column(const struct od_metrics *m, const char *name)
{
	for (size_t i = 0; i < m->n_columns; i++)
		if (strcmp(m->columns[i].name, name) == 0)
			return &m->columns[i];
	return NULL;
}

const struct od_column *
od_metrics_find(const struct od_metrics *m, const char *name)
{
	return find_column(m, name);
}

static bool
add_point(struct od_metrics *m, const char *name, double step, double value)
{
	struct od_column *c = find_column(m, name);

	if (c == NULL) {
		if (!od_grow(&m->columns, &m->cap, m->n_columns + 1, sizeof *m->columns))
			return false;
		c = &m->columns[m->n_columns];
		memset(c, 0, sizeof *c);
		c->name = od_strdup(name);
		if (c->name == NULL)
			return false;
		m->n_columns++;
	}
	if (!od_grow(&c->step, &c->cap_step, c->n + 1, sizeof *c->step) ||
		!od_grow(&c->value, &c->cap_value, c->n + 1, sizeof *c->value))
		return false;
	c->step[c->n] = step;
	c->value[c->n++] = value;
	return true;
}

/* The clock of an evaluation's record is another column than that of an update's. */
static bool
eval_time(const json_t *record, const char *key)
{
	return strcmp(key, "time") == 0 && json_is_object(json_object_get(record, "eval"));
}

/* Adds every number below obj; prefix is the dotted name so far and is left as it was. */
static bool
add_numbers(struct od_metrics *m, json_t *obj, struct od_buf *prefix, double step, int depth)
{
	size_t len = prefix->len;
	const char *key;
	json_t *value;
	bool ok = true;

	json_object_foreach(obj, key, value) {
		od_buf_printf(prefix, "%s%s", len > 0 ? "." : eval_time(obj, key) ? "eval." : "", key);
		ok = od_buf_ok(prefix);
		if (ok && json_is_number(value) && strcmp(prefix->data, "step") != 0)
			ok = add_point(m, prefix->data, step, json_number_value(value));
		else if (ok && json_is_object(value) && depth < MAX_DEPTH)
			ok = add_numbers(m, value, prefix, step, depth + 1);
		if (!ok)
			return false;
		prefix->len = len;
		prefix->data[len] = '\0';
	}
	return ok;
}

static enum od_status
add_record(struct od_metrics *m, const struct od_record *rec, struct od_error *err)
{
	struct od_buf prefix = OD_BUF_INIT;
	double step;
	enum od_status st;
	bool ok;

	if (json_object_get(rec->json, "step") == NULL)
		return OD_OK;
	st = od_json_need_number(rec->json, "step", &step, err);
	if (st != OD_OK)
		return od_error_prefix(err, "%s:%lld: ", rec->source, (long long)rec->lineno);
	if (m->n_records++ == 0)
		m->first_step = step;
	m->last_step = step;
	ok = add_numbers(m, rec->json, &prefix, step, 0);
	od_buf_release(&prefix);
	return ok ? OD_OK : od_fail_nomem(err, "metrics", (unsigned long long)m->n_records * 64);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Length of the text without a last line that is still being written. */
static size_t
complete_length(const char *text, size_t len)
{
	size_t start = len;
	json_t *tail;

	while (start > 0 && text[start - 1] != '\n')
		start--;
	if (start == len)
		return len;
	tail = json_loadb(text + start, len - start, 0, NULL);
	json_decref(tail);
	return tail != NULL ? len : start;
}

static enum od_status
read_records(struct od_metrics *m, const char *text, size_t len, struct od_error *err)
{
	struct od_record_options all = OD_RECORD_OPTIONS_INIT;
	struct od_jsonl *reader = NULL;
	struct od_in *in = NULL;
	struct od_record rec;
	enum od_status st = od_in_memory(&in, text, len, m->path, err);

	all.allow_empty = all.partial = true;
	if (st == OD_OK)
		st = od_jsonl_from(&reader, in, &all, err);
	while (st == OD_OK) {
		st = od_jsonl_next(reader, &rec, err);
		if (st == OD_OK)
			st = add_record(m, &rec, err);
	}
	od_jsonl_close(reader);
	return st == OD_EOF ? OD_OK : st;
}

enum od_status
od_metrics_load(struct od_metrics *m, const char *operand, struct od_error *err)
{
	char *text = NULL;
	size_t len = 0, complete = 0;
	enum od_status st;

	*m = (struct od_metrics)OD_METRICS_INIT;
	st = find_file(operand, &m->path, err);
	if (st == OD_OK && (m->label = label_of(operand)) == NULL)
		st = od_fail_nomem(err, "a name", strlen(operand));
	if (st == OD_OK)
		st = od_in_slurp(m->path, MAX_BYTES, &text, &len, err);
	if (st == OD_OK) {
		complete = complete_length(text, len);
		m->cut = complete < len;
		st = read_records(m, text, complete, err);
	}
	if (st == OD_OK && m->n_records == 0)
		st = od_fail(err, OD_EFORMAT, "cannot read metrics '%s': no record has a step%s", m->path,
			m->cut ? " (and its only line is cut)" : "");
	free(text);
	if (st != OD_OK)
		od_metrics_release(m);
	else
		find_numerics(m);
	return st;
}

void
od_metrics_release(struct od_metrics *m)
{
	for (size_t i = 0; i < m->n_columns; i++) {
		free(m->columns[i].name);
		free(m->columns[i].step);
		free(m->columns[i].value);
	}
	free(m->columns);
	free(m->path);
	free(m->label);
	*m = (struct od_metrics)OD_METRICS_INIT;
}

void
od_metrics_smooth(const double *y, size_t n, size_t window, double *out)
{
	size_t half = window / 2;

	for (size_t i = 0; i < n; i++) {
		size_t reach = i < half ? i : half;
		struct od_moments m;

		if (n - 1 - i < reach)
			reach = n - 1 - i;
		m = od_moments_of(y + i - reach, 2 * reach + 1);
		out[i] = od_moments_mean(&m);
	}
}
