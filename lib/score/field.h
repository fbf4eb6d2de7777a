/* field.h -- the expert that is the data itself: scores someone else has already put into the records.
 *
 * A schema says where a data set keeps its texts and its two scores; names (either form is accepted):
 *   pairs            prompt, chosen, rejected, score_chosen, score_rejected: this project's, the authors', and
 *                    HuggingFaceH4/ultrafeedback_binarized (also "h4", "omni-dpo")
 *   argilla          argilla/ultrafeedback-binarized-preferences: instruction, chosen_response, chosen_avg_rating, ...
 *   argilla-cleaned  argilla/ultrafeedback-binarized-preferences-cleaned: prompt, chosen, chosen-rating, ...
 *   armorm           princeton-nlp/llama3-ultrafeedback-armorm and gemma2-...: highest and lowest of all_rm_scores
 *   ultrafeedback    openbmb/UltraFeedback: instruction and rated completions; chosen is the best, rejected the worst or
 *                    a random lower one, by the mean of the four ratings or by the overall score
 */
#ifndef OD_SCORE_FIELD_H
#define OD_SCORE_FIELD_H

#include <stdint.h>

#include "score/expert.h"

enum od_rating { OD_RATING_FINE_GRAINED, OD_RATING_OVERALL };
enum od_pick { OD_PICK_WORST, OD_PICK_RANDOM };
extern const char *const od_rating_names[], *const od_pick_names[];      /* NULL-terminated, for options */

struct od_field_options {
	const char *schema;                        /* NULL: pairs */
	const char *chosen_field, *rejected_field; /* dotted paths that win over the schema's; NULL: the schema's */
	enum od_rating rating;                     /* ultrafeedback */
	enum od_pick pick;                         /* ultrafeedback */
	uint64_t seed;                             /* of OD_PICK_RANDOM; the choice depends on seed and record only */
};

/* OD_EUSAGE for an unknown schema, with the list of names. Strings are borrowed and must outlive the expert. */
OD_MUST_CHECK enum od_status od_field_open(struct od_expert **out, const struct od_field_options *opt,
	struct od_error *err);

/* True when the scores are read from score_chosen and score_rejected themselves: with no scale, nothing is rewritten. */
bool od_field_in_place(const struct od_expert *e);

const char *od_field_schemas(void);                /* "pairs, argilla, ..." */

#endif
