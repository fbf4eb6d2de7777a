/* footprint.h -- the memory of a rank and what it sends, computed from shapes alone, before anything is allocated.
 *
 * One place for --dry-run, --plan and the check before a run. With P floats of parameters (padding included), N ranks, s
 * bytes of a number in products, and S a rank's own floats, about P / N:
 *
 *                 products in fp32     products in bf16, N = 1     products in bf16, N > 1
 *   weights       4 P                  2 P                         2 P + the gains and biases in fp32
 *   master        -                    4 P                         4 S
 *   gradients     4 P                  4 P                         4 P
 *   moments       8 S                  8 P                         8 S
 *
 * and activations by od_engine_bytes. A rank sends 4 (P - S) bytes of gradients and (N - 1) s S of weights in an update.
 */
#ifndef OD_TRAIN_FOOTPRINT_H
#define OD_TRAIN_FOOTPRINT_H

#include "base/error.h"
#include "model/engine.h"

struct od_footprint_of {
	const struct od_model_config *config;
	const struct od_params *params;
	enum od_dtype type;                        /* of products */
	bool host_memory;                          /* the device's memory is the host's */
	int ranks;
	int64_t tokens, rows;                      /* of the largest micro-batch */
	int32_t recompute;                         /* layers that make gate and up again (model/engine.h) */
};

/* Bytes; of rank 0, whose share is the largest. */
struct od_footprint {
	double weights, master, gradients, moments, activations;
	double head;                               /* the LM head's tiles of logits and their gradients */
	double buffers;                            /* of the exchange between ranks, on the device */
	double total;                              /* of the above */
	double host_buffers;                       /* of the exchange, in host memory, where that is another */
	double sent;                               /* by a rank in an update */
};

OD_MUST_CHECK enum od_status od_footprint(const struct od_footprint_of *of, struct od_footprint *f, struct od_error *err);

#endif
