/* head.h -- what the LM heads of both types share: which entries belong to a row, and what becomes of a row's logits. */
#ifndef OD_KERNELS_CPU_HEAD_H
#define OD_KERNELS_CPU_HEAD_H

#include "cpu/cpu.h"

struct head {
	struct cpu_ctx *ctx;
	struct od_mat h, w;
	float softcap;
	const struct od_targets *t;
	int64_t *first;            /* [rows + 1] first entry of each row */
	int quick;                 /* terms of sums are for bf16: simd.h */
};

/* 0 when memory is short. */
int od_head_init(struct head *a, struct cpu_ctx *ctx, struct od_mat h, struct od_mat w, float softcap, const struct od_targets *t);

/* Logits x[nv] of row r from vocabulary entry v0 on: their maximum and sum of exp(x - max); the wanted ones go to logps. */
void od_head_row_stats(const struct head *a, float *x, int64_t r, int64_t v0, int64_t nv, float *logps, float *max, float *sum);

/* The same logits to dlogit, in place. slope[e]: scratch, the derivative of the soft-cap at entry e's logit. */
void od_head_row_grad(const struct head *a, float *x, int64_t r, int64_t v0, int64_t nv, float lse, const float *coef, float *slope);

/* lse[rows] := lse + log(sum): from running maxima and sums; logps[e] -= lse of the entry's row. */
void od_head_finish(const struct head *a, float *logps, float *lse, const double *sum);

/* Folds (m, s) of a tile into the running pair of a row. */
void od_head_fold(float *max, double *sum, float m, float s);

/* head_bf16.c; memory is taken before anything is written. */
void od_cpu_head_fwd_bf16(struct head *a, float *logps, float *lse);
void od_cpu_head_bwd_bf16(struct head *a, struct od_mat dh, struct od_mat dw, const float *lse, const float *coef);

#endif
