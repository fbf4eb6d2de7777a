/* Blocks of quantised numbers to float32. In every type a value is scale * q, plus a minimum in the types "_1" and minus
 * one in the types "_K"; what differs is where the bits of q lie. Offsets of a block's members are given at each
 * function; half-precision numbers are little-endian. Products are formed in the order (d * scale) * q so that results
 * equal ggml's bit for bit. */
#include "io/gguf.h"

#include <string.h>

#include "base/num.h"

#define SUPER 256                              /* elements of a "_K" block: 8 groups of 32, or 16 of 16 */

typedef void dequant_fn(const unsigned char *block, float *out);

static float
half_at(const unsigned char *p)
{
	return od_f16_to_f32(od_get_le16(p));
}

/* float32, float64, bfloat16, float16: a block is one number. */
static void
one_f32(const unsigned char *b, float *out)
{
	memcpy(out, b, 4);
}

static void
one_f64(const unsigned char *b, float *out)
{
	double d;

	memcpy(&d, b, 8);
	*out = (float)d;
}

static void
one_f16(const unsigned char *b, float *out)
{
	*out = half_at(b);
}

static void
one_bf16(const unsigned char *b, float *out)
{
	*out = od_bf16_to_f32(od_get_le16(b));
}

/* d:2, int8 q[32] */
static void
q8_0(const unsigned char *b, float *out)
{
	float d = half_at(b);

	for (int i = 0; i < 32; i++)
		out[i] = (float)(int8_t)b[2 + i] * d;
}

/* Element i of 32 packed as nibbles: the low halves are elements 0..15, the high halves 16..31. */
static int
nibble(const unsigned char *q, int i)
{
	return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

/* d:2, nibbles[16] */
static void
q4_0(const unsigned char *b, float *out)
{
	float d = half_at(b);

	for (int i = 0; i < 32; i++)
		out[i] = (float)(nibble(b + 2, i) - 8) * d;
}

/* d:2, min:2, nibbles[16] */
static void
q4_1(const unsigned char *b, float *out)
{
	float d = half_at(b), m = half_at(b + 2);

	for (int i = 0; i < 32; i++)
		out[i] = (float)nibble(b + 4, i) * d + m;
}

/* d:2, fifth bits:4, nibbles[16] */
static void
q5_0(const unsigned char *b, float *out)
{
	float d = half_at(b);
	uint32_t high = od_get_le32(b + 2);

	for (int i = 0; i < 32; i++)
		out[i] = (float)((nibble(b + 6, i) | (int)(high >> i & 1) << 4) - 16) * d;
}

/* d:2, min:2, fifth bits:4, nibbles[16] */
static void
q5_1(const unsigned char *b, float *out)
{
	float d = half_at(b), m = half_at(b + 2);
	uint32_t high = od_get_le32(b + 4);

	for (int i = 0; i < 32; i++)
		out[i] = (float)(nibble(b + 8, i) | (int)(high >> i & 1) << 4) * d + m;
}

/* The 6-bit scale and minimum of group g of 8, packed in 12 bytes: the first four groups have theirs in the low six bits
 * of s[g] and s[g + 4]; the last four have four bits in s[g + 4] and the other two on top of the first groups' bytes. */
static void
group_scale(const unsigned char *s, int g, int *scale, int *min)
{
	if (g < 4) {
		*scale = s[g] & 63;
		*min = s[g + 4] & 63;
	} else {
		*scale = (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
		*min = s[g + 4] >> 4 | (s[g] >> 6) << 4;
	}
}

/* d:2, dmin:2, scales[12], nibbles[128]; two groups share 32 bytes, the even one in the low halves. 'fifth', if any,
 * holds bit 4 of the elements: bit g of fifth[l] for element l of group g. */
static void
q45_k(const unsigned char *b, const unsigned char *fifth, const unsigned char *nibbles, float *out)
{
	float d = half_at(b), dmin = half_at(b + 2);
	int scale, min, q;

	for (int g = 0; g < SUPER / 32; g++) {
		group_scale(b + 4, g, &scale, &min);
		float step = d * (float)scale, low = dmin * (float)min;

		for (int l = 0; l < 32; l++) {
			q = nibbles[g / 2 * 32 + l] >> g % 2 * 4 & 15;
			if (fifth)
				q |= (fifth[l] >> g & 1) << 4;
			out[g * 32 + l] = step * (float)q - low;
		}
	}
}

static void
q4_k(const unsigned char *b, float *out)
{
	q45_k(b, NULL, b + 16, out);
}

/* d:2, dmin:2, scales[12], fifth bits[32], nibbles[128] */
static void
q5_k(const unsigned char *b, float *out)
{
	q45_k(b, b + 16, b + 48, out);
}

/* nibbles[128], high pairs[64], int8 scales[16], d:2. Each half of the block has four groups of 32: groups 0 and 1 in the
 * low halves of 64 bytes, 2 and 3 in the high halves; their bits 4 and 5 are pair p of 32 bytes; a scale serves 16. */
static void
q6_k(const unsigned char *b, float *out)
{
	const unsigned char *nibbles = b, *pairs = b + 128, *scales = b + 192;
	float d = half_at(b + 208);

	for (int h = 0; h < 2; h++)
		for (int p = 0; p < 4; p++)
			for (int l = 0; l < 32; l++) {
				int low = nibbles[h * 64 + p % 2 * 32 + l] >> p / 2 * 4 & 15;
				int high = pairs[h * 32 + l] >> 2 * p & 3;
				int scale = (int8_t)scales[h * 8 + p * 2 + l / 16];

				out[h * 128 + p * 32 + l] = d * (float)scale * (float)((low | high << 4) - 32);
			}
}

static const struct {
	const char *name;
	size_t elements, bytes;
	dequant_fn *run;
} types[] = {
	[OD_GGML_F32] = { "F32", 1, 4, one_f32 },         [OD_GGML_F16] = { "F16", 1, 2, one_f16 },
	[OD_GGML_Q4_0] = { "Q4_0", 32, 18, q4_0 },        [OD_GGML_Q4_1] = { "Q4_1", 32, 20, q4_1 },
	[OD_GGML_Q5_0] = { "Q5_0", 32, 22, q5_0 },        [OD_GGML_Q5_1] = { "Q5_1", 32, 24, q5_1 },
	[OD_GGML_Q8_0] = { "Q8_0", 32, 34, q8_0 },        [OD_GGML_Q4_K] = { "Q4_K", SUPER, 144, q4_k },
	[OD_GGML_Q5_K] = { "Q5_K", SUPER, 176, q5_k },    [OD_GGML_Q6_K] = { "Q6_K", SUPER, 210, q6_k },
	[OD_GGML_F64] = { "F64", 1, 8, one_f64 },         [OD_GGML_BF16] = { "BF16", 1, 2, one_bf16 },
};

bool
od_ggml_block(enum od_ggml_type t, size_t *elements, size_t *bytes)
{
	if ((size_t)t >= sizeof types / sizeof *types || !types[t].run)
		return false;
	*elements = types[t].elements;
	*bytes = types[t].bytes;
	return true;
}

const char *
od_ggml_type_name(enum od_ggml_type t)
{
	return (size_t)t < sizeof types / sizeof *types && types[t].name ? types[t].name : "unknown";
}

void
od_gguf_to_f32(const struct od_gguf_tensor *t, float *out)
{
	const unsigned char *p = t->data;
	int64_t blocks = t->n_elements / (int64_t)types[t->type].elements;

	for (int64_t i = 0; i < blocks; i++) {
		types[t->type].run(p, out);
		p += types[t->type].bytes;
		out += types[t->type].elements;
	}
}
