/* scores.c -- od-inspect scores: two experts on the same pairs. Would another expert give other weights? */
#include "inspect/scores.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/plot.h"
#include "inspect/inspect.h"

struct scores_options {
	struct od_common_options common;
	const char *names, *plot;
	int match;
	bool json;
	double eta, tau_good;
	int64_t largest, resamples;
};

#define T struct scores_options

static const char *const match_names[] = { "auto", "id", "position", NULL };

static const struct od_opt scores_opts[] = {
	OD_OPT_STR(T, names, "names", "A,B", "compare two named scores of one stream ('score': score_chosen and score_rejected)"),
	OD_OPT_ENUM(T, match, "match", "HOW", match_names, "which records of two files are the same pair (auto: by id when all have one)"),
	OD_OPT_DOUBLE(T, eta, "eta", "E", 0, 1e9, "slope of the quality weight"),
	OD_OPT_DOUBLE(T, tau_good, "tau-good", "T", 0, 0, "score from which a chosen response counts as good"),
	OD_OPT_INT(T, largest, "largest", "N", 0, 1 << 30, "how many of the largest changes are listed"),
	OD_OPT_INT(T, resamples, "resamples", "N", 0, 1 << 24, "resamples of the bootstrap intervals"),
	OD_OPT_FLAG(T, json, "json", "one JSON object instead of tables"),
	OD_OPT_STR(T, plot, "plot", "FILE", OD_PLOT_HELP),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-inspect", "two experts on the same pairs", "scores [OPTION...] A B | scores --names A,B [OPTION...] [FILE...]",
	"Both experts should be on one scale (od-score --scale), for eta and tau_good are.\n"
};

/* What is read: one stream into both sets, or two into one each. */
struct input {
	struct scores_set set[2];
	char *names;                               /* memory of the two names */
	int64_t skipped;
};

static enum od_status
read_stream(struct input *in, size_t first, size_t last, const char *const *files, size_t n_files,
	const struct od_record_options *select, struct od_error *err)
{
	struct od_jsonl *r = NULL;
	struct od_record rec;
	enum od_status st = od_jsonl_open(&r, files, n_files, select, err), bad = OD_OK;

	while (st == OD_OK && (st = od_jsonl_next(r, &rec, err)) == OD_OK) {
		bad = OD_OK;
		for (size_t k = first; k <= last && bad == OD_OK; k++)
			bad = scores_add(&in->set[k], &rec, err);
		if (bad == OD_EFORMAT)
			st = od_jsonl_reject(r, &rec, err);
		else
			st = bad;
	}
	st = st == OD_EOF ? OD_OK : st;
	if (st == OD_OK)
		in->skipped += od_cli_skipped(r);
	od_jsonl_close(r);
	return st;
}

static enum od_status
split_names(struct input *in, const char *names, struct od_error *err)
{
	char *comma;

	in->names = od_strdup(names);
	if (!in->names)
		return od_fail_nomem(err, "names", strlen(names));
	comma = strchr(in->names, ',');
	if (!comma || comma == in->names || !comma[1] || strchr(comma + 1, ','))
		return od_fail(err, OD_EUSAGE, "option '--names' must be two names A,B, not '%s'", names);
	*comma = '\0';
	for (int k = 0; k < 2; k++) {
		in->set[k].label = k ? comma + 1 : in->names;
		in->set[k].name = strcmp(in->set[k].label, "score") == 0 ? NULL : in->set[k].label;
	}
	return OD_OK;
}

static enum od_status
read_input(struct input *in, const struct scores_options *o, const struct od_record_options *select, const char *const *files,
	size_t n_files, struct od_error *err)
{
	enum od_status st;

	if (o->names) {
		st = split_names(in, o->names, err);
		return st == OD_OK ? read_stream(in, 0, 1, files, n_files, select, err) : st;
	}
	if (n_files != 2)
		return od_fail(err, OD_EUSAGE, "two files are compared, or with --names A,B two scores of one stream");
	in->set[0].label = files[0];
	in->set[1].label = files[1];
	st = read_stream(in, 0, 0, files, 1, select, err);
	return st == OD_OK ? read_stream(in, 1, 1, files + 1, 1, select, err) : st;
}

static enum od_status
show(const struct scores_report *r, const struct scores_options *o, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	struct od_out *out = NULL;
	enum od_status st, closed;

	if (o->json)
		scores_json(r, &text);
	else
		scores_describe(r, &text);
	st = od_buf_ok(&text) ? OD_OK : od_fail_nomem(err, "the summary", text.len);
	if (st == OD_OK && o->plot)
		st = scores_plot(r, o->plot, err);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK) {
		st = od_out_write(out, text.data, text.len, err);
		closed = od_out_close(out, st == OD_OK ? err : NULL);
		st = st == OD_OK ? closed : st;
	}
	od_buf_release(&text);
	return st;
}

static enum od_status
run(const struct scores_options *o, const struct od_record_options *select, const char *const *files, size_t n_files,
	int64_t *skipped, struct od_error *err)
{
	const struct od_compare_options how = { o->eta, o->tau_good, (int)o->resamples, select->seed };
	struct input in = { .names = NULL };
	struct scores_matched m = { .n = 0 };
	struct od_comparison c = OD_COMPARISON_INIT;
	enum od_status st = od_plot_check(o->plot, err);

	if (st == OD_OK)
		st = read_input(&in, o, select, files, n_files, err);
	if (st == OD_OK)
		st = scores_match_sets(&m, in.set, o->names ? SCORES_POSITION : (enum scores_match)o->match, select->skip_bad, err);
	if (st == OD_OK) {
		const struct od_expert_scores s[2] = { { m.score[0][0], m.score[0][1] }, { m.score[1][0], m.score[1][1] } };

		st = od_compare_experts(&c, s, m.n, &how, err);
	}
	if (st == OD_OK)
		st = show(&(struct scores_report){ in.set, &m, &c, o->eta, o->tau_good, (size_t)o->largest }, o, err);
	*skipped = in.skipped;
	od_comparison_release(&c);
	scores_matched_release(&m);
	scores_set_release(&in.set[0]);
	scores_set_release(&in.set[1]);
	free(in.names);
	return st;
}

int
od_inspect_scores(int argc, char **argv)
{
	struct scores_options o = { .common = OD_COMMON_OPTIONS_INIT, .eta = 0.7, .tau_good = 3.2, .largest = 5,
		.resamples = OD_RESAMPLES };
	struct od_record_options select = OD_RECORD_OPTIONS_INIT;
	struct od_error err = OD_ERROR_INIT;
	const struct od_opt_group groups[] = {
		{ "General", od_common_opts, &o.common, NULL },
		{ "Comparison", scores_opts, &o, NULL },
		{ "Records", od_record_opts, &select, NULL }
	};
	const char *const *files;
	int64_t skipped = 0;
	size_t n_files;

	od_cli_begin(&tool, &o.common);
	files = od_cli_parse(groups, sizeof(groups) / sizeof(groups[0]), argc, argv, &n_files);
	(void)run(&o, &select, files, n_files, &skipped, &err);
	return od_cli_end(&err, skipped);
}
