/* num.h -- numbers as text and as bytes, independent of locale and of the host's byte order. */
#ifndef OD_BASE_NUM_H
#define OD_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

#define OD_NUM_TEXT 40

/* The shortest decimal that reads back as v ("0.1", "-3", "1e-300"); "null" when v is not finite. */
void od_num_format(char text[OD_NUM_TEXT], double v);

/* The whole of s as a finite double ("1e-6", ".5", "-3"); false on anything else. Never looks at the locale. */
bool od_num_double(const char *s, double *out);

/* The whole of s as a decimal integer; false on anything else or overflow. */
bool od_num_int(const char *s, int64_t *out);

/* A size with an optional binary suffix: "4096", "512K", "2.5G" (powers of 1024; KB, KiB and K mean the same). */
bool od_num_size(const char *s, int64_t *out);

/* Bytes for people: "1.5 GiB". */
void od_num_human_bytes(char text[OD_NUM_TEXT], double bytes);

static inline uint64_t
od_get_le64(const void *p)
{
	uint8_t b[8];
	uint64_t v = 0;

	memcpy(b, p, 8);
	for (int i = 7; i >= 0; i--)
		v = v << 8 | b[i];
	return v;
}

static inline uint32_t
od_get_le32(const void *p)
{
	uint8_t b[4];

	memcpy(b, p, 4);
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint16_t
od_get_le16(const void *p)
{
	uint8_t b[2];

	memcpy(b, p, 2);
	return (uint16_t)(b[0] | b[1] << 8);
}

static inline void
od_put_le64(void *p, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	memcpy(p, b, 8);
}

static inline void
od_put_le32(void *p, uint32_t v)
{
	uint8_t b[4];

	for (int i = 0; i < 4; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	memcpy(p, b, 4);
}

/* bfloat16 is the upper half of a float; rounding is to nearest even, NaN stays NaN. */
static inline float
od_bf16_to_f32(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

static inline uint16_t
od_f32_to_bf16(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	if ((u & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

float od_f16_to_f32(uint16_t h);
uint16_t od_f32_to_f16(float f);

static inline int64_t
od_smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
od_larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

#endif
