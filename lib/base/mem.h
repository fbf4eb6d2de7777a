/* mem.h -- allocation with overflow checks. All memory here is released with free(). */
#ifndef OD_BASE_MEM_H
#define OD_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* *out = a * b; false when it does not fit. Sizes read from files go through this before use. */
bool od_mul_size(size_t a, size_t b, size_t *out);

/* n elements of 'size' bytes, zeroed; NULL when n * size overflows or memory is short. n = 0 gives one byte. */
void *od_calloc(size_t n, size_t size);

/* As od_calloc, with a status: stores the block in *out or explains in err. */
OD_MUST_CHECK enum od_status od_alloc(void *out, size_t n, size_t size, const char *what, struct od_error *err);

/* Grows *array (elements of 'size' bytes, capacity *cap) to hold at least 'need' elements, doubling. */
OD_MUST_CHECK bool od_grow(void *array, size_t *cap, size_t need, size_t size);

/* A copy of s, or of its first n bytes with a NUL added; NULL when memory is short. */
char *od_strdup(const char *s);
char *od_strndup(const char *s, size_t n);

#endif
