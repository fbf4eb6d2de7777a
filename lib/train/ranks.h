/* ranks.h -- the processes that train one model together: who they are and how bytes go between them.
 *
 * A rank is a process with the whole model, its share of each batch's pairs, and its share of the optimiser (shard.h).
 * struct od_ranks is a table of few functions; one process has the trivial one, ranks_mpi.c fills it for MPI. Sums and
 * ownership are not a transport's business: exchange.c does them once, in an order that every run repeats.
 *
 * LOCKSTEP. What is marked "collective" is called by every rank, in the same order, or all wait for ever. So a rank that
 * fails does not leave: it keeps its status, takes part in what the others are doing, and tells them at the next
 * od_ranks_agree. There all ranks get the status and message of the lowest rank that failed, and leave together. Between
 * two agreements nothing may depend on a number that is not the same on all ranks.
 *
 * A LOST CONNECTION is the exception: once a function of the table returns OD_ESYS, 'lost' is set, every further collective
 * call fails at once, and close() ends the other ranks by force.
 */
#ifndef OD_TRAIN_RANKS_H
#define OD_TRAIN_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/backend.h"

#define OD_TRANSFER_MOST ((size_t)1 << 30)     /* bytes of one transfer: transports count in int */

/* One message between this rank and a peer, in host memory. Those between two ranks arrive in the order of their start. */
struct od_transfer {
	int peer;
	bool send;
	void *data;                                /* must stay until the transfer has finished */
	size_t bytes;                              /* the same on both sides, 1 .. OD_TRANSFER_MOST */
	union {
		void *pointer;
		int64_t number;
	} request;                                 /* the transport's own */
};

struct od_slice {
	int64_t first, n;                          /* floats [first, first + n) of the flat vector */
};

struct od_ranks {
	int rank, n;                               /* this process, 0 .. n - 1 */
	int local_rank, local_n;                   /* among those of this machine */
	const char *how;                           /* "Open MPI 4.1.4"; lives as long as the table */
	bool lost;
	void *ctx;

	/* Collective. all[n * bytes]: what each rank gave, in rank order. */
	enum od_status (*all_gather)(struct od_ranks *r, const void *mine, size_t bytes, void *all, struct od_error *err);
	/* Collective. data[bytes] of rank 'root', everywhere. */
	enum od_status (*broadcast)(struct od_ranks *r, int root, void *data, size_t bytes, struct od_error *err);
	/* Starts n transfers, and asks whether all of them have finished, or waits until they have. */
	enum od_status (*start)(struct od_ranks *r, struct od_transfer *t, size_t n, struct od_error *err);
	enum od_status (*finish)(struct od_ranks *r, struct od_transfer *t, size_t n, bool wait, bool *done,
		struct od_error *err);
	/* Collective, unless 'lost': then the other ranks are ended with that exit code. */
	void (*close)(struct od_ranks *r, int exit_code);

	/* The door for a device's own collectives (NCCL), NULL where there is none: exchange.c then goes through host memory.
	 * Both are collective and are only ordered behind the backend's operations, not waited for; slice[n] says what each
	 * rank owns. device_reduce: x[slice[rank]] of each rank becomes the sum of that range over all ranks, in an order that
	 * every run repeats. device_gather: x[slice[k]], elements of 'type', becomes rank k's everywhere. device_settle: what the
	 * backend does next sees what was reduced and gathered. */
	enum od_status (*device_reduce)(struct od_ranks *r, struct od_backend *be, float *x, const struct od_slice *slice,
		struct od_error *err);
	enum od_status (*device_gather)(struct od_ranks *r, struct od_backend *be, void *x, enum od_dtype type,
		const struct od_slice *slice, struct od_error *err);
	enum od_status (*device_settle)(struct od_ranks *r, struct od_backend *be, struct od_error *err);
};

/* One process. Nothing to release. */
struct od_ranks *od_ranks_alone(void);

/* Joins the MPI job this process was started in. Only where the library was built with MPI (make MPI=1). Release with
 * close(). */
OD_MUST_CHECK enum od_status od_ranks_mpi_open(struct od_ranks **out, struct od_error *err);

/* Collective. Opens that door where the backend of every rank has collectives of its own (backend.h, struct od_group_ops) and
 * rank 0's library for them is there; *joined says whether it is open. Without it nothing is lost but speed. */
OD_MUST_CHECK enum od_status od_ranks_join_devices(struct od_ranks *r, struct od_backend *be, bool *joined,
	struct od_error *err);

/* Collective. Every rank says how it fared; all get OD_OK, or the status and the message of the lowest rank that did not,
 * with that rank named. err is where the caller's own message stands (may be NULL). */
OD_MUST_CHECK enum od_status od_ranks_agree(struct od_ranks *r, enum od_status mine, struct od_error *err);

/* Collective. Rank 0's answer, everywhere: for what depends on a clock or a file that only rank 0 has. */
OD_MUST_CHECK enum od_status od_ranks_decide(struct od_ranks *r, bool *yes, struct od_error *err);

/* Collective. *x becomes the sum over all ranks, added in rank order: the same bits everywhere. */
OD_MUST_CHECK enum od_status od_ranks_sum(struct od_ranks *r, double *x, struct od_error *err);

/* Collective. The smallest and the largest over all ranks. */
OD_MUST_CHECK enum od_status od_ranks_range(struct od_ranks *r, int64_t x, int64_t *least, int64_t *most,
	struct od_error *err);

/* Collective. A string of rank 0, everywhere: *s is replaced by a malloc'd copy on the other ranks (NULL stays NULL). */
OD_MUST_CHECK enum od_status od_ranks_string(struct od_ranks *r, char **s, struct od_error *err);

#endif
