/* manifest.h -- how results were made: the member `run` of every item and summary of od-eval, so that figures of different making
 * are not compared unawares.
 *
 * A manifest is a flat JSON object: benchmark, preset, data (hash of the data file), what concerns the answers (model, name,
 * numerics, url, template, format, system, suffix, stop, temperature, top_p, top_k, repetition_penalty, max_tokens, samples, seed) and
 * their judging (grader, judge), version. A member that is not known is not there, or null, which is the same.
 *
 * Two runs may be compared when they differ in nothing but what names the model or belongs to it: name, model, numerics, url,
 * template, outputs. The seed counts only where something is drawn (temperature above 0).
 */
#ifndef OD_BENCH_MANIFEST_H
#define OD_BENCH_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* Whether a member belongs to the model: two compared runs may differ in it. */
bool od_manifest_of_model(const char *member);

/* The first member, in order of name, in which a and b (NULL: nothing known) differ though compared runs must not, or, under
 * 'all', in which they differ at all; NULL when there is none. */
const char *od_manifest_differ(const json_t *a, const json_t *b, bool all);

/* OD_EMISMATCH, naming the member and both values, when a and b must not be compared. */
OD_MUST_CHECK enum od_status od_manifest_match(const json_t *a, const json_t *b, const char *name_a, const char *name_b,
	struct od_error *err);

/* Appends ,"run":{...}; nothing when run is NULL. */
void od_manifest_write(const json_t *run, struct od_buf *out);

#endif
