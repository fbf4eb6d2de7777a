/* ifeval.h -- IFEval: its data file, whose response is whose, and the accuracies.
 *
 * DATA. JSONL, one prompt a line: key (integer or string), prompt, instruction_id_list, kwargs (grade/ifeval.h).
 *
 * OUTPUTS. Records as outputs.h says, with `key` or `prompt`; the first answer of each is judged.
 *
 * FIGURES. Prompt-level accuracy: the share of prompts all of whose instructions are followed. Instruction-level: the share of
 * instructions. Both strict and loose; the instructions of one prompt are no independent draws, so the standard error of a share
 * is that of a ratio over prompts, sqrt(n / (n - 1) * sum (followed - share * asked)^2) / sum asked, which for one instruction a
 * prompt is the usual one. What is undecided (a language without profiles) takes no part, and neither does its prompt.
 */
#ifndef OD_BENCH_IFEVAL_H
#define OD_BENCH_IFEVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "bench/outputs.h"
#include "grade/ifeval.h"

/* ---- data ------------------------------------------------------------------------------------------------------------- */

struct od_ifeval_prompt {
	json_t *record;                            /* as read */
	char key[OD_ITEM_ID];                      /* `key` as text */
	const char *prompt;                        /* of record */
	struct od_ifeval_item *item;
};

struct od_ifeval_data {
	struct od_ifeval_prompt *p;                /* [n] in the file's order */
	size_t n, cap;
	struct od_roster roster;                   /* the same prompts: which have an output, which are part of the run */
};

/* OD_EFORMAT, with the place, for what is malformed, unknown, or there twice. */
OD_MUST_CHECK enum od_status od_ifeval_data_read(struct od_ifeval_data *d, const char *file, struct od_error *err);
void od_ifeval_data_release(struct od_ifeval_data *d);

/* The prompt an output belongs to, marked as seen, and its response (memory of output). *several: there are more responses
 * than the first, which is the one. */
OD_MUST_CHECK enum od_status od_ifeval_match(struct od_ifeval_data *d, const json_t *output, struct od_ifeval_prompt **p,
	const char **response, size_t *len, bool *several, struct od_error *err);

/* ---- verdicts of one response ---------------------------------------------------------------------------------------------- */

enum { OD_IFEVAL_STRICT, OD_IFEVAL_LOOSE, OD_IFEVAL_WAYS };

struct od_ifeval_result {
	enum od_verdict *v[OD_IFEVAL_WAYS];        /* [instructions of the item] */
	size_t n, cap[OD_IFEVAL_WAYS];
};

OD_MUST_CHECK enum od_status od_ifeval_judge(struct od_ifeval_result *r, const struct od_ifeval_prompt *p,
	struct od_ifeval_checker *c, const char *response, size_t len, struct od_error *err);
void od_ifeval_result_release(struct od_ifeval_result *r);

/* Of the whole prompt: undecided when one instruction is. */
enum od_verdict od_ifeval_overall(const struct od_ifeval_result *r, int way);

/* Appends an item without its closing brace: {"id","key","instruction_id_list","strict":[..],"loose":[..],"prompt_strict",
 * "prompt_loose","share_strict","share_loose" and, when units is not NULL, "units". Undecided is null. */
void od_ifeval_write(const struct od_ifeval_prompt *p, const struct od_ifeval_result *r, const struct od_text_units *units,
	struct od_buf *out);

/* ---- figures ---------------------------------------------------------------------------------------------------------------- */

/* A share over prompts of different size. */
struct od_share {
	int64_t n;                                 /* prompts */
	double followed, asked;                    /* sums, and sums of squares and products over prompts */
	double ff, fa, aa;
};

void od_share_add(struct od_share *s, double followed, double asked);
double od_share_mean(const struct od_share *s);    /* NaN of nothing */
double od_share_se(const struct od_share *s);      /* NaN of less than two prompts */

struct od_ifeval_tally {
	struct od_share prompt[OD_IFEVAL_WAYS], instruction[OD_IFEVAL_WAYS], type[OD_IFEVAL_WAYS][OD_IFEVAL_TYPES];
	int64_t prompts, instructions, undecided;  /* judged prompts, their instructions, those undecided */
};

void od_ifeval_add(struct od_ifeval_tally *t, const struct od_ifeval_prompt *p, const struct od_ifeval_result *r);

/* Appends "metrics":{NAME:{"mean","se","n"},...},"types":{TYPE:{"strict":{..},"loose":{..}},...}; n counts instructions, at the
 * prompt level prompts. */
void od_ifeval_json(const struct od_ifeval_tally *t, struct od_buf *out);

/* The same as two tables for people. */
void od_ifeval_table(const struct od_ifeval_tally *t, struct od_buf *out);

#endif
