/* ref_backend.c -- the reference backend's table and memory operations. */
#include "ref/ref.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

void *
od_ref_alloc(struct od_backend *be, size_t bytes)
{
	(void)be;
	if (bytes > SIZE_MAX - 128)
		return NULL;
	return aligned_alloc(64, (bytes / 64 + 1) * 64);
}

void
od_ref_free(struct od_backend *be, void *p)
{
	(void)be;
	free(p);
}

void
od_ref_upload(struct od_backend *be, void *dev, const void *host, size_t bytes)
{
	(void)be;
	if (bytes)
		memcpy(dev, host, bytes);
}

void
od_ref_download(struct od_backend *be, void *host, const void *dev, size_t bytes)
{
	(void)be;
	if (bytes)
		memcpy(host, dev, bytes);
}

void
od_ref_zero(struct od_backend *be, void *dev, size_t bytes)
{
	(void)be;
	if (bytes)
		memset(dev, 0, bytes);
}

int
od_ref_ok(struct od_backend *be)
{
	return !((struct ref_ctx *)be->ctx)->failed;
}

const char *
od_ref_failure(struct od_backend *be)
{
	(void)be;
	return "out of memory";
}

int64_t
od_ref_room(struct od_backend *be)
{
	(void)be;
	return -1;
}

static float
load(const struct od_mat *m, int64_t r, int64_t c)
{
	int64_t i = r * m->ld + c;

	return m->type == OD_BF16 ? od_bf16_to_f32(((const uint16_t *)m->data)[i]) : ((const float *)m->data)[i];
}

void
od_ref_cast(struct od_backend *be, struct od_mat out, struct od_mat in)
{
	(void)be;
	for (int64_t r = 0; r < in.rows; r++)
		for (int64_t c = 0; c < in.cols; c++) {
			float x = load(&in, r, c);

			if (out.type == OD_BF16)
				((uint16_t *)out.data)[r * out.ld + c] = od_f32_to_bf16(x);
			else
				((float *)out.data)[r * out.ld + c] = x;
		}
}

double *
od_ref_scratch(struct od_backend *be, int64_t n)
{
	double *p = od_calloc((size_t)n, sizeof *p);

	if (!p)
		((struct ref_ctx *)be->ctx)->failed = 1;
	return p;
}

enum od_status
od_ref_open(struct od_backend **out, struct od_error *err)
{
	struct od_backend *be = od_calloc(1, sizeof *be + sizeof(struct ref_ctx));

	if (!be)
		return od_fail_nomem(err, "backend 'ref'", sizeof *be);
	be->name = "ref";
	be->numerics = "ref fp64 k1";
	be->type = OD_F32;
	be->host_memory = true;
	be->ctx = be + 1;
#define OD_OP(ret, op, args) be->op = od_ref_##op;
#include "ops.def"
#undef OD_OP
	*out = be;
	return OD_OK;
}

void
od_ref_close(struct od_backend *be)
{
	free(be);
}
