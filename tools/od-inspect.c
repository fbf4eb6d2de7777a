/* od-inspect -- looks at runs, models, tokens, weights and streams. Each sub-command is a file in tools/inspect/. */
#include "inspect/inspect.h"

static const struct od_tool family = {
	.name = "od-inspect",
	.summary = "show what is in runs, models, pairs and streams",
	.usage = "COMMAND [OPTION...] [OPERAND...]",
	.epilog = "'od-inspect COMMAND --help' describes a command.",
};

#define X(name, summary) { #name, summary, od_inspect_##name },
static const struct od_command commands[] = { OD_INSPECT_COMMANDS(X) };
#undef X

int
main(int argc, char **argv)
{
	return od_commands_main(&family, commands, sizeof commands / sizeof *commands, argc, argv);
}
