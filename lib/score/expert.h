/* expert.h -- what scores a pair: the interface between od-score and its experts, one file per expert.
 *
 * An expert takes a record and says how good the chosen and the rejected response are, on its own scale; it may also say
 * which texts of the record they are, for records that are not pairs yet (a set of rated candidates, other names). It
 * neither scales nor drops: the affine map, the policies and the output are the same for all experts (od-score).
 *
 * An expert is a struct that begins with struct od_expert; its own header has its constructor. Scoring never changes the
 * record, and the result borrows from it.
 */
#ifndef OD_SCORE_EXPERT_H
#define OD_SCORE_EXPERT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/jsonl.h"

struct od_score_result {
	double chosen, rejected;                   /* finite, on the expert's scale */
	const json_t *prompt, *chosen_text, *rejected_text;   /* string or messages; NULL where the record has ids */
	bool renamed;                              /* the texts are not the record's prompt, chosen and rejected */
	bool tied;                                 /* candidates of which none is rated lower than the best: no pair */
};

struct od_expert {
	const char *name;                          /* "data", "prm", ...: member 'expert' of the score block */
	enum od_status (*score)(struct od_expert *e, const struct od_record *rec, struct od_score_result *out,
		struct od_error *err);             /* OD_EFORMAT: this record cannot be scored; others end the run */
	void (*describe)(const struct od_expert *e, struct od_buf *out);   /* appends members of the score block, each
	                                            * beginning with a comma: ,"fields":["a","b"] */
	void (*close)(struct od_expert *e);
};

OD_MUST_CHECK static inline enum od_status
od_expert_score(struct od_expert *e, const struct od_record *rec, struct od_score_result *out, struct od_error *err)
{
	return e->score(e, rec, out, err);
}

static inline void
od_expert_close(struct od_expert *e)
{
	if (e)
		e->close(e);
}

#endif
