/* attn_tiles.cu -- the packed tree as work lists for the attention kernels. */
#include "attn.h"

#include <stdlib.h>
#include <string.h>

struct cuda_tiles {
	int32_t n_segments;
	int32_t *tree;                         /* [3 * n_segments]: start, len, parent of the tree that lists is of */
	struct attn_lists lists;
};

/* A segment's children: child[first .. first + n). */
struct family {
	int32_t first, n, tokens;
};

/* The lists as they are built on the host: one block of memory, tiles first. */
struct draft {
	const struct od_tree *tree;
	struct family *family;                 /* [n_segments] */
	struct attn_tile *tile;
	struct attn_child *child;
	int64_t n_tiles, bytes;
};

static const int32_t list_rows[N_ATTN_LISTS] = { 128, 64, 32, 64, 32 };

static int
is_key_list(int list)
{
	return list == ATTN_K64 || list == ATTN_K32;
}

static int32_t
count_tiles(const struct od_tree *tree, int32_t rows)
{
	int32_t n = 0;

	for (int32_t s = 0; s < tree->n_segments; s++)
		n += (tree->len[s] + rows - 1) / rows;
	return n;
}

/* The children of every segment, in ascending order. */
static void
draft_children(struct draft *d)
{
	const struct od_tree *tree = d->tree;
	int32_t at = 0;

	for (int32_t s = 0; s < tree->n_segments; s++)
		if (tree->parent[s] >= 0) {
			d->family[tree->parent[s]].n++;
			d->family[tree->parent[s]].tokens += tree->len[s];
		}
	for (int32_t s = 0; s < tree->n_segments; s++) {
		d->family[s].first = at;
		at += d->family[s].n;
		d->family[s].n = 0;
	}
	for (int32_t s = 0; s < tree->n_segments; s++)
		if (tree->parent[s] >= 0) {
			struct family *f = &d->family[tree->parent[s]];

			d->child[f->first + f->n++] = { tree->start[s], tree->len[s] };
		}
}

static struct attn_tile
tile_at(const struct draft *d, int32_t s, int32_t first, int32_t rows, int keys)
{
	const struct od_tree *tree = d->tree;
	int32_t parent = tree->parent[s], left = tree->len[s] - first;
	const struct family *f = &d->family[s];
	struct attn_tile t = { tree->start[s], tree->len[s], first, left < rows ? left : rows, 0, 0, f->first, f->n, 0 };

	if (parent >= 0) {
		t.parent_start = tree->start[parent];
		t.parent_len = tree->len[parent];
	}
	t.work = keys ? left + f->tokens : t.parent_len + first + t.n;
	return t;
}

/* Most work first; otherwise in the order of the buffer. */
static int
compare_tiles(const void *pa, const void *pb)
{
	const struct attn_tile *a = static_cast<const struct attn_tile *>(pa), *b = static_cast<const struct attn_tile *>(pb);

	if (a->work != b->work)
		return a->work > b->work ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->first < b->first ? -1 : a->first > b->first;
}

static void
draft_list(const struct draft *d, struct attn_tile *to, int list)
{
	const struct od_tree *tree = d->tree;
	size_t n = 0;

	for (int32_t s = 0; s < tree->n_segments; s++)
		for (int32_t first = 0; first < tree->len[s]; first += list_rows[list])
			to[n++] = tile_at(d, s, first, list_rows[list], is_key_list(list));
	if (n > 0)
		qsort(to, n, sizeof *to, compare_tiles);
}

static void
draft_free(struct draft *d)
{
	free(d->family);
	free(d->tile);
}

/* 0 when memory is short. */
static int
draft_init(struct draft *d, const struct od_tree *tree)
{
	size_t n = (size_t)tree->n_segments;

	memset(d, 0, sizeof *d);
	d->tree = tree;
	for (int i = 0; i < N_ATTN_LISTS; i++)
		d->n_tiles += count_tiles(tree, list_rows[i]);
	d->bytes = d->n_tiles * (int64_t)sizeof *d->tile + (int64_t)(n * sizeof *d->child);
	d->family = static_cast<struct family *>(calloc(n + 1, sizeof *d->family));
	d->tile = static_cast<struct attn_tile *>(calloc(1, (size_t)d->bytes + 1));
	if (!d->family || !d->tile) {
		draft_free(d);
		return 0;
	}
	d->child = reinterpret_cast<struct attn_child *>(d->tile + d->n_tiles);
	return 1;
}

static int
same_tree(const struct cuda_tiles *t, const struct od_tree *tree)
{
	size_t n = (size_t)tree->n_segments, bytes = n * sizeof *t->tree;

	return t->n_segments == tree->n_segments && (n == 0 || (!memcmp(t->tree, tree->start, bytes) &&
		!memcmp(t->tree + n, tree->len, bytes) && !memcmp(t->tree + 2 * n, tree->parent, bytes)));
}

static struct cuda_tiles *
tiles_new(const struct od_tree *tree)
{
	size_t n = (size_t)tree->n_segments, bytes = n * sizeof(int32_t);
	struct cuda_tiles *t = static_cast<struct cuda_tiles *>(calloc(1, sizeof *t));

	if (!t)
		return NULL;
	t->tree = static_cast<int32_t *>(malloc(3 * bytes + 1));
	if (!t->tree) {
		free(t);
		return NULL;
	}
	t->n_segments = tree->n_segments;
	if (n > 0) {
		memcpy(t->tree, tree->start, bytes);
		memcpy(t->tree + n, tree->len, bytes);
		memcpy(t->tree + 2 * n, tree->parent, bytes);
	}
	return t;
}

/* Builds the lists and uploads them; 0 when memory is short. */
static int
tiles_fill(struct od_backend *be, struct cuda_tiles *t, const struct od_tree *tree)
{
	const struct attn_tile *dev;
	struct attn_tile *to;
	struct draft d;

	if (!draft_init(&d, tree))
		return 0;
	dev = static_cast<const struct attn_tile *>(od_cuda_scratch(cuda_ctx(be), CUDA_SCRATCH_TREE, (size_t)d.bytes + 1));
	if (!dev) {
		draft_free(&d);
		return 0;
	}
	draft_children(&d);
	to = d.tile;
	for (int i = 0; i < N_ATTN_LISTS; i++) {
		draft_list(&d, to, i);
		t->lists.n[i] = count_tiles(tree, list_rows[i]);
		t->lists.tile[i] = dev + (to - d.tile);
		to += t->lists.n[i];
	}
	t->lists.child = reinterpret_cast<const struct attn_child *>(dev + d.n_tiles);
	if (d.bytes > 0)
		od_cuda_upload(be, const_cast<struct attn_tile *>(dev), d.tile, (size_t)d.bytes);
	draft_free(&d);
	return 1;
}

const struct attn_lists *
od_attn_lists(struct od_backend *be, const struct od_tree *tree)
{
	struct cuda_ctx *ctx = cuda_ctx(be);

	if (ctx->tiles && same_tree(ctx->tiles, tree))
		return &ctx->tiles->lists;
	od_cuda_tiles_free(ctx);
	ctx->tiles = tiles_new(tree);
	if (!ctx->tiles || !tiles_fill(be, ctx->tiles, tree)) {
		od_cuda_check(ctx, cudaErrorMemoryAllocation, "attention work lists");
		od_cuda_tiles_free(ctx);
		return NULL;
	}
	return &ctx->tiles->lists;
}

void
od_cuda_tiles_free(struct cuda_ctx *ctx)
{
	if (ctx->tiles)
		free(ctx->tiles->tree);
	free(ctx->tiles);
	ctx->tiles = NULL;
}
