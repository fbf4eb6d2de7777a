/* inspect.h -- the sub-commands of od-inspect. To add one: a line in the list (alphabetical) and a file
 * tools/inspect/NAME.c with `int od_inspect_NAME(int argc, char **argv)`, a whole main as common/commands.h says.
 */
#ifndef OD_TOOLS_INSPECT_H
#define OD_TOOLS_INSPECT_H

#include "common/commands.h"

#define OD_INSPECT_COMMANDS(X) \
	X(curve, "weight, gradient coefficient and loss of an objective over the margin") \
	X(model, "architecture, sizes, tensors and memory needs of a model directory") \
	X(run, "curves and summary of training runs, from their metrics") \
	X(scores, "two experts on the same pairs: correlation, sign flips, change of w_qual") \
	X(stream, "what kind of stream, its fields, whether it is whole; --check sets the exit status") \
	X(tokens, "texts or messages to token ids and pieces") \
	X(weights, "what an objective makes of scored pairs: weights, losses, derivatives")

#define X(name, summary) int od_inspect_##name(int argc, char **argv);
OD_INSPECT_COMMANDS(X)
#undef X

#endif
