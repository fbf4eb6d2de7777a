/* eval.h -- the benchmarks of od-eval. To add one: a line in the list (alphabetical), its measuring part in
 * lib/bench/NAME.c, and tools/eval/NAME.c with `int od_eval_NAME(int argc, char **argv)`, a whole main as
 * common/commands.h says. Results go through lib/bench/sheet.h and report.h, so that all benchmarks look alike.
 */
#ifndef OD_TOOLS_EVAL_H
#define OD_TOOLS_EVAL_H

#include "common/commands.h"

#define OD_EVAL_COMMANDS(X) \
	X(alpaca_eval, "AlpacaEval 2: win rates against a baseline, raw and length-controlled") \
	X(arena_hard, "Arena-Hard: scores and intervals from a judge's verdicts") \
	X(compare, "two models' outputs and verdicts item by item: where they flip") \
	X(grade, "answers to math problems: extracted from completions and compared with the reference") \
	X(ifeval, "responses to IFEval's prompts: which instructions they follow") \
	X(math, "the math sets (GSM8K, MATH500, ...): pass@k and votes") \
	X(overlap, "a benchmark's items in training data, by their n-grams") \
	X(pairs, "held-out preference pairs: loss, accuracy, margin, change of log-probs") \
	X(report, "runs of benchmarks joined into one table, beside the paper's figures") \
	X(sedareval, "SedarEval: a judge's scores of 0 to 5 by each question's own rubric")

#define X(name, summary) int od_eval_##name(int argc, char **argv);
OD_EVAL_COMMANDS(X)
#undef X

#endif
