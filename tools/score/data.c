/* data.c -- od-score data, the default: scores that are already in the data under whatever name. */
#include <string.h>

#include "score/field.h"
#include "score/score.h"

struct data_options {
	struct od_common_options common;
	struct od_field_options field;
	int rating, pick;
};

#define T struct data_options

static const struct od_opt data_opts[] = {
	OD_OPT_STR(T, field.schema, "schema", "NAME", "where the data keeps texts and scores"),
	OD_OPT_STR(T, field.chosen_field, "chosen-field", "PATH", "member with the score of the chosen response"),
	OD_OPT_STR(T, field.rejected_field, "rejected-field", "PATH", "member with the score of the rejected response"),
	OD_OPT_ENUM(T, rating, "rating", "WHICH", od_rating_names, "schema ultrafeedback: mean of the ratings, or overall"),
	OD_OPT_ENUM(T, pick, "rejected-pick", "WHICH", od_pick_names,
		"schema ultrafeedback: the worst, or a random lower one (--seed)"),
	OD_OPT_END
};

#define SCHEMAS "Schemas: pairs (h4, omni-dpo), argilla, argilla-cleaned, armorm, ultrafeedback.\n"

static const struct od_tool data_tool = {
	"od-score", "put expert scores into preference records", "[data] [OPTION...] [FILE...]", SCHEMAS
};

static enum od_status
run(const struct data_options *d, struct score_options *o, const struct od_record_options *select,
	const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct od_expert *expert = NULL;
	struct od_jsonl *in = NULL;
	struct od_jsonl_writer *writer = NULL;
	struct od_out *out = NULL;
	struct score_summary sum;
	enum od_status st, closed;

	st = score_options_finish(o, err);
	if (st == OD_OK)
		st = od_field_open(&expert, &d->field, err);
	if (st == OD_OK)
		st = od_jsonl_open(&in, files, n_files, select, err);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&writer, out, d->common.framed, data_tool.name, err);
	if (st != OD_OK)
		goto out;
	st = score_run(expert, od_field_in_place(expert), o, in, writer, &sum, err);
	closed = od_jsonl_writer_close(writer, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? closed : st;
	if (st == OD_OK)
		score_summary_report(&sum, o);
out:
	if (in && st == OD_OK)
		*skipped = od_cli_skipped(in);
	od_jsonl_close(in);
	od_expert_close(expert);
	return st;
}

/* Without a sub-command, --help also lists those there are. */
static void
describe_family(struct od_tool *tool, struct od_buf *epilog)
{
	od_buf_str(epilog, SCHEMAS "\n");
	od_commands_list(epilog, score_commands, n_score_commands);
	od_buf_str(epilog, "\n\n'od-score COMMAND --help' describes a command.");
	if (od_buf_ok(epilog))
		tool->epilog = epilog->data;
}

int
od_score_data(int argc, char **argv)
{
	struct data_options d = { .common = OD_COMMON_OPTIONS_INIT };
	struct score_options o = SCORE_OPTIONS_INIT;
	struct od_record_options select = OD_RECORD_OPTIONS_INIT;
	struct od_error err = OD_ERROR_INIT;
	const struct od_opt_group groups[] = {
		{ "General", od_common_opts, &d.common, NULL },
		{ "Scores in the data", data_opts, &d, NULL },
		{ "Scores", score_opts, &o, NULL },
		{ "Records", od_record_opts, &select, NULL }
	};
	struct od_tool tool = data_tool;
	struct od_buf epilog = OD_BUF_INIT;
	const char *const *files;
	size_t n_files;
	int64_t skipped = 0;
	int rc;

	if (strcmp(argv[0], "data") != 0)
		describe_family(&tool, &epilog);
	od_cli_begin(&tool, &d.common);
	files = od_cli_parse(groups, sizeof(groups) / sizeof(groups[0]), argc, argv, &n_files);
	d.field.rating = (enum od_rating)d.rating;
	d.field.pick = (enum od_pick)d.pick;
	d.field.seed = select.seed;
	(void)run(&d, &o, &select, files, n_files, &skipped, &err);
	rc = od_cli_end(&err, skipped);
	od_buf_release(&epilog);
	return rc;
}
