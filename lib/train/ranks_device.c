/* ranks_device.c -- the ranks' devices exchange by the backend's own collectives (NCCL) instead of through host memory. */
#include <stdlib.h>

#include "base/mem.h"
#include "train/ranks.h"

/* Slices as the backend takes them: beginnings, then lengths. */
static enum od_status
ranges(const struct od_ranks *r, const struct od_slice *slice, int64_t **first, struct od_error *err)
{
	enum od_status st = od_alloc(first, 2 * (size_t)r->n, sizeof **first, "a table of slices", err);

	for (int k = 0; st == OD_OK && k < r->n; k++) {
		(*first)[k] = slice[k].first;
		(*first)[r->n + k] = slice[k].n;
	}
	return st;
}

static enum od_status
note_loss(struct od_ranks *r, enum od_status st)
{
	r->lost = r->lost || st == OD_ESYS;
	return st;
}

static enum od_status
device_reduce(struct od_ranks *r, struct od_backend *be, float *x, const struct od_slice *slice, struct od_error *err)
{
	int64_t *first = NULL;
	enum od_status st = ranges(r, slice, &first, err);

	if (st == OD_OK)
		st = note_loss(r, be->group->reduce(be, x, first, first + r->n, err));
	free(first);
	return st;
}

static enum od_status
device_gather(struct od_ranks *r, struct od_backend *be, void *x, enum od_dtype type, const struct od_slice *slice,
	struct od_error *err)
{
	int64_t *first = NULL;
	enum od_status st = ranges(r, slice, &first, err);

	if (st == OD_OK)
		st = note_loss(r, be->group->gather(be, x, type, first, first + r->n, err));
	free(first);
	return st;
}

static enum od_status
device_settle(struct od_ranks *r, struct od_backend *be, struct od_error *err)
{
	return note_loss(r, be->group->settle(be, err));
}

enum od_status
od_ranks_join_devices(struct od_ranks *r, struct od_backend *be, bool *joined, struct od_error *err)
{
	unsigned char id[OD_GROUP_ID] = { 0 };
	int64_t least, most;
	enum od_status st;

	*joined = false;
	if (r->n == 1)
		return OD_OK;
	st = od_ranks_range(r, be->group != NULL, &least, &most, err);
	if (st != OD_OK || least == 0)
		return st;
	*joined = r->rank != 0 || be->group->identity(be, id, NULL) == OD_OK;
	st = od_ranks_decide(r, joined, err);
	if (st != OD_OK || !*joined)
		return st;
	st = r->broadcast(r, 0, id, sizeof id, err);
	if (st != OD_OK)
		return st;
	/* two ranks on one device, say: all of them are told no, and go through host memory */
	*joined = od_ranks_agree(r, be->group->join(be, id, r->rank, r->n, NULL), NULL) == OD_OK;
	if (!*joined)
		return r->lost ? od_fail(err, OD_ESYS, "the other ranks cannot be reached any more") : OD_OK;
	r->device_reduce = device_reduce;
	r->device_gather = device_gather;
	r->device_settle = device_settle;
	return OD_OK;
}
