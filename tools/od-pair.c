/* od-pair -- turns scored candidates into preference pairs. */
#include "common/cli.h"
#include "pair/pair.h"

static const struct od_tool tool = {
	"od-pair", "turn scored candidates into preference pairs", "[OPTION...] [FILE...]",
	"Reads records with 'prompt' and 'responses' from FILEs or standard input and writes, for each that\n"
	"gives one, a pair: prompt, chosen, rejected and scores; --strategy raft: prompt and chosen.\n"
};

static enum od_status
run(struct pair_options *o, const struct od_common_options *common, const struct od_record_options *select,
	const char *const *files, size_t n_files, int64_t *skipped, struct od_error *err)
{
	struct pair_summary sum = PAIR_SUMMARY_INIT;
	struct od_jsonl *in = NULL;
	struct od_jsonl_writer *writer = NULL;
	struct od_out *out = NULL;
	enum od_status st, closed;

	st = pair_options_finish(o, select->seed, err);
	if (st == OD_OK)
		st = od_jsonl_open(&in, files, n_files, select, err);
	if (st == OD_OK)
		st = od_out_open(&out, "-", err);
	if (st == OD_OK)
		st = od_jsonl_writer_open(&writer, out, common->framed, tool.name, err);
	if (st != OD_OK)
		goto out;
	st = pair_run(o, in, writer, &sum, err);
	closed = od_jsonl_writer_close(writer, err, st == OD_OK ? err : NULL);
	st = st == OD_OK ? closed : st;
	if (st == OD_OK)
		st = pair_summary_write(&sum, o, err);
	if (st == OD_OK)
		pair_summary_report(&sum, o);
out:
	if (in && st == OD_OK)
		*skipped = od_cli_skipped(in);
	od_jsonl_close(in);
	return st;
}

int
main(int argc, char **argv)
{
	struct od_common_options common = OD_COMMON_OPTIONS_INIT;
	struct od_record_options select = OD_RECORD_OPTIONS_INIT;
	struct pair_options o = { .strategy = OD_BEST_WORST };
	struct od_error err = OD_ERROR_INIT;
	const struct od_opt_group groups[] = {
		{ "General", od_common_opts, &common, NULL },
		{ "Pairs", pair_opts, &o, NULL },
		{ "Records", od_record_opts, &select, NULL }
	};
	const char *const *files;
	size_t n_files;
	int64_t skipped = 0;

	od_cli_begin(&tool, &common);
	files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n_files);
	(void)run(&o, &common, &select, files, n_files, &skipped, &err);
	return od_cli_end(&err, skipped);
}
