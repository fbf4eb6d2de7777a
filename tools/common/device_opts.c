#include "common/device_opts.h"

#include "pref/logps.h"

#define T struct od_device_options

static const char *const dtypes[] = { [OD_COMPUTE_AUTO] = "auto", [OD_COMPUTE_FP32] = "fp32", [OD_COMPUTE_TF32] = "tf32",
	[OD_COMPUTE_BF16] = "bf16", NULL };

const struct od_opt od_device_opts[] = {
	OD_OPT_STR(T, device, "device", "NAME", "where the model runs: cpu, cuda or cuda:N"),
	OD_OPT_ENUM(T, dtype, "dtype", "TYPE", dtypes, "number type of the matrix products (auto: bf16 on a GPU, else fp32)"),
	OD_OPT_END
};

enum od_status
od_device_open(struct od_backend **be, const struct od_device_options *o, int threads, struct od_error *err)
{
	return od_backend_open(be, o->device, (enum od_compute)o->dtype, threads, err);
}

int64_t
od_device_batch_tokens(const struct od_backend *be, int64_t asked)
{
	if (asked > 0)
		return asked;
	return be->host_memory ? OD_LOGPS_BATCH_TOKENS : 8 * OD_LOGPS_BATCH_TOKENS;
}
