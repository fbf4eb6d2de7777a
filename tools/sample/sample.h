/* sample.h -- what the parts of od-sample share.
 *
 *   od-sample.c   records in, records out, in order; the window between
 *   options.c     what the user may say
 *   item.c        a record on its way: which member is the prompt
 *   local.c       responses made here, by a model directory
 *   service.c     responses asked of an OpenAI-compatible service
 *   output.c      responses spliced into their records
 */
#ifndef OD_TOOLS_SAMPLE_H
#define OD_TOOLS_SAMPLE_H

#include "base/buf.h"
#include "common/cli.h"
#include "common/device_opts.h"
#include "common/service_opts.h"
#include "model/generate.h"

enum sample_format { FORMAT_CHAT, FORMAT_RAW, FORMAT_QWEN25_MATH, FORMAT_MATH_SUFFIX };
extern const char *const sample_formats[];         /* NULL-terminated, for options and the sample block */

#define SAMPLE_MATH_SYSTEM "Please reason step by step, and put your final answer within \\boxed{}."

struct sample_options {
	struct od_common_options common;
	struct od_record_options records;
	struct od_device_options device;
	struct od_service_options service;
	struct od_sampling sampling;
	const char *model, *url, *prompt_field, *chat_template, *date, *system, *suffix, *stop;
	int format;
	int64_t samples, max_tokens, batch, cache_tokens, window;
	bool ids, replace, ignore_end;
	/* filled by sample_options_check */
	char *stop_text;                           /* what the pointers of stops point into */
	const char **stops;                        /* [n_stops] */
	size_t n_stops;
};

#define SAMPLE_OPTIONS_INIT { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT, .device = OD_DEVICE_OPTIONS_INIT, \
	.service = OD_SERVICE_OPTIONS_INIT, .sampling = OD_SAMPLING_INIT, .samples = 1, .max_tokens = 1024, .batch = 32, .window = 1024 }

extern const struct od_opt sample_opts[], sample_draw_opts[], sample_prompt_opts[];       /* base: struct sample_options */

/* Checks what the tables cannot, and splits --stop. */
OD_MUST_CHECK enum od_status sample_options_check(struct sample_options *o, struct od_error *err);
void sample_options_release(struct sample_options *o);

/* ---- records ---- */

struct sample_item {
	struct od_record at;                       /* where it stood, for messages; line (owned) and len are the record's bytes */
	struct od_error failed;                    /* OD_EFORMAT: it got no responses, and why */
	char *renamed;                             /* the prompt as JSON where it stood under another name, else NULL */
	json_t *prompt;                            /* string or messages, the suffix behind it; own reference */
	uint64_t id;                               /* hash of the record's id */
	struct od_job job;
	struct od_ids ids;                         /* the prompt's, where responses are made here */
};

/* Reads a record into a new item. OD_EFORMAT for a record that cannot be answered. */
OD_MUST_CHECK enum od_status sample_item_read(struct sample_item **out, const struct od_record *rec, const struct sample_options *o,
	struct od_error *err);
void sample_item_free(struct sample_item *it);

/* ---- who makes the responses ---- */

struct sample_maker {
	/* Queues an item until its job.left is 0. OD_EFORMAT: this record cannot be answered. */
	enum od_status (*add)(struct sample_maker *m, struct sample_item *it, struct od_error *err);
	/* Gets on with it; OD_EOF when nothing is left to do. */
	enum od_status (*step)(struct sample_maker *m, struct od_error *err);
	bool (*wants)(const struct sample_maker *m);                       /* more records would find a place */
	void (*describe)(const struct sample_maker *m, struct od_buf *b);  /* members of the sample block, each after a comma */
	void (*summary)(const struct sample_maker *m, struct od_buf *b);   /* for the note at the end */
	void (*close)(struct sample_maker *m);
};

OD_MUST_CHECK enum od_status sample_local_open(struct sample_maker **out, const struct sample_options *o, struct od_error *err);
OD_MUST_CHECK enum od_status sample_service_open(struct sample_maker **out, struct sample_options *o, struct od_error *err);

/* ---- output ---- */

struct sample_output {
	struct od_jsonl_writer *writer;
	struct od_buf block, values, line;         /* block: what the member "sample" says */
	int64_t records, responses, tokens, finish[2];
};

/* Builds the block that says how responses were made. */
OD_MUST_CHECK enum od_status sample_output_begin(struct sample_output *out, const struct sample_options *o, const struct sample_maker *m,
	struct od_error *err);
/* Writes a record whose responses are all there. */
OD_MUST_CHECK enum od_status sample_output_write(struct sample_output *out, const struct sample_item *it, const struct sample_options *o,
	struct od_error *err);
void sample_output_release(struct sample_output *out);

#endif
