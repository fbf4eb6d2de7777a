/* judged.h -- what the benchmarks that a language model judges share: items that are malformed or there twice, names. */
#ifndef OD_EVAL_JUDGED_H
#define OD_EVAL_JUDGED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Items left out under --skip-bad, which makes the exit code 4. */
struct judged_bad {
	bool skip;
	int64_t n;
	struct od_error first;
};

/* What to do with an item that err speaks of: under --skip-bad it is counted and forgotten (OD_OK). Other errors than those
 * of an input's form are passed on. */
OD_MUST_CHECK enum od_status judged_reject(struct judged_bad *bad, struct od_error *err);

/* Warns of them, once. */
void judged_report(const struct judged_bad *bad);

/* A set of keys: OD_EFORMAT "item I has the WHAT of item J: 'KEY'" for one that is there already. *set is made when NULL. */
OD_MUST_CHECK enum od_status judged_once(json_t **set, const char *key, int64_t item, const char *what,
	struct od_error *err);

/* Sets *name (malloc'd) once; another one given later is OD_EMISMATCH "two WHATs, ...". given may be NULL. */
OD_MUST_CHECK enum od_status judged_one_name(char **name, const char *given, const char *what, struct od_error *err);

/* A template's placeholder {NAME} and what stands for it. */
struct judged_value {
	const char *name, *value;
};

/* Appends a template with its placeholders filled, in one pass: those of values[n], else {a.b}, a text of the record. Braces
 * that hold no name, or one that stands for nothing when record is NULL, are text. *complete becomes false when one is
 * missing or blank. */
void judged_fill(struct od_buf *out, const char *template, const struct judged_value *values, size_t n, const json_t *record,
	bool *complete);

/* Appends ,"name":VALUE (null when not finite), or ,"name":"TEXT" (null for NULL). */
void judged_number(struct od_buf *json, const char *name, double value);
void judged_text(struct od_buf *json, const char *name, const char *text);

#endif
