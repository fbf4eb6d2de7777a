/* sedar_items.h -- SedarEval's records, and what others say of them: outputs to be judged, a judge's texts. */
#ifndef OD_EVAL_SEDAR_ITEMS_H
#define OD_EVAL_SEDAR_ITEMS_H

#include "bench/sedar.h"
#include "eval/judged.h"
#include "io/dataset.h"

struct sedar_item {
	const char *id;
	const json_t *record;
	int category;
	double sum;                                /* of votes */
	int64_t votes, texts;                      /* texts: votes and those without a score */
};

struct sedar_items {
	const char *file;
	struct od_dataset data;
	json_t *index;                             /* id -> position in item */
	struct sedar_item *item;                   /* [n] in the file's order */
	size_t n;
};

/* To be released whatever happens. */
OD_MUST_CHECK enum od_status sedar_read_items(struct sedar_items *s, const char *file, struct judged_bad *bad, struct od_error *err);
void sedar_items_release(struct sedar_items *s);

/* The item a record of another file is about: OD_EFORMAT when there is none. */
OD_MUST_CHECK enum od_status sedar_item_of(const struct sedar_items *s, const json_t *record, struct sedar_item **out,
	struct od_error *err);

/* The k-th text of a record of judgments or outputs; NULL behind the last. */
const char *sedar_text(const json_t *record, size_t k);

#endif
