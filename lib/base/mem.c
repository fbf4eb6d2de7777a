#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool
od_mul_size(size_t a, size_t b, size_t *out)
{
	if (b && a > SIZE_MAX / b)
		return false;
	*out = a * b;
	return true;
}

void *
od_calloc(size_t n, size_t size)
{
	size_t bytes;

	if (!od_mul_size(n, size, &bytes))
		return NULL;
	return calloc(bytes ? bytes : 1, 1);
}

enum od_status
od_alloc(void *out, size_t n, size_t size, const char *what, struct od_error *err)
{
	void *block = od_calloc(n, size);

	if (!block)
		return od_fail_nomem(err, what, (unsigned long long)n * size);
	memcpy(out, &block, sizeof block);
	return OD_OK;
}

bool
od_grow(void *array, size_t *cap, size_t need, size_t size)
{
	void *old, *grown;
	size_t want = *cap ? *cap : 16, bytes;

	if (need <= *cap)
		return true;
	while (want < need)
		want = want > SIZE_MAX / 2 ? need : want * 2;
	if (!od_mul_size(want, size, &bytes))
		return false;
	memcpy(&old, array, sizeof old);
	grown = realloc(old, bytes);
	if (!grown)
		return false;
	memcpy(array, &grown, sizeof grown);
	*cap = want;
	return true;
}

char *
od_strndup(const char *s, size_t n)
{
	char *copy = malloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

char *
od_strdup(const char *s)
{
	return od_strndup(s, strlen(s));
}
