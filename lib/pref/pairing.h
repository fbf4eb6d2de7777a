/* pairing.h -- which responses of a prompt become a preference pair.
 *
 * The strategies, with S a response's reward (its score; under "iterative" the rule's):
 *   best-worst    chosen: the highest S; rejected: the lowest. On-policy chat pairs of SimPO and Omni-DPO
 *   best-random   chosen: the highest S; rejected: any that is lower, at random
 *   math-paper    chosen: the highest S among the correct; rejected: the lowest S, right or wrong
 *   math-authors  chosen: the highest S among the correct; rejected: a correct one at random whose S is at most S_w - margin
 *                 (the authors allow equality: with margin 0 equal scores pair up), or, when there is none, a wrong one of
 *                 which the same holds. Over and over until nothing pairs up any more. Their code may draw the chosen
 *                 response itself; here it never does
 *   iterative     best-worst by a rule's reward: 1 when correct, -0.5 when wrong but with \boxed, -1 otherwise
 *   raft          no rejected side: the highest S among the correct; the first of them where there are no scores; of all
 *                 responses where nothing says what is correct
 * Ties go to the first. Except under math-authors S_w > S_l holds strictly. No response is in two pairs, no pair has the same
 * text (but for white space around it) on both sides.
 *
 * Left out beforehand: texts of white space alone; responses that are too long, or cut at their length; under math-* those
 * without an extracted answer; those of which an expert could not say what the strategy asks (null). A random choice depends on
 * the seed and the record alone.
 */
#ifndef OD_PREF_PAIRING_H
#define OD_PREF_PAIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/rng.h"
#include "pref/candidates.h"

enum od_strategy { OD_BEST_WORST, OD_BEST_RANDOM, OD_MATH_PAPER, OD_MATH_AUTHORS, OD_ITERATIVE, OD_RAFT, OD_N_STRATEGIES };
extern const char *const od_strategy_names[OD_N_STRATEGIES + 1];       /* NULL at the end */

struct od_pairing_rules {
	enum od_strategy strategy;
	double margin;                             /* S_w - S_l is at least this; >= 0 */
	double max_margin;                         /* and at most this */
	double floor;                              /* S_w is above this */
	int64_t max_tokens;                        /* longest response, by its member "tokens"; 0: any */
	bool keep_truncated;                       /* responses whose "finish_reason" is "length" take part */
	bool need_correct;                         /* raft: refuse records that do not say what is correct */
	uint64_t seed;
};

/* Why a response takes no part. */
enum od_unfit { OD_FIT, OD_UNFIT_EMPTY, OD_UNFIT_TOO_LONG, OD_UNFIT_TRUNCATED, OD_UNFIT_NO_ANSWER, OD_UNFIT_NOT_SCORED,
	OD_N_UNFIT };
extern const char *const od_unfit_names[OD_N_UNFIT];                   /* "fit", "empty", "too long", ... */

/* Why a record gives no (further) pair. */
enum od_unpaired {
	OD_PAIRED,
	OD_UNPAIRED_NONE,                          /* no response is left */
	OD_UNPAIRED_SINGLE,                        /* one is */
	OD_UNPAIRED_ALL_WRONG,                     /* no correct one */
	OD_UNPAIRED_FLOOR,                         /* the best is not above the floor */
	OD_UNPAIRED_IDENTICAL,                     /* all others have the text of the chosen one */
	OD_UNPAIRED_EQUAL,                         /* none of the others scores lower */
	OD_UNPAIRED_UNDER,                         /* all that do are nearer than the margin */
	OD_UNPAIRED_OVER,                          /* or some are, and the rest farther than the largest margin */
	OD_N_UNPAIRED
};
extern const char *const od_unpaired_names[OD_N_UNPAIRED];             /* "paired", "no response", "single", ... */

#define OD_NO_RESPONSE ((size_t)-1)

struct od_choice {
	size_t chosen, rejected;                   /* indexes of c->list; rejected is OD_NO_RESPONSE under raft */
	double score_chosen, score_rejected;       /* rewards; NaN where there are none */
};

/* One record's responses on their way into pairs; its memory serves the next record too. All zero: empty. */
struct od_pairing {
	const struct od_pairing_rules *rules;
	const struct od_candidates *c;
	struct od_pairing_item {
		double reward;
		enum od_unfit unfit;
		bool used;
	} *items;                                  /* [c->n] */
	size_t cap;
	int64_t unfit[OD_N_UNFIT];                 /* this record's responses, by reason */
	struct od_rng rng;
};

/* Begins a record. OD_EFORMAT when responses lack what the strategy needs ("field 'responses.0.correct' is missing: ...").
 * rules and c are borrowed until the last od_pairing_next; `stream` identifies the record for random choices. */
OD_MUST_CHECK enum od_status od_pairing_begin(struct od_pairing *p, const struct od_pairing_rules *rules,
	const struct od_candidates *c, uint64_t stream, struct od_error *err);

/* The record's next pair, of responses that are in none yet; anything but OD_PAIRED: there is none, for this reason. */
enum od_unpaired od_pairing_next(struct od_pairing *p, struct od_choice *out);

void od_pairing_release(struct od_pairing *p);

#endif
