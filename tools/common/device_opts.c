#include "common/device_opts.h"

#include <stdlib.h>
#include <string.h>

#include "pref/logps.h"

#define T struct od_device_options

static const char *const dtypes[] = { [OD_COMPUTE_AUTO] = "auto", [OD_COMPUTE_FP32] = "fp32", [OD_COMPUTE_TF32] = "tf32",
	[OD_COMPUTE_BF16] = "bf16", NULL };

const struct od_opt od_device_opts[] = {
	OD_OPT_STR(T, device, "device", "NAME", "where the model runs: cpu, cuda or cuda:N"),
	OD_OPT_ENUM(T, dtype, "dtype", "TYPE", dtypes, "number type of the matrix products (auto: OD_DTYPE, else bf16 where that is fast)"),
	OD_OPT_END
};

enum od_status
od_device_compute(const struct od_device_options *o, enum od_compute *compute, struct od_error *err)
{
	const char *text = getenv("OD_DTYPE");

	*compute = (enum od_compute)o->dtype;
	if (*compute != OD_COMPUTE_AUTO || !text || !*text)
		return OD_OK;
	for (int i = 0; dtypes[i]; i++)
		if (!strcmp(text, dtypes[i])) {
			*compute = (enum od_compute)i;
			return OD_OK;
		}
	return od_fail(err, OD_EUSAGE, "OD_DTYPE is '%s': choose auto, fp32, tf32 or bf16", text);
}

enum od_status
od_device_open(struct od_backend **be, const struct od_device_options *o, int threads, struct od_error *err)
{
	enum od_compute compute;
	enum od_status st = od_device_compute(o, &compute, err);

	return st == OD_OK ? od_backend_open(be, o->device, compute, threads, err) : st;
}

int64_t
od_device_batch_tokens(const struct od_backend *be, int64_t asked)
{
	if (asked > 0)
		return asked;
	return be->host_memory ? OD_LOGPS_BATCH_TOKENS : 8 * OD_LOGPS_BATCH_TOKENS;
}
