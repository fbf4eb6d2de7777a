/* sample.h -- what the parts of od-sample share.
 *
 *   od-sample.c   records in, records out
 *   options.c     what the user may say beyond what all that want responses offer (common/respond.h)
 *   item.c        a record on its way: which member is the prompt
 *   output.c      responses spliced into their records
 */
#ifndef OD_TOOLS_SAMPLE_H
#define OD_TOOLS_SAMPLE_H

#include "base/buf.h"
#include "common/cli.h"
#include "common/respond.h"

struct sample_options {
	struct od_common_options common;
	struct od_record_options records;
	struct od_respond_options respond;
	const char *prompt_field;
	int64_t window;
	bool replace;
};

#define SAMPLE_OPTIONS_INIT { .common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT, .respond = OD_RESPOND_OPTIONS_INIT, \
	.window = 1024 }

extern const struct od_opt sample_opts[];          /* base: struct sample_options */

/* ---- records ---- */

struct sample_item {
	struct od_query query;                     /* first: an item is found by its query */
	struct od_record at;                       /* where it stood, for messages; line (owned) and len are the record's bytes */
	char *renamed;                             /* the prompt as JSON where it stood under another name, else NULL */
};

/* Reads a record into a new item. OD_EFORMAT for a record that cannot be answered. */
OD_MUST_CHECK enum od_status sample_item_read(struct sample_item **out, const struct od_record *rec, const struct sample_options *o,
	struct od_error *err);
void sample_item_free(struct sample_item *it);

/* ---- output ---- */

struct sample_output {
	struct od_jsonl_writer *writer;
	struct od_buf block, values, line;         /* block: what the member "sample" says */
	int64_t records, responses, tokens, finish[2];
};

/* Writes a record whose responses are all there. */
OD_MUST_CHECK enum od_status sample_output_write(struct sample_output *out, const struct sample_item *it, const struct sample_options *o,
	struct od_error *err);
void sample_output_release(struct sample_output *out);

#endif
