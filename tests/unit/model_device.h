/* model_device.h -- whole models in both number types on the device OD_TEST_DEVICE against the plain double backend: log-probs,
 * gradients of every parameter, an update, and the promises of backend.h: a pair's bits do not depend on its neighbours, nor
 * on whether the model is frozen. */
#include "model_help.h"

/* The shapes that take the tensor cores' attention, besides those of model_help.h. */
static const char *const wide[] = {
	"{\"model_type\":\"llama\",\"vocab_size\":61,\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":2,"
	"\"num_attention_heads\":3,\"num_key_value_heads\":1,\"head_dim\":64,\"tie_word_embeddings\":true}",
	"{\"model_type\":\"qwen2\",\"vocab_size\":61,\"hidden_size\":64,\"intermediate_size\":80,\"num_hidden_layers\":2,"
	"\"num_attention_heads\":2,\"num_key_value_heads\":2,\"head_dim\":128,\"tie_word_embeddings\":false}",
	"{\"model_type\":\"gemma2\",\"vocab_size\":61,\"hidden_size\":64,\"intermediate_size\":64,\"num_hidden_layers\":2,"
	"\"num_attention_heads\":2,\"num_key_value_heads\":1,\"head_dim\":64,\"query_pre_attn_scalar\":64,\"sliding_window\":9,"
	"\"attn_logit_softcapping\":20,\"final_logit_softcapping\":30}",
};

#define N_WIDE (sizeof wide / sizeof *wide)
#define N_ALL (N_CONFIGS + N_WIDE)

static size_t step = 1;                          /* where every access is watched every third is enough */
static struct od_backend *ref, *device[2];       /* device: fp32, bf16 */
static double worst_logp[2], worst_grad[2];
static const double logp_tolerance[] = { 1e-5, 0.05 }, grad_tolerance[] = { 1e-5, 0.04 };

static const char *
config_at(size_t i)
{
	return i < N_CONFIGS ? configs[i] : wide[i - N_CONFIGS];
}

/* Weights of half the size: bf16 keeps two to three digits, and these models' layers are as sharp as they come. */
static void
make_mild(struct od_model *m, const char *config, struct od_backend *be, bool frozen)
{
	make_scaled(m, config, be, 0.5, frozen);
}

static void
make_batch(struct od_batch *b, struct sample s[3], uint64_t stream)
{
	static const int shape[3][3] = { { 9, 12, 5 }, { 1, 3, 20 }, { 20, 1, 2 } };
	struct od_rng rng = od_rng_init(seed, stream);

	for (int i = 0; i < 3; i++) {
		make_sample(&s[i], &rng, shape[i][0], shape[i][1], shape[i][2]);
		assert_int_equal(od_batch_add(b, s[i].seqs, 2, NULL), OD_OK);
	}
}

static void
check_logps(size_t i, int d)
{
	struct od_batch all = OD_BATCH_INIT;
	struct od_model m, mr, frozen;
	struct sample s[3];
	float packed[256], plain[256], cold[256];
	double sums[6], alone[2];

	make_mild(&m, config_at(i), device[d], false);
	make_mild(&frozen, config_at(i), device[d], true);
	make_mild(&mr, config_at(i), ref, false);
	make_batch(&all, s, 2 + i);
	forward(&m, &all, NULL, NULL, packed);
	forward(&mr, &all, NULL, NULL, plain);
	for (int64_t k = 0; k < all.n_entries; k++) {
		worst_logp[d] = fmax(worst_logp[d], fabs((double)packed[k] - plain[k]));
		if (!(fabs((double)packed[k] - plain[k]) < logp_tolerance[d]))
			fail_msg("config %zu: log-prob %g, wanted %g", i, (double)packed[k], (double)plain[k]);
	}
	forward(&frozen, &all, NULL, NULL, cold);
	assert_memory_equal(cold, packed, (size_t)all.n_entries * sizeof *cold);
	od_batch_sum(&all, packed, sums);
	for (int k = 0; k < 3; k++) {
		forward_alone(&m, s[k].seqs, 2, alone);
		assert_memory_equal(&sums[2 * k], alone, sizeof alone);
	}
	od_batch_release(&all);
	od_model_close(&m);
	od_model_close(&frozen);
	od_model_close(&mr);
}

static void
test_logps(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i += step)
		for (int d = 0; d < 2; d++)
			check_logps(i, d);
}

/* Four responses to one prompt and a lone one, read at places in prompt and response. */
struct readings {
	int32_t ids[5][40], at[5][3];
	struct od_read r[5];
};

enum { READ_SHARED = 11 };

static void
make_readings(struct readings *s, uint64_t stream)
{
	static const int32_t n[5] = { 30, 12, 11, 40, 17 };
	struct od_rng rng = od_rng_init(seed, stream);

	for (int k = 0; k < 5; k++) {
		for (int i = 0; i < n[k]; i++)
			s->ids[k][i] = k && k < 4 && i < READ_SHARED ? s->ids[0][i] : (int32_t)od_rng_below(&rng, VOCAB);
		s->at[k][0] = 6;
		s->at[k][1] = (6 + n[k]) / 2;
		s->at[k][2] = n[k] - 1;
		s->r[k] = (struct od_read){ s->ids[k], n[k], s->at[k], 3 };
	}
}

/* hidden[3 n, d]: what each of n sequences asked for, in its order. */
static void
read_hidden(struct od_model *m, const struct od_read *r, int n, const struct od_read *lone, float *hidden)
{
	struct od_batch b = OD_BATCH_INIT;
	struct od_engine *e = NULL;
	struct od_error err = OD_ERROR_INIT;
	size_t d = (size_t)m->config.hidden_size;
	float *rows;

	assert_int_equal(od_batch_add_reads(&b, r, n, READ_SHARED, &err), OD_OK);
	if (lone)
		assert_int_equal(od_batch_add_reads(&b, lone, 1, 0, &err), OD_OK);
	rows = malloc((size_t)b.n_rows * d * sizeof *rows);
	assert_non_null(rows);
	assert_int_equal(od_engine_open(&e, m, NULL, &err), OD_OK);
	if (od_engine_hidden(e, &b, rows, &err) != OD_OK)
		fail_msg("%s", err.msg);
	for (int64_t i = 0; i < b.n_entries; i++)
		memcpy(hidden + (size_t)i * d, rows + (size_t)b.entry_row[i] * d, d * sizeof *rows);
	od_engine_close(e);
	od_batch_release(&b);
	free(rows);
}

static void
check_hidden(size_t i, int d)
{
	struct od_model m, mr;
	struct readings s;
	static float tree[15 * 64], plain[15 * 64], alone[3 * 64];
	size_t width;

	make_mild(&m, config_at(i), device[d], true);
	make_mild(&mr, config_at(i), ref, true);
	make_readings(&s, 80 + i);
	width = (size_t)m.config.hidden_size;
	read_hidden(&m, s.r, 4, &s.r[4], tree);
	read_hidden(&mr, s.r, 4, &s.r[4], plain);
	for (size_t k = 0; k < 15 * width; k++)
		if (!(fabs((double)tree[k] - plain[k]) < 2 * logp_tolerance[d]))
			fail_msg("config %zu: hidden %g, wanted %g", i, (double)tree[k], (double)plain[k]);
	for (size_t k = 0; k < 4; k++) {
		read_hidden(&m, &s.r[k], 1, NULL, alone);
		assert_memory_equal(alone, tree + k * 3 * width, 3 * width * sizeof *alone);
	}
	od_model_close(&m);
	od_model_close(&mr);
}

static void
test_hidden(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i += step)
		for (int d = 0; d < 2; d++)
			check_hidden(i, d);
}

/* The gradient on the host. */
static float *
gradient(struct od_model *m, const struct od_batch *b, const float *coef)
{
	struct od_backend *be = m->be;
	size_t bytes = (size_t)m->params.total * sizeof(float);
	float *grads = be->alloc(be, bytes), *host = malloc(bytes), logps[256];

	assert_non_null(grads);
	be->zero(be, grads, bytes);
	forward(m, b, grads, coef, logps);
	be->download(be, host, grads, bytes);
	be->free(be, grads);
	return host;
}

/* A tensor's gradient as a vector: the length of the difference over its own. A key's bias moves all scores of a query alike
 * but for the rotation, so its gradient is what is left when nearly everything cancels: vectors are allowed more. */
static void
compare_gradients(const struct od_params *p, const float *got, const float *want, int d, size_t config)
{
	for (int i = 0; i < p->n; i++) {
		const struct od_param *e = &p->table[i];
		double size = 0, off = 0;

		for (int64_t k = e->offset; k < e->offset + e->rows * e->cols; k++) {
			size += (double)want[k] * want[k];
			off += ((double)got[k] - want[k]) * ((double)got[k] - want[k]);
		}
		off = sqrt(off / (size + 1e-30)) / (e->n_dims == 1 ? 3 : 1);
		worst_grad[d] = fmax(worst_grad[d], off);
		if (!(off <= grad_tolerance[d]))
			fail_msg("config %zu, %s: off by %g of its length", config, e->name, off);
	}
}

static void
check_gradients(size_t i, int d)
{
	struct od_batch b = OD_BATCH_INIT;
	struct od_rng rng = od_rng_init(seed, 40 + i);
	struct od_model m, mr;
	struct sample s[3];
	float coef[256], *got, *again, *want;

	make_mild(&m, config_at(i), device[d], false);
	make_mild(&mr, config_at(i), ref, false);
	make_batch(&b, s, 60 + i);
	for (int64_t k = 0; k < b.n_entries; k++)
		coef[k] = (float)od_rng_normal(&rng);
	got = gradient(&m, &b, coef);
	again = gradient(&m, &b, coef);
	want = gradient(&mr, &b, coef);
	compare_gradients(&m.params, got, want, d, i);
	assert_memory_equal(got, again, (size_t)m.params.total * sizeof *got);
	free(got);
	free(again);
	free(want);
	od_batch_release(&b);
	od_model_close(&m);
	od_model_close(&mr);
}

static void
test_gradients(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ALL; i += step)
		for (int d = 0; d < 2; d++)
			check_gradients(i, d);
}

/* After an update products read the new weights: the same log-probs as a model made of them. */
static void
test_update_reaches_products(void **state)
{
	const struct od_adamw p = { 0.01, 0.9, 0.999, 1e-8, 0, 0.1, 0.001, 1 };

	(void)state;
	for (int d = 0; d < 2; d++) {
		struct od_backend *be = device[d];
		struct od_batch b = OD_BATCH_INIT;
		struct od_model m, fresh;
		struct sample s[3];
		float logps[3][256], *g, *mom, *host;
		size_t bytes;

		make_mild(&m, wide[0], be, false);
		make_mild(&fresh, wide[0], be, true);
		make_batch(&b, s, 7);
		bytes = (size_t)m.params.total * sizeof(float);
		g = be->alloc(be, bytes);
		mom = be->alloc(be, 2 * bytes);
		host = malloc(bytes);
		for (int64_t i = 0; i < m.params.total; i++)
			host[i] = (float)(i % 3) - 1;
		be->upload(be, g, host, bytes);
		be->zero(be, mom, 2 * bytes);
		forward(&m, &b, NULL, NULL, logps[0]);
		be->adamw(be, m.weights, mom, mom + m.params.total, g, m.products == m.weights ? NULL : m.products, m.params.total, &p);
		forward(&m, &b, NULL, NULL, logps[1]);
		be->download(be, host, m.weights, bytes);
		be->free(be, fresh.products == fresh.weights ? NULL : fresh.products);
		be->free(be, fresh.weights);
		be->free(be, fresh.vectors);
		fresh.weights = fresh.vectors = NULL;
		fresh.products = NULL;
		assert_int_equal(od_model_place(&fresh, host, true, NULL), OD_OK);
		forward(&fresh, &b, NULL, NULL, logps[2]);
		assert_memory_not_equal(logps[0], logps[1], (size_t)b.n_entries * sizeof(float));
		assert_memory_equal(logps[2], logps[1], (size_t)b.n_entries * sizeof(float));
		be->free(be, g);
		be->free(be, mom);
		free(host);
		od_batch_release(&b);
		od_model_close(&m);
		od_model_close(&fresh);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_logps), cmocka_unit_test(test_hidden), cmocka_unit_test(test_gradients),
		cmocka_unit_test(test_update_reaches_products) };
	const char *text = getenv("OD_TEST_SEED");
	struct od_error err = OD_ERROR_INIT;
	int failed;

	(void)argc;
	if (strstr(argv[0], "/race/") || getenv("OD_TEST_QUICK"))
		step = 3;
	if (text)
		seed = strtoull(text, NULL, 10);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	printf("# seed %llu\n", (unsigned long long)seed);
	if (od_backend_open(&ref, "ref", OD_COMPUTE_FP32, 0, &err) != OD_OK ||
	    od_backend_open(&device[0], OD_TEST_DEVICE, OD_COMPUTE_FP32, 0, &err) != OD_OK ||
	    od_backend_open(&device[1], OD_TEST_DEVICE, OD_COMPUTE_BF16, 0, &err) != OD_OK) {
		printf("Bail out! %s\n", err.msg);
		return 1;
	}
	failed = cmocka_run_group_tests_name("model on a device", tests, NULL, NULL);
	for (int d = 0; d < 2; d++) {
		printf("# %s: log-probs within %.2g, gradients within %.2g of a tensor's length\n", device[d]->numerics,
			worst_logp[d], worst_grad[d]);
		od_backend_close(device[d]);
	}
	od_backend_close(ref);
	return failed;
}
