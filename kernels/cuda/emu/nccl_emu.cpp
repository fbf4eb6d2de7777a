/* nccl_emu.cpp -- the functions of nccl.h on the emulator: processes meet in a piece of shared memory named by the group's
 * identity, and every collective goes through it in chunks, summed in rank order.
 *
 * A peer that does not come within a minute is taken for dead and the process ends. OD_EMU_NCCL=0 in the environment: the
 * library "is not installed".
 */
#include "nccl.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

enum { MOST_RANKS = 16, CHUNK = 1 << 16, PATIENCE = 60 };

struct meeting {
	int32_t arrived, round;                /* of the barrier */
	char slot[MOST_RANKS][CHUNK];
};

struct ncclComm {
	struct meeting *m;
	int rank, n;
	char name[128];
};

/* ---- meeting ---- */

static void
meet(ncclComm_t c)
{
	int32_t round = __atomic_load_n(&c->m->round, __ATOMIC_ACQUIRE);
	time_t begun = time(NULL);

	if (__atomic_add_fetch(&c->m->arrived, 1, __ATOMIC_ACQ_REL) == c->n) {
		__atomic_store_n(&c->m->arrived, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&c->m->round, round + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&c->m->round, __ATOMIC_ACQUIRE) == round) {
		sched_yield();
		if (time(NULL) - begun > PATIENCE) {
			fprintf(stderr, "emu: nccl: rank %d waited %d s for the others\n", c->rank, PATIENCE);
			_exit(70);
		}
	}
}

static int
missing(void)
{
	const char *text = getenv("OD_EMU_NCCL");

	return text && !strcmp(text, "0");
}

ncclResult_t
ncclGetVersion(int *version)
{
	*version = 22900;
	return 0;
}

ncclResult_t
ncclGetUniqueId(ncclUniqueId *id)
{
	struct timespec t;

	if (missing())
		return 2;
	memset(id, 0, sizeof *id);
	clock_gettime(CLOCK_REALTIME, &t);
	snprintf(id->internal, sizeof id->internal, "/od-emu-%d-%lld-%ld", (int)getpid(), (long long)t.tv_sec, t.tv_nsec);
	return 0;
}

ncclResult_t
ncclCommInitRank(ncclComm_t *comm, int n, ncclUniqueId id, int rank)
{
	ncclComm_t c = static_cast<ncclComm_t>(calloc(1, sizeof *c));
	int fd = shm_open(id.internal, O_RDWR | O_CREAT, 0600);
	void *p = MAP_FAILED;

	if (n > MOST_RANKS || rank < 0 || rank >= n || !c || fd < 0)
		return 4;
	if (ftruncate(fd, sizeof(struct meeting)) == 0)
		p = mmap(NULL, sizeof(struct meeting), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return 2;
	c->m = static_cast<struct meeting *>(p);
	c->rank = rank;
	c->n = n;
	snprintf(c->name, sizeof c->name, "%s", id.internal);
	meet(c);
	if (rank == 0)
		shm_unlink(c->name);           /* everybody is in */
	*comm = c;
	return 0;
}

ncclResult_t
ncclCommDestroy(ncclComm_t c)
{
	munmap(c->m, sizeof *c->m);
	free(c);
	return 0;
}

ncclResult_t
ncclGroupStart(void)
{
	return 0;
}

ncclResult_t
ncclGroupEnd(void)
{
	return 0;
}

const char *
ncclGetErrorString(ncclResult_t r)
{
	return r ? "emulated failure" : "success";
}

/* ---- collectives: one root's range at a time ---- */

static size_t
size_of(int type)
{
	return type == OD_NCCL_BFLOAT16 ? 2 : 4;
}

ncclResult_t
ncclReduce(const void *send, void *receive, size_t count, int type, int op, int root, ncclComm_t c, cudaStream_t)
{
	if (type != OD_NCCL_FLOAT || op != OD_NCCL_SUM || root < 0 || root >= c->n)
		return 4;
	emu_device_begin();
	for (size_t at = 0, n; at < count; at += n) {
		n = count - at < CHUNK / 4 ? count - at : (size_t)CHUNK / 4;
		memcpy(c->m->slot[c->rank], static_cast<const float *>(send) + at, n * 4);
		meet(c);
		for (size_t i = 0; i < n && c->rank == root; i++) {
			float sum = 0, x;

			for (int k = 0; k < c->n; k++) {
				memcpy(&x, c->m->slot[k] + i * 4, 4);
				sum = k ? sum + x : x;
			}
			static_cast<float *>(receive)[at + i] = sum;
		}
		meet(c);
	}
	emu_device_end();
	return 0;
}

ncclResult_t
ncclBroadcast(const void *send, void *receive, size_t count, int type, int root, ncclComm_t c, cudaStream_t)
{
	size_t bytes = count * size_of(type);

	if (root < 0 || root >= c->n)
		return 4;
	emu_device_begin();
	for (size_t at = 0, n; at < bytes; at += n) {
		n = bytes - at < CHUNK ? bytes - at : (size_t)CHUNK;
		if (c->rank == root)
			memcpy(c->m->slot[root], static_cast<const char *>(send) + at, n);
		meet(c);
		if (c->rank != root)
			memcpy(static_cast<char *>(receive) + at, c->m->slot[root], n);
		meet(c);
	}
	emu_device_end();
	return 0;
}

/* In place alone, as nccl.cu calls them: receive is send + rank * count. */
ncclResult_t
ncclReduceScatter(const void *send, void *receive, size_t count, int type, int op, ncclComm_t c, cudaStream_t stream)
{
	const float *from = static_cast<const float *>(send);
	ncclResult_t r = receive == from + (size_t)c->rank * count ? 0 : 4;

	for (int k = 0; k < c->n && r == 0; k++)
		r = ncclReduce(from + (size_t)k * count, receive, count, type, op, k, c, stream);
	return r;
}

ncclResult_t
ncclAllGather(const void *send, void *receive, size_t count, int type, ncclComm_t c, cudaStream_t stream)
{
	size_t bytes = count * size_of(type);
	char *to = static_cast<char *>(receive);
	ncclResult_t r = send == to + (size_t)c->rank * bytes ? 0 : 4;

	for (int k = 0; k < c->n && r == 0; k++)
		r = ncclBroadcast(to + (size_t)k * bytes, to + (size_t)k * bytes, count, type, k, c, stream);
	return r;
}
