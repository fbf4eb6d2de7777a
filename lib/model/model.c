/* model.c -- loading a model directory onto a backend. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/safetensors.h"
#include "model/engine.h"
#include "model/load.h"

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

enum od_status
od_model_place(struct od_model *m, const float *host, bool frozen, struct od_error *err)
{
	struct od_placing p = { .m = m };
	enum od_status st = allocate(m, frozen, err);

	if (st == OD_OK)
		st = od_placing_begin(&p, err);
	for (int i = 0; st == OD_OK && i < m->params.n; i++)
		for (int64_t at = 0, n, all = m->params.table[i].rows * m->params.table[i].cols; at < all; at += n) {
			n = od_smaller(all - at, OD_PLACING_MOST);
			od_placing_put(&p, i, at, host + m->params.table[i].offset + at, n);
		}
	od_placing_end(&p);
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
		st = od_params_layout(&m->params, &m->config, m->config.reward.head == OD_HEAD_LM &&
			od_safetensors_find(s, "lm_head.weight") != NULL, err);
	if (st == OD_OK)
		st = allocate(m, frozen, err);
	if (st == OD_OK)
		st = od_load_weights(m, s, err);
	if (st == OD_EFORMAT)
		od_error_prefix(err, "%s: ", dir);
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
