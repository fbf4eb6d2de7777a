/* report_runs.c -- od-eval report: summaries of runs and benchmarks as one table, beside the paper's figures if wanted. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/scoreboard.h"
#include "bench/scoreboard_plot.h"
#include "common/cli.h"
#include "common/plot.h"
#include "eval/eval.h"
#include "io/atomic.h"
#include "io/dataset.h"

#define MAX_BYTES ((size_t)64 << 20)

enum { FORMAT_AUTO, FORMAT_TEXT, FORMAT_MARKDOWN, FORMAT_CSV, FORMAT_JSON };
enum { PAPER_NONE, PAPER_AUTO, PAPER_TEXT, PAPER_MATH, PAPER_ALL };

struct report_runs_options {
	struct od_common_options common;
	const char *name, *paper_model, *math_metric, *plot;
	int format, paper, level, plot_kind;
	int64_t digits;
	bool mixed;
};

#define T struct report_runs_options

static const char *const formats[] = { "auto", "text", "markdown", "csv", "json", NULL };
static const char *const papers[] = { "none", "auto", "text", "math", "all", NULL };
static const char *const levels[] = { "prompt", "instruction", NULL };

static const struct od_opt report_runs_opts[] = {
	OD_OPT_STR(T, name, "name", "OLD=NEW,...", "call models otherwise than their summaries do"),
	OD_OPT_ENUM(T, format, "format", "FORMAT", formats, "of the table (auto: text on a terminal, else markdown)"),
	OD_OPT_INT(T, digits, "digits", "N", 0, 6, "digits behind the point, of texts for people"),
	OD_OPT_ENUM(T, paper, "paper", "TABLE", papers, "the paper's figures beside the runs (auto: of the tables the runs need)"),
	OD_OPT_STR(T, paper_model, "paper-model", "NAME", "only the paper's rows of this model: Llama3-8B-Base"),
	OD_OPT_ENUM(T, level, "ifeval-level", "LEVEL", levels, "IFEval's accuracies over prompts, as the paper's, or over instructions"),
	OD_OPT_STR(T, math_metric, "math-metric", "NAME", "metric of the math sets"),
	OD_OPT_FLAG(T, mixed, "mixed", "set results side by side that were not made alike, with marks and notes"),
	OD_OPT_STR(T, plot, "plot", "FILE", OD_PLOT_HELP),
	OD_OPT_ENUM(T, plot_kind, "plot-kind", "KIND", od_board_plot_kinds, "bars side by side, or a web with an axis a benchmark"),
	OD_OPT_END
};

#undef T

/* ---- what is to be read ------------------------------------------------------------------------------------------ */

/* One operand, or one file of a directory. */
struct source {
	const char *file, *label;                  /* label NULL: not given */
	bool listed;                               /* found in a directory: it need not be a summary */
	int64_t found, others;                     /* summaries; what was found and is none */
};

/* The file's name without folders and ending. */
static char *
base_name(const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash != NULL ? slash + 1 : file, *dot = strchr(base, '.');

	if (strcmp(file, "-") == 0)
		return od_strdup("stdin");
	return od_strndup(base, dot != NULL && dot > base ? (size_t)(dot - base) : strlen(base));
}

static enum od_status
add_summary(struct od_board *b, struct source *s, const json_t *summary, const char *place, struct od_error *err)
{
	char *fallback;
	enum od_status st;

	if (s->listed && json_object_get(summary, "benchmark") == NULL) {
		s->others++;
		return OD_OK;
	}
	fallback = base_name(s->file);
	if (fallback == NULL)
		return od_fail_nomem(err, "a name", strlen(s->file));
	st = od_board_add(b, summary, place, s->label, fallback, err);
	s->found++;
	free(fallback);
	return st;
}

/* Several summaries, an array or one a line. */
static enum od_status
add_several(struct od_board *b, struct source *s, const char *text, size_t n, const char *name, struct od_error *err)
{
	struct od_dataset d = { 0 };
	struct od_buf place = OD_BUF_INIT;
	enum od_status st = od_dataset_parse(&d, text, n, name, err);
	size_t many = json_array_size(d.items);

	for (size_t i = 0; st == OD_OK && i < many; i++) {
		od_buf_clear(&place);
		od_buf_str(&place, name);
		if (many > 1)
			od_buf_printf(&place, ", summary %zu", i + 1);
		if (od_buf_ok(&place))
			st = add_summary(b, s, json_array_get(d.items, i), place.data, err);
		else
			st = od_fail_nomem(err, "a name", place.len);
	}
	od_buf_release(&place);
	od_dataset_release(&d);
	return st;
}

static enum od_status
add_file(struct od_board *b, struct source *s, struct od_error *err)
{
	const char *name = strcmp(s->file, "-") == 0 ? "<stdin>" : s->file;
	json_t *whole = NULL;
	char *text = NULL;
	size_t n = 0;
	enum od_status st = od_in_slurp(s->file, MAX_BYTES, &text, &n, err);

	if (st != OD_OK)
		return st;
	if (od_json_parse(text, n, name, &whole, NULL) == OD_OK && json_is_object(whole))
		st = add_summary(b, s, whole, name, err);
	else if (whole != NULL && s->listed && !json_is_array(whole))
		s->others++;
	else
		st = add_several(b, s, text, n, name, err);
	json_decref(whole);
	free(text);
	return st;
}

static int
is_json(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && e->d_name[0] != '.' && strcmp(e->d_name + n - 5, ".json") == 0;
}

/* The *.json of a directory, in order of name. */
static enum od_status
add_directory(struct od_board *b, const char *dir, const char *label, struct od_error *err)
{
	struct dirent **entry = NULL;
	struct source s = { .label = label, .listed = true };
	int n = scandir(dir, &entry, is_json, alphasort);
	enum od_status st = OD_OK;

	if (n < 0)
		return od_fail_sys(err, errno, "cannot read directory '%s'", dir);
	for (int i = 0; i < n; i++) {
		char *path = st == OD_OK ? od_path_join(dir, entry[i]->d_name) : NULL;

		if (st == OD_OK && path == NULL)
			st = od_fail_nomem(err, "a path", strlen(dir));
		s.file = path;
		if (st == OD_OK)
			st = add_file(b, &s, err);
		free(path);
		free(entry[i]);
	}
	free(entry);
	if (st == OD_OK && s.found == 0)
		return od_fail(err, OD_EFORMAT, "'%s' has no summary: no file *.json with a member 'benchmark' (od-eval BENCH "
			"--summary FILE)", dir);
	if (st == OD_OK && s.others > 0)
		od_note("%s: files left out, for they are no summaries: %lld", dir, (long long)s.others);
	return st;
}

static bool
is_directory(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* FILE, DIRECTORY or -, or LABEL= before it; what exists by its whole name has no label. */
static enum od_status
add_operand(struct od_board *b, const char *operand, struct od_error *err)
{
	const char *equals = od_path_exists(operand) ? NULL : strchr(operand, '=');
	struct source s = { .file = equals != NULL ? equals + 1 : operand };
	char *label = NULL;
	enum od_status st;

	if (equals == operand || (equals != NULL && equals[1] == '\0'))
		return od_fail(err, OD_EUSAGE, "'%s': a run is FILE or LABEL=FILE", operand);
	if (equals != NULL && (label = od_strndup(operand, (size_t)(equals - operand))) == NULL)
		return od_fail_nomem(err, "a name", strlen(operand));
	s.label = label;
	st = is_directory(s.file) ? add_directory(b, s.file, label, err) : add_file(b, &s, err);
	free(label);
	return st;
}

/* --name OLD=NEW,OLD=NEW */
static enum od_status
read_names(struct od_board *b, const char *names, struct od_error *err)
{
	char *copy = od_strdup(names), *rest = copy, *pair;
	enum od_status st = copy != NULL ? OD_OK : od_fail_nomem(err, "names", strlen(names));

	while (st == OD_OK && (pair = strsep(&rest, ",")) != NULL) {
		char *equals = strchr(pair, '=');

		if (equals == NULL || equals == pair || equals[1] == '\0') {
			st = od_fail(err, OD_EUSAGE, "option '--name' needs OLD=NEW, not '%s'", pair);
			break;
		}
		*equals = '\0';
		st = od_board_rename(b, pair, equals + 1, err);
	}
	free(copy);
	return st;
}

static enum od_status
read_runs(struct od_board *b, const struct report_runs_options *o, const char *const *runs, size_t n_runs,
	struct od_error *err)
{
	enum od_status st = o->name != NULL ? read_names(b, o->name, err) : OD_OK;

	for (size_t i = 0; st == OD_OK && i < n_runs; i++)
		st = add_operand(b, runs[i], err);
	if (st == OD_OK && od_board_unused(b) != NULL)
		return od_fail(err, OD_EUSAGE, "option '--name': no result is called '%s'", od_board_unused(b));
	if (st == OD_OK)
		od_board_finish(b);
	return st;
}

/* ---- the paper --------------------------------------------------------------------------------------------------- */

/* Which of the paper's tables stand beside the runs. */
static bool
wants_paper(const struct report_runs_options *o, const struct od_board *b, enum od_board_table t)
{
	int own = t == OD_BOARD_TEXT ? PAPER_TEXT : PAPER_MATH;

	if (o->paper == PAPER_AUTO)
		return b->n == 0 || od_board_has(b, t);
	return o->paper == own || o->paper == PAPER_ALL;
}

static enum od_status
add_paper(struct od_board *b, const struct report_runs_options *o, struct od_error *err)
{
	bool text = wants_paper(o, b, OD_BOARD_TEXT), math = wants_paper(o, b, OD_BOARD_MATH);
	size_t added = 0;
	enum od_status st = OD_OK;

	if (!text && !math)
		return od_fail(err, OD_EUSAGE, "option '--paper': the paper has no figures of these benchmarks");
	if (text && o->level != 0)
		return od_fail(err, OD_EUSAGE, "option '--paper': the paper's IFEval accuracies are over prompts, not over instructions");
	if (math && strcmp(o->math_metric, "pass@1") != 0)
		return od_fail(err, OD_EUSAGE, "option '--paper': the paper's math figures are pass@1, not %s", o->math_metric);
	if (text)
		st = od_board_add_paper(b, OD_BOARD_TEXT, o->paper_model, &added, err);
	if (st == OD_OK && math)
		st = od_board_add_paper(b, OD_BOARD_MATH, o->paper_model, &added, err);
	if (st == OD_OK && added == 0)
		return od_fail(err, OD_EUSAGE, "option '--paper-model': the paper's tables shown have no '%s' (%s)", o->paper_model,
			"od-eval report --paper all lists its models");
	return st;
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

static enum od_status
write_table(const struct od_board *b, int format, struct od_error *err)
{
	struct od_buf out = OD_BUF_INIT;
	enum od_status st = OD_OK;

	if (format == FORMAT_AUTO)
		format = isatty(STDOUT_FILENO) ? FORMAT_TEXT : FORMAT_MARKDOWN;
	if (format == FORMAT_TEXT)
		od_board_text(b, &out);
	else if (format == FORMAT_MARKDOWN)
		od_board_markdown(b, &out);
	else if (format == FORMAT_CSV)
		od_board_csv(b, &out);
	else
		od_board_json(b, &out);
	if (od_buf_ok(&out))
		fwrite(out.data, 1, out.len, stdout);  /* od_cli_end reports what went wrong */
	else
		st = od_fail_nomem(err, "a table", out.len);
	od_buf_release(&out);
	return st;
}

static enum od_status
write_plot(const struct od_board *b, const struct report_runs_options *o, struct od_error *err)
{
	struct od_board_plot plot = OD_BOARD_PLOT_INIT;
	enum od_status st = od_board_plot(&plot, b, (enum od_board_plot_kind)o->plot_kind, err);

	if (st == OD_OK)
		st = od_plot_write(&plot.p, o->plot, err);
	od_board_plot_release(&plot);
	return st;
}

static enum od_status
check_options(const struct report_runs_options *o, size_t n_runs, struct od_error *err)
{
	if (n_runs == 0 && o->paper == PAPER_NONE)
		return od_fail(err, OD_EUSAGE, "no runs: name summaries (od-eval BENCH --summary FILE), directories of them, or '-'");
	if (o->paper_model != NULL && o->paper == PAPER_NONE)
		return od_fail(err, OD_EUSAGE, "option '--paper-model' needs '--paper'");
	return od_plot_check(o->plot, err);
}

static enum od_status
report_runs(const struct report_runs_options *o, const char *const *runs, size_t n_runs, struct od_error *err)
{
	const struct od_board_options board = { o->level == 1, o->math_metric, o->mixed, (int)o->digits };
	struct od_board b;
	enum od_status st = check_options(o, n_runs, err);

	if (st != OD_OK)
		return st;
	od_board_init(&b, &board);
	st = read_runs(&b, o, runs, n_runs, err);
	if (st == OD_OK && o->paper != PAPER_NONE)
		st = add_paper(&b, o, err);
	for (size_t i = 0; st == OD_OK && i < b.n_notes; i++)
		if (b.note[i].mark != OD_BOARD_PARTIAL)
			od_warn("%s", b.note[i].text);
	if (st == OD_OK && o->plot != NULL)
		st = write_plot(&b, o, err);
	if (st == OD_OK)
		st = write_table(&b, o->format, err);
	od_board_release(&b);
	return st;
}

int
od_eval_report(int argc, char **argv)
{
	static const struct od_tool tool = {
		.name = "od-eval",
		.summary = "join runs of benchmarks into one table",
		.usage = "report [OPTION...] [LABEL=]FILE|DIRECTORY|-...",
		.epilog = "Reads summaries (od-eval BENCH --summary FILE), a model a row; writes text, Markdown, CSV or JSON.",
	};
	struct report_runs_options o = { .common = OD_COMMON_OPTIONS_INIT, .math_metric = "pass@1", .digits = 1 };
	struct od_opt_group groups[] = { { "Report", report_runs_opts, &o, NULL }, { "General", od_common_opts, &o.common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	const char *const *runs;
	enum od_status st;
	size_t n_runs;

	od_cli_begin(&tool, &o.common);
	runs = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_runs);
	st = report_runs(&o, runs, n_runs, &err);
	(void)st;                                  /* err tells od_cli_end */
	return od_cli_end(&err, 0);
}
