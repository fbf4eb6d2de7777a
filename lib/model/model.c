/* model.c -- loading a model directory onto a backend. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/safetensors.h"
#include "model/engine.h"

int64_t
od_model_bytes(const struct od_params *p, enum od_dtype type, bool frozen)
{
	int64_t copy = p->total * (int64_t)od_dtype_size(type), master = p->total * (int64_t)sizeof(float);

	if (type == OD_F32)
		return master;
	return copy + (frozen ? p->vectors * (int64_t)sizeof(float) : master);
}

static enum od_status
take(struct od_backend *be, void *place, size_t bytes, struct od_error *err)
{
	void *p = be->alloc(be, bytes);

	memcpy(place, &p, sizeof p);
	return p ? OD_OK : od_fail(err, OD_ENOMEM, "cannot allocate %zu bytes for the weights on device %s", bytes, be->name);
}

static enum od_status
allocate(struct od_model *m, bool frozen, struct od_error *err)
{
	struct od_backend *be = m->be;
	size_t total = (size_t)m->params.total;
	bool master = be->type == OD_F32 || !frozen;
	enum od_status st = OD_OK;

	if (master)
		st = take(be, &m->weights, total * sizeof(float), err);
	if (st == OD_OK && be->type == OD_F32)
		m->products = m->weights;
	else if (st == OD_OK)
		st = take(be, &m->products, total * od_dtype_size(be->type), err);
	if (st == OD_OK && !master)
		st = take(be, &m->vectors, (size_t)m->params.vectors * sizeof(float), err);
	return st;
}

#define CHUNK ((int64_t)1 << 24)       /* floats that pass through the device at a time */

/* host -> the products' copy, without fp32 weights on the device to make it from. */
static enum od_status
upload_rounded(struct od_model *m, const float *host, struct od_error *err)
{
	struct od_backend *be = m->be;
	int64_t total = m->params.total, most = total < CHUNK ? total : CHUNK;
	float *staging = NULL;
	enum od_status st = take(be, &staging, (size_t)most * sizeof *staging, err);

	for (int64_t at = 0, n; st == OD_OK && at < total; at += n) {
		char *to = (char *)m->products + (size_t)at * od_dtype_size(be->type);

		n = total - at < most ? total - at : most;
		be->upload(be, staging, host + at, (size_t)n * sizeof *host);
		be->cast(be, od_mat_of(to, be->type, 1, n), od_mat_f32(staging, 1, n));
	}
	be->free(be, staging);
	for (int i = 0; st == OD_OK && i < m->params.n; i++) {
		const struct od_param *p = &m->params.table[i];

		if (p->n_dims == 1)
			be->upload(be, m->vectors + p->vector_offset, host + p->offset, (size_t)p->rows * sizeof *host);
	}
	return st;
}

static enum od_status
upload(struct od_model *m, const float *host, struct od_error *err)
{
	struct od_backend *be = m->be;
	int64_t n = m->params.total;

	if (!m->weights)
		return upload_rounded(m, host, err);
	if (host != m->weights)
		be->upload(be, m->weights, host, (size_t)n * sizeof *host);
	if (m->products != m->weights)
		be->cast(be, od_mat_of(m->products, be->type, 1, n), od_mat_f32(m->weights, 1, n));
	return OD_OK;
}

enum od_status
od_model_place(struct od_model *m, const float *host, bool frozen, struct od_error *err)
{
	enum od_status st = allocate(m, frozen, err);

	return st == OD_OK ? upload(m, host, err) : st;
}

/* Fills the weights on the host and uploads them. On CPU backends the two are the same memory, so no second copy exists. */
static enum od_status
load_weights(struct od_model *m, const struct od_safetensors *s, const char *dir, struct od_error *err)
{
	bool in_place = m->be->host_memory && m->weights;
	size_t bytes = (size_t)m->params.total * sizeof(float);
	float *host = in_place ? m->weights : malloc(bytes);
	enum od_status st;

	if (!host)
		return od_fail_nomem(err, "the weights", bytes);
	st = od_params_fill(&m->params, s, host, err);
	if (st == OD_EFORMAT)
		od_error_prefix(err, "%s: ", dir);
	if (st == OD_OK)
		st = od_params_hash(&m->params, host, m->hash, err);
	if (st == OD_OK)
		st = upload(m, host, err);
	if (!in_place)
		free(host);
	return st;
}

enum od_status
od_model_open(struct od_model *m, const char *dir, struct od_backend *be, bool frozen, struct od_error *err)
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
	if (st == OD_OK)
		st = allocate(m, frozen, err);
	if (st == OD_OK)
		st = load_weights(m, s, dir, err);
	od_safetensors_close(s);
	if (st != OD_OK)
		od_model_close(m);
	return st;
}

void
od_model_close(struct od_model *m)
{
	struct od_backend *be = m->be;

	if (be) {
		if (m->products != m->weights)
			be->free(be, m->products);
		be->free(be, m->weights);
		be->free(be, m->vectors);
	}
	od_params_release(&m->params);
	memset(m, 0, sizeof *m);
}

enum od_status
od_host_floats(struct od_backend *be, const float *dev, int64_t n, float **owned, const float **out, struct od_error *err)
{
	size_t bytes = (size_t)n * sizeof(float);

	*owned = NULL;
	*out = dev;
	if (be->host_memory)
		return OD_OK;
	*owned = malloc(bytes);
	if (!*owned)
		return od_fail_nomem(err, "a copy of the parameters", bytes);
	be->download(be, *owned, dev, bytes);
	*out = *owned;
	return OD_OK;
}
