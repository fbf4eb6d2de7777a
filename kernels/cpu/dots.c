/* dots.c -- products of few rows: each thread takes a share of b's rows, and reads it once. */
#include "cpu/cpu.h"

#include <omp.h>

#include "cpu/simd.h"

void
od_cpu_dots(struct od_backend *be, struct od_mat out, struct od_mat a, struct od_mat b, struct od_mat x)
{
	enum { UNIT = 8 };
	struct cpu_ctx *ctx = cpu_ctx(be);
	int64_t size = (int64_t)od_dtype_size(b.type), units = (out.cols + UNIT - 1) / UNIT;
	__typeof__(ctx->bf16->dots) dots = b.type == OD_F32 ? ctx->k->dots_f32 : ctx->bf16->dots;

#pragma omp parallel num_threads(ctx->threads)
	{
		int64_t t = omp_get_thread_num(), n = omp_get_num_threads();
		int64_t from = units * t / n * UNIT, to = units * (t + 1) / n * UNIT;
		struct od_mat part = od_mat_cols(out, from, (to < out.cols ? to : out.cols) - from);
		struct bf16_result r = { part.data, part.type, part.ld, part.cols, 0, x.data ? (const float *)x.data + from : NULL, x.ld };

		if (part.cols > 0)
			dots(out.rows, part.cols, a.cols, a.data, a.ld, (const char *)b.data + from * b.ld * size, b.ld, &r);
	}
}
