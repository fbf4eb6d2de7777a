/* simd_plain.c -- the vector kernels for what every processor of the architecture has: vectors of 4 floats. */
#include "cpu/simd.h"

#define VW 4
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

const struct cpu_kernels od_cpu_kernels_plain = {
	.name = "plain", .bf16 = { "plain", bf16_product, bf16_multiply, dots_bf16 },
#include "cpu/table.inc.h"
};
