/* overlap.c -- od-eval overlap: which items of benchmarks stand in training data. The method is lib/bench/overlap.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/overlap.h"
#include "bench/texts.h"
#include "common/cli.h"
#include "eval/eval.h"
#include "eval/report.h"
#include "io/atomic.h"
#include "io/dataset.h"
#include "stats/draw.h"

enum { EXAMPLE_BYTES = 300, CHECK_EVERY = 64 };

struct overlap_options {
	struct od_common_options common;
	struct od_record_options records;
	struct report_options report;
	const char *train_field, *bench_field, *clean;
	int64_t n, min_words, shared;
	bool all, check;
};

#define T struct overlap_options

static const struct od_opt overlap_opts[] = {
	OD_OPT_INT(T, n, "ngram", "N", 1, OD_OVERLAP_MAX_N, "words of an n-gram"),
	OD_OPT_INT(T, min_words, "min-words", "N", 1, OD_OVERLAP_MAX_N, "shorter items than N words are not looked for"),
	OD_OPT_INT(T, shared, "common", "K", 0, 1e9, "n-grams that more than K items share count for nothing (0: all count)"),
	OD_OPT_STR(T, train_field, "train-field", "PATH,...", "members of training records to look into (default: any known)"),
	OD_OPT_STR(T, bench_field, "bench-field", "PATH,...", "members of items to look for (default: what is asked)"),
	OD_OPT_STR(T, clean, "clean", "FILE", "write the training records that hit no item"),
	OD_OPT_FLAG(T, all, "all", "list every item, not only those that are hit"),
	OD_OPT_FLAG(T, check, "check", "exit 4 when an item is hit"),
	OD_OPT_END
};

#undef T

static const struct od_opt result_opts[] = {
	OD_OPT_STR(struct report_options, items, "items", "FILE",
		"one JSON line an item that is hit (default: standard output, unless it is a terminal)"),
	OD_OPT_STR(struct report_options, summary, "summary", "FILE",
		"the summary as one JSON object (default: a table on standard error)"),
	OD_OPT_END
};

/* A benchmark's file: items [first, first + n) of the index. */
struct bench {
	char *name;
	size_t first, n;
	int64_t no_words, whole, any, half, full;
};

struct run {
	const struct overlap_options *o;
	char *train_names, *bench_names;           /* of the options, cut at commas */
	const char **train_fields, **bench_fields; /* NULL-terminated */
	struct od_overlap *overlap;
	struct bench *bench;
	size_t n_bench;
	char **id;                                 /* [items] */
	size_t n_items, cap_id;
	struct od_jsonl *in;
	struct od_atomic_file clean;
	struct od_out *clean_out;                  /* clean's, or standard output; NULL: not wanted */
	int64_t records, texts, bytes, hit, kept;
	double seconds;
	struct od_buf line;
};

/* ---- options -------------------------------------------------------------------------------------------------------------- */

/* Cuts a list at its commas; what is without a list takes the default, which is not owned. */
static enum od_status
split_fields(const char *option, const char *list, const char *const *defaults, char **text, const char ***out,
	struct od_error *err)
{
	size_t n = 0;
	enum od_status st;

	if (list == NULL) {
		*out = (const char **)defaults;
		return OD_OK;
	}
	*text = od_strdup(list);
	st = *text != NULL ? od_alloc(out, strlen(list) + 2, sizeof **out, "fields", err) : od_fail_nomem(err, "fields", strlen(list));
	for (char *p = *text; st == OD_OK && p != NULL; n++) {
		char *comma = strchr(p, ',');

		if (comma != NULL)
			*comma++ = '\0';
		if (*p == '\0')
			return od_fail(err, OD_EUSAGE, "option '--%s': an empty name in '%s'", option, list);
		(*out)[n] = p;
		p = comma;
	}
	return st;
}

static enum od_status
check_options(const struct overlap_options *o, const char *const *files, size_t n_files, struct od_error *err)
{
	size_t from_stdin = 0;

	if (n_files < 2)
		return od_fail(err, OD_EUSAGE, "the training data and at least one file of a benchmark are needed: TRAIN BENCH...");
	for (size_t i = 0; i < n_files; i++)
		from_stdin += strcmp(files[i], "-") == 0;
	if (from_stdin > 1)
		return od_fail(err, OD_EUSAGE, "standard input can be read once only");
	if (report_is_stdout(o->clean) && (report_is_stdout(o->report.items) || report_is_stdout(o->report.summary)))
		return od_fail(err, OD_EUSAGE, "option '--clean' and another one cannot both be standard output");
	if (o->clean != NULL && !report_is_stdout(o->clean) && strcmp(o->clean, files[0]) == 0)
		return od_fail(err, OD_EUSAGE, "option '--clean': '%s' is the training data", o->clean);
	return OD_OK;
}

/* ---- the benchmarks ------------------------------------------------------------------------------------------------------- */

static enum od_status
add_text(void *arg, const char *s, size_t n, struct od_error *err)
{
	return od_overlap_text(arg, s, n, err);
}

/* Fields given are all looked at; of the default ones the first that is there. */
static enum od_status
add_item(struct run *r, const json_t *record, int64_t position, struct od_error *err)
{
	char name[128];
	bool found = false;
	enum od_status st = od_overlap_item(r->overlap, err);

	for (const char *const *f = r->bench_fields; st == OD_OK && *f != NULL && (r->bench_names != NULL || !found); f++)
		st = od_texts_at(record, *f, add_text, r->overlap, &found, err);
	if (st == OD_OK && !found)
		return od_fail(err, OD_EFORMAT, "no text to look for: name the member by '--bench-field'");
	od_name_of(record, name, sizeof name);
	if (name[0] == '\0')
		snprintf(name, sizeof name, "#%lld", (long long)position);
	if (st == OD_OK && !od_grow(&r->id, &r->cap_id, r->n_items + 1, sizeof *r->id))
		st = od_fail_nomem(err, "items", r->n_items);
	if (st != OD_OK)
		return st;
	r->id[r->n_items] = od_strdup(name);
	return r->id[r->n_items++] != NULL ? OD_OK : od_fail_nomem(err, "items", r->n_items);
}

static enum od_status
read_bench(struct run *r, const char *file, struct od_error *err)
{
	struct od_dataset data = { 0 };
	struct bench *b = &r->bench[r->n_bench++];
	const json_t *record;
	enum od_status st;
	size_t i;

	b->first = r->n_items;
	b->name = report_label(file);
	st = b->name != NULL ? od_dataset_read(&data, file, err) : od_fail_nomem(err, "a name", strlen(file));
	json_array_foreach(data.items, i, record) {
		if (st != OD_OK)
			break;
		st = add_item(r, record, (int64_t)i, err);
		if (st == OD_EFORMAT)
			od_error_prefix(err, "%s: record %zu: ", file, i);
	}
	b->n = r->n_items - b->first;
	od_dataset_release(&data);
	return st;
}

/* ---- the training data ---------------------------------------------------------------------------------------------------- */

struct scan {
	struct run *r;
	struct od_overlap_source source;
	int64_t hits;
};

static enum od_status
scan_text(void *arg, const char *s, size_t n, struct od_error *err)
{
	struct scan *scan = arg;

	scan->r->texts++;
	return od_overlap_scan(scan->r->overlap, &scan->source, s, n, &scan->hits, err);
}

static enum od_status
keep(struct run *r, const struct od_record *rec, struct od_error *err)
{
	enum od_status st = od_out_write(r->clean_out, rec->line, rec->len, err);

	r->kept++;
	return st == OD_OK ? od_out_write(r->clean_out, "\n", 1, err) : st;
}

static enum od_status
scan_record(struct run *r, const struct od_record *rec, struct od_error *err)
{
	struct scan scan = { r, { rec->lineno, rec->id, NULL }, 0 };
	bool found = false;
	enum od_status st = OD_OK;

	for (const char *const *f = r->train_fields; st == OD_OK && *f != NULL; f++) {
		scan.source.field = *f;
		st = od_texts_at(rec->json, *f, scan_text, &scan, &found, err);
	}
	if (st != OD_OK)
		return st;
	if (!found) {
		od_fail(err, OD_EFORMAT, "no text to look into: name the member by '--train-field'");
		return od_jsonl_reject(r->in, rec, err);
	}
	r->records++;
	r->bytes += (int64_t)rec->len + 1;
	r->hit += scan.hits > 0;
	return r->clean_out != NULL && scan.hits == 0 ? keep(r, rec, err) : OD_OK;
}

static enum od_status
scan_train(struct run *r, struct od_error *err)
{
	struct od_progress *progress = od_progress_begin("reading", -1, "records");
	double start = od_now();
	struct od_record rec;
	char extra[64];
	enum od_status st;

	while ((st = od_jsonl_next(r->in, &rec, err)) == OD_OK && (st = scan_record(r, &rec, err)) == OD_OK) {
		if (progress == NULL || r->records % CHECK_EVERY != 0)
			continue;
		snprintf(extra, sizeof extra, "%lld hit, %.0f MB/s", (long long)r->hit, (double)r->bytes / 1e6 / (od_now() - start));
		od_progress_update(progress, r->records, extra);
	}
	od_progress_end(progress);
	r->seconds = od_now() - start;
	return st == OD_EOF ? OD_OK : st;
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

static void
item_json(struct run *r, const struct bench *b, size_t i, const struct od_overlap_result *v)
{
	struct od_buf *out = &r->line;

	od_buf_clear(out);
	od_buf_str(out, "{\"bench\":");
	od_buf_json_string(out, b->name, strlen(b->name));
	od_buf_str(out, ",\"id\":");
	od_buf_json_string(out, r->id[i], strlen(r->id[i]));
	od_buf_str(out, ",\"overlap\":");
	od_buf_json_double(out, v->overlap);
	od_buf_printf(out, ",\"ngrams\":%zu,\"hits\":%zu,\"words\":%zu,\"whole\":%s,\"train\":[", v->ngrams, v->hits, v->words,
		v->whole ? "true" : "false");
	for (size_t k = 0; k < v->n_refs; k++) {
		od_buf_printf(out, "%s{\"line\":%lld,\"id\":", k ? "," : "", (long long)v->ref[k].line);
		od_buf_json_string(out, v->ref[k].id, strlen(v->ref[k].id));
		od_buf_str(out, ",\"field\":");
		od_buf_json_string(out, v->ref[k].field, strlen(v->ref[k].field));
		od_buf_char(out, '}');
	}
	od_buf_str(out, "],\"example\":");
	if (v->example != NULL)
		od_buf_json_string(out, v->example, od_utf8_prefix(v->example, v->example_len, EXAMPLE_BYTES));
	else
		od_buf_str(out, "null");
	od_buf_char(out, '}');
}

static enum od_status
write_items(struct run *r, struct od_jsonl_writer *items, struct bench *b, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (size_t i = b->first; st == OD_OK && i < b->first + b->n; i++) {
		struct od_overlap_result v;

		od_overlap_result(r->overlap, i, &v);
		b->no_words += isnan(v.overlap);
		b->whole += v.whole;
		b->any += v.overlap > 0;
		b->half += v.overlap >= 0.5;
		b->full += v.overlap == 1;
		if (items == NULL || !(r->o->all || v.hits > 0))
			continue;
		item_json(r, b, i, &v);
		st = od_buf_ok(&r->line) ? od_jsonl_write(items, r->line.data, r->line.len, err) : od_fail_nomem(err, "an item", v.words);
	}
	return st;
}

static void
summary_json(const struct run *r, struct od_buf *out)
{
	od_buf_printf(out, "{\"n\":%lld,\"min_words\":%lld,\"common\":%lld,\"normalisation\":\"NFKC_Casefold\",\"ngrams\":%zu,"
		"\"train\":{\"records\":%lld,\"hit\":%lld,\"texts\":%lld,\"words\":%lld,\"bytes\":%lld},\"benchmarks\":[",
		(long long)r->o->n, (long long)r->o->min_words, (long long)r->o->shared, od_overlap_grams(r->overlap),
		(long long)r->records, (long long)r->hit, (long long)r->texts, (long long)od_overlap_words(r->overlap), (long long)r->bytes);
	for (size_t i = 0; i < r->n_bench; i++) {
		const struct bench *b = &r->bench[i];

		od_buf_str(out, i ? ",{\"bench\":" : "{\"bench\":");
		od_buf_json_string(out, b->name, strlen(b->name));
		od_buf_printf(out, ",\"items\":%zu,\"not_looked_for\":%lld,\"whole\":%lld,\"hit\":%lld,\"half\":%lld,\"full\":%lld}", b->n,
			(long long)b->no_words, (long long)b->whole, (long long)b->any, (long long)b->half, (long long)b->full);
	}
	od_buf_printf(out, "],\"seconds\":%.3f,\"words_per_second\":%.0f}\n", r->seconds,
		r->seconds > 0 ? (double)od_overlap_words(r->overlap) / r->seconds : 0);
}

static void
summary_table(const struct run *r, struct od_buf *out)
{
	const char *const heads[] = { "items", "too short", "whole", "hit", "half", "in full", "benchmark" };
	double words = (double)od_overlap_words(r->overlap), seconds = r->seconds > 0 ? r->seconds : 1e-9;
	struct od_table t = OD_TABLE_INIT(7, "rrrrrrl");

	od_buf_printf(out, "%lld of %lld training records hit an item; %.0f words, %.1f million words/s, %.0f MB/s\n", (long long)r->hit,
		(long long)r->records, words, words / 1e6 / seconds, (double)r->bytes / 1e6 / seconds);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		od_table_cell(&t, heads[i]);
	for (size_t i = 0; i < r->n_bench; i++) {
		const struct bench *b = &r->bench[i];
		const long long counts[] = { (long long)b->n, b->no_words, b->whole, b->any, b->half, b->full };

		for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
			od_table_cellf(&t, "%lld", counts[k]);
		od_table_cell(&t, b->name);
	}
	od_table_render(&t, out, "  ");
	od_table_release(&t);
}

static enum od_status
report(struct run *r, int64_t *hit, struct od_error *err)
{
	struct report_options where = r->o->report;
	struct od_buf json = OD_BUF_INIT, table = OD_BUF_INIT;
	struct od_jsonl_writer *items = NULL;
	enum od_status st = OD_OK, end;

	if (where.items != NULL || !report_is_stdout(r->o->clean))
		st = report_open_items(&where, r->o->common.framed, &items, err);
	for (size_t i = 0; st == OD_OK && i < r->n_bench; i++) {
		st = write_items(r, items, &r->bench[i], err);
		*hit += r->bench[i].any;
	}
	end = od_jsonl_writer_close(items, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? end : st;
	if (st != OD_OK)
		return st;
	summary_json(r, &json);
	summary_table(r, &table);
	st = report_texts(&where, r->o->common.quiet, &json, &table, err);
	od_buf_release(&json);
	od_buf_release(&table);
	return st;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static enum od_status
open_all(struct run *r, const char *const *files, size_t n_files, struct od_error *err)
{
	const struct overlap_options *o = r->o;
	enum od_status st = check_options(o, files, n_files, err);

	if (st == OD_OK)
		st = split_fields("train-field", o->train_field, od_training_fields, &r->train_names, &r->train_fields, err);
	if (st == OD_OK)
		st = split_fields("bench-field", o->bench_field, od_question_fields, &r->bench_names, &r->bench_fields, err);
	if (st == OD_OK)
		st = od_overlap_new(&r->overlap, (int)o->n, (int)o->min_words, o->shared, err);
	if (st == OD_OK)
		st = od_alloc(&r->bench, n_files - 1, sizeof *r->bench, "benchmarks", err);
	for (size_t i = 1; st == OD_OK && i < n_files; i++)
		st = read_bench(r, files[i], err);
	if (st == OD_OK)
		st = od_overlap_index(r->overlap, err);
	if (st == OD_OK)
		st = od_jsonl_open(&r->in, files, 1, &o->records, err);
	if (st != OD_OK || o->clean == NULL)
		return st;
	st = report_is_stdout(o->clean) ? od_out_open(&r->clean_out, "-", err) : od_atomic_file_begin(&r->clean, o->clean, err);
	r->clean_out = report_is_stdout(o->clean) ? r->clean_out : r->clean.out;
	return st;
}

static enum od_status
close_clean(struct run *r, enum od_status st, struct od_error *err)
{
	enum od_status end = OD_OK;

	if (report_is_stdout(r->o->clean))
		end = od_out_close(r->clean_out, st == OD_OK ? err : NULL);
	else if (st == OD_OK && r->clean_out != NULL)
		end = od_atomic_file_commit(&r->clean, err);
	od_atomic_file_release(&r->clean);
	if (st == OD_OK && end == OD_OK && r->o->clean != NULL)
		od_note("%lld of %lld training records hit nothing and are in '%s'", (long long)r->kept, (long long)r->records, r->o->clean);
	return st == OD_OK ? end : st;
}

static void
close_all(struct run *r)
{
	od_jsonl_close(r->in);
	od_overlap_free(r->overlap);
	for (size_t i = 0; i < r->n_items; i++)
		free(r->id[i]);
	for (size_t i = 0; i < r->n_bench; i++)
		free(r->bench[i].name);
	if (r->train_names != NULL)
		free(r->train_fields);
	if (r->bench_names != NULL)
		free(r->bench_fields);
	free(r->train_names);
	free(r->bench_names);
	free(r->id);
	free(r->bench);
	od_buf_release(&r->line);
}

static enum od_status
overlap(const struct overlap_options *o, const char *const *files, size_t n_files, int64_t *bad, struct od_error *err)
{
	struct run r = { .o = o, .clean = OD_ATOMIC_FILE_INIT, .line = OD_BUF_INIT };
	int64_t hit = 0;
	enum od_status st = open_all(&r, files, n_files, err);

	if (st == OD_OK)
		st = scan_train(&r, err);
	st = close_clean(&r, st, err);
	if (st == OD_OK) {
		*bad = od_cli_skipped(r.in);
		st = report(&r, &hit, err);
	}
	if (st == OD_OK && o->check)
		*bad += hit;
	close_all(&r);
	return st;
}

int
od_eval_overlap(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "find a benchmark's items in training data",
		.usage = "overlap [OPTION...] TRAIN BENCH...",
		.epilog = "Reads training records (JSONL, '-' is standard input) and benchmarks in their publishers' form;\n"
			"writes a line for each item of which an n-gram occurs there, with the share that does.",
	};
	struct overlap_options o = { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT, .report = REPORT_OPTIONS_INIT,
		.n = OD_OVERLAP_N, .min_words = OD_OVERLAP_MIN_WORDS };
	struct od_opt_group groups[] = { { "Overlap", overlap_opts, &o, NULL }, { "Results", result_opts, &o.report, NULL },
		{ "Records", od_record_opts, &o.records, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *files;
	int64_t bad = 0;
	enum od_status st;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	st = overlap(&o, files, n_files, &bad, &err);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, bad);
}
