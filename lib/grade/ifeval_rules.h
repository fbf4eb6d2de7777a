/* ifeval_rules.h -- what the files of the IFEval checker share. */
#ifndef OD_GRADE_IFEVAL_RULES_H
#define OD_GRADE_IFEVAL_RULES_H

#include <stdint.h>

#include "base/buf.h"
#include "grade/ifeval.h"
#include "text/pattern.h"
#include "text/treebank.h"

struct od_ifeval_checker {
	const struct od_punkt *punkt;
	struct od_langid *langid;
	struct od_treebank *treebank;
	struct od_matcher *matcher;
	struct od_sentences sentences;
	struct od_buf lower, other, variant;       /* scratch: of one check, of one check, of the loose variants */
};

struct od_ifeval_rule;

/* One instruction, its arguments read. */
struct od_instruction {
	const struct od_ifeval_rule *rule;
	int64_t count, nth;
	bool less_than;                            /* the count must stay below; else it must be reached */
	char *text;                                /* an argument that is a text, NUL-terminated */
	size_t text_len;
	struct od_pattern **pattern;               /* [n_patterns] */
	size_t n_patterns;
};

typedef enum od_status od_ifeval_check_fn(const struct od_instruction *in, struct od_ifeval_checker *c, const char *s, size_t n,
	enum od_verdict *v, struct od_error *err);

/* A type: its check, and which of its arguments goes where in struct od_instruction (NULL: it has none). */
struct od_ifeval_rule {
	const char *id;
	od_ifeval_check_fn *check;
	const char *count, *nth, *relation, *text;
	const char *words;                         /* argument with a pattern, or a list of them, */
	const char *before, *after;                /* and what goes around each */
	const char *fixed[2];                      /* patterns that are always the same */
	unsigned flags;                            /* enum od_re_flags */
	bool lower;                                /* the text argument counts in lower case, white space at its ends apart */
	bool language;                             /* the check may ask for the language */
};

/* Alphabetical. */
extern const struct od_ifeval_rule od_ifeval_rules[OD_IFEVAL_TYPES];

/* Whether Python's json.loads reads the text: NaN and Infinity are numbers, a bare value will do. */
bool od_ifeval_is_json(const char *s, size_t n);

OD_MUST_CHECK enum od_status od_ifeval_count_sentences(struct od_ifeval_checker *c, const char *s, size_t n, size_t *count,
	struct od_error *err);
OD_MUST_CHECK enum od_status od_ifeval_count_tokens(struct od_ifeval_checker *c, const char *s, size_t n, size_t *count,
	size_t *capitals, struct od_error *err);

#endif
