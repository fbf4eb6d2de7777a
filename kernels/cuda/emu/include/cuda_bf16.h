/* cuda_bf16.h -- the emulator's own: bf16 storage and its conversions. Left out on purpose: arithmetic on bf16, which
 * kernels do not use (device.h). */
#ifndef OD_EMU_CUDA_BF16_H
#define OD_EMU_CUDA_BF16_H

#include <stdint.h>
#include <string.h>

#include "cuda_runtime.h"

struct __align__(2) OD_EMU_ALIAS __nv_bfloat16 { uint16_t bits; };
struct __align__(4) OD_EMU_ALIAS __nv_bfloat162 { __nv_bfloat16 x, y; };

static inline float
__bfloat162float(__nv_bfloat16 h)
{
	uint32_t u = (uint32_t)h.bits << 16;
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

/* To nearest, ties to even; every NaN becomes the device's 0x7fff. */
static inline __nv_bfloat16
__float2bfloat16(float x)
{
	__nv_bfloat16 h;
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	if ((u & 0x7fffffffu) > 0x7f800000u)
		h.bits = 0x7fff;
	else
		h.bits = (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
	return h;
}

static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __float2bfloat16(x); }

static inline __nv_bfloat162
__floats2bfloat162_rn(float lo, float hi)
{
	return __nv_bfloat162{ __float2bfloat16(lo), __float2bfloat16(hi) };
}

static inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return __floats2bfloat162_rn(v.x, v.y); }
static inline float __low2float(__nv_bfloat162 v) { return __bfloat162float(v.x); }
static inline float __high2float(__nv_bfloat162 v) { return __bfloat162float(v.y); }
static inline float2 __bfloat1622float2(__nv_bfloat162 v) { return make_float2(__low2float(v), __high2float(v)); }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) { return __nv_bfloat16{ u }; }

#endif
