/* pair.h -- od-pair: candidate sets in, preference pairs out. The rules are lib/pref/pairing.h's; here are options, records,
 * the cap, and the counts. */
#ifndef OD_TOOLS_PAIR_H
#define OD_TOOLS_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "common/cli.h"
#include "pref/pairing.h"
#include "stats/describe.h"

struct pair_options {
	int strategy;                              /* enum od_strategy */
	double margin;
	const char *max_margin, *floor, *cap, *per_prompt;     /* numbers; NULL: the strategy's */
	int64_t max_tokens;
	bool keep_truncated, all, messages;
	const char *summary;
	/* filled by pair_options_finish */
	struct od_pairing_rules rules;
	int64_t n_cap, n_per_prompt;               /* 0: any */
};

extern const struct od_opt pair_opts[];            /* base: struct pair_options */

/* Parses numbers and fills in what the strategy leaves to be understood. */
OD_MUST_CHECK enum od_status pair_options_finish(struct pair_options *o, uint64_t seed, struct od_error *err);

/* ---- what the summary needs of a pair; NaN and -1 where nothing is known ------------------------------------------------ */

struct pair_facts {
	double score_chosen, margin;
	int correct_chosen, correct_rejected;
};

struct pair_summary {
	int64_t records, paired, pairs, over_cap;
	int64_t responses[OD_N_UNFIT];             /* those that took part at OD_FIT, the others by reason */
	int64_t unpaired[OD_N_UNPAIRED];           /* records without a pair, by reason */
	int64_t chosen_known, chosen_correct, rejected_known, rejected_correct;
	struct od_moments margin, chosen, below_floor;         /* below_floor: best scores that were not enough */
};

#define PAIR_SUMMARY_INIT { .margin = OD_MOMENTS_INIT }

void pair_summary_add(struct pair_summary *s, const struct pair_facts *f);
void pair_summary_report(const struct pair_summary *s, const struct pair_options *o);     /* notes and warnings */
/* To a file, when the options name one. */
OD_MUST_CHECK enum od_status pair_summary_write(const struct pair_summary *s, const struct pair_options *o,
	struct od_error *err);

/* ---- one pair as a line ------------------------------------------------------------------------------------------------- */

struct pair_writer {
	const struct pair_options *o;
	struct od_buf line, values;
};

/* w->line := the record with the chosen two in place of its responses. */
OD_MUST_CHECK enum od_status pair_write_line(struct pair_writer *w, const struct od_record *rec,
	const struct od_candidates *c, const struct od_choice *choice, struct pair_facts *facts, struct od_error *err);

/* ---- the cap ------------------------------------------------------------------------------------------------------------ */

/* The cap takes first every record's first pair, then every record's second and so on. First pairs go out at once; later
 * ones are held until the end, as many as may still be needed: at most as many as the cap. */
struct pair_hold;
OD_MUST_CHECK enum od_status pair_hold_open(struct pair_hold **out, int64_t cap, struct od_jsonl_writer *writer,
	struct pair_summary *s, struct od_error *err);
/* A pair that is its record's sweep-th, counted from 0. */
OD_MUST_CHECK enum od_status pair_hold_add(struct pair_hold *h, int64_t sweep, const struct od_buf *line,
	const struct pair_facts *f, struct od_error *err);
OD_MUST_CHECK enum od_status pair_hold_finish(struct pair_hold *h, struct od_error *err);  /* writes what is held */
void pair_hold_close(struct pair_hold *h);

/* ---- the stream --------------------------------------------------------------------------------------------------------- */

OD_MUST_CHECK enum od_status pair_run(const struct pair_options *o, struct od_jsonl *in, struct od_jsonl_writer *out,
	struct pair_summary *s, struct od_error *err);

#endif
