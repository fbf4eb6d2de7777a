/* Ownership, exchange and agreement of ranks, over a transport of threads in this process: host memory, and a device whose
 * addresses the host cannot read. What MPI does with the same code is tests/pipe/ranks.t. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rng.h"
#include "io/stream.h"
#include "train/exchange.h"
#include "train/order.h"
#include "train/ranks.h"
#include "train/shard.h"

#define MOST 6

/* ---- ranks that are threads ------------------------------------------------------------------------------------ */

struct message {
	struct message *next;
	size_t bytes;
	char data[];
};

struct world {
	int n;
	pthread_barrier_t barrier;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct message *box[MOST][MOST];           /* [from][to], oldest first */
	int64_t sent[MOST][MOST], taken[MOST][MOST], asked[MOST][MOST];
	const void *given[MOST];
};

static enum od_status
thread_all_gather(struct od_ranks *r, const void *mine, size_t bytes, void *all, struct od_error *err)
{
	struct world *w = r->ctx;

	(void)err;
	w->given[r->rank] = mine;
	pthread_barrier_wait(&w->barrier);
	for (int k = 0; k < r->n; k++)
		memcpy((char *)all + (size_t)k * bytes, w->given[k], bytes);
	pthread_barrier_wait(&w->barrier);
	return OD_OK;
}

static enum od_status
thread_broadcast(struct od_ranks *r, int root, void *data, size_t bytes, struct od_error *err)
{
	struct world *w = r->ctx;

	(void)err;
	w->given[r->rank] = data;
	pthread_barrier_wait(&w->barrier);
	if (r->rank != root)
		memcpy(data, w->given[root], bytes);
	pthread_barrier_wait(&w->barrier);
	return OD_OK;
}

/* A message is copied when it is sent; a receipt remembers its number among those of its sender. */
static enum od_status
thread_start(struct od_ranks *r, struct od_transfer *t, size_t n, struct od_error *err)
{
	struct world *w = r->ctx;

	(void)err;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++) {
		struct message **at = &w->box[r->rank][t[i].peer], *m;

		if (!t[i].send) {
			t[i].request.number = w->asked[t[i].peer][r->rank]++;
			continue;
		}
		m = malloc(sizeof *m + t[i].bytes);
		*m = (struct message){ .bytes = t[i].bytes };
		memcpy(m->data, t[i].data, t[i].bytes);
		while (*at)
			at = &(*at)->next;
		*at = m;
		w->sent[r->rank][t[i].peer]++;
	}
	pthread_cond_broadcast(&w->arrived);
	pthread_mutex_unlock(&w->lock);
	return OD_OK;
}

static bool
all_there(const struct world *w, const struct od_ranks *r, const struct od_transfer *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!t[i].send && w->sent[t[i].peer][r->rank] <= t[i].request.number)
			return false;
	return true;
}

static enum od_status
thread_finish(struct od_ranks *r, struct od_transfer *t, size_t n, bool wait, bool *done, struct od_error *err)
{
	struct world *w = r->ctx;

	(void)err;
	pthread_mutex_lock(&w->lock);
	while (!(*done = all_there(w, r, t, n)) && wait)
		pthread_cond_wait(&w->arrived, &w->lock);
	for (size_t i = 0; *done && i < n; i++) {
		struct message **box = &w->box[t[i].peer][r->rank], *m = *box;

		if (t[i].send)
			continue;
		if (m->bytes != t[i].bytes || w->taken[t[i].peer][r->rank]++ != t[i].request.number)
			abort();                     /* out of step */
		memcpy(t[i].data, m->data, m->bytes);
		*box = m->next;
		free(m);
	}
	pthread_mutex_unlock(&w->lock);
	return OD_OK;
}

struct task {
	struct od_ranks r;
	void (*fn)(struct task *t);
	struct od_backend *be;
	const struct od_params *p;
	int failed;                                /* lines of checks that did not hold; cmocka is not for threads */
	double number;
};

static void
check(struct task *t, bool holds, const char *what)
{
	t->failed += !holds;
	if (!holds)
		fprintf(stderr, "# rank %d of %d: %s\n", t->r.rank, t->r.n, what);
}

#define CHECK(t, what) check(t, what, #what)

static void *
thread_main(void *arg)
{
	struct task *t = arg;

	t->fn(t);
	return NULL;
}

static void
run_ranks(int n, void (*fn)(struct task *t), struct od_backend *be, const struct od_params *p)
{
	struct world w = { .n = n };
	struct task task[MOST] = { 0 };
	pthread_t thread[MOST];

	pthread_barrier_init(&w.barrier, NULL, (unsigned)n);
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.arrived, NULL);
	for (int k = 0; k < n; k++) {
		task[k] = (struct task){ .fn = fn, .be = be, .p = p, .r = { .rank = k, .n = n, .local_n = n, .local_rank = k,
			.how = "threads", .ctx = &w, .all_gather = thread_all_gather, .broadcast = thread_broadcast,
			.start = thread_start, .finish = thread_finish } };
		assert_int_equal(pthread_create(&thread[k], NULL, thread_main, &task[k]), 0);
	}
	for (int k = 0; k < n; k++)
		pthread_join(thread[k], NULL);
	for (int k = 0; k < n; k++)
		assert_int_equal(task[k].failed, 0);
	for (int k = 0; k < n * MOST; k++)
		assert_null(w.box[k / MOST][k % MOST]);
}

/* ---- a device whose memory the host cannot read ---------------------------------------------------------------- */

#define FAR ((uintptr_t)1 << 60)           /* added to addresses: a fault when the host uses one */

static struct od_backend *ref, far_away;

static void *
near(const void *p)
{
	return (void *)((uintptr_t)p - FAR);
}

static void *
far_alloc(struct od_backend *be, size_t bytes)
{
	(void)be;
	return (void *)((uintptr_t)ref->alloc(ref, bytes) + FAR);
}

static void
far_free(struct od_backend *be, void *p)
{
	(void)be;
	if (p)
		ref->free(ref, near(p));
}

static void
far_upload(struct od_backend *be, void *dev, const void *host, size_t bytes)
{
	(void)be;
	memcpy(near(dev), host, bytes);
}

static void
far_download(struct od_backend *be, void *host, const void *dev, size_t bytes)
{
	(void)be;
	memcpy(host, near(dev), bytes);
}

static void
far_add(struct od_backend *be, struct od_mat x, struct od_mat y)
{
	(void)be;
	x.data = near(x.data);
	y.data = near(y.data);
	ref->add(ref, x, y);
}

static int
open_backends(void **state)
{
	(void)state;
	if (od_backend_open(&ref, "ref", OD_COMPUTE_AUTO, 1, NULL) != OD_OK)
		return -1;
	far_away = *ref;
	far_away.host_memory = false;
	far_away.alloc = far_alloc;
	far_away.free = far_free;
	far_away.upload = far_upload;
	far_away.download = far_download;
	far_away.add = far_add;
	return 0;
}

static int
close_backends(void **state)
{
	(void)state;
	od_backend_close(ref);
	return 0;
}

/* ---- a model's shape ------------------------------------------------------------------------------------------- */

static void
shape(struct od_params *p, int64_t vocab, int64_t hidden)
{
	struct od_model_config c = { .vocab_size = vocab, .hidden_size = hidden, .intermediate_size = 24, .n_layers = 2,
		.n_heads = 2, .n_kv_heads = 1, .head_dim = 8, .qkv_bias = true };

	assert_int_equal(od_params_layout(p, &c, true, NULL), OD_OK);
}

/* The value of float i on a rank: sums of these depend on the order they are made in. */
static float
value(int rank, int64_t i)
{
	struct od_rng rng = od_rng_init((uint64_t)rank + 1, (uint64_t)i);

	return (float)(od_rng_uniform(&rng) - 0.5) * (rank % 2 ? 1e-3f : 1e3f);
}

static float *
device_values(struct task *t, int rank)
{
	float *host = malloc((size_t)t->p->total * sizeof *host);
	float *dev = t->be->alloc(t->be, (size_t)t->p->total * sizeof *dev);

	for (int64_t i = 0; i < t->p->total; i++)
		host[i] = value(rank, i);
	t->be->upload(t->be, dev, host, (size_t)t->p->total * sizeof *host);
	free(host);
	return dev;
}

static float
sum_in_order(int n, int64_t i)
{
	float s = value(0, i);

	for (int k = 1; k < n; k++)
		s += value(k, i);
	return s;
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

static void
every_float_has_one_owner(void **state)
{
	struct od_params p;

	(void)state;
	shape(&p, 50, 16);
	for (int n = 1; n <= 40; n++) {
		unsigned char *owned = calloc((size_t)p.total, 1);
		int64_t sum = 0;

		for (int k = 0; k < n; k++) {
			struct od_shard s;
			int64_t at = 0;

			assert_int_equal(od_shard_open(&s, &p, k, n, NULL), OD_OK);
			for (int i = 0; i < s.n_parts; i++) {
				struct od_slice x = od_shard_slice(&s, i, k);

				assert_int_equal(s.at[i], at);
				assert_int_equal(x.first % 16, 0);
				assert_true(x.n <= s.largest);
				for (int64_t j = 0; j < x.n; j++)
					owned[x.first + j]++;
				at += x.n;
			}
			assert_int_equal(s.own, at);
			sum += at;
			od_shard_release(&s);
		}
		assert_int_equal(sum, p.total);
		for (int64_t i = 0; i < p.total; i++)
			assert_int_equal(owned[i], 1);
		free(owned);
	}
	od_params_release(&p);
}

static void
reduce_and_gather(struct task *t)
{
	struct od_exchange *x = NULL;
	struct od_shard s;
	int64_t total = t->p->total;
	float *dev = device_values(t, t->r.rank), *host = malloc((size_t)total * sizeof *host);
	bool same = true;

	CHECK(t, od_shard_open(&s, t->p, t->r.rank, t->r.n, NULL) == OD_OK);
	CHECK(t, od_exchange_open(&x, &t->r, t->be, &s, NULL) == OD_OK);
	/* each rank begins with another number of parts, the last with none, as when it failed before its backward */
	for (int i = s.n_parts - 1; i > t->r.rank && t->r.rank < t->r.n - 1; i--)
		CHECK(t, od_exchange_reduce_part(x, dev, i, NULL) == OD_OK);
	CHECK(t, od_exchange_reduce(x, dev, NULL) == OD_OK);
	t->be->download(t->be, host, dev, (size_t)total * sizeof *host);
	for (int i = 0; i < s.n_parts; i++) {
		struct od_slice own = od_shard_slice(&s, i, t->r.rank);

		for (int64_t j = own.first; j < own.first + own.n; j++)
			same = same && host[j] == sum_in_order(t->r.n, j);
	}
	CHECK(t, same);
	for (int round = 0; round < 2; round++) {
		CHECK(t, od_exchange_gather(x, dev, OD_F32, NULL) == OD_OK);
		t->be->download(t->be, host, dev, (size_t)total * sizeof *host);
		for (int64_t j = 0; j < total; j++)
			same = same && host[j] == sum_in_order(t->r.n, j);
	}
	CHECK(t, same);
	od_exchange_close(x);
	od_shard_release(&s);
	t->be->free(t->be, dev);
	free(host);
}

static void
sums_are_made_in_rank_order(void **state)
{
	struct od_params small, large;

	(void)state;
	shape(&small, 50, 16);
	shape(&large, 150000, 16);                   /* slices of more than a piece */
	for (int n = 1; n <= MOST; n++) {
		run_ranks(n, reduce_and_gather, ref, &small);
		run_ranks(n, reduce_and_gather, &far_away, &small);
	}
	run_ranks(2, reduce_and_gather, ref, &large);
	run_ranks(2, reduce_and_gather, &far_away, &large);
	od_params_release(&small);
	od_params_release(&large);
}

/* Products in bf16: 2 bytes a weight, each rank's slices marked with its number. */
static void
gather_halves(struct task *t)
{
	struct od_exchange *x = NULL;
	struct od_shard s;
	size_t bytes = (size_t)t->p->total * 2;
	uint16_t *host = calloc(1, bytes), *dev = t->be->alloc(t->be, bytes);
	bool same = true;

	CHECK(t, od_shard_open(&s, t->p, t->r.rank, t->r.n, NULL) == OD_OK);
	CHECK(t, od_exchange_open(&x, &t->r, t->be, &s, NULL) == OD_OK);
	for (int i = 0; i < s.n_parts; i++) {
		struct od_slice own = od_shard_slice(&s, i, t->r.rank);

		for (int64_t j = own.first; j < own.first + own.n; j++)
			host[j] = (uint16_t)(1 + t->r.rank * 10000 + j % 9000);
	}
	t->be->upload(t->be, dev, host, bytes);
	CHECK(t, od_exchange_gather(x, dev, OD_BF16, NULL) == OD_OK);
	t->be->download(t->be, host, dev, bytes);
	for (int i = 0; i < s.n_parts; i++)
		for (int k = 0; k < t->r.n; k++) {
			struct od_slice theirs = od_shard_slice(&s, i, k);

			for (int64_t j = theirs.first; j < theirs.first + theirs.n; j++)
				same = same && host[j] == (uint16_t)(1 + k * 10000 + j % 9000);
		}
	CHECK(t, same);
	od_exchange_close(x);
	od_shard_release(&s);
	t->be->free(t->be, dev);
	free(host);
}

/* Sharded vectors: their way to rank 0, and the gains and biases to all. */
static void
fetch_and_vectors(struct task *t)
{
	struct od_shard s;
	int64_t total = t->p->total, first = 37, n = total - 100;
	float *host = calloc((size_t)total, sizeof *host), *dev, *vectors;
	bool same = true;

	CHECK(t, od_shard_open(&s, t->p, t->r.rank, t->r.n, NULL) == OD_OK);
	dev = t->be->alloc(t->be, (size_t)s.own * sizeof *dev);
	vectors = t->be->alloc(t->be, (size_t)t->p->vectors * sizeof *vectors);
	for (int i = 0; i < s.n_parts; i++) {
		struct od_slice own = od_shard_slice(&s, i, t->r.rank);

		for (int64_t j = 0; j < own.n; j++)
			host[s.at[i] + j] = (float)(own.first + j);
	}
	t->be->upload(t->be, dev, host, (size_t)s.own * sizeof *dev);
	memset(host, 0, (size_t)total * sizeof *host);
	CHECK(t, od_shard_fetch(&s, &t->r, t->be, dev, false, first, n, host, NULL) == OD_OK);
	for (int64_t j = 0; t->r.rank == 0 && j < n; j++)
		same = same && host[j] == (float)(first + j);
	CHECK(t, od_shard_vectors(&s, &t->r, t->be, t->p, dev, vectors, NULL) == OD_OK);
	t->be->download(t->be, host, vectors, (size_t)t->p->vectors * sizeof *host);
	for (int i = 0; i < t->p->n; i++)
		for (int64_t j = 0; t->p->table[i].n_dims == 1 && j < t->p->table[i].rows; j++)
			same = same && host[t->p->table[i].vector_offset + j] == (float)(t->p->table[i].offset + j);
	CHECK(t, same);
	od_shard_release(&s);
	t->be->free(t->be, dev);
	t->be->free(t->be, vectors);
	free(host);
}

static void
weights_reach_everybody(void **state)
{
	struct od_params p;

	(void)state;
	shape(&p, 50, 16);
	for (int n = 1; n <= MOST; n++) {
		run_ranks(n, gather_halves, ref, &p);
		run_ranks(n, gather_halves, &far_away, &p);
		run_ranks(n, fetch_and_vectors, ref, &p);
		run_ranks(n, fetch_and_vectors, &far_away, &p);
	}
	od_params_release(&p);
}

static enum od_status
counted_reduce(struct od_ranks *r, struct od_backend *be, float *x, const struct od_slice *slice, struct od_error *err)
{
	struct task *t = (struct task *)r;

	(void)be, (void)x, (void)err;
	t->number += (double)slice[r->rank].n;
	return OD_OK;
}

/* A transport with device collectives of its own is handed every part, and nothing goes through the host. */
static void
hand_over(struct task *t)
{
	struct od_exchange *x = NULL;
	struct od_shard s;
	float *dev = device_values(t, 0);

	t->r.device_reduce = counted_reduce;
	t->r.start = NULL;
	CHECK(t, od_shard_open(&s, t->p, t->r.rank, t->r.n, NULL) == OD_OK);
	CHECK(t, od_exchange_open(&x, &t->r, t->be, &s, NULL) == OD_OK);
	CHECK(t, od_exchange_reduce_part(x, dev, s.n_parts - 1, NULL) == OD_OK);
	CHECK(t, od_exchange_reduce(x, dev, NULL) == OD_OK);
	CHECK(t, t->number == (double)s.own);
	od_exchange_close(x);
	od_shard_release(&s);
	t->be->free(t->be, dev);
}

static void
devices_may_do_it_themselves(void **state)
{
	struct od_params p;

	(void)state;
	shape(&p, 50, 16);
	run_ranks(3, hand_over, &far_away, &p);
	od_params_release(&p);
}

static void
agree(struct task *t)
{
	struct od_error err = OD_ERROR_INIT;
	enum od_status mine = OD_OK;
	double x = t->r.rank == 0 ? 1e16 : 1;
	int64_t least, most;
	bool yes = t->r.rank == 0;
	char *s = t->r.rank == 0 ? strdup("word") : NULL;

	CHECK(t, od_ranks_agree(&t->r, OD_OK, &err) == OD_OK && !err.msg[0]);
	if (t->r.rank > 0)
		mine = od_fail(&err, t->r.rank == 1 ? OD_EFORMAT : OD_ENOMEM, "trouble %d", t->r.rank);
	CHECK(t, od_ranks_agree(&t->r, mine, &err) == OD_EFORMAT);
	CHECK(t, err.status == OD_EFORMAT && strcmp(err.msg, "rank 1: trouble 1") == 0);
	CHECK(t, od_ranks_agree(&t->r, mine, NULL) == OD_EFORMAT);
	CHECK(t, od_ranks_sum(&t->r, &x, NULL) == OD_OK && x == 1e16);        /* 1e16 + 1 + 1: in another order 1e16 + 2 */
	CHECK(t, od_ranks_range(&t->r, 10 - t->r.rank, &least, &most, NULL) == OD_OK);
	CHECK(t, least == 11 - t->r.n && most == 10);
	CHECK(t, od_ranks_decide(&t->r, &yes, NULL) == OD_OK && yes);
	CHECK(t, od_ranks_string(&t->r, &s, NULL) == OD_OK && s && strcmp(s, "word") == 0);
	free(s);
	s = t->r.rank ? strdup("mine") : NULL;
	CHECK(t, od_ranks_string(&t->r, &s, NULL) == OD_OK && !s);
	t->r.lost = true;
	CHECK(t, od_ranks_agree(&t->r, OD_OK, &err) == OD_ESYS);
	CHECK(t, od_ranks_agree(&t->r, OD_ENUMERIC, &err) == OD_ENUMERIC);
}

static void
all_learn_of_the_first_failure(void **state)
{
	(void)state;
	run_ranks(2, agree, ref, NULL);
	run_ranks(3, agree, ref, NULL);
}

static void
one_process_agrees_with_itself(void **state)
{
	struct od_ranks *r = od_ranks_alone();
	struct od_error err = OD_ERROR_INIT;
	double x = 3;

	(void)state;
	assert_int_equal(r->n, 1);
	assert_int_equal(od_ranks_agree(r, od_fail(&err, OD_EUSAGE, "no"), &err), OD_EUSAGE);
	assert_string_equal(err.msg, "no");          /* as if there were no ranks */
	assert_int_equal(od_ranks_sum(r, &x, NULL), OD_OK);
	assert_true(x == 3);
}

static void
pairs_are_dealt_out_evenly(void **state)
{
	static const int64_t tokens[] = { 100, 10, 90, 30, 30, 20, 20, 100 };
	int owner[8], again[8];
	int64_t load[3] = { 0 };

	(void)state;
	assert_int_equal(od_deal_pairs(tokens, 8, 3, owner, NULL), OD_OK);
	assert_int_equal(od_deal_pairs(tokens, 8, 3, again, NULL), OD_OK);
	assert_memory_equal(owner, again, sizeof owner);
	for (int i = 0; i < 8; i++)
		load[owner[i]] += tokens[i];
	for (int k = 0; k < 3; k++)
		assert_in_range(load[k], 130, 140);  /* of 400 */
	assert_int_equal(od_deal_pairs(tokens, 2, 3, owner, NULL), OD_OK);
	assert_true(owner[0] == 0 && owner[1] == 1); /* the third has nothing to do */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_float_has_one_owner),
		cmocka_unit_test(sums_are_made_in_rank_order),
		cmocka_unit_test(weights_reach_everybody),
		cmocka_unit_test(devices_may_do_it_themselves),
		cmocka_unit_test(all_learn_of_the_first_failure),
		cmocka_unit_test(one_process_agrees_with_itself),
		cmocka_unit_test(pairs_are_dealt_out_evenly),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ranks", tests, open_backends, close_backends);
}
