/* session.h -- what a tool that runs a model has open: backend, weights, tokenizer, token rules. */
#ifndef OD_TOOLS_SESSION_H
#define OD_TOOLS_SESSION_H

#include "base/error.h"
#include "common/device_opts.h"
#include "common/rules_opts.h"
#include "model/engine.h"
#include "pref/rules.h"
#include "text/tokenizer.h"

struct od_session {
	struct od_backend *be;
	struct od_model model;
	struct od_tokenizer *tokenizer;            /* NULL when the directory has none: records must then carry ids */
	struct od_rules rules;
};

/* Loads the model directory, for scoring only, onto the device asked for, with 'threads' processor threads (0: all allowed
 * cores). */
OD_MUST_CHECK enum od_status od_session_open(struct od_session *s, const char *dir, const struct od_device_options *dev,
	int threads, const struct od_rules_options *ro, struct od_error *err);
void od_session_close(struct od_session *s);       /* a zeroed session is fine */

/* The reference block that says how log-probs of this session are made. */
void od_session_ref_info(const struct od_session *s, struct od_ref_info *ref);

#endif
