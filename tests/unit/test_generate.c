/* test_generate.c -- one token at a time against whole sequences: logits of the decoder and log-probs of the engine; sequences that
 * share a prompt, pages given back; and that what is sampled depends on neither batch nor order. */
#include "model_help.h"

#include "model/decoder.h"
#include "model/generate.h"

enum { LEN = 60, PROMPT = 37, MOST = 3 };

static struct od_backend *be[2];                 /* fp32, bf16 */
static const double tolerance[] = { 2e-5, 0.06 };

static void
open_backends(void)
{
	static const enum od_compute compute[] = { OD_COMPUTE_FP32, OD_COMPUTE_BF16 };
	struct od_error err = OD_ERROR_INIT;

	for (int i = 0; i < 2; i++)
		if (od_backend_open(&be[i], "cpu", compute[i], 2, &err) != OD_OK) {
			printf("Bail out! %s\n", err.msg);
			exit(1);
		}
}

static void
random_ids(int32_t *ids, int n, struct od_rng *rng)
{
	for (int i = 0; i < n; i++)
		ids[i] = (int32_t)od_rng_below(rng, VOCAB);
}

static double
log_prob(const float *logits, double softcap, int32_t id)
{
	double x[VOCAB], max = -1e30, sum = 0;

	for (int i = 0; i < VOCAB; i++) {
		x[i] = softcap > 0 ? softcap * tanh(logits[i] / softcap) : logits[i];
		max = fmax(max, x[i]);
	}
	for (int i = 0; i < VOCAB; i++)
		sum += exp(x[i] - max);
	return x[id] - max - log(sum);
}

/* Two sequences that share a prompt and one of another, fed token by token, against their log-probs as whole sequences. */
static void
check_config(const char *config, int d, int prompt)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_rng rng = od_rng_init(seed, (uint64_t)prompt);
	struct od_model m;
	struct od_decoder *dec = NULL;
	int32_t ids[MOST][LEN], seq[MOST], fed[MOST];
	struct od_prompt p[2] = { { ids[0], prompt, 2, LEN, seq }, { ids[2], prompt / 2 + 1, 1, LEN, seq + 2 } };
	float whole[MOST][LEN], *logits;

	make_scaled(&m, config, be[d], 0.5, true);
	for (int k = 0; k < MOST; k++) {
		struct od_batch b = OD_BATCH_INIT;
		struct od_seq s = { ids[k], LEN, 1, NULL };

		random_ids(ids[k], LEN, &rng);
		if (k == 1)
			memcpy(ids[1], ids[0], (size_t)prompt * sizeof *ids[0]);
		assert_int_equal(od_batch_add(&b, &s, 1, NULL), OD_OK);
		forward(&m, &b, NULL, NULL, whole[k]);
		od_batch_release(&b);
	}
	assert_int_equal(od_decoder_open(&dec, &m, MOST, 1000, &err), OD_OK);
	assert_int_equal(od_decoder_start(dec, p, 2, &err), OD_OK);
	for (int t = 0; prompt - 1 + t + 1 < LEN; t++) {
		for (int k = 0; k < MOST; k++)
			fed[k] = ids[k][(k < 2 ? prompt : prompt / 2 + 1) - 1 + t];
		assert_int_equal(od_decoder_step(dec, seq, fed, MOST, &logits, &err), OD_OK);
		for (int k = 0; k < MOST; k++) {
			int at = (k < 2 ? prompt : prompt / 2 + 1) + t;
			double got = log_prob(logits + k * VOCAB, m.config.final_softcap, ids[k][at]), want = whole[k][at - 1];

			if (!(fabs(got - want) < tolerance[d]))
				fail_msg("sequence %d, token %d: log-prob %g, wanted %g", k, at, got, want);
		}
	}
	for (int k = 0; k < MOST; k++)
		od_decoder_end(dec, seq[k]);
	assert_int_equal(od_decoder_free_pages(dec), (1000 + OD_KV_PAGE - 1) / OD_KV_PAGE);
	assert_int_equal(od_decoder_free_seqs(dec), MOST);
	od_decoder_close(dec);
	od_model_close(&m);
}

static void
test_decoder(void **state)
{
	static const int prompts[] = { 1, 2, 32, 33, PROMPT };

	(void)state;
	for (int d = 0; d < 2; d++)
		for (size_t i = 0; i < N_CONFIGS; i++)
			for (size_t k = 0; k < sizeof prompts / sizeof *prompts; k++)
				check_config(configs[i], d, prompts[k]);
}

/* ---- generation ---- */

enum { JOBS = 7, SAMPLES = 3, NEW = 20 };

struct jobs {
	int32_t ids[JOBS][LEN];
	struct od_job job[JOBS];
	struct od_response response[JOBS][SAMPLES];
};

static struct jobs *
make_jobs(void)
{
	struct jobs *j = calloc(1, sizeof *j);
	struct od_rng rng = od_rng_init(seed, 9);

	assert_non_null(j);
	for (int i = 0; i < JOBS; i++) {
		int32_t n = 1 + (int32_t)od_rng_below(&rng, LEN - 1);

		random_ids(j->ids[i], n, &rng);
		j->job[i] = (struct od_job){ .prompt = j->ids[i], .n_prompt = n, .samples = SAMPLES, .key = (uint64_t)i, .response = j->response[i] };
	}
	return j;
}

static void
free_jobs(struct jobs *j)
{
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < SAMPLES; k++)
			od_response_release(&j->response[i][k]);
	free(j);
}

static void
generate(struct jobs *j, const struct od_model *m, const struct od_generate_options *o, bool backwards)
{
	struct od_generator *g = NULL;
	struct od_error err = OD_ERROR_INIT;
	enum od_status st;

	if (od_generator_open(&g, m, NULL, o, &err) != OD_OK)
		fail_msg("%s", err.msg);
	for (int i = 0; i < JOBS; i++)
		if (od_generator_add(g, &j->job[backwards ? JOBS - 1 - i : i], &err) != OD_OK)
			fail_msg("%s", err.msg);
	do
		st = od_generator_step(g, &err);
	while (st == OD_OK);
	if (st != OD_EOF)
		fail_msg("%s", err.msg);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(j->job[i].left, 0);
	od_generator_close(g);
}

static void
expect_same(const struct jobs *a, const struct jobs *b)
{
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < SAMPLES; k++) {
			const struct od_response *x = &a->response[i][k], *y = &b->response[i][k];

			assert_int_equal(x->ids.n, y->ids.n);
			assert_memory_equal(x->ids.id, y->ids.id, x->ids.n * sizeof *x->ids.id);
			assert_int_equal(x->finish, y->finish);
		}
}

static const int32_t stops[] = { 3, 4 };

static const struct od_generate_options usual = { .sampling = { 1, 0.95, 40, 1.1, 5 }, .max_new = NEW, .max_seqs = 32, .cache_tokens = 4096,
	.prefill_tokens = 512, .stop_ids = stops, .n_stop_ids = 2 };

/* Few places, a small cache, other orders, one prompt at a time, one thread: the same responses. */
static void
test_independence(void **state)
{
	(void)state;
	for (int d = 0; d < 2; d++) {
		struct od_model m;
		struct jobs *all = make_jobs();

		make_scaled(&m, configs[0], be[d], 1, true);
		generate(all, &m, &usual, false);
		for (int way = 0; way < 4; way++) {
			struct od_generate_options o = usual;
			struct jobs *j = make_jobs();

			o.max_seqs = way == 0 ? 1 : way == 1 ? 2 : 5;
			o.cache_tokens = way == 2 ? 96 : 600;
			o.prefill_tokens = way == 3 ? 1 : 100;
			generate(j, &m, &o, way % 2);
			expect_same(all, j);
			free_jobs(j);
		}
		free_jobs(all);
		od_model_close(&m);
	}
}

/* Each sample is another draw, a seed changes all, and the temperature 0 makes all samples one. */
static void
test_draws(void **state)
{
	struct od_generate_options o = usual;
	struct jobs *a = make_jobs(), *b = make_jobs(), *c = make_jobs();
	struct od_model m;
	int differ = 0, others = 0;

	(void)state;
	make_scaled(&m, configs[0], be[0], 1, true);
	generate(a, &m, &o, false);
	o.sampling.seed++;
	generate(b, &m, &o, false);
	o.sampling.temperature = 0;
	generate(c, &m, &o, false);
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < SAMPLES; k++) {
			const struct od_ids *x = &a->response[i][k].ids, *y = &a->response[i][(k + 1) % SAMPLES].ids, *z = &b->response[i][k].ids;
			const struct od_ids *g = &c->response[i][k].ids, *h = &c->response[i][0].ids;

			differ += x->n != y->n || memcmp(x->id, y->id, x->n * sizeof *x->id) != 0;
			others += x->n != z->n || memcmp(x->id, z->id, x->n * sizeof *x->id) != 0;
			assert_int_equal(g->n, h->n);
			assert_memory_equal(g->id, h->id, g->n * sizeof *g->id);
		}
	assert_true(differ > JOBS * SAMPLES / 2);
	assert_true(others > JOBS * SAMPLES / 2);
	free_jobs(a);
	free_jobs(b);
	free_jobs(c);
	od_model_close(&m);
}

static void
test_ends(void **state)
{
	struct jobs *j = make_jobs();
	struct od_model m;
	int stopped = 0;

	(void)state;
	make_scaled(&m, configs[0], be[0], 1, true);
	generate(j, &m, &usual, false);
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < SAMPLES; k++) {
			const struct od_response *r = &j->response[i][k];
			int32_t last = r->ids.id[r->ids.n - 1];
			bool end = last == stops[0] || last == stops[1];

			assert_int_equal(r->finish, end ? OD_FINISH_STOP : OD_FINISH_LENGTH);
			assert_true(end ? r->ids.n <= NEW : r->ids.n == NEW);
			for (size_t t = 0; t + 1 < r->ids.n; t++)
				assert_true(r->ids.id[t] != stops[0] && r->ids.id[t] != stops[1]);
			stopped += end;
		}
	assert_true(stopped > 0);
	free_jobs(j);
	od_model_close(&m);
}

static void
expect_refused(struct od_generator *g, int32_t *ids, int32_t n, const char *why)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_job job = { .prompt = ids, .n_prompt = n, .samples = 1 };

	assert_int_equal(od_generator_add(g, &job, &err), OD_EFORMAT);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
}

static void
test_refusals(void **state)
{
	struct od_generate_options o = usual;
	struct od_generator *g = NULL;
	struct od_error err = OD_ERROR_INIT;
	struct od_model m;
	int32_t ids[4096] = { 0 };

	(void)state;
	make_scaled(&m, configs[0], be[0], 1, true);
	m.config.max_position_embeddings = 2000;
	o.cache_tokens = 500;
	assert_int_equal(od_generator_open(&g, &m, NULL, &o, &err), OD_OK);
	expect_refused(g, ids, 0, "no tokens");
	expect_refused(g, ids, 2000, "leave no room");
	expect_refused(g, ids, 600, "more than the cache holds");
	ids[7] = VOCAB;
	expect_refused(g, ids, 10, "outside the model's vocabulary");
	ids[7] = -1;
	expect_refused(g, ids, 10, "outside the model's vocabulary");
	assert_int_equal(od_generator_step(g, &err), OD_EOF);
	od_generator_close(g);
	od_model_close(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoder),
		cmocka_unit_test(test_independence),
		cmocka_unit_test(test_draws),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_refusals),
	};
	const char *text = getenv("OD_TEST_SEED");
	int failed;

	seed = text ? strtoull(text, NULL, 10) : seed;
	printf("# seed %llu\n", (unsigned long long)seed);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	open_backends();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	od_backend_close(be[0]);
	od_backend_close(be[1]);
	return failed;
}
