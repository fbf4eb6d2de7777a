/* score.h -- od-score's sub-commands, and what they share: the scale, the score block, the summary, the drivers.
 *
 * There are two kinds of experts. `data` reads scores that lie in the records (expert.h); run.c takes a stream through it, with
 * policies for pairs. The others score responses (response.h); responses.c takes a stream through them. To add one of these: a
 * line in the list below (alphabetical), lib/score/NAME.[ch], and a file tools/score/NAME.c:
 *
 *   struct verify_options { int grader; };
 *   static const struct od_opt verify_opts[] = { OD_OPT_ENUM(...), OD_OPT_END };
 *   static enum od_status
 *   open_expert(struct od_response_expert **out, void *options, const struct score_responses_options *common,
 *           struct od_error *err)
 *   {
 *           struct verify_options *o = options;
 *           return od_verify_open(out, o->grader, err);
 *   }
 *   int
 *   od_score_verify(int argc, char **argv)
 *   {
 *           struct verify_options o = { 0 };
 *           struct od_opt_group groups[] = { { "Verification", verify_opts, &o, NULL } };
 *           static const struct od_tool tool = { "od-score", "...", "verify [OPTION...] [FILE...]", NULL };
 *
 *           return score_responses_main(&(struct score_expert){ .tool = &tool, .groups = groups, .n_groups = 1,
 *                   .open = open_expert, .options = &o }, argc, argv);
 *   }
 *
 * The score block tells readers what a record's scores are: {"expert":...,SETTINGS,"scale":[a,b],"version":...}. It is the
 * record's member "score", or, for scores under a name, scores.NAME. One stream holds one scale: records that carry another
 * block than the run writes, or than the records before them, are refused, because tau_good and eta would mean two things at once.
 */
#ifndef OD_TOOLS_SCORE_H
#define OD_TOOLS_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cli.h"
#include "common/commands.h"
#include "pref/pair.h"
#include "pref/quality.h"
#include "score/expert.h"
#include "score/response.h"

/* ---- sub-commands ------------------------------------------------------------------------------------------------------- */

#define OD_SCORE_COMMANDS(X) \
	X(armorm, "responses by ArmoRM: objectives weighed by a gate") \
	X(combine, "one score of several that experts have left under names") \
	X(command, "a program of yours scores responses, line by line") \
	X(data, "scores that are in the data already (the default)") \
	X(judge, "a language model is asked what a response is worth") \
	X(prm, "solutions step by step by a process reward model") \
	X(rm, "responses by a reward model of one number") \
	X(verify, "answers to mathematics by rules")

#define X(name, summary) int od_score_##name(int argc, char **argv);
OD_SCORE_COMMANDS(X)
#undef X

extern const struct od_command score_commands[];
extern const size_t n_score_commands;

/* ---- the scale and the score block -------------------------------------------------------------------------------------- */

/* "A,B", numbers or ratios of two, to score = a * raw + b; NULL is 1,0. OD_EUSAGE. */
OD_MUST_CHECK enum od_status score_scale_parse(const char *text, double *a, double *b, struct od_error *err);

struct score_block {
	const char *name;                          /* scores.NAME; NULL: the member "score" */
	char *text;                                /* the block this run writes, with its version */
	char *mark, *seen;                         /* that block, and the last record's, as compared: without the version */
	bool first;
};

/* settings: members each after a comma, as an expert's describe appends them. */
OD_MUST_CHECK enum od_status score_block_make(struct score_block *block, const char *expert, const struct od_buf *settings,
	double a, double b, const char *name, struct od_error *err);
void score_block_release(struct score_block *block);

/* The block a record carries, or NULL: a "score" of others is theirs. */
const json_t *score_block_find(const json_t *record, const char *name);

/* For scores that stay as they are: OD_EMISMATCH unless the record has the block of those before (or none, as those before). */
OD_MUST_CHECK enum od_status score_block_adopt(struct score_block *b, const struct od_record *rec, bool *has_block,
	struct od_error *err);

/* For scores that are made anew: OD_EMISMATCH when the record has another block than this run's, or (any) has one at all.
 * *same: it has this run's. */
OD_MUST_CHECK enum od_status score_block_refuse(const struct score_block *b, const struct od_record *rec, bool any, bool *same,
	struct od_error *err);

/* ---- experts that lie in the data --------------------------------------------------------------------------------------- */

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

#define SCORE_OBJECTIVE_INIT { .kind = OD_OMNI, .eta = 0.7, .tau_good = 3.2, .lambda = 1, .qual = true }
#define SCORE_OPTIONS_INIT { .identical = POLICY_DROP, .empty = POLICY_DROP, .inverted = INVERTED_KEEP, \
	.objective = SCORE_OBJECTIVE_INIT, .a = 1 }

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
void score_quality_warn(const struct od_quality *q, const struct od_objective *o);     /* the warnings alone */

/* A run over a stream with one expert. in_place: the expert reads score_chosen and score_rejected themselves. */
OD_MUST_CHECK enum od_status score_run(struct od_expert *e, bool in_place, const struct score_options *o,
	struct od_jsonl *in, struct od_jsonl_writer *out, struct score_summary *s, struct od_error *err);

/* ---- experts that score responses --------------------------------------------------------------------------------------- */

enum score_unscored { UNSCORED_REJECT, UNSCORED_KEEP };

/* The options all of them have; their own come in groups of the sub-command. */
struct score_responses_options {
	struct od_common_options common;
	struct od_record_options records;
	const char *scale;                         /* "a,b" or NULL */
	const char *name;                          /* write scores.NAME; NULL: score */
	const char *answer;                        /* path of the reference answer; NULL: "answer" */
	int unscored;                              /* enum score_unscored */
	bool rescore, only_missing;
	int64_t window;                            /* responses asked about at once; 0: as suits the expert */
	struct od_objective objective;             /* eta and tau_good, for the warnings only */
};

/* What a sub-command is. */
struct score_expert {
	const struct od_tool *tool;                /* usage begins with the sub-command's name */
	const struct od_opt_group *groups;         /* its own options */
	size_t n_groups;                           /* at most 8 */
	/* Called once options are parsed. Opens *out (closed by the driver) from `options`; OD_EUSAGE for what is missing. */
	enum od_status (*open)(struct od_response_expert **out, void *options, const struct score_responses_options *common,
		struct od_error *err);
	void *options;
	/* Called first when options are parsed: for options that stand for others. May be NULL. */
	void (*settle)(void *options, struct score_responses_options *common);
};

/* The whole main of a sub-command: options, stream, expert, report. Returns the exit code.
 *
 * Responses are asked about in windows of whole records; those of a record stand together, in order. Records come out in the
 * order they came in, and a bad one finds those before it written. */
int score_responses_main(const struct score_expert *e, int argc, char **argv);

#endif
