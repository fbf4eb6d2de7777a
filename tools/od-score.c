/* od-score -- puts expert scores into records. A family of experts, each a sub-command in tools/score/; `data`, which takes
 * scores that are in the data already, is what the tool does when it is told none. */
#include "common/device_opts.h"
#include "score/score.h"

#define X(name, summary) { #name, summary, od_score_##name },
const struct od_command score_commands[] = { OD_SCORE_COMMANDS(X) };
#undef X
const size_t n_score_commands = sizeof score_commands / sizeof *score_commands;

int
main(int argc, char **argv)
{
	const struct od_command *command = argc > 1 ? od_commands_find(score_commands, n_score_commands, argv[1]) : NULL;

	if (!command || command->run == od_score_data)
		return od_score_data(command ? argc - 1 : argc, command ? argv + 1 : argv);
	od_device_settle_threads(argv, OD_SPINS_PASS);
	return command->run(argc - 1, argv + 1);
}
