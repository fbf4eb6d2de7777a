/* Unit tests of model/reward.h: each kind of head from a checkpoint of random tensors, against the formulas in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rng.h"
#include "io/safetensors.h"
#include "model/reward.h"

enum { D = 48, N = 7, OBJECTIVES = 5, GATE = 20, LAYERS = 2, MAX_TENSORS = 16, MAX_VALUES = D * D };

struct tensor {
	char name[48];
	int64_t rows, cols;                        /* cols 0: a vector */
	float v[MAX_VALUES];
};

static struct tensor tensors[MAX_TENSORS];
static size_t n_tensors;
static char dir[64];
static float rows[N * D];
static const uint8_t gate[N] = { 1, 0, 0, 1, 0, 1, 0 };

/* ---- checkpoints ---------------------------------------------------------------------------------------------------- */

/* Values exact in bf16, so that backends of both types read the same. */
static void
fill(float *v, int64_t n, double deviation, uint64_t stream)
{
	struct od_rng rng = od_rng_init(20261126, stream);

	for (int64_t i = 0; i < n; i++)
		v[i] = od_bf16_to_f32(od_f32_to_bf16((float)(deviation * od_rng_normal(&rng))));
}

static void
add(const char *name, int64_t n_rows, int64_t n_cols)
{
	struct tensor *t = &tensors[n_tensors++];

	snprintf(t->name, sizeof t->name, "%s", name);
	t->rows = n_rows;
	t->cols = n_cols;
	fill(t->v, n_rows * (n_cols ? n_cols : 1), n_cols ? 1.5 / sqrt((double)n_cols) : 0.2, n_tensors);
}

static const float *
values(const char *name)
{
	for (size_t i = 0; i < n_tensors; i++)
		if (strcmp(tensors[i].name, name) == 0)
			return tensors[i].v;
	fail_msg("no tensor %s", name);
	return NULL;
}

static void
make_head(enum od_head head, bool mlp)
{
	n_tensors = 0;
	add("model.norm.weight", D, 0);
	if (head == OD_HEAD_GATED) {
		add("regression_layer.weight", OBJECTIVES, D);
		add("reward_transform_matrix", OBJECTIVES, OBJECTIVES);
		add("gating.logit_scale", 1, 0);
		add("gating.layers.0.weight", GATE, D);
		add("gating.layers.0.bias", GATE, 0);
		add("gating.layers.1.weight", GATE, GATE);
		add("gating.layers.1.bias", GATE, 0);
		add("gating.layers.2.weight", OBJECTIVES, GATE);
		add("gating.layers.2.bias", OBJECTIVES, 0);
	} else if (mlp) {
		int64_t labels = head == OD_HEAD_PROCESS ? 2 : 1;

		add("score.0.weight", D, D);
		add("score.0.bias", D, 0);
		add("score.2.weight", labels, D);
		add("score.2.bias", labels, 0);
	} else {
		add("score.weight", 1, D);
	}
}

/* Writes all tensors but 'without'. */
static void
write_head(const char *without)
{
	struct od_tensor_out t[MAX_TENSORS];
	struct od_error err = OD_ERROR_INIT;
	struct od_out *out = NULL;
	char path[128];
	size_t n = 0;

	for (size_t i = 0; i < n_tensors; i++) {
		if (without && strcmp(tensors[i].name, without) == 0)
			continue;
		t[n++] = (struct od_tensor_out){ .name = tensors[i].name, .dtype = OD_F32, .n_dims = tensors[i].cols ? 2 : 1,
			.shape = { tensors[i].rows, tensors[i].cols }, .data = tensors[i].v };
	}
	snprintf(path, sizeof path, "%s/model.safetensors", dir);
	assert_int_equal(od_out_open(&out, path, &err), OD_OK);
	assert_int_equal(od_safetensors_write(out, t, n, NULL, 0, &err), OD_OK);
	assert_int_equal(od_out_close(out, &err), OD_OK);
}

static struct od_model_config
config_of(enum od_head head)
{
	struct od_model_config c = { .hidden_size = D };

	c.reward.head = head;
	c.reward.n_objectives = OBJECTIVES;
	c.reward.gating_layers = LAYERS;
	c.reward.gating_dim = GATE;
	c.reward.gating_temperature = 3;
	return c;
}

/* ---- formulas ------------------------------------------------------------------------------------------------------- */

static void
layer(const char *prefix, const double *x, int cols, double *y, int n_rows, bool bias, bool positive)
{
	char name[64];
	const float *w, *b = NULL;

	snprintf(name, sizeof name, "%s.weight", prefix);
	w = values(name);
	snprintf(name, sizeof name, "%s.bias", prefix);
	if (bias)
		b = values(name);
	for (int i = 0; i < n_rows; i++) {
		y[i] = b ? b[i] : 0;
		for (int k = 0; k < cols; k++)
			y[i] += (double)w[i * cols + k] * x[k];
		if (positive && y[i] < 0)
			y[i] = 0;
	}
}

static void
want_gate(const double *x, double *out)
{
	double a[GATE], b[GATE], sum = 0;

	layer("gating.layers.0", x, D, a, GATE, true, true);
	layer("gating.layers.1", a, GATE, b, GATE, true, true);
	layer("gating.layers.2", b, GATE, out, OBJECTIVES, true, false);
	for (int i = 0; i < OBJECTIVES; i++)
		sum += exp(out[i] / 3);
	for (int i = 0; i < OBJECTIVES; i++)
		out[i] = *values("gating.logit_scale") * exp(out[i] / 3) / sum;
}

/* What row i gives. */
static void
want_row(enum od_head head, bool mlp, int i, double *out)
{
	double x[D], h[D], y[2];

	for (int k = 0; k < D; k++)
		x[k] = rows[i * D + k];
	if (head == OD_HEAD_GATED) {
		if (gate[i])
			want_gate(x, out);
		else
			layer("regression_layer", x, D, out, OBJECTIVES, false, false);
		return;
	}
	if (mlp) {
		layer("score.0", x, D, h, D, true, true);
		layer("score.2", h, D, y, head == OD_HEAD_PROCESS ? 2 : 1, true, false);
	} else {
		layer("score", x, D, y, 1, false, false);
	}
	out[0] = head == OD_HEAD_PROCESS ? exp(y[1]) / (exp(y[0]) + exp(y[1])) : y[0];
}

/* ---- tests ---------------------------------------------------------------------------------------------------------- */

static void
check_head(const char *device, enum od_compute compute, enum od_head head, bool mlp)
{
	struct od_model_config c = config_of(head);
	struct od_backend *be = NULL;
	struct od_reward *r = NULL;
	struct od_error err = OD_ERROR_INIT;
	float out[N * OBJECTIVES], alone[OBJECTIVES];
	double want[OBJECTIVES];
	int32_t width;

	make_head(head, mlp);
	write_head(NULL);
	assert_int_equal(od_backend_open(&be, device, compute, 0, &err), OD_OK);
	if (od_reward_open(&r, &c, dir, be, &err) != OD_OK)
		fail_msg("%s", err.msg);
	width = od_reward_width(r);
	assert_int_equal(width, head == OD_HEAD_GATED ? OBJECTIVES : 1);
	assert_int_equal(strlen(od_reward_hash(r)), 64);
	assert_int_equal(od_reward_rows(r, rows, N, gate, out, &err), OD_OK);
	for (int i = 0; i < N; i++) {
		want_row(head, mlp, i, want);
		for (int32_t j = 0; j < width; j++)
			if (!(fabs(out[i * width + j] - want[j]) < 1e-5))
				fail_msg("%s, kind %d, row %d: %g, wanted %g", be->numerics, head, i, (double)out[i * width + j], want[j]);
		assert_int_equal(od_reward_rows(r, rows + i * D, 1, gate + i, alone, &err), OD_OK);
		assert_memory_equal(alone, out + i * width, (size_t)width * sizeof *alone);
	}
	od_reward_close(r);
	od_backend_close(be);
}

static void
test_heads(void **state)
{
	static const struct {
		const char *device;
		enum od_compute compute;
	} on[] = { { "ref", OD_COMPUTE_FP32 }, { "cpu", OD_COMPUTE_FP32 }, { "cpu", OD_COMPUTE_BF16 } };

	(void)state;
	for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
		check_head(on[i].device, on[i].compute, OD_HEAD_PROCESS, true);
		check_head(on[i].device, on[i].compute, OD_HEAD_GATED, false);
		check_head(on[i].device, on[i].compute, OD_HEAD_SCALAR, false);
		check_head(on[i].device, on[i].compute, OD_HEAD_SCALAR, true);
	}
}

/* The matrix's rows are the objectives that come in. */
static void
test_gated_score(void **state)
{
	struct od_model_config c = config_of(OD_HEAD_GATED);
	struct od_backend *be = NULL;
	struct od_reward *r = NULL;
	float g[OBJECTIVES], w[OBJECTIVES];
	double score = 0;

	(void)state;
	make_head(OD_HEAD_GATED, false);
	write_head(NULL);
	assert_int_equal(od_backend_open(&be, "cpu", OD_COMPUTE_FP32, 0, NULL), OD_OK);
	assert_int_equal(od_reward_open(&r, &c, dir, be, NULL), OD_OK);
	fill(g, OBJECTIVES, 1, 90);
	fill(w, OBJECTIVES, 1, 91);
	for (int i = 0; i < OBJECTIVES; i++)
		for (int j = 0; j < OBJECTIVES; j++)
			score += (double)w[i] * values("reward_transform_matrix")[i * OBJECTIVES + j] * g[j];
	assert_true(fabs(od_reward_gated(r, g, w) - score) < 1e-12);
	od_reward_close(r);
	od_backend_close(be);
}

static void
refuse(enum od_head head, bool mlp, const char *without, const char *part)
{
	struct od_model_config c = config_of(head);
	struct od_backend *be = NULL;
	struct od_reward *r = NULL;
	struct od_error err = OD_ERROR_INIT;

	make_head(head, mlp);
	if (!without)
		tensors[1].rows++;                 /* score.weight of two labels */
	write_head(without);
	assert_int_equal(od_backend_open(&be, "cpu", OD_COMPUTE_FP32, 0, NULL), OD_OK);
	assert_int_equal(od_reward_open(&r, &c, dir, be, &err), OD_EFORMAT);
	assert_null(r);
	if (!strstr(err.msg, part) || !strstr(err.msg, dir))
		fail_msg("'%s' does not say '%s'", err.msg, part);
	od_backend_close(be);
}

static void
test_missing_tensors(void **state)
{
	(void)state;
	refuse(OD_HEAD_PROCESS, true, "score.0.weight", "tensor 'score.0.weight' is missing");
	refuse(OD_HEAD_PROCESS, true, "score.2.bias", "tensor 'score.2.bias' is missing");
	refuse(OD_HEAD_GATED, false, "regression_layer.weight", "tensor 'regression_layer.weight' is missing");
	refuse(OD_HEAD_GATED, false, "reward_transform_matrix", "tensor 'reward_transform_matrix' is missing");
	refuse(OD_HEAD_GATED, false, "gating.layers.2.bias", "tensor 'gating.layers.2.bias' is missing");
	refuse(OD_HEAD_SCALAR, false, "score.weight", "tensor 'score.weight' is missing");
	refuse(OD_HEAD_SCALAR, false, NULL, "tensor 'score.weight' has 2 labels; a reward has one");
}

static void
test_wrong_kind(void **state)
{
	struct od_model_config c = config_of(OD_HEAD_LM);
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	snprintf(c.architecture, sizeof c.architecture, "LlamaForCausalLM");
	assert_int_equal(od_reward_check(&c, OD_HEAD_PROCESS, "m", "prm", &err), OD_EMISMATCH);
	assert_string_equal(err.msg, "m holds a language model (LlamaForCausalLM), and prm needs a process reward model "
		"(Qwen2ForProcessRewardModel)");
	assert_int_equal(od_reward_check(&c, OD_HEAD_LM, "m", "x", &err), OD_OK);
}

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof dir, "%s/od-reward-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	fill(rows, N * D, 1, 80);
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/model.safetensors", dir);
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_gated_score),
		cmocka_unit_test(test_missing_tensors),
		cmocka_unit_test(test_wrong_kind),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("reward", tests, make_dir, remove_dir);
}
