/* scores.h -- the pieces of od-inspect scores: scored pairs from one or two streams, matched, and what is said of them. */
#ifndef OD_TOOLS_INSPECT_SCORES_H
#define OD_TOOLS_INSPECT_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/jsonl.h"
#include "pref/compare.h"

/* One pair under one expert. */
struct scores_item {
	char *id;                                  /* "" when the record has none */
	int64_t index;                             /* position in the stream */
	uint64_t chosen_text, rejected_text;       /* hashes of the responses; 0 where there is none */
	double chosen, rejected;                   /* NaN when the expert had no score (null) */
};

struct scores_set {
	const char *label;                         /* of the expert: file or name; borrowed */
	const char *name;                          /* scores under this name; NULL: score_chosen, score_rejected */
	struct scores_item *items;
	size_t n, cap;
	char *block;                               /* the first record's score block; NULL when it has none */
};

/* Adds a record's scores. OD_EFORMAT naming the field that is missing or no number. */
OD_MUST_CHECK enum od_status scores_add(struct scores_set *set, const struct od_record *rec, struct od_error *err);
void scores_set_release(struct scores_set *set);

enum scores_match { SCORES_AUTO, SCORES_ID, SCORES_POSITION };

/* Pairs that both have: columns for the comparison. */
struct scores_matched {
	double *score[2][2];                       /* [expert][0 chosen, 1 rejected][n] */
	const char **id;                           /* [n], borrowed from the first set */
	int64_t *index;                            /* [n] in the first set */
	size_t n;
	size_t only[2];                            /* pairs that the other does not have */
	size_t unscored, swapped;                  /* left out for want of a score; sides exchanged in the second */
};

/* AUTO: by id when all records have one, by position otherwise. OD_EMISMATCH when ids come twice, when positions do not
 * correspond (unless some_missing: records were left out on purpose), when a pair has other responses in the second, or when
 * nothing matches. */
OD_MUST_CHECK enum od_status scores_match_sets(struct scores_matched *m, const struct scores_set set[2], enum scores_match how,
	bool some_missing, struct od_error *err);
void scores_matched_release(struct scores_matched *m);

/* What is shown, and how many of the largest changes. */
struct scores_report {
	const struct scores_set *set;              /* [2] */
	const struct scores_matched *matched;
	const struct od_comparison *c;
	double eta, tau_good;
	size_t largest;
};

void scores_describe(const struct scores_report *r, struct od_buf *out);      /* tables for people */
void scores_json(const struct scores_report *r, struct od_buf *out);          /* one line */
OD_MUST_CHECK enum od_status scores_plot(const struct scores_report *r, const char *file, struct od_error *err);

#endif
