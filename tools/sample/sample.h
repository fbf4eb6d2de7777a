/* sample.h -- what the parts of od-sample share: options, a record on its way through the model, its output. */
#ifndef OD_TOOLS_SAMPLE_H
#define OD_TOOLS_SAMPLE_H

#include "base/buf.h"
#include "common/cli.h"
#include "common/device_opts.h"
#include "common/session.h"
#include "model/generate.h"

enum sample_format { FORMAT_CHAT, FORMAT_RAW, FORMAT_QWEN25_MATH, FORMAT_MATH_SUFFIX };
extern const char *const sample_formats[];         /* NULL-terminated, for options and the sample block */

struct sample_options {
	struct od_common_options common;
	struct od_record_options records;
	struct od_device_options device;
	struct od_sampling sampling;
	const char *model, *prompt_field, *chat_template, *date, *system, *suffix, *stop;
	int format;
	int64_t samples, max_tokens, batch, cache_tokens, window;
	bool ids, replace, ignore_end;
};

#define SAMPLE_OPTIONS_INIT { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT, .device = OD_DEVICE_OPTIONS_INIT, \
	.sampling = OD_SAMPLING_INIT, .samples = 1, .max_tokens = 1024, .batch = 32, .window = 1024 }

extern const struct od_opt sample_opts[], sample_draw_opts[], sample_prompt_opts[];       /* base: struct sample_options */

/* Checks what the tables cannot. */
OD_MUST_CHECK enum od_status sample_options_check(struct sample_options *o, struct od_error *err);

/* ---- records ---- */

struct sample_item {
	char *line;                                /* the record's bytes */
	size_t len;
	char *prompt_json;                         /* the prompt where it stood under another name, else NULL */
	struct od_job job;
	struct od_ids prompt;
};

/* Reads a record into a new item, its prompt tokenised. OD_EFORMAT for a record that cannot be answered. */
OD_MUST_CHECK enum od_status sample_item_read(struct sample_item **out, const struct od_record *rec, const struct sample_options *o,
	const struct od_session *s, struct od_error *err);
void sample_item_free(struct sample_item *it);

/* ---- output ---- */

struct sample_output {
	struct od_jsonl_writer *writer;
	struct od_buf block, values, line;         /* block: what the member "sample" says */
	int64_t records, responses, tokens, finish[2];
};

/* Builds the block that says how responses were made. */
OD_MUST_CHECK enum od_status sample_output_begin(struct sample_output *out, const struct sample_options *o, const struct od_session *s,
	struct od_error *err);
/* Writes a record whose responses are all there. */
OD_MUST_CHECK enum od_status sample_output_write(struct sample_output *out, const struct sample_item *it, const struct sample_options *o,
	struct od_error *err);
void sample_output_release(struct sample_output *out);

#endif
