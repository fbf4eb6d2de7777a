#include "io/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum od_status
od_map_open(struct od_map *m, const char *path, struct od_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);     /* a FIFO is refused below, not waited for */
	enum od_status st = OD_OK;
	struct stat sb;
	void *p;

	*m = (struct od_map)OD_MAP_INIT;
	if (fd < 0)
		return od_fail_sys(err, errno, "cannot open '%s'", path);
	if (fstat(fd, &sb) < 0) {
		st = od_fail_sys(err, errno, "cannot examine '%s'", path);
	} else if (!S_ISREG(sb.st_mode)) {
		st = od_fail(err, OD_EFORMAT, "cannot read '%s': not a regular file", path);
	} else if (sb.st_size > 0) {
		p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			st = od_fail_sys(err, errno, "cannot map '%s'", path);
		else
			*m = (struct od_map){ p, (size_t)sb.st_size };
	}
	close(fd);
	return st;
}

void
od_map_close(struct od_map *m)
{
	if (m->data)
		munmap((void *)m->data, m->n);
	*m = (struct od_map)OD_MAP_INIT;
}

void
od_map_forget(const struct od_map *m, const void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), base = (uintptr_t)m->data, at = (uintptr_t)p;
	uintptr_t first = (at + page - 1) / page * page, end = (at + n) / page * page;

	if (m->data && at >= base && at - base <= m->n && n <= m->n - (at - base) && first < end)
		madvise((void *)first, end - first, MADV_DONTNEED);
}
