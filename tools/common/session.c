#include "common/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic.h"

static enum od_status
open_tokenizer(struct od_session *s, const char *dir, struct od_error *err)
{
	char *path = od_path_join(dir, "tokenizer.json");
	enum od_status st = path ? OD_OK : od_fail_nomem(err, "a path", strlen(dir));

	if (st == OD_OK && od_path_exists(path))
		st = od_tokenizer_open(&s->tokenizer, dir, err);
	free(path);
	return st;
}

enum od_status
od_session_open(struct od_session *s, const char *dir, const struct od_device_options *dev, int threads,
	const struct od_rules_options *ro, struct od_error *err)
{
	enum od_status st;

	memset(s, 0, sizeof *s);
	st = od_device_open(&s->be, dev, threads, err);
	if (st == OD_OK)
		st = open_tokenizer(s, dir, err);
	if (st == OD_OK)
		st = od_rules_options_apply(ro, s->tokenizer, &s->rules, err);
	if (st == OD_OK)
		st = od_model_open(&s->model, dir, s->be, true, err);
	if (st != OD_OK)
		od_session_close(s);
	return st;
}

void
od_session_close(struct od_session *s)
{
	if (s->be)
		od_model_close(&s->model);
	od_tokenizer_close(s->tokenizer);
	od_backend_close(s->be);
	memset(s, 0, sizeof *s);
}

void
od_session_ref_info(const struct od_session *s, struct od_ref_info *ref)
{
	memset(ref, 0, sizeof *ref);
	snprintf(ref->model, sizeof ref->model, "%s", s->model.hash);
	if (s->tokenizer)
		snprintf(ref->tokenizer, sizeof ref->tokenizer, "%s", od_tokenizer_hash(s->tokenizer));
	od_rules_name(&s->rules, ref->rules);
	snprintf(ref->numerics, sizeof ref->numerics, "%s", s->be->numerics);
}
