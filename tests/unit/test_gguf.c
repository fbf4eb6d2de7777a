/* GGUF: what is written comes back, metadata of every kind, dequantisation against numbers packed here bit by bit, and
 * files that lie about themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/rng.h"
#include "io/gguf.h"

/* ---- building files ---------------------------------------------------------------------------------------------- */

static void
u32(struct od_buf *b, uint32_t v)
{
	char bytes[4];

	od_put_le32(bytes, v);
	od_buf_append(b, bytes, 4);
}

static void
u64(struct od_buf *b, uint64_t v)
{
	char bytes[8];

	od_put_le64(bytes, v);
	od_buf_append(b, bytes, 8);
}

static void
str(struct od_buf *b, const char *s)
{
	u64(b, strlen(s));
	od_buf_str(b, s);
}

static void
head(struct od_buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
	od_buf_append(b, "GGUF", 4);
	u32(b, version);
	u64(b, n_tensors);
	u64(b, n_kv);
}

/* A row of the tensor table, one dimension. */
static void
row(struct od_buf *b, const char *name, uint64_t n, uint32_t type, uint64_t offset)
{
	str(b, name);
	u32(b, 1);
	u64(b, n);
	u32(b, type);
	u64(b, offset);
}

static void
pad(struct od_buf *b, size_t alignment, size_t data)
{
	while (b->len % alignment)
		od_buf_char(b, 0);
	for (size_t i = 0; i < data; i++)
		od_buf_char(b, (char)i);
}

static enum od_status
open_buf(const struct od_buf *b, struct od_gguf **g, struct od_error *err)
{
	*g = NULL;
	return od_gguf_memory(g, b->data, b->len, "file", err);
}

/* The file is refused so. Releases it. */
static void
refused(struct od_buf *b, enum od_status status, const char *message)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_gguf *g;
	enum od_status st = open_buf(b, &g, &err);

	if (st != status || !strstr(err.msg, message))
		fail_msg("wanted status %d and '%s', got %d and '%s'", (int)status, message, (int)st, err.msg);
	assert_null(g);
	od_buf_release(b);
}

/* ---- good files -------------------------------------------------------------------------------------------------- */

static void
write_file(char path[64], float *values)
{
	struct od_gguf_tensor t[] = {
		{ .name = "a", .type = OD_GGML_F32, .n_dims = 2, .shape = { 3, 5 } },
		{ .name = "b", .type = OD_GGML_BF16, .n_dims = 1, .shape = { 7 } },
		{ .name = "c", .type = OD_GGML_F16, .n_dims = 3, .shape = { 1, 2, 3 } },
	};
	struct od_gguf_writer w = OD_GGUF_WRITER_INIT;
	struct od_out *out;
	int fd;

	strcpy(path, "/tmp/od-test-gguf.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	od_gguf_put_u32(&w, "n", 42);
	od_gguf_put_f32(&w, "f", 0.5f);
	od_gguf_put_bool(&w, "yes", true);
	od_gguf_put_text(&w, "s", "a\0b", 3);
	od_gguf_put_texts(&w, "ss", (struct od_gguf_string[]){ { "x", 1 }, { "", 0 }, { "yz", 2 } }, 3);
	od_gguf_put_i32s(&w, "is", (int32_t[]){ -1, 2 }, 2);
	od_gguf_put_f32s(&w, "fs", (float[]){ 1.5f }, 1);
	od_gguf_put_texts(&w, "none", NULL, 0);
	assert_int_equal(od_out_fd(&out, fd, path, NULL), OD_OK);
	assert_int_equal(od_gguf_write_header(out, &w, t, 3, NULL), OD_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(od_gguf_write_tensor(out, &t[i], values, NULL), OD_OK);
	assert_int_equal(od_out_close(out, NULL), OD_OK);
	od_gguf_writer_release(&w);
}

static void
check_metadata(const struct od_gguf *g)
{
	struct od_gguf_string s, *ss;
	int64_t n, *is;
	float *fs;
	double f;
	size_t k;

	assert_int_equal(od_gguf_int(g, "n", &n, NULL), OD_OK);
	assert_int_equal(n, 42);
	assert_int_equal(od_gguf_int(g, "yes", &n, NULL), OD_OK);
	assert_int_equal(n, 1);
	assert_int_equal(od_gguf_number(g, "f", &f, NULL), OD_OK);
	assert_true(f == 0.5);
	assert_int_equal(od_gguf_number(g, "n", &f, NULL), OD_OK);
	assert_true(f == 42);
	assert_int_equal(od_gguf_text(g, "s", &s, NULL), OD_OK);
	assert_int_equal(s.n, 3);
	assert_memory_equal(s.s, "a\0b", 3);
	assert_int_equal(od_gguf_texts(g, "ss", &ss, &k, NULL), OD_OK);
	assert_int_equal(k, 3);
	assert_int_equal(ss[1].n, 0);
	assert_memory_equal(ss[2].s, "yz", 2);
	free(ss);
	assert_int_equal(od_gguf_texts(g, "none", &ss, &k, NULL), OD_OK);
	assert_int_equal(k, 0);
	free(ss);
	assert_int_equal(od_gguf_ints(g, "is", &is, &k, NULL), OD_OK);
	assert_int_equal(k, 2);
	assert_int_equal(is[0], -1);
	free(is);
	assert_int_equal(od_gguf_floats(g, "is", &fs, &k, NULL), OD_OK);         /* integers are numbers */
	assert_true(fs[1] == 2);
	free(fs);
	assert_int_equal(od_gguf_floats(g, "fs", &fs, &k, NULL), OD_OK);
	assert_true(fs[0] == 1.5f);
	free(fs);
}

static void
check_wrong_kinds(const struct od_gguf *g)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_gguf_string s, *ss = NULL;
	int64_t n, *is = NULL;
	float *fs = NULL;
	double f;
	size_t k;

	assert_int_equal(od_gguf_int(g, "missing", &n, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "key 'missing' is missing"));
	assert_int_equal(od_gguf_int(g, "f", &n, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "key 'f' must be an integer"));
	assert_int_equal(od_gguf_number(g, "s", &f, &err), OD_EFORMAT);
	assert_int_equal(od_gguf_text(g, "n", &s, &err), OD_EFORMAT);
	assert_int_equal(od_gguf_text(g, "ss", &s, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "must not be an array"));
	assert_int_equal(od_gguf_texts(g, "is", &ss, &k, &err), OD_EFORMAT);
	assert_int_equal(od_gguf_ints(g, "ss", &is, &k, &err), OD_EFORMAT);
	assert_int_equal(od_gguf_ints(g, "fs", &is, &k, &err), OD_EFORMAT);
	assert_int_equal(od_gguf_floats(g, "n", &fs, &k, &err), OD_EFORMAT);
	assert_false(od_gguf_has(g, "missing"));
	assert_null(ss);
	assert_null(is);
	assert_null(fs);
}

static void
test_round_trip(void **state)
{
	float values[15], back[15];
	const struct od_gguf_tensor *t;
	struct od_gguf *g;
	char path[64];

	(void)state;
	for (int i = 0; i < 15; i++)
		values[i] = (float)i * 0.25f - 1;                /* exact in every type */
	write_file(path, values);
	assert_int_equal(od_gguf_open(&g, path, NULL), OD_OK);
	unlink(path);
	check_metadata(g);
	check_wrong_kinds(g);
	assert_int_equal(od_gguf_count(g), 3);
	assert_null(od_gguf_at(g, 3));
	assert_null(od_gguf_find(g, "d"));
	for (size_t i = 0; i < 3; i++) {
		t = od_gguf_at(g, i);
		assert_ptr_equal(od_gguf_find(g, t->name), t);
		od_gguf_to_f32(t, back);
		assert_memory_equal(back, values, (size_t)t->n_elements * 4);
	}
	t = od_gguf_find(g, "a");
	assert_int_equal(t->n_dims, 2);
	assert_int_equal(t->shape[0], 3);                        /* rows first, though the file has columns first */
	assert_int_equal(t->shape[1], 5);
	assert_string_equal(od_ggml_type_name(od_gguf_find(g, "b")->type), "BF16");
	od_gguf_close(g);
}

static void
test_every_scalar(void **state)
{
	static const struct {
		uint32_t type;
		const char *bytes;
		size_t n;
		int64_t want;
	} cases[] = {
		{ OD_GGUF_U8, "\xff", 1, 255 }, { OD_GGUF_I8, "\xff", 1, -1 }, { OD_GGUF_U16, "\xfe\xff", 2, 65534 },
		{ OD_GGUF_I16, "\xfe\xff", 2, -2 }, { OD_GGUF_U32, "\xff\xff\xff\xff", 4, 4294967295 },
		{ OD_GGUF_I32, "\xfd\xff\xff\xff", 4, -3 }, { OD_GGUF_BOOL, "\1", 1, 1 },
		{ OD_GGUF_U64, "\1\0\0\0\1\0\0\0", 8, 4294967297 },
		{ OD_GGUF_I64, "\xfc\xff\xff\xff\xff\xff\xff\xff", 8, -4 },
	};
	struct od_buf b = OD_BUF_INIT;
	struct od_gguf *g;
	char key[8];
	int64_t v;
	double d;

	(void)state;
	head(&b, 2, 0, sizeof cases / sizeof *cases + 1);
	str(&b, "d");
	u32(&b, OD_GGUF_F64);
	od_buf_append(&b, "\0\0\0\0\0\0\x04\xc0", 8);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(key, sizeof key, "k%zu", i);
		str(&b, key);
		u32(&b, cases[i].type);
		od_buf_append(&b, cases[i].bytes, cases[i].n);
	}
	assert_int_equal(open_buf(&b, &g, NULL), OD_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(key, sizeof key, "k%zu", i);
		assert_int_equal(od_gguf_int(g, key, &v, NULL), OD_OK);
		assert_int_equal(v, cases[i].want);
	}
	assert_int_equal(od_gguf_number(g, "d", &d, NULL), OD_OK);
	assert_true(d == -2.5);
	od_gguf_close(g);
	od_buf_release(&b);
}

/* ---- dequantisation ---------------------------------------------------------------------------------------------- */

static struct od_rng rng = { 7, 0, 0 };

static int
draw(int n)
{
	return (int)od_rng_below(&rng, (uint64_t)n);
}

/* A random half: its bits at p, its value returned. */
static float
put_half(unsigned char *p)
{
	uint16_t h = od_f32_to_f16((float)od_rng_normal(&rng));

	p[0] = (unsigned char)(h & 255);
	p[1] = (unsigned char)(h >> 8);
	return od_f16_to_f32(h);
}

/* Sets 'bits' bits of value v at bit 'at' of a zeroed block. */
static void
put_bits(unsigned char *p, int at, int bits, int v)
{
	for (int i = 0; i < bits; i++)
		p[(at + i) / 8] |= (unsigned char)((v >> i & 1) << (at + i) % 8);
}

static void
check_block(enum od_ggml_type type, const unsigned char *block, const float *want)
{
	size_t elements, bytes;
	struct od_gguf_tensor t = { .name = "t", .type = type, .n_dims = 1, .data = block };
	float got[256];

	assert_true(od_ggml_block(type, &elements, &bytes));
	t.n_elements = (int64_t)elements;
	od_gguf_to_f32(&t, got);
	for (size_t i = 0; i < elements; i++)
		if (memcmp(&got[i], &want[i], 4) != 0)
			fail_msg("%s element %zu: %.9g, wanted %.9g", od_ggml_type_name(type), i, (double)got[i],
				(double)want[i]);
}

/* The types of 32: value = d * (q - offset) + m. Bit i of nibble array for element i: byte i % 16, half i / 16. */
static void
one_simple(enum od_ggml_type type, int bits, bool has_min)
{
	unsigned char block[64] = { 0 };
	int at = has_min ? 4 : 2, offset = has_min ? 0 : 1 << (bits - 1);
	float want[32], d = put_half(block), m = has_min ? put_half(block + 2) : 0;
	unsigned char *high = block + at, *low = bits == 5 ? high + 4 : high;

	for (int i = 0; i < 32; i++) {
		int q = draw(1 << bits);

		if (bits == 8) {
			block[at + i] = (unsigned char)(q - 128);
		} else {
			put_bits(low, i % 16 * 8 + i / 16 * 4, 4, q & 15);
			if (bits == 5)
				put_bits(high, i, 1, q >> 4);
		}
		want[i] = (float)(q - offset) * d;
		if (has_min)
			want[i] += m;
	}
	check_block(type, block, want);
}

/* Scales and minima of eight groups, 6 bits each, in the 12 bytes: values 0-3 whole in bytes 0-3 (scales) and 4-7
 * (minima); values 4-7 split, low four bits in bytes 8-11 (scale in the low half), high two on top of bytes 0-7. */
static void
put_scales(unsigned char *p, const int *scale, const int *min)
{
	for (int g = 0; g < 4; g++) {
		put_bits(p, g * 8, 6, scale[g]);
		put_bits(p, (g + 4) * 8, 6, min[g]);
		put_bits(p, (g + 8) * 8, 4, scale[g + 4] & 15);
		put_bits(p, (g + 8) * 8 + 4, 4, min[g + 4] & 15);
		put_bits(p, g * 8 + 6, 2, scale[g + 4] >> 4);
		put_bits(p, (g + 4) * 8 + 6, 2, min[g + 4] >> 4);
	}
}

static void
one_q45_k(enum od_ggml_type type, bool fifth)
{
	unsigned char block[176] = { 0 };
	float want[256], d = put_half(block), dmin = put_half(block + 2);
	int scale[8], min[8], nibbles = fifth ? 48 : 16;

	for (int g = 0; g < 8; g++) {
		scale[g] = draw(64);
		min[g] = draw(64);
	}
	put_scales(block + 4, scale, min);
	for (int i = 0; i < 256; i++) {
		int q = draw(fifth ? 32 : 16), g = i / 32, l = i % 32;
		float step = d * (float)scale[g], low = dmin * (float)min[g];

		put_bits(block + nibbles, (g / 2 * 32 + l) * 8 + g % 2 * 4, 4, q & 15);
		if (fifth)
			put_bits(block + 16, l * 8 + g, 1, q >> 4);
		want[i] = step * (float)q - low;
	}
	check_block(type, block, want);
}

static void
one_q6_k(void)
{
	unsigned char block[210] = { 0 };
	float want[256], d = put_half(block + 208);
	int scale[16];

	for (int s = 0; s < 16; s++) {
		scale[s] = draw(256) - 128;
		block[192 + s] = (unsigned char)scale[s];
	}
	for (int i = 0; i < 256; i++) {
		int q = draw(64), half = i / 128, quarter = i % 128 / 32, l = i % 32;

		put_bits(block, (half * 64 + quarter % 2 * 32 + l) * 8 + quarter / 2 * 4, 4, q & 15);
		put_bits(block + 128, (half * 32 + l) * 8 + quarter * 2, 2, q >> 4);
		want[i] = d * (float)scale[i / 16] * (float)(q - 32);
	}
	check_block(OD_GGML_Q6_K, block, want);
}

static void
test_dequantise(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		one_simple(OD_GGML_Q8_0, 8, false);
		one_simple(OD_GGML_Q4_0, 4, false);
		one_simple(OD_GGML_Q4_1, 4, true);
		one_simple(OD_GGML_Q5_0, 5, false);
		one_simple(OD_GGML_Q5_1, 5, true);
		one_q45_k(OD_GGML_Q4_K, false);
		one_q45_k(OD_GGML_Q5_K, true);
		one_q6_k();
	}
}

/* Blocks of a row follow one another; double and unaligned data. */
static void
test_dequantise_rows(void **state)
{
	unsigned char blocks[1 + 3 * 34] = { 0 };
	struct od_gguf_tensor t = { .name = "t", .type = OD_GGML_Q8_0, .n_dims = 1, .n_elements = 96, .data = blocks + 1 };
	double d[2] = { 1.0 / 3, -2 };
	unsigned char bytes[17];
	float out[96];

	(void)state;
	for (int k = 0; k < 3; k++) {
		blocks[1 + k * 34 + 1] = 0x3c;                   /* d = 1 */
		for (int i = 0; i < 32; i++)
			blocks[1 + k * 34 + 2 + i] = (unsigned char)(k * 32 + i);
	}
	od_gguf_to_f32(&t, out);
	for (int i = 0; i < 96; i++)
		assert_true(out[i] == (float)i);
	memcpy(bytes + 1, d, 16);
	t = (struct od_gguf_tensor){ .name = "d", .type = OD_GGML_F64, .n_dims = 1, .n_elements = 2, .data = bytes + 1 };
	od_gguf_to_f32(&t, out);
	assert_true(out[0] == (float)(1.0 / 3) && out[1] == -2);
}

/* ---- hostile files ----------------------------------------------------------------------------------------------- */

static void
test_not_gguf(void **state)
{
	struct od_buf b = OD_BUF_INIT;
	struct od_gguf *g;

	(void)state;
	assert_int_equal(od_gguf_open(&g, "/nonexistent", NULL), OD_ESYS);
	assert_int_equal(od_gguf_open(&g, "/tmp", NULL), OD_EFORMAT);
	refused(&b, OD_ETRUNC, "magic");
	od_buf_str(&b, "GGM");
	refused(&b, OD_ETRUNC, "magic");
	od_buf_str(&b, "GGML0000");
	refused(&b, OD_EFORMAT, "not a GGUF file");
	head(&b, 1, 0, 0);
	refused(&b, OD_EFORMAT, "version 1");
	head(&b, 4, 0, 0);
	refused(&b, OD_EFORMAT, "version 4");
	head(&b, 3u << 24, 0, 0);
	refused(&b, OD_EFORMAT, "big-endian");
}

static void
test_absurd_counts(void **state)
{
	static const uint64_t counts[] = { 1, 1u << 20, (uint64_t)1 << 40, (uint64_t)1 << 63, UINT64_MAX };
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		head(&b, 3, 0, counts[i]);
		refused(&b, OD_ETRUNC, "more keys");
		head(&b, 3, counts[i], 0);
		refused(&b, OD_ETRUNC, "more tensors");
		head(&b, 3, 0, 1);                                /* a key of that length */
		u64(&b, counts[i] + 100);
		pad(&b, 1, 50);
		refused(&b, OD_ETRUNC, "metadata key");
		head(&b, 3, 0, 1);                                /* an array of that many strings */
		str(&b, "key");
		u32(&b, OD_GGUF_ARRAY);
		u32(&b, OD_GGUF_STRING);
		u64(&b, counts[i] + 100);
		pad(&b, 1, 50);
		refused(&b, OD_ETRUNC, "key 'key'");
		head(&b, 3, 0, 1);                                /* of that many doubles */
		str(&b, "key");
		u32(&b, OD_GGUF_ARRAY);
		u32(&b, OD_GGUF_F64);
		u64(&b, counts[i] + 100);
		pad(&b, 1, 50);
		refused(&b, OD_ETRUNC, "key 'key'");
	}
}

static void
test_bad_metadata(void **state)
{
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	head(&b, 3, 0, 1);
	str(&b, "k");
	u32(&b, 13);
	u64(&b, 0);
	refused(&b, OD_EFORMAT, "unknown type of metadata");
	head(&b, 3, 0, 1);
	str(&b, "k");
	u32(&b, OD_GGUF_BOOL);
	od_buf_append(&b, "\2\0\0\0\0\0\0\0", 8);
	refused(&b, OD_EFORMAT, "boolean");
	head(&b, 3, 0, 1);
	str(&b, "");
	u32(&b, OD_GGUF_U8);
	u64(&b, 0);
	refused(&b, OD_EFORMAT, "metadata key is empty");
	head(&b, 3, 0, 2);
	for (int i = 0; i < 2; i++) {
		str(&b, "twice");
		u32(&b, OD_GGUF_U32);
		u32(&b, 1);
	}
	refused(&b, OD_EFORMAT, "key 'twice' is there twice");
	head(&b, 3, 0, 1);
	str(&b, "deep");
	u32(&b, OD_GGUF_ARRAY);
	for (int i = 0; i < 20; i++) {
		u32(&b, OD_GGUF_ARRAY);
		u64(&b, 1);
	}
	refused(&b, OD_EFORMAT, "nested");
}

static void
one_tensor(struct od_buf *b, uint64_t n, uint32_t type, uint64_t offset, size_t data)
{
	head(b, 3, 1, 0);
	row(b, "t", n, type, offset);
	pad(b, 32, data);
}

static void
test_bad_tensors(void **state)
{
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	one_tensor(&b, 0, 0, 0, 32);
	refused(&b, OD_EFORMAT, "tensor 't': a dimension is 0");
	one_tensor(&b, UINT64_MAX, 0, 0, 32);
	refused(&b, OD_EFORMAT, "overflows");
	one_tensor(&b, INT64_MAX, 0, 0, 32);
	refused(&b, OD_EFORMAT, "overflows");
	one_tensor(&b, 8, 9999, 0, 32);
	refused(&b, OD_EFORMAT, "unknown type");
	one_tensor(&b, 8, 16, 0, 32);
	refused(&b, OD_ESUPPORT, "type 16 is not among those read");
	one_tensor(&b, 33, OD_GGML_Q8_0, 0, 64);
	refused(&b, OD_EFORMAT, "whole blocks");
	one_tensor(&b, 8, 0, 0, 31);
	refused(&b, OD_ETRUNC, "beyond the end");
	one_tensor(&b, 8, 0, 32, 32);
	refused(&b, OD_ETRUNC, "beyond the end");
	one_tensor(&b, 8, 0, UINT64_MAX - 31, 32);
	refused(&b, OD_ETRUNC, "beyond the end");
	one_tensor(&b, 8, 0, 4, 64);
	refused(&b, OD_EFORMAT, "not aligned");
	head(&b, 3, 1, 0);
	str(&b, "t");
	u32(&b, 5);
	pad(&b, 1, 100);
	refused(&b, OD_EFORMAT, "1 to 4 dimensions");
	head(&b, 3, 1, 0);
	str(&b, "t");
	u32(&b, 0);
	pad(&b, 1, 100);
	refused(&b, OD_EFORMAT, "1 to 4 dimensions");
	head(&b, 3, 1, 0);
	str(&b, "");
	pad(&b, 1, 100);
	refused(&b, OD_EFORMAT, "name is empty");
	head(&b, 3, 2, 0);
	row(&b, "t", 8, 0, 0);
	row(&b, "t", 8, 0, 32);
	pad(&b, 32, 64);
	refused(&b, OD_EFORMAT, "tensor 't': it is there twice");
	head(&b, 3, 2, 0);
	row(&b, "t", 16, 0, 0);
	row(&b, "u", 8, 0, 32);
	pad(&b, 32, 64);
	refused(&b, OD_EFORMAT, "overlaps");
	head(&b, 3, 1, 0);                                       /* a table without the bytes behind it */
	row(&b, "t", 8, 0, 0);
	refused(&b, OD_ETRUNC, "beyond the end");
}

static void
with_alignment(struct od_buf *b, uint32_t alignment)
{
	head(b, 3, 1, 1);
	str(b, "general.alignment");
	u32(b, OD_GGUF_U32);
	u32(b, alignment);
	row(b, "t", 8, 0, 0);
	pad(b, 64, 64);
}

static void
test_alignment(void **state)
{
	static const uint32_t bad[] = { 0, 3, 48, 1u << 31 };
	struct od_buf b = OD_BUF_INIT;
	struct od_gguf *g;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		with_alignment(&b, bad[i]);
		refused(&b, OD_EFORMAT, "power of two");
	}
	with_alignment(&b, 64);
	assert_int_equal(open_buf(&b, &g, NULL), OD_OK);
	assert_memory_equal(od_gguf_at(g, 0)->data, "\0\1\2\3", 4);
	od_gguf_close(g);
	od_buf_release(&b);
}

/* Every prefix of a good file is refused, and every byte of it changed is refused or read without harm. */
static void
test_prefixes_and_flips(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_buf b = OD_BUF_INIT;
	struct od_gguf *g;
	size_t end;

	(void)state;
	with_alignment(&b, 32);
	assert_int_equal(open_buf(&b, &g, NULL), OD_OK);
	end = (size_t)((const char *)od_gguf_at(g, 0)->data - b.data) + od_gguf_at(g, 0)->n_bytes;
	od_gguf_close(g);
	for (size_t cut = 0; cut < end; cut++) {
		char *copy = malloc(cut + 1);

		memcpy(copy, b.data, cut);
		assert_int_not_equal(od_gguf_memory(&g, copy, cut, "cut", &err), OD_OK);
		free(copy);
	}
	for (size_t i = 0; i < b.len; i++)
		for (int v = 1; v < 256; v <<= 1) {
			b.data[i] ^= (char)v;
			if (od_gguf_memory(&g, b.data, b.len, "flip", &err) == OD_OK) {
				float f[64];

				if (od_gguf_count(g) && od_gguf_at(g, 0)->n_elements <= 64)
					od_gguf_to_f32(od_gguf_at(g, 0), f);
				od_gguf_close(g);
			}
			b.data[i] ^= (char)v;
		}
	od_buf_release(&b);
}

static void
test_writer_refuses(void **state)
{
	struct od_gguf_writer w = OD_GGUF_WRITER_INIT;
	struct od_gguf_tensor bad[] = {
		{ .name = "dims", .type = OD_GGML_F32, .n_dims = 5 },
		{ .name = "zero", .type = OD_GGML_F32, .n_dims = 1, .shape = { 0 } },
		{ .name = "type", .type = OD_GGML_Q4_0, .n_dims = 1, .shape = { 32 } },
		{ .name = "huge", .type = OD_GGML_F32, .n_dims = 2, .shape = { INT64_MAX, INT64_MAX } },
	};
	struct od_out *out;

	(void)state;
	assert_int_equal(od_out_open(&out, "/dev/null", NULL), OD_OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(od_gguf_write_header(out, &w, &bad[i], 1, NULL), OD_EUSAGE);
	od_out_close(out, NULL);
	od_gguf_writer_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_every_scalar),
		cmocka_unit_test(test_dequantise),  cmocka_unit_test(test_dequantise_rows),
		cmocka_unit_test(test_not_gguf),    cmocka_unit_test(test_absurd_counts),
		cmocka_unit_test(test_bad_metadata),cmocka_unit_test(test_bad_tensors),
		cmocka_unit_test(test_alignment),   cmocka_unit_test(test_prefixes_and_flips),
		cmocka_unit_test(test_writer_refuses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
