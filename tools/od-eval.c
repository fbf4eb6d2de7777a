/* od-eval -- measures a model, or stored results, on a benchmark. Each benchmark is a file in tools/eval/. */
#include <string.h>

#include "common/device_opts.h"
#include "eval/eval.h"

static const struct od_tool family = {
	.name = "od-eval",
	.summary = "measure models on benchmarks",
	.usage = "BENCHMARK [OPTION...] [FILE...]",
	.epilog = "'od-eval BENCHMARK --help' describes a benchmark.",
};

#define X(name, summary) { #name, summary, od_eval_##name },
static const struct od_command commands[] = { OD_EVAL_COMMANDS(X) };
#undef X

int
main(int argc, char **argv)
{
	/* Pairs run through a model in passes; the others ask it for answers, token by token. */
	od_device_settle_threads(argv, argc > 1 && strcmp(argv[1], "pairs") == 0 ? OD_SPINS_PASS : OD_SPINS_STEP);
	return od_commands_main(&family, commands, sizeof commands / sizeof *commands, argc, argv);
}
