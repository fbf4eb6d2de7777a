/* ifeval.h -- whether a response follows instructions that a program can check: the 25 types of IFEval (Zhou et al.,
 * Instruction-Following Evaluation for Large Language Models, arXiv:2311.07911), with the decisions of its published checker.
 *
 * An item is a list of instructions: type names ("length_constraints:number_words") and their arguments as the data file has
 * them. A response is judged twice:
 *   strict  as it is
 *   loose   also without its first line, its last, both, and each of these without asterisks: one of the eight must pass
 * An empty response follows nothing.
 *
 * What is checked is text as Python sees it: code points, Unicode's letters and cases, re's patterns (keywords are patterns).
 * Sentences are Punkt's when its parameters are there, otherwise those of Unicode's rules. Where a language must be found and
 * there are no profiles, the verdict is OD_UNDECIDED. Two letter_frequency items of the data ask for '#' and '!', for which the
 * published checker counts a random letter; here the character itself is counted.
 */
#ifndef OD_GRADE_IFEVAL_H
#define OD_GRADE_IFEVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "text/langid.h"
#include "text/punkt.h"

enum od_verdict { OD_NOT_FOLLOWED, OD_FOLLOWED, OD_UNDECIDED };

enum { OD_IFEVAL_TYPES = 25 };
const char *od_ifeval_type_name(size_t type);      /* "punctuation:no_comma"; type < OD_IFEVAL_TYPES */

/* ---- what checking needs ---------------------------------------------------------------------------------------------- */

struct od_ifeval_checker;

/* punkt and langid are borrowed and may be NULL. One thread at a time. */
OD_MUST_CHECK enum od_status od_ifeval_checker_new(struct od_ifeval_checker **out, const struct od_punkt *punkt,
	struct od_langid *langid, struct od_error *err);
void od_ifeval_checker_free(struct od_ifeval_checker *c);          /* NULL is fine */

/* What the checks count in a response (valid UTF-8). */
struct od_text_units {
	size_t words, sentences, tokens, capital_tokens;   /* as UTS 18 has \w+; sentences; Treebank words, those in capitals */
	const char *language;                              /* NULL: no profiles, or no letters */
	double language_prob;
};

OD_MUST_CHECK enum od_status od_ifeval_units(struct od_ifeval_checker *c, const char *s, size_t n, struct od_text_units *out,
	struct od_error *err);

/* ---- items -------------------------------------------------------------------------------------------------------------- */

struct od_ifeval_item;

/* From parallel arrays of type names and argument objects (a member that is null counts as absent). OD_EFORMAT names what is
 * unknown, missing or of the wrong type. */
OD_MUST_CHECK enum od_status od_ifeval_item_new(struct od_ifeval_item **out, const json_t *ids, const json_t *kwargs,
	struct od_error *err);
void od_ifeval_item_free(struct od_ifeval_item *item);             /* NULL is fine */
size_t od_ifeval_item_count(const struct od_ifeval_item *item);    /* instructions, at least 1 */
size_t od_ifeval_item_type(const struct od_ifeval_item *item, size_t i);

/* strict, loose: [od_ifeval_item_count(item)]. s: n bytes of valid UTF-8. */
OD_MUST_CHECK enum od_status od_ifeval_check(const struct od_ifeval_item *item, struct od_ifeval_checker *c, const char *s,
	size_t n, enum od_verdict *strict, enum od_verdict *loose, struct od_error *err);

#endif
