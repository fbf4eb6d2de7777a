#include "common/service_opts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/stream.h"

#define T struct od_service_options

const struct od_opt od_service_opts[] = {
	OD_OPT_STR(T, key_env, "key-env", "NAME", "environment variable that holds the service's key (OPENAI_API_KEY)"),
	OD_OPT_STR(T, key_file, "key-file", "FILE", "file that holds the service's key"),
	OD_OPT_STR(T, key_header, "key-header", "NAME", "send the key in this header instead of Authorization: Bearer"),
	OD_OPT_STR(T, ca_file, "ca-file", "FILE", "certificates to trust (PEM), in place of the system's"),
	OD_OPT_STR(T, cache, "cache", "DIR", "keep answers here, and ask nothing that has one"),
	OD_OPT_INT(T, parallel, "parallel", "N", 1, 1024, "requests in flight"),
	OD_OPT_INT(T, retries, "retries", "N", 0, 100, "further tries of a request that fails in a way that may pass"),
	OD_OPT_INT(T, attempts, "attempts", "N", 1, 100, "ask so often until an answer is of use"),
	OD_OPT_DOUBLE(T, connect_timeout, "connect-timeout", "S", 0.001, 86400, "seconds to wait for a connection"),
	OD_OPT_DOUBLE(T, timeout, "timeout", "S", 0.001, 86400, "seconds to wait for one answer"),
	OD_OPT_DOUBLE(T, price_in, "price-in", "P", 0, 1e9, "price of a million tokens of requests, for the summary"),
	OD_OPT_DOUBLE(T, price_out, "price-out", "P", 0, 1e9, "price of a million tokens of answers, for the summary"),
	OD_OPT_STR(T, extra, "extra", "JSON", "object whose members are added to every request"),
	OD_OPT_END
};

static enum od_status
read_key(struct od_service_options *s, struct od_error *err)
{
	const char *name = s->key_env ? s->key_env : "OPENAI_API_KEY", *value;
	size_t n = 0;
	enum od_status st;

	if (s->key_file && s->key_env)
		return od_fail(err, OD_EUSAGE, "options '--key-file' and '--key-env' exclude each other");
	if (s->key_file) {
		st = od_in_slurp(s->key_file, 65536, &s->key, &n, err);
		while (st == OD_OK && n && strchr(" \t\r\n", s->key[n - 1]))
			s->key[--n] = '\0';
		if (st == OD_OK && (!n || strlen(s->key) != n))
			return od_fail(err, OD_EUSAGE, "file '%s' of '--key-file' holds no key", s->key_file);
		return st;
	}
	value = s->key_env || !s->no_default_key ? getenv(name) : NULL;
	if (s->key_env && !(value && *value))
		return od_fail(err, OD_EUSAGE, "variable '%s' of '--key-env' is not set", name);
	s->key = od_strdup(value ? value : "");
	return s->key ? OD_OK : od_fail_nomem(err, "a key", 0);
}

enum od_status
od_service_finish(struct od_service_options *s, const char *url, uint64_t seed, struct od_openai_options *o, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (s->extra)
		st = od_json_parse(s->extra, strlen(s->extra), "--extra", &s->more, err);
	if (st != OD_OK || (s->more && !json_is_object(s->more)))
		return od_fail(err, OD_EUSAGE, "option '--extra' must be a JSON object, not '%.200s'", s->extra);
	st = read_key(s, err);
	if (st != OD_OK)
		return st;
	*o = (struct od_openai_options)OD_OPENAI_OPTIONS_INIT;
	o->http.url = url;
	o->http.key = s->key;
	o->http.key_header = s->key_header;
	o->http.ca_file = s->ca_file;
	o->http.parallel = s->parallel;
	o->http.retries = s->retries;
	o->http.connect_timeout = s->connect_timeout;
	o->http.timeout = s->timeout;
	o->http.seed = seed;
	o->cache = s->cache;
	o->attempts = s->attempts;
	return OD_OK;
}

void
od_service_release(struct od_service_options *s)
{
	if (s->key)
		explicit_bzero(s->key, strlen(s->key));
	free(s->key);
	json_decref(s->more);
	s->key = NULL;
	s->more = NULL;
}
