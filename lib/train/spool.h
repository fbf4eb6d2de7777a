/* spool.h -- from the user's input to the file a run reads: records or tensor streams come in once, are checked,
 * tokenised and written as one pair stream (pairstream.h). Schedules, shuffling, epochs and resume need the count and a
 * replay; a pipe gives neither. Memory stays constant.
 */
#ifndef OD_TRAIN_SPOOL_H
#define OD_TRAIN_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "io/jsonl.h"
#include "pref/agree.h"
#include "pref/objective.h"
#include "pref/pair.h"
#include "pref/quality.h"
#include "pref/rules.h"

struct od_spool {
	/* in */
	const struct od_objective *objective;      /* says which fields a record must have */
	struct od_field_map map;
	const struct od_record_options *records;
	int64_t vocab_size;                        /* of the model: ids beyond it are refused */
	struct od_rules rules;                     /* adopted from the data's 'ref' when not told */
	struct od_agreement agree;                 /* agree.told: the user gave rules, none are adopted */
	void (*progress)(void *ctx, int64_t pairs);
	void *ctx;

	/* out */
	int64_t pairs, skipped;
	int64_t cut;                               /* pairs kept with tokens cut off (--truncate cut, simpo) */
	int64_t dropped[OD_N_DROPS];               /* by policy; [OD_KEEP] is 'pairs' */
	struct od_quality quality;                 /* do the scores fit the objective? */
	bool other_numerics;                       /* not all references were made with the same numerics */
	bool has_ref;
	struct od_ref_info ref;                    /* of the pairs, as far as they say */
	char first_skip[1024];                     /* message of the first skipped record */
};

/* Reads names[n] (none: standard input) into the file 'path'. OD_EMISMATCH when the reference of a record was made with
 * another tokenizer, other rules (naming the option) or another number of tokens, or differs from that of the others. */
OD_MUST_CHECK enum od_status od_spool_build(struct od_spool *s, const char *path, const char *const *names, size_t n,
	struct od_error *err);

#endif
