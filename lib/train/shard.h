/* shard.h -- who owns which floats of a model's flat vector.
 *
 * The vector is cut into the parts of params.h (embedding, each layer, final norm and head), each part into a slice for
 * each rank, in rank order, of a multiple of 16 floats (the last ranks' slices of a small part may be shorter or empty). So
 * a part can go round as soon as backward has finished it, and each rank owns about total / n floats. One process owns the
 * one part there is, the whole vector.
 *
 * A sharded vector (a moment, the master weights) holds a rank's slices one behind the other: part i begins at at[i].
 */
#ifndef OD_TRAIN_SHARD_H
#define OD_TRAIN_SHARD_H

#include <stdint.h>

#include "base/error.h"
#include "io/safetensors.h"
#include "model/params.h"
#include "train/ranks.h"

struct od_shard {
	int rank, n_ranks, n_parts;
	struct od_slice *part;                     /* [n_parts], in the order of the vector */
	int64_t *at;                               /* [n_parts] */
	int64_t own;                               /* floats this rank owns */
	int64_t largest;                           /* floats of the largest slice of all */
};

OD_MUST_CHECK enum od_status od_shard_open(struct od_shard *s, const struct od_params *p, int rank, int n_ranks,
	struct od_error *err);
void od_shard_release(struct od_shard *s);         /* fine on a zeroed struct */

/* What 'rank' owns of a part. */
struct od_slice od_shard_slice(const struct od_shard *s, int part, int rank);

/* Collective. Brings floats [first, first + n) of a vector to rank 0: host[n] there, ignored elsewhere. dev is a sharded
 * vector, or with 'whole' a vector of all floats in which each rank's slices are the valid ones. */
OD_MUST_CHECK enum od_status od_shard_fetch(const struct od_shard *s, struct od_ranks *r, struct od_backend *be,
	const float *dev, bool whole, int64_t first, int64_t n, float *host, struct od_error *err);

/* Fills this rank's slices of a sharded device vector from tensors named prefix + NAME, a piece at a
 * time. OD_EFORMAT when one is missing or has another shape. */
OD_MUST_CHECK enum od_status od_shard_read(const struct od_shard *s, const struct od_params *p,
	const struct od_safetensors *file, const char *prefix, struct od_backend *be, float *dev, struct od_error *err);

/* Collective. vectors[p->vectors] on the device, the gains and biases as the model reads them (params.h), from the ranks'
 * shares of the master weights. */
OD_MUST_CHECK enum od_status od_shard_vectors(const struct od_shard *s, struct od_ranks *r, struct od_backend *be,
	const struct od_params *p, const float *master, float *vectors, struct od_error *err);

#endif
