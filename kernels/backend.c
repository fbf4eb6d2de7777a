/* backend.c -- opens a backend by name. */
#include "backend.h"

#include <string.h>

#include "cpu/cpu.h"
#include "ref/ref.h"

/* The CUDA backend is there when its objects are linked in: a CUDA=1 build, or a test on the emulator. */
#pragma weak od_cuda_open
#pragma weak od_cuda_close
enum od_status od_cuda_open(struct od_backend **out, const char *name, enum od_compute compute, struct od_error *err);
void od_cuda_close(struct od_backend *be);

/* Backends on the processor. */
static enum od_status
open_host(struct od_backend **out, const char *name, enum od_compute compute, int threads, struct od_error *err)
{
	if (compute == OD_COMPUTE_TF32)
		return od_fail(err, OD_ESUPPORT, "cannot open backend '%s': tf32 is a GPU's", name);
	if (!strcmp(name, "cpu"))
		return od_cpu_open(out, od_backend_compute(name, compute), threads, err);
	if (compute == OD_COMPUTE_BF16)
		return od_fail(err, OD_ESUPPORT, "cannot open backend '%s': it computes in fp32 alone", name);
	return od_ref_open(out, err);
}

enum od_compute
od_backend_compute(const char *name, enum od_compute compute)
{
	if (compute != OD_COMPUTE_AUTO)
		return compute;
	if (!strcmp(name, "ref"))
		return OD_COMPUTE_FP32;
	return strcmp(name, "cpu") || od_cpu_prefers_bf16() ? OD_COMPUTE_BF16 : OD_COMPUTE_FP32;
}

enum od_status
od_backend_open(struct od_backend **out, const char *name, enum od_compute compute, int threads, struct od_error *err)
{
	if (!strcmp(name, "cpu") || !strcmp(name, "ref"))
		return open_host(out, name, compute, threads, err);
	if (strncmp(name, "cuda", 4) || (name[4] && name[4] != ':'))
		return od_fail(err, OD_EUSAGE, "unknown device '%s': choose cpu, cuda or cuda:N", name);
	if (!od_cuda_open)
		return od_fail(err, OD_ESUPPORT, "cannot open device '%s': this program was built without CUDA (make CUDA=1)", name);
	return od_cuda_open(out, name, compute, err);
}

void
od_backend_close(struct od_backend *be)
{
	if (!be)
		return;
	if (!strcmp(be->name, "ref"))
		od_ref_close(be);
	else if (!strcmp(be->name, "cpu"))
		od_cpu_close(be);
	else if (od_cuda_close)
		od_cuda_close(be);
}
