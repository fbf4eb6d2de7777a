/* device_opts.h -- where a model runs and in which numbers: the same options in every tool that runs one.
 *
 *   struct od_device_options dev = OD_DEVICE_OPTIONS_INIT;
 *   groups: { "Device", od_device_opts, &dev, NULL }
 *   after od_cli_parse: od_device_open(&be, &dev, threads, &err)
 */
#ifndef OD_TOOLS_DEVICE_OPTS_H
#define OD_TOOLS_DEVICE_OPTS_H

#include "base/error.h"
#include "common/cli.h"
#include "kernels/backend.h"

struct od_device_options {
	const char *device;                        /* "cpu", "cuda", "cuda:N" */
	int dtype;                                 /* enum od_compute */
};

#define OD_DEVICE_OPTIONS_INIT { "cpu", OD_COMPUTE_AUTO }

extern const struct od_opt od_device_opts[];      /* base: struct od_device_options */

/* The first thing in main of a tool that computes: starts the program again with threads that sleep soon when they wait,
 * unless the environment says how they should (OMP_WAIT_POLICY, GOMP_SPINCOUNT). */
void od_device_settle_threads(char **argv, const char *spins);
/* spins: how often a thread looks before it sleeps. A pass over many tokens waits seldom; a step of generation every 50 us, for some
 * microseconds: one that slept in each of these lost a tenth to a fifth of its time, but beside one busy process every look too many
 * is time of the thread that is waited for (HACKING.md, Sampling). */
#define OD_SPINS_PASS "1000"
#define OD_SPINS_STEP "3000"

/* The number type asked for: by --dtype, or where that is auto by the environment's OD_DTYPE; OD_EUSAGE when that is none. */
OD_MUST_CHECK enum od_status od_device_compute(const struct od_device_options *o, enum od_compute *compute, struct od_error *err);

/* Opens the backend with 'threads' processor threads (0: all allowed cores). Errors as od_backend_open. */
OD_MUST_CHECK enum od_status od_device_open(struct od_backend **be, const struct od_device_options *o, int threads,
	struct od_error *err);

/* Tokens of a scoring batch when the user asked for none: enough to keep the device busy. */
int64_t od_device_batch_tokens(const struct od_backend *be, int64_t asked);

#endif
