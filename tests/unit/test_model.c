/* Unit tests of lib/model: packing, forward and backward on small random models of every family. */
#include "model_help.h"

/* ---- packing ------------------------------------------------------------------------------------------------------ */

static void
test_packing_shares_the_prompt(void **state)
{
	int32_t a[] = { 1, 2, 3, 4, 5 }, b[] = { 1, 2, 3, 9 };
	struct od_seq seqs[2] = { { a, 5, 3, NULL }, { b, 4, 3, NULL } };
	struct od_batch batch = OD_BATCH_INIT;
	int32_t want_ids[] = { 1, 2, 3, 4 }, want_entry_id[] = { 4, 9, 5 }, want_seq[] = { 0, 1, 0 };

	(void)state;
	assert_int_equal(od_batch_add(&batch, seqs, 2, NULL), OD_OK);
	assert_int_equal(batch.n_tokens, 4);                 /* 5 and 9 are only targets */
	assert_int_equal(od_tree_tokens(seqs, 2), 4);
	assert_int_equal(od_flat_tokens(seqs, 2), 9);
	assert_memory_equal(batch.ids, want_ids, sizeof want_ids);
	assert_int_equal(batch.n_segments, 2);
	assert_int_equal(batch.seg_parent[1], 0);
	assert_int_equal(batch.n_rows, 2);                   /* token 3 predicts both first tokens: one row */
	assert_int_equal(batch.n_entries, 3);
	assert_memory_equal(batch.entry_id, want_entry_id, sizeof want_entry_id);
	assert_memory_equal(batch.entry_seq, want_seq, sizeof want_seq);
	od_batch_release(&batch);
}

static void
test_packing_odd_shapes(void **state)
{
	int32_t a[] = { 1, 2, 3 }, b[] = { 1, 2, 3, 4, 4 }, c[] = { 7 };
	struct od_seq prefix[2] = { { a, 3, 1, NULL }, { b, 5, 1, NULL } };
	struct od_seq apart[2] = { { c, 1, 0, NULL }, { a, 3, 0, NULL } };
	struct od_batch batch = OD_BATCH_INIT;

	(void)state;
	assert_int_equal(od_batch_add(&batch, prefix, 2, NULL), OD_OK);   /* one sequence inside the other */
	assert_int_equal(batch.n_tokens, 4);
	assert_int_equal(batch.n_entries, 2 + 4);
	assert_int_equal(od_batch_add(&batch, apart, 2, NULL), OD_OK);    /* nothing shared; one token scores nothing */
	assert_int_equal(batch.n_tokens, 6);
	assert_int_equal(batch.n_entries, 6 + 2);
	assert_int_equal(batch.n_seqs, 4);
	assert_int_equal(batch.entry_seq[7], 3);
	od_batch_release(&batch);
}

static void
test_packing_reads(void **state)
{
	int32_t a[] = { 1, 2, 3, 4, 5 }, b[] = { 1, 2, 3 }, c[] = { 1, 2, 3, 9 }, one[] = { 7 };
	int32_t at_a[] = { 1, 4 }, at_b[] = { 1, 2 }, at_c[] = { 3, 0 }, first[] = { 0 };
	struct od_read reads[3] = { { a, 5, at_a, 2 }, { b, 3, at_b, 2 }, { c, 4, at_c, 2 } }, lone = { one, 1, first, 1 };
	struct od_batch batch = OD_BATCH_INIT;
	int32_t want_ids[] = { 1, 2, 3, 4, 5, 9, 7 }, want_parent[] = { -1, 0, 0, -1 };
	int32_t want_token[] = { 1, 4, 1, 2, 5, 0, 6 }, want_seq[] = { 0, 0, 1, 1, 2, 2, 3 };

	(void)state;
	assert_int_equal(od_batch_add_reads(&batch, reads, 3, 3, NULL), OD_OK);
	assert_int_equal(od_batch_add_reads(&batch, &lone, 1, 0, NULL), OD_OK);
	assert_int_equal(batch.n_tokens, 7);                 /* the last token of each is there, the prompt once */
	assert_memory_equal(batch.ids, want_ids, sizeof want_ids);
	assert_int_equal(batch.n_segments, 4);               /* what has no tail has no segment */
	assert_memory_equal(batch.seg_parent, want_parent, sizeof want_parent);
	assert_int_equal(batch.pos[5], 3);
	assert_int_equal(batch.max_pos, 5);
	assert_int_equal(batch.n_entries, 7);
	assert_int_equal(batch.n_rows, 6);                   /* token 1 is read by two, as one row */
	for (int i = 0; i < 7; i++)
		assert_int_equal(batch.row_token[batch.entry_row[i]], want_token[i]);
	assert_memory_equal(batch.entry_seq, want_seq, sizeof want_seq);
	od_batch_release(&batch);
}

/* ---- forward ------------------------------------------------------------------------------------------------------ */

/* Three pairs in one batch: each has the bits it has alone, and the log-probs of the plain double backend. */
static void
check_packed(const char *config, uint64_t stream, struct od_backend *cpu, struct od_backend *ref)
{
	static const int shape[3][3] = { { 9, 12, 5 }, { 1, 3, 20 }, { 20, 1, 2 } };
	struct od_batch all = OD_BATCH_INIT;
	struct od_rng rng = od_rng_init(seed, stream);
	struct od_model m, mr;
	struct sample s[3];
	float packed[256], plain[256];
	double sums[6], alone[2];

	make_model(&m, config, cpu);
	make_model(&mr, config, ref);
	for (int i = 0; i < 3; i++) {
		make_sample(&s[i], &rng, shape[i][0], shape[i][1], shape[i][2]);
		assert_int_equal(od_batch_add(&all, s[i].seqs, 2, NULL), OD_OK);
	}
	forward(&m, &all, NULL, NULL, packed);
	forward(&mr, &all, NULL, NULL, plain);
	for (int64_t i = 0; i < all.n_entries; i++)
		assert_true(fabsf(packed[i] - plain[i]) < 2e-5f * (1 + fabsf(plain[i])));
	od_batch_sum(&all, packed, sums);
	for (int i = 0; i < 3; i++) {
		forward_alone(&m, s[i].seqs, 2, alone);
		assert_memory_equal(&sums[2 * i], alone, sizeof alone);
	}
	od_batch_release(&all);
	od_model_close(&m);
	od_model_close(&mr);
}

static void
test_packed_equals_alone(void **state)
{
	struct od_backend *cpu = NULL, *ref = NULL;

	(void)state;
	assert_int_equal(od_backend_open(&cpu, "cpu", OD_COMPUTE_FP32, 2, NULL), OD_OK);
	assert_int_equal(od_backend_open(&ref, "ref", OD_COMPUTE_AUTO, 2, NULL), OD_OK);
	for (size_t k = 0; k < N_CONFIGS; k++)
		check_packed(configs[k], 2 + k, cpu, ref);
	od_backend_close(cpu);
	od_backend_close(ref);
}

/* A tree's log-probs are those of its two sequences run one by one. */
static void
test_tree_equals_sequences(void **state)
{
	struct od_backend *be = NULL;

	(void)state;
	assert_int_equal(od_backend_open(&be, "ref", OD_COMPUTE_AUTO, 0, NULL), OD_OK);
	for (size_t k = 0; k < N_CONFIGS; k++) {
		struct od_rng rng = od_rng_init(seed, 20 + k);
		struct od_model m;
		struct sample s;
		double tree[2], alone[1];

		make_model(&m, configs[k], be);
		make_sample(&s, &rng, 11, 9, 14);
		forward_alone(&m, s.seqs, 2, tree);
		for (int i = 0; i < 2; i++) {
			forward_alone(&m, &s.seqs[i], 1, alone);
			assert_true(fabs(alone[0] - tree[i]) < 1e-4);
		}
		od_model_close(&m);
	}
	od_backend_close(be);
}

/* ---- backward ----------------------------------------------------------------------------------------------------- */

/* sum coef * logp with one tensor moved by h along u. */
static double
moved_loss(struct od_model *m, const struct od_batch *b, const float *coef, const struct od_param *p, const float *u, double h)
{
	float logps[256], kept[4096];
	float *w = m->weights + p->offset;
	int64_t n = p->rows * p->cols;
	double sum = 0;

	memcpy(kept, w, (size_t)n * sizeof *w);
	for (int64_t i = 0; i < n; i++)
		w[i] = (float)(kept[i] + h * u[i]);
	forward(m, b, NULL, NULL, logps);
	memcpy(w, kept, (size_t)n * sizeof *w);
	for (int64_t i = 0; i < b->n_entries; i++)
		sum += (double)coef[i] * logps[i];
	return sum;
}

/* The slope along a direction that is mostly the gradient's own (so that it is far from zero) and a little random. */
static void
check_parameter(struct od_model *m, const struct od_batch *b, const float *coef, const float *grads, int i, struct od_rng *rng)
{
	const struct od_param *p = &m->params.table[i];
	const float *g = grads + p->offset;
	int64_t n = p->rows * p->cols;
	double along = 0, size = 0, h = 2e-3, slope;
	float u[4096];

	assert_true(n <= 4096);
	for (int64_t k = 0; k < n; k++)
		size += (double)g[k] * g[k];
	assert_true(size > 0);
	for (int64_t k = 0; k < n; k++) {
		u[k] = (float)(0.3 * od_rng_normal(rng) / sqrt((double)n) + g[k] / sqrt(size));
		along += (double)u[k] * g[k];
	}
	slope = (moved_loss(m, b, coef, p, u, h) - moved_loss(m, b, coef, p, u, -h)) / (2 * h);
	if (fabs(slope - along) > 5e-3 * fabs(along) + 5e-3)
		fail_msg("%s: the gradient along a direction is %.6g, differences say %.6g", p->name, along, slope);
}

static void
check_gradients(const char *config, uint64_t stream, struct od_backend *be)
{
	struct od_batch b = OD_BATCH_INIT;
	struct od_rng rng = od_rng_init(seed, stream);
	struct od_model m;
	struct sample s[2];
	float logps[256], coef[256], *grads;

	make_model(&m, config, be);
	for (int i = 0; i < 2; i++) {
		make_sample(&s[i], &rng, 6 + i, 7, 4 + i);
		assert_int_equal(od_batch_add(&b, s[i].seqs, 2, NULL), OD_OK);
	}
	for (int64_t i = 0; i < b.n_entries; i++)
		coef[i] = (float)od_rng_normal(&rng);
	grads = be->alloc(be, (size_t)m.params.total * sizeof *grads);
	be->zero(be, grads, (size_t)m.params.total * sizeof *grads);
	forward(&m, &b, grads, coef, logps);
	for (int i = 0; i < m.params.n; i++)
		check_parameter(&m, &b, coef, grads, i, &rng);
	be->free(be, grads);
	od_batch_release(&b);
	od_model_close(&m);
}

static void
test_gradients(void **state)
{
	static const char *const backends[] = { "ref", "cpu" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct od_backend *be = NULL;

		assert_int_equal(od_backend_open(&be, backends[i], OD_COMPUTE_FP32, 2, NULL), OD_OK);
		for (size_t k = 0; k < N_CONFIGS; k++)
			check_gradients(configs[k], 40 + k, be);
		od_backend_close(be);
	}
}

/* Which floats were said to be final, and what their gradients were then. */
struct watcher {
	const struct od_params *p;
	const float *grads;                          /* on a CPU backend */
	float *then;
	int64_t end;                                 /* where the last part told of begins */
	int parts;
};

static void
note_final(void *ctx, int64_t first, int64_t n)
{
	struct watcher *w = ctx;

	assert_int_equal(first + n, w->end);         /* part after part, from the end of the vector */
	memcpy(w->then + first, w->grads + first, (size_t)n * sizeof *w->then);
	w->end = first;
	w->parts++;
}

static void
check_final(const char *config, struct od_backend *be)
{
	struct od_rng rng = od_rng_init(seed, 77);
	struct od_batch b = OD_BATCH_INIT;
	struct od_engine *e = NULL;
	struct od_model m;
	struct sample s;
	struct watcher w = { .p = &m.params };
	float logps[64], coef[64], *grads;

	make_model(&m, config, be);
	make_sample(&s, &rng, 5, 7, 4);
	assert_int_equal(od_batch_add(&b, s.seqs, 2, NULL), OD_OK);
	grads = calloc((size_t)m.params.total, sizeof *grads);
	w.then = calloc((size_t)m.params.total, sizeof *grads);
	w.grads = grads;
	w.end = m.params.total;
	for (int i = 0; i < 64; i++)
		coef[i] = (float)od_rng_normal(&rng);
	assert_int_equal(od_engine_open(&e, &m, grads, NULL), OD_OK);
	assert_int_equal(od_engine_reserve(e, true, b.n_tokens, b.n_rows, b.n_entries, b.max_pos, NULL), OD_OK);
	assert_int_equal(od_engine_forward(e, &b, logps, NULL), OD_OK);
	od_engine_watch(e, note_final, &w);
	assert_int_equal(od_engine_backward(e, &b, coef, NULL), OD_OK);
	assert_int_equal(w.end, 0);
	assert_int_equal(w.parts, m.config.n_layers + 2);
	assert_memory_equal(w.then, grads, (size_t)m.params.total * sizeof *grads);
	od_engine_watch(e, NULL, NULL);
	assert_int_equal(od_engine_backward(e, &b, coef, NULL), OD_OK);
	assert_int_equal(w.parts, m.config.n_layers + 2);     /* nobody watches any more */
	od_engine_close(e);
	od_batch_release(&b);
	od_model_close(&m);
	free(grads);
	free(w.then);
}

/* What is said to be final does not change any more. */
static void
test_final_gradients_are_final(void **state)
{
	struct od_backend *cpu = NULL;

	(void)state;
	assert_int_equal(od_backend_open(&cpu, "cpu", OD_COMPUTE_FP32, 1, NULL), OD_OK);
	for (size_t i = 0; i < N_CONFIGS; i++)
		check_final(configs[i], cpu);
	od_backend_close(cpu);
}

/* Gate and up made again in some layers, or in all: the gradients of keeping them, bit for bit, in a smaller arena. */
static void
check_recompute(const char *config, struct od_backend *be)
{
	struct od_rng rng = od_rng_init(seed, 78);
	struct od_batch b = OD_BATCH_INIT;
	struct od_model m;
	struct sample s;
	float logps[64], coef[64], *grads[2];
	size_t bytes;

	make_model(&m, config, be);
	make_sample(&s, &rng, 5, 7, 4);
	assert_int_equal(od_batch_add(&b, s.seqs, 2, NULL), OD_OK);
	for (int i = 0; i < 64; i++)
		coef[i] = (float)od_rng_normal(&rng);
	bytes = (size_t)m.params.total * sizeof(float);
	for (int32_t layers = 0; layers <= m.config.n_layers; layers++) {
		struct od_engine *e = NULL;
		float *g = calloc(1, bytes);

		assert_int_equal(od_engine_open(&e, &m, g, NULL), OD_OK);
		od_engine_recompute(e, layers);
		assert_int_equal(od_engine_reserve(e, true, b.n_tokens, b.n_rows, b.n_entries, b.max_pos, NULL), OD_OK);
		assert_int_equal(od_engine_forward(e, &b, logps, NULL), OD_OK);
		assert_int_equal(od_engine_backward(e, &b, coef, NULL), OD_OK);
		od_engine_close(e);
		grads[layers > 0] = g;
		if (layers > 0) {
			assert_memory_equal(grads[1], grads[0], bytes);
			free(grads[1]);
		}
	}
	assert_true(od_engine_bytes(&m.config, OD_F32, true, m.config.n_layers, 999, 999) <
		od_engine_bytes(&m.config, OD_F32, true, 1, 999, 999) || m.config.n_layers == 1);
	assert_int_equal(od_engine_bytes(&m.config, OD_F32, true, 1, 999, 999), od_engine_bytes(&m.config, OD_F32, true, 0, 999, 999));
	free(grads[0]);
	od_batch_release(&b);
	od_model_close(&m);
}

static void
test_recomputed_layers(void **state)
{
	struct od_backend *cpu = NULL;

	(void)state;
	assert_int_equal(od_backend_open(&cpu, "cpu", OD_COMPUTE_FP32, 1, NULL), OD_OK);
	for (size_t i = 0; i < N_CONFIGS; i++)
		check_recompute(configs[i], cpu);
	od_backend_close(cpu);
}

static void
test_ids_outside_the_vocabulary(void **state)
{
	int32_t ids[] = { 1, 2, VOCAB };
	struct od_seq seq = { ids, 3, 1, NULL };
	struct od_batch b = OD_BATCH_INIT;
	struct od_backend *be = NULL;
	struct od_engine *e = NULL;
	struct od_model m;
	struct od_error err = OD_ERROR_INIT;
	float logps[8];

	(void)state;
	assert_int_equal(od_backend_open(&be, "ref", OD_COMPUTE_AUTO, 0, NULL), OD_OK);
	make_model(&m, configs[0], be);
	assert_int_equal(od_engine_open(&e, &m, NULL, &err), OD_OK);
	assert_int_equal(od_batch_add(&b, &seq, 1, NULL), OD_OK);
	assert_int_equal(od_engine_forward(e, &b, logps, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "token id 61 is outside the model's vocabulary of 61");
	od_engine_close(e);
	od_batch_release(&b);
	od_model_close(&m);
	od_backend_close(be);
}

/* ---- configurations ----------------------------------------------------------------------------------------------- */

static enum od_status
read_config(const char *text, struct od_model_config *c, struct od_error *err)
{
	json_t *json = json_loads(text, 0, NULL);
	enum od_status st;

	assert_non_null(json);
	st = od_config_read(c, json, err);
	json_decref(json);
	return st;
}

static void
test_config_dialects(void **state)
{
	struct od_model_config c;

	(void)state;
	assert_int_equal(read_config("{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,"
		"\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":null,\"head_dim\":null,"
		"\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":500000.0},\"eos_token_id\":[2,3]}", &c, NULL), OD_OK);
	assert_int_equal(c.n_kv_heads, 2);
	assert_int_equal(c.head_dim, 4);
	assert_true(c.rope_theta == 500000.0);
	assert_int_equal(c.n_eos, 2);
	assert_false(c.tie_word_embeddings);
	assert_int_equal(read_config("{\"model_type\":\"gemma2\",\"vocab_size\":8,\"hidden_size\":3584,\"intermediate_size\":8,"
		"\"num_hidden_layers\":2,\"num_attention_heads\":16,\"num_key_value_heads\":8,\"head_dim\":256,\"hidden_act\":"
		"\"gelu\",\"hidden_activation\":\"gelu_pytorch_tanh\",\"sliding_window\":4096,\"dtype\":\"bfloat16\"}", &c, NULL),
		OD_OK);
	assert_true(c.embed_scale == 59.75);
	assert_true(c.tie_word_embeddings);
	assert_int_equal(od_config_window(&c, 0), 4096);
	assert_int_equal(od_config_window(&c, 1), 0);
}

static void
test_config_heads(void **state)
{
	static const struct {
		const char *architecture;
		enum od_head head;
	} known[] = {
		{ "LlamaForCausalLM", OD_HEAD_LM }, { "Qwen2ForProcessRewardModel", OD_HEAD_PROCESS },
		{ "LlamaForRewardModelWithGating", OD_HEAD_GATED }, { "Qwen2ForRewardModel", OD_HEAD_SCALAR },
		{ "LlamaForSequenceClassification", OD_HEAD_SCALAR }, { "Gemma2ForSequenceClassification", OD_HEAD_SCALAR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct od_model_config c;
		char text[512];

		snprintf(text, sizeof text, "{\"architectures\":[\"%s\"],\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":8,"
			"\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,\"gating_temperature\":5,"
			"\"gating_hidden_dim\":32}", known[i].architecture);
		assert_int_equal(read_config(text, &c, NULL), OD_OK);
		assert_string_equal(c.architecture, known[i].architecture);
		assert_int_equal(c.reward.head, known[i].head);
		if (c.reward.head != OD_HEAD_GATED)
			continue;
		assert_int_equal(c.reward.n_objectives, 19);
		assert_int_equal(c.reward.gating_layers, 3);
		assert_int_equal(c.reward.gating_dim, 32);
		assert_true(c.reward.gating_temperature == 5);
	}
}

static void
test_config_refusals(void **state)
{
	static const struct {
		const char *text, *message;
		enum od_status status;
	} bad[] = {
		{ "{}", "field 'model_type' is missing (known: llama, qwen2, gemma2)", OD_EFORMAT },
		{ "{\"model_type\":\"mamba\"}", "unknown architecture 'mamba' (known: llama, qwen2, gemma2)", OD_ESUPPORT },
		{ "{\"model_type\":\"llama\",\"vocab_size\":-1}", "field 'vocab_size' must be an integer from 1 to 16777216",
			OD_EFORMAT },
		{ "{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,"
			"\"num_attention_heads\":3,\"num_key_value_heads\":2}",
			"3 attention heads do not divide over 2 key-value heads", OD_EFORMAT },
		{ "{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,"
			"\"num_attention_heads\":2,\"rope_scaling\":{\"type\":\"yarn\"}}",
			"unknown rope scaling 'yarn' (known: default, llama3)", OD_ESUPPORT },
		{ "{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,"
			"\"num_attention_heads\":2,\"architectures\":[\"LlamaForRewardModelWithGating\"],\"gating_temperature\":0}",
			"field 'gating_temperature' must be greater than 0", OD_EFORMAT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct od_error err = OD_ERROR_INIT;
		struct od_model_config c;

		assert_int_equal(read_config(bad[i].text, &c, &err), bad[i].status);
		assert_string_equal(err.msg, bad[i].message);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packing_shares_the_prompt),
		cmocka_unit_test(test_packing_odd_shapes),
		cmocka_unit_test(test_packing_reads),
		cmocka_unit_test(test_packed_equals_alone),
		cmocka_unit_test(test_tree_equals_sequences),
		cmocka_unit_test(test_gradients),
		cmocka_unit_test(test_final_gradients_are_final),
		cmocka_unit_test(test_recomputed_layers),
		cmocka_unit_test(test_ids_outside_the_vocabulary),
		cmocka_unit_test(test_config_dialects),
		cmocka_unit_test(test_config_heads),
		cmocka_unit_test(test_config_refusals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("OD_TEST_SEED"))
		seed = strtoull(getenv("OD_TEST_SEED"), NULL, 10);
	printf("# seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
