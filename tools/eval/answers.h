/* answers.h -- a model's answers to a benchmark's prompts: from a file, or made now by a model directory or a service.
 *
 * Answers that are made are written first and then read like any others, so that there is one way to judge them: records as
 * od-sample writes them, what names the item in front. With --answers they stay, and a run that was interrupted goes on where it
 * stopped: what is in the file is not asked again, provided that it was made alike.
 *
 * The manifest (bench/manifest.h) says how the answers were made, from their member `sample`; all answers of a run must have the
 * same one. Its preset is the name of the benchmark's settings that they agree with, "official" (its publisher's) or "paper" (those of
 * arXiv 2506.10054), followed by what was changed; null when the answers do not say how they were made.
 *
 *   struct answers a = ANSWERS_INIT;
 *   st = answers_open(&a, &o->answers, &plan, err);      makes answers if a model is given
 *   for each record of a.file:                           st = answers_take(&a, record, err);
 *   od_sheet_made(&sheet, a.run)                         after the first
 *   od_said_json(&a.said, &json)                         ,"answers":{...} of the summary
 */
#ifndef OD_EVAL_ANSWERS_H
#define OD_EVAL_ANSWERS_H

#include <jansson.h>

#include "base/buf.h"
#include "base/hash.h"
#include "bench/outputs.h"
#include "common/cli.h"
#include "common/respond.h"

/* What a benchmark asks for. NULL and 0 in grader and judge: it has none. */
struct answers_preset {
	enum od_prompt_format format;
	double temperature, top_p;
	int64_t max_tokens;
	const char *grader, *judge;
};

enum { ANSWERS_OFFICIAL, ANSWERS_PAPER, ANSWERS_PRESETS };
extern const char *const answers_preset_names[];   /* NULL-terminated */

struct answers_options {
	struct od_respond_options respond;
	const char *outputs, *answers, *name, *key_env;
	int preset;
	uint64_t given_model, given_draw, given_prompt;
};

#define ANSWERS_OPTIONS_INIT { .respond = OD_RESPOND_OPTIONS_INIT }

extern const struct od_opt answers_opts[];         /* base: struct answers_options */

/* --limit and --seed, for benchmarks whose input is not a stream of records; base: struct od_record_options. */
extern const struct od_opt answers_choice_opts[];

/* The groups of a benchmark that asks models; a is a struct answers_options *. */
#define ANSWERS_GROUPS(a) \
	{ "Answers", answers_opts, (a), NULL }, \
	{ "Model", od_respond_opts, &(a)->respond, &(a)->given_model }, \
	{ "Drawing", od_respond_draw_opts, &(a)->respond, &(a)->given_draw }, \
	{ "Prompts", od_respond_prompt_opts, &(a)->respond, &(a)->given_prompt }, \
	{ "Device", od_device_opts, &(a)->respond.device, NULL }

/* What is asked, by whom, and what is known of it already. All borrowed. */
struct answers_plan {
	const char *benchmark, *dataset;           /* dataset: NULL where the benchmark has one only */
	const char *data;                          /* the data file's name, for its hash; NULL: none */
	const struct answers_preset *preset;       /* [ANSWERS_PRESETS] */
	json_t *questions;                         /* array of records that name the item; NULL when nothing can be asked */
	const char *key, *prompt;                  /* members of each question: its name, a string or an integer; the prompt */
	const char *grader, *judge;                /* what judges the answers, NULL: nothing */
	const char *format;                        /* how this model wants to be asked, in place of the preset's; NULL: no matter */
	const json_t *more;                        /* further members of the manifest, NULL: none */
	const struct od_service_options *service;  /* the judge's, NULL: none. Its key is not shown to the model's service */
	int64_t threads;
	uint64_t seed;
};

struct answers {
	struct answers_options *o;
	struct answers_plan plan;                  /* what it borrows must live until the manifest is made */
	json_t *run;                               /* the manifest; NULL before the first answer */
	json_t *sample;                            /* what the answers say of their making; NULL: nothing */
	const char *file;                          /* answers to read: those made now or --outputs; NULL: the caller's operands */
	char made[64];                             /* the name of answers that are not kept */
	int fd;                                    /* theirs, -1 */
	struct od_said_tally said;
	bool asked;                                /* made now */
	char data[OD_HASH_HEX];                    /* the data's hash, its first 16 digits; "" without data */
};

#define ANSWERS_INIT { .fd = -1 }

/* Checks options; asks the model, if one is given. To be released whatever happens. OD_EUSAGE for options that contradict each
 * other, OD_EMISMATCH for a file of answers made otherwise, errors of the model or service. */
OD_MUST_CHECK enum od_status answers_open(struct answers *a, struct answers_options *o, const struct answers_plan *plan,
	struct od_error *err);
void answers_release(struct answers *a);

/* Counts the answers of a record (bench/outputs.h); the first one makes a->run. OD_EMISMATCH when it was made otherwise than
 * those before it. */
OD_MUST_CHECK enum od_status answers_take(struct answers *a, const json_t *record, struct od_error *err);

/* ---- benchmarks whose items form a roster and whose answers are a stream of records ----------------------------------------- */

struct answers_stream {
	struct od_roster *roster;                  /* of the items; those that the selection does not ask for are marked as left out */
	json_t *(*question)(const void *ctx, size_t i);    /* what item i asks, a new reference; NULL without memory */
	const void *ctx;
	const struct od_record_options *records;   /* the selection, of questions when a model answers, else of answers */
	const char *const *files;                  /* [n_files] operands */
	size_t n_files;
};

/* OD_EUSAGE for operands beside what names the answers already. */
OD_MUST_CHECK enum od_status answers_operands(const struct answers_options *o, const char *const *files, size_t n_files,
	struct od_error *err);

/* answers_open, with the roster's questions in plan; *in then reads the answers. */
OD_MUST_CHECK enum od_status answers_stream(struct od_jsonl **in, struct answers *a, struct answers_options *o,
	struct answers_plan *plan, const struct answers_stream *s, struct od_error *err);

/* ---- their parts ------------------------------------------------------------------------------------------------------------ */

/* Whether the selection (--limit, --shard, --sample) keeps the item at this position; chosen: how many it has kept so far. It is made
 * among the questions when a model answers, else among the answers. */
bool answers_selected(const struct od_record_options *o, int64_t position, const char *key, int64_t chosen);

/* Whether a model is to answer. */
bool answers_asks(const struct answers_options *o);

/* The manifest of results whose answers nobody has shown (stored judgments); that of the answers where they have been taken. OD_ENOMEM. */
OD_MUST_CHECK enum od_status answers_manifest(struct answers *a, struct od_error *err);

/* The questions of the items (an array of records) that the selection keeps, as question_of makes them (new references; false
 * without memory), each with its name in the member key. *out is a new reference. */
OD_MUST_CHECK enum od_status answers_questions(json_t **out, const json_t *items, const struct od_record_options *choice,
	bool (*question_of)(const json_t *item, json_t **question), const char *key, struct od_error *err);

/* Appends ,"prompt":..,"response":..,"tokens":..,"finish_reason":.. of an answer record, what there is: members of an item. */
void answers_item(const json_t *record, struct od_buf *out);

#endif
