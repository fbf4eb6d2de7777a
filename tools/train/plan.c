/* plan.c -- what a run will do and need, before it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/num.h"
#include "io/stream.h"
#include "train/train.h"

int64_t
train_eval_tokens(const struct train *t)
{
	struct od_token_pair p;
	int64_t most = t->held_out ? t->o->set.micro_tokens : 0;

	for (int64_t i = 0; t->held_out && i < od_pairfile_count(t->held_out); i++) {
		int64_t n;

		od_pairfile_get(t->held_out, i, &p);
		n = (int64_t)p.n_prompt + p.n_chosen + p.n_rejected;
		if (n > most)
			most = n;
	}
	return most;
}

static double
larger(int64_t a, int64_t b)
{
	return (double)(a > b ? a : b);
}

static void
count_tokens(const struct od_order *order, struct train_plan *p)
{
	struct od_token_pair pair;

	for (int64_t i = 0; i < order->n; i++) {
		od_pairfile_get(order->pairs, i, &pair);
		p->tokens += order->size[i].tokens;
		p->scored_tokens += order->size[i].entries;
		p->flat_tokens += pair.n_prompt * (pair.n_rejected ? 2 : 1) + pair.n_chosen + pair.n_rejected;
	}
}

/* A number after 'key' in a small text file of the kernel, times 'unit'; -1 when there is none. */
static double
kernel_number(const char *path, const char *key, double unit)
{
	char *text = NULL, *at;
	size_t len;
	double v = -1;

	if (od_in_slurp(path, 1 << 20, &text, &len, NULL) != OD_OK)
		return -1;
	at = strstr(text, key);
	if (at) {
		char *end;
		long long n;

		at += strlen(key);
		n = strtoll(at, &end, 10);
		v = end > at ? (double)n * unit : -1;
	}
	free(text);
	return v;
}

static double
smaller(double a, double b)
{
	return b >= 0 && (a == 0 || b < a) ? b : a;
}

/* What can still be allocated: the machine's free memory and what its container leaves, shared by the ranks that run here, and
 * what limits on this process leave; 0: unknown. */
static double
host_memory(int local_n)
{
	double free_memory = kernel_number("/proc/meminfo", "MemAvailable:", 1024);
	double most = free_memory > 0 ? free_memory : 0;
	double limit = kernel_number("/sys/fs/cgroup/memory.max", "", 1);
	double used = kernel_number("/sys/fs/cgroup/memory.current", "", 1);
	double cache = kernel_number("/sys/fs/cgroup/memory.stat", "inactive_file ", 1);
	struct rlimit address;

	if (limit > 0 && used >= 0) {
		double left = limit - used + (cache > 0 ? cache : 0);

		most = smaller(most, left > 0 ? left : 0);
	}
	most /= local_n;
	if (getrlimit(RLIMIT_AS, &address) == 0 && address.rlim_cur != RLIM_INFINITY) {
		double mine = kernel_number("/proc/self/status", "VmSize:", 1024);

		most = smaller(most, (double)address.rlim_cur > mine ? (double)address.rlim_cur - mine : 0);
	}
	return most;
}

/* What is left on the device, or where that is the host, of what this process may have there. */
static double
available_memory(const struct train *t)
{
	int64_t room = t->be->room(t->be);

	return room >= 0 ? (double)room : host_memory(t->ranks->local_n);
}

/* The largest micro-batch of all ranks; count: of all of them. */
static enum od_status
widest(const struct train *t, struct od_micro_peak *p, struct od_error *err)
{
	int64_t *const size[] = { &p->tokens, &p->rows, &p->entries, &p->max_pos };
	double count = (double)p->count;
	int64_t least;
	enum od_status st = od_ranks_sum(t->ranks, &count, err);

	for (size_t i = 0; st == OD_OK && i < sizeof size / sizeof *size; i++)
		st = od_ranks_range(t->ranks, *size[i], &least, size[i], err);
	p->count = (int64_t)count;
	return st;
}

static enum od_status
plan_memory(struct train *t, struct od_order *order, struct train_plan *p, struct od_error *err)
{
	int64_t eval = train_eval_tokens(t);
	struct od_footprint_of of = { &t->start.model.config, &t->start.model.params, t->be->type, t->be->host_memory,
		t->ranks->n, 0, 0, 0 };
	enum od_status st = od_order_peak_share(order, 0, p->schedule.total, t->o->set.micro_tokens, t->ranks->rank,
		t->ranks->n, &p->micro, err);

	st = od_ranks_agree(t->ranks, st, err);
	if (st == OD_OK)
		st = widest(t, &p->micro, err);
	of.tokens = (int64_t)larger(p->micro.tokens, eval);
	of.rows = (int64_t)larger(p->micro.rows, eval);
	of.recompute = t->o->set.recompute;
	if (st == OD_OK)
		st = od_ranks_agree(t->ranks, od_footprint(&of, &p->memory, err), err);
	p->index = (double)(p->pairs * (8 + 8 + (int64_t)sizeof(struct od_pair_size)) + p->held_out * 8);
	p->peak = p->memory.total + (t->be->host_memory ? p->index : 0);
	return st;
}

#define MOST_DEVICE_TOKENS 16384       /* beyond this a GPU gains next to nothing */
#define GOOD_DEVICE_TOKENS  4096       /* below this it loses more than recomputing costs */

/* What the plan may take: what is there, or less where the user said so; 0: unknown. */
static double
allowed(const struct train *t, double available)
{
	double asked = (double)t->o->memory;

	return asked > 0 && (available <= 0 || asked < available) ? asked : available;
}

/* Whether all ranks have room for the plan. */
static enum od_status
fits_everywhere(const struct train *t, const struct train_plan *p, bool *fits, struct od_error *err)
{
	double most = allowed(t, p->available);
	int64_t all, some;
	enum od_status st = od_ranks_range(t->ranks, most <= 0 || p->peak <= most, &all, &some, err);

	*fits = all;
	return st;
}

/* Halves the micro-batch until the plan fits, but not below 'least' tokens. */
static enum od_status
shrink_micro(struct train *t, struct od_order *order, struct train_plan *p, int64_t least, bool *fits, struct od_error *err)
{
	struct od_train_settings *set = &t->o->set;
	enum od_status st = fits_everywhere(t, p, fits, err);

	while (st == OD_OK && !*fits && set->micro_tokens > least) {
		set->micro_tokens /= 2;
		st = plan_memory(t, order, p, err);
		if (st == OD_OK)
			st = fits_everywhere(t, p, fits, err);
	}
	return st;
}

/* The fewest layers that have to recompute for the plan to fit; all of them when even that is not enough. */
static enum od_status
choose_recompute(struct train *t, struct od_order *order, struct train_plan *p, bool *fits, struct od_error *err)
{
	int32_t *layers = &t->o->set.recompute, low = 0, high = t->start.model.config.n_layers;
	enum od_status st = OD_OK;

	while (st == OD_OK && low < high) {
		*layers = (low + high) / 2;
		st = plan_memory(t, order, p, err);
		if (st == OD_OK)
			st = fits_everywhere(t, p, fits, err);
		if (*fits)
			high = *layers;
		else
			low = *layers + 1;
	}
	*layers = low;
	if (st == OD_OK)
		st = plan_memory(t, order, p, err);
	return st == OD_OK ? fits_everywhere(t, p, fits, err) : st;
}

enum od_status
train_make_plan(struct train *t, struct od_order *order, struct train_plan *p, struct od_error *err)
{
	struct od_train_settings *set = &t->o->set;
	bool choose = set->micro_tokens == 0, host = t->be->host_memory, fits = true;
	enum od_status st;

	*p = (struct train_plan){ .pairs = order->n, .held_out = t->held_out ? od_pairfile_count(t->held_out) : 0 };
	p->schedule = od_train_schedule(set, order);
	p->available = available_memory(t);
	count_tokens(order, p);
	if (choose)
		set->micro_tokens = !host ? MOST_DEVICE_TOKENS : t->be->type == OD_F32 ? OD_MICRO_TOKENS_FP32 : OD_MICRO_TOKENS;
	st = plan_memory(t, order, p, err);
	if (st == OD_OK)
		st = shrink_micro(t, order, p, choose && !host ? GOOD_DEVICE_TOKENS : set->micro_tokens, &fits, err);
	if (st == OD_OK && !fits)
		st = choose_recompute(t, order, p, &fits, err);
	if (st == OD_OK && !fits && choose)
		st = shrink_micro(t, order, p, 256, &fits, err);
	return st;
}

static void
print_bytes(const char *what, double bytes)
{
	char text[OD_NUM_TEXT];

	od_num_human_bytes(text, bytes);
	printf("  %-16s %s\n", what, text);
}

void
train_print_footprint(const struct od_footprint *f)
{
	print_bytes("weights", f->weights);
	if (f->master > 0)
		print_bytes("master weights", f->master);
	print_bytes("gradients", f->gradients);
	print_bytes("moments", f->moments);
	print_bytes("activations", f->activations);
	print_bytes("tiles of logits", f->head);
	if (f->buffers > 0)
		print_bytes("exchange", f->buffers);
}

void
train_print_plan(const struct train *t, const struct train_plan *p)
{
	const struct od_train_settings *s = &t->o->set;

	printf("pairs              %lld training, %lld held out\n", (long long)p->pairs, (long long)p->held_out);
	for (int d = OD_KEEP + 1; d < OD_N_DROPS; d++)
		if (t->spool.dropped[d])
			printf("left out           %lld %s\n", (long long)t->spool.dropped[d], od_drop_names[d]);
	if (t->spool.cut)
		printf("cut to fit         %lld\n", (long long)t->spool.cut);
	printf("tokens             %lld an epoch (%lld counting prompts twice), %lld scored\n", (long long)p->tokens,
		(long long)p->flat_tokens, (long long)p->scored_tokens);
	printf("updates            %lld of up to %lld pairs, %lld to warm up, %s from %g\n", (long long)p->schedule.total,
		(long long)s->batch, (long long)p->schedule.warmup, od_decay_names[s->decay], s->lr);
	printf("micro-batches      %lld in all, up to %lld tokens\n", (long long)p->micro.count,
		(long long)p->micro.tokens);
	if (s->recompute)
		printf("recomputed         gate and up of %d of %d layers (about %.0f %% more work)\n", s->recompute,
			t->start.model.config.n_layers, 100 * od_recompute_share(&t->start.model.config, s->recompute));
	if (t->ranks->n > 1)
		printf("ranks              %d (%s), %d on this machine\n", t->ranks->n, t->ranks->how, t->ranks->local_n);
	printf(t->ranks->n > 1 ? "memory of a rank\n" : "memory\n");
	train_print_footprint(&p->memory);
	print_bytes("index of pairs", p->index);
	print_bytes("peak", p->peak);
	if (p->available > 0)
		print_bytes("available", p->available);
}

double
train_peak_memory(void)
{
	return kernel_number("/proc/self/status", "VmHWM:", 1024);
}

enum od_status
train_check_memory(const struct train *t, double peak, const char *hint, struct od_error *err)
{
	char need[OD_NUM_TEXT], have[OD_NUM_TEXT];
	double available = available_memory(t), most = allowed(t, available);
	bool told = most > 0 && most != available;

	if (most <= 0 || peak <= most)
		return OD_OK;
	od_num_human_bytes(need, peak);
	od_num_human_bytes(have, most);
	return od_fail(err, OD_ENOMEM, "not enough memory%s%s: the planned peak is %s, %s %s%s",
		t->be->host_memory ? "" : " on device ", t->be->host_memory ? "" : t->be->name, need,
		told ? "--memory allows" : "available are", have, hint);
}
