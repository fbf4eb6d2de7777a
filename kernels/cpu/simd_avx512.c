/* simd_avx512.c -- the vector kernels for AVX-512: vectors of 16 floats. */
#include "cpu/simd.h"

#if defined(__AVX512F__)

#define VW 16
#include "cpu/vec.inc.h"
#include "cpu/bf16.inc.h"
#include "cpu/tile.inc.h"
#include "cpu/elem.inc.h"
#include "cpu/attn_tree.inc.h"
#include "cpu/attn_f32.inc.h"
#include "cpu/attn_bf16.inc.h"
#include "cpu/attn_bf16_fwd.inc.h"
#include "cpu/attn_bf16_bwd.inc.h"
#include "cpu/attn.inc.h"
#include "cpu/head.inc.h"
#include "cpu/dots.inc.h"
#include "cpu/attn_paged.inc.h"

const struct cpu_kernels od_cpu_kernels_avx512 = {
	.name = "avx512", .bf16 = { "avx512", bf16_product, bf16_multiply, dots_bf16 },
#include "cpu/table.inc.h"
};

#endif
