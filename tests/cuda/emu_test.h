/* emu_test.h -- what the tests of the emulator share: TAP, device arrays, values that are exact in bf16. */
#ifndef OD_TESTS_EMU_TEST_H
#define OD_TESTS_EMU_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "device.h"

static const char *const orders[] = { "asc", "desc", "rand1", "rand2", "rand3" };
static int n_tests, n_failed;

static inline void
ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++n_tests, name);
	n_failed += !good;
}

/* A device array with the host's values; download brings them back. */
template <typename T>
struct device_array {
	T *at;
	size_t n;

	explicit device_array(const std::vector<T> &v) : n(v.size())
	{
		if (cudaMalloc(&at, n * sizeof *at) != cudaSuccess
			|| cudaMemcpy(at, v.data(), n * sizeof *at, cudaMemcpyHostToDevice) != cudaSuccess)
			abort();
	}
	device_array(const device_array &) = delete;
	~device_array() { cudaFree(at); }

	std::vector<T>
	download() const
	{
		std::vector<T> v(n);

		if (cudaMemcpy(v.data(), at, n * sizeof *at, cudaMemcpyDeviceToHost) != cudaSuccess)
			abort();
		return v;
	}
};

static inline std::vector<float>
ramp(size_t n)
{
	std::vector<float> v(n);

	for (size_t i = 0; i < n; i++)
		v[i] = (float)((i * 37 + 11) % 64) / 8 - 3;
	return v;
}

static inline std::vector<bf16>
ramp_bf16(size_t n)
{
	std::vector<bf16> v(n);
	std::vector<float> x = ramp(n);

	for (size_t i = 0; i < n; i++)
		v[i] = __float2bfloat16(x[i]);
	return v;
}

/* The plan, and the exit status. */
static inline int
done(void)
{
	ok(od_emu_memory_used() == 0, "all device memory was freed");
	printf("1..%d\n", n_tests);
	return n_failed != 0;
}

#endif
