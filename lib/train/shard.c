#include "train/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

#define ALIGN_FLOATS 16

struct od_slice
od_shard_slice(const struct od_shard *s, int part, int rank)
{
	struct od_slice p = s->part[part];
	int64_t each = (p.n + s->n_ranks - 1) / s->n_ranks, from;

	each = (each + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
	from = od_smaller(rank * each, p.n);
	return (struct od_slice){ p.first + from, od_smaller(each, p.n - from) };
}

enum od_status
od_shard_open(struct od_shard *s, const struct od_params *p, int rank, int n_ranks, struct od_error *err)
{
	int n = n_ranks > 1 ? od_params_parts(p) : 1;
	enum od_status st;

	*s = (struct od_shard){ .rank = rank, .n_ranks = n_ranks, .n_parts = n };
	st = od_alloc(&s->part, (size_t)n, sizeof *s->part, "a table of slices", err);
	if (st == OD_OK)
		st = od_alloc(&s->at, (size_t)n, sizeof *s->at, "a table of slices", err);
	for (int i = 0; st == OD_OK && i < n; i++) {
		s->part[i] = (struct od_slice){ 0, p->total };
		if (n_ranks > 1)
			od_params_part(p, i, &s->part[i].first, &s->part[i].n);
		s->at[i] = s->own;
		s->own += od_shard_slice(s, i, rank).n;
		s->largest = od_larger(s->largest, od_shard_slice(s, i, 0).n);
	}
	if (st != OD_OK)
		od_shard_release(s);
	return st;
}

void
od_shard_release(struct od_shard *s)
{
	free(s->part);
	free(s->at);
	memset(s, 0, sizeof *s);
}

/* The run of [first, end) that a rank owns of a part; n <= 0: none. */
static struct od_slice
overlap(const struct od_shard *s, int part, int rank, int64_t first, int64_t end)
{
	struct od_slice own = od_shard_slice(s, part, rank);
	int64_t from = od_larger(first, own.first), to = od_smaller(end, own.first + own.n);

	return (struct od_slice){ from, to - from };
}

/* Calls fn with each run of floats of [first, first + n) that a rank owns: where it stands in the flat vector, its length,
 * and where in that rank's sharded vectors (for this rank only; else -1). */
typedef void run_fn(void *ctx, int64_t flat, int64_t len, int64_t local);

static void
each_run(const struct od_shard *s, int rank, int64_t first, int64_t n, run_fn *fn, void *ctx)
{
	for (int i = 0; i < s->n_parts; i++) {
		struct od_slice x = overlap(s, i, rank, first, first + n);

		if (x.n > 0)
			fn(ctx, x.first, x.n, rank == s->rank ? s->at[i] + x.first - od_shard_slice(s, i, rank).first : -1);
	}
}

/* ---- to rank 0 ------------------------------------------------------------------------------------------------- */

#define PIECE ((int64_t)1 << 20)           /* floats of a transfer: 4 MB */

/* One run of floats from its owner to rank 0. 'mine' is where the owner has it. */
static enum od_status
bring(const struct od_shard *s, struct od_ranks *r, struct od_backend *be, int owner, const float *mine, float *host, int64_t n,
	float *piece, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (owner == 0 && s->rank == 0) {
		be->download(be, host, mine, (size_t)n * sizeof *host);
		return OD_OK;
	}
	if (s->rank != 0 && s->rank != owner)
		return OD_OK;
	for (int64_t at = 0, k; st == OD_OK && at < n; at += k) {
		struct od_transfer t = { .peer = s->rank == 0 ? owner : 0, .send = s->rank != 0 };
		bool done;

		k = od_smaller(n - at, PIECE);
		t.data = t.send ? piece : host + at;
		t.bytes = (size_t)k * sizeof *host;
		if (t.send)
			be->download(be, piece, mine + at, t.bytes);
		st = r->start(r, &t, 1, err);
		if (st == OD_OK)
			st = r->finish(r, &t, 1, true, &done, err);
	}
	return st;
}

enum od_status
od_shard_fetch(const struct od_shard *s, struct od_ranks *r, struct od_backend *be, const float *dev, bool whole, int64_t first,
	int64_t n, float *host, struct od_error *err)
{
	float *piece = NULL;
	enum od_status st = OD_OK;

	if (s->n_ranks > 1)
		st = od_alloc(&piece, (size_t)od_smaller(n, PIECE), sizeof *piece, "parameters on their way", err);
	if (st != OD_OK)
		r->lost = true;                      /* the others are in it already */
	for (int i = 0; st == OD_OK && i < s->n_parts; i++)
		for (int k = 0; st == OD_OK && k < s->n_ranks; k++) {
			struct od_slice x = overlap(s, i, k, first, first + n);
			int64_t local = whole ? x.first : s->at[i] + x.first - od_shard_slice(s, i, k).first;

			if (x.n > 0)
				st = bring(s, r, be, k, k == s->rank ? dev + local : NULL,
					s->rank == 0 ? host + (x.first - first) : NULL, x.n, piece, err);
		}
	free(piece);
	return st;
}

/* ---- from a file ----------------------------------------------------------------------------------------------- */

struct reading {
	struct od_backend *be;
	float *values;                             /* [PIECE]: floats of the flat vector from 'first' on */
	int64_t first;
	float *dev;
};

static void
put_run(void *ctx, int64_t flat, int64_t len, int64_t local)
{
	const struct reading *a = ctx;

	a->be->upload(a->be, a->dev + local, a->values + (flat - a->first), (size_t)len * sizeof *a->values);
}

/* Elements [at, at + n) of a tensor. */
static struct od_tensor_view
part_of(const struct od_tensor_view *v, int64_t at, int64_t n)
{
	struct od_tensor_view part = *v;
	size_t size = od_dtype_size(v->dtype);

	part.data = (const char *)v->data + (size_t)at * size;
	part.n_elements = n;
	part.n_bytes = (size_t)n * size;
	return part;
}

static enum od_status
read_tensor(const struct od_shard *s, const struct od_param *e, const struct od_safetensors *file, const char *prefix,
	struct reading *a, struct od_error *err)
{
	const struct od_tensor_view *v;
	enum od_status st = OD_OK;
	char name[128];

	snprintf(name, sizeof name, "%s%s", prefix, e->name);
	v = od_safetensors_find(file, name);
	if (!v || v->n_elements != e->rows * e->cols)
		return od_fail(err, OD_EFORMAT, "tensor '%s' is missing or has another shape", name);
	for (int64_t at = 0, n; st == OD_OK && at < v->n_elements; at += n) {
		struct od_tensor_view part = part_of(v, at, n = od_smaller(v->n_elements - at, PIECE));

		st = od_tensor_to_f32(&part, a->values, err);
		a->first = e->offset + at;
		if (st == OD_OK)
			each_run(s, s->rank, a->first, n, put_run, a);
	}
	od_safetensors_forget(file, v);
	return st;
}

enum od_status
od_shard_read(const struct od_shard *s, const struct od_params *p, const struct od_safetensors *file, const char *prefix,
	struct od_backend *be, float *dev, struct od_error *err)
{
	struct reading a = { .be = be, .dev = dev };
	enum od_status st = od_alloc(&a.values, (size_t)PIECE, sizeof *a.values, "a piece of a tensor", err);

	for (int i = 0; st == OD_OK && i < p->n; i++)
		st = read_tensor(s, &p->table[i], file, prefix, &a, err);
	free(a.values);
	return st;
}

/* ---- gains and biases ------------------------------------------------------------------------------------------ */

/* A rank's floats of the vectors, packed one behind the other. */
struct packing {
	struct od_backend *be;
	const float *master;
	float *packed, *host;                      /* both [p->vectors]; host as the model's vectors are laid out */
	int64_t n, shift;                          /* floats so far; from a place in the flat vector to one in host */
};

static void
count_run(void *ctx, int64_t flat, int64_t len, int64_t local)
{
	struct packing *a = ctx;

	(void)flat, (void)local;
	a->n += len;
}

static void
pack_run(void *ctx, int64_t flat, int64_t len, int64_t local)
{
	struct packing *a = ctx;

	(void)flat;
	a->be->download(a->be, a->packed + a->n, a->master + local, (size_t)len * sizeof *a->packed);
	a->n += len;
}

static void
unpack_run(void *ctx, int64_t flat, int64_t len, int64_t local)
{
	struct packing *a = ctx;

	(void)local;
	memcpy(a->host + flat - a->shift, a->packed + a->n, (size_t)len * sizeof *a->host);
	a->n += len;
}

static void
each_vector(const struct od_shard *s, int rank, const struct od_params *p, struct packing *a, run_fn *fn)
{
	a->n = 0;
	for (int i = 0; i < p->n; i++) {
		const struct od_param *e = &p->table[i];

		a->shift = e->offset - e->vector_offset;
		if (e->n_dims == 1)
			each_run(s, rank, e->offset, e->rows, fn, a);
	}
}

enum od_status
od_shard_vectors(const struct od_shard *s, struct od_ranks *r, struct od_backend *be, const struct od_params *p,
	const float *master, float *vectors, struct od_error *err)
{
	struct packing a = { .be = be, .master = master };
	enum od_status st = od_alloc(&a.packed, (size_t)p->vectors, sizeof *a.packed, "gains and biases", err);

	if (st == OD_OK)
		st = od_alloc(&a.host, (size_t)p->vectors, sizeof *a.host, "gains and biases", err);
	if (st != OD_OK)
		r->lost = true;                      /* the others are in it already */
	for (int k = 0; st == OD_OK && k < s->n_ranks; k++) {
		each_vector(s, k, p, &a, k == s->rank ? pack_run : count_run);
		st = r->broadcast(r, k, a.packed, (size_t)a.n * sizeof *a.packed, err);
		if (st == OD_OK)
			each_vector(s, k, p, &a, unpack_run);
	}
	if (st == OD_OK)
		be->upload(be, vectors, a.host, (size_t)p->vectors * sizeof *vectors);
	free(a.packed);
	free(a.host);
	return st;
}
