/* backend.c -- opens a backend by name. */
#include "backend.h"

#include <string.h>

#include "cpu/cpu.h"
#include "ref/ref.h"

enum od_status
od_backend_open(struct od_backend **out, const char *name, int threads, struct od_error *err)
{
	if (!strcmp(name, "cpu"))
		return od_cpu_open(out, threads, err);
	if (!strcmp(name, "ref"))
		return od_ref_open(out, err);
	if (!strncmp(name, "cuda", 4))
		return od_fail(err, OD_ESUPPORT, "cannot open backend '%s': this build has none for CUDA", name);
	return od_fail(err, OD_EUSAGE, "unknown backend '%s': choose cpu or ref", name);
}

void
od_backend_close(struct od_backend *be)
{
	if (!be)
		return;
	if (!strcmp(be->name, "ref"))
		od_ref_close(be);
	else
		od_cpu_close(be);
}
