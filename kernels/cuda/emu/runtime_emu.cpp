/* runtime_emu.cpp -- the runtime API of the emulated device: memory, copies, streams, events, errors. */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <map>
#include <vector>

struct CUstream_st { unsigned flags; };
struct CUevent_st {
	unsigned flags;
	bool recorded;
	struct timespec at;
};

/* A copy to or from pinned memory, which the device makes when it likes until the stream is waited for. */
struct pending {
	bool to_host;
	char *host;
	std::vector<char> data;              /* to_host: what will arrive; else what was read */
};

/* Allocated once and never destroyed, so that exit handlers may still free device memory. */
static struct device_state {
	std::map<uintptr_t, struct emu_alloc> allocs;
	std::map<const void *, size_t> shared_limit;
	std::vector<struct pending> pending;
	size_t total = (size_t)8 << 30, used, pinned;
	int depth;                           /* of emu_device_begin */
	cudaError_t last;
} *the_world;

static struct device_state *
world(void)
{
	if (!the_world)
		the_world = new device_state();
	return the_world;
}

/* ---- errors ---- */

cudaError_t
emu_fail(cudaError_t error)
{
	if (error)
		world()->last = error;
	return error;
}

static const struct {
	cudaError_t error;
	const char *name, *text;
} error_names[] = {
	{ cudaSuccess, "cudaSuccess", "no error" },
	{ cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument" },
	{ cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory" },
	{ cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument" },
	{ cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "driver too old for the runtime" },
	{ cudaErrorNoDevice, "cudaErrorNoDevice", "no device" },
	{ cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal" },
	{ cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle" },
	{ cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported" },
};

extern "C" const char *
cudaGetErrorName(cudaError_t error)
{
	for (const auto &e : error_names)
		if (e.error == error)
			return e.name;
	return "unrecognized error code";
}

extern "C" const char *
cudaGetErrorString(cudaError_t error)
{
	for (const auto &e : error_names)
		if (e.error == error)
			return e.text;
	return "unrecognized error code";
}

extern "C" cudaError_t
cudaPeekAtLastError(void)
{
	return world()->last;
}

extern "C" cudaError_t
cudaGetLastError(void)
{
	cudaError_t e = world()->last;

	world()->last = cudaSuccess;
	return e;
}

/* ---- the device ---- */

extern "C" cudaError_t
cudaGetDeviceCount(int *count)
{
	*count = 1;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaSetDevice(int device)
{
	return emu_fail(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

extern "C" cudaError_t
cudaGetDevice(int *device)
{
	*device = 0;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
	if (device != 0)
		return emu_fail(cudaErrorInvalidDevice);
	memset(prop, 0, sizeof *prop);
	snprintf(prop->name, sizeof prop->name, "emulated");
	prop->totalGlobalMem = world()->total;
	prop->sharedMemPerBlock = EMU_STATIC_SHARED;
	prop->sharedMemPerBlockOptin = EMU_ALL_SHARED;
	prop->sharedMemPerMultiprocessor = EMU_ALL_SHARED + 1024;
	prop->major = 9;
	prop->multiProcessorCount = 4;
	prop->warpSize = EMU_WARP;
	prop->maxThreadsPerBlock = EMU_MAX_THREADS;
	prop->maxThreadsPerMultiProcessor = 2048;
	prop->l2CacheSize = 50 << 20;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device)
{
	struct cudaDeviceProp p;
	cudaError_t e = cudaGetDeviceProperties(&p, device);

	if (e)
		return e;
	switch (attr) {
	case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; return cudaSuccess;
	case cudaDevAttrMaxSharedMemoryPerBlock: *value = (int)p.sharedMemPerBlock; return cudaSuccess;
	case cudaDevAttrWarpSize: *value = p.warpSize; return cudaSuccess;
	case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; return cudaSuccess;
	case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; return cudaSuccess;
	case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; return cudaSuccess;
	case cudaDevAttrComputeCapabilityMajor: *value = p.major; return cudaSuccess;
	case cudaDevAttrComputeCapabilityMinor: *value = p.minor; return cudaSuccess;
	case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = (int)p.sharedMemPerMultiprocessor; return cudaSuccess;
	case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = (int)p.sharedMemPerBlockOptin; return cudaSuccess;
	}
	return emu_fail(cudaErrorInvalidValue);
}

extern "C" cudaError_t
cudaDriverGetVersion(int *version)
{
	*version = 13000;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaRuntimeGetVersion(int *version)
{
	*version = 13000;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attr, int value)
{
	if (attr == cudaFuncAttributePreferredSharedMemoryCarveout)
		return cudaSuccess;
	if (attr != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || value > EMU_ALL_SHARED)
		return emu_fail(cudaErrorInvalidValue);
	world()->shared_limit[kernel] = (size_t)value;
	return cudaSuccess;
}

/* 48 KB are allowed unasked. */
size_t
emu_shared_limit(const void *kernel)
{
	auto found = world()->shared_limit.find(kernel);

	if (found == world()->shared_limit.end() || found->second < EMU_STATIC_SHARED)
		return EMU_STATIC_SHARED;
	return found->second;
}

/* ---- memory ---- */

struct emu_alloc *
emu_alloc_of(const void *p)
{
	struct device_state *w = world();
	uintptr_t at = (uintptr_t)p;

	auto next = w->allocs.upper_bound(at);
	if (next == w->allocs.begin())
		return NULL;
	--next;
	if (at - next->first >= next->second.bytes)
		return NULL;
	return &next->second;
}

/* Under ASan, device memory is out of bounds while the host runs. */
static void
allow(bool device)
{
#ifdef __SANITIZE_ADDRESS__
	for (const auto &a : world()->allocs)
		if (!a.second.pinned && device)
			ASAN_UNPOISON_MEMORY_REGION(a.second.at, a.second.bytes);
		else if (!a.second.pinned)
			ASAN_POISON_MEMORY_REGION(a.second.at, a.second.bytes);
#endif
	(void)device;
}

void
emu_device_begin(void)
{
	if (world()->depth++ == 0)
		allow(true);
}

void
emu_device_end(void)
{
	if (--world()->depth == 0)
		allow(false);
}

static void *
allocate(size_t bytes, bool pinned)
{
	void *p;

	if (posix_memalign(&p, 256, bytes) != 0)
		return NULL;
	memset(p, 0xff, bytes);
	world()->allocs[(uintptr_t)p] = emu_alloc{ static_cast<char *>(p), bytes, pinned, NULL };
	(pinned ? world()->pinned : world()->used) += bytes;
	if (!pinned && world()->depth == 0)
		ASAN_POISON_MEMORY_REGION(p, bytes);
	return p;
}

static void deliver(void);

static cudaError_t
release(void *p, bool pinned)
{
	auto found = world()->allocs.find((uintptr_t)p);

	if (!p)
		return cudaSuccess;
	if (found == world()->allocs.end() || found->second.pinned != pinned)
		return emu_fail(cudaErrorInvalidValue);
	deliver();
	if (found->second.shadow)
		emu_race_forget(found->second.shadow, found->second.bytes);
	(pinned ? world()->pinned : world()->used) -= found->second.bytes;
	world()->allocs.erase(found);
	free(p);
	return cudaSuccess;
}

extern "C" cudaError_t
cudaMalloc(void **p, size_t bytes)
{
	*p = NULL;
	if (bytes == 0)
		return cudaSuccess;
	if (bytes > world()->total - world()->used)
		return emu_fail(cudaErrorMemoryAllocation);
	*p = allocate(bytes, false);
	return emu_fail(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}

extern "C" cudaError_t
cudaFree(void *p)
{
	return release(p, false);
}

extern "C" cudaError_t
cudaMallocHost(void **p, size_t bytes)
{
	*p = bytes ? allocate(bytes, true) : NULL;
	return emu_fail(*p || bytes == 0 ? cudaSuccess : cudaErrorMemoryAllocation);
}

extern "C" cudaError_t
cudaHostAlloc(void **p, size_t bytes, unsigned)
{
	return cudaMallocHost(p, bytes);
}

extern "C" cudaError_t
cudaFreeHost(void *p)
{
	return release(p, true);
}

extern "C" cudaError_t
cudaMemGetInfo(size_t *available, size_t *total)
{
	*total = world()->total;
	*available = world()->total - world()->used;
	return cudaSuccess;
}

extern "C" void
od_emu_set_memory(size_t total)
{
	world()->total = total ? total : (size_t)8 << 30;
	if (world()->total < world()->used)
		world()->total = world()->used;
}

extern "C" size_t
od_emu_memory_used(void)
{
	return world()->used + world()->pinned;
}

/* ---- copies ---- */

static bool
overlap(const struct pending *p, const char *at, size_t bytes)
{
	return p->host < at + bytes && at < p->host + p->data.size();
}

static void
finish(const struct pending *p)
{
	if (p->to_host)
		memcpy(p->host, p->data.data(), p->data.size());
	else if (memcmp(p->host, p->data.data(), p->data.size()) != 0)
		emu_die("pinned memory at %p was changed before the stream that copies from it was waited for",
			static_cast<void *>(p->host));
}

/* The stream was waited for: copies to pinned memory arrive, sources of copies must be what they were. */
static void
deliver(void)
{
	for (const struct pending &p : world()->pending)
		finish(&p);
	world()->pending.clear();
}

/* A copy that uses pinned memory which an earlier one uses comes after it. */
static void
finish_overlapping(const char *at, size_t bytes)
{
	std::vector<struct pending> rest;

	for (const struct pending &p : world()->pending)
		if (overlap(&p, at, bytes))
			finish(&p);
		else
			rest.push_back(p);
	world()->pending.swap(rest);
}

static void
copy_with_pinned(char *to, const char *from, size_t bytes, bool to_host)
{
	struct pending p = { to_host, to_host ? to : const_cast<char *>(from), std::vector<char>() };

	finish_overlapping(p.host, bytes);
	p.data.assign(from, from + bytes);
	if (to_host)
		memset(to, 0xff, bytes);
	else
		memcpy(to, from, bytes);
	world()->pending.push_back(p);
}

/* Whether the range is what the kind says: inside one device allocation, or of the host. */
static bool
right_side(const void *p, size_t bytes, bool device)
{
	const struct emu_alloc *a = emu_alloc_of(p);

	if (a && bytes > a->bytes - (size_t)(static_cast<const char *>(p) - a->at))
		return false;
	return device ? a && !a->pinned : !a || a->pinned;
}

static bool
on_device(const void *p)
{
	const struct emu_alloc *a = emu_alloc_of(p);

	return a && !a->pinned;
}

extern "C" cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t)
{
	bool to_device = kind == cudaMemcpyDefault ? on_device(to)
		: kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
	bool from_device = kind == cudaMemcpyDefault ? on_device(from)
		: kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;

	if (bytes == 0)
		return cudaSuccess;
	if (!right_side(to, bytes, to_device) || !right_side(from, bytes, from_device))
		return emu_fail(cudaErrorInvalidValue);
	emu_device_begin();
	if (to_device != from_device && emu_alloc_of(to_device ? from : to))
		copy_with_pinned(static_cast<char *>(to), static_cast<const char *>(from), bytes, from_device);
	else
		memmove(to, from, bytes);
	emu_device_end();
	return cudaSuccess;
}

extern "C" cudaError_t
cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
	cudaError_t e = cudaMemcpyAsync(to, from, bytes, kind, NULL);

	deliver();
	return e;
}

extern "C" cudaError_t
cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
	enum cudaMemcpyKind kind, cudaStream_t stream)
{
	if (width > to_pitch || width > from_pitch)
		return emu_fail(cudaErrorInvalidValue);
	for (size_t i = 0; i < height; i++) {
		cudaError_t e = cudaMemcpyAsync(static_cast<char *>(to) + i * to_pitch,
			static_cast<const char *>(from) + i * from_pitch, width, kind, stream);

		if (e)
			return e;
	}
	return cudaSuccess;
}

extern "C" cudaError_t
cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t)
{
	if (bytes == 0)
		return cudaSuccess;
	if (!right_side(p, bytes, true))
		return emu_fail(cudaErrorInvalidValue);
	emu_device_begin();
	memset(p, value, bytes);
	emu_device_end();
	return cudaSuccess;
}

extern "C" cudaError_t
cudaMemset(void *p, int value, size_t bytes)
{
	return cudaMemsetAsync(p, value, bytes, NULL);
}

/* ---- streams, events ---- */

extern "C" cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
	*stream = new CUstream_st{ flags };
	return cudaSuccess;
}

extern "C" cudaError_t
cudaStreamCreate(cudaStream_t *stream)
{
	return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

extern "C" cudaError_t
cudaStreamDestroy(cudaStream_t stream)
{
	if (!stream)
		return emu_fail(cudaErrorInvalidResourceHandle);
	deliver();
	delete stream;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaStreamSynchronize(cudaStream_t)
{
	deliver();
	return cudaSuccess;
}

extern "C" cudaError_t
cudaDeviceSynchronize(void)
{
	deliver();
	return cudaSuccess;
}

extern "C" cudaError_t
cudaDeviceReset(void)
{
	deliver();
	return cudaSuccess;
}

extern "C" cudaError_t
cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned)
{
	return emu_fail(event ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

extern "C" cudaError_t
cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
	*event = new CUevent_st{ flags, false, {} };
	return cudaSuccess;
}

extern "C" cudaError_t
cudaEventCreate(cudaEvent_t *event)
{
	return cudaEventCreateWithFlags(event, cudaEventDefault);
}

extern "C" cudaError_t
cudaEventDestroy(cudaEvent_t event)
{
	if (!event)
		return emu_fail(cudaErrorInvalidResourceHandle);
	delete event;
	return cudaSuccess;
}

extern "C" cudaError_t
cudaEventRecord(cudaEvent_t event, cudaStream_t)
{
	if (!event)
		return emu_fail(cudaErrorInvalidResourceHandle);
	event->recorded = true;
	clock_gettime(CLOCK_MONOTONIC, &event->at);
	return cudaSuccess;
}

extern "C" cudaError_t
cudaEventSynchronize(cudaEvent_t event)
{
	if (!event)
		return emu_fail(cudaErrorInvalidResourceHandle);
	deliver();
	return cudaSuccess;
}

extern "C" cudaError_t
cudaEventQuery(cudaEvent_t event)
{
	return cudaEventSynchronize(event);
}

extern "C" cudaError_t
cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
	if (!from || !to || !from->recorded || !to->recorded || ((from->flags | to->flags) & cudaEventDisableTiming))
		return emu_fail(cudaErrorInvalidResourceHandle);
	*ms = (float)((double)(to->at.tv_sec - from->at.tv_sec) * 1e3
		+ (double)(to->at.tv_nsec - from->at.tv_nsec) * 1e-6);
	return cudaSuccess;
}
