/* response.h -- what scores responses one by one: the interface between od-score and rules, reward models, judges and coprocesses,
 * one file per expert. (expert.h is the interface of scores that lie in the data.)
 *
 * An expert is asked about many responses at once, so that it may pack them, run them in parallel or answer them from a cache;
 * its answers come in the order of the questions and do not depend on what they were asked together with, but for the other
 * responses of the same record: all of them are asked about in one call, one after the other. It neither scales nor drops nor
 * reads records: the driver (tools/score/responses.c) does.
 *
 * An expert is a struct that begins with struct od_response_expert; its own header has its constructor.
 */
#ifndef OD_SCORE_RESPONSE_H
#define OD_SCORE_RESPONSE_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* One response to score; all borrowed until the call returns. */
struct od_ask {
	const json_t *prompt;                      /* string or messages */
	const char *text;                          /* the response, UTF-8, len bytes and a NUL */
	size_t len;
	const char *answer;                        /* reference answer, or NULL */
	const char *id;                            /* of the record; "" when it has none */
	const json_t *record;                      /* the whole record */
	size_t index;                              /* of the response in it; of a pair 0 is chosen, 1 rejected */
};

/* What the expert says. `status` is OD_OK, or OD_EFORMAT with a reason in `err` when this response cannot be scored (no answer to
 * compare with, no steps, too long, an answer of the judge that does not parse): the record is then rejected, or kept without
 * scores when the user asked for that. */
struct od_answer {
	enum od_status status;
	struct od_error err;
	double score;                              /* finite, on the expert's scale */
	struct od_buf members;                     /* further members of the response as JSON, each after a comma: ,"correct":true */
};

struct od_response_expert {
	const char *name;                          /* "verify", "prm", ...: member 'expert' of the score block */
	size_t window;                             /* how many responses it is best asked about at once; at least 1 */
	/* answers: [n], cleared by the caller, their buffers reusable. Anything but OD_OK ends the run: a model that cannot be
	 * evaluated, a service that stays down (OD_ESERVICE), a coprocess that died. Answers already there are not used then. */
	enum od_status (*score)(struct od_response_expert *e, const struct od_ask *asks, size_t n, struct od_answer *answers,
		struct od_error *err);
	/* May be NULL. Called once after the last score of a run that went well; a failure ends the run as one of score does. */
	enum od_status (*finish)(struct od_response_expert *e, struct od_error *err);
	void (*describe)(const struct od_response_expert *e, struct od_buf *out);  /* members of the score block, each after a
	                                            * comma: ,"model":"...","aggregate":"min"; all that changes a score */
	void (*summary)(const struct od_response_expert *e, struct od_buf *out);   /* one line for the notes at the end (requests,
	                                            * cost, cache hits), or nothing; may be NULL */
	void (*close)(struct od_response_expert *e);
};

#endif
