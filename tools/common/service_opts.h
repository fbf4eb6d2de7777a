/* service_opts.h -- the options of every tool that asks a language model behind an OpenAI-compatible service. */
#ifndef OD_TOOLS_SERVICE_OPTS_H
#define OD_TOOLS_SERVICE_OPTS_H

#include <jansson.h>

#include "common/cli.h"
#include "io/openai.h"

struct od_service_options {
	const char *key_env, *key_file, *key_header, *ca_file, *cache, *extra;
	int64_t parallel, retries, attempts;
	double connect_timeout, timeout, price_in, price_out;
	bool no_default_key;                       /* without --key-file and --key-env there is no key; no option */
	/* filled by od_service_finish */
	char *key;
	json_t *more;                              /* extra, parsed; NULL: none */
};

#define OD_SERVICE_OPTIONS_INIT { .parallel = 8, .retries = 5, .attempts = 3, .connect_timeout = 30, .timeout = 600 }

extern const struct od_opt od_service_opts[];      /* base: struct od_service_options; the group "Service" */

/* Reads the key: --key-file, else the variable that --key-env names, else OPENAI_API_KEY; that may be unset. Checks --extra.
 * Fills *o with all settings, for the base address `url`; seed is that of the waits. */
OD_MUST_CHECK enum od_status od_service_finish(struct od_service_options *s, const char *url, uint64_t seed,
	struct od_openai_options *o, struct od_error *err);
void od_service_release(struct od_service_options *s);

#endif
