/* commands.h -- tools that are a family of sub-commands: od-inspect, od-eval, od-score.
 *
 * The family has a list in its own header, one line a sub-command, from which prototypes and table are made:
 *
 *   #define OD_INSPECT_COMMANDS(X) \
 *           X(run, "curves of a training run") \
 *           X(tokens, "texts to token ids")
 *
 *   #define X(name, summary) int od_inspect_##name(int argc, char **argv);
 *   OD_INSPECT_COMMANDS(X)
 *   #undef X
 *
 * A sub-command is a whole main: it calls od_cli_begin with a struct od_tool named like the family ("od-inspect") whose
 * usage begins with its own name ("run [OPTION...] [FILE...]"), od_cli_parse, and returns od_cli_end's value. Its argv
 * starts with its name, as main's does. An underscore in a name is a hyphen to users: alpaca_eval is "alpaca-eval".
 */
#ifndef OD_TOOLS_COMMANDS_H
#define OD_TOOLS_COMMANDS_H

#include <stddef.h>

#include "base/buf.h"
#include "common/cli.h"

struct od_command {
	const char *name;
	const char *summary;                       /* one line of the family's --help */
	int (*run)(int argc, char **argv);         /* returns the exit code */
};

/* The family's main: runs the sub-command argv[1], or shows the family's --help (with the list) and --version. An
 * unknown or missing sub-command is a usage error that names those there are. */
int od_commands_main(const struct od_tool *family, const struct od_command *commands, size_t n, int argc, char **argv);

/* For a family that does something without a sub-command too (od-score): the command of that name, or NULL; and the list
 * "Commands:", one a line, for the epilog of its --help. */
const struct od_command *od_commands_find(const struct od_command *commands, size_t n, const char *name);
void od_commands_list(struct od_buf *text, const struct od_command *commands, size_t n);

#endif
