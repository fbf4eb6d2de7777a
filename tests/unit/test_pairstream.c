/* Pair streams: what is written comes back, in order and at random; cut and hostile streams end in a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "io/safetensors.h"
#include "pref/pairstream.h"

#define N 600                                      /* more than two blocks */

/* Pair i of the tests, made of its number; valid until the next call. */
static struct od_token_pair
make_pair(int64_t i, int masked, int per_token)
{
	static int32_t ids[256];
	static uint8_t scored[256];
	static float logps[256];
	static char id[32];
	struct od_token_pair p = { .n_prompt = (int32_t)(i % 7), .n_chosen = 1 + (int32_t)(i % 5),
		.n_rejected = i % 11 == 3 ? 0 : 2 + (int32_t)(i % 3), .weight = 1 };
	int total = p.n_prompt + p.n_chosen + p.n_rejected;

	snprintf(id, sizeof id, "pair %lld \xc3\xa9", (long long)i);
	for (int t = 0; t < total; t++) {
		ids[t] = (int32_t)(1000 * i + t);
		scored[t] = t >= p.n_prompt && (!masked || t % 2 == 0);
		p.scored_chosen += scored[t] && t < p.n_prompt + p.n_chosen;
		p.scored_rejected += scored[t] && t >= p.n_prompt + p.n_chosen;
		logps[t] = -0.5f * (float)(i + t);
	}
	p.id = id;
	p.ids = ids;
	p.scored = masked ? scored : NULL;
	p.ref_token_logps = per_token ? logps : NULL;
	p.score_chosen = 0.1 * (double)i;
	p.score_rejected = i % 2 ? NAN : -1e300;
	p.ref_chosen_logps = -1.0 / 3 * (double)i;
	p.ref_rejected_logps = NAN;
	return p;
}

static int
same_number(double a, double b)
{
	return isnan(a) ? isnan(b) : a == b;
}

static void
assert_same_pair(const struct od_token_pair *a, const struct od_token_pair *b)
{
	int total = b->n_prompt + b->n_chosen + b->n_rejected;

	assert_string_equal(a->id, b->id);
	assert_int_equal(a->n_prompt, b->n_prompt);
	assert_int_equal(a->n_chosen, b->n_chosen);
	assert_int_equal(a->n_rejected, b->n_rejected);
	assert_int_equal(a->scored_chosen, b->scored_chosen);
	assert_int_equal(a->scored_rejected, b->scored_rejected);
	assert_memory_equal(a->ids, b->ids, (size_t)total * 4);
	for (int t = 0; t < total; t++)
		assert_int_equal(a->scored ? a->scored[t] : t >= a->n_prompt, b->scored ? b->scored[t] : t >= b->n_prompt);
	assert_true(same_number(a->score_chosen, b->score_chosen));
	assert_true(same_number(a->score_rejected, b->score_rejected));
	assert_true(same_number(a->ref_chosen_logps, b->ref_chosen_logps));
	assert_true(same_number(a->ref_rejected_logps, b->ref_rejected_logps));
	assert_true(a->weight == b->weight);
	assert_int_equal(a->ref_token_logps != NULL, b->ref_token_logps != NULL);
	if (b->ref_token_logps)
		assert_memory_equal(a->ref_token_logps, b->ref_token_logps,
			(size_t)(b->scored_chosen + b->scored_rejected) * 4);
}

static int
masked_pair(int64_t i)
{
	return i > 300 && i % 3 == 0;                      /* the first block has none */
}

static const struct od_ref_info ref = { "model", "tokenizer", "ids masked drop 2048/1800", "test" };

static char path[4096];

static void
write_file(int64_t n, int per_token, int ok)
{
	struct od_pairstream_writer *w = NULL;
	struct od_out *out = NULL;

	assert_int_equal(od_out_open(&out, path, NULL), OD_OK);
	assert_int_equal(od_pairstream_create(&w, out, &ref, NULL), OD_OK);
	for (int64_t i = 0; i < n; i++) {
		struct od_token_pair p = make_pair(i, masked_pair(i), per_token);

		assert_int_equal(od_pairstream_put(w, &p, NULL), OD_OK);
	}
	assert_int_equal(od_pairstream_finish(w, ok, NULL), OD_OK);
}

static int
set_up(void **state)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	(void)state;
	snprintf(path, sizeof path, "%s/od-pairs.XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int
tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

/* Reads everything; returns the status that ended it. */
static enum od_status
read_all(const void *bytes, size_t n, int64_t *count, struct od_error *err)
{
	struct od_pairstream_reader *r = NULL;
	struct od_token_pair p;
	struct od_in *in = NULL;
	enum od_status st;

	*count = 0;
	assert_int_equal(od_in_memory(&in, bytes, n, "test", NULL), OD_OK);
	assert_int_equal(od_pairstream_open(&r, in, NULL), OD_OK);
	while ((st = od_pairstream_next(r, &p, err)) == OD_OK)
		++*count;
	od_pairstream_close(r);
	return st;
}

static void
slurp(char **data, size_t *n)
{
	assert_int_equal(od_in_slurp(path, (size_t)1 << 30, data, n, NULL), OD_OK);
}

static void
round_trip(void **state)
{
	(void)state;
	for (int per_token = 0; per_token < 2; per_token++) {
		struct od_pairstream_reader *r = NULL;
		struct od_pairfile *f = NULL;
		struct od_token_pair p;
		struct od_in *in = NULL;

		write_file(N, per_token, 1);
		assert_int_equal(od_in_open(&in, path, NULL), OD_OK);
		assert_int_equal(od_pairstream_open(&r, in, NULL), OD_OK);
		for (int64_t i = 0; i < N; i++) {
			struct od_token_pair want = make_pair(i, masked_pair(i), per_token);

			assert_int_equal(od_pairstream_next(r, &p, NULL), OD_OK);
			assert_same_pair(&p, &want);
		}
		assert_int_equal(od_pairstream_next(r, &p, NULL), OD_EOF);
		assert_string_equal(od_pairstream_ref(r)->rules, ref.rules);
		od_pairstream_close(r);

		assert_int_equal(od_pairfile_open(&f, path, NULL), OD_OK);
		assert_int_equal(od_pairfile_count(f), N);
		assert_string_equal(od_pairfile_ref(f)->model, "model");
		for (int64_t k = 0; k < N; k++) {
			int64_t i = k * 359 % N;
			struct od_token_pair want = make_pair(i, masked_pair(i), per_token);

			od_pairfile_get(f, i, &p);
			assert_same_pair(&p, &want);
		}
		od_pairfile_close(f);
	}
}

static void
empty_stream(void **state)
{
	int64_t count;
	char *data;
	size_t n;

	(void)state;
	write_file(0, 0, 1);
	slurp(&data, &n);
	assert_int_equal(read_all(data, n, &count, NULL), OD_EOF);
	assert_int_equal(count, 0);
	assert_int_equal(read_all(data, 0, &count, NULL), OD_ETRUNC);
	free(data);
}

/* A producer that failed leaves no closing image. */
static void
no_end(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_pairfile *f = NULL;
	int64_t count;
	char *data;
	size_t n;

	(void)state;
	write_file(300, 0, 0);
	slurp(&data, &n);
	assert_int_equal(read_all(data, n, &count, &err), OD_ETRUNC);
	assert_non_null(strstr(err.msg, "closing image"));
	assert_int_equal(od_pairfile_open(&f, path, NULL), OD_ETRUNC);
	free(data);
}

static void
cut_anywhere(void **state)
{
	int64_t count;
	char *data;
	size_t n;

	(void)state;
	write_file(3, 0, 1);
	slurp(&data, &n);
	for (size_t cut = 0; cut < n; cut++) {
		enum od_status st = read_all(data, cut, &count, NULL);

		assert_true(st == OD_ETRUNC || st == OD_EFORMAT);
	}
	assert_int_equal(read_all(data, n, &count, NULL), OD_EOF);
	assert_int_equal(count, 3);
	free(data);
}

static void
two_streams(void **state)
{
	char *data, *twice;
	int64_t count;
	size_t n;

	(void)state;
	write_file(5, 0, 1);
	slurp(&data, &n);
	twice = malloc(2 * n);
	assert_non_null(twice);
	memcpy(twice, data, n);
	memcpy(twice + n, data, n);
	assert_int_equal(read_all(twice, 2 * n, &count, NULL), OD_EOF);
	assert_int_equal(count, 10);
	free(twice);
	free(data);
}

/* Any single damaged byte is either refused or gives other values; never a fault. */
static void
damaged_bytes(void **state)
{
	struct od_rng rng = od_rng_init(7, 1);
	int64_t count, refused = 0;
	char *data;
	size_t n;

	(void)state;
	write_file(6, 1, 1);
	slurp(&data, &n);
	for (int k = 0; k < 4000; k++) {
		size_t at = (size_t)od_rng_below(&rng, n);
		char old = data[at];

		data[at] = (char)od_rng_u64(&rng);
		refused += read_all(data, n, &count, NULL) != OD_EOF;
		data[at] = old;
	}
	assert_true(refused > 1000);
	free(data);
}

/* An image with the given lengths and counts over four tokens; what the reader says. */
static enum od_status
hostile(const int32_t lengths[3], const int32_t counts[2], int32_t id_end, const int32_t *ids, struct od_error *err)
{
	static const char id[8] = "abc";
	const struct od_metadata meta = { "od_pairs", "1" };
	struct od_tensor_out t[] = {
		{ .name = "lengths", .dtype = OD_I32, .n_dims = 2, .shape = { 1, 3 }, .data = lengths },
		{ .name = "scored_tokens", .dtype = OD_I32, .n_dims = 2, .shape = { 1, 2 }, .data = counts },
		{ .name = "id_end", .dtype = OD_I32, .n_dims = 1, .shape = { 1 }, .data = &id_end },
		{ .name = "ids", .dtype = OD_I32, .n_dims = 1, .shape = { 4 }, .data = ids },
		{ .name = "id", .dtype = OD_U8, .n_dims = 1, .shape = { 8 }, .data = id },
	};
	struct od_out *out = NULL;
	enum od_status st;
	int64_t count;
	char *data;
	size_t n;

	assert_int_equal(od_out_open(&out, path, NULL), OD_OK);
	assert_int_equal(od_safetensors_write(out, t, 5, &meta, 1, NULL), OD_OK);
	assert_int_equal(od_out_close(out, NULL), OD_OK);
	slurp(&data, &n);
	st = read_all(data, n, &count, err);
	free(data);
	return st;
}

static void
hostile_images(void **state)
{
	static const int32_t ids[4] = { 1, 2, 3, 4 }, negative[4] = { 1, -2, 3, 4 };
	static const struct {
		int32_t lengths[3], counts[2], id_end;
		const char *why;
	} bad[] = {
		{ { 2, 1, 2 }, { 1, 2 }, 4, "lengths do not fit" },
		{ { -1, 3, 2 }, { 3, 2 }, 4, "lengths do not fit" },
		{ { 2, 0, 2 }, { 0, 2 }, 4, "lengths do not fit" },
		{ { 2147483647, 2147483647, 2 }, { 1, 1 }, 4, "lengths do not fit" },
		{ { 2, 1, 0 }, { 1, 0 }, 4, "do not add up" },
		{ { 2, 1, 1 }, { 2, 1 }, 4, "do not match their count" },
		{ { 2, 1, 1 }, { 1, 1 }, 9, "damaged id" },
		{ { 2, 1, 1 }, { 1, 1 }, 0, "damaged id" },
		{ { 2, 1, 1 }, { 1, 1 }, 3, "damaged id" },
	};
	const int32_t lengths[3] = { 2, 1, 1 }, counts[2] = { 1, 1 };
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(hostile(bad[i].lengths, bad[i].counts, bad[i].id_end, ids, &err), OD_EFORMAT);
		assert_non_null(strstr(err.msg, bad[i].why));
	}
	assert_int_equal(hostile(lengths, counts, 4, negative, &err), OD_EFORMAT);
	/* the same image, sound, lacks only the end of the stream */
	assert_int_equal(hostile(lengths, counts, 4, ids, &err), OD_ETRUNC);
}

static void
other_images(void **state)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_out *out = NULL;
	float x = 1;
	struct od_tensor_out t = { .name = "x", .dtype = OD_F32, .n_dims = 1, .shape = { 1 }, .data = &x };
	int64_t count;
	char *data;
	size_t n;

	(void)state;
	assert_int_equal(od_out_open(&out, path, NULL), OD_OK);
	assert_int_equal(od_safetensors_write(out, &t, 1, NULL, 0, NULL), OD_OK);
	assert_int_equal(od_out_close(out, NULL), OD_OK);
	slurp(&data, &n);
	assert_int_equal(read_all(data, n, &count, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "without pairs"));
	free(data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(empty_stream), cmocka_unit_test(no_end),
		cmocka_unit_test(cut_anywhere), cmocka_unit_test(two_streams), cmocka_unit_test(damaged_bytes),
		cmocka_unit_test(hostile_images), cmocka_unit_test(other_images),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
