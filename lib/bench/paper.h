/* paper.h -- the figures printed in the paper Omni-DPO, to set runs beside: its Table 1 with Table D.6 (text; the 7B
 * rows are in both), Table 2 with Table D.5 (math; Qwen2.5-Math-7B's rows are in both), and from Table D.8 the standard
 * error of AlpacaEval's win rate and the mean tokens of an Arena-Hard answer.
 *
 * Figures are texts as printed, so that 20.85 stays 20.85 and 48.0 does not become 48. All are per cent.
 *
 * IFEval: the paper does not say which of the benchmark's two accuracies it means. All 61 different figures of its
 * Tables 1, 3, D.6 and D.7 are shares of 541 prompts rounded to a tenth, which only 54 % of all tenths are, and 12 of
 * them are no share of 834 instructions: it is the prompt level.
 */
#ifndef OD_BENCH_PAPER_H
#define OD_BENCH_PAPER_H

#include <stdbool.h>
#include <stddef.h>

enum {
	OD_PAPER_TEXT_FIGURES = 6,                 /* AlpacaEval 2 LC and WR, Arena-Hard, IFEval strict and loose, SedarEval */
	OD_PAPER_MATH_FIGURES = 9                  /* GSM8K to College Math as in Table 2, and the average */
};

struct od_paper_row {
	const char *table;                         /* "1", "D.6", "2", "D.5" */
	const char *model, *method;                /* method NULL: the model as it is */
	bool quoted;                               /* the paper has the row from others, and then averages other sets than it shows */
	const char *figure[OD_PAPER_MATH_FIGURES]; /* as printed; NULL where the paper has none */
	const char *alpaca_se, *arena_tokens;      /* of text rows; NULL where the paper has none */
};

extern const struct od_paper_row od_paper_text[], od_paper_math[];
extern const size_t od_paper_text_rows, od_paper_math_rows;

/* Whether a row is of this model, letters of either case; NULL is every model. */
bool od_paper_of_model(const struct od_paper_row *row, const char *model);

#endif
