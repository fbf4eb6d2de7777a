#include "model/load.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

#ifndef _OPENMP
#define omp_get_thread_num()  0
#define omp_get_num_threads() 1
#define omp_get_max_threads() 1
#endif

/* ---- placing --------------------------------------------------------------------------------------------------- */

/* What lies between parameter i and the next is cleared: the optimiser goes over it too. */
static void
clear_padding(struct od_model *m, int i)
{
	struct od_backend *be = m->be;
	const struct od_param *e = &m->params.table[i];
	int64_t end = e->offset + e->rows * e->cols, next = i + 1 < m->params.n ? e[1].offset : m->params.total;
	size_t size = od_dtype_size(m->weights ? OD_F32 : be->type);
	char *base = m->weights ? (char *)m->weights : m->products;

	if (next > end)
		be->zero(be, base + (size_t)end * size, (size_t)(next - end) * size);
}

enum od_status
od_placing_begin(struct od_placing *p, struct od_error *err)
{
	struct od_model *m = p->m;
	struct od_backend *be = m->be;
	size_t most = (size_t)od_smaller(m->params.total, OD_PLACING_MOST) * sizeof(float);

	p->staging = NULL;
	if (m->weights)
		return OD_OK;
	p->staging = be->alloc(be, most);
	return p->staging ? OD_OK : od_fail_nomem(err, "weights on their way", most);
}

void
od_placing_put(struct od_placing *p, int i, int64_t first, const float *values, int64_t n)
{
	struct od_model *m = p->m;
	struct od_backend *be = m->be;
	const struct od_param *e = &m->params.table[i];
	char *product = (char *)m->products + (size_t)(e->offset + first) * od_dtype_size(be->type);
	size_t bytes = (size_t)n * sizeof *values;

	if (first + n == e->rows * e->cols)
		clear_padding(m, i);
	if (m->weights) {
		be->upload(be, m->weights + e->offset + first, values, bytes);
		return;
	}
	be->upload(be, p->staging, values, bytes);
	be->cast(be, od_mat_of(product, be->type, 1, n), od_mat_f32(p->staging, 1, n));
	if (e->n_dims == 1)
		be->upload(be, m->vectors + e->vector_offset + first, values, bytes);
}

void
od_placing_end(struct od_placing *p)
{
	struct od_model *m = p->m;
	struct od_backend *be = m->be;
	int64_t n = m->params.total;

	if (m->weights && m->products != m->weights)
		be->cast(be, od_mat_of(m->products, be->type, 1, n), od_mat_f32(m->weights, 1, n));
	be->free(be, p->staging);
	p->staging = NULL;
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

/* Values of one parameter on the host. */
struct piece {
	int param;
	int64_t first, n;                          /* n = 0: there is none */
	const struct od_tensor_view *tensor;
	float *values;
};

struct loader {
	struct od_model *m;
	const struct od_safetensors *s;
	struct od_placing placing;
	struct od_sha256 *hash;
	bool in_place;                             /* host and device are one: values are converted where they stay */
	float *buffer[2];
	int turn;
};

/* The piece behind p, not yet converted. */
static struct piece
piece_after(const struct loader *l, const struct piece *p)
{
	const struct od_params *params = &l->m->params;
	const struct od_param *e = &params->table[p->param];
	struct piece next = { .param = p->param, .first = p->first + p->n, .tensor = p->tensor };

	if (next.first == e->rows * e->cols) {
		next.param++;
		next.first = 0;
		next.tensor = NULL;
	}
	if (next.param < params->n) {
		e = &params->table[next.param];
		next.n = od_smaller(e->rows * e->cols - next.first, OD_PLACING_MOST);
	}
	return next;
}

static enum od_status
convert(struct loader *l, struct piece *p, struct od_error *err)
{
	const struct od_param *e = &l->m->params.table[p->param];
	struct od_tensor_view part;
	enum od_status st = p->tensor ? OD_OK : od_param_tensor(e, l->s, &p->tensor, err);

	if (st != OD_OK)
		return st;
	p->values = l->in_place ? l->m->weights + e->offset + p->first : l->buffer[l->turn ^= 1];
	part = od_tensor_part(p->tensor, p->first, p->n);
	st = od_tensor_to_f32(&part, p->values, err);
	if (p->first + p->n < e->rows * e->cols)
		return st;
	od_safetensors_forget(l->s, p->tensor);
	if (l->in_place)
		clear_padding(l->m, p->param);
	return st;
}

static void
hash(struct loader *l, const struct piece *p)
{
	if (p->first == 0)
		od_param_hash_head(l->hash, &l->m->params.table[p->param]);
	od_sha256_add(l->hash, p->values, (size_t)p->n * sizeof *p->values);
}

/* What the thread that owns the backend does with a piece while another hashes it: hands it over and makes the next. */
static enum od_status
move_on(struct loader *l, const struct piece *p, struct piece *next, struct od_error *err)
{
	if (!l->in_place)
		od_placing_put(&l->placing, p->param, p->first, p->values, p->n);
	return next->n ? convert(l, next, err) : OD_OK;
}

static enum od_status
load_all(struct loader *l, struct od_error *err)
{
	struct piece none = { 0 }, p = piece_after(l, &none);
	enum od_status st = p.n ? convert(l, &p, err) : OD_OK;

	while (st == OD_OK && p.n) {
		struct piece next = piece_after(l, &p);

#pragma omp parallel num_threads(omp_get_max_threads() > 1 ? 2 : 1)
		{
			if (omp_get_thread_num() == omp_get_num_threads() - 1)
				hash(l, &p);
			if (omp_get_thread_num() == 0)
				st = move_on(l, &p, &next, err);
		}
		p = next;
	}
	return st;
}

static enum od_status
make_buffers(struct loader *l, struct od_error *err)
{
	size_t most = (size_t)od_smaller(l->m->params.total, OD_PLACING_MOST);
	enum od_status st = OD_OK;

	for (int i = 0; i < 2 && st == OD_OK && !l->in_place; i++)
		st = od_alloc(&l->buffer[i], most, sizeof *l->buffer[i], "weights on their way", err);
	return st;
}

enum od_status
od_load_weights(struct od_model *m, const struct od_safetensors *s, struct od_error *err)
{
	struct loader l = { .m = m, .s = s, .placing = { .m = m }, .in_place = m->be->host_memory && m->weights };
	enum od_status st = make_buffers(&l, err);

	if (st == OD_OK)
		st = od_sha256_begin(&l.hash, err);
	if (st == OD_OK)
		st = od_placing_begin(&l.placing, err);
	if (st == OD_OK)
		st = load_all(&l, err);
	od_placing_end(&l.placing);
	od_sha256_end(l.hash, st == OD_OK ? m->hash : NULL);
	free(l.buffer[0]);
	free(l.buffer[1]);
	return st;
}
