/* state.h -- what the emulator's own files share. */
#ifndef OD_EMU_STATE_H
#define OD_EMU_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "emu.h"

enum { EMU_WARP = 32, EMU_MAX_THREADS = 1024, EMU_STATIC_SHARED = 48 * 1024, EMU_ALL_SHARED = 227 * 1024 };

/* One SHARED array of the running block, or the dynamic shared memory. */
struct emu_piece {
	char *at;
	size_t bytes;
	const char *name;
};

struct emu_state {
	const struct od_emu_launch_args *launch;   /* NULL outside a launch */
	const char *args;                          /* of the running kernel: what its threads may read of the host's */
	size_t args_size;
	int n_threads, thread;                     /* of the block; the running one */
	int in_kernel;                             /* kernel code runs, not the emulator's */
	uint32_t first_generation;                 /* od_emu_generation of the launch's first block */
	uint32_t epoch;                            /* __syncthreads of this block so far */
	uint32_t warp_epoch[EMU_MAX_THREADS / EMU_WARP];
	int n_pieces;
	struct emu_piece piece[64];
	char *stacks;                              /* of all fibres */
	size_t stacks_size;
	char *arena;                               /* where SHARED arrays lie, with gaps */
	size_t arena_size;
};

extern struct emu_state emu;

/* Prints the message with kernel, block and thread, and aborts. */
void emu_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Prints "thread (x,y,z)" for thread t of this block. */
void emu_print_thread(int t);
/* Sets what cudaGetLastError returns, and returns it. */
cudaError_t emu_fail(cudaError_t error);
/* Index of the array of shared memory that holds p .. p + bytes, or -1. */
int emu_piece_of(const void *p, size_t bytes);

/* Parks the running thread until every lane of mask has come to the same primitive, at the same line; the last one calls
 * exchange with the lanes' args. */
typedef void (*emu_exchange)(void *const args[EMU_WARP], unsigned mask);
void emu_warp(const char *file, int line, const char *name, unsigned mask, void *arg, emu_exchange exchange);
/* warp.cpp: forgets the asynchronous copies of the threads of the last block. */
void emu_async_reset(void);

/* ---- runtime_emu.cpp: allocations ---- */
struct emu_alloc {
	char *at;
	size_t bytes;
	bool pinned;                               /* host memory; the device may use it */
	void *shadow;                              /* race.cpp's */
};

/* The allocation that holds p, or NULL. */
struct emu_alloc *emu_alloc_of(const void *p);
/* The dynamic shared memory a kernel was allowed by cudaFuncSetAttribute. */
size_t emu_shared_limit(const void *kernel);
/* Between these the device works: its memory may be touched (ASan). They nest. */
void emu_device_begin(void);
void emu_device_end(void);

/* ---- race.cpp, where it is linked in ---- */
enum emu_access { EMU_READ, EMU_WRITE, EMU_ATOMIC, EMU_COPY_BEGINS, EMU_COPY_ENDS };
extern "C" {
void emu_race_access(const void *p, size_t bytes, enum emu_access kind, int thread, const void *pc) __attribute__((weak));
void emu_race_forget(void *shadow, size_t bytes) __attribute__((weak));
}

/* What a primitive does for a thread. pc: the caller's, where it is the kernel. */
static inline void
emu_touch(const void *p, size_t bytes, enum emu_access kind, int thread, const void *pc)
{
	if (emu_race_access)
		emu_race_access(p, bytes, kind, thread, pc);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

#endif
