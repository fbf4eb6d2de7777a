/* model_help.h -- small random models of every family, pairs for them, and one forward or backward pass, for tests.
 *
 * The seed can be set by OD_TEST_SEED; it is printed so that a failure can be repeated.
 */
#ifndef OD_TESTS_MODEL_HELP_H
#define OD_TESTS_MODEL_HELP_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rng.h"
#include "model/engine.h"

#define VOCAB 61

static uint64_t seed = 20261123;

static const char *const configs[] = {
	"{\"model_type\":\"llama\",\"vocab_size\":61,\"hidden_size\":32,\"intermediate_size\":48,\"num_hidden_layers\":3,"
	"\"num_attention_heads\":4,\"num_key_value_heads\":2,\"rope_theta\":10000,\"tie_word_embeddings\":true}",
	"{\"model_type\":\"llama\",\"vocab_size\":61,\"hidden_size\":32,\"intermediate_size\":40,\"num_hidden_layers\":2,"
	"\"num_attention_heads\":4,\"head_dim\":6,\"attention_bias\":true,\"mlp_bias\":true,\"rope_scaling\":{\"rope_type\":"
	"\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":16}}",
	"{\"model_type\":\"qwen2\",\"vocab_size\":61,\"hidden_size\":24,\"intermediate_size\":36,\"num_hidden_layers\":2,"
	"\"num_attention_heads\":3,\"num_key_value_heads\":1,\"rope_theta\":1000000,\"tie_word_embeddings\":false}",
	"{\"model_type\":\"gemma2\",\"vocab_size\":61,\"hidden_size\":24,\"intermediate_size\":40,\"num_hidden_layers\":3,"
	"\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,\"query_pre_attn_scalar\":11,\"sliding_window\":5,"
	"\"attn_logit_softcapping\":3,\"final_logit_softcapping\":5}",
};

#define N_CONFIGS (sizeof configs / sizeof *configs)

static void
fill_random(const struct od_params *p, float *flat)
{
	struct od_rng rng = od_rng_init(seed, 1);

	for (int i = 0; i < p->n; i++)
		for (int64_t k = 0; k < p->table[i].rows * p->table[i].cols; k++)
			flat[p->table[i].offset + k] = (float)(0.3 * od_rng_normal(&rng));
}

/* Random weights times 'scale', exact in bf16. */
static inline void
make_scaled(struct od_model *m, const char *config, struct od_backend *be, double scale, bool frozen)
{
	json_t *json = json_loads(config, 0, NULL);
	struct od_error err = OD_ERROR_INIT;
	float *host;

	assert_non_null(json);
	memset(m, 0, sizeof *m);
	m->be = be;
	assert_int_equal(od_config_read(&m->config, json, &err), OD_OK);
	assert_int_equal(od_params_layout(&m->params, &m->config, true, &err), OD_OK);
	host = calloc((size_t)m->params.total, sizeof *host);
	assert_non_null(host);
	fill_random(&m->params, host);
	for (int64_t i = 0; i < m->params.total; i++)
		host[i] = od_bf16_to_f32(od_f32_to_bf16((float)(scale * host[i])));
	if (od_model_place(m, host, frozen, &err) != OD_OK)
		fail_msg("%s", err.msg);
	free(host);
	json_decref(json);
}

static inline void
make_model(struct od_model *m, const char *config, struct od_backend *be)
{
	make_scaled(m, config, be, 1, false);
}

/* Two sequences with a shared prefix of 'prompt' tokens. */
struct sample {
	int32_t ids[2][64];
	struct od_seq seqs[2];
};

static inline void
make_sample(struct sample *s, struct od_rng *rng, int prompt, int chosen, int rejected)
{
	int n[2] = { prompt + chosen, prompt + rejected };

	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < n[k]; i++)
			s->ids[k][i] = k && i < prompt ? s->ids[0][i] : (int32_t)od_rng_below(rng, VOCAB);
		s->seqs[k] = (struct od_seq){ s->ids[k], n[k], prompt, NULL };
	}
}

static void
forward(struct od_model *m, const struct od_batch *b, float *grads, const float *coef, float *logps)
{
	struct od_engine *e = NULL;
	struct od_error err = OD_ERROR_INIT;

	assert_int_equal(od_engine_open(&e, m, grads, &err), OD_OK);
	assert_int_equal(od_engine_reserve(e, grads != NULL, b->n_tokens, b->n_rows, b->n_entries, b->max_pos, &err), OD_OK);
	if (od_engine_forward(e, b, logps, &err) != OD_OK)
		fail_msg("%s", err.msg);
	if (coef)
		assert_int_equal(od_engine_backward(e, b, coef, &err), OD_OK);
	od_engine_close(e);
}

/* The sums of one pair run on its own. */
static inline void
forward_alone(struct od_model *m, const struct od_seq *seqs, int n, double *sums)
{
	struct od_batch one = OD_BATCH_INIT;
	float logps[256];

	assert_int_equal(od_batch_add(&one, seqs, n, NULL), OD_OK);
	forward(m, &one, NULL, NULL, logps);
	od_batch_sum(&one, logps, sums);
	od_batch_release(&one);
}

#endif
