/* compare.h -- how od-eval compare shows its cases: one function a form, over the same view. */
#ifndef OD_EVAL_COMPARE_H
#define OD_EVAL_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/cases.h"

enum compare_layout { COMPARE_AUTO, COMPARE_BESIDE, COMPARE_BELOW };

struct compare_view {
	const struct od_cases *cases;
	const size_t *order;                       /* [n] cases to show */
	size_t n, selected;                        /* selected: of which these are the first n */
	const char *name[2];
	const char *benchmark, *show;              /* benchmark NULL: not known */
	int width, lines;                          /* cells; lines of a text at most, 0: all */
	enum compare_layout layout;
};

/* Each appends to out. */
void compare_text(const struct compare_view *v, struct od_buf *out);
void compare_markdown(const struct compare_view *v, struct od_buf *out);
void compare_html(const struct compare_view *v, struct od_buf *out);
/* One case as a JSON object, without newline. */
void compare_json(const struct compare_view *v, size_t i, struct od_buf *out);

/* ---- what the forms share ---------------------------------------------------------------------------------------------------- */

/* The rows of the head: what is compared, the counts, the test. Texts are not escaped. */
typedef void compare_row(void *arg, const char *label, const char *text);
void compare_head(const struct compare_view *v, compare_row *row, void *arg);
/* The head as lines for people, file names and all made visible. */
void compare_head_text(const struct compare_view *v, struct od_buf *out);

/* "wrong", "right", a number, "none". */
void compare_verdict(const struct compare_view *v, size_t i, int side, struct od_buf *out);
/* A value of a member: yes, no, a number, a text, "-" for none. Not escaped. */
void compare_value(const json_t *value, struct od_buf *out);
/* "123 tokens, stop": what is known of a response; empty when nothing is. Not escaped. */
void compare_about(const struct compare_view *v, size_t i, int side, struct od_buf *out);

#endif
