/* score.h -- what the experts of od-score share: the scale, the policies, the score block, the summary.
 *
 * The score block tells readers what a record's scores are: {"expert":...,"fields":[...],"scale":[a,b],"version":...}.
 * One stream holds one scale: records that carry another block than the run writes, or than the records before them, are
 * refused, because tau_good and eta would mean two things at once.
 */
#ifndef OD_TOOLS_SCORE_H
#define OD_TOOLS_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cli.h"
#include "pref/pair.h"
#include "pref/quality.h"
#include "score/expert.h"

enum score_policy { POLICY_DROP, POLICY_KEEP };
enum inverted_policy { INVERTED_KEEP, INVERTED_DROP, INVERTED_SWAP };

struct score_options {
	const char *scale;                         /* "a,b" or NULL */
	const char *min_gap;                       /* number or NULL: none */
	int identical, empty, inverted;            /* policies */
	struct od_objective objective;             /* eta and tau_good, for the warnings only */
	bool rescore;
	/* filled by score_options_finish */
	double a, b, gap;                          /* score = a * raw + b; gap NaN: none */
};

#define SCORE_OPTIONS_INIT { .identical = POLICY_DROP, .empty = POLICY_DROP, .inverted = INVERTED_KEEP, \
	.objective = { .kind = OD_OMNI, .eta = 0.7, .tau_good = 3.2, .lambda = 1, .qual = true }, .a = 1 }

extern const struct od_opt score_opts[];           /* base: struct score_options */

/* Parses scale and gap. */
OD_MUST_CHECK enum od_status score_options_finish(struct score_options *o, struct od_error *err);

/* What a run has seen. Constant size: the stream may be endless. */
struct score_summary {
	int64_t written, drops[OD_N_DROPS], inverted, swapped;
	struct od_quality quality;
};

/* Notes and warnings on stderr. */
void score_summary_report(const struct score_summary *s, const struct score_options *o);

/* A run over a stream with one expert. in_place: the expert reads score_chosen and score_rejected themselves. */
OD_MUST_CHECK enum od_status score_run(struct od_expert *e, bool in_place, const struct score_options *o,
	struct od_jsonl *in, struct od_jsonl_writer *out, struct score_summary *s, struct od_error *err);

#endif
