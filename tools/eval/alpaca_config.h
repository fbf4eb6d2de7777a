/* alpaca_config.h -- AlpacaEval's own configuration of an annotator, a YAML file with one member, whose name is the annotator's:
 *   prompt_template                         a file (ask.h), found from the configuration's directory or the one above
 *   completions_kwargs                      model_name, max_tokens, temperature, top_p, logprobs: true, top_logprobs
 *   fn_completion_parser: logprob_parser, completion_parser_kwargs: numerator_token m, denominator_tokens m and M
 * What asks for another way of judging is refused; further completions_kwargs are named in a warning and not sent.
 */
#ifndef OD_EVAL_ALPACA_CONFIG_H
#define OD_EVAL_ALPACA_CONFIG_H

#include "eval/ask.h"

/* Sets what the judge is and is asked. OD_EFORMAT names the member. */
OD_MUST_CHECK enum od_status alpaca_read_config(struct ask *a, const char *file, struct od_error *err);

#endif
