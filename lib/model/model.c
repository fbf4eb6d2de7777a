/* model.c -- loading a model directory onto a backend. */
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"
#include "model/engine.h"

/* Fills the weights on the host and uploads them. On CPU backends the two are the same memory, so no second copy exists. */
static enum od_status
load_weights(struct od_model *m, const struct od_safetensors *s, const char *dir, struct od_error *err)
{
	size_t bytes = (size_t)m->params.total * sizeof(float);
	float *host = m->be->host_memory ? m->weights : malloc(bytes);
	enum od_status st;

	if (!host)
		return od_fail_nomem(err, "the weights", bytes);
	st = od_params_fill(&m->params, s, host, err);
	if (st == OD_EFORMAT)
		od_error_prefix(err, "%s: ", dir);
	if (st == OD_OK)
		st = od_params_hash(&m->params, host, m->hash, err);
	if (st == OD_OK && host != m->weights)
		m->be->upload(m->be, m->weights, host, bytes);
	if (host != m->weights)
		free(host);
	return st;
}

enum od_status
od_model_open(struct od_model *m, const char *dir, struct od_backend *be, struct od_error *err)
{
	struct od_safetensors *s = NULL;
	enum od_status st;

	memset(m, 0, sizeof *m);
	m->be = be;
	st = od_config_load(&m->config, dir, err);
	if (st == OD_OK)
		st = od_safetensors_open_dir(&s, dir, err);
	if (st == OD_OK)
		st = od_params_layout(&m->params, &m->config, od_safetensors_find(s, "lm_head.weight") != NULL, err);
	if (st == OD_OK) {
		m->weights = be->alloc(be, (size_t)m->params.total * sizeof(float));
		st = m->weights ? load_weights(m, s, dir, err)
			: od_fail_nomem(err, "the weights", (unsigned long long)m->params.total * sizeof(float));
	}
	od_safetensors_close(s);
	if (st != OD_OK)
		od_model_close(m);
	return st;
}

void
od_model_close(struct od_model *m)
{
	if (m->be && m->weights)
		m->be->free(m->be, m->weights);
	od_params_release(&m->params);
	memset(m, 0, sizeof *m);
}
