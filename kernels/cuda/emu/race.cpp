/* race.cpp -- the race checker: answers the calls that -fsanitize=thread puts before every load and store of the .cu files,
 * in place of libtsan, which knows nothing of blocks and barriers.
 *
 * Every byte of shared and device memory has a shadow: its last writer, its last two readers that are different threads,
 * and whether another block has read it. Two accesses of one block are ordered by a __syncthreads between them, and
 * within a warp by a __syncwarp; accesses of two blocks of a launch by nothing; launches follow each other. This finds a
 * race in whatever order the threads really ran. The two readers suffice: if any thread other than the writer has read
 * since the barrier, one of the two is such.
 */
#include "state.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Who, when. generation is the block's; 0: nobody. */
struct record {
	uint32_t generation, epoch, pc;
	uint16_t thread, warp_epoch;
};

struct cell {
	struct record writer, reader, reader2;
	uint32_t other_reader;               /* generation of a block before reader's that has read */
	bool atomic, copying;                /* the writer did it atomically; by a copy it has not waited for */
};

extern "C" char __executable_start, _end;

static struct cell *arena_shadow, *dynamic_shadow;

/* ---- reports ---- */

/* Where the program was loaded: addr2line wants addresses of the file. */
static int
first_object(struct dl_phdr_info *info, size_t, void *base)
{
	*static_cast<uintptr_t *>(base) = info->dlpi_addr;
	return 1;
}

static uint32_t
file_address(const void *pc)
{
	static uintptr_t base;
	static bool known;

	if (!known)
		dl_iterate_phdr(first_object, &base);
	known = true;
	return (uint32_t)((uintptr_t)pc - base - 1);
}

static void
print_line(uint32_t address)
{
	char exe[4096], command[4200];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	if (n < 0)
		return;
	exe[n] = 0;
	fflush(stderr);
	snprintf(command, sizeof command, "addr2line -Cpfsi -e '%s' %#x 1>&2", exe, address);
	if (system(command) != 0)
		fprintf(stderr, "at %#x\n", address);
}

static const char *
verb(enum emu_access kind)
{
	switch (kind) {
	case EMU_READ: return "reads";
	case EMU_ATOMIC: return "changes atomically";
	case EMU_COPY_BEGINS: return "begins to copy to";
	default: return "writes";
	}
}

static void
print_byte(const char *p)
{
	int piece = emu_piece_of(p, 1);
	const struct emu_alloc *a = emu_alloc_of(p);

	if (piece >= 0)
		fprintf(stderr, "byte %td of shared %s", p - emu.piece[piece].at, emu.piece[piece].name);
	else if (a)
		fprintf(stderr, "byte %td of %zu of the device memory at %p", p - a->at, a->bytes,
			static_cast<void *>(a->at));
	else
		fprintf(stderr, "address %p", static_cast<const void *>(p));
}

static void __attribute__((noreturn))
report(const char *p, enum emu_access kind, const struct record *now, const struct record *then, const char *what)
{
	fprintf(stderr, "emu: race: ");
	emu_print_thread(now->thread);
	fprintf(stderr, " %s ", verb(kind));
	print_byte(p);
	fprintf(stderr, "\nemu:   at ");
	print_line(now->pc);
	fprintf(stderr, "emu:   %s", what);
	if (then) {
		fprintf(stderr, " ");
		emu_print_thread(then->thread);
		fprintf(stderr, " of %s block\nemu:   at ", then->generation == now->generation ? "this" : "another");
		print_line(then->pc);
	}
	emu.thread = now->thread;
	emu_die("race");
}

/* ---- the rules ---- */

static bool
ordered(const struct record *then, const struct record *now)
{
	if (then->generation < emu.first_generation)
		return true;
	if (then->generation != now->generation)
		return false;
	if (then->thread == now->thread || then->epoch != now->epoch)
		return true;
	return then->thread / EMU_WARP == now->thread / EMU_WARP && then->warp_epoch != now->warp_epoch;
}

static void
note_reader(struct cell *c, const struct record *now)
{
	if (c->reader.generation != now->generation) {
		if (c->reader.generation >= emu.first_generation)
			c->other_reader = c->reader.generation;
		c->reader2 = record();
	} else if (c->reader.thread != now->thread) {
		c->reader2 = c->reader;
	}
	c->reader = *now;
}

static void
check_readers(const char *p, const struct cell *c, enum emu_access kind, const struct record *now)
{
	if (!ordered(&c->reader, now))
		report(p, kind, now, &c->reader, "with no barrier since it was read by");
	if (!ordered(&c->reader2, now))
		report(p, kind, now, &c->reader2, "with no barrier since it was read by");
	if (c->other_reader >= emu.first_generation)
		report(p, kind, now, NULL, "which another block of this launch has read");
}

static void
touch_byte(const char *p, struct cell *c, enum emu_access kind, bool shared, const struct record *now)
{
	/* Shared memory is another one for each block. */
	if (shared && c->writer.generation != now->generation) {
		if (kind == EMU_READ || kind == EMU_ATOMIC)
			report(p, kind, now, NULL, "which this block has not written");
		c->writer = record();
		c->copying = false;
	}
	if (shared && c->reader.generation != now->generation)
		c->reader = c->reader2 = record();
	if (kind == EMU_COPY_ENDS) {
		c->copying = false;
		c->writer = *now;
		return;
	}
	if (c->copying && c->writer.generation == now->generation)
		report(p, kind, now, &c->writer, "before cp_async_wait for the copy begun by");
	if (!ordered(&c->writer, now) && !(kind == EMU_ATOMIC && c->atomic))
		report(p, kind, now, &c->writer, "with no barrier since it was written by");
	if (kind == EMU_READ) {
		note_reader(c, now);
		return;
	}
	check_readers(p, c, kind, now);
	c->writer = *now;
	c->atomic = kind == EMU_ATOMIC;
	c->copying = kind == EMU_COPY_BEGINS;
}

/* ---- shadows ---- */

/* Zeros that cost nothing until they are touched. */
static struct cell *
new_shadow(size_t bytes)
{
	void *p = mmap(NULL, bytes * sizeof(struct cell), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		emu_die("no memory for the shadow of %zu bytes", bytes);
	return static_cast<struct cell *>(p);
}

extern "C" void
emu_race_forget(void *shadow, size_t bytes)
{
	munmap(shadow, bytes * sizeof(struct cell));
}

static struct cell *
shared_shadow(const char *p, int piece)
{
	if (piece == 0) {
		if (!dynamic_shadow)
			dynamic_shadow = new_shadow(EMU_ALL_SHARED);
		return dynamic_shadow + (p - emu.piece[0].at);
	}
	if (!arena_shadow)
		arena_shadow = new_shadow(emu.arena_size);
	return arena_shadow + (p - emu.arena);
}

static bool
within(const char *p, const char *at, size_t bytes)
{
	return (size_t)(p - at) < bytes;
}

/* Memory of one thread, or that nobody writes: its stack, its arguments, tables and constants of the program. */
static bool
private_memory(const char *p)
{
	if (within(p, emu.arena, emu.arena_size))
		return false;
	return within(p, emu.stacks, emu.stacks_size) || within(p, emu.args, emu.args_size)
		|| (p >= &__executable_start && p < &_end);
}

/* The shadow of p .. p + bytes, NULL for private memory; reports addresses that are no place for a kernel. */
static struct cell *
shadow_of(const char *p, size_t bytes, bool *shared, const struct record *now, enum emu_access kind)
{
	int piece = emu_piece_of(p, bytes);
	struct emu_alloc *a;

	*shared = piece >= 0;
	if (piece >= 0)
		return shared_shadow(p, piece);
	if (private_memory(p))
		return NULL;
	a = emu_alloc_of(p);
	if (!a || bytes > a->bytes - (size_t)(p - a->at))
		report(p, kind, now, NULL, "which is beyond an array, or memory of the host");
	if (!a->shadow)
		a->shadow = new_shadow(a->bytes);
	return static_cast<struct cell *>(a->shadow) + (p - a->at);
}

extern "C" void
emu_race_access(const void *address, size_t bytes, enum emu_access kind, int thread, const void *pc)
{
	const char *p = static_cast<const char *>(address);
	struct record now = { od_emu_generation, emu.epoch, file_address(pc), (uint16_t)thread,
		(uint16_t)emu.warp_epoch[thread / EMU_WARP] };
	bool shared;
	struct cell *c = shadow_of(p, bytes, &shared, &now, kind);

	for (size_t i = 0; c && i < bytes; i++)
		touch_byte(p + i, &c[i], kind, shared, &now);
}

/* ---- what the compiler calls ---- */

static void
compiled_access(const void *p, size_t bytes, enum emu_access kind, const void *pc)
{
	const struct emu_alloc *a;

	if (emu.in_kernel) {
		if (!within(static_cast<const char *>(p), emu.stacks, emu.stacks_size))
			emu_race_access(p, bytes, kind, emu.thread, pc);
		return;
	}
	a = emu_alloc_of(p);
	if (a && !a->pinned) {
		fprintf(stderr, "emu: the host %s device memory\nemu:   at ", verb(kind));
		print_line(file_address(pc));
		abort();
	}
}

#define HOOK(name, bytes, kind)                                                              \
	extern "C" void __tsan_##name(const void *p)                                         \
	{                                                                                    \
		compiled_access(p, bytes, kind, __builtin_return_address(0));                \
	}
#define HOOKS(bytes)                                                                         \
	HOOK(read##bytes, bytes, EMU_READ)                                                   \
	HOOK(write##bytes, bytes, EMU_WRITE)                                                 \
	HOOK(unaligned_read##bytes, bytes, EMU_READ)                                         \
	HOOK(unaligned_write##bytes, bytes, EMU_WRITE)                                       \
	HOOK(volatile_read##bytes, bytes, EMU_READ)                                          \
	HOOK(volatile_write##bytes, bytes, EMU_WRITE)
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

extern "C" {
void
__tsan_read_range(const void *p, size_t bytes)
{
	compiled_access(p, bytes, EMU_READ, __builtin_return_address(0));
}

void
__tsan_write_range(const void *p, size_t bytes)
{
	compiled_access(p, bytes, EMU_WRITE, __builtin_return_address(0));
}

void __tsan_init(void) {}
void __tsan_func_entry(const void *) {}
void __tsan_func_exit(void) {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
}

/* ---- memcpy and its like ---- */

/* The compiler makes calls of these from loops and assignments, and does not announce what they touch; so the program has
 * its own. Only what is shared or device memory counts: the others are the emulator's and the library's. */
static void
library_access(const void *p, size_t bytes, enum emu_access kind, const void *pc)
{
	const char *c = static_cast<const char *>(p);

	if (emu.in_kernel && bytes > 0 && !private_memory(c))
		emu_race_access(p, bytes, kind, emu.thread, pc);
}

extern "C" void *
memcpy(void *__restrict to, const void *__restrict from, size_t n)
{
	void *d = to;

	if (emu.in_kernel) {
		library_access(from, n, EMU_READ, __builtin_return_address(0));
		library_access(to, n, EMU_WRITE, __builtin_return_address(0));
	}
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

extern "C" void *
memmove(void *to, const void *from, size_t n)
{
	char *d = static_cast<char *>(to);
	const char *s = static_cast<const char *>(from);

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	if (emu.in_kernel) {
		library_access(from, n, EMU_READ, __builtin_return_address(0));
		library_access(to, n, EMU_WRITE, __builtin_return_address(0));
	}
	d += n - 1;
	s += n - 1;
	__asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	return to;
}

extern "C" void *
memset(void *p, int value, size_t n)
{
	void *d = p;

	if (emu.in_kernel)
		library_access(p, n, EMU_WRITE, __builtin_return_address(0));
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(value) : "memory");
	return p;
}
