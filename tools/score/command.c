/* command.c -- od-score command: a program of the user's scores responses, line by line. */
#include "score/command.h"

#include "score/score.h"

struct command_options {
	const char *run, *label;
	double stall;
};

#define T struct command_options

static const struct od_opt command_opts[] = {
	OD_OPT_STR(T, run, "run", "COMMAND", "shell command that reads a line a response and writes a line with its score (required)"),
	OD_OPT_STR(T, label, "label", "TEXT", "what the score block says in place of the command"),
	OD_OPT_DOUBLE(T, stall, "stall", "S", 0.01, 86400, "seconds without a byte from the command before it has failed"),
	OD_OPT_END
};

static enum od_status
open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common, struct od_error *err)
{
	static const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
	const struct command_options *o = options;

	(void)common;
	if (!o->run || !*o->run)
		return od_fail(err, OD_EUSAGE, "option '--run' is required: the command that scores");
	argv[2] = o->run;
	return od_command_open(out, &(struct od_command_options){ .argv = argv, .shown = o->label ? o->label : o->run,
		.stall = o->stall, .window = 64 }, err);
}

int
od_score_command(int argc, char **argv)
{
	struct command_options o = { .stall = 300 };
	struct od_opt_group groups[] = { { "Command", command_opts, &o, NULL } };
	static const struct od_tool tool = {
		"od-score", "a program of yours scores responses, line by line", "command [OPTION...] --run COMMAND [FILE...]",
		"It reads {\"index\":N,\"id\":...,\"prompt\":...,\"response\":...,\"answer\":...}\n"
		"and writes a number, or {\"score\":...}.\n"
	};

	return score_responses_main(&(struct score_expert){ &tool, groups, 1, open_expert, &o, NULL }, argc, argv);
}
