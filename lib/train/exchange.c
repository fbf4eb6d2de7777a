#include "train/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

/* Measured on shared memory: pieces of 1 to 4 MB are fastest. Many ranks take smaller ones, so that the buffers do not grow
 * with their number until the smallest is reached. */
#define MOST_FLOATS  ((int64_t)1 << 20)
#define LEAST_FLOATS ((int64_t)1 << 18)
#define SUM_FLOATS   ((int64_t)1 << 22)

#define IN_FLIGHT 2

enum kind { REDUCE, GATHER };

/* One piece of one part on its way: to all others and from all others. */
struct step {
	int part;
	int64_t piece;
	struct od_transfer *transfer;              /* [2 (n - 1)] at most */
	size_t n;
	char *in, *out;                            /* a piece for each other rank; out: without host memory only */
};

struct od_exchange {
	struct od_ranks *r;
	struct od_backend *be;
	const struct od_shard *s;
	int64_t most;                              /* floats of a piece */
	float *dev[2];                             /* without host memory: pieces that are added on the device */
	struct step flight[IN_FLIGHT];
	int oldest, flying;                        /* flight[oldest] was started first */

	enum kind kind;                            /* of what is on its way */
	char *base;                                /* gradients or weights */
	size_t size;                               /* of an element */
	int next_part;                             /* the next piece to start; -1: all are */
	int64_t next_piece;
	int begun;                                 /* parts from this one on may be started */
};

/* ---- buffers --------------------------------------------------------------------------------------------------- */

static int64_t
piece_floats(int n_ranks, int64_t largest)
{
	int64_t share = SUM_FLOATS / od_larger(n_ranks - 1, 1);

	return od_smaller(od_smaller(od_larger(share, LEAST_FLOATS), MOST_FLOATS), od_larger(largest, 1));
}

int64_t
od_exchange_bytes(int n_ranks, int64_t largest, bool host_memory)
{
	int64_t pieces = IN_FLIGHT * (int64_t)(n_ranks - 1) * (host_memory ? 1 : 2);

	return pieces * piece_floats(n_ranks, largest) * (int64_t)sizeof(float);
}

static enum od_status
make_buffers(struct od_exchange *x, struct od_error *err)
{
	size_t others = (size_t)x->r->n - 1, bytes = others * (size_t)x->most * sizeof(float);
	bool host = x->be->host_memory;
	enum od_status st = OD_OK;

	for (int i = 0; st == OD_OK && i < IN_FLIGHT; i++) {
		struct step *f = &x->flight[i];

		st = od_alloc(&f->transfer, 2 * others, sizeof *f->transfer, "an exchange", err);
		if (st == OD_OK)
			st = od_alloc(&f->in, bytes, 1, "gradients on their way", err);
		if (st == OD_OK && !host)
			st = od_alloc(&f->out, bytes, 1, "gradients on their way", err);
	}
	for (int i = 0; st == OD_OK && i < 2 && !host; i++) {
		x->dev[i] = x->be->alloc(x->be, (size_t)x->most * sizeof(float));
		if (!x->dev[i])
			st = od_fail_nomem(err, "gradients on their way", (size_t)x->most * sizeof(float));
	}
	return st;
}

enum od_status
od_exchange_open(struct od_exchange **out, struct od_ranks *r, struct od_backend *be, const struct od_shard *s,
	struct od_error *err)
{
	struct od_exchange *x = od_calloc(1, sizeof *x);
	enum od_status st = x ? OD_OK : od_fail_nomem(err, "an exchange", sizeof *x);

	if (st != OD_OK)
		return st;
	*x = (struct od_exchange){ .r = r, .be = be, .s = s, .most = piece_floats(r->n, s->largest),
		.next_part = -1, .begun = s->n_parts };
	if (r->n > 1)
		st = make_buffers(x, err);
	if (st == OD_OK)
		*out = x;
	else
		od_exchange_close(x);
	return st;
}

void
od_exchange_close(struct od_exchange *x)
{
	if (!x)
		return;
	for (int i = 0; i < IN_FLIGHT; i++) {
		free(x->flight[i].transfer);
		free(x->flight[i].in);
		free(x->flight[i].out);
	}
	x->be->free(x->be, x->dev[0]);
	x->be->free(x->be, x->dev[1]);
	free(x);
}

/* ---- a step ---------------------------------------------------------------------------------------------------- */

/* What of a rank's slice goes in a step. */
static struct od_slice
piece_of(const struct od_exchange *x, const struct step *f, int rank)
{
	struct od_slice own = od_shard_slice(x->s, f->part, rank);
	int64_t at = od_smaller(f->piece * x->most, own.n);

	return (struct od_slice){ own.first + at, od_smaller(own.n - at, x->most) };
}

/* The buffer of another rank among the n - 1. */
static char *
slot(const struct od_exchange *x, char *buffers, int peer)
{
	size_t i = (size_t)(peer < x->r->rank ? peer : peer - 1);

	return buffers + i * (size_t)x->most * sizeof(float);
}

static char *
place(const struct od_exchange *x, struct od_slice p)
{
	return x->base + (size_t)p.first * x->size;
}

static void
add_transfer(struct step *f, int peer, bool send, void *data, size_t bytes)
{
	if (bytes)
		f->transfer[f->n++] = (struct od_transfer){ .peer = peer, .send = send, .data = data, .bytes = bytes };
}

/* The memory a piece is sent from: where it stands, or a copy that the host can read. */
static char *
outgoing(struct od_exchange *x, struct step *f, int peer, struct od_slice p)
{
	char *from = place(x, p), *to;

	if (x->be->host_memory)
		return from;
	to = slot(x, f->out, x->kind == GATHER ? (x->r->rank + 1) % x->r->n : peer);      /* one copy of what all get */
	x->be->download(x->be, to, from, (size_t)p.n * x->size);
	return to;
}

static enum od_status
start_step(struct od_exchange *x, struct step *f, struct od_error *err)
{
	int n = x->r->n, me = x->r->rank;
	struct od_slice mine = piece_of(x, f, me);
	char *all = NULL;

	f->n = 0;
	for (int d = 1; d < n; d++) {                /* not everybody to the same rank at once */
		int from = (me + n - d) % n;
		struct od_slice p = x->kind == REDUCE ? mine : piece_of(x, f, from);
		bool direct = x->kind == GATHER && x->be->host_memory;

		add_transfer(f, from, false, direct ? place(x, p) : slot(x, f->in, from), (size_t)p.n * x->size);
	}
	for (int d = 1; d < n; d++) {
		int to = (me + d) % n;
		struct od_slice p = x->kind == REDUCE ? piece_of(x, f, to) : mine;

		if (p.n > 0 && (x->kind == REDUCE || !all))
			all = outgoing(x, f, to, p);
		add_transfer(f, to, true, all, (size_t)p.n * x->size);
	}
	return x->r->start(x->r, f->transfer, f->n, err);
}

/* x += y; rows of 1024 give the threads something to share. */
static void
add(struct od_backend *be, float *x, const float *y, int64_t n)
{
	int64_t rows = n / 1024, rest = n % 1024;

	if (rows)
		be->add(be, od_mat_f32(x, rows, 1024), od_mat_f32((float *)y, rows, 1024));
	if (rest)
		be->add(be, od_mat_f32(x + rows * 1024, 1, rest), od_mat_f32((float *)y + rows * 1024, 1, rest));
}

/* The piece that came from a rank, where the backend can add it. */
static float *
incoming(struct od_exchange *x, struct step *f, int peer, int64_t n, float *dev)
{
	char *host = slot(x, f->in, peer);

	if (x->be->host_memory)
		return (float *)host;
	x->be->upload(x->be, dev, host, (size_t)n * sizeof *dev);
	return dev;
}

/* own := ((g0 + g1) + .. own ..) + g(n-1), in rank order. */
static void
sum_step(struct od_exchange *x, struct step *f)
{
	struct od_slice mine = piece_of(x, f, x->r->rank);
	float *own = (float *)place(x, mine), *before = NULL;

	if (mine.n == 0)
		return;
	for (int k = 0; k < x->r->rank; k++) {
		float *g = incoming(x, f, k, mine.n, x->dev[k > 0]);

		if (before)
			add(x->be, before, g, mine.n);
		else
			before = g;
	}
	if (before)
		add(x->be, own, before, mine.n);
	for (int k = x->r->rank + 1; k < x->r->n; k++)
		add(x->be, own, incoming(x, f, k, mine.n, x->dev[1]), mine.n);
}

static void
take_step(struct od_exchange *x, struct step *f)
{
	for (int k = 0; k < x->r->n; k++) {
		struct od_slice p = piece_of(x, f, k);

		if (k != x->r->rank && p.n > 0)
			x->be->upload(x->be, place(x, p), slot(x, f->in, k), (size_t)p.n * x->size);
	}
}

static void
end_step(struct od_exchange *x, struct step *f)
{
	if (x->kind == REDUCE)
		sum_step(x, f);
	else if (!x->be->host_memory)
		take_step(x, f);
}

/* ---- the flow of steps ----------------------------------------------------------------------------------------- */

/* Starts as many steps as there is room for. */
static enum od_status
fill(struct od_exchange *x, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK && x->flying < IN_FLIGHT && x->next_part >= 0 && x->next_part >= x->begun) {
		struct step *f = &x->flight[(x->oldest + x->flying++) % IN_FLIGHT];

		f->part = x->next_part;
		f->piece = x->next_piece++;
		st = start_step(x, f, err);
		if (x->next_piece * x->most >= od_shard_slice(x->s, f->part, 0).n) {         /* rank 0's is the longest */
			x->next_part--;
			x->next_piece = 0;
		}
	}
	return st;
}

/* Ends what has arrived and starts what can be; with 'wait' until nothing is left of the parts begun. */
static enum od_status
move(struct od_exchange *x, bool wait, struct od_error *err)
{
	enum od_status st = x->r->lost ? od_fail(err, OD_ESYS, "the other ranks cannot be reached any more") : fill(x, err);

	while (st == OD_OK && x->flying) {
		struct step *f = &x->flight[x->oldest];
		bool done;

		st = x->r->finish(x->r, f->transfer, f->n, wait, &done, err);
		if (st != OD_OK || !done)
			break;
		end_step(x, f);
		x->oldest = (x->oldest + 1) % IN_FLIGHT;
		x->flying--;
		st = fill(x, err);
	}
	return st;
}

static void
begin(struct od_exchange *x, enum kind kind, void *base, size_t size)
{
	x->kind = kind;
	x->base = base;
	x->size = size;
	x->next_part = x->s->n_parts - 1;
	x->next_piece = 0;
	x->begun = x->s->n_parts;
}

/* ---- a transport that has its own way on the device is handed whole parts ---------------------------------------- */

static enum od_status
part_on_device(struct od_exchange *x, enum kind kind, void *base, enum od_dtype type, int part, struct od_error *err)
{
	struct od_slice *slice = NULL;
	enum od_status st = od_alloc(&slice, (size_t)x->r->n, sizeof *slice, "a table of slices", err);

	for (int k = 0; st == OD_OK && k < x->r->n; k++)
		slice[k] = od_shard_slice(x->s, part, k);
	if (st == OD_OK)
		st = kind == REDUCE ? x->r->device_reduce(x->r, x->be, base, slice, err)
			: x->r->device_gather(x->r, x->be, base, type, slice, err);
	free(slice);
	return st;
}

/* Parts down to this one that have not been reduced yet in this update. */
static enum od_status
reduce_on_device(struct od_exchange *x, float *grads, int part, struct od_error *err)
{
	enum od_status st = OD_OK;

	while (st == OD_OK && x->begun > part)
		st = part_on_device(x, REDUCE, grads, OD_F32, --x->begun, err);
	return st;
}

static enum od_status
settle_device(struct od_exchange *x, struct od_error *err)
{
	x->begun = x->s->n_parts;
	return x->r->device_settle ? x->r->device_settle(x->r, x->be, err) : OD_OK;
}

enum od_status
od_exchange_reduce_part(struct od_exchange *x, float *grads, int part, struct od_error *err)
{
	if (x->r->n == 1)
		return OD_OK;
	if (x->r->device_reduce)
		return reduce_on_device(x, grads, part, err);
	if (x->begun == x->s->n_parts)
		begin(x, REDUCE, grads, sizeof *grads);
	x->begun = part;
	return move(x, false, err);
}

enum od_status
od_exchange_reduce(struct od_exchange *x, float *grads, struct od_error *err)
{
	enum od_status st;

	if (x->r->n == 1)
		return OD_OK;
	st = od_exchange_reduce_part(x, grads, 0, err);
	if (st == OD_OK)
		st = x->r->device_reduce ? settle_device(x, err) : move(x, true, err);
	x->begun = x->s->n_parts;
	return st;
}

enum od_status
od_exchange_gather(struct od_exchange *x, void *weights, enum od_dtype type, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (x->r->n == 1)
		return OD_OK;
	if (x->r->device_gather) {
		for (int i = x->s->n_parts - 1; st == OD_OK && i >= 0; i--)
			st = part_on_device(x, GATHER, weights, type, i, err);
		return st == OD_OK ? settle_device(x, err) : st;
	}
	begin(x, GATHER, weights, od_dtype_size(type));
	x->begun = 0;
	st = move(x, true, err);
	x->begun = x->s->n_parts;
	return st;
}
