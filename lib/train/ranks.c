/* ranks.c -- one process, and what every transport's callers share. */
#include "train/ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- one process ----------------------------------------------------------------------------------------------- */

static enum od_status
alone_all_gather(struct od_ranks *r, const void *mine, size_t bytes, void *all, struct od_error *err)
{
	(void)r, (void)err;
	memcpy(all, mine, bytes);
	return OD_OK;
}

static enum od_status
alone_broadcast(struct od_ranks *r, int root, void *data, size_t bytes, struct od_error *err)
{
	(void)r, (void)root, (void)data, (void)bytes, (void)err;
	return OD_OK;
}

static enum od_status
alone_start(struct od_ranks *r, struct od_transfer *t, size_t n, struct od_error *err)
{
	(void)r, (void)t;
	return n ? od_fail(err, OD_EUSAGE, "one process has nobody to send to") : OD_OK;
}

static enum od_status
alone_finish(struct od_ranks *r, struct od_transfer *t, size_t n, bool wait, bool *done, struct od_error *err)
{
	(void)r, (void)t, (void)n, (void)wait, (void)err;
	*done = true;
	return OD_OK;
}

static void
alone_close(struct od_ranks *r, int exit_code)
{
	(void)r, (void)exit_code;
}

struct od_ranks *
od_ranks_alone(void)
{
	static struct od_ranks alone = { .n = 1, .local_n = 1, .how = "one process", .all_gather = alone_all_gather,
		.broadcast = alone_broadcast, .start = alone_start, .finish = alone_finish, .close = alone_close };

	return &alone;
}

/* ---- agreements ------------------------------------------------------------------------------------------------ */

/* all[r->n] of 'bytes' each, to be freed. */
static enum od_status
gather(struct od_ranks *r, const void *mine, size_t bytes, void *all, struct od_error *err)
{
	enum od_status st = r->lost ? od_fail(err, OD_ESYS, "the other ranks cannot be reached any more")
		: od_alloc(all, (size_t)r->n, bytes, "an agreement of ranks", err);

	return st == OD_OK ? r->all_gather(r, mine, bytes, *(void **)all, err) : st;
}

enum od_status
od_ranks_agree(struct od_ranks *r, enum od_status mine, struct od_error *err)
{
	struct od_error local = OD_ERROR_INIT, *e = err ? err : &local;
	int32_t status = (int32_t)mine, *all = NULL;
	enum od_status st;
	int k = 0;

	if (r->n == 1)
		return mine;
	st = gather(r, &status, sizeof status, &all, mine == OD_OK ? e : NULL);
	while (st == OD_OK && k < r->n && all[k] == OD_OK)
		k++;
	if (st == OD_OK && k < r->n) {
		e->status = (enum od_status)all[k];
		st = r->broadcast(r, k, e, sizeof *e, NULL);
		if (st == OD_OK)
			st = od_error_prefix(e, "rank %d: ", k);
	}
	free(all);
	return mine != OD_OK && r->lost ? mine : st;
}

enum od_status
od_ranks_decide(struct od_ranks *r, bool *yes, struct od_error *err)
{
	unsigned char answer = *yes;
	enum od_status st = r->lost ? od_fail(err, OD_ESYS, "the other ranks cannot be reached any more")
		: r->broadcast(r, 0, &answer, 1, err);

	*yes = answer != 0;
	return st;
}

enum od_status
od_ranks_sum(struct od_ranks *r, double *x, struct od_error *err)
{
	double *all = NULL;
	enum od_status st;

	if (r->n == 1)
		return OD_OK;
	st = gather(r, x, sizeof *x, &all, err);
	if (st == OD_OK)
		*x = 0;
	for (int k = 0; st == OD_OK && k < r->n; k++)
		*x += all[k];
	free(all);
	return st;
}

enum od_status
od_ranks_range(struct od_ranks *r, int64_t x, int64_t *least, int64_t *most, struct od_error *err)
{
	int64_t *all = NULL;
	enum od_status st = gather(r, &x, sizeof x, &all, err);

	*least = *most = x;
	for (int k = 0; st == OD_OK && k < r->n; k++) {
		*least = all[k] < *least ? all[k] : *least;
		*most = all[k] > *most ? all[k] : *most;
	}
	free(all);
	return st;
}

enum od_status
od_ranks_string(struct od_ranks *r, char **s, struct od_error *err)
{
	uint64_t n = *s ? strlen(*s) + 1 : 0;
	enum od_status st = r->broadcast(r, 0, &n, sizeof n, err);

	if (st != OD_OK || r->n == 1)
		return st;
	if (r->rank != 0) {
		free(*s);
		*s = n ? od_calloc(n, 1) : NULL;
		if (n && !*s)                        /* the others are sending: there is no way to stay in step */
			r->lost = true;
	}
	if (r->lost)
		return od_fail_nomem(err, "a string", n);
	return n ? r->broadcast(r, 0, *s, n, err) : OD_OK;
}
