/* Safetensors images: what is written comes back, conversion of floats, models in several files, concatenated images,
 * and files that lie about themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "io/atomic.h"
#include "io/safetensors.h"

static char *dir;

static int
make_dir(void **state)
{
	static char name[] = "/tmp/od-test-safetensors.XXXXXX";

	(void)state;
	dir = mkdtemp(name);
	return dir ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	return od_remove_tree(dir, NULL) == OD_OK ? 0 : -1;
}

/* An image of a header and n bytes of data 0, 1, 2, ... in 'b'. */
static void
image(struct od_buf *b, const char *header, size_t n)
{
	char length[8];

	od_put_le64(length, strlen(header));
	od_buf_append(b, length, 8);
	od_buf_str(b, header);
	for (size_t i = 0; i < n; i++)
		od_buf_char(b, (char)i);
}

static enum od_status
open_image(const char *header, size_t n_data, struct od_error *err)
{
	struct od_safetensors *s = NULL;
	struct od_buf b = OD_BUF_INIT;
	enum od_status st;

	image(&b, header, n_data);
	st = od_safetensors_memory(&s, b.data, b.len, "image", err);
	od_safetensors_close(s);
	od_buf_release(&b);
	return st;
}

/* ---- good images ------------------------------------------------------------------------------------------------- */

static void
test_reads_what_others_write(void **state)
{
	/* Header order differs from data order; an empty tensor; a scalar. */
	static const char header[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":[4,8]},"
		"\"__metadata__\":{\"format\":\"pt\"},"
		"\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[4,4]},"
		"\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}  ";
	struct od_error err = OD_ERROR_INIT;
	const struct od_tensor_view *t;
	struct od_safetensors *s;
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	image(&b, header, 8);
	assert_int_equal(od_safetensors_memory(&s, b.data, b.len, "image", &err), OD_OK);
	assert_int_equal(od_safetensors_count(s), 3);
	assert_string_equal(od_safetensors_at(s, 0)->name, "a");
	assert_string_equal(od_safetensors_at(s, 1)->name, "e");
	assert_string_equal(od_safetensors_at(s, 2)->name, "b");
	assert_null(od_safetensors_at(s, 3));
	t = od_safetensors_find(s, "b");
	assert_non_null(t);
	assert_int_equal(t->n_dims, 2);
	assert_int_equal(t->n_bytes, 4);
	assert_memory_equal(t->data, "\4\5\6\7", 4);
	assert_int_equal(od_safetensors_find(s, "a")->n_elements, 1);
	assert_null(od_safetensors_find(s, "c"));
	assert_string_equal(od_safetensors_metadata(s, "format"), "pt");
	assert_null(od_safetensors_metadata(s, "other"));
	od_safetensors_close(s);
	od_buf_release(&b);
}

static void
write_image(const char *path, const struct od_tensor_out *t, size_t n, const struct od_metadata *m, size_t n_meta)
{
	struct od_out *out;

	assert_int_equal(od_out_open(&out, path, NULL), OD_OK);
	assert_int_equal(od_safetensors_write(out, t, n, m, n_meta, NULL), OD_OK);
	assert_int_equal(od_out_close(out, NULL), OD_OK);
}

static void
test_round_trip_of_every_float(void **state)
{
	static const float values[] = { 0, -0.0f, 1, -1.5f, 3.1415927f, 1e-3f, 65504, 1e-40f };
	static const enum od_dtype types[] = { OD_F32, OD_BF16, OD_F16, OD_F64 };
	struct od_tensor_out t[4];
	char path[128], name[4][16];
	struct od_safetensors *s;
	float back[8];

	(void)state;
	snprintf(path, sizeof path, "%s/floats.safetensors", dir);
	for (int i = 0; i < 4; i++) {
		snprintf(name[i], sizeof name[i], "t%d\"\\", i);              /* names are escaped */
		t[i] = (struct od_tensor_out){ name[i], types[i], 2, { 2, 4 }, values, 1 };
	}
	write_image(path, t, 4, (struct od_metadata[]){ { "k", "v\n" } }, 1);
	assert_int_equal(od_safetensors_open(&s, path, NULL), OD_OK);
	assert_string_equal(od_safetensors_file(s, 0), path);
	assert_null(od_safetensors_file(s, 1));
	assert_string_equal(od_safetensors_metadata(s, "k"), "v\n");
	for (int i = 0; i < 4; i++) {
		assert_string_equal(od_safetensors_at(s, (size_t)i)->name, name[i]);
		assert_int_equal((uintptr_t)od_safetensors_at(s, 0)->data % 8, 0);
		assert_int_equal(od_tensor_to_f32(od_safetensors_find(s, name[i]), back, NULL), OD_OK);
		for (int k = 0; k < 8; k++) {
			float want = types[i] == OD_BF16 ? od_bf16_to_f32(od_f32_to_bf16(values[k])) :
				types[i] == OD_F16 ? od_f16_to_f32(od_f32_to_f16(values[k])) : values[k];

			assert_memory_equal(&back[k], &want, 4);
		}
	}
	od_safetensors_close(s);
}

/* More elements than the conversion buffer holds at a time. */
static void
test_long_conversion(void **state)
{
	enum { N = 200001 };
	float *v = malloc(N * sizeof *v), *back = malloc(N * sizeof *back);
	struct od_tensor_out t = { "x", OD_BF16, 1, { N }, v, 1 };
	struct od_safetensors *s;
	char path[128];

	(void)state;
	for (int i = 0; i < N; i++)
		v[i] = (float)(i % 256);                         /* exact in bfloat16 */
	snprintf(path, sizeof path, "%s/long.safetensors", dir);
	write_image(path, &t, 1, NULL, 0);
	assert_int_equal(od_safetensors_open(&s, path, NULL), OD_OK);
	assert_int_equal(od_tensor_to_f32(od_safetensors_at(s, 0), back, NULL), OD_OK);
	assert_memory_equal(v, back, N * sizeof *v);
	od_safetensors_close(s);
	free(v);
	free(back);
}

static void
test_integers_are_no_floats(void **state)
{
	int64_t v[2] = { 1, 2 };
	struct od_tensor_view t = { "ids", OD_I64, 1, { 2 }, 2, v, 16 };
	struct od_tensor_out o = { "ids", OD_I64, 1, { 2 }, v, 1 };
	struct od_error err = OD_ERROR_INIT;
	struct od_out *out;
	float f[2];

	(void)state;
	assert_int_equal(od_tensor_to_f32(&t, f, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "'ids' holds I64"));
	assert_int_equal(od_out_open(&out, "/dev/null", NULL), OD_OK);
	assert_int_equal(od_safetensors_write(out, &o, 1, NULL, 0, &err), OD_EUSAGE);
	od_out_close(out, NULL);
}

/* ---- hostile images ---------------------------------------------------------------------------------------------- */

#define T(dtype, shape, offsets) "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
	const char *header;
	size_t n_data;
	enum od_status status;
	const char *message;
} bad[] = {
	{ "", 0, OD_EFORMAT, "does not begin with '{'" },
	{ "[]", 0, OD_EFORMAT, "does not begin with '{'" },
	{ "{\"x\":", 0, OD_EFORMAT, "not a JSON object" },
	{ "{\"x\":1}", 0, OD_EFORMAT, "'dtype' is missing" },
	{ "{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"x\":{\"dtype\":\"U8\",\"shape\":[1],"
	  "\"data_offsets\":[1,2]}}", 2, OD_EFORMAT, "duplicate" },
	{ "{\"x\\u0000y\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, OD_EFORMAT, "NUL" },
	{ T("F99", "[1]", "[0,1]"), 1, OD_EFORMAT, "tensor 'x': unknown dtype" },
	{ T("U8", "1", "[0,1]"), 1, OD_EFORMAT, "'shape' is not an array" },
	{ T("U8", "[-1]", "[0,1]"), 1, OD_EFORMAT, "non-negative" },
	{ T("U8", "[1.0]", "[0,1]"), 1, OD_EFORMAT, "non-negative" },
	{ T("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, OD_EFORMAT, "more than 8" },
	{ T("U8", "[4294967296,4294967296]", "[0,0]"), 0, OD_EFORMAT, "overflows" },
	{ T("F64", "[2305843009213693952]", "[0,0]"), 0, OD_EFORMAT, "overflows" },
	{ T("U8", "[2]", "[0,1]"), 1, OD_EFORMAT, "size differs" },
	{ T("U8", "[1]", "[1,0]"), 1, OD_EFORMAT, "ascending" },
	{ T("U8", "[1]", "[0]"), 1, OD_EFORMAT, "ascending" },
	{ T("U8", "[1]", "[-1,0]"), 1, OD_EFORMAT, "ascending" },
	{ T("U8", "[1]", "[1,2]"), 2, OD_EFORMAT, "hole" },
	{ T("U8", "[4]", "[0,4]"), 3, OD_ETRUNC, "after 3 of 4 bytes" },
	{ T("U8", "[4]", "[0,4]"), 5, OD_EFORMAT, "1 bytes after the last tensor" },
	{ T("U8", "[9223372036854775807]", "[0,9223372036854775807]"), 5, OD_ETRUNC, "after 5 of" },
	{ "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
	  "\"data_offsets\":[2,4]}}", 4, OD_EFORMAT, "tensor 'b': its data overlaps" },
	{ "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
	  "\"data_offsets\":[3,5]}}", 5, OD_EFORMAT, "tensor 'b': a hole" },
	{ "{\"__metadata__\":1}", 0, OD_EFORMAT, "'__metadata__' is not an object" },
	{ "{\"__metadata__\":{\"k\":1}}", 0, OD_EFORMAT, "metadata 'k' is not a string" },
};

static void
test_hostile_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct od_error err = OD_ERROR_INIT;
		enum od_status st = open_image(bad[i].header, bad[i].n_data, &err);

		if (st != bad[i].status || !strstr(err.msg, bad[i].message))
			fail_msg("%s: status %d, message: %s", bad[i].header, (int)st, err.msg);
	}
}

static void
test_hostile_lengths(void **state)
{
	static const struct {
		uint64_t length;
		size_t n;
		enum od_status status;
	} cases[] = {
		{ 0, 0, OD_ETRUNC }, { 0, 7, OD_ETRUNC }, { 3, 10, OD_ETRUNC }, { 100000001, 64, OD_EFORMAT },
		{ UINT64_MAX, 64, OD_EFORMAT }, { (uint64_t)1 << 63, 64, OD_EFORMAT }, { 100000000, 64, OD_ETRUNC },
	};
	char bytes[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct od_safetensors *s = NULL;

		memset(bytes, '{', sizeof bytes);
		od_put_le64(bytes, cases[i].length);
		assert_int_equal(od_safetensors_memory(&s, bytes, cases[i].n, "b", NULL), cases[i].status);
		assert_null(s);
	}
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void
test_files_that_are_none(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_safetensors *s;
	char path[128];

	(void)state;
	assert_int_equal(od_safetensors_open(&s, "/nonexistent/x", &err), OD_ESYS);
	assert_int_equal(od_safetensors_open(&s, dir, &err), OD_EFORMAT);
	snprintf(path, sizeof path, "%s/empty", dir);
	assert_int_equal(od_atomic_write(path, "", 0, NULL), OD_OK);
	assert_int_equal(od_safetensors_open(&s, path, &err), OD_ETRUNC);
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(od_safetensors_open(&s, path, &err), OD_EFORMAT);      /* and does not wait for a writer */
}

/* Writes sub/NAME with one U8 tensor. */
static void
shard(const char *sub, const char *file, const char *tensor, char value)
{
	struct od_tensor_out t = { tensor, OD_U8, 1, { 1 }, &value, 0 };
	char path[256];

	snprintf(path, sizeof path, "%s/%s/%s", dir, sub, file);
	write_image(path, &t, 1, NULL, 0);
}

static void
put_index(const char *sub, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, sub);
	assert_int_equal(od_make_dir(path, NULL), OD_OK);
	snprintf(path, sizeof path, "%s/%s/model.safetensors.index.json", dir, sub);
	assert_int_equal(od_atomic_write(path, text, strlen(text), NULL), OD_OK);
}

static enum od_status
open_sub(const char *sub, struct od_safetensors **s, struct od_error *err)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, sub);
	return od_safetensors_open_dir(s, path, err);
}

static void
test_sharded(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_safetensors *s;

	(void)state;
	put_index("good", "{\"weight_map\":{\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"}}");
	shard("good", "one.safetensors", "a", 1);
	shard("good", "two.safetensors", "b", 2);
	assert_int_equal(open_sub("good", &s, &err), OD_OK);
	assert_int_equal(od_safetensors_count(s), 2);
	assert_int_equal(*(const char *)od_safetensors_find(s, "a")->data, 1);
	assert_int_equal(*(const char *)od_safetensors_find(s, "b")->data, 2);
	od_safetensors_close(s);
	shard("good", "model.safetensors", "c", 3);              /* a single file goes before an index */
	assert_int_equal(open_sub("good", &s, &err), OD_OK);
	assert_int_equal(od_safetensors_count(s), 1);
	od_safetensors_close(s);
}

static void
test_bad_indices(void **state)
{
	static const struct {
		const char *text;
		enum od_status status;
		const char *message;
	} cases[] = {
		{ "", OD_EFORMAT, "line" },
		{ "[]", OD_EFORMAT, "weight_map" },
		{ "{\"weight_map\":[]}", OD_EFORMAT, "weight_map" },
		{ "{\"weight_map\":{\"a\":1}}", OD_EFORMAT, "tensor 'a': not the name of a file" },
		{ "{\"weight_map\":{\"a\":\"../x\"}}", OD_EFORMAT, "tensor 'a': not the name of a file" },
		{ "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", OD_EFORMAT, "tensor 'a': not the name of a file" },
		{ "{\"weight_map\":{\"a\":\"..\"}}", OD_EFORMAT, "tensor 'a': not the name of a file" },
		{ "{\"weight_map\":{\"a\":\"one\",\"a\":\"one\"}}", OD_EFORMAT, "duplicate" },
		{ "{\"weight_map\":{\"a\":\"gone\"}}", OD_ESYS, "gone" },
		{ "{\"weight_map\":{\"b\":\"one\"}}", OD_EFORMAT, "tensor 'b' is not in 'one'" },
		{ "{\"weight_map\":{\"a\":\"one\",\"b\":\"both\"}}", OD_EFORMAT, "tensor 'a': it is in two files" },
	};
	struct od_tensor_out both[] = { { "a", OD_U8, 1, { 1 }, "x", 0 }, { "b", OD_U8, 1, { 1 }, "y", 0 } };
	struct od_safetensors *s;
	char path[256];

	(void)state;
	put_index("bad", "");
	shard("bad", "one", "a", 1);
	snprintf(path, sizeof path, "%s/bad/both", dir);
	write_image(path, both, 2, NULL, 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct od_error err = OD_ERROR_INIT;
		enum od_status st;

		put_index("bad", cases[i].text);
		st = open_sub("bad", &s, &err);
		if (st != cases[i].status || !strstr(err.msg, cases[i].message))
			fail_msg("%s: status %d, message: %s", cases[i].text, (int)st, err.msg);
	}
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static void
test_concatenated_images(void **state)
{
	static const char header[] = T("U8", "[3]", "[0,3]");
	struct od_error err = OD_ERROR_INIT;
	struct od_safetensors *s;
	struct od_buf b = OD_BUF_INIT;
	struct od_in *in;
	void *block;

	(void)state;
	image(&b, header, 3);
	image(&b, "{}", 0);
	image(&b, header, 3);
	assert_int_equal(od_in_memory(&in, b.data, b.len, "s", NULL), OD_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(od_safetensors_next(in, 1000, &block, &s, &err), OD_OK);
		assert_int_equal(od_safetensors_count(s), i == 1 ? 0 : 1);
		if (i != 1)
			assert_memory_equal(od_safetensors_at(s, 0)->data, "\0\1\2", 3);
		od_safetensors_close(s);
		free(block);
	}
	assert_int_equal(od_safetensors_next(in, 1000, &block, &s, &err), OD_EOF);
	od_in_close(in);
	for (size_t cut = 1; cut < strlen(header) + 11; cut++) {         /* every prefix of one image */
		assert_int_equal(od_in_memory(&in, b.data, cut, "s", NULL), OD_OK);
		assert_int_equal(od_safetensors_next(in, 1000, &block, &s, &err), OD_ETRUNC);
		od_in_close(in);
	}
	assert_int_equal(od_in_memory(&in, b.data, b.len, "s", NULL), OD_OK);
	assert_int_equal(od_safetensors_next(in, strlen(header) + 10, &block, &s, &err), OD_EFORMAT);
	od_in_close(in);
	od_buf_release(&b);
}

/* A header that promises 2^60 bytes costs no memory before they come. */
static void
test_promises_cost_nothing(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_safetensors *s;
	struct od_buf b = OD_BUF_INIT;
	struct od_in *in;
	void *block;

	(void)state;
	image(&b, T("U8", "[1152921504606846976]", "[0,1152921504606846976]"), 100);
	assert_int_equal(od_in_memory(&in, b.data, b.len, "s", NULL), OD_OK);
	assert_int_equal(od_safetensors_next(in, (size_t)1 << 62, &block, &s, &err), OD_ETRUNC);
	od_in_close(in);
	od_buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_others_write), cmocka_unit_test(test_round_trip_of_every_float),
		cmocka_unit_test(test_long_conversion),         cmocka_unit_test(test_integers_are_no_floats),
		cmocka_unit_test(test_hostile_headers),         cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_files_that_are_none),     cmocka_unit_test(test_sharded),
		cmocka_unit_test(test_bad_indices),             cmocka_unit_test(test_concatenated_images),
		cmocka_unit_test(test_promises_cost_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
