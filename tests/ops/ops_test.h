/* ops_test.h -- matrices with sentinels, random fills and comparisons for the tests of the operations.
 *
 * The same tests are compiled for the CPU backend, in every set of kernels this processor has, and with OD_TEST_CUDA for the
 * CUDA backend in fp32 and bf16, on a GPU or on its emulation (visitor.h). In bf16 all data are exact in bf16, so what a
 * result differs from the reference by is the rounding of results and of what the kernel rounds inside.
 */
#ifndef OD_TESTS_OPS_TEST_H
#define OD_TESTS_OPS_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "base/num.h"
#include "base/rng.h"
#include "cpu/simd.h"

#define GUARD 64                   /* floats of sentinel in front of and behind every matrix */
#define SENTINEL 0x7fadbeefu       /* a NaN no computation makes */

static struct od_backend *ref, *cpu, *cpu1;      /* the reference; what is tested, on two threads and on one */
static struct od_rng rng;
static enum od_dtype data_type = OD_F32;         /* type in which all data are exact */
static double tol_factor = 1, tol_floor = 0;     /* of expect_near's tolerances, by variant */

/* A matrix of rows x cols with 'pad' sentinels behind each row. m is the view to hand to an operation. */
struct tmat {
	float *base;
	struct od_mat m;
};

static inline float
sentinel(void)
{
	uint32_t u = SENTINEL;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

static inline int
is_sentinel(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	return u == SENTINEL;
}

static inline float *
at(const struct tmat *t, int64_t r, int64_t c)
{
	return (float *)t->m.data + r * t->m.ld + c;
}

static inline float
exact(float f)
{
	return data_type == OD_BF16 ? od_bf16_to_f32(od_f32_to_bf16(f)) : f;
}

/* Filled with uniform numbers of variance scale^2. */
static inline struct tmat
tmat_new(int64_t rows, int64_t cols, int64_t pad, double scale)
{
	struct tmat t;
	int64_t ld = cols + pad, n = 2 * GUARD + rows * ld;

	t.base = aligned_alloc(64, ((size_t)n * sizeof(float) / 64 + 1) * 64);
	assert_non_null(t.base);
	for (int64_t i = 0; i < n; i++)
		t.base[i] = sentinel();
	t.m = (struct od_mat){ t.base + GUARD, OD_F32, rows, cols, ld };
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < cols; c++)
			*at(&t, r, c) = exact((float)(scale * 3.4641 * (od_rng_uniform(&rng) - 0.5)));
	return t;
}

static inline struct tmat
tmat_clone(const struct tmat *t)
{
	struct tmat u = tmat_new(0, 0, 0, 0);
	size_t n = (size_t)(2 * GUARD + t->m.rows * t->m.ld) * sizeof(float);

	free(u.base);
	u.base = aligned_alloc(64, (n / 64 + 1) * 64);
	assert_non_null(u.base);
	memcpy(u.base, t->base, n);
	u.m = t->m;
	u.m.data = u.base + GUARD;
	return u;
}

static inline void
tmat_free(struct tmat *t)
{
	free(t->base);
	t->base = NULL;
}

/* Fails when a float outside the matrix was written, or one inside was left a sentinel. */
static inline void
tmat_check_guards(const struct tmat *t, const char *what)
{
	int64_t n = 2 * GUARD + t->m.rows * t->m.ld;

	for (int64_t i = 0; i < n; i++) {
		int64_t j = i - GUARD;
		int inside = j >= 0 && j < t->m.rows * t->m.ld && j % t->m.ld < t->m.cols;

		if (is_sentinel(t->base[i]) == inside)
			fail_msg("%s: %s at float %lld of a %lld x %lld matrix", what, inside ? "nothing written" : "sentinel lost",
				(long long)j, (long long)t->m.rows, (long long)t->m.cols);
	}
}

/* got against want within tol times the largest entry of want, or of 'size' when the terms of its sums are that large
 * and may cancel; guards of got too. */
static inline void
expect_near(const struct tmat *got, const struct tmat *want, double tol, double size, const char *what)
{
	double top = size;

	tol = fmax(tol * tol_factor, tol_floor);
	tmat_check_guards(got, what);
	for (int64_t r = 0; r < want->m.rows; r++)
		for (int64_t c = 0; c < want->m.cols; c++)
			top = fmax(top, fabs((double)*at(want, r, c)));
	for (int64_t r = 0; r < want->m.rows; r++)
		for (int64_t c = 0; c < want->m.cols; c++) {
			double d = fabs((double)*at(got, r, c) - *at(want, r, c));

			if (!(d <= tol * (top + 1e-30)))
				fail_msg("%s: [%lld,%lld] is %.9g, wanted %.9g (off by %.3g of the largest, allowed %.3g)", what,
					(long long)r, (long long)c, (double)*at(got, r, c), (double)*at(want, r, c), d / (top + 1e-30), tol);
		}
}

static inline void
expect_same(const struct tmat *got, const struct tmat *want, const char *what)
{
	assert_int_equal(got->m.rows, want->m.rows);
	for (int64_t r = 0; r < want->m.rows; r++)
		if (memcmp(at(got, r, 0), at(want, r, 0), (size_t)want->m.cols * sizeof(float)))
			fail_msg("%s: row %lld differs in its bits", what, (long long)r);
}

static inline struct od_backend *
open_backend(const char *name, enum od_compute compute, int threads)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_backend *be = NULL;

	if (od_backend_open(&be, name, compute, threads, &err) != OD_OK) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return be;
}

#include "visitor.h"

#ifdef OD_TEST_CUDA
static struct od_backend *device[2], visitor[2];
static const char *const device_names[] = { "fp32", "bf16" };

/* The device's own exp and division are a few roundings worse than the host's. A bf16 result is half a unit off, 2^-9 of
 * it; where products of rounded terms cancel (attention's P and dS) more of the largest entry. */
static inline int
use_variant(size_t i)
{
	const char *only = getenv("OD_TEST_DTYPE");

	if (only && strcmp(only, device_names[i]) != 0)
		return 0;
	cpu = cpu1 = &visitor[i];
	data_type = device[i]->type;
	tol_factor = 4;
	tol_floor = i ? 0.01 : 0;
	return 1;
}

#define FOR_EACH_VARIANT(i) for (size_t i = 0; i < 2; i++) if (use_variant(i))
#else
/* Every test runs with every set of kernels this processor has, with oneDNN's products and our own; and in bf16, with each of
 * its products, through the visitor. */
struct variant {
	int kernels, own_gemm, bf16;           /* bf16: od_cpu_bf16_variant's, -1: fp32 */
};

static const struct variant variants[] = { { 0, 0, -1 }, { 0, 1, -1 }, { 1, 1, -1 }, { 2, 1, -1 }, { 0, 1, 0 }, { 0, 1, 1 }, { 0, 1, 2 },
	{ 1, 1, 2 }, { 2, 1, 2 } };

static struct od_backend *device[2], visitor[2];

static inline int
open_variant(const struct variant *v, int i)
{
	od_backend_close(device[i]);
	device[i] = open_backend("cpu", v->bf16 < 0 ? OD_COMPUTE_FP32 : OD_COMPUTE_BF16, 2 - i);
	visitor[i] = visitor_of(device[i]);
	return od_cpu_variant(device[i], v->kernels, v->own_gemm) && (v->bf16 < 0 || od_cpu_bf16_variant(device[i], v->bf16));
}

/* Opens cpu and cpu1 again, as variant i; 0 when this processor has no such variant. */
static inline int
use_variant(size_t i)
{
	const struct variant *v = &variants[i];
	const char *only = getenv("OD_TEST_DTYPE");

	if (only && strcmp(only, v->bf16 < 0 ? "fp32" : "bf16") != 0)
		return 0;
	if (!open_variant(v, 0) || !open_variant(v, 1))
		return 0;
	cpu = v->bf16 < 0 ? device[0] : &visitor[0];
	cpu1 = v->bf16 < 0 ? device[1] : &visitor[1];
	data_type = device[0]->type;
	tol_factor = v->bf16 < 0 ? 1 : 4;
	tol_floor = v->bf16 < 0 ? 0 : 0.01;
	return 1;
}

#define FOR_EACH_VARIANT(i) for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) if (use_variant(i))
#endif

/* Where every access is watched (the emulator's race build, sanitizers: OD_TEST_QUICK) a part of the cases is enough: one in
 * 'keep'. */
static int quick;

static inline int
leave_out(size_t i, size_t keep)
{
	return quick && i % keep != 0;
}

/* Opens the backends and prints the seed; OD_TEST_SEED repeats a run. */
static inline void
ops_begin(const char *program)
{
	const char *text = getenv("OD_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 10) : 20240607;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	rng = od_rng_init(seed, 1);
	quick = strstr(program, "/race/") || getenv("OD_TEST_QUICK");
	printf("# seed %llu\n", (unsigned long long)seed);
	ref = open_backend("ref", OD_COMPUTE_AUTO, 0);
#ifdef OD_TEST_CUDA
	for (int i = 0; i < 2; i++) {
		device[i] = open_backend("cuda", i ? OD_COMPUTE_BF16 : OD_COMPUTE_FP32, 0);
		visitor[i] = visitor_of(device[i]);
	}
	cpu = cpu1 = &visitor[0];
	use_variant(0);
#else
	for (size_t i = 0; !use_variant(i); i++)
		;
#endif
	printf("# %s\n", cpu->numerics);
}

static inline int
ops_end(int failed)
{
	if (!cpu->ok(cpu) || !cpu1->ok(cpu1) || !ref->ok(ref))
		failed = 1;
	od_backend_close(device[0]);
	od_backend_close(device[1]);
	od_backend_close(ref);
	return failed;
}

#endif
