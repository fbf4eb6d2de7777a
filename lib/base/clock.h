/* clock.h -- time that only goes forward. */
#ifndef OD_BASE_CLOCK_H
#define OD_BASE_CLOCK_H

#include <time.h>

/* Seconds since some fixed moment. */
static inline double
od_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
