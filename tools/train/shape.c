/* shape.c -- --plan: what a model of this shape takes of each of N ranks, before there are data, weights or machines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/num.h"
#include "train/train.h"

/* A directory with config.json, or the file itself. The checkpoint, where there is one, says whether the head is its own. */
static enum od_status
load_shape(const char *path, struct od_model_config *c, struct od_params *p, struct od_error *err)
{
	struct od_safetensors *s = NULL;
	struct stat info;
	bool head;
	enum od_status st;

	if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
		st = od_config_load(c, path, err);
		head = od_safetensors_open_dir(&s, path, NULL) != OD_OK || od_safetensors_find(s, "lm_head.weight");
		od_safetensors_close(s);
		return st == OD_OK ? od_params_layout(p, c, head, err) : st;
	}
	st = od_config_load_file(c, path, err);
	return st == OD_OK ? od_params_layout(p, c, true, err) : st;
}

/* Products in bf16 unless they were asked for in fp32, or the device is a processor that is no faster in bf16. */
static enum od_status
product_type(const struct train_options *o, enum od_dtype *type, struct od_error *err)
{
	enum od_compute compute;
	enum od_status st = od_device_compute(&o->device, &compute, err);

	if (st == OD_OK)
		compute = od_backend_compute(o->gpu_memory > 0 ? "cuda" : o->device.device, compute);
	*type = st == OD_OK && compute == OD_COMPUTE_BF16 ? OD_BF16 : OD_F32;
	return st;
}

#define MOST_RANKS  65536
#define MOST_TOKENS (1 << 24)             /* longer pairs are not asked about */

static bool
fits(struct od_footprint_of of, int ranks, int64_t tokens, double room)
{
	struct od_footprint f;

	of.ranks = ranks;
	of.tokens = of.rows = tokens;
	return od_footprint(&of, &f, NULL) == OD_OK && f.total <= room;
}

/* The smallest number in [1, most] for which a test that turns true once holds; most + 1: none. */
static int64_t
first_true(int64_t most, bool (*test)(const void *ctx, int64_t n), const void *ctx)
{
	int64_t low = 1, high = most + 1;

	while (low < high) {
		int64_t mid = low + (high - low) / 2;

		if (test(ctx, mid))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct question {
	struct od_footprint_of of;
	double room;
};

static bool
enough_ranks(const void *ctx, int64_t n)
{
	const struct question *q = ctx;

	return fits(q->of, (int)n, q->of.tokens, q->room);
}

static bool
too_many_tokens(const void *ctx, int64_t n)
{
	const struct question *q = ctx;

	return !fits(q->of, q->of.ranks, n, q->room);
}

static void
print_room(const struct od_footprint_of *of, const struct od_footprint *f, int64_t room)
{
	struct question q = { *of, (double)room };
	char text[OD_NUM_TEXT];
	int64_t ranks = first_true(MOST_RANKS, enough_ranks, &q), tokens = first_true(MOST_TOKENS, too_many_tokens, &q) - 1;

	od_num_human_bytes(text, (double)room);
	printf("fits into %-8s %s\n", text, f->total <= q.room ? "yes" : "no");
	if (tokens > 0 && tokens < MOST_TOKENS)
		printf("longest pair       %lld tokens with %d rank%s\n", (long long)tokens, of->ranks, of->ranks == 1 ? "" : "s");
	if (ranks <= MOST_RANKS)
		printf("smallest number    %lld rank%s\n", (long long)ranks, ranks == 1 ? "" : "s");
	else
		printf("smallest number    none: weights, gradients and activations of a rank alone are too much\n");
}

/* What --memory can bring the total down to with micro-batches of this size. */
static void
print_least(const struct od_footprint_of *of)
{
	struct od_footprint_of less = *of;
	struct od_footprint f;
	char text[OD_NUM_TEXT];

	less.recompute = of->config->n_layers;
	if (od_footprint(&less, &f, NULL) != OD_OK)
		return;
	od_num_human_bytes(text, f.total);
	printf("  %-16s %s, with gate and up made again (about %.0f %% more work)\n", "at least", text,
		100 * od_recompute_share(of->config, less.recompute));
}

static void
print_shape(const struct train_options *o, const struct od_footprint_of *of, const struct od_footprint *f)
{
	char text[OD_NUM_TEXT];

	printf("model              %s, %lld parameters in %d layers\n", od_family_name(of->config->family),
		(long long)of->params->count, of->config->n_layers);
	printf("products           %s\n", of->type == OD_F32 ? "fp32" : "bf16, with fp32 master weights");
	printf("ranks              %d\n", of->ranks);
	printf("micro-batches      up to %lld tokens, all of them scored\n", (long long)of->tokens);
	printf("memory of a rank\n");
	train_print_footprint(f);
	od_num_human_bytes(text, f->total);
	printf("  %-16s %s\n", "total", text);
	print_least(of);
	od_num_human_bytes(text, f->host_buffers);
	if (f->host_buffers > 0)
		printf("  %-16s %s\n", "on its host", text);
	od_num_human_bytes(text, f->sent);
	printf("sent by a rank     %s an update\n", text);
	if (o->gpu_memory > 0)
		print_room(of, f, o->gpu_memory);
}

enum od_status
train_plan_shape(const struct train_options *o, struct od_error *err)
{
	int64_t tokens = o->micro_tokens > 0 ? o->micro_tokens : OD_MICRO_TOKENS;
	struct od_model_config config;
	struct od_params params = { 0 };
	struct od_footprint_of of = { .config = &config, .params = &params, .ranks = (int)o->world };
	struct od_footprint f;
	enum od_status st = product_type(o, &of.type, err);

	if (st == OD_OK)
		st = load_shape(o->model, &config, &params, err);
	of.host_memory = strcmp(o->device.device, "cpu") == 0 && o->gpu_memory == 0;
	of.tokens = of.rows = o->length > tokens ? o->length : tokens;     /* a pair over the budget stands alone */
	if (st == OD_OK)
		st = od_footprint(&of, &f, err);
	if (st == OD_OK)
		print_shape(o, &of, &f);
	od_params_release(&params);
	return st;
}
