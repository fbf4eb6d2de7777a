/* pretok.h -- normalisers and pre-tokenisers of tokenizer.json as lists of simple steps.
 *
 * A normaliser step rewrites a text. A pre-tokeniser step takes the pieces of a text and cuts them further;
 * two of the steps (byte letters, metaspace) also rewrite it. Everything that cuts is a pattern and a
 * behaviour: "Digits" is the pattern \p{N}, "Whitespace" is \w+|[^\w\s]+ inverted, and so on.
 */
#ifndef OD_TEXT_PRETOK_H
#define OD_TEXT_PRETOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "text/pattern.h"
#include "text/unicode.h"

enum od_step_kind {
	OD_STEP_FORM,                      /* normal form */
	OD_STEP_REPLACE,                   /* every match of pattern by text */
	OD_STEP_PREPEND,                   /* text before a text that is not empty */
	OD_STEP_STRIP,                     /* white space at the ends */
	OD_STEP_BYTE_LETTERS,              /* each byte as its letter (both lists) */
	OD_STEP_SPLIT,                     /* cut by pattern */
	OD_STEP_METASPACE,                 /* spaces as text, text in front, then cut before each */
	OD_STEP_SPACE_BEFORE               /* one space before a piece that has none */
};

/* The pattern "ByteLevel" stands for, and the one of tiktoken's cl100k family up to its digits. */
#define OD_PATTERN_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define OD_PATTERN_CL100K(digits) "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
	"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* What becomes of the matches of a pattern that cuts. */
enum od_behavior {
	OD_REMOVED, OD_ISOLATED, OD_MERGED_WITH_PREVIOUS, OD_MERGED_WITH_NEXT, OD_CONTIGUOUS
};

enum od_prepend { OD_PREPEND_ALWAYS, OD_PREPEND_NEVER, OD_PREPEND_FIRST };

struct od_step {
	enum od_step_kind kind;
	struct od_pattern *pattern;
	char *text;                        /* what replaces or is prepended; for a split the pattern's own text */
	size_t len;
	enum od_normal_form form;
	enum od_behavior behavior;
	enum od_prepend prepend;
	bool invert, left, right;
	bool split;                        /* a metaspace step also cuts */
	bool literal;                      /* the pattern is plain text */
};

#define OD_MAX_STEPS 64

struct od_steps {
	struct od_step *step;
	size_t n, cap;
};

#define OD_STEPS_INIT { NULL, 0, 0 }

/* Read the members "normalizer" and "pre_tokenizer" (NULL or null: no steps). A type that is not known is
 * OD_ESUPPORT naming it. */
OD_MUST_CHECK enum od_status od_steps_normalizer(struct od_steps *s, const json_t *json,
	struct od_error *err);
OD_MUST_CHECK enum od_status od_steps_pre_tokenizer(struct od_steps *s, const json_t *json,
	struct od_error *err);
void od_steps_release(struct od_steps *s);

struct od_span {
	size_t start, len;
};

/* A text and its pieces. */
struct od_pieces {
	struct od_buf text;
	struct od_span *span;
	size_t n, cap;
};

#define OD_PIECES_INIT { OD_BUF_INIT, NULL, 0, 0 }

/* Memory of one encoder. */
struct od_pretok_scratch {
	struct od_pieces a, b;
	struct od_span *part;
	bool *is_match;
	size_t cap_part, cap_is_match;
	struct od_matcher *matcher;
};

OD_MUST_CHECK enum od_status od_pretok_scratch_init(struct od_pretok_scratch *s, struct od_error *err);
void od_pretok_scratch_release(struct od_pretok_scratch *s);

/* out := normalised text (n bytes of valid UTF-8); it is cleared first. */
OD_MUST_CHECK enum od_status od_normalize(const struct od_steps *s, struct od_pretok_scratch *scratch,
	const char *text, size_t n, struct od_buf *out, struct od_error *err);

/* The pieces of a text, none empty: *out points into the scratch. first: the text begins the whole input. */
OD_MUST_CHECK enum od_status od_pre_tokenize(const struct od_steps *s, struct od_pretok_scratch *scratch,
	const char *text, size_t n, bool first, const struct od_pieces **out, struct od_error *err);

#endif
