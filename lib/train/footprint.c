#include "train/footprint.h"

#include "train/exchange.h"
#include "train/shard.h"

/* What the LM head keeps (kernels/cpu/head.c, head_bf16.c, kernels/cuda/head.cu): on a processor a tile of logits, in bf16 a
 * panel of their gradients beside the rows and weights of it packed; on a GPU a wider tile, and a panel in the type of products. */
#define CPU_ROWS   1024
#define CPU_TILE   1024
#define BF16_ROWS  4096
#define BF16_PANEL 2048
#define GPU_ROWS   1024
#define GPU_TILE   8448
#define GPU_PANEL 16384

static double
smaller(int64_t a, int64_t b)
{
	return (double)(a < b ? a : b);
}

static void
of_shard(const struct od_footprint_of *of, const struct od_shard *s, struct od_footprint *f)
{
	double total = (double)of->params->total, own = (double)s->own, size = (double)od_dtype_size(of->type);
	double exchange = (double)od_exchange_bytes(of->ranks, s->largest, of->host_memory);
	bool sharded = of->ranks > 1 && of->type != OD_F32;

	f->weights = size * total + (sharded ? 4 * (double)of->params->vectors : 0);
	f->master = of->type == OD_F32 ? 0 : 4 * (sharded ? own : total);
	f->gradients = 4 * total;
	f->moments = 8 * own;
	f->sent = of->ranks > 1 ? 4 * (total - own) + (of->ranks - 1) * size * own : 0;
	f->buffers = of->host_memory ? exchange : exchange / (2 * (of->ranks > 1 ? of->ranks - 1 : 1));
	f->host_buffers = of->host_memory ? 0 : exchange;
}

static double
head_bytes(const struct od_footprint_of *of)
{
	double size = (double)od_dtype_size(of->type), d = (double)of->config->hidden_size;
	double rows = smaller(of->rows, BF16_ROWS), panel = smaller(of->config->vocab_size, BF16_PANEL);

	if (of->host_memory && of->type == OD_BF16)
		return size * (rows * panel + d * panel + rows * d);
	if (of->host_memory)
		return 4 * smaller(of->rows, CPU_ROWS) * smaller(of->config->vocab_size, CPU_TILE);
	return GPU_TILE * (4 * smaller(of->rows, GPU_ROWS) + size * smaller(of->rows, GPU_PANEL));
}

enum od_status
od_footprint(const struct od_footprint_of *of, struct od_footprint *f, struct od_error *err)
{
	struct od_shard s;
	enum od_status st = od_shard_open(&s, of->params, 0, of->ranks, err);

	*f = (struct od_footprint){ 0 };
	if (st != OD_OK)
		return st;
	of_shard(of, &s, f);
	od_shard_release(&s);
	f->activations = (double)od_engine_bytes(of->config, of->type, true, of->recompute, of->tokens, of->rows);
	f->head = head_bytes(of);
	f->total = f->weights + f->master + f->gradients + f->moments + f->activations + f->head + f->buffers;
	return OD_OK;
}
