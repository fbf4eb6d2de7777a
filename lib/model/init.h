/* init.h -- random weights of a model that is to be trained from scratch.
 *
 * Matrices are normal with mean 0 and deviation 'std'; those that write into the residual stream (o_proj, down_proj) have
 * std / sqrt(2 n_layers), so that the stream's variance does not grow with depth (GPT-2's rule). Gains of norms are such that a
 * norm starts as the identity (1; 0 where the gain is 1 + w); biases are 0.
 *
 * A value depends on the seed, its parameter's place in the table and its own place in the parameter alone, and is the same on every
 * machine: no function of the C library's takes part, whose last bit differs between processors.
 */
#ifndef OD_MODEL_INIT_H
#define OD_MODEL_INIT_H

#include <stdint.h>

#include "model/params.h"

#define OD_INIT_STD 0.02                       /* where the configuration has no initializer_range */

/* out[rows * cols] of parameter i of the table. */
void od_param_init(const struct od_params *p, const struct od_model_config *c, int i, uint64_t seed, double std, float *out);

#endif
