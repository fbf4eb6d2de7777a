/* settle.c -- how long the threads of a computation wait awake. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/common/device_opts.h"

/* GNU OpenMP's threads wait for each other by spinning for milliseconds. Where another process wants the same cores that eats
 * the time of the thread that is waited for: od-ref on two cores beside one busy process made 700 tokens a second instead of
 * 5,300, and quiet it gains 3 %. The library reads its settings before main, so a program that wants others starts anew. */
void
od_device_settle_threads(char **argv, const char *spins)
{
	char path[PATH_MAX];
	ssize_t n;

	if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") || setenv("GOMP_SPINCOUNT", spins, 1) != 0)
		return;
	n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	execv(path, argv);             /* where that fails there is nothing to mend: it runs as it is */
}
