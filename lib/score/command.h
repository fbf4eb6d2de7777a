/* command.h -- the expert that is any program: it reads a line of JSON for each response and writes a line for each.
 *
 * It reads   {"index":17,"id":"q3","prompt":"..." or messages,"response":"...","answer":"..."}
 *            index counts responses from 0 through the whole run; id and answer are there when the record has them.
 * It writes  4.5                                  the score
 *            {"score":4.5,"index":17,"why":"x"}   the same; index and id, when there, must be those asked about, and all other
 *                                                 members are put into the response
 *            {"error":"too long"}                 no score; so is a score of null
 * One line a response, in order, before more is asked: it must not keep its output back.
 *
 * A program that dies, closes its output or stalls is OD_ESERVICE; a line that is none of the above, an index or id of another
 * response, lines nobody asked for: OD_EFORMAT, which ends the run too.
 */
#ifndef OD_SCORE_COMMAND_H
#define OD_SCORE_COMMAND_H

#include "score/response.h"

struct od_command_options {
	const char *const *argv;                   /* ends with NULL; borrowed for the expert's life, as the following */
	const char *shown;                         /* how it is called in messages and in the score block */
	double stall;                              /* seconds without a byte before it has failed */
	size_t window;                             /* responses it is given at once */
};

OD_MUST_CHECK enum od_status od_command_open(struct od_response_expert **out, const struct od_command_options *opt,
	struct od_error *err);

#endif
